package ddl

import (
	"os"
	"strings"
	"testing"

	"chartwire/cdc"
	"chartwire/schemas"
)

func TestParse(t *testing.T) {
	tables, err := Parse("s", "d", "-- a comment\nCREATE TABLE `a` (\n  `id` bigint(20) unsigned NOT NULL AUTO_INCREMENT,\n"+
		"  `p` decimal(26,8) DEFAULT -1,\n  `e` enum('x','it''s') CHARACTER SET latin1 COLLATE latin1_bin DEFAULT 'x',\n"+
		"  `t` datetime(6) DEFAULT current_timestamp(6) ON UPDATE current_timestamp(6),\n  `b` bit(3),\n  `v` varchar(10) COMMENT 'x, y',\n"+
		"  PRIMARY KEY (`id`),\n  KEY `k` (`v`(5),`e`)\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_general_ci;\nCREATE TABLE b (x int);")
	if err != nil {
		t.Fatal(err)
	}
	a := tables[0]
	for i, want := range []cdc.Type{
		{Kind: cdc.KindInt, Bits: 64, Unsigned: true}, {Kind: cdc.KindDecimal, Precision: 26, Scale: 8},
		{Kind: cdc.KindEnum, Charset: "latin1", Labels: []string{"x", "it's"}}, {Kind: cdc.KindDateTime, Scale: 6},
		{Kind: cdc.KindBit, Bits: 3}, {Kind: cdc.KindText, Charset: "utf8mb3"},
	} {
		got := a.Columns[i].Type
		if got.Kind != want.Kind || got.Bits != want.Bits || got.Unsigned != want.Unsigned || got.Scale != want.Scale || got.Precision != want.Precision ||
			got.Charset != want.Charset || strings.Join(got.Labels, "|") != strings.Join(want.Labels, "|") {
			t.Errorf("column %s: got %+v, want %+v", a.Columns[i].Name, got, want)
		}
	}
	if len(tables) != 2 || len(a.Key) != 1 || a.Key[0] != 0 || tables[1].Name != "b" {
		t.Errorf("got %d tables, key %v", len(tables), a.Key)
	}
}

func TestParseRefuses(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		if _, err := Parse("s", "d", text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
	f("CREATE TABLE a (x serial)", `unknown type "serial"`)
	f("CREATE TABLE a (x int\n, x int)", "line 2: column x is there twice")
	f("CREATE TABLE a (x int GENERATED)", `unknown "GENERATED"`)
	f("CREATE TABLE a (x int, PRIMARY KEY (y))", "which is no column")
	f("DROP TABLE a", "expected CREATE TABLE")
	f("CREATE TABLE a (x int", `unknown ""`)
	f("CREATE TABLE `a", "without its end")
	f("CREATE TABLE a (x int) PARTITION", "unknown table option")
}

// TestParseSpatial: the types that are bytes to their readers.
func TestParseSpatial(t *testing.T) {
	tables, err := Parse("s", "d", "CREATE TABLE a (id int, g point, m MULTIPOLYGON, v vector(3), PRIMARY KEY (id))")
	if err != nil {
		t.Fatal(err)
	}
	for i, kind := range []cdc.Kind{cdc.KindInt, cdc.KindGeometry, cdc.KindGeometry, cdc.KindVector} {
		if c := tables[0].Columns[i]; c.Type.Kind != kind {
			t.Errorf("column %s is %s, not %s", c.Name, c.Type.Kind, kind)
		}
	}
}

// TestReference holds every reference file to have an Avro schema and a key.
func TestReference(t *testing.T) {
	for _, pack := range []string{"om-aggregation", "labs"} {
		text, err := os.ReadFile("../" + pack + "/reference.sql")
		if err != nil {
			t.Fatal(err)
		}
		tables, err := Parse("s", "d", string(text))
		if err != nil {
			t.Fatal(err)
		}
		for _, table := range tables {
			if _, err := schemas.NewRowSchema(table); err != nil || len(table.Key) == 0 {
				t.Errorf("%s: %v, key %v", pack, err, table.Key)
			}
		}
	}
}

// FuzzParse: whatever the text, tables come out whole or a mistake is said.
func FuzzParse(f *testing.F) {
	for _, pack := range []string{"om-aggregation", "labs"} {
		text, err := os.ReadFile("../" + pack + "/reference.sql")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add("CREATE TABLE `a``b` (x decimal(65,30) unsigned DEFAULT -0.5 COMMENT 'it''s', y set('a','b'), PRIMARY KEY (x,y(3)))")
	f.Fuzz(func(t *testing.T, text string) {
		tables, err := Parse("s", "d", text)
		if err != nil {
			if !strings.Contains(err.Error(), "line ") {
				t.Errorf("a mistake without its line: %v", err)
			}
			return
		}
		for _, table := range tables {
			for _, k := range table.Key {
				if k < 0 || k >= len(table.Columns) {
					t.Errorf("key column %d of %d", k, len(table.Columns))
				}
			}
			schemas.NewRowSchema(table) // must not panic on any type that was read
		}
	})
}
