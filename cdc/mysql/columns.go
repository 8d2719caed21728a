package mysql

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"chartwire/cdc"
	"chartwire/cdc/mysql/image"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"
)

// tableInfo is what information_schema says of a table as it is now, in the
// words of a table-map event: so that both give the same encoder.
type tableInfo struct {
	meta      *image.TableMeta
	engine    string
	rows      int64 // estimated
	versioned bool  // MariaDB: WITH SYSTEM VERSIONING
	view      bool
}

// errNoTable says that there is no such table now.
var errNoTable = fmt.Errorf("there is no such table")

const binaryCollation = 63

func describeTable(c *conn, source string, maria bool, id cdc.TableID) (*tableInfo, error) {
	infos, err := describeTables(c, source, maria, id.Database, id.Name)
	if err != nil {
		return nil, fmt.Errorf("describing %s: %w", id, err)
	}
	if len(infos) == 0 {
		return nil, errNoTable
	}
	return infos[0], nil
}

// describeTables describes one table of a database, or all of them.
func describeTables(c *conn, source string, maria bool, database, name string) ([]*tableInfo, error) {
	where := "TABLE_SCHEMA = " + text(database)
	if name != "" {
		where += " AND TABLE_NAME = " + text(name)
	}
	r, err := c.query("SELECT TABLE_NAME, IFNULL(ENGINE, ''), IFNULL(TABLE_ROWS, 0), TABLE_TYPE FROM information_schema.TABLES WHERE " + where + " ORDER BY TABLE_NAME")
	if err != nil {
		return nil, err
	}
	var infos []*tableInfo
	byName := map[string]*tableInfo{}
	for _, row := range r {
		info := &tableInfo{meta: &image.TableMeta{Source: source, Database: database, Name: row[0], MariaDB: maria},
			engine: row[1], versioned: row[3] == "SYSTEM VERSIONED", view: strings.HasSuffix(row[3], "VIEW")}
		info.rows, _ = strconv.ParseInt(row[2], 10, 64)
		infos = append(infos, info)
		byName[info.meta.Name] = info
	}
	// MariaDB's collations have no one name: there any of the character set stands
	// for it, which is all that matters here.
	of := "o.COLLATION_NAME = c.COLLATION_NAME"
	if maria {
		of = "o.CHARACTER_SET_NAME = c.CHARACTER_SET_NAME"
	}
	r, err = c.query("SELECT COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, IFNULL(CHARACTER_OCTET_LENGTH, 0), IFNULL(NUMERIC_PRECISION, 0), " +
		"IFNULL(NUMERIC_SCALE, 0), IFNULL(DATETIME_PRECISION, 0), IFNULL(CHARACTER_SET_NAME, ''), " +
		"IFNULL((SELECT MIN(ID) FROM information_schema.COLLATIONS o WHERE " + of + "), 63), TABLE_NAME " +
		"FROM information_schema.COLUMNS c WHERE " + where + " ORDER BY TABLE_NAME, ORDINAL_POSITION")
	if err != nil {
		return nil, err
	}
	for _, row := range r {
		info := byName[row[9]]
		if info == nil {
			continue
		}
		m, err := columnMeta(c, row, maria)
		if err != nil {
			return nil, err
		}
		info.meta.Columns = append(info.meta.Columns, m)
	}
	if err := markJSON(c, maria, infos); err != nil {
		return nil, err
	}
	r, err = c.query("SELECT COLUMN_NAME, TABLE_NAME FROM information_schema.STATISTICS WHERE " + where + " AND INDEX_NAME = 'PRIMARY' ORDER BY TABLE_NAME, SEQ_IN_INDEX")
	if err != nil {
		return nil, err
	}
	for _, row := range r {
		info := byName[row[1]]
		if info == nil {
			continue
		}
		for i := range info.meta.Columns {
			if info.meta.Columns[i].Name == row[0] {
				info.meta.Key = append(info.meta.Key, i)
			}
		}
	}
	return infos, nil
}

