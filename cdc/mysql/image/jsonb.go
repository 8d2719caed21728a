package image

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"strconv"
)

// MySQL keeps JSON in a binary form, and the row image has that form. Avro
// gets the text that a SELECT of the column prints, byte for byte: keys in
// their stored order (by length, then by bytes), a blank behind each comma and
// colon, doubles with a point or an exponent, opaque values by their type.

const (
	jsonSmallObject = 0x00
	jsonLargeObject = 0x01
	jsonSmallArray  = 0x02
	jsonLargeArray  = 0x03
	jsonLiteral     = 0x04
	jsonInt16       = 0x05
	jsonUint16      = 0x06
	jsonInt32       = 0x07
	jsonUint32      = 0x08
	jsonInt64       = 0x09
	jsonUint64      = 0x0a
	jsonDouble      = 0x0b
	jsonString      = 0x0c
	jsonOpaque      = 0x0f
)

// jsonDepth is MySQL's own bound on nesting.
const jsonDepth = 100

// appendJSON writes the document as an Avro string. An empty one, which
// INSERT IGNORE can leave, is the JSON null.
func appendJSON(dst, doc []byte) ([]byte, bool) {
	start := len(dst)
	w := jsonWriter{dst: append(dst, gap[:]...), ok: true, left: len(doc)/3 + 1}
	if len(doc) == 0 {
		w.dst = append(w.dst, "null"...)
	} else {
		w.value(doc[0], doc[1:], jsonDepth)
	}
	if !w.ok {
		return dst, false
	}
	return closeGap(w.dst, start), true
}

type jsonWriter struct {
	dst []byte
	ok  bool
	// left is how many values may still come: each has at least three bytes,
	// so that a damaged document whose parts contain themselves ends.
	left int
}

// has reports whether b is at least n bytes long, and fails if not.
func (w *jsonWriter) has(b []byte, n int) bool {
	w.ok = w.ok && n >= 0 && len(b) >= n
	return w.ok
}

func (w *jsonWriter) value(t byte, b []byte, depth int) {
	if w.left--; w.left < 0 {
		w.ok = false
		return
	}
	switch t {
	case jsonSmallObject, jsonLargeObject, jsonSmallArray, jsonLargeArray:
		if depth == 0 {
			w.ok = false
			return
		}
		w.container(t, b, depth)
	case jsonLiteral:
		if !w.has(b, 1) || b[0] > 2 {
			w.ok = false
			return
		}
		w.dst = append(w.dst, [...]string{"null", "true", "false"}[b[0]]...)
	case jsonInt16, jsonInt32, jsonInt64:
		if n := 2 << ((t - jsonInt16) / 2); w.has(b, n) {
			shift := 64 - 8*n
			w.dst = strconv.AppendInt(w.dst, int64(littleEndian(b[:n])<<shift)>>shift, 10)
		}
	case jsonUint16, jsonUint32, jsonUint64:
		if n := 2 << ((t - jsonUint16) / 2); w.has(b, n) {
			w.dst = strconv.AppendUint(w.dst, littleEndian(b[:n]), 10)
		}
	case jsonDouble:
		if w.has(b, 8) {
			w.dst = appendJSONDouble(w.dst, math.Float64frombits(binary.LittleEndian.Uint64(b)))
		}
	case jsonString:
		if s, ok := w.counted(b); ok {
			w.quote(s)
		}
	case jsonOpaque:
		if w.has(b, 2) {
			if s, ok := w.counted(b[1:]); ok {
				w.opaque(b[0], s)
			}
		}
	default:
		w.ok = false
	}
}

// counted reads bytes behind a length of seven bits a byte.
func (w *jsonWriter) counted(b []byte) ([]byte, bool) {
	n := 0
	for i := 0; i < 5 && w.has(b, i+1); i++ {
		n |= int(b[i]&0x7f) << (7 * i)
		if b[i] < 0x80 {
			if !w.has(b, i+1+n) {
				return nil, false
			}
			return b[i+1 : i+1+n], true
		}
	}
	w.ok = false
	return nil, false
}

