package image_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"chartwire/cdc/mysql/image"
	"chartwire/integration/faults"
	"chartwire/integration/servers"
	"chartwire/schemas"

	"github.com/go-mysql-org/go-mysql/client"
	"github.com/go-mysql-org/go-mysql/replication"
)

// null is what the canonical text of a null is in these tests.
const null = "∅"

// typeCase is a column type and, for each value as SQL, the canonical text that
// must come out of the stream and of a query alike.
type typeCase struct {
	decl   string
	values []string // pairs: SQL, canonical text
	only   string   // a flavour
}

var typeCases = []typeCase{
	{decl: "tinyint", values: []string{"-128", "-128", "127", "127", "0", "0", "null", null}},
	{decl: "tinyint(1)", values: []string{"true", "1", "false", "0"}},
	{decl: "tinyint unsigned", values: []string{"255", "255", "0", "0"}},
	{decl: "smallint", values: []string{"-32768", "-32768", "32767", "32767"}},
	{decl: "smallint unsigned zerofill", values: []string{"65535", "65535", "7", "7"}},
	{decl: "mediumint", values: []string{"-8388608", "-8388608", "8388607", "8388607", "-1", "-1"}},
	{decl: "mediumint unsigned", values: []string{"16777215", "16777215"}},
	{decl: "int", values: []string{"-2147483648", "-2147483648", "2147483647", "2147483647"}},
	{decl: "int unsigned", values: []string{"4294967295", "4294967295"}},
	{decl: "bigint", values: []string{"-9223372036854775808", "-9223372036854775808", "9223372036854775807", "9223372036854775807"}},
	{decl: "bigint unsigned", values: []string{"18446744073709551615", "18446744073709551615", "9223372036854775808", "9223372036854775808", "0", "0", "127", "127", "128", "128"}},
	{decl: "decimal(1,0)", values: []string{"-9", "-9", "0", "0"}},
	{decl: "decimal(10,2)", values: []string{"-12345678.90", "-12345678.9", "0.05", "0.05", "-0.01", "-0.01", "99999999.99", "99999999.99", "100", "100"}},
	{decl: "decimal(2,2)", values: []string{"-0.99", "-0.99", "0.10", "0.1"}},
	{decl: "decimal(18,9)", values: []string{"-123456789.123456789", "-123456789.123456789"}},
	{decl: "decimal(20,0)", values: []string{"18446744073709551615", "18446744073709551615", "-18446744073709551616", "-18446744073709551616", "-9223372036854775808", "-9223372036854775808", "9223372036854775808", "9223372036854775808"}},
	{decl: "decimal(38,10)", values: []string{"-9999999999999999999999999999.9999999999", "-9999999999999999999999999999.9999999999", "170141183460469231731687303.7158841057", "170141183460469231731687303.7158841057"}},
	{decl: "decimal(65,30)", values: []string{
		"-12345678901234567890123456789012345.123456789012345678901234567891", "-12345678901234567890123456789012345.123456789012345678901234567891",
		"99999999999999999999999999999999999.999999999999999999999999999999", "99999999999999999999999999999999999.999999999999999999999999999999",
		"0.000000000000000000000000000001", "0.000000000000000000000000000001"}},
	{decl: "decimal(65,0) unsigned zerofill", values: []string{"99999999999999999999999999999999999999999999999999999999999999999", "99999999999999999999999999999999999999999999999999999999999999999", "1", "1"}},
	{decl: "float", values: []string{"0.1", "0.1", "16777216", "1.6777216e+07", "-3.4028234e38", "-3.4028235e+38", "1e-40", "1e-40", "0", "0", "123456.789", "123456.79"}},
	{decl: "float(7,3)", values: []string{"123.456", "123.456"}},
	{decl: "double", values: []string{"0.1", "0.1", "1.7976931348623157e308", "1.7976931348623157e+308", "5e-324", "5e-324", "-0e0", "0", "123456789.123456789", "1.2345678912345679e+08"}},
	{decl: "double(10,2)", values: []string{"1.1", "1.1", "1234567.89", "1.23456789e+06"}},
	{decl: "bit(1)", values: []string{"b'1'", "1", "b'0'", "0"}},
	{decl: "bit(17)", values: []string{"b'10000000000000001'", "65537"}},
	{decl: "bit(63)", values: []string{"0x7fffffffffffffff", "9223372036854775807"}},
	{decl: "bit(64)", values: []string{"0xffffffffffffffff", "18446744073709551615", "b'1'", "1"}},
	{decl: "year", values: []string{"2024", "2024", "1901", "1901", "2155", "2155", "0", "0"}},
	{decl: "date", values: []string{"'2024-02-29'", "2024-02-29", "'1970-01-01'", "1970-01-01", "'1969-12-31'", "1969-12-31", "'9999-12-31'", "9999-12-31", "'1000-01-01'", "1000-01-01",
		"'0999-12-31'", null, "'0001-01-01'", null, "'0000-00-00'", null, "'2024-05-00'", null, "'2024-00-01'", null, "null", null}},
	{decl: "datetime", values: []string{"'2024-02-29 23:59:59'", "2024-02-29T23:59:59", "'1000-01-01 00:00:00'", "1000-01-01T00:00:00", "'9999-12-31 23:59:59'", "9999-12-31T23:59:59",
		"'0001-01-01 00:00:00'", null, "'0000-00-00 00:00:00'", null, "'2024-05-00 10:00:00'", null}},
	{decl: "datetime(1)", values: []string{"'1969-12-31 23:59:59.9'", "1969-12-31T23:59:59.9"}},
	{decl: "datetime(3)", values: []string{"'2024-02-29 23:59:59.123'", "2024-02-29T23:59:59.123", "'0000-00-00 00:00:00.100'", null}},
	{decl: "datetime(6)", values: []string{"'2024-02-29 23:59:59.123456'", "2024-02-29T23:59:59.123456", "'2024-02-29 23:59:59.000001'", "2024-02-29T23:59:59.000001"}},
	{decl: "timestamp null", values: []string{"'2024-02-29 23:59:59'", "2024-02-29T22:59:59Z", "'1970-01-01 01:00:01'", "1970-01-01T00:00:01Z", "'2038-01-19 04:14:07'", "2038-01-19T03:14:07Z", "'0000-00-00 00:00:00'", null}},
	{decl: "timestamp(2) null", values: []string{"'2024-02-29 23:59:59.12'", "2024-02-29T22:59:59.12Z"}},
	{decl: "timestamp(5) null", values: []string{"'2024-02-29 23:59:59.12345'", "2024-02-29T22:59:59.12345Z"}},
	{decl: "timestamp(6) null", values: []string{"'2024-02-29 23:59:59.999999'", "2024-02-29T22:59:59.999999Z", "'0000-00-00 00:00:00'", null}},
	{decl: "time", values: []string{"'-838:59:59'", "-838:59:59", "'838:59:59'", "838:59:59", "'-00:00:01'", "-00:00:01", "'00:00:00'", "00:00:00", "'10:11:12'", "10:11:12"}},
	{decl: "time(1)", values: []string{"'-00:00:00.1'", "-00:00:00.1", "'-00:00:01.9'", "-00:00:01.9"}},
	{decl: "time(2)", values: []string{"'-00:00:01.10'", "-00:00:01.1", "'-00:00:00.99'", "-00:00:00.99", "'100:00:00.05'", "100:00:00.05"}},
	{decl: "time(4)", values: []string{"'-00:00:01.1001'", "-00:00:01.1001", "'-100:00:00'", "-100:00:00"}},
	{decl: "time(6)", values: []string{"'-838:59:58.999999'", "-838:59:58.999999", "'00:00:00.000001'", "00:00:00.000001", "'-00:00:00.000001'", "-00:00:00.000001"}},
	{decl: "enum('a','b','日','')", values: []string{"'a'", "a", "'日'", "日", "''", "", "'none such'", ""}},
	{decl: "enum('x','é') charset latin1", values: []string{"'é'", "é", "'x'", "x"}},
	{decl: "set('a','b','c','d')", values: []string{"'a,c'", "a,c", "''", "", "'d,b'", "b,d", "'a,b,c,d'", "a,b,c,d"}},
	{decl: "set('ä','ö') charset latin1", values: []string{"'ä,ö'", "ä,ö"}},
	{decl: "char(10)", values: []string{"'ab  '", "ab", "''", "", "'日本'", "日本"}},
	{decl: "char(255) charset utf8mb4", values: []string{"repeat('😀', 255)", strings.Repeat("😀", 255), "'x'", "x"}},
	{decl: "char(10) charset latin1", values: []string{"'Größe'", "Größe", "'€'", "€", "x'8182'", "\u0081‚"}},
	{decl: "varchar(20) charset latin1", values: []string{"'Größe'", "Größe", "'plain'", "plain"}},
	{decl: "varchar(255)", values: []string{"'x'", "x", "''", "", "'tail  '", "tail  "}},
	{decl: "varchar(300) charset utf8mb4", values: []string{"'😀'", "😀", "repeat('é', 300)", strings.Repeat("é", 300)}},
	{decl: "varchar(20) charset utf8mb3", values: []string{"'日本'", "日本"}},
	{decl: "varchar(20) charset ascii", values: []string{"'plain'", "plain"}},
	{decl: "varchar(20) charset cp1251", values: []string{"'Привет'", "Привет"}},
	{decl: "varchar(20) charset gbk", values: []string{"'中文a'", "中文a"}},
	{decl: "varchar(20) charset ucs2", values: []string{"'Aé日'", "Aé日"}},
	{decl: "varchar(20) charset utf16", values: []string{"'A😀日'", "A😀日"}},
	{decl: "varchar(20) charset utf16le", values: []string{"'A😀日'", "A😀日"}},
	{decl: "varchar(20) charset utf32", values: []string{"'A😀日'", "A😀日"}},
	{decl: "tinytext", values: []string{"'t'", "t"}},
	{decl: "text charset latin1", values: []string{"'Größe'", "Größe"}},
	{decl: "mediumtext", values: []string{"repeat('é', 40000)", strings.Repeat("é", 40000)}},
	{decl: "longtext", values: []string{"'{}'", "{}"}},
	{decl: "binary(4)", values: []string{"x'41000000'", "41000000", "x'00000000'", "00000000", "x'01020304'", "01020304"}},
	{decl: "varbinary(4)", values: []string{"x'4100'", "4100", "x''", "", "x'ff'", "ff"}},
	{decl: "varbinary(300)", values: []string{"x'4100'", "4100"}},
	{decl: "tinyblob", values: []string{"x'00ff'", "00ff"}},
	{decl: "longblob", values: []string{"x'00ff'", "00ff"}},
	{decl: "json", values: []string{`'{"b": 1, "aa": [1, 2.50, "x"]}'`, `{"b": 1, "aa": [1, 2.5, "x"]}`, "null", null}, only: "mysql"},
	{decl: "json", values: []string{`'{"b": 1, "aa": [1, 2.50, "x"]}'`, `{"b": 1, "aa": [1, 2.50, "x"]}`, "null", null}, only: "mariadb"},
	{decl: "inet6", values: []string{"'2001:db8::ff00:0:0'", "2001:db8::ff00:0:0", "'::'", "::", "'::ffff:1.2.3.0'", "::ffff:1.2.3.0", "'::1.2.3.4'", "::102:304"}, only: "mariadb"},
	{decl: "inet4", values: []string{"'127.0.0.0'", "127.0.0.0"}, only: "mariadb"},
}