// columnMeta says a column's type as a table-map event would.
func columnMeta(c *conn, row []string, maria bool) (image.ColumnMeta, error) {
	number := func(i int) int { n, _ := strconv.Atoi(row[i]); return n }
	m := image.ColumnMeta{Name: row[0], Declared: strings.ToLower(row[2])}
	declared, octets := m.Declared, number(3)
	m.Unsigned = strings.Contains(declared, "unsigned") || strings.Contains(declared, "zerofill")
	collation := uint64(number(8))
	switch row[1] {
	case "tinyint":
		m.Type = gomysql.MYSQL_TYPE_TINY
	case "smallint":
		m.Type = gomysql.MYSQL_TYPE_SHORT
	case "mediumint":
		m.Type = gomysql.MYSQL_TYPE_INT24
	case "int":
		m.Type = gomysql.MYSQL_TYPE_LONG
	case "bigint":
		m.Type = gomysql.MYSQL_TYPE_LONGLONG
	case "float":
		m.Type, m.Meta = gomysql.MYSQL_TYPE_FLOAT, 4
	case "double":
		m.Type, m.Meta = gomysql.MYSQL_TYPE_DOUBLE, 8
	case "decimal":
		m.Type, m.Meta = gomysql.MYSQL_TYPE_NEWDECIMAL, uint16(number(4)<<8|number(5))
	case "bit":
		m.Type, m.Meta = gomysql.MYSQL_TYPE_BIT, uint16(number(4)/8<<8|number(4)%8)
	case "year":
		m.Type = gomysql.MYSQL_TYPE_YEAR
	case "date":
		m.Type = gomysql.MYSQL_TYPE_DATE
	case "time":
		m.Type, m.Meta = gomysql.MYSQL_TYPE_TIME2, uint16(number(6))
	case "datetime":
		m.Type, m.Meta = gomysql.MYSQL_TYPE_DATETIME2, uint16(number(6))
	case "timestamp":
		m.Type, m.Meta = gomysql.MYSQL_TYPE_TIMESTAMP2, uint16(number(6))
	case "char", "binary":
		m.Type, m.Meta, m.Collation = gomysql.MYSQL_TYPE_STRING, charMeta(octets), collation
	case "uuid", "inet6":
		m.Type, m.Meta, m.Collation = gomysql.MYSQL_TYPE_STRING, charMeta(16), binaryCollation
	case "inet4":
		m.Type, m.Meta, m.Collation = gomysql.MYSQL_TYPE_STRING, charMeta(4), binaryCollation
	case "varchar", "varbinary":
		m.Type, m.Meta, m.Collation = gomysql.MYSQL_TYPE_VARCHAR, uint16(octets), collation
	case "tinytext", "tinyblob":
		m.Type, m.Meta, m.Collation = gomysql.MYSQL_TYPE_BLOB, 1, collation
	case "text", "blob":
		m.Type, m.Meta, m.Collation = gomysql.MYSQL_TYPE_BLOB, 2, collation
	case "mediumtext", "mediumblob":
		m.Type, m.Meta, m.Collation = gomysql.MYSQL_TYPE_BLOB, 3, collation
	case "longtext", "longblob":
		m.Type, m.Meta, m.Collation = gomysql.MYSQL_TYPE_BLOB, 4, collation
	case "json":
		m.Type, m.Meta = gomysql.MYSQL_TYPE_JSON, 4
	case "vector":
		if m.Type, m.Meta = gomysql.MYSQL_TYPE_VECTOR, 4; maria { // there it is written as the bytes of its floats
			m.Type, m.Meta, m.Collation = gomysql.MYSQL_TYPE_VARCHAR, uint16(octets), binaryCollation
		}
	case "enum", "set":
		return labelled(c, m, row[1], row[2], row[7], collation)
	case "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "geomcollection", "geometrycollection":
		m.Type, m.Meta = gomysql.MYSQL_TYPE_GEOMETRY, 4
	default: // newer than this program: a halt where it is captured
		m.Type = typeInvalid
	}
	if strings.Contains(declared, " compressed") {
		m.Type = map[byte]byte{gomysql.MYSQL_TYPE_VARCHAR: typeMariaVarcharCompressed}[m.Type]
		if m.Type == 0 {
			m.Type = typeMariaBlobCompressed
		}
	}
	if !maria {
		m.Declared = "" // the stream says all of it
	}
	return m, nil
}

// charMeta is the metadata word of a CHAR of so many bytes: two bits of its
// length stand inverted in its type.
func charMeta(octets int) uint16 {
	return uint16((int(gomysql.MYSQL_TYPE_STRING)^octets&0x300>>4)<<8 | octets&0xff)
}