// container writes an object or an array. Its head has the number of elements
// and its size, then where each key lies (objects), then the type of each
// value with the value itself, if it fits, or where it lies; offsets count
// from the head.
func (w *jsonWriter) container(t byte, b []byte, depth int) {
	wide := 2
	if t == jsonLargeObject || t == jsonLargeArray {
		wide = 4
	}
	if !w.has(b, 2*wide) {
		return
	}
	num := func(at int) int { return int(littleEndian(b[at : at+wide])) }
	count, object := num(0), t == jsonSmallObject || t == jsonLargeObject
	values := 2 * wide
	if object {
		values += count * (wide + 2)
	}
	if !w.has(b, num(wide)) || !w.has(b[:num(wide)], values+count*(wide+1)) {
		w.ok = false
		return
	}
	open, end := byte('['), byte(']')
	if object {
		open, end = '{', '}'
	}
	w.dst = append(w.dst, open)
	for i := range count {
		if i > 0 {
			w.dst = append(w.dst, ", "...)
		}
		if object {
			entry := 2*wide + i*(wide+2)
			at, n := num(entry), int(binary.LittleEndian.Uint16(b[entry+wide:]))
			if !w.has(b, at+n) {
				return
			}
			w.quote(b[at : at+n])
			w.dst = append(w.dst, ": "...)
		}
		entry := values + i*(wide+1)
		inner := b[entry]
		if inner == jsonLiteral || inner == jsonInt16 || inner == jsonUint16 || wide == 4 && (inner == jsonInt32 || inner == jsonUint32) {
			w.value(inner, b[entry+1:entry+1+wide], depth-1)
		} else if at := num(entry + 1); w.has(b, at) {
			w.value(inner, b[at:], depth-1)
		}
		if !w.ok {
			return
		}
	}
	w.dst = append(w.dst, end)
}

// quote writes a JSON string; what is not ASCII stays as it is.
func (w *jsonWriter) quote(s []byte) {
	w.dst = append(w.dst, '"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			w.dst = append(w.dst, '\\', c)
		case c >= 0x20:
			w.dst = append(w.dst, c)
		case c == '\b':
			w.dst = append(w.dst, `\b`...)
		case c == '\t':
			w.dst = append(w.dst, `\t`...)
		case c == '\n':
			w.dst = append(w.dst, `\n`...)
		case c == '\f':
			w.dst = append(w.dst, `\f`...)
		case c == '\r':
			w.dst = append(w.dst, `\r`...)
		default:
			w.dst = append(w.dst, `\u00`...)
			w.dst = append(w.dst, "0123456789abcdef"[c>>4], "0123456789abcdef"[c&15])
		}
	}
	w.dst = append(w.dst, '"')
}

// base64Line is how many bytes the server puts in a line of 76 characters; the
// line breaks are in what it prints.
const base64Line = 57

// opaque writes a value of a type that JSON does not have.
func (w *jsonWriter) opaque(t byte, b []byte) {
	switch t {
	case typeNewDecimal:
		w.decimal(b)
	case typeDate, typeDateTime, typeTimestamp, typeTime:
		if w.has(b, 8) {
			w.time(t, int64(binary.LittleEndian.Uint64(b)))
		}
	default:
		w.dst = append(w.dst, `"base64:type`...)
		w.dst = strconv.AppendUint(w.dst, uint64(t), 10)
		w.dst = append(w.dst, ':')
		for ; len(b) > base64Line; b = b[base64Line:] {
			w.dst = base64.StdEncoding.AppendEncode(w.dst, b[:base64Line])
			w.dst = append(w.dst, `\n`...)
		}
		w.dst = base64.StdEncoding.AppendEncode(w.dst, b)
		w.dst = append(w.dst, '"')
	}
}

func (w *jsonWriter) decimal(b []byte) {
	if !w.has(b, 2) {
		return
	}
	l, ok := newDecimalLayout(int(b[0]), int(b[1]))
	if !ok || !w.has(b[2:], l.size) {
		w.ok = false
		return
	}
	w.dst, w.ok = l.appendDigits(w.dst, b[2:])
}

// time writes a packed time: date and time of day in bits above 24 bits of
// microseconds.
func (w *jsonWriter) time(t byte, v int64) {
	w.dst = append(w.dst, '"')
	if v < 0 {
		w.dst = append(w.dst, '-')
		v = -v
	}
	us, hms := v&(1<<24-1), v>>24
	hours := hms >> 12 & 31
	if t == typeTime {
		hours = hms >> 12 & 1023
	} else {
		ym := hms >> 22
		w.pad(ym/13, 4)
		w.dst = append(w.dst, '-')
		w.pad(ym%13, 2)
		w.dst = append(w.dst, '-')
		w.pad(hms>>17&31, 2)
	}
	if t != typeDate {
		if t != typeTime {
			w.dst = append(w.dst, ' ')
		}
		w.pad(hours, 2)
		w.dst = append(w.dst, ':')
		w.pad(hms>>6&63, 2)
		w.dst = append(w.dst, ':')
		w.pad(hms&63, 2)
		w.dst = append(w.dst, '.')
		w.pad(us, 6)
	}
	w.dst = append(w.dst, '"')
}

// pad writes n with at least so many digits.
func (w *jsonWriter) pad(n int64, digits int) {
	for limit := int64(pow10[digits-1]); limit > 1 && n < limit; limit /= 10 {
		w.dst = append(w.dst, '0')
	}
	w.dst = strconv.AppendInt(w.dst, n, 10)
}
