package image

import (
	"encoding/binary"
	"unicode/utf16"
	"unicode/utf8"

	"chartwire/schemas"
)

// charset turns the bytes of a text column into an Avro string. What is no
// text in the charset becomes U+FFFD, and is counted.
type charset struct {
	name string
	// wide decodes one character of a charset of Unicode that is not UTF-8:
	// the rune and its length, utf8.RuneError and 1 or more for what is none.
	wide func(b []byte) (rune, int)
	// single holds the UTF-8 of the characters of one byte, of a charset that
	// is a table; the others are in runs.
	single *[256]string
	runs   []run
	ascii  bool // bytes below 0x80 are what they are in ASCII
}

// newCharset returns nil for a charset that is not known.
func newCharset(name string) *charset {
	switch name {
	case "utf8mb4", "utf8mb3", "ascii":
		return &charset{name: name}
	case "ucs2", "utf16":
		return &charset{name: name, wide: decodeUTF16(binary.BigEndian.Uint16)}
	case "utf16le":
		return &charset{name: name, wide: decodeUTF16(binary.LittleEndian.Uint16)}
	case "utf32":
		return &charset{name: name, wide: decodeUTF32}
	}
	return tableCharset(name)
}

// Text reads bytes in the charset of a collation; as they are where that is not
// known.
func Text(collation uint64, b []byte) string {
	c := newCharset(charsetOf(collation))
	if c == nil {
		return string(b)
	}
	out, _ := c.append(nil, b)
	_, n := binary.Varint(out) // its length
	return string(out[n:])
}

// append writes b as an Avro string and reports whether all of it was text.
func (c *charset) append(dst, b []byte) (_ []byte, ok bool) {
	switch {
	case c.wide != nil:
		start := len(dst)
		dst, ok = append(dst, gap[:]...), true
		for len(b) > 0 {
			r, n := c.wide(b)
			ok = ok && r != utf8.RuneError
			dst, b = utf8.AppendRune(dst, r), b[n:]
		}
		return closeGap(dst, start), ok
	case c.ascii && isASCII(b):
		return schemas.AppendBytes(dst, b), true
	case c.runs != nil:
		return c.appendMulti(dst, b)
	case c.single != nil:
		return c.appendSingle(dst, b)
	case c.name == "ascii" && isASCII(b), c.name != "ascii" && utf8.Valid(b):
		return schemas.AppendBytes(dst, b), true
	}
	start := len(dst)
	dst = append(dst, gap[:]...)
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if c.name == "ascii" && r >= utf8.RuneSelf {
			r, n = utf8.RuneError, 1
		}
		dst, b = utf8.AppendRune(dst, r), b[n:]
	}
	return closeGap(dst, start), false
}

func (c *charset) appendSingle(dst, b []byte) ([]byte, bool) {
	n := 0
	for _, x := range b {
		n += len(c.single[x])
	}
	dst = schemas.AppendLong(dst, int64(n))
	ok := true
	for _, x := range b {
		u := c.single[x]
		ok = ok && u != replacement
		dst = append(dst, u...)
	}
	return dst, ok
}

func (c *charset) appendMulti(dst, b []byte) ([]byte, bool) {
	start, ok := len(dst), true
	dst = append(dst, gap[:]...)
	for len(b) > 0 {
		if u := c.single[b[0]]; u != replacement {
			dst, b = append(dst, u...), b[1:]
			continue
		}
		r, n := c.lookup(b)
		ok = ok && r != utf8.RuneError
		dst, b = utf8.AppendRune(dst, r), b[n:]
	}
	return closeGap(dst, start), ok
}

// gap is room for the length of a string that is not known before its end.
var gap [5]byte

// closeGap writes the length of what follows the gap at start, and moves it.
func closeGap(dst []byte, start int) []byte {
	text := dst[start+len(gap):]
	n := len(schemas.AppendLong(gap2(dst, start), int64(len(text))))
	return append(dst[:start+n], text...)
}

func gap2(dst []byte, start int) []byte { return dst[start : start : start+len(gap)] }

func isASCII(b []byte) bool {
	for len(b) >= 8 {
		if binary.LittleEndian.Uint64(b)&0x8080808080808080 != 0 {
			return false
		}
		b = b[8:]
	}
	for _, c := range b {
		if c >= 0x80 {
			return false
		}
	}
	return true
}

func decodeUTF16(unit func([]byte) uint16) func([]byte) (rune, int) {
	return func(b []byte) (rune, int) {
		if len(b) < 2 {
			return utf8.RuneError, len(b)
		}
		r := rune(unit(b))
		if !utf16.IsSurrogate(r) {
			return r, 2
		}
		if len(b) >= 4 {
			if p := utf16.DecodeRune(r, rune(unit(b[2:]))); p != utf8.RuneError {
				return p, 4
			}
		}
		return utf8.RuneError, 2
	}
}

func decodeUTF32(b []byte) (rune, int) {
	if len(b) < 4 {
		return utf8.RuneError, len(b)
	}
	u := binary.BigEndian.Uint32(b)
	if u > utf8.MaxRune || !utf8.ValidRune(rune(u)) {
		return utf8.RuneError, 4
	}
	return rune(u), 4
}
