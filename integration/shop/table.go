package shop

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// The column types of the recorded tables.
const (
	typeTiny     = 1
	typeShort    = 2
	typeLong     = 3
	typeDouble   = 5
	typeLongLong = 8
	typeDate     = 10
	typeVarchar  = 15
	typeStamp2   = 17
	typeDate2    = 18
	typeDecimal  = 246
	typeBlob     = 252
	typeString   = 254
)

// The kinds of optional metadata that are used.
const (
	metaSigns  = 1
	metaNames  = 4
	metaKey    = 8
	metaPrefix = 9
)

// Table is a table as an event described it.
type Table struct {
	Name    string
	Columns []Column
	Key     []int // of the primary key
}

// Column is one column.
type Column struct {
	Name     string
	kind     byte
	meta     int
	unsigned bool
}

// Number reports whether its values are written without quotes.
func (c *Column) number() bool {
	switch c.kind {
	case typeTiny, typeShort, typeLong, typeLongLong, typeDouble, typeDecimal:
		return true
	}
	return false
}

// Value is a column's value as text, or null.
type Value struct {
	Text string
	Null bool
}

// Column gives the position of a column, or -1.
func (t *Table) Column(name string) int {
	for i := range t.Columns {
		if t.Columns[i].Name == name {
			return i
		}
	}
	return -1
}

func tableMap(b *buffer) *Table {
	b.skip(2)
	b.skip(int(b.byte()) + 1)
	t := &Table{Name: string(b.take(int(b.byte())))}
	b.skip(1)
	types := b.take(int(b.length()))
	t.Columns = make([]Column, len(types))
	meta := &buffer{rest: b.take(int(b.length()))}
	for i, kind := range types {
		t.Columns[i].kind = kind
		switch kind {
		case typeDouble, typeBlob, typeStamp2, typeDate2:
			t.Columns[i].meta = int(meta.byte())
		case typeVarchar:
			t.Columns[i].meta = int(meta.little(2))
		case typeString, typeDecimal:
			t.Columns[i].meta = int(meta.big(2))
		}
	}
	if meta.err != nil {
		b.err = meta.err
	}
	b.skip((len(types) + 7) / 8) // which may be null
	for len(b.rest) > 0 && b.err == nil {
		kind := b.byte()
		t.describe(kind, &buffer{rest: b.take(int(b.length()))})
	}
	return t
}

// describe reads what binlog_row_metadata=FULL adds.
func (t *Table) describe(kind byte, b *buffer) {
	switch kind {
	case metaSigns:
		bit := 0
		for i := range t.Columns {
			if t.Columns[i].number() {
				t.Columns[i].unsigned = b.rest[bit/8]&(0x80>>(bit%8)) != 0
				bit++
			}
		}
	case metaNames:
		for i := range t.Columns {
			t.Columns[i].Name = string(b.take(int(b.length())))
		}
	case metaKey, metaPrefix:
		for len(b.rest) > 0 {
			t.Key = append(t.Key, int(b.length()))
			if kind == metaPrefix {
				b.length()
			}
		}
	}
}

// row reads one row image in which every column is there.
func (t *Table) row(b *buffer) ([]Value, error) {
	nulls := b.take((len(t.Columns) + 7) / 8)
	row := make([]Value, len(t.Columns))
	for i := range t.Columns {
		if b.err != nil {
			return nil, b.err
		}
		if nulls[i/8]&(1<<(i%8)) != 0 {
			row[i].Null = true
			continue
		}
		text, err := t.Columns[i].value(b)
		if err != nil {
			return nil, fmt.Errorf("reading %s.%s: %w", t.Name, t.Columns[i].Name, err)
		}
		row[i].Text = text
	}
	return row, b.err
}

func (c *Column) value(b *buffer) (string, error) {
	switch c.kind {
	case typeTiny:
		return c.integer(b, 1), nil
	case typeShort:
		return c.integer(b, 2), nil
	case typeLong:
		return c.integer(b, 4), nil
	case typeLongLong:
		return c.integer(b, 8), nil
	case typeDouble:
		return strconv.FormatFloat(math.Float64frombits(b.little(8)), 'g', -1, 64), nil
	case typeDecimal:
		return decimal(b, c.meta>>8, c.meta&0xff), nil
	case typeDate:
		v := b.little(3)
		return fmt.Sprintf("%04d-%02d-%02d", v>>9, v>>5&15, v&31), nil
	case typeStamp2:
		seconds := int64(b.big(4))
		if seconds == 0 {
			return "0000-00-00 00:00:00", nil
		}
		return time.Unix(seconds, 0).UTC().Format(time.DateTime), nil
	case typeDate2:
		if c.meta != 0 {
			return "", fmt.Errorf("a datetime with %d digits of a second", c.meta)
		}
		v := b.big(5) - 1<<39
		day, clock := v>>17, v&(1<<17-1)
		return fmt.Sprintf("%04d-%02d-%02d %02d:%02d:%02d", day>>5/13, day>>5%13, day&31, clock>>12, clock>>6&63, clock&63), nil
	case typeVarchar, typeString:
		most := c.meta
		if c.kind == typeString { // the length's high bits hide in the type
			most = (c.meta>>8&0x30^0x30)<<4 | c.meta&0xff
		}
		n := 1
		if most > 255 {
			n = 2
		}
		return string(b.take(int(b.little(n)))), nil
	case typeBlob:
		return string(b.take(int(b.little(c.meta)))), nil
	}
	return "", fmt.Errorf("column type %d is in no recorded table", c.kind)
}

func (c *Column) integer(b *buffer, n int) string {
	v := b.little(n)
	if c.unsigned {
		return strconv.FormatUint(v, 10)
	}
	shift := 64 - 8*n
	return strconv.FormatInt(int64(v<<shift)>>shift, 10)
}

// decimal reads the packed form: groups of nine digits in four bytes, the rest
// of each side in as few as hold it, the first bit turned, all of them for a
// negative number.
func decimal(b *buffer, precision, scale int) string {
	size := func(digits int) int { return digits/9*4 + [9]int{0, 1, 1, 2, 2, 3, 3, 4, 4}[digits%9] }
	whole := precision - scale
	raw := append([]byte(nil), b.take(size(whole)+size(scale))...)
	if b.err != nil {
		return ""
	}
	negative := raw[0]&0x80 == 0
	raw[0] ^= 0x80
	if negative {
		for i := range raw {
			raw[i] ^= 0xff
		}
	}
	p := &buffer{rest: raw}
	var digits strings.Builder
	group := func(n int) {
		if n > 0 {
			fmt.Fprintf(&digits, "%0*d", n, p.big(size(n)))
		}
	}
	group(whole % 9)
	for range whole / 9 {
		group(9)
	}
	text := strings.TrimLeft(digits.String(), "0")
	if text == "" {
		text = "0"
	}
	if scale > 0 {
		digits.Reset()
		for range scale / 9 {
			group(9)
		}
		group(scale % 9)
		text += "." + digits.String()
	}
	if negative {
		text = "-" + text
	}
	return text
}
