package integration_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chartwire/integration/servers"
)

// typeLine is a line of schemas/TYPES.md.
type typeLine struct{ decl, server, kind, avro string }

// implementedTypes are the lines that a server of the flavour has and that no
// halt refuses.
func implementedTypes(t *testing.T, f servers.Flavor) (types []typeLine) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(moduleRoot(t), "schemas/TYPES.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(b), "| type | server | kind |")
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) != 9 || strings.HasPrefix(cells[1], "---") || strings.HasPrefix(line, " Avro") {
			continue
		}
		for i := range cells {
			cells[i] = strings.Trim(strings.TrimSpace(cells[i]), "`")
		}
		l := typeLine{cells[1], cells[2], cells[3], cells[4]}
		here := l.server == "both" || strings.EqualFold(l.server, f.Name) || l.server == "MariaDB 11.8" && f == servers.MariaDBNew
		if here && l.kind != "halt" {
			types = append(types, l)
		}
	}
	if len(types) < 45 {
		t.Fatalf("only %d types found in TYPES.md", len(types))
	}
	return types
}

var (
	someTexts = []string{`''`, `'a  b'`, `'"\\/<&>'`, `'Größe €'`, `'\0x'`}
	someBytes = []string{`x'00ff'`, `x''`, `x'4100'`, `'text'`}
	someDays  = []string{`'2024-02-29'`, `'0001-01-01'`, `'9999-12-31'`, `'0000-00-00'`, `'2024-00-10'`, `'1969-12-31'`}
)

// sampleValues are SQL literals of the type, those at its edges among them.
func sampleValues(t *testing.T, l typeLine) []string {
	t.Helper()
	if list, ok := samples[l.decl]; ok {
		return list
	}
	switch {
	case l.decl == "vector(3)" && l.kind == "vector":
		return []string{"string_to_vector('[1,2.5,-3]')"}
	case l.decl == "vector(3)": // MariaDB
		return []string{"vec_fromtext('[1,2.5,-3]')"}
	case l.kind == "text" && strings.Contains(l.decl, "character set utf8mb3"):
		return append(someTexts, `'日本'`)
	case l.kind == "text" && strings.Contains(l.decl, "latin1"):
		return someTexts
	case l.kind == "text":
		return append(someTexts, `'😀日本'`)
	case l.kind == "bytes":
		return someBytes
	}
	t.Fatalf("the type %s of TYPES.md has no samples here: say some", l.decl)
	return nil
}

var samples = map[string][]string{
	"tinyint":                         {"-128", "0", "127"},
	"tinyint unsigned":                {"0", "255"},
	"tinyint(1)":                      {"1", "-128", "0"},
	"smallint":                        {"-32768", "32767"},
	"smallint unsigned":               {"65535", "0"},
	"mediumint":                       {"-8388608", "8388607", "-1"},
	"mediumint unsigned":              {"16777215", "0"},
	"int":                             {"-2147483648", "2147483647"},
	"int unsigned":                    {"4294967295", "0"},
	"int(10) unsigned zerofill":       {"42", "4294967295"},
	"bigint":                          {"-9223372036854775808", "9223372036854775807"},
	"bigint unsigned":                 {"18446744073709551615", "0", "9223372036854775808"},
	"decimal(10,2)":                   {"-12345678.90", "0.05", "99999999.99", "-0.01"},
	"decimal(65,30)":                  {"-12345678901234567890123456789012345.123456789012345678901234567891", "0.000000000000000000000000000001", "1"},
	"float":                           {"0.1", "-3.4028234e38", "1.4e-45", "16777217"},
	"float(7,3)":                      {"1234.567", "-0.001"},
	"double":                          {"1e-300", "-1.234567890123456e307", "0.1", "123456789.123456789"},
	"double(10,2)":                    {"1234.56", "-0.01"},
	"bit(1)":                          {"b'1'", "b'0'"},
	"bit(17)":                         {"b'10000000000000001'", "0"},
	"bit(64)":                         {"0xffffffffffffffff", "1", "0x8000000000000000"},
	"enum('a','ä')":                   {"'ä'", "'a'", "''"},
	"set('a','ä')":                    {"'a,ä'", "'ä'", "''"},
	"date":                            someDays,
	"datetime":                        append([]string{"'2024-02-29 23:59:59'", "'1969-12-31 23:59:59'"}, someDays...),
	"datetime(6)":                     {"'2024-02-29 23:59:59.999999'", "'1000-01-01 00:00:00.000001'", "'9999-12-31 23:59:59.999999'"},
	"timestamp null":                  {"'2038-01-19 03:14:07'", "'1970-01-01 00:00:01'", "'0000-00-00'"},
	"timestamp(3) null":               {"'2024-02-29 23:59:59.999'", "'1970-01-01 00:00:01.001'"},
	"time":                            {"'-838:59:59'", "'838:59:59'", "'00:00:00'", "'-00:00:01'"},
	"time(2)":                         {"'-00:00:00.01'", "'23:59:59.99'"},
	"time(6)":                         {"'-00:00:00.000001'", "'838:59:58.999999'", "'12:34:56.789012'"},
	"year":                            {"2024", "1901", "2155", "0"},
	"json":                            {`'{"b": [1, 2.50, "x"], "a": null}'`, `'"Größe 😀"'`, `'[]'`},
	"inet4":                           {"'127.0.0.1'", "inet_ntoa(0)"},
	"inet6":                           {"'2001:db8::1'", "'::'"},
	"varchar(10) character set utf16": {`'A😀'`, `''`},
	"binary(4)":                       {"x'4100'", "x'00ff'", "'abcd'"},
	"varchar(10) character set big5":  {`'中文'`, `'a  b'`, `''`},
	"uuid":                            {"'123e4567-e89b-12d3-a456-426614174000'", "'00000000-0000-0000-0000-000000000000'"},
	"geometry":                        {"st_geomfromtext('LINESTRING(0 0,1 2.5)')", "st_geomfromtext('POINT(-1 2)', 4326)"},
	"point":                           {"point(1, -2.5)", "st_geomfromtext('POINT(0 0)')"},
}

// witness is the SQL expression that says a column's value as read.py does,
// by what the server itself makes of it.
func witness(l typeLine, column string) string {
	c := "`" + column + "`"
	as := func(name, text string) string { return fmt.Sprintf("concat('%s:', %s)", name, text) }
	none := fmt.Sprintf("month(%[1]s) = 0 or day(%[1]s) = 0 or year(%[1]s) < 1000", c)
	real := fmt.Sprintf("if(%[2]s, null, date_format(%[1]s, '%%Y-%%m-%%d %%H:%%i:%%s.%%f'))", c, none)
	switch {
	case l.kind == "time":
		return as("int", fmt.Sprintf("if(%[1]s < '00:00:00', -1, 1) * ((hour(%[1]s) * 3600 + minute(%[1]s) * 60 + second(%[1]s)) * 1000000 + microsecond(%[1]s))", c))
	case l.kind == "date":
		return as("date", fmt.Sprintf("if(%s, null, %s)", none, c))
	case l.kind == "datetime":
		return as("datetime", real)
	case l.kind == "timestamp":
		return as("instant", real)
	case strings.HasPrefix(l.avro, "decimal"):
		return as("decimal", c+" + 0")
	case l.avro == "int" || l.avro == "long":
		return as("int", c+" + 0")
	case l.avro == "float" || l.avro == "double":
		return as("float", c+" + 0e0")
	case l.avro == "bytes":
		return as("bytes", "lower(hex("+c+"))")
	}
	return as("str", "convert("+c+" using utf8mb4)")
}
