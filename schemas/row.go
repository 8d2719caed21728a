package schemas

import (
	"errors"

	"chartwire/cdc"
)

var errShort = errors.New("row ends inside a value")
var errUnion = errors.New("row has a union index that is neither null nor the value")
var errTail = errors.New("row has bytes after its last column")
var errNoColumn = errors.New("no such column")

// skip returns the offset after the value of form f that starts at i, and
// where the value itself starts: after the union index and the length. A null
// has start -1. next is -1 when the row is not well formed.
func skip(row []byte, i int, f form) (start, next int, err error) {
	if i >= len(row) {
		return 0, -1, errShort
	}
	switch row[i] {
	case 0:
		return -1, i + 1, nil
	case 2:
	default:
		return 0, -1, errUnion
	}
	i++
	switch f {
	case formVarint:
		for j := i; j < len(row) && j < i+10; j++ {
			if row[j] < 0x80 {
				return i, j + 1, nil
			}
		}
		return 0, -1, errShort
	case formFloat:
		next = i + 4
	case formDouble:
		next = i + 8
	default:
		n, k := varint(row[i:])
		if k == 0 || n < 0 || n > int64(len(row)-i-k) {
			return 0, -1, errShort
		}
		i += k
		next = i + int(n)
	}
	if next > len(row) {
		return 0, -1, errShort
	}
	return i, next, nil
}

// varint decodes a zigzag varint and says how many bytes it has, 0 if it is
// cut off or too long.
func varint(b []byte) (int64, int) {
	var u uint64
	for i, c := range b {
		if i == 10 || i == 9 && c > 1 {
			return 0, 0
		}
		u |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			return int64(u>>1) ^ -int64(u&1), i + 1
		}
	}
	return 0, 0
}

// AppendLong appends an Avro int or long.
func AppendLong(dst []byte, v int64) []byte {
	u := uint64(v)<<1 ^ uint64(v>>63)
	for u >= 0x80 {
		dst = append(dst, byte(u)|0x80)
		u >>= 7
	}
	return append(dst, byte(u))
}

// AppendBytes appends an Avro bytes or string.
func AppendBytes[T ~string | ~[]byte](dst []byte, v T) []byte {
	return append(AppendLong(dst, int64(len(v))), v...)
}

// Accessor reads one column of the rows of one schema without looking further.
type Accessor struct {
	forms []form // of this column and those before it
	typ   *cdc.Type
}

// Accessor gives the accessor of the column with the index.
func (s *RowSchema) Accessor(column int) Accessor {
	return Accessor{forms: s.forms[:column+1], typ: &s.Table.Columns[column].Type}
}

// Find returns the column's value in a row, a view into it.
func (a Accessor) Find(row cdc.Row) (Value, error) {
	var start, i int
	var err error
	for _, f := range a.forms {
		if start, i, err = skip(row, i, f); err != nil {
			return Value{}, err
		}
	}
	if len(a.forms) == 0 {
		return Value{}, errNoColumn
	}
	if start < 0 {
		return Value{typ: a.typ}, nil
	}
	return Value{data: row[start:i:i], typ: a.typ}, nil
}

// Fields reads several columns of a row: one pass finds them all. It keeps its
// buffer between rows; the zero Fields is ready.
type Fields struct {
	schema *RowSchema
	row    cdc.Row
	pos    []pos
}

type pos struct{ union, start, next int }

// Read finds the columns of a row and checks that it is whole. The row must
// stay unchanged while values of it are in use.
func (f *Fields) Read(s *RowSchema, row cdc.Row) error {
	f.schema, f.row, f.pos = s, row, f.pos[:0]
	i := 0
	for _, form := range s.forms {
		start, next, err := skip(row, i, form)
		if err != nil {
			f.pos = f.pos[:0]
			return err
		}
		f.pos = append(f.pos, pos{i, start, next})
		i = next
	}
	if i != len(row) {
		f.pos = f.pos[:0]
		return errTail
	}
	return nil
}

// Len is the number of columns found: 0 after a failed Read.
func (f *Fields) Len() int { return len(f.pos) }

// Value returns the value of a column.
func (f *Fields) Value(column int) Value {
	p := f.pos[column]
	v := Value{typ: &f.schema.Table.Columns[column].Type}
	if p.start >= 0 {
		v.data = f.row[p.start:p.next:p.next]
	}
	return v
}

// Span returns a column's bytes as they lie in the row, null included: of two
// rows of one schema, equal spans are equal values.
func (f *Fields) Span(column int) []byte {
	p := f.pos[column]
	return f.row[p.union:p.next:p.next]
}
