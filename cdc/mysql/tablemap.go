package mysql

import (
	"fmt"

	"chartwire/cdc/mysql/image"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-mysql-org/go-mysql/replication"
)

// The column types that go-mysql does not know.
const (
	typeMariaBlobCompressed    = 140
	typeMariaVarcharCompressed = 141
	typeInvalid                = 243 // never in a log
)

// tableMap is what a table-map event says, before anything is decided about it.
type tableMap struct {
	database, name []byte
	types          []byte
	meta           []uint16
	optional       []byte
}

// tableMapID reads which number the rows that follow use for the table, and
// what stays when the number changes.
func tableMapID(body []byte) (id uint64, rest []byte, err error) {
	c := cursor{b: body}
	id = c.uint(6)
	c.take(2)
	if c.bad {
		return 0, nil, errShort
	}
	return id, c.b, nil
}

func parseTableMap(rest []byte) (m tableMap, err error) {
	c := cursor{b: rest}
	m.database = c.take(int(c.uint(1)))
	c.take(1)
	m.name = c.take(int(c.uint(1)))
	c.take(1)
	n := c.packed()
	if n > 4096 {
		return m, fmt.Errorf("table map with %d columns", n)
	}
	m.types = c.take(int(n))
	words := cursor{b: c.packedBytes()}
	c.take((int(n) + 7) / 8)
	m.optional = c.b
	m.meta = make([]uint16, len(m.types))
	for i, t := range m.types {
		switch t {
		case gomysql.MYSQL_TYPE_STRING, gomysql.MYSQL_TYPE_NEWDECIMAL, gomysql.MYSQL_TYPE_ENUM, gomysql.MYSQL_TYPE_SET:
			m.meta[i] = uint16(words.uint(1)<<8 | words.uint(1)&0xff)
		case gomysql.MYSQL_TYPE_VAR_STRING, gomysql.MYSQL_TYPE_VARCHAR, gomysql.MYSQL_TYPE_BIT, typeMariaVarcharCompressed:
			m.meta[i] = uint16(words.uint(2))
		case gomysql.MYSQL_TYPE_BLOB, gomysql.MYSQL_TYPE_DOUBLE, gomysql.MYSQL_TYPE_FLOAT, gomysql.MYSQL_TYPE_GEOMETRY,
			gomysql.MYSQL_TYPE_VECTOR, gomysql.MYSQL_TYPE_JSON, gomysql.MYSQL_TYPE_TIME2, gomysql.MYSQL_TYPE_DATETIME2,
			gomysql.MYSQL_TYPE_TIMESTAMP2, gomysql.MYSQL_TYPE_TINY_BLOB, gomysql.MYSQL_TYPE_MEDIUM_BLOB,
			gomysql.MYSQL_TYPE_LONG_BLOB, typeMariaBlobCompressed:
			m.meta[i] = uint16(words.uint(1))
		}
	}
	if c.bad || words.bad {
		return m, errShort
	}
	return m, nil
}

// realType tells ENUM and SET from the CHAR that they are sent as.
func (m *tableMap) realType(i int) byte {
	if t := byte(m.meta[i] >> 8); m.types[i] == gomysql.MYSQL_TYPE_STRING &&
		(t == gomysql.MYSQL_TYPE_ENUM || t == gomysql.MYSQL_TYPE_SET) {
		return t
	}
	return m.types[i]
}

func (m *tableMap) numeric(i int) bool {
	switch m.types[i] {
	case gomysql.MYSQL_TYPE_TINY, gomysql.MYSQL_TYPE_SHORT, gomysql.MYSQL_TYPE_INT24, gomysql.MYSQL_TYPE_LONG,
		gomysql.MYSQL_TYPE_LONGLONG, gomysql.MYSQL_TYPE_DECIMAL, gomysql.MYSQL_TYPE_NEWDECIMAL,
		gomysql.MYSQL_TYPE_FLOAT, gomysql.MYSQL_TYPE_DOUBLE, gomysql.MYSQL_TYPE_YEAR:
		return true
	}
	return false
}

func (m *tableMap) character(i int, maria bool) bool {
	switch m.realType(i) {
	case gomysql.MYSQL_TYPE_STRING, gomysql.MYSQL_TYPE_VAR_STRING, gomysql.MYSQL_TYPE_VARCHAR, gomysql.MYSQL_TYPE_BLOB:
		return true
	case gomysql.MYSQL_TYPE_GEOMETRY, typeMariaBlobCompressed, typeMariaVarcharCompressed:
		return maria
	}
	return false
}

