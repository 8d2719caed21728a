package schemas

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"chartwire/cdc"
)

// A key is the canonical texts of the key columns in key order, joined by "/".
// Within a text, "/", "%", control characters and bytes that are not UTF-8
// become "%" and two hexadecimal digits; an empty text is "%" alone, so that
// no key is empty. The text depends on the values only: not on a schema id,
// the declared width of a column or where the row was read.

// HaltKeyNull is the code of a row whose key has no value.
const HaltKeyNull = "row-key-null"

// AppendKey appends the key of a row of t. It fails on a row that is not well
// formed, and with a [*cdc.Halt] on a key column that is null, as a zero date is.
func AppendKey(dst []byte, t *cdc.Table, row cdc.Row) ([]byte, error) {
	if len(t.Key) == 0 {
		return dst, fmt.Errorf("key of a row of %s: the table has no key", t.ID())
	}
	i, at := 0, -1 // i is the offset of column at+1
	start := 0
	for n, k := range t.Key {
		if k <= at { // keys are rarely in another order than their columns
			i, at = 0, -1
		}
		for ; at < k; at++ {
			var err error
			if start, i, err = skip(row, i, formOf(&t.Columns[at+1].Type)); err != nil {
				return dst, fmt.Errorf("key of a row of %s: %w", t.ID(), err)
			}
		}
		if start < 0 {
			return dst, cdc.Haltf(HaltKeyNull, "a row of %s has no value in its key column %s: zero and out-of-range dates are null; correct the row, or leave the table out", t.ID(), t.Columns[k].Name)
		}
		if n > 0 {
			dst = append(dst, '/')
		}
		dst = appendKeyText(dst, Value{data: row[start:i:i], typ: &t.Columns[k].Type})
	}
	return dst, nil
}

func appendKeyText(dst []byte, v Value) []byte {
	start := len(dst)
	dst = v.AppendText(dst)
	if len(dst) == start {
		return append(dst, '%')
	}
	for i := start; i < len(dst); i++ {
		if c := dst[i]; c < 0x20 || c == '%' || c == '/' || c >= 0x7f {
			return escapeKey(dst[:i], string(dst[i:]))
		}
	}
	return dst
}

func escapeKey(dst []byte, s string) []byte {
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		c := s[i]
		if c < 0x20 || c == '%' || c == '/' || c == 0x7f || r == utf8.RuneError && n == 1 {
			dst = append(dst, '%', hexDigits[c>>4], hexDigits[c&15])
			i++
			continue
		}
		dst = append(dst, s[i:i+n]...)
		i += n
	}
	return dst
}

// SplitKey is the inverse of AppendKey: the canonical text of each key value.
func SplitKey(key string) ([]string, error) {
	parts := strings.Split(key, "/")
	for n, p := range parts {
		if p == "%" {
			parts[n] = ""
			continue
		}
		if !strings.Contains(p, "%") {
			continue
		}
		var b []byte
		for i := 0; i < len(p); i++ {
			if p[i] != '%' {
				b = append(b, p[i])
				continue
			}
			if i+2 >= len(p) || unhex(p[i+1]) > 15 || unhex(p[i+2]) > 15 {
				return nil, fmt.Errorf("splitting a key: escape %d of part %d is not hexadecimal", i, n)
			}
			b = append(b, unhex(p[i+1])<<4|unhex(p[i+2]))
			i += 2
		}
		parts[n] = string(b)
	}
	return parts, nil
}
