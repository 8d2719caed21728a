package explain_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"chartwire/cmd/chartwire/explain"
)

// TestEveryCodeHasAPage reads the codes out of the sources: the first argument
// of cdc.Haltf, the field Code of cdc.Halt, and the constants called Halt….
func TestEveryCodeHasAPage(t *testing.T) {
	codes := map[string]string{}
	root := filepath.Join("..", "..", "..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(text), "Halt") {
			return err
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, path, text, 0)
		if err != nil {
			return err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				if strings.HasSuffix(name(n.Fun), "Haltf") && len(n.Args) > 1 {
					note(codes, fset, n.Args[0])
				}
			case *ast.ValueSpec:
				for i, id := range n.Names {
					if strings.HasPrefix(id.Name, "Halt") && i < len(n.Values) {
						note(codes, fset, n.Values[i])
					}
				}
			case *ast.CompositeLit:
				if name(n.Type) != "Halt" {
					return true
				}
				for _, e := range n.Elts {
					if kv, ok := e.(*ast.KeyValueExpr); ok && name(kv.Key) == "Code" {
						note(codes, fset, kv.Value)
					}
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for code, where := range codes {
		if page, err := explain.Page(code); err != nil {
			t.Errorf("%s: the halt %q has no page: write cmd/chartwire/explain/%s.md", where, code, code)
		} else if !strings.HasPrefix(page, "# "+code+"\n") || len(page) < 200 {
			t.Errorf("the page of %q must begin with `# %s` and say what happened, what it means and what to do", code, code)
		}
	}
	for _, code := range explain.Codes() {
		if codes[code] == "" {
			t.Errorf("the page %s.md explains a code that no source has: remove it", code)
		}
	}
	t.Logf("%d codes", len(codes))
}

func note(codes map[string]string, fset *token.FileSet, e ast.Expr) {
	if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
		code, _ := strconv.Unquote(lit.Value)
		codes[code] = fset.Position(lit.Pos()).String()
	}
}

func name(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}
