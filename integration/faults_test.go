package integration_test

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"chartwire/integration/faults"
)

var update = flag.Bool("update", false, "write what is generated instead of comparing it")

// shown is one call of faults.Shows in the sources.
type shown struct {
	id, did string
	pkg     string
	tests   []string // the test functions that reach the call
}

// TestFaults keeps FAULTS.md what the tests say it is, and wants each fault of
// the list in it.
func TestFaults(t *testing.T) {
	got, open := faultsPage(findShown(t, moduleRoot(t)))
	for _, id := range open {
		t.Errorf("no test shows %s", id)
	}
	if *update {
		if err := os.WriteFile("FAULTS.md", []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile("FAULTS.md")
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Error("FAULTS.md is not what the tests say: go test ./integration -run TestFaults -update")
	}
}

// TestFaultsList: an id stands for one fault of a section that there is.
func TestFaultsList(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range faults.List {
		if seen[f.ID] {
			t.Errorf("%s is there twice", f.ID)
		}
		seen[f.ID] = true
		if !slices.ContainsFunc(faults.Sections, func(s faults.Section) bool { return s.ID == f.Section }) {
			t.Errorf("%s: no section %q", f.ID, f.Section)
		}
	}
}

// findShown reads all tests of the module.
func findShown(t *testing.T, root string) []shown {
	t.Helper()
	packages := map[string][]*ast.File{}
	for _, file := range goFiles(t, root) {
		if !strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, file), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		pkg := filepath.ToSlash(filepath.Dir(file))
		packages[pkg] = append(packages[pkg], f)
	}
	var list []shown
	for pkg, files := range packages {
		list = append(list, shownIn(t, pkg, files)...)
	}
	slices.SortFunc(list, func(a, b shown) int {
		return strings.Compare(a.pkg+" "+strings.Join(a.tests, " ")+a.did, b.pkg+" "+strings.Join(b.tests, " ")+b.did)
	})
	return list
}

// shownIn finds the calls of a package. A call in a helper is credited to every
// test that mentions the helper, itself or through others.
func shownIn(t *testing.T, pkg string, files []*ast.File) []shown {
	t.Helper()
	calls := map[string][]shown{}     // by declaration
	mentions := map[string][]string{} // identifier -> the declarations that mention it
	for _, f := range files {
		for _, d := range f.Decls {
			for _, name := range declared(d) {
				ast.Inspect(d, func(n ast.Node) bool {
					switch n := n.(type) {
					case *ast.Ident:
						mentions[n.Name] = append(mentions[n.Name], name)
					case *ast.CallExpr:
						if s, ok := literalCall(t, pkg, name, n); ok {
							calls[name] = append(calls[name], s)
						}
					}
					return true
				})
			}
		}
	}
	var list []shown
	for name, all := range calls {
		tests := reachedBy(name, mentions)
		if len(tests) == 0 {
			t.Errorf("%s: no test reaches %s, which calls faults.Shows", pkg, name)
		}
		for _, s := range all {
			s.tests = tests
			list = append(list, s)
		}
	}
	return list
}

func declared(d ast.Decl) []string {
	switch d := d.(type) {
	case *ast.FuncDecl:
		return []string{d.Name.Name}
	case *ast.GenDecl:
		var names []string
		for _, spec := range d.Specs {
			if v, ok := spec.(*ast.ValueSpec); ok {
				for _, n := range v.Names {
					names = append(names, n.Name)
				}
			}
		}
		return names[:min(len(names), 1)]
	}
	return nil
}

func literalCall(t *testing.T, pkg, in string, call *ast.CallExpr) (shown, bool) {
	t.Helper()
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || sel.Sel.Name != "Shows" {
		return shown{}, false
	}
	if x, ok := sel.X.(*ast.Ident); !ok || x.Name != "faults" || len(call.Args) != 3 {
		return shown{}, false
	}
	var text [2]string
	for i, arg := range call.Args[1:] {
		lit, ok := arg.(*ast.BasicLit)
		if !ok || lit.Kind != token.STRING {
			t.Errorf("%s: %s calls faults.Shows with what is no literal", pkg, in)
			return shown{}, false
		}
		text[i], _ = strconv.Unquote(lit.Value)
	}
	if _, ok := faults.Find(text[0]); !ok {
		t.Errorf("%s: %s shows %q, which has no line in integration/faults/list.go", pkg, in, text[0])
		return shown{}, false
	}
	return shown{id: text[0], did: text[1], pkg: pkg}, true
}

// reachedBy walks from a declaration to the tests above it.
func reachedBy(name string, mentions map[string][]string) []string {
	seen, todo := map[string]bool{name: true}, []string{name}
	var tests []string
	for len(todo) > 0 {
		at := todo[0]
		todo = todo[1:]
		if strings.HasPrefix(at, "Test") || strings.HasPrefix(at, "Fuzz") || strings.HasPrefix(at, "Benchmark") {
			tests = append(tests, at)
			continue
		}
		for _, by := range mentions[at] {
			if !seen[by] {
				seen[by] = true
				todo = append(todo, by)
			}
		}
	}
	slices.Sort(tests)
	return tests
}

// faultsPage gives the page, and the ids of what is not on it.
func faultsPage(list []shown) (page string, open []string) {
	var b strings.Builder
	b.WriteString("# Faults, and what the capture did\n\nMade from the calls of faults.Shows in the tests by `go test ./integration -run TestFaults -update`: not to be edited.\n")
	for _, section := range faults.Sections {
		var rows strings.Builder
		for _, f := range faults.List {
			if f.Section != section.ID {
				continue
			}
			fault, any := f.What, false
			for _, s := range list {
				if s.id != f.ID {
					continue
				}
				fmt.Fprintf(&rows, "| %s | %s | `%s` %s |\n", fault, s.did, s.pkg, strings.Join(s.tests, ", "))
				fault, any = "", true
			}
			if !any {
				open = append(open, f.ID)
			}
		}
		if rows.Len() > 0 {
			fmt.Fprintf(&b, "\n## %s\n\n| fault | what the capture did | test |\n|---|---|---|\n%s", section.Title, &rows)
		}
	}
	return b.String(), open
}
