package mysql

import (
	"fmt"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-mysql-org/go-mysql/replication"
)

// rowsEvent is the part of a rows event before its images.
type rowsEvent struct {
	table   uint64
	columns uint64
	before  []byte // the columns present in the image before; nil for inserts
	after   []byte // and after; nil for deletes
	images  []byte
	// partial says that the images after may hold differences of JSON values.
	partial bool
}

type rowsKind struct {
	before, after       bool
	v2, packed, partial bool
	most                int // bytes of what is unpacked
}

// rowsKindOf says of which shape a rows event is.
func rowsKindOf(k replication.EventType) (rowsKind, bool) {
	switch k {
	case replication.WRITE_ROWS_EVENTv1:
		return rowsKind{after: true}, true
	case replication.UPDATE_ROWS_EVENTv1:
		return rowsKind{before: true, after: true}, true
	case replication.DELETE_ROWS_EVENTv1:
		return rowsKind{before: true}, true
	case replication.WRITE_ROWS_EVENTv2:
		return rowsKind{after: true, v2: true}, true
	case replication.UPDATE_ROWS_EVENTv2:
		return rowsKind{before: true, after: true, v2: true}, true
	case replication.DELETE_ROWS_EVENTv2:
		return rowsKind{before: true, v2: true}, true
	case replication.PARTIAL_UPDATE_ROWS_EVENT:
		return rowsKind{before: true, after: true, v2: true, partial: true}, true
	case replication.MARIADB_WRITE_ROWS_COMPRESSED_EVENT_V1:
		return rowsKind{after: true, packed: true}, true
	case replication.MARIADB_UPDATE_ROWS_COMPRESSED_EVENT_V1:
		return rowsKind{before: true, after: true, packed: true}, true
	case replication.MARIADB_DELETE_ROWS_COMPRESSED_EVENT_V1:
		return rowsKind{before: true, packed: true}, true
	}
	return rowsKind{}, false
}

func parseRows(k rowsKind, body []byte) (r rowsEvent, err error) {
	c := cursor{b: body}
	r.table = c.uint(6)
	c.take(2)
	if k.v2 {
		c.take(int(c.uint(2)) - 2)
	}
	n := c.packed()
	r.columns = n
	if n > 4096 {
		return r, fmt.Errorf("rows with %d columns", n)
	}
	if k.before {
		r.before = c.take(int(n+7) / 8)
	}
	if k.after {
		r.after = c.take(int(n+7) / 8)
	}
	r.images, r.partial = c.b, k.partial
	if c.bad {
		return r, errShort
	}
	if k.packed {
		if r.images, err = unpackMaria(c.b, k.most); err != nil {
			return r, fmt.Errorf("unpacking rows: %w", err)
		}
	}
	return r, nil
}

// walk finds the end of one row image without looking at its values. It knows
// every type that a server writes, so that the rows of tables nobody selected
// can be counted, whatever they hold.
func (m *tableMap) walk(image, present []byte, partial bool) (rest []byte, err error) {
	c := cursor{b: image}
	if partial && c.packed()&1 != 0 {
		json := 0
		for _, t := range m.types {
			if t == gomysql.MYSQL_TYPE_JSON {
				json++
			}
		}
		c.take((json + 7) / 8) // a difference has a length like the value that it stands for
	}
	n := 0
	for i := range m.types {
		n += int(present[i/8] >> (i % 8) & 1)
	}
	nulls := c.take((n + 7) / 8)
	if c.bad {
		return nil, errShort
	}
	n = 0
	for i := range m.types {
		if present[i/8]>>(i%8)&1 == 0 {
			continue
		}
		if nulls[n/8]>>(n%8)&1 == 0 {
			if err := m.skip(&c, i); err != nil {
				return nil, err
			}
		}
		n++
	}
	if c.bad {
		return nil, errShort
	}
	return c.b, nil
}

