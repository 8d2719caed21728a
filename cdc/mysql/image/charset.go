package image

import (
	"encoding/binary"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"chartwire/schemas"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
)

// charset turns the bytes of a text column into an Avro string. What is no
// text in the charset becomes U+FFFD, and is counted.
type charset struct {
	name string
	// high holds the UTF-8 of the bytes from 0x80 on of a charset whose other
	// bytes are ASCII and whose characters are single bytes.
	high *[128]string
	// wide decodes one character of any other charset that is not UTF-8:
	// the rune and its length, utf8.RuneError and 1 or more for what is none.
	wide func(b []byte) (rune, int)
	// multi is a charset of which package text knows the characters.
	multi encoding.Encoding
	swap  *strings.Replacer // characters that the servers know otherwise
}

// newCharset returns nil for a charset that is not supported.
func newCharset(name string) *charset {
	c := &charset{name: name}
	switch name {
	case "utf8mb4", "utf8mb3", "ascii":
		return c
	case "ucs2", "utf16":
		c.wide = decodeUTF16(binary.BigEndian.Uint16)
		return c
	case "utf16le":
		c.wide = decodeUTF16(binary.LittleEndian.Uint16)
		return c
	case "utf32":
		c.wide = decodeUTF32
		return c
	}
	if m := singleByte[name]; m != nil {
		c.high = new([128]string)
		for i := range c.high {
			c.high[i] = string(m.DecodeByte(byte(0x80 + i)))
		}
		for b := 0x80; b <= 0x9f; b++ {
			if controls[name] && (c.high[b-0x80] == "\uFFFD" || name == "tis620") {
				c.high[b-0x80] = string(rune(b))
			}
		}
		for b, r := range corrections[name] {
			c.high[b-0x80] = string(r)
		}
		return c
	}
	if c.multi = multiByte[name]; c.multi != nil {
		c.swap = swaps[name]
		return c
	}
	return nil
}

// The names are the servers', the tables are package text's where they agree;
// TestCharsetsAgainstServers holds every byte of them equal.
var singleByte = map[string]*charmap.Charmap{
	"latin1": charmap.Windows1252, "latin2": charmap.ISO8859_2, "latin5": charmap.ISO8859_9,
	"latin7": charmap.ISO8859_13, "greek": charmap.ISO8859_7, "hebrew": charmap.ISO8859_8,
	"cp1250": charmap.Windows1250, "cp1251": charmap.Windows1251, "cp1256": charmap.Windows1256,
	"cp1257": charmap.Windows1257, "cp850": charmap.CodePage850, "cp852": charmap.CodePage852,
	"cp866": charmap.CodePage866, "koi8r": charmap.KOI8R, "koi8u": charmap.KOI8U,
	"macroman": charmap.Macintosh, "tis620": charmap.Windows874,
}

// controls are those where the servers keep bytes without a character as the
// control characters of Unicode with the same number.
var controls = map[string]bool{"latin1": true, "latin2": true, "latin7": true, "greek": true, "hebrew": true, "tis620": true}

// corrections are where the servers' tables differ from package text's.
var corrections = map[string]map[byte]rune{
	"cp866":  {0xfc: 'ⁿ', 0xfd: '²'},
	"greek":  {0xa1: 'ʽ', 0xa2: 'ʼ'},
	"hebrew": {0xaf: '‾'},
	"koi8u":  {0x95: '•', 0xae: '╝', 0xbe: '╬'},
	"tis620": {0xa0: utf8.RuneError},
}

// Of these package text knows all that the servers know, but for a few
// characters. It knows others (big5, cp932, eucjpms, gb18030, ujis) otherwise
// than the servers: columns in them are refused.
var multiByte = map[string]encoding.Encoding{
	"gbk": simplifiedchinese.GBK, "gb2312": simplifiedchinese.GBK, "euckr": korean.EUCKR, "sjis": japanese.ShiftJIS,
}

var swaps = map[string]*strings.Replacer{
	"gb2312": strings.NewReplacer("·", "・", "—", "―"),
	"sjis":   strings.NewReplacer("＼", "\\", "～", "〜", "∥", "‖", "－", "−", "￠", "¢", "￡", "£", "￢", "¬"),
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
	case c.high != nil:
		return c.appendSingle(dst, b)
	case c.multi != nil:
		if isASCII(b) {
			return schemas.AppendBytes(dst, b), true
		}
		s, err := c.multi.NewDecoder().String(string(b))
		ok = err == nil && !strings.ContainsRune(s, utf8.RuneError)
		if c.swap != nil {
			s = c.swap.Replace(s)
		}
		return schemas.AppendBytes(dst, s), ok
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
	if isASCII(b) {
		return schemas.AppendBytes(dst, b), true
	}
	n := len(b)
	for _, x := range b {
		if x >= 0x80 {
			n += len(c.high[x-0x80]) - 1
		}
	}
	dst = schemas.AppendLong(dst, int64(n))
	ok := true
	for _, x := range b {
		if x < 0x80 {
			dst = append(dst, x)
			continue
		}
		u := c.high[x-0x80]
		ok = ok && u != "\uFFFD"
		dst = append(dst, u...)
	}
	return dst, ok
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
