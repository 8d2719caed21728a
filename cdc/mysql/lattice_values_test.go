package mysql

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// latticeColumn is a column of the lattice: its declaration, and its values as
// SQL. Every column has null besides.
type latticeColumn struct {
	decl   string
	values []string
}

func column(decl string, values ...string) latticeColumn { return latticeColumn{decl, values} }

// quoted are values as SQL strings.
func quoted(values ...string) (out []string) {
	for _, v := range values {
		out = append(out, text(v))
	}
	return out
}

// plainTypes are the types without a charset that both servers have, or one.
func plainTypes(flavor string) []latticeColumn {
	return slices.Concat(numberTypes(), timeTypes(), byteTypes(), documentTypes(flavor), geometryTypes(), generatedColumns(flavor), flavorTypes(flavor))
}

func numberTypes() (c []latticeColumn) {
	integers := []string{"-9223372036854775808", "-2147483649", "-2147483648", "-8388608", "-32768", "-129", "-128", "-1", "0", "1", "127", "128", "255", "256",
		"32767", "65535", "8388607", "16777215", "2147483647", "4294967295", "9223372036854775807", "9223372036854775808", "18446744073709551615"}
	for _, t := range []string{"tinyint", "smallint", "mediumint", "int", "bigint"} {
		for _, sign := range []string{"", " unsigned", "(5) unsigned zerofill"} {
			c = append(c, column(t+sign, integers...))
		}
	}
	c = append(c, column("tinyint(1)", "-128", "0", "1", "127"), column("boolean", "true", "false"), column("year", "0", "1901", "2155", "2000", "'70'", "'69'", "'0'"))
	for _, p := range []int{1, 2, 5, 8, 9, 10, 17, 18, 19, 20, 27, 28, 36, 37, 38, 39, 45, 54, 64, 65} {
		for _, s := range []int{0, 1, 2, 4, 8, 9, 10, 18, 27, 30} {
			if s <= p {
				c = append(c, column(fmt.Sprintf("decimal(%d,%d)", p, s), "-1e66", "1e66", "0", "-0.0", "0.5", "-0.5", "1e-30", "-1e-30", "-12345678901234567890.1234567890123456789",
					"9223372036854775807", "-9223372036854775808", "9223372036854775808", "99.99", "-1", "127", "128", "-128", "-129", "255", "256", "32767", "32768"))
			}
		}
	}
	c = append(c, column("decimal(65,30) unsigned", "1e66", "-1", "0.1"), column("decimal(65,0) unsigned zerofill", "1e66", "7"))
	reals := []string{"0", "-0e0", "0.1", "-0.1", "1e-40", "1e-45", "3.4028234e38", "-3.4028234e38", "16777216", "16777217", "123456.789", "1.5", "5e-324", "2.2250738585072014e-308",
		"1.7976931348623157e308", "-1.7976931348623157e308", "123456789.123456789", "1e15", "1e16", "1e21", "0.1e0 + 0.2e0", "1/3"}
	for _, t := range []string{"float", "float unsigned", "float(7,3)", "float(53)", "double", "double unsigned", "double(10,2)", "double(30,15)"} {
		c = append(c, column(t, reals...))
	}
	for n := 1; n <= 64; n++ {
		c = append(c, column(fmt.Sprintf("bit(%d)", n), "0", "1", "18446744073709551615", fmt.Sprint(0x5555555555555555&bits(n)), fmt.Sprint(uint64(1)<<(n-1))))
	}
	return c
}

func timeTypes() (c []latticeColumn) {
	dates := []string{"0000-00-00", "2024-00-00", "2024-05-00", "2024-00-05", "0000-01-01", "0001-01-01", "0999-12-31", "1000-01-01", "1582-10-10", "1969-12-31", "1970-01-01",
		"1900-02-28", "2000-02-29", "2024-02-29", "2024-02-31", "2023-02-29", "2024-12-31", "9999-12-31"}
	c = append(c, column("date", quoted(dates...)...))
	clocks := []string{"00:00:00", "23:59:59", "12:34:56.7", "12:34:56.000001", "12:34:56.123456", "23:59:59.999999", "00:00:00.9"}
	var stamps []string
	for i, d := range dates {
		stamps = append(stamps, d+" "+clocks[i%len(clocks)])
	}
	for _, clock := range clocks {
		stamps = append(stamps, "2024-02-29 "+clock)
	}
	instants := []string{"0000-00-00 00:00:00", "1970-01-01 01:00:01", "1970-01-01 01:00:00.5", "2038-01-19 04:14:07.999999", "2038-01-19 04:14:08", "2106-02-07 07:28:15.999999",
		"2024-02-29 00:30:00", "2024-02-29 23:59:59.999999", "2024-02-29 12:34:56.000001", "2024-03-31 02:30:00.1"}
	times := []string{"-838:59:59", "838:59:59", "838:59:59.999999", "-838:59:58.999999", "-838:59:58.9", "00:00:00", "-00:00:00.000001", "00:00:00.000001", "-00:00:01", "-00:00:00.9", "-00:00:01.1", "-00:00:59.99",
		"23:59:59.999999", "24:00:00", "100:00:00.05", "-100:00:00", "-01:00:00.5", "10:11:12.123456", "-10:11:12.123456", "900:00:00"}
	for fsp := 0; fsp <= 6; fsp++ {
		c = append(c, column(fmt.Sprintf("datetime(%d)", fsp), quoted(stamps...)...),
			column(fmt.Sprintf("timestamp(%d) null", fsp), quoted(instants...)...),
			column(fmt.Sprintf("time(%d)", fsp), quoted(times...)...))
	}
	return c
}