// decimalBytes is how many bytes a group of so many digits takes.
var decimalBytes = [...]int{0, 1, 1, 2, 2, 3, 3, 4, 4, 4}

func (m *tableMap) skip(c *cursor, i int) error {
	meta := int(m.meta[i])
	switch t := m.types[i]; t {
	case gomysql.MYSQL_TYPE_NULL:
	case gomysql.MYSQL_TYPE_TINY, gomysql.MYSQL_TYPE_YEAR:
		c.take(1)
	case gomysql.MYSQL_TYPE_SHORT:
		c.take(2)
	case gomysql.MYSQL_TYPE_INT24, gomysql.MYSQL_TYPE_DATE, gomysql.MYSQL_TYPE_NEWDATE, gomysql.MYSQL_TYPE_TIME:
		c.take(3)
	case gomysql.MYSQL_TYPE_LONG, gomysql.MYSQL_TYPE_FLOAT, gomysql.MYSQL_TYPE_TIMESTAMP:
		c.take(4)
	case gomysql.MYSQL_TYPE_LONGLONG, gomysql.MYSQL_TYPE_DOUBLE, gomysql.MYSQL_TYPE_DATETIME:
		c.take(8)
	case gomysql.MYSQL_TYPE_TIMESTAMP2:
		c.take(4 + (meta+1)/2)
	case gomysql.MYSQL_TYPE_DATETIME2:
		c.take(5 + (meta+1)/2)
	case gomysql.MYSQL_TYPE_TIME2:
		c.take(3 + (meta+1)/2)
	case gomysql.MYSQL_TYPE_NEWDECIMAL:
		precision, scale := meta>>8, meta&0xff
		whole := precision - scale
		if whole < 0 {
			return fmt.Errorf("column %d has %d digits, %d of them after the point", i, precision, scale)
		}
		c.take(whole/9*4 + decimalBytes[whole%9] + scale/9*4 + decimalBytes[scale%9])
	case gomysql.MYSQL_TYPE_BIT:
		c.take((meta>>8*8 + meta&0xff + 7) / 8)
	case gomysql.MYSQL_TYPE_VARCHAR, gomysql.MYSQL_TYPE_VAR_STRING, typeMariaVarcharCompressed:
		c.take(int(c.uint(lengthBytes(meta))))
	case gomysql.MYSQL_TYPE_STRING:
		m.skipString(c, meta)
	case gomysql.MYSQL_TYPE_ENUM, gomysql.MYSQL_TYPE_SET:
		c.take(meta & 0xff)
	case gomysql.MYSQL_TYPE_BLOB, gomysql.MYSQL_TYPE_GEOMETRY, gomysql.MYSQL_TYPE_JSON, gomysql.MYSQL_TYPE_VECTOR,
		gomysql.MYSQL_TYPE_TINY_BLOB, gomysql.MYSQL_TYPE_MEDIUM_BLOB, gomysql.MYSQL_TYPE_LONG_BLOB, typeMariaBlobCompressed:
		if meta < 1 || meta > 4 {
			return fmt.Errorf("column %d has a length of %d bytes", i, meta)
		}
		c.take(int(c.uint(meta)))
	default:
		return fmt.Errorf("column %d has the unknown type %d", i, t)
	}
	return nil
}

// skipString passes over a CHAR, ENUM or SET. The two highest bits of a CHAR's
// length are kept inverted in its type.
func (m *tableMap) skipString(c *cursor, meta int) {
	kind, length := byte(meta>>8), meta&0xff
	if kind&0x30 != 0x30 {
		length |= int(kind&0x30^0x30) << 4
		kind |= 0x30
	}
	if kind == gomysql.MYSQL_TYPE_ENUM || kind == gomysql.MYSQL_TYPE_SET {
		c.take(length)
		return
	}
	c.take(int(c.uint(lengthBytes(length))))
}

// lengthBytes is how many bytes hold the length of a value of at most n bytes.
func lengthBytes(n int) int {
	if n > 255 {
		return 2
	}
	return 1
}
