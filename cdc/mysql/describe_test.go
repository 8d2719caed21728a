package mysql

import (
	"slices"
	"testing"

	"chartwire/cdc"
	"chartwire/integration/servers"
)

func TestLabels(t *testing.T) {
	f := func(columnType string, want ...string) {
		t.Helper()
		if got := labels(columnType); !slices.Equal(got, want) {
			t.Errorf("labels of %s: got %q, want %q", columnType, got, want)
		}
	}
	f("enum('a','b')", "a", "b")
	f("set('it''s','a,b','')", "it's", "a,b", "")
	f("enum('(')", "(")
	f(`enum('a\\b','n\nl\r','\0','''''',',''x')`, `a\b`, "n\nl\r", "\x00", "''", ",'x")
}

func TestTables(t *testing.T) {
	for _, f := range []servers.Flavor{servers.MariaDB1011, servers.MySQLNew} {
		t.Run(f.Name, func(t *testing.T) {
			db := servers.Database(t, f)
			if err := db.Exec(`create database d; use d; create table t (id bigint unsigned, part int, name varchar(9) character set latin1,
price decimal(12,4), at datetime(3), e enum('x','it''s'), bits bit(9), fix binary(16), primary key (part, id)); create view v as select 1`); err != nil {
				t.Fatal(err)
			}
			tables, err := Tables(t.Context(), Config{Name: "s", Addr: db.Addr, User: db.User, Password: db.Password}, "d")
			if err != nil {
				t.Fatal(err)
			}
			if len(tables) != 1 {
				t.Fatalf("%d tables, want 1: a view is none", len(tables))
			}
			want := []cdc.Column{
				{Name: "id", Type: cdc.Type{Kind: cdc.KindInt, Bits: 64, Unsigned: true}},
				{Name: "part", Type: cdc.Type{Kind: cdc.KindInt, Bits: 32}},
				{Name: "name", Type: cdc.Type{Kind: cdc.KindText, Charset: "latin1"}},
				{Name: "price", Type: cdc.Type{Kind: cdc.KindDecimal, Precision: 12, Scale: 4}},
				{Name: "at", Type: cdc.Type{Kind: cdc.KindDateTime, Scale: 3}},
				{Name: "e", Type: cdc.Type{Kind: cdc.KindEnum, Charset: tables[0].Columns[5].Type.Charset, Labels: []string{"x", "it's"}}},
				{Name: "bits", Type: cdc.Type{Kind: cdc.KindBit, Bits: 9}},
				{Name: "fix", Type: cdc.Type{Kind: cdc.KindBytes, Length: 16}},
			}
			for i, c := range tables[0].Columns {
				if i >= len(want) || c.Name != want[i].Name || !slices.Equal(c.Type.Labels, want[i].Type.Labels) {
					t.Fatalf("column %d: got %+v", i, c)
				}
				c.Type.Labels, want[i].Type.Labels = nil, nil
				if got, w := c.Type, want[i].Type; got.Kind != w.Kind || got.Bits != w.Bits || got.Unsigned != w.Unsigned ||
					got.Precision != w.Precision || got.Scale != w.Scale || got.Length != w.Length || got.Charset != w.Charset {
					t.Errorf("column %s: got %+v, want %+v", c.Name, got, w)
				}
			}
			if !slices.Equal(tables[0].Key, []int{1, 0}) {
				t.Errorf("key %v, want part, id", tables[0].Key)
			}
		})
	}
}