func byteTypes() (c []latticeColumn) {
	values := []string{"''", "x'00'", "x'41'", "x'4100'", "x'0041'", "x'20'", "x'4120'", "x'ff'", "x'00000000'", "x'01020304'", "x'ffffffff'", "repeat(x'00', 300)", "repeat(x'ab', 300)", "repeat(x'c3', 20)"}
	for _, t := range []string{"binary(1)", "binary(2)", "binary(3)", "binary(4)", "binary(15)", "binary(16)", "binary(255)", "varbinary(1)", "varbinary(255)", "varbinary(256)", "varbinary(3000)",
		"tinyblob", "blob", "mediumblob", "longblob", "char byte", "blob(70000)"} {
		c = append(c, column(t, values...))
	}
	return append(c, column("mediumblob", "repeat(x'00ff', 40000)"), column("longblob", "repeat(x'ff', 200000)"))
}

// wideLabels are types of many labels: their numbers take more bytes.
func wideLabels() (c []latticeColumn) {
	for _, n := range []int{1, 2, 255, 256, 300, 2000} {
		c = append(c, column("enum("+labelList(n)+")", "0", "1", fmt.Sprint(n), "'l1'", "'none'"))
	}
	for _, n := range []int{1, 7, 8, 9, 16, 17, 24, 25, 32, 33, 48, 63, 64} {
		c = append(c, column("set("+labelList(n)+")", "0", "1", fmt.Sprint(bits(n)), fmt.Sprint(uint64(1)<<(n-1)), fmt.Sprint(0x5555555555555555&bits(n)), "''"))
	}
	return append(c, column("enum('it''s','(x,y)','\\\\','\"','')", "1", "2", "3", "4", "5", "''"), column("set('it''s','(x y)','a`b')", "7", "5"))
}

// bits has the lowest n set.
func bits(n int) uint64 { return ^uint64(0) >> (64 - n) }

func labelList(n int) string {
	labels := make([]string, n)
	for i := range labels {
		labels[i] = fmt.Sprintf("'l%d'", i+1)
	}
	return strings.Join(labels, ",")
}

func documentTypes(flavor string) []latticeColumn {
	docs := quoted(`{"b": 1, "a": 2, "aa": 3, "": 4, "ä": [true, false, null]}`, `[]`, `{}`, `"x"`, `null`, `1.50`, `[1.0, 1e2, 1e20, 0.1, -0.0, 1e-7, 123456789.123456789]`,
		`[9223372036854775807, 18446744073709551615, -9223372036854775808, 18446744073709551616, 32767, 32768, -32769, 65536]`,
		`"quote \" back \\ tab \t nl \n nul \u0000 é 😀 \ud83d\ude00"`, `  [ 1 ,  2 ]  `, `{"k": {"k": {"k": [[[[1]]]]}}}`, `{"a": 1, "a": 2}`)
	docs = append(docs, "concat('[\"', repeat('x', 70000), '\"]')", "json_object('n', repeat('é', 40000), 'm', 1)", "json_array(1, 'a', true, null)")
	if flavor == "mysql" {
		docs = append(docs, `json_array(cast('2024-02-29' as date), cast('2024-02-29 23:59:59.5' as datetime(6)), cast('-838:59:59' as time), cast(1.50 as decimal(10,2)), b'101', x'00ff', cast('abc' as binary))`,
			`json_array(cast(-12345678901234567890.123 as decimal(30,3)), cast(2024 as year), point(1, 2))`)
	}
	return []latticeColumn{column("json", docs...)}
}

