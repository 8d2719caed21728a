// Package ddl reads the CREATE TABLE statements of reference DDL, so that maps
// compile and tests run without a database. It reads the form that the servers
// themselves print, strictly: what it does not know it refuses. Live tables are
// never known from DDL text: their streams say what they are.
package ddl

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"chartwire/cdc"
)

// Parse reads all tables of a file.
func Parse(source, database, text string) ([]*cdc.Table, error) {
	toks, err := lex(text)
	if err != nil {
		return nil, err
	}
	p := &parser{toks: toks}
	var out []*cdc.Table
	for !p.end() {
		t := &cdc.Table{Source: source, Database: database}
		if err := p.table(t); err != nil {
			return nil, fmt.Errorf("reading DDL, line %d: %w", p.line(), err)
		}
		out = append(out, t)
	}
	return out, nil
}

type token struct {
	kind byte // 'w' word, 'q' quoted name, 's' text, 'n' number, or the sign itself
	text string
	line int
}

func lex(s string) ([]token, error) {
	var out []token
	line := 1
	for i := 0; i < len(s); {
		c := s[i]
		start := i
		switch {
		case c == '\n':
			line++
			i++
		case c == ' ' || c == '\t' || c == '\r':
			i++
		case strings.HasPrefix(s[i:], "-- ") || strings.HasPrefix(s[i:], "--\n"):
			for i < len(s) && s[i] != '\n' {
				i++
			}
		case c == '`' || c == '\'':
			i++
			var b strings.Builder
			for ; i < len(s); i++ {
				if s[i] == c {
					if i+1 == len(s) || s[i+1] != c {
						break
					}
					i++
				} else if s[i] == '\\' && c == '\'' && i+1 < len(s) {
					i++
				}
				b.WriteByte(s[i])
			}
			if i == len(s) {
				return nil, fmt.Errorf("reading DDL, line %d: %c without its end", line, c)
			}
			i++
			kind := byte('q')
			if c == '\'' {
				kind = 's'
			}
			out = append(out, token{kind, b.String(), line})
		case isWord(c):
			for i < len(s) && isWord(s[i]) {
				i++
			}
			kind := byte('w')
			if _, err := strconv.Atoi(s[start:i]); err == nil {
				kind = 'n'
			}
			out = append(out, token{kind, s[start:i], line})
		case strings.IndexByte("(),;=.-", c) >= 0:
			out = append(out, token{c, string(c), line})
			i++
		default:
			return nil, fmt.Errorf("reading DDL, line %d: unexpected %q", line, c)
		}
	}
	return out, nil
}

func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

type parser struct {
	toks []token
	i    int
}

func (p *parser) end() bool { return p.i >= len(p.toks) }

func (p *parser) line() int { return p.toks[min(p.i, len(p.toks)-1)].line }

func (p *parser) peek() token {
	if p.end() {
		return token{}
	}
	return p.toks[p.i]
}

func (p *parser) next() token {
	t := p.peek()
	p.i++
	return t
}

// words takes the words if they come next, whatever their case.
func (p *parser) words(words ...string) bool {
	for k, w := range words {
		if p.i+k >= len(p.toks) || p.toks[p.i+k].kind == 's' || p.toks[p.i+k].kind == 'q' || !strings.EqualFold(p.toks[p.i+k].text, w) {
			return false
		}
	}
	p.i += len(words)
	return true
}

func (p *parser) need(words ...string) error {
	if !p.words(words...) {
		return fmt.Errorf("expected %s, not %q", strings.Join(words, " "), p.peek().text)
	}
	return nil
}

func (p *parser) name() (string, error) {
	t := p.next()
	if t.kind != 'q' && t.kind != 'w' {
		return "", fmt.Errorf("expected a name, not %q", t.text)
	}
	return t.text, nil
}

func (p *parser) table(t *cdc.Table) (err error) {
	if err := p.need("CREATE", "TABLE"); err != nil {
		return err
	}
	if t.Name, err = p.name(); err != nil {
		return err
	}
	if err := p.need("("); err != nil {
		return err
	}
	var key []string
	for {
		switch {
		case p.words("PRIMARY", "KEY"):
			if key, err = p.names(); err != nil {
				return err
			}
			p.words("USING", "BTREE")
		case p.words("UNIQUE", "KEY"), p.words("FULLTEXT", "KEY"), p.words("KEY"):
			if _, err = p.name(); err == nil {
				_, err = p.names()
			}
			if err != nil {
				return err
			}
			p.words("USING", "BTREE")
		default:
			if err := p.column(t); err != nil {
				return err
			}
		}
		if p.words(",") {
			continue
		}
		if err := p.need(")"); err != nil {
			return err
		}
		break
	}
	if err := p.options(t); err != nil {
		return err
	}
	for _, k := range key {
		i := t.Column(k)
		if i < 0 {
			return fmt.Errorf("the primary key names %s, which is no column", k)
		}
		t.Key = append(t.Key, i)
	}
	return nil
}

// names reads (`a`,`b`(10),…).
func (p *parser) names() (out []string, err error) {
	if err := p.need("("); err != nil {
		return nil, err
	}
	for {
		n, err := p.name()
		if err != nil {
			return nil, err
		}
		out = append(out, n)
		if p.words("(") {
			p.next()
			if err := p.need(")"); err != nil {
				return nil, err
			}
		}
		if !p.words(",") {
			return out, p.need(")")
		}
	}
}

// options reads what stands after the columns. The charset is that of the
// columns that name none.
func (p *parser) options(t *cdc.Table) error {
	charset := "utf8mb4"
	for !p.end() && !p.words(";") {
		p.words("DEFAULT")
		o := p.next()
		if !slices.Contains([]string{"ENGINE", "CHARSET", "COLLATE", "AUTO_INCREMENT", "ROW_FORMAT", "COMMENT"}, strings.ToUpper(o.text)) {
			return fmt.Errorf("unknown table option %q", o.text)
		}
		if err := p.need("="); err != nil {
			return err
		}
		if v := p.next(); strings.EqualFold(o.text, "CHARSET") {
			charset = v.text
		}
	}
	for i := range t.Columns {
		ty := &t.Columns[i].Type
		if texts := ty.Kind == cdc.KindText || ty.Kind == cdc.KindEnum || ty.Kind == cdc.KindSet; texts && ty.Charset == "" {
			ty.Charset = charset
		}
	}
	return nil
}
