package mysql

import (
	"errors"
	"strings"
)

// CheckWhere says whether a text can stand as a condition within parentheses: it
// must not leave them, nor end the statement, nor hide what follows it. Whether
// the server takes it is the server's to say. The error quotes nothing of it.
func CheckWhere(where string) error {
	if strings.TrimSpace(where) == "" {
		return errors.New("the condition is empty")
	}
	depth := 0
	for i := 0; i < len(where); i++ {
		rest := where[i:]
		switch c := where[i]; {
		case c == '\'' || c == '"' || c == '`':
			n := closing(rest)
			if n < 0 {
				return errors.New("the condition has a quote without an end")
			}
			i += n - 1
		case c == '(':
			depth++
		case c == ')':
			if depth--; depth < 0 {
				return errors.New("the condition closes a parenthesis that it did not open")
			}
		case c == ';' || c == 0:
			return errors.New("the condition holds a character that ends a statement")
		case c == '#' || strings.HasPrefix(rest, "--") || strings.HasPrefix(rest, "/*"):
			return errors.New("the condition holds a comment")
		}
	}
	if depth > 0 {
		return errors.New("the condition opens a parenthesis that it does not close")
	}
	return nil
}

// closing is the length of the quoted text that s begins with, -1 if it has no
// end. A quote in it is doubled, or stands behind a backslash, but not in a name.
func closing(s string) int {
	q := s[0]
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && q != '`':
			i++
		case s[i] == q && i+1 < len(s) && s[i+1] == q:
			i++
		case s[i] == q:
			return i + 1
		}
	}
	return -1
}
