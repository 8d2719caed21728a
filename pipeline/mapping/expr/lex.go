package expr

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Error is a mistake at a place in an expression's text.
type Error struct {
	Pos  int // byte offset
	Text string
	// Rows says that, of CompileEach, it is in the rows.
	Rows bool
}

func (e *Error) Error() string { return e.Text }

func errorf(pos int, format string, args ...any) *Error {
	return &Error{Pos: pos, Text: fmt.Sprintf(format, args...)}
}

type tokenKind uint8

const (
	tokEnd tokenKind = iota
	tokName
	tokNumber
	tokText
	tokSign
)

type token struct {
	kind tokenKind
	pos  int
	text string // a name, a number as written, a text's content, a sign
}

func (t token) String() string {
	switch t.kind {
	case tokEnd:
		return "the end"
	case tokText:
		return "text " + quote(t.text)
	}
	return "`" + t.text + "`"
}

// signs, longest first.
var signs = []string{"==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "(", ")", "[", "]", ",", ".", "?", ":"}

// instead says what to write for signs of other languages.
var instead = map[string]string{
	"&&": "and", "||": "or", "!": "not", "=": "==", "/": "* 0.5, or another exact factor: a quotient need not be a decimal",
	"'": `" for texts`, "%": "nothing: there is no remainder", "<>": "!=",
}

func lex(src string) ([]token, *Error) {
	var out []token
	for i := 0; ; {
		for i < len(src) && (src[i] == ' ' || src[i] == '\t' || src[i] == '\n' || src[i] == '\r') {
			i++
		}
		if i == len(src) {
			return append(out, token{tokEnd, i, ""}), nil
		}
		start := i
		r, _ := utf8.DecodeRuneInString(src[i:])
		switch {
		case r == '_' || unicode.IsLetter(r) && r != utf8.RuneError:
			for i < len(src) {
				r, n := utf8.DecodeRuneInString(src[i:])
				if r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) || r == utf8.RuneError {
					break
				}
				i += n
			}
			out = append(out, token{tokName, start, src[start:i]})
		case r >= '0' && r <= '9':
			n := numberLength(src[i:])
			i += n
			out = append(out, token{tokNumber, start, src[start:i]})
		case r == '"':
			text, n, err := unquote(src[i:])
			if err != nil {
				err.Pos += i
				return nil, err
			}
			i += n
			out = append(out, token{tokText, start, text})
		case r == '`': // a column whose name is no name here, such as `25again`
			end := strings.IndexByte(src[i+1:], '`')
			if end <= 0 {
				return nil, errorf(start, "a column in backquotes ends with a backquote")
			}
			i += end + 2
			out = append(out, token{tokName, start, src[start:i]})
		default:
			sign, err := signAt(src[i:], r)
			if err != nil {
				err.Pos = start
				return nil, err
			}
			i += len(sign)
			out = append(out, token{tokSign, start, sign})
		}
	}
}

// signAt is the sign that s starts with, or what to write instead.
func signAt(s string, r rune) (string, *Error) {
	for _, bad := range []string{"&&", "||", "<>"} {
		if strings.HasPrefix(s, bad) {
			return "", errorf(0, "`%s` is not a sign here; write %s", bad, instead[bad])
		}
	}
	for _, sign := range signs {
		if strings.HasPrefix(s, sign) {
			return sign, nil
		}
	}
	if better, ok := instead[string(r)]; ok {
		return "", errorf(0, "`%c` is not a sign here; write %s", r, better)
	}
	return "", errorf(0, "%q is not a sign here", r)
}

func numberLength(s string) int {
	i := 0
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	if i+1 < len(s) && s[i] == '.' && s[i+1] >= '0' && s[i+1] <= '9' {
		for i++; i < len(s) && s[i] >= '0' && s[i] <= '9'; {
			i++
		}
	}
	return i
}

// unquote reads the text that s starts with, and says how long it is there.
func unquote(s string) (string, int, *Error) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; c {
		case '"':
			if !utf8.ValidString(b.String()) {
				return "", 0, errorf(0, "a text is UTF-8")
			}
			return b.String(), i + 1, nil
		case '\\':
			i++
			if i == len(s) {
				return "", 0, errorf(0, "the text does not end")
			}
			switch s[i] {
			case '"', '\\':
				b.WriteByte(s[i])
			case 'n':
				b.WriteByte('\n')
			case 't':
				b.WriteByte('\t')
			default:
				return "", 0, errorf(i-1, `after \ comes ", \, n or t`)
			}
		default:
			b.WriteByte(c)
		}
	}
	return "", 0, errorf(0, "the text does not end; a \" is missing")
}

var quoter = strings.NewReplacer(`"`, `\"`, `\`, `\\`, "\n", `\n`, "\t", `\t`)

func quote(s string) string { return `"` + quoter.Replace(s) + `"` }
