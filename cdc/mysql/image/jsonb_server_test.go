package image_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"chartwire/cdc/mysql/image"
	"chartwire/integration/faults"
	"chartwire/integration/servers"
	"chartwire/schemas"
)

// TestJSONAgainstMySQL holds the text made from the binary form equal to what
// the server prints.
func TestJSONAgainstMySQL(t *testing.T) {
	faults.Shows(t, "json-text", "is the text that the server prints")
	db := image.Server(t, servers.MySQLNew)
	docs := []string{
		`'null'`, `'true'`, `'false'`, `'0'`, `'-1'`, `'32767'`, `'-32769'`, `'65535'`, `'65536'`, `'4294967295'`, `'-2147483649'`,
		`'9223372036854775807'`, `'18446744073709551615'`, `'-9223372036854775808'`, `'18446744073709551616'`,
		`'""'`, `'"x"'`, `'{}'`, `'[]'`, `'[[], {}, null]'`,
		`'{"b": 1, "a": 2, "aa": 3, "": 4, "ä": [true, false, null], "A": -5}'`,
		`'"quote \\" back \\\\ slash \\/ tab \\t nl \\n cr \\r bs \\b ff \\f nul \\u0000 one \\u0001 del \\u007f é 😀"'`,
		`json_array(cast('2024-02-29' as date), cast('2024-02-29 23:59:59.5' as datetime(6)), cast('-838:59:59' as time), cast('10:11:12.000001' as time(6)))`,
		`json_array(cast('0001-01-01' as date), timestamp'2024-01-02 03:04:05', cast(2024 as year))`,
		`json_array(cast(1.50 as decimal(10,2)), cast(-0.05 as decimal(2,2)), cast(-12345678901234567890.123 as decimal(30,3)), cast(0 as decimal(5,0)), cast(0 as decimal(5,5)))`,
		`json_array(b'101', x'00ff', cast('abc' as binary), repeat(x'ff', 57), repeat(x'ff', 58), repeat(x'ff', 200))`,
		`json_object('bin', cast(x'00ff' as binary(4)), 'point', point(1, 2))`,
		`json_array(repeat('x', 127), repeat('x', 128), repeat('é', 20000))`,
		`json_object('big', repeat('x', 70000), 'n', 70000, 'neg', -70000, 'u', 4294967295, 'small', 1, 'l', true)`,
		`json_array(repeat('x', 70000), 32768, -32769, 65536, 1.5, json_object('k', 1))`,
		`'[1.0, 1e2, 1.5e-5, 1e20, 1e15, 1e14, 123456789012345.6, 1234567890123456.7, 1e-15, 1e-14, 1.7976931348623157e308, 5e-324, -0.0, 0.1, 100000000000000000000]'`,
	}
	deep := strings.Repeat("[", 99) + "1" + strings.Repeat("]", 99)
	docs = append(docs, "'"+deep+"'")
	rng := rand.New(rand.NewPCG(1, 2))
	for range 40 { // 4,000 doubles of every magnitude, and of the lengths that people write
		var b strings.Builder
		for i := range 100 {
			if i > 0 {
				b.WriteString(", ")
			}
			f := math.Float64frombits(rng.Uint64())
			switch {
			case i%2 == 1 || math.IsNaN(f) || math.IsInf(f, 0):
				f = math.Trunc(rng.Float64()*1e6) * math.Pow(10, float64(rng.IntN(40)-20))
			}
			b.WriteString(strconv.FormatFloat(f, 'e', -1, 64))
		}
		docs = append(docs, "'["+b.String()+"]'")
	}
	for digits := 1; digits <= 17; digits++ { // every length at every magnitude near where the form changes
		var b strings.Builder
		for exp := -20; exp < 26; exp++ {
			fmt.Fprintf(&b, ", %s%se%d", "1.", "2345678901234567"[:digits-1]+"0", exp)
		}
		docs = append(docs, "'["+b.String()[2:]+"]'")
	}
	var sql strings.Builder
	sql.WriteString("create database docs charset utf8mb4; use docs; set names utf8mb4; create table j (id int primary key, v json);\n")
	for i, d := range docs {
		fmt.Fprintf(&sql, "insert into j values (%d, %s);\n", i, d)
	}
	if err := db.Exec(sql.String()); err != nil {
		t.Fatal(err)
	}
	conn := connect(t, db)
	seen := 0
	for _, r := range readBinlog(t, db, conn, "docs") {
		enc, err := image.Compile(&r.meta, nil)
		if err != nil {
			t.Fatal(err)
		}
		row, _, err := enc.Append(nil, r.image, r.present)
		if err != nil {
			t.Fatal(err)
		}
		schema, _ := schemas.NewRowSchema(enc.Table())
		var f schemas.Fields
		if err := f.Read(schema, row); err != nil {
			t.Fatal(err)
		}
		res, err := conn.Execute(fmt.Sprintf("select v from docs.j where id = %d", f.Value(0).Int()))
		if err != nil {
			t.Fatal(err)
		}
		want, _ := res.GetString(0, 0)
		if got := f.Value(1).Text(); got != want {
			i := 0
			for i < len(got) && i < len(want) && got[i] == want[i] {
				i++
			}
			from := max(0, i-30)
			t.Errorf("%.60s: differ at %d:\nimage  %.80s\nserver %.80s", docs[f.Value(0).Int()], i, got[from:], want[from:])
		}
		seen++
	}
	if seen != len(docs) {
		t.Errorf("%d of %d documents seen", seen, len(docs))
	}
}
