package expr

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"html"
)

// appendPlain gives the text of HTML: tags and comments go, a break and the end
// of a paragraph become a line's end, entities become what they stand for.
func appendPlain(b, s []byte) []byte {
	start := len(b)
	for len(s) > 0 {
		i := bytes.IndexByte(s, '<')
		if i < 0 {
			b = append(b, s...)
			break
		}
		b = append(b, s[:i]...)
		s = s[i:]
		n := tagLength(s)
		if n == 0 { // a sign, not a tag
			b, s = append(b, '<'), s[1:]
			continue
		}
		if breaks(s[:n]) && len(b) > start {
			b = append(b, '\n')
		}
		s = s[n:]
	}
	text := html.UnescapeString(string(b[start:]))
	return append(b[:start], bytes.TrimSpace([]byte(text))...)
}

// tagLength is the length of the tag or comment that s starts with, 0 if it is
// none.
func tagLength(s []byte) int {
	if bytes.HasPrefix(s, []byte("<!--")) {
		if i := bytes.Index(s, []byte("-->")); i >= 0 {
			return i + 3
		}
		return len(s)
	}
	if len(s) < 2 || s[1] != '/' && s[1] != '!' && (s[1]|0x20 < 'a' || s[1]|0x20 > 'z') {
		return 0
	}
	quote := byte(0)
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '>':
			return i + 1
		}
	}
	return 0
}

// breaks says whether a tag ends a line.
func breaks(tag []byte) bool {
	name := bytes.ToLower(bytes.Trim(tag, "<>/ "))
	name, _, _ = bytes.Cut(name, []byte(" "))
	switch string(name) {
	case "br":
		return true
	case "p", "div", "li", "tr", "h1", "h2", "h3", "h4", "h5", "h6":
		return tag[1] == '/'
	}
	return false
}

// buildGuest names somebody by an e-mail address without telling it.
func buildGuest(c *compiler, n *Node, a []*Expr) *Expr {
	if !c.want(n, 0, a[0], Text) {
		return nil
	}
	key := c.scope.SiteKey()
	if len(key) == 0 {
		return c.bad(n.pos, "guest(email) needs the site's key, and none is configured; write `site_key: ${CHARTWIRE_SITE_KEY}` (or `file:…`) into the configuration: a secret of 16 letters or more that never changes")
	}
	return &Expr{Type: Text, text: lift(a[0].text, func(f *Frame, s []byte) ([]byte, bool) {
		if s = bytes.TrimSpace(s); len(s) == 0 {
			return nil, false
		}
		start := len(f.Arena)
		f.Arena = AppendGuest(f.Arena, key, s)
		return f.keep(start), true
	})}
}

// AppendGuest appends the name of somebody with an e-mail address.
func AppendGuest(b, key, email []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(bytes.ToLower(bytes.TrimSpace(email)))
	var sum [sha256.Size]byte
	return hex.AppendEncode(append(b, "guest:"...), h.Sum(sum[:0])[:8])
}
