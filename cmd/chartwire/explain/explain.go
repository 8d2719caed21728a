// Package explain holds the pages of `chartwire explain CODE`: for every halt
// what happened, what it means and what to do.
package explain

import (
	"embed"
	"fmt"
	"io/fs"
	"strings"
)

//go:embed *.md
var pages embed.FS

// Page returns the page of a halt code.
func Page(code string) (string, error) {
	b, err := pages.ReadFile(code + ".md")
	if err != nil {
		return "", fmt.Errorf("there is no code %q; the codes are:\n  %s", code, strings.Join(Codes(), "\n  "))
	}
	return string(b), nil
}

// Codes lists all codes.
func Codes() []string {
	entries, err := fs.ReadDir(pages, ".")
	if err != nil {
		return nil
	}
	var codes []string
	for _, e := range entries {
		codes = append(codes, strings.TrimSuffix(e.Name(), ".md"))
	}
	return codes
}
