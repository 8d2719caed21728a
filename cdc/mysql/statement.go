package mysql

import (
	"slices"
	"strings"
	"unicode/utf8"

	"chartwire/cdc"
)

var effectNames = [...]string{"alter", "truncate", "drop", "rename", "create", "partition"}

func (k effectKind) String() string { return effectNames[k] }

// statement tells of a statement that changed selected tables. Nothing but
// people depends on it.
func (st *stream) statement(q *query, text string) {
	var said cdc.Statement
	for _, e := range q.effects {
		mine := false
		for id := range st.loads {
			if id == e.table || e.table.Name == "" && id.Database == e.table.Database {
				mine = true
				if !slices.Contains(said.Tables, id) {
					said.Tables = append(said.Tables, id)
				}
			}
		}
		if kind := e.kind.String(); mine && !slices.Contains(said.Kinds, kind) {
			said.Kinds = append(said.Kinds, kind)
		}
	}
	if said.Tables == nil {
		return
	}
	slices.SortFunc(said.Tables, cdc.TableID.Compare)
	said.Text = withoutValues(text)
	st.out.txn.Statements = append(st.out.txn.Statements, said)
}

// mostStatement bounds the text that is told of a statement: one that lists
// thousands of partitions says nothing to anybody.
const mostStatement = 16 << 10

// withoutValues is a statement without anything that may be a row's: each text,
// each comment and each number is taken out, but for the numbers of types. It
// gives "" where that is not certain: what a backslash means inside a text is a
// matter of the session's mode.
func withoutValues(text string) string {
	if len(text) > mostStatement || strings.IndexByte(text, '\\') >= 0 || !utf8.ValidString(text) {
		return ""
	}
	var b strings.Builder
	s := scanner{text: text}
	sized, depth := false, 0 // inside the parentheses of a type
	word := ""
	for {
		from := s.at
		if s.space(); s.at >= len(s.text) {
			return strings.TrimSpace(b.String())
		}
		if s.at > from && b.Len() > 0 {
			b.WriteByte(' ')
		}
		from = s.at
		switch c := s.text[s.at]; {
		case c == '\'' || c == '"':
			s.quoted(c)
			b.WriteByte('?')
			word = ""
		case c == '`':
			s.quoted(c)
			b.WriteString(s.text[from:s.at])
			word = ""
		case isNameByte(c):
			w := s.bare()
			if isNumber(w) && !sized {
				w = "?"
			}
			b.WriteString(w)
			word = strings.ToUpper(w)
		default:
			switch {
			case c == '(' && sized, c == '(' && sizedTypes[word]:
				sized, depth = true, depth+1
			case c == ')' && sized:
				depth--
				sized = depth > 0
			}
			b.WriteByte(c)
			s.at++
			word = ""
		}
	}
}

// isNumber says that a bare word is a number, in any of its forms.
func isNumber(w string) bool {
	if w[0] < '0' || w[0] > '9' {
		return false
	}
	return strings.Trim(strings.ToLower(w), "0123456789abcdefx") == ""
}

// sizedTypes have numbers that belong to the type.
var sizedTypes = map[string]bool{
	"TINYINT": true, "SMALLINT": true, "MEDIUMINT": true, "INT": true, "INTEGER": true, "BIGINT": true, "DECIMAL": true, "DEC": true, "NUMERIC": true,
	"FIXED": true, "FLOAT": true, "DOUBLE": true, "BIT": true, "CHAR": true, "VARCHAR": true, "BINARY": true, "VARBINARY": true, "TEXT": true,
	"BLOB": true, "DATETIME": true, "TIMESTAMP": true, "TIME": true, "YEAR": true, "VECTOR": true,
}
