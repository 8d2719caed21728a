package image

import (
	"bytes"
	"compress/flate"
	"compress/zlib"
	"encoding/binary"
	"io"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzCharset holds that any bytes in any character set become UTF-8 behind its
// length, and that what is marked as whole has no replacement in it.
func FuzzCharset(f *testing.F) {
	names := []string{"ascii", "utf8mb3", "utf8mb4", "ucs2", "utf16", "utf16le", "utf32"}
	for _, c := range tabled {
		names = append(names, c.name)
	}
	for i := range names {
		f.Add(uint8(i), []byte("Gr\xf6\xdfe \x93\xfa\x96\x7b \x8f\xa2\xaf \x81\x30\x81\x30 \xd8\x3d\xde\x00 A\x00"))
	}
	f.Fuzz(func(t *testing.T, which uint8, b []byte) {
		c := newCharset(names[int(which)%len(names)])
		avro, ok := c.append([]byte("before"), b)
		n, size := binary.Varint(avro[6:])
		text := string(avro[6+size:])
		if size <= 0 || int(n) != len(text) || !strings.HasPrefix(string(avro), "before") {
			t.Fatalf("%s: length %d of %d bytes", c.name, n, len(text))
		}
		if !utf8.ValidString(text) || !ok && !strings.Contains(text, replacement) {
			t.Errorf("%s: %x became %q, %v", c.name, b, text, ok)
		}
		if c.wide == nil && c.single == nil && c.name != "ascii" && utf8.Valid(b) && text != string(b) {
			t.Errorf("%s: %q became %q", c.name, b, text)
		}
	})
}

// FuzzInflate holds that any bytes are a compressed value or an error, and that
// what is compressed in each way that the server has comes back.
func FuzzInflate(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("hello"))
	f.Add([]byte{0x89, 0x96, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0xcf, 0x18, 0x6c, 0x04, 0x00})
	f.Add([]byte{0x84, 0xff, 0xff, 0xff, 0xff, 0x78, 0x9c, 0x03, 0x00, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		if out, err := inflate(b); err == nil && len(out) > mostInflation*(len(b)+1) {
			t.Errorf("%d bytes out of %d", len(out), len(b))
		}
		if len(b) == 0 {
			return
		}
		var bare, whole bytes.Buffer
		w, _ := flate.NewWriter(&bare, flate.DefaultCompression)
		z := zlib.NewWriter(&whole)
		for _, w := range []io.WriteCloser{w, z} {
			_, _ = w.Write(b)
			_ = w.Close()
		}
		size := binary.BigEndian.AppendUint32(nil, uint32(len(b)))
		for _, stored := range [][]byte{append([]byte{0}, b...), append(append([]byte{0x8c}, size...), bare.Bytes()...), append(append([]byte{0x84}, size...), whole.Bytes()...)} {
			if out, err := inflate(stored); err != nil || !bytes.Equal(out, b) {
				t.Errorf("%x came back as %x from %x: %v", b, out, stored, err)
			}
			short := stored[:len(stored)-1]
			if out, err := inflate(short); err == nil && len(out) >= len(b) && short[0]&bareBit != 0 {
				t.Errorf("%x was cut off and came back as %x", short, out)
			}
		}
	})
}
