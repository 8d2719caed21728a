package image

import (
	"bufio"
	"bytes"
	"compress/gzip"
	_ "embed"
	"encoding/binary"
	"fmt"
	"sort"
	"sync"
	"unicode/utf8"
)

// charsetTables holds every character of every charset that is not Unicode's,
// as the servers have them: public tables of the same names differ in places.
// It is asked of the servers, and compared with them again, by
// TestCharsetsAgainstServers; its flag -charsets writes it.
//
// Each charset is its name, the runes of its 256 single bytes, and its runs:
// numbers are varints, runes and codes are differences. An empty name ends it.
//
//go:embed charsets.bin.gz
var charsetTables []byte

const replacement = "\uFFFD"

// run is codes of several bytes in a row whose characters are in a row too; or
// codes that are well-formed and no character, which all are U+FFFD.
type run struct {
	code  uint32 // of the first, see codeOf
	count uint32
	rune  rune
}

// codeOf numbers the code of n bytes at the start of b, so that n tells codes
// apart. Those of four bytes are GB18030's, in which the second and the fourth
// byte are digits: they are counted, as its characters are.
func codeOf(b []byte, n int) uint32 {
	switch n {
	case 2:
		return uint32(b[0])<<8 | uint32(b[1])
	case 3:
		return uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2])
	}
	if b[0] < 0x81 || b[1]-'0' > 9 || b[2] < 0x81 || b[2] == 0xff || b[3]-'0' > 9 {
		return 0
	}
	return 1<<24 + ((uint32(b[0]-0x81)*10+uint32(b[1]-'0'))*126+uint32(b[2]-0x81))*10 + uint32(b[3]-'0')
}

// lookup finds the character of several bytes at the start of b, and says how
// many they are: utf8.RuneError and 1 where there is none.
func (c *charset) lookup(b []byte) (rune, int) {
	for n := 2; n <= min(len(b), 4); n++ {
		code := codeOf(b, n)
		i := sort.Search(len(c.runs), func(i int) bool { return c.runs[i].code > code }) - 1
		if i < 0 || code-c.runs[i].code >= c.runs[i].count {
			continue
		}
		if r := c.runs[i].rune; r != utf8.RuneError {
			return r + rune(code-c.runs[i].code), n
		}
		return utf8.RuneError, n
	}
	return utf8.RuneError, 1
}

// loaded are the charsets that were asked for.
var loaded struct {
	sync.Mutex
	charsets map[string]*charset
}

// tableCharset returns nil for a charset that charsetTables does not have.
func tableCharset(name string) *charset {
	loaded.Lock()
	defer loaded.Unlock()
	if c, ok := loaded.charsets[name]; ok {
		return c
	}
	c, err := findCharset(charsetTables, name)
	if err != nil {
		panic("image: reading charsets.bin.gz: " + err.Error()) // it is part of the program
	}
	if loaded.charsets == nil {
		loaded.charsets = map[string]*charset{}
	}
	loaded.charsets[name] = c
	return c
}

func findCharset(tables []byte, name string) (*charset, error) {
	z, err := gzip.NewReader(bytes.NewReader(tables))
	if err != nil {
		return nil, err
	}
	r := tableReader{r: bufio.NewReader(z)}
	for {
		c := r.charset()
		switch {
		case r.err != nil:
			return nil, fmt.Errorf("charset %q: %w", c.name, r.err)
		case c.name == name || c.name == "":
			if c.name == "" {
				return nil, nil
			}
			return c, nil
		}
	}
}

// tableReader reads numbers until an error.
type tableReader struct {
	r   *bufio.Reader
	err error
}

func (r *tableReader) charset() *charset {
	name := make([]byte, r.uint())
	for i := range name {
		name[i] = byte(r.uint())
	}
	c := &charset{name: string(name)}
	if len(name) == 0 {
		return c
	}
	c.single, c.ascii = new([256]string), true
	last := rune(0)
	for i := range c.single {
		last += r.int()
		c.single[i] = string(last)
		c.ascii = c.ascii && (i >= 0x80 || last == rune(i))
	}
	c.runs = make([]run, r.uint())
	var at run
	for i := range c.runs {
		at.code += at.count + r.uint()
		at.rune, at.count = at.rune+r.int(), r.uint()
		c.runs[i] = at
	}
	return c
}

func (r *tableReader) uint() uint32 {
	u, err := binary.ReadUvarint(r.r)
	if err != nil && r.err == nil {
		r.err = err
	}
	return uint32(u)
}

func (r *tableReader) int() rune {
	i, err := binary.ReadVarint(r.r)
	if err != nil && r.err == nil {
		r.err = err
	}
	return rune(i)
}