func geometryTypes() (c []latticeColumn) {
	g := map[string][]string{
		"point":      {"POINT(1 2)", "POINT(-1.5e300 0.1)", "POINT(0 0)"},
		"linestring": {"LINESTRING(0 0,1 1,2 0)"}, "polygon": {"POLYGON((0 0,10 0,10 10,0 10,0 0),(2 2,4 2,4 4,2 4,2 2))"},
		"multipoint": {"MULTIPOINT(0 0,1 1)"}, "multilinestring": {"MULTILINESTRING((0 0,1 1),(2 2,3 3))"},
		"multipolygon": {"MULTIPOLYGON(((0 0,1 0,1 1,0 0)))"}, "geometrycollection": {"GEOMETRYCOLLECTION(POINT(1 2),LINESTRING(0 0,1 1))", "GEOMETRYCOLLECTION EMPTY"},
	}
	var all []string
	for _, t := range slices.Sorted(maps.Keys(g)) {
		var values []string
		for _, wkt := range g[t] {
			values = append(values, "st_geomfromtext("+text(wkt)+")", "st_geomfromtext("+text(wkt)+", 3857)")
		}
		c = append(c, column(t, values...))
		all = append(all, values...)
	}
	return append(c, column("geometry", all...))
}

// generatedColumns are also the invisible ones. MariaDB 11 leaves the generated
// ones out of updates: see TestGeneratedLeftOut.
func generatedColumns(flavor string) []latticeColumn {
	c := []latticeColumn{column("int invisible", "5", "default"), column("int not null default 7 invisible", "6", "default"), column("varchar(9) invisible default 'ä'", "'x'", "default")}
	if flavor == "mariadb-new" {
		return c
	}
	return append(c,
		column("int as (id * 2) virtual", "default"), column("bigint unsigned as (id * 3) stored", "default"),
		column("varchar(20) character set latin1 as (concat('ü', id)) virtual", "default"), column("varchar(20) character set utf8mb4 as (concat('日', id)) stored", "default"),
		column("datetime(3) as ('2024-02-29 01:02:03.125' + interval id day) virtual", "default"), column("decimal(10,3) as (id / 7) stored", "default"),
		column("binary(8) as (hex(id)) virtual", "default"), column("varchar(9) as (upper(hex(id + 160))) virtual invisible", "default"),
		column("int as (touched + 1) virtual", "default"), column("int as (touched + 1) stored", "default"))
}

// flavorTypes are those of one server, by the flavour's name or "mariadb-new".
func flavorTypes(flavor string) []latticeColumn {
	if flavor == "mysql" {
		return []latticeColumn{column("vector(3)", "string_to_vector('[1,2,3]')", "string_to_vector('[0,-0.5,3.4e38]')")}
	}
	addresses := quoted("2001:db8::ff00:0:0", "::", "::1", "::ffff:102:300", "::102:304", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "1:0:0:2::", "::2:0:0:0", "64:ff9b::102:304", "fe80::1")
	long := "repeat('Größe ', 60)"
	c := []latticeColumn{
		column("decimal(65,38)", "-1e66", "1e66", "0.1", "-1e-38", "1e-39"), column("decimal(38,38)", "1", "-0.12345678901234567890123456789012345678"),
		column("year(2)", "0", "24", "69", "70", "1901", "1950", "2000", "2155", "'00'"),
		column("uuid", quoted("00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff", "123e4567-e89b-12d3-a456-426614174000", "00112233-4455-6677-8899-aabbccddeeff",
			"f47ac10b-58cc-4372-a567-0e02b2c3d400", "017f22e2-79b0-7cc3-98c4-dc0c0c07398f", "1ec9414c-232a-6b00-b3c8-9f6bdeced846", "2ed6657d-e927-568b-95e1-2665a8aea6a2", "320c3d4d-cc00-875b-8ec9-32d5f69181c0")...),
		column("inet6", addresses...), column("inet4", "inet_ntoa(0)", "inet_ntoa(2130706432)", "inet_ntoa(4294967295)", "inet_ntoa(167772161)"),
		column("varchar(200) compressed character set utf8mb4", "''", "'a'", "'größer 日'", "repeat('hello', 30)"), column("varchar(3000) compressed character set latin1", "''", "'é'", long),
		column("tinytext compressed character set utf8mb4", "''", "'b'", "repeat('ab', 120)"), column("text compressed character set utf8mb4", "''", long, "repeat('日', 10000)"),
		column("mediumtext compressed character set utf16", "'A😀'", "repeat('A😀日', 30000)"), column("longtext compressed character set utf8mb4", long),
		column("varbinary(300) compressed", "''", "x'00'", "repeat(x'00ff', 150)"), column("blob compressed", "x'00ff'", "repeat(x'00', 60000)"), column("longblob compressed", "repeat(x'ab00', 100000)"),
	}
	if flavor == "mariadb-new" {
		c = append(c, column("vector(3)", "vec_fromtext('[1,2,3]')", "vec_fromtext('[0,-0.5,3.4e38]')"))
	}
	return c
}
