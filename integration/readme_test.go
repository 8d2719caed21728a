package integration_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestReadme runs what the README shows: its commands, its map, and the names
// of commands and files in it.
func TestReadme(t *testing.T) {
	root := moduleRoot(t)
	b, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	bin := filepath.Join(t.TempDir(), "chartwire")
	sh(t, root, "go build -o "+bin+" ./cmd/chartwire")

	t.Run("files", func(t *testing.T) {
		for _, m := range regexp.MustCompile(`\]\(([^)#]+)\)`).FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(root, m[1])); err != nil {
				t.Errorf("the README links to %s: %v", m[1], err)
			}
		}
	})
	t.Run("verbs", func(t *testing.T) {
		for _, m := range regexp.MustCompile("`chartwire ([a-z-]+)").FindAllStringSubmatch(text, -1) {
			sh(t, root, bin+" "+m[1]+" --help")
		}
	})
	t.Run("map", func(t *testing.T) {
		_, rest, _ := strings.Cut(text, "```yaml\n")
		body, _, _ := strings.Cut(rest, "```")
		pack := filepath.Join(t.TempDir(), "my-clinic")
		if err := os.MkdirAll(pack, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(pack, "contacts.yaml"), []byte(body), 0o644); err != nil {
			t.Fatal(err)
		}
		sh(t, root, "cp schemas/maps/om-aggregation/reference.sql "+pack)
		sh(t, root, bin+" maps test --maps "+filepath.Dir(pack)+" my-clinic/contacts")
	})
	t.Run("commands", func(t *testing.T) {
		if testing.Short() {
			t.Skip("runs the demo and needs servers: not under -short")
		}
		ran := 0
		for _, m := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(text, -1) {
			for _, line := range strings.Split(strings.TrimSpace(m[1]), "\n") {
				ran++
				runShown(t, root, line)
			}
		}
		if ran < 5 {
			t.Fatalf("%d commands found in the README", ran)
		}
	})
}

// runShown runs a command of the README. Those that need somebody's servers are
// run as far as a machine without them can: to the error that says so.
func runShown(t *testing.T, root, line string) {
	t.Helper()
	switch {
	case line == "make test":
		ci, err := os.ReadFile(filepath.Join(root, ".ci", "run"))
		if err != nil || !strings.Contains(string(ci), "\nmake test\n") {
			t.Errorf("the gate does not run `make test`, which is this: %v", err)
		}
	case strings.Contains(line, "-c deploy/chartwire.example.yaml"):
		out, err := command(root, line).CombinedOutput()
		if err == nil || !strings.Contains(string(out), "KAFKA_PASSWORD is not set") {
			t.Errorf("%s: %v: %s", line, err, out)
		}
	default:
		began := time.Now()
		sh(t, root, line)
		t.Logf("%s: %s", line, time.Since(began).Round(time.Second))
	}
}

func command(dir, line string) *exec.Cmd {
	cmd := exec.Command("sh", "-c", line)
	cmd.Dir = dir
	return cmd
}

func sh(t *testing.T, dir, line string) {
	t.Helper()
	if out, err := command(dir, line).CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s", line, err, out)
	}
}