func TestTypesAgainstServers(t *testing.T) {
	faults.Shows(t, "decimal", "is exact to the last digit")
	for _, f := range image.Flavors() {
		t.Run(image.Name(f), func(t *testing.T) { testTypes(t, image.Server(t, f)) })
	}
}

func testTypes(t *testing.T, db *servers.DB) {
	maria := db.Flavor.Name == "mariadb"
	var sql strings.Builder
	sql.WriteString("create database cases charset utf8mb4; use cases; set sql_mode='', time_zone='+01:00', names utf8mb4;\n")
	tables := map[string]typeCase{}
	for i, c := range typeCases {
		if c.only != "" && c.only != db.Flavor.Name {
			continue
		}
		name := fmt.Sprintf("t%d", i)
		tables[name] = c
		fmt.Fprintf(&sql, "create table %s (id int primary key, v %s);\n", name, c.decl)
		for j := 0; j < len(c.values); j += 2 {
			fmt.Fprintf(&sql, "insert into %s values (%d, %s);\n", name, j/2, c.values[j])
		}
	}
	if err := db.Exec(sql.String()); err != nil {
		t.Fatal(err)
	}
	conn := connect(t, db)
	for _, r := range readBinlog(t, db, conn, "cases") {
		c, ok := tables[r.meta.Name]
		if !ok {
			continue
		}
		if maria && (c.decl == "json" || strings.HasPrefix(c.decl, "inet")) {
			r.meta.Columns[1].Declared = c.decl
		}
		enc, err := image.Compile(&r.meta, nil)
		if err != nil {
			t.Errorf("%s: %v", c.decl, err)
			continue
		}
		row, rest, err := enc.Append(nil, r.image, r.present)
		if err != nil || len(rest) != 0 {
			t.Errorf("%s: encoding: %v, %d bytes left", c.decl, err, len(rest))
			continue
		}
		schema, err := schemas.NewRowSchema(enc.Table())
		if err != nil {
			t.Fatal(err)
		}
		var fields schemas.Fields
		if err := fields.Read(schema, row); err != nil {
			t.Fatalf("%s: %v", c.decl, err)
		}
		id := fields.Value(0).Int()
		got := null
		if v := fields.Value(1); !v.Null() {
			got = string(v.AppendText(nil))
		}
		if want := c.values[2*id+1]; got != want {
			t.Errorf("%s: stream of %s is %q, want %q", c.decl, c.values[2*id], got, want)
		}
		sel := strings.Join(enc.Select(), ", ")
		res, err := conn.Execute(fmt.Sprintf("select %s from cases.%s where id = %d", sel, r.meta.Name, id))
		if err != nil {
			t.Fatal(err)
		}
		read, err := enc.AppendPacket(nil, res.RowDatas[0])
		if err != nil {
			t.Errorf("%s: reading %s: %v", c.decl, c.values[2*id], err)
		} else if !bytes.Equal(read, row) {
			t.Errorf("%s: stream and query of %s differ:\n%x\n%x", c.decl, c.values[2*id], row, read)
		}
		delete(tables, fmt.Sprintf("%s.%d", r.meta.Name, id))
	}
}

