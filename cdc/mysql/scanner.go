package mysql

import (
	"strings"

	"chartwire/cdc"
)

// scanner walks through a statement word by word. Comments count as space,
// except that what stands in a comment for the server (/*! and /*M!) is read.
type scanner struct {
	text string
	at   int
}

// space moves past blanks and comments.
func (s *scanner) space() {
	for s.at < len(s.text) {
		rest := s.text[s.at:]
		switch {
		case strings.IndexByte(" \t\r\n\f\v", rest[0]) >= 0:
			s.at++
		case strings.HasPrefix(rest, "/*!"), strings.HasPrefix(rest, "/*M!"):
			s.at += strings.IndexByte(rest, '!') + 1
			for s.at < len(s.text) && s.text[s.at] >= '0' && s.text[s.at] <= '9' {
				s.at++
			}
		case strings.HasPrefix(rest, "*/"):
			s.at += 2
		case strings.HasPrefix(rest, "/*"):
			s.skipTo(rest[2:], "*/", 2)
		case rest[0] == '#', rest == "--", strings.HasPrefix(rest, "-- "), strings.HasPrefix(rest, "--\n"), strings.HasPrefix(rest, "--\t"):
			s.skipTo(rest, "\n", 0)
		default:
			return
		}
	}
}

func (s *scanner) skipTo(rest, mark string, skipped int) {
	i := strings.Index(rest, mark)
	if i < 0 {
		s.at = len(s.text)
		return
	}
	s.at += skipped + i + len(mark)
}

func (s *scanner) end() bool {
	s.space()
	return s.at >= len(s.text) || s.text[s.at] == ';'
}

func isNameByte(c byte) bool {
	return c == '_' || c == '$' || c >= 0x80 || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// bare reads an unquoted word where one starts.
func (s *scanner) bare() string {
	s.space()
	from := s.at
	for s.at < len(s.text) && isNameByte(s.text[s.at]) {
		s.at++
	}
	return s.text[from:s.at]
}

// keyword reads a word in upper case. Where none starts it moves on by one
// character, so that a loop ends.
func (s *scanner) keyword() string {
	w := s.bare()
	if w == "" && s.at < len(s.text) {
		s.skipOne()
	}
	return strings.ToUpper(w)
}

// skipOne passes one character, or a whole quoted text.
func (s *scanner) skipOne() {
	switch c := s.text[s.at]; c {
	case '\'', '"', '`':
		s.quoted(c)
	default:
		s.at++
	}
}

// quoted reads what stands between two quotes; a doubled quote is one.
func (s *scanner) quoted(q byte) string {
	var b strings.Builder
	for s.at++; s.at < len(s.text); s.at++ {
		switch c := s.text[s.at]; {
		case c == '\\' && q != '`' && s.at+1 < len(s.text):
			s.at++
			b.WriteByte(s.text[s.at])
		case c != q:
			b.WriteByte(c)
		case s.at+1 < len(s.text) && s.text[s.at+1] == q:
			s.at++
			b.WriteByte(q)
		default:
			s.at++
			return b.String()
		}
	}
	return b.String()
}

// accept takes the word if it stands next.
func (s *scanner) accept(word string) bool {
	s.space()
	at := s.at
	if strings.EqualFold(s.bare(), word) {
		return true
	}
	s.at = at
	return false
}

func (s *scanner) punct(c byte) bool {
	s.space()
	if s.at < len(s.text) && s.text[s.at] == c {
		s.at++
		return true
	}
	return false
}

// name reads an identifier, quoted or not, or "".
func (s *scanner) name() string {
	s.space()
	if s.at < len(s.text) && (s.text[s.at] == '`' || s.text[s.at] == '"' || s.text[s.at] == '\'') {
		return s.quoted(s.text[s.at])
	}
	return s.bare()
}

// table reads a table's name, with or without its database.
func (s *scanner) table(database string) cdc.TableID {
	first := s.name()
	if s.punct('.') {
		return cdc.TableID{Database: first, Name: s.name()}
	}
	return cdc.TableID{Database: database, Name: first}
}

func (s *scanner) ifExists() {
	if s.accept("IF") {
		s.accept("NOT")
		s.accept("EXISTS")
	}
}

// waitOption passes MariaDB's WAIT n and NOWAIT.
func (s *scanner) waitOption() {
	if s.accept("WAIT") {
		s.bare()
	}
	s.accept("NOWAIT")
}

// clause moves past the next comma that stands in no parentheses.
func (s *scanner) clause() {
	depth := 0
	for !s.end() {
		switch c := s.text[s.at]; {
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == ',' && depth <= 0:
			s.at++
			return
		}
		s.skipOne()
	}
}

// behindFor moves behind the next word FOR that stands in no parentheses.
func (s *scanner) behindFor() {
	depth := 0
	for !s.end() {
		switch s.text[s.at] {
		case '(':
			depth++
		case ')':
			depth--
		}
		if s.keyword() == "FOR" && depth == 0 {
			return
		}
	}
}

// word reads the next name or keyword anywhere in the text, or "" at its end.
func (s *scanner) word() string {
	for {
		s.space()
		if s.at >= len(s.text) {
			return ""
		}
		if w := s.name(); w != "" {
			return w
		}
		if s.at < len(s.text) {
			s.at++
		}
	}
}