// labelled adds the labels of an ENUM or SET, in the bytes of its character set.
func labelled(c *conn, m image.ColumnMeta, kind, declared, charset string, collation uint64) (image.ColumnMeta, error) {
	m.Type, m.Collation, m.Declared = gomysql.MYSQL_TYPE_STRING, collation, ""
	m.Labels = labels(declared)
	n := len(m.Labels)
	if kind == "enum" {
		m.Meta = uint16(gomysql.MYSQL_TYPE_ENUM)<<8 | 1
		if n > 255 {
			m.Meta++
		}
	} else {
		bytes := (n + 7) / 8
		if bytes > 4 {
			bytes = 8
		}
		m.Meta = uint16(gomysql.MYSQL_TYPE_SET)<<8 | uint16(bytes)
	}
	if strings.HasPrefix(charset, "utf8") || ascii(m.Labels) && !strings.HasPrefix(charset, "u") {
		return m, nil
	}
	converted := make([]string, n)
	for i, l := range m.Labels {
		converted[i] = "CONVERT(" + text(l) + " USING " + charset + ")"
	}
	r, err := c.query("SELECT " + strings.Join(converted, ", "))
	if err != nil {
		return m, fmt.Errorf("reading the labels of %s: %w", m.Name, err)
	}
	for i := range m.Labels {
		m.Labels[i] = r[0][i]
	}
	return m, nil
}

func ascii(labels []string) bool {
	for _, l := range labels {
		for i := range len(l) {
			if l[i] >= 0x80 {
				return false
			}
		}
	}
	return true
}

// markJSON finds MariaDB's JSON columns: LONGTEXT with a check. The statement that
// makes the table says so to whoever may read it; information_schema names checks
// only to those who may do more than that.
func markJSON(c *conn, maria bool, tables []*tableInfo) error {
	if !maria {
		return nil
	}
	for _, info := range tables {
		isText := func(m image.ColumnMeta) bool { return m.Declared == "longtext" }
		if info.view || !slices.ContainsFunc(info.meta.Columns, isText) {
			continue
		}
		r, err := c.query("SHOW CREATE TABLE " + ident(info.meta.Database) + "." + ident(info.meta.Name))
		switch {
		case wrongCondition(err): // gone since, or broken: who reads it hears that
			continue
		case err != nil:
			return fmt.Errorf("asking for checks: %w", err)
		}
		for i := range info.meta.Columns {
			if m := &info.meta.Columns[i]; isText(*m) && strings.Contains(r[0][1], "CHECK (json_valid("+ident(m.Name)+"))") {
				m.Declared = "json"
			}
		}
	}
	return nil
}

// labels reads the list of enum('a','it”s'), in which the server doubles
// quotes and writes four characters with a backslash, whatever its sql_mode.
func labels(columnType string) []string {
	_, list, _ := strings.Cut(columnType, "('")
	list = strings.TrimSuffix(list, ")")
	var out []string
	var label strings.Builder
	for i := 0; i < len(list); i++ {
		switch c := list[i]; {
		case c == '\\' && i+1 < len(list):
			i++
			label.WriteString(unescape.Replace(list[i : i+1]))
		case c != '\'':
			label.WriteByte(c)
		case i+1 < len(list) && list[i+1] == '\'':
			i++
			label.WriteByte(c)
		default:
			out = append(out, label.String())
			label.Reset()
			i += len(",'")
		}
	}
	return out
}

var unescape = strings.NewReplacer("n", "\n", "r", "\r", "0", "\x00")

// unsaid says whether the stream leaves open what a column of MariaDB is.
func unsaid(m *image.ColumnMeta) bool {
	switch m.Type {
	case gomysql.MYSQL_TYPE_STRING:
		return m.Collation == binaryCollation && (m.Meta == charMeta(16) || m.Meta == charMeta(4))
	case gomysql.MYSQL_TYPE_BLOB:
		return m.Meta == 4 && m.Collation != binaryCollation
	case gomysql.MYSQL_TYPE_TIMESTAMP, gomysql.MYSQL_TYPE_TIME, gomysql.MYSQL_TYPE_DATETIME:
		return true // the storage format of before 10.1: how many fractional digits
	}
	return false
}
