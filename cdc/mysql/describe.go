package mysql

import (
	"context"
	"fmt"
	"strings"
	"time"

	"chartwire/cdc"

	"github.com/go-mysql-org/go-mysql/client"
	gomysql "github.com/go-mysql-org/go-mysql/mysql"
)

// Tables describes the base tables of a database as its server does now, with
// all columns: what maps are compiled against before the first row is read.
// What is read and written comes from the stream's own table maps.
func Tables(ctx context.Context, cfg Config, database string) ([]*cdc.Table, error) {
	var opts []client.Option
	if cfg.TLS != nil {
		opts = append(opts, func(c *client.Conn) error { c.SetTLSConfig(cfg.TLS); return nil })
	}
	conn, err := client.ConnectWithContext(ctx, cfg.Addr, cfg.User, cfg.Password, "", 10*time.Second, opts...)
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", cfg.Addr, err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	const columns = `SELECT c.TABLE_NAME, c.COLUMN_NAME, c.DATA_TYPE, c.COLUMN_TYPE, c.CHARACTER_SET_NAME,
  c.NUMERIC_PRECISION, c.NUMERIC_SCALE, c.DATETIME_PRECISION, c.CHARACTER_MAXIMUM_LENGTH
FROM information_schema.COLUMNS c JOIN information_schema.TABLES t USING (TABLE_SCHEMA, TABLE_NAME)
WHERE c.TABLE_SCHEMA = ? AND t.TABLE_TYPE = 'BASE TABLE' ORDER BY c.TABLE_NAME, c.ORDINAL_POSITION`
	rows, err := conn.Execute(columns, database)
	if err != nil {
		return nil, fmt.Errorf("reading the columns of %s: %w", database, err)
	}
	defer rows.Close()
	var tables []*cdc.Table
	byName := map[string]*cdc.Table{}
	for i := range rows.Values {
		d := descriptionOf(rows.Resultset, i)
		t := byName[d.table]
		if t == nil {
			t = &cdc.Table{Source: cfg.Name, Database: database, Name: d.table}
			byName[d.table] = t
			tables = append(tables, t)
		}
		t.Columns = append(t.Columns, cdc.Column{Name: d.column, Type: d.cdcType()})
	}
	const keys = `SELECT TABLE_NAME, COLUMN_NAME FROM information_schema.STATISTICS
WHERE TABLE_SCHEMA = ? AND INDEX_NAME = 'PRIMARY' ORDER BY TABLE_NAME, SEQ_IN_INDEX`
	primary, err := conn.Execute(keys, database)
	if err != nil {
		return nil, fmt.Errorf("reading the keys of %s: %w", database, err)
	}
	defer primary.Close()
	for i := range primary.Values {
		table, _ := primary.GetString(i, 0)
		column, _ := primary.GetString(i, 1)
		if t := byName[table]; t != nil {
			t.Key = append(t.Key, t.Column(column))
		}
	}
	return tables, nil
}

// description is one column in information_schema's words.
type description struct {
	table, column, dataType, columnType, charset string
	precision, scale, fraction, length           int
}

func descriptionOf(r *gomysql.Resultset, row int) description {
	text := func(col int) string { s, _ := r.GetString(row, col); return strings.Clone(s) }
	number := func(col int) int { n, _ := r.GetInt(row, col); return int(n) }
	return description{
		table: text(0), column: text(1), dataType: strings.ToLower(text(2)), columnType: text(3), charset: text(4),
		precision: number(5), scale: number(6), fraction: number(7), length: number(8),
	}
}

var intBits = map[string]int{"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "integer": 32, "bigint": 64}

// plain are the kinds that need no more than their name.
var plain = map[string]cdc.Kind{
	"float": cdc.KindFloat, "double": cdc.KindDouble, "date": cdc.KindDate, "year": cdc.KindYear, "json": cdc.KindJSON,
	"uuid": cdc.KindUUID, "inet4": cdc.KindInet4, "inet6": cdc.KindInet6, "vector": cdc.KindVector,
	"geometry": cdc.KindGeometry, "point": cdc.KindGeometry, "linestring": cdc.KindGeometry, "polygon": cdc.KindGeometry,
	"multipoint": cdc.KindGeometry, "multilinestring": cdc.KindGeometry, "multipolygon": cdc.KindGeometry,
	"geometrycollection": cdc.KindGeometry, "geomcollection": cdc.KindGeometry,
}

func (d description) cdcType() cdc.Type {
	t := cdc.Type{Unsigned: strings.Contains(strings.ToLower(d.columnType), "unsigned")}
	if bits := intBits[d.dataType]; bits > 0 {
		t.Kind, t.Bits = cdc.KindInt, bits
		return t
	}
	switch d.dataType {
	case "decimal", "numeric":
		t.Kind, t.Precision, t.Scale = cdc.KindDecimal, d.precision, d.scale
	case "char", "varchar", "tinytext", "text", "mediumtext", "longtext":
		t.Kind, t.Charset = cdc.KindText, d.charset
	case "binary":
		t.Kind, t.Length = cdc.KindBytes, d.length
	case "varbinary", "tinyblob", "blob", "mediumblob", "longblob":
		t.Kind = cdc.KindBytes
	case "time":
		t.Kind, t.Scale = cdc.KindTime, d.fraction
	case "datetime":
		t.Kind, t.Scale = cdc.KindDateTime, d.fraction
	case "timestamp":
		t.Kind, t.Scale = cdc.KindTimestamp, d.fraction
	case "bit":
		t.Kind, t.Bits = cdc.KindBit, d.precision
	case "enum", "set":
		t.Kind, t.Charset, t.Labels = cdc.KindEnum, d.charset, labels(d.columnType)
		if d.dataType == "set" {
			t.Kind = cdc.KindSet
		}
	default:
		t.Kind = plain[d.dataType]
	}
	return t
}

// labels reads the list of enum('a','it”s').
func labels(columnType string) []string {
	_, list, _ := strings.Cut(columnType, "(")
	list = strings.TrimSuffix(list, ")")
	var out []string
	for list != "" {
		list = strings.TrimPrefix(strings.TrimPrefix(list, ","), "'")
		var label strings.Builder
		for {
			before, after, found := strings.Cut(list, "'")
			label.WriteString(before)
			list = after
			if !found || !strings.HasPrefix(list, "'") {
				break
			}
			label.WriteByte('\'')
			list = list[1:]
		}
		out = append(out, label.String())
	}
	return out
}