func (m *tableMap) enumOrSet(i int, _ bool) bool {
	t := m.realType(i)
	return t == gomysql.MYSQL_TYPE_ENUM || t == gomysql.MYSQL_TYPE_SET
}

// describe gives what the encoder needs. Columns have no names where the server
// runs with binlog_row_metadata=MINIMAL.
func (m *tableMap) describe(source string, maria bool) (*image.TableMeta, error) {
	t := &image.TableMeta{Source: source, Database: string(m.database), Name: string(m.name), MariaDB: maria,
		Columns: make([]image.ColumnMeta, len(m.types))}
	for i := range t.Columns {
		t.Columns[i].Type, t.Columns[i].Meta = m.types[i], m.meta[i]
	}
	c := cursor{b: m.optional}
	for len(c.b) > 0 {
		kind := byte(c.uint(1))
		v := cursor{b: c.packedBytes()}
		switch kind {
		case replication.TABLE_MAP_OPT_META_SIGNEDNESS:
			m.signs(t, v.b)
		case replication.TABLE_MAP_OPT_META_DEFAULT_CHARSET, replication.TABLE_MAP_OPT_META_COLUMN_CHARSET:
			collations(t, &v, kind == replication.TABLE_MAP_OPT_META_DEFAULT_CHARSET, maria, m.character)
		case replication.TABLE_MAP_OPT_META_ENUM_AND_SET_DEFAULT_CHARSET, replication.TABLE_MAP_OPT_META_ENUM_AND_SET_COLUMN_CHARSET:
			collations(t, &v, kind == replication.TABLE_MAP_OPT_META_ENUM_AND_SET_DEFAULT_CHARSET, maria, m.enumOrSet)
		case replication.TABLE_MAP_OPT_META_COLUMN_NAME:
			for i := range t.Columns {
				t.Columns[i].Name = string(v.take(int(v.uint(1))))
			}
		case replication.TABLE_MAP_OPT_META_SET_STR_VALUE:
			m.labels(t, &v, gomysql.MYSQL_TYPE_SET)
		case replication.TABLE_MAP_OPT_META_ENUM_STR_VALUE:
			m.labels(t, &v, gomysql.MYSQL_TYPE_ENUM)
		case replication.TABLE_MAP_OPT_META_SIMPLE_PRIMARY_KEY, replication.TABLE_MAP_OPT_META_PRIMARY_KEY_WITH_PREFIX:
			for len(v.b) > 0 {
				k := v.packed()
				if kind == replication.TABLE_MAP_OPT_META_PRIMARY_KEY_WITH_PREFIX {
					v.packed() // whole values are unique where their prefixes are
				}
				if k >= uint64(len(t.Columns)) {
					return nil, fmt.Errorf("key column %d of %d", k, len(t.Columns))
				}
				t.Key = append(t.Key, int(k))
			}
		}
		if v.bad {
			return nil, errShort
		}
	}
	if c.bad {
		return nil, errShort
	}
	return t, nil
}

// signs has one bit for every numeric column, the highest first.
func (m *tableMap) signs(t *image.TableMeta, bits []byte) {
	n := 0
	for i := range t.Columns {
		if !m.numeric(i) {
			continue
		}
		if n/8 < len(bits) {
			t.Columns[i].Unsigned = bits[n/8]&(0x80>>(n%8)) != 0
		}
		n++
	}
}

// collations has either one for all and exceptions by ordinal, or one for each.
func collations(t *image.TableMeta, v *cursor, exceptions, maria bool, mine func(int, bool) bool) {
	all := uint64(0)
	except := map[uint64]uint64{}
	if exceptions {
		all = v.packed()
		for len(v.b) > 0 && !v.bad {
			n := v.packed()
			except[n] = v.packed()
		}
	}
	n := uint64(0)
	for i := range t.Columns {
		if !mine(i, maria) {
			continue
		}
		switch e, ok := except[n]; {
		case !exceptions:
			t.Columns[i].Collation = v.packed()
		case ok:
			t.Columns[i].Collation = e
		default:
			t.Columns[i].Collation = all
		}
		n++
	}
}

func (m *tableMap) labels(t *image.TableMeta, v *cursor, kind byte) {
	for i := range t.Columns {
		if m.realType(i) != kind || len(v.b) == 0 {
			continue
		}
		n := v.packed()
		for ; n > 0 && !v.bad; n-- {
			t.Columns[i].Labels = append(t.Columns[i].Labels, string(v.packedBytes()))
		}
	}
}

// named says whether the server says column names: binlog_row_metadata=FULL.
func named(t *image.TableMeta) bool { return len(t.Columns) == 0 || t.Columns[0].Name != "" }
