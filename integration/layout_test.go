package integration_test

import (
	"bytes"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// allowed says what each part may import of ours besides itself; the longest
// prefix that matches a package decides. "x/..." is x and all below it. Test
// files may import more: they are not built into anything.
var allowed = map[string][]string{
	"cdc":                 {},
	"schemas":             {"cdc"},
	"cdc/mysql":           {"cdc", "schemas"},
	"sinks":               {"cdc"},
	"sinks/outcall":       {"cdc", "sinks"},
	"sinks/sinktest":      {"cdc", "sinks"},
	"sinks/hubspot":       {"cdc", "sinks", "sinks/outcall", "schemas/hubspot"},
	"sinks/notify":        {"cdc", "sinks", "sinks/outcall"},
	"pipeline":            {"cdc", "schemas/...", "sinks"},
	"cmd":                 {"cdc/...", "schemas/...", "sinks/...", "pipeline/...", "integration/servers", "integration/clinic", "integration/shop"},
	"integration":         {"cdc/...", "schemas/...", "sinks/...", "pipeline/...", "cmd/..."},
	"integration/faults":  {},
	"integration/servers": {},
	"integration/clinic":  {"schemas/...", "sinks/..."},
	"integration/shop":    {"sinks/..."},
}

// outside says which third-party modules have one place to be imported.
var outside = map[string][]string{
	"github.com/go-mysql-org/go-mysql": {"cdc/mysql/..."},
	"github.com/cockroachdb/pebble":    {"pipeline/..."},
}

func TestImportDirection(t *testing.T) {
	root := moduleRoot(t)
	for _, file := range goFiles(t, root) {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, file), nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		pkg := filepath.ToSlash(filepath.Dir(file))
		rule, ok := longest(pkg)
		if !ok {
			t.Errorf("%s: the package %s has no line in the table of imports: say in layout_test.go what it may import", file, pkg)
			continue
		}
		for _, spec := range f.Imports {
			path, _ := strconv.Unquote(spec.Path.Value)
			if own, found := strings.CutPrefix(path, "chartwire/"); found {
				if !permitted(own, append(allowed[rule], rule+"/...")) {
					t.Errorf("%s imports %s: %s may import only %v of ours; move the code, or the decision", file, own, rule, allowed[rule])
				}
				continue
			}
			for module, places := range outside {
				if (path == module || strings.HasPrefix(path, module+"/")) && !permitted(pkg, places) {
					t.Errorf("%s imports %s: only %v may", file, path, places)
				}
			}
			if rule == "cdc" && strings.Contains(path, ".") {
				t.Errorf("%s imports %s: cdc is the standard library only", file, path)
			}
		}
	}
}

// TestFileLength keeps files to one idea. A longer one says why in a comment
// "// Longer than 400 lines: reason".
func TestFileLength(t *testing.T) {
	root := moduleRoot(t)
	for _, file := range goFiles(t, root) {
		b, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(b, []byte("\n")); n > 400 && !bytes.Contains(b, []byte("// Longer than 400 lines: ")) {
			t.Errorf("%s has %d lines: split it by idea, or say in it why not (// Longer than 400 lines: …)", file, n)
		}
	}
}

func longest(pkg string) (string, bool) {
	for p := pkg; p != "."; p = filepath.ToSlash(filepath.Dir(p)) {
		if _, ok := allowed[p]; ok {
			return p, true
		}
	}
	return "", false
}

func permitted(pkg string, list []string) bool {
	for _, p := range list {
		root, subtree := strings.CutSuffix(p, "/...")
		if pkg == root || subtree && strings.HasPrefix(pkg, root+"/") {
			return true
		}
	}
	return false
}

func moduleRoot(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("no go.mod above the test")
		}
		dir = parent
	}
}

func goFiles(t *testing.T, root string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		if d.IsDir() {
			if name := d.Name(); rel != "." && (strings.HasPrefix(name, ".") || name == "testdata" || name == "bin") {
				return filepath.SkipDir
			}
			return nil
		}
		if strings.HasSuffix(path, ".go") {
			files = append(files, filepath.ToSlash(rel))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
