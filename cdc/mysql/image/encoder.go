package image

import (
	"encoding/binary"
	"errors"

	"chartwire/cdc"
	"chartwire/schemas"
)

// Encoder turns rows of one version of a table into [cdc.Row].
type Encoder struct {
	// Lost, if set before the first row, is told the column of each value that
	// cannot be said and is written as null (zero, partial and out-of-range
	// dates) or with U+FFFD in it (text that is none in its character set).
	Lost func(column string)

	table     *cdc.Table
	columns   []column // all of the table
	selected  []int    // in columns, in the order of table.Columns
	missing   []string
	nullBytes int
	most      int
}

// Table describes the rows that the encoder makes: the selected columns in the
// table's order.
func (e *Encoder) Table() *cdc.Table { return e.table }

// AppendKey appends the key of a row that the encoder made.
func (e *Encoder) AppendKey(dst []byte, row cdc.Row) ([]byte, error) {
	return schemas.AppendKey(dst, e.table, row)
}

var errEnd = errors.New("it ends inside a value")
var errValue = errors.New("a value is not one of its type")

// Append encodes the row image at the start of image: its null bitmap and the
// values of the columns that are set in present (the event's bitmap for this
// image). It returns dst with the row appended, and what follows the image.
// An image without a selected column is a [*cdc.Halt]: MariaDB 11 leaves
// generated columns out of updates and deletes, and other columns are missing
// where a session has set binlog_row_image.
func (e *Encoder) Append(dst, image, present []byte) (row, rest []byte, err error) {
	nullBytes := e.nullBytes
	whole := e.whole(present)
	if !whole {
		if nullBytes, err = e.checkPresent(present); err != nil {
			return dst, image, err
		}
	}
	if len(image) < nullBytes {
		return dst, image, e.corrupt(nil, errEnd)
	}
	nulls, b, bit, from := image[:nullBytes], image[nullBytes:], 0, len(dst)
	for i := range e.columns {
		c := &e.columns[i]
		if !whole && present[i>>3]&(1<<(i&7)) == 0 {
			continue
		}
		null := nulls[bit>>3]&(1<<(bit&7)) != 0
		bit++
		if null {
			if c.take {
				if dst = append(dst, 0); c.raw {
					dst = append(dst, 0)
				}
			}
			continue
		}
		start, end := c.bounds(b)
		if end > len(b) {
			return dst, image, e.corrupt(c, errEnd)
		}
		if c.take {
			if size := len(dst) - from; e.most > 0 && c.packed() && size+packedSize(b[start:end]) > e.most {
				return dst, image, &Large{Column: c.name, Size: size + packedSize(b[start:end]), Most: e.most}
			}
			var ok result
			if dst, ok = c.append(dst, b[start:end]); ok != done || c.raw {
				if dst, err = e.unusual(dst, c, ok, b[start:end]); err != nil {
					return dst, image, err
				}
			}
		}
		b = b[end:]
	}
	return dst, b, nil
}

// unusual sees to a value that is lost or bad, and to the text of a lost one.
func (e *Encoder) unusual(dst []byte, c *column, r result, value []byte) ([]byte, error) {
	raw := ""
	switch r {
	case bad:
		return dst, e.corrupt(c, errValue)
	case lost:
		if err := e.lost(c); err != nil {
			return dst, err
		}
		if c.raw {
			raw = c.dateText(value)
		}
	}
	if c.raw {
		dst = appendRaw(dst, raw)
	}
	return dst, nil
}

func (e *Encoder) lost(c *column) error {
	if e.Lost != nil {
		e.Lost(c.name)
	}
	if c.reject {
		return cdc.Haltf(HaltDate, "a row of %s has a date in column %s that no calendar has, or one before the year 1000, and the source's dates say reject; correct the row, or take it away there", e.table.ID(), c.name)
	}
	return nil
}

// whole says whether an image has all columns.
func (e *Encoder) whole(present []byte) bool {
	n := len(e.columns)
	if len(present) != e.nullBytes {
		return false
	}
	for _, b := range present[:n/8] {
		if b != 0xff {
			return false
		}
	}
	tail := byte(1<<(n%8) - 1)
	return tail == 0 || present[n/8]&tail == tail
}

// checkPresent counts the bytes of the null bitmap of an image that has the
// selected columns, but not all.
func (e *Encoder) checkPresent(present []byte) (nullBytes int, err error) {
	if len(present) != e.nullBytes {
		return 0, e.corrupt(nil, errEnd)
	}
	n := 0
	for i := range e.columns {
		switch {
		case present[i>>3]&(1<<(i&7)) != 0:
			n++
		case e.columns[i].take:
			return 0, cdc.Haltf(HaltPartial, "a row of %s came without its column %s; if that is a generated column, take it out of the field maps; else run SET GLOBAL binlog_row_image=FULL and binlog_row_value_options='' at the source, and read the table again", e.table.ID(), e.columns[i].name)
		}
	}
	return (n + 7) / 8, nil
}

func (e *Encoder) corrupt(c *column, err error) error {
	name := "the null bitmap"
	if c != nil {
		name = "column " + c.name
	}
	return &cdc.Halt{Code: HaltCorrupt, Text: "a row of " + e.table.ID().String() + " does not agree with its table-map event at " + name, Err: err}
}

// bounds says where the value at the start of b lies. An end beyond b is a
// value that is cut off.
func (c *column) bounds(b []byte) (start, end int) {
	switch c.prefix {
	case 0:
		return 0, c.size
	case 1:
		if len(b) >= 1 {
			return 1, 1 + int(b[0])
		}
	case 2:
		if len(b) >= 2 {
			return 2, 2 + int(binary.LittleEndian.Uint16(b))
		}
	case 3:
		if len(b) >= 3 {
			return 3, 3 + int(b[0]) + int(b[1])<<8 + int(b[2])<<16
		}
	case 4:
		if len(b) >= 4 {
			return 4, 4 + int(binary.LittleEndian.Uint32(b))
		}
	}
	return 0, len(b) + 1
}

// result is what became of a value.
type result uint8

const (
	done result = iota
	lost        // it cannot be said: null, or text with replacements
	bad         // the bytes are no value of the type
)

func resultOf(ok bool, otherwise result) result {
	if ok {
		return done
	}
	return otherwise
}
