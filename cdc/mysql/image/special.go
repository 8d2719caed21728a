package image

import (
	"bytes"
	"compress/flate"
	"encoding/hex"
	"errors"
	"io"
	"sync"

	"chartwire/schemas"
)

// appendUUID writes a UUID as text. The log has its bytes in the order of the
// text, whatever order the table's file has them in: MariaDB turns them when it
// writes the row image. Zeros at their end are left away.
func (c *column) appendUUID(dst, b []byte) ([]byte, result) {
	var u [16]byte
	if len(b) > len(u) {
		return dst, bad
	}
	copy(u[:], b)
	dst = schemas.AppendLong(dst, uuidText)
	for i, x := range u {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			dst = append(dst, '-')
		}
		dst = hex.AppendEncode(dst, []byte{x})
	}
	return dst, done
}

// uuidText is the length of a UUID's text.
const uuidText = 36

// A value of a COMPRESSED column of MariaDB is a byte that says how, the length
// of the value, and the value: the method in the upper half, a bit that says
// whether zlib's header and checksum are left away, and in how many bytes the
// length stands, highest first. An empty value is no byte at all.
const (
	methodStored  = 0
	methodZlib    = 8
	bareBit       = 8
	zlibHeader    = 2
	zlibChecksum  = 4
	mostInflation = 1032 // times as long as the input, at most: what deflate can do
)

// Large says that a row inflates to more bytes than it may have, before they are
// in memory.
type Large struct {
	Column     string // the one that is too much
	Size, Most int
}

func (l *Large) Error() string {
	return "column " + l.Column + " inflates a row to " + itoa(l.Size) + " bytes, where " + itoa(l.Most) + " may be held"
}

func (c *column) packed() bool { return c.code == codePackedText || c.code == codePackedBytes }

var errInflate = errors.New("it is not compressed as it says")

var inflaters = sync.Pool{New: func() any { return flate.NewReader(bytes.NewReader(nil)) }}

func (c *column) appendPacked(dst, b []byte) ([]byte, result) {
	b, err := inflate(b)
	if err != nil {
		return dst, bad
	}
	if c.code == codePackedBytes {
		return schemas.AppendBytes(append(dst, 2), b), done
	}
	dst, ok := c.charset.append(append(dst, 2), b)
	return dst, resultOf(ok, lost)
}

// packedSize is the length that a COMPRESSED column's value says it has, 0 if it
// says none.
func packedSize(b []byte) (size int) {
	if len(b) == 0 || b[0]>>4 != methodZlib {
		return len(b)
	}
	digits := int(b[0] & 7)
	if digits > 4 || len(b) < 1+digits {
		return 0
	}
	for _, x := range b[1 : 1+digits] {
		size = size<<8 | int(x)
	}
	return size
}

// inflate gives the bytes of a COMPRESSED column's value.
func inflate(b []byte) ([]byte, error) {
	if len(b) == 0 {
		return b, nil
	}
	method, digits := b[0]>>4, int(b[0]&7)
	if method == methodStored && b[0] == 0 {
		return b[1:], nil
	}
	if method != methodZlib || digits == 0 || digits > 4 || len(b) < 1+digits {
		return nil, errInflate
	}
	size, in := packedSize(b), b[1+digits:]
	if b[0]&bareBit == 0 {
		if len(in) < zlibHeader+zlibChecksum {
			return nil, errInflate
		}
		in = in[zlibHeader : len(in)-zlibChecksum]
	}
	if size > mostInflation*(len(in)+1) { // no room is made for what cannot come
		return nil, errInflate
	}
	r := inflaters.Get().(io.ReadCloser)
	defer inflaters.Put(r)
	if err := r.(flate.Resetter).Reset(bytes.NewReader(in), nil); err != nil {
		return nil, err
	}
	out := make([]byte, size)
	if _, err := io.ReadFull(r, out); err != nil {
		return nil, errInflate
	}
	if n, err := r.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		return nil, errInflate
	}
	return out, nil
}