// rowImage is one row image and what its stream says of it.
type rowImage struct {
	meta           image.TableMeta
	image, present []byte
}

// readBinlog reads the images of all inserts into a database from the server's
// current log.
func readBinlog(t *testing.T, db *servers.DB, conn *client.Conn, database string) []rowImage {
	t.Helper()
	var images []rowImage
	p := replication.NewBinlogParser()
	p.SetFlavor(db.Flavor.Name)
	p.SetRowsEventDecodeFunc(func(e *replication.RowsEvent, data []byte) error {
		pos, err := e.DecodeHeader(data)
		if err != nil {
			return err
		}
		if string(e.Table.Schema) != database {
			return nil
		}
		images = append(images, rowImage{metaOf(e.Table, db.Flavor.Name == "mariadb"), bytes.Clone(data[pos:]), bytes.Clone(e.ColumnBitmap1)})
		return nil
	})
	if err := p.ParseFile(currentLog(t, conn), 0, func(*replication.BinlogEvent) error { return nil }); err != nil {
		t.Fatal(err)
	}
	return images
}

// currentLog is the path of the log that the server writes.
func currentLog(t *testing.T, conn *client.Conn) string {
	t.Helper()
	res, err := conn.Execute("show binary logs")
	if err != nil {
		t.Fatal(err)
	}
	last, _ := res.GetString(res.RowNumber()-1, 0)
	if res, err = conn.Execute("select @@log_bin_basename"); err != nil {
		t.Fatal(err)
	}
	base, _ := res.GetString(0, 0)
	return base[:strings.LastIndexByte(base, '/')+1] + last
}

