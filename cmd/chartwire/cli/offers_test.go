package cli

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestOffers: each command that a page, an alert or a document tells people to
// type is one that there is, down to its flags.
func TestOffers(t *testing.T) {
	root := filepath.Join("..", "..", "..")
	files := []string{filepath.Join(root, "README.md"), filepath.Join(root, "deploy", "alerts.yaml"), filepath.Join(root, "deploy", "chartwire.example.yaml")}
	for _, pattern := range []string{"cmd/chartwire/explain/*.md", "schemas/maps/*.md", "schemas/maps/*/*.md"} {
		more, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, more...)
	}
	quoted := regexp.MustCompile("`(?:\\./bin/)?chartwire\\s([^`]+)`")
	plain := regexp.MustCompile(`(?:^|["(:;] ?)chartwire ([a-z][^;:,."()]*)`)
	n := 0
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		said := quoted
		if filepath.Ext(file) == ".yaml" {
			said = plain
		}
		for _, m := range said.FindAllStringSubmatch(string(b), -1) {
			words := strings.Fields(strings.ReplaceAll(m[1], `\|`, "|"))
			cmd, rest, err := (&app{out: io.Discard, err: io.Discard}).root().Find(words)
			if err != nil || cmd.HasSubCommands() {
				t.Errorf("%s: there is no `chartwire %s`", file, strings.Join(words, " "))
				continue
			}
			n++
			for _, w := range rest {
				name, ok := strings.CutPrefix(w, "--")
				if name, _, _ = strings.Cut(name, "="); ok && cmd.Flag(name) == nil {
					t.Errorf("%s: `chartwire %s`: there is no --%s", file, strings.Join(words, " "), name)
				}
			}
		}
	}
	if n < 50 {
		t.Errorf("only %d commands were found", n)
	}
	t.Logf("%d commands", n)
}
