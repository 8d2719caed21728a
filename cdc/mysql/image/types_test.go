package image_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"chartwire/cdc"
	"chartwire/cdc/mysql/image"
	"chartwire/integration/servers"
	"chartwire/schemas"
)

// documented is a row of TYPES.md.
type documented struct{ decl, server, kind, avro, maps string }

func readTypes(t *testing.T) (types []documented) {
	t.Helper()
	b, err := os.ReadFile("../../../schemas/TYPES.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(b), "| type | server | kind |")
	if !ok {
		t.Fatal("TYPES.md has no table of types")
	}
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) != 9 || strings.Contains(cells[1], "---") || strings.HasPrefix(line, " Avro") {
			continue
		}
		for i := range cells {
			cells[i] = strings.Trim(strings.TrimSpace(cells[i]), "`")
		}
		types = append(types, documented{cells[1], cells[2], cells[3], cells[4], cells[5]})
	}
	if len(types) < 50 {
		t.Fatalf("only %d types found in TYPES.md", len(types))
	}
	return types
}

// TestTypesTable holds TYPES.md equal to the code on the servers it names.
func TestTypesTable(t *testing.T) {
	types := readTypes(t)
	for _, f := range image.Flavors() {
		t.Run(image.Name(f), func(t *testing.T) {
			db := image.Server(t, f)
			var sql strings.Builder
			sql.WriteString("create database types charset utf8mb4; use types; set sql_mode='';\n")
			wanted := map[string]documented{}
			for i, d := range types {
				if d.server != "both" && !strings.EqualFold(d.server, f.Name) && (d.server != "MariaDB 11.8" || f != servers.MariaDBNew) {
					continue
				}
				name := fmt.Sprintf("t%d", i)
				wanted[name] = d
				fmt.Fprintf(&sql, "create table %s (id int primary key, v %s); insert into %s (id) values (1);\n", name, d.decl, name)
			}
			if err := db.Exec(sql.String()); err != nil {
				t.Fatal(err)
			}
			for _, r := range readBinlog(t, db, connect(t, db), "types") {
				d, ok := wanted[r.meta.Name]
				if !ok {
					continue
				}
				delete(wanted, r.meta.Name)
				if f.Name == "mariadb" && (d.kind == "json" || strings.HasPrefix(d.kind, "inet") || d.decl == "uuid") {
					r.meta.Columns[1].Declared = d.decl
				}
				if m := &r.meta.Columns[1]; m.Type == 140 || m.Type == 141 { // the second reader does not know these
					if m.Collation = 45; d.kind == "bytes" {
						m.Collation = 63
					}
					if m.Type == 140 {
						m.Meta = 2
					}
				}
				compareDocumented(t, d, &r.meta)
			}
			for _, d := range wanted {
				t.Errorf("%s was not seen in the binlog", d.decl)
			}
		})
	}
}

func compareDocumented(t *testing.T, d documented, m *image.TableMeta) {
	t.Helper()
	enc, err := image.Compile(m, nil)
	if d.kind == "halt" {
		if cdc.HaltCode(err) != d.avro {
			t.Errorf("%s: %v instead of halt %s", d.decl, err, d.avro)
		}
		return
	}
	if err != nil {
		t.Errorf("%s: %v", d.decl, err)
		return
	}
	typ := enc.Table().Columns[1].Type
	if typ.Kind.String() != d.kind || avroForm(t, enc.Table()) != d.avro {
		t.Errorf("%s is %s, %s; TYPES.md says %s, %s", d.decl, typ.Kind, avroForm(t, enc.Table()), d.kind, d.avro)
	}
}

// avroForm is the Avro type of the second column as TYPES.md writes it.
func avroForm(t *testing.T, table *cdc.Table) string {
	t.Helper()
	text, err := schemas.RowAvro(table)
	if err != nil {
		t.Fatal(err)
	}
	var row struct {
		Fields []struct{ Type []json.RawMessage }
	}
	if err := json.Unmarshal([]byte(text), &row); err != nil {
		t.Fatal(err)
	}
	inner := row.Fields[1].Type[1]
	var name string
	if json.Unmarshal(inner, &name) == nil {
		return name
	}
	var l struct {
		Type, LogicalType string
		Precision, Scale  int
	}
	if err := json.Unmarshal(inner, &l); err != nil {
		t.Fatal(err)
	}
	if l.LogicalType == "decimal" {
		return fmt.Sprintf("decimal(%d,%d)", l.Precision, l.Scale)
	}
	return l.Type + " " + l.LogicalType
}

// TestTypesTableIsWhole holds every kind of cdc to a line of TYPES.md.
func TestTypesTableIsWhole(t *testing.T) {
	text, err := os.ReadFile("../../../schemas/TYPES.md")
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]bool{}
	for _, d := range readTypes(t) {
		kinds[d.kind] = true
	}
	for k := cdc.KindInt; k <= cdc.KindVector; k++ {
		if !kinds[k.String()] && !strings.Contains(string(text), "| `"+k.String()) {
			t.Errorf("kind %s has no line in TYPES.md", k)
		}
	}
}

// TestOldTimes reads what a server writes with the storage formats of before
// MySQL 5.6.
func TestOldTimes(t *testing.T) {
	db := servers.MariaDB(t, "--mysql56-temporal-format=OFF")
	if err := db.Exec(`create database types; use types; set sql_mode='', time_zone='+00:00';
		create table t (id int primary key, d datetime, ts timestamp null, ti time);
		insert into t values (1, '2024-02-29 23:59:58', '2038-01-19 03:14:07', '-838:59:59'),
		 (2, '0000-00-00 00:00:00', '0000-00-00 00:00:00', '00:00:01'), (3, '0001-01-01 00:00:00', null, '838:59:59')`); err != nil {
		t.Fatal(err)
	}
	conn := connect(t, db)
	r := readBinlog(t, db, conn, "types")[0]
	enc, err := image.Compile(&r.meta, nil)
	if err != nil {
		t.Fatal(err)
	}
	if enc.Table().Columns[1].Type.Kind != cdc.KindDateTime || r.meta.Columns[1].Type != 12 {
		t.Fatalf("not the old format: %+v", r.meta.Columns)
	}
	s, _ := schemas.NewRowSchema(enc.Table())
	res, err := conn.Execute("select " + strings.Join(enc.Select(), ", ") + " from types.t order by id")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"1 2024-02-29T23:59:58 2038-01-19T03:14:07Z -838:59:59", "2 ∅ ∅ 00:00:01", "3 ∅ ∅ 838:59:59"}
	rest := r.image
	for i := range want {
		var row []byte
		if row, rest, err = enc.Append(nil, rest, r.present); err != nil {
			t.Fatal(err)
		}
		var f schemas.Fields
		if err := f.Read(s, row); err != nil {
			t.Fatal(err)
		}
		var got []string
		for c := range f.Len() {
			text := null
			if v := f.Value(c); !v.Null() {
				text = string(v.AppendText(nil))
			}
			got = append(got, text)
		}
		if g := strings.Join(got, " "); g != want[i] {
			t.Errorf("%s, want %s", g, want[i])
		}
		if read, err := enc.AppendPacket(nil, res.RowDatas[i]); err != nil || string(read) != string(row) {
			t.Errorf("a query gives %x, the stream %x; %v", read, row, err)
		}
	}
}