// metaOf turns go-mysql's table map into ours: a second reader beside the one
// of package mysql.
func metaOf(e *replication.TableMapEvent, maria bool) image.TableMeta {
	m := image.TableMeta{Source: "s", Database: string(e.Schema), Name: string(e.Table), MariaDB: maria}
	unsigned, collation, labelCollation := e.UnsignedMap(), e.CollationMap(), e.EnumSetCollationMap()
	enum, set := e.EnumStrValueMap(), e.SetStrValueMap()
	for i, name := range e.ColumnNameString() {
		m.Columns = append(m.Columns, image.ColumnMeta{
			Name: name, Type: e.ColumnType[i], Meta: e.ColumnMeta[i], Unsigned: unsigned[i],
			Collation: max(collation[i], labelCollation[i]), Labels: append(enum[i], set[i]...),
		})
	}
	for _, k := range e.PrimaryKey {
		m.Key = append(m.Key, int(k))
	}
	return m
}

func connect(t *testing.T, db *servers.DB) *client.Conn {
	t.Helper()
	conn, err := client.ConnectWithContext(context.Background(), db.Addr, db.User, db.Password, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := conn.Execute("set character_set_results = null, time_zone = '+00:00', sql_mode = ''"); err != nil {
		t.Fatal(err)
	}
	return conn
}
