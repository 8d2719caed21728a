package soak

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// column is a column that a table may have, and what its values are.
type column struct {
	name, decl string
	value      func(d *rand.Rand) string // as SQL
}

// table is one table of a run. Columns whose name starts with x come and go.
type table struct {
	name, engine string
	key          []column
	columns      []column
	keys         [][]string // as SQL: those that the writers use
	changing     []int      // those of xs that there are at first
	// wide says of which pairs of changing a column had the second type: none
	// may have the first one under its name again, which readers could not take.
	wide [3]bool
}

// keyspace is how many keys a table has: few, so that writers meet.
const keyspace = 48

var texts = []string{"", "a", "B", "it''s", `back\\slash`, "Zoë", "Größe/2", "日本", "😀", "50%", "x y", "tab\\t", "line\\n", "quote\"", "null"}

func text(d *rand.Rand) string { return "'" + texts[d.IntN(len(texts))] + "'" }

func plain(d *rand.Rand) string {
	return fmt.Sprintf("'%s'", []string{"", "a", "Zoë", "Größe", "é/ü", "50%"}[d.IntN(6)])
}

func orNull(f func(d *rand.Rand) string) func(d *rand.Rand) string {
	return func(d *rand.Rand) string {
		if d.IntN(5) == 0 {
			return "null"
		}
		return f(d)
	}
}

func from(values ...string) func(d *rand.Rand) string {
	return func(d *rand.Rand) string { return values[d.IntN(len(values))] }
}

var keyColumns = [][]column{
	{{"id", "int", func(d *rand.Rand) string { return fmt.Sprint(d.IntN(400) - 100) }}},
	{{"id", "bigint unsigned", func(d *rand.Rand) string { return fmt.Sprintf("%d", ^uint64(0)-uint64(d.IntN(1000))) }}},
	{{"code", "varchar(20)", func(d *rand.Rand) string {
		return "'" + texts[d.IntN(len(texts))] + strings.Repeat("z", d.IntN(3)) + fmt.Sprint(d.IntN(9)) + "'"
	}}},
	{{"code", "varchar(20) character set latin1", func(d *rand.Rand) string {
		return "'" + []string{"Müller", "a", "%", "/", "O''N"}[d.IntN(5)] + fmt.Sprint(d.IntN(60)) + "'"
	}}},
	{{"code", "varchar(20) collate utf8mb4_unicode_ci", func(d *rand.Rand) string {
		return "'" + []string{"Müller", "a", "%", "/", "O''N"}[d.IntN(5)] + fmt.Sprint(d.IntN(60)) + "'"
	}}},
	{{"clinic", "smallint", func(d *rand.Rand) string { return fmt.Sprint(d.IntN(4) - 1) }}, {"code", "varchar(12) collate utf8mb4_bin", func(d *rand.Rand) string {
		return "'" + texts[d.IntN(len(texts))] + fmt.Sprint(d.IntN(6)) + "'"
	}}},
	{{"day", "date", func(d *rand.Rand) string { return fmt.Sprintf("'20%02d-0%d-1%d'", d.IntN(30), 1+d.IntN(9), d.IntN(9)) }},
		{"id", "int", func(d *rand.Rand) string { return fmt.Sprint(d.IntN(3)) }}},
	{{"bin", "varbinary(12)", func(d *rand.Rand) string { return fmt.Sprintf("x'%02x00%02x'", d.IntN(256), d.IntN(8)) }}},
}

var valueColumns = []column{
	{"note", "varchar(200)", orNull(text)},
	{"doc", "text", orNull(func(d *rand.Rand) string { return fmt.Sprintf("repeat(%s,%d)", text(d), d.IntN(60)) })},
	{"lat", "varchar(30) character set latin1", orNull(plain)},
	{"amount", "decimal(20,4)", orNull(func(d *rand.Rand) string { return fmt.Sprintf("%d.%04d", d.IntN(2_000_000)-1_000_000, d.IntN(10000)) })},
	{"big", "bigint unsigned", orNull(func(d *rand.Rand) string { return fmt.Sprint(d.Uint64()) })},
	{"small", "smallint", orNull(func(d *rand.Rand) string { return fmt.Sprint(d.IntN(65536) - 32768) })},
	{"at", "datetime(3)", orNull(func(d *rand.Rand) string {
		return fmt.Sprintf("'%04d-%02d-%02d %02d:%02d:%02d.%03d'", 1800+d.IntN(400), 1+d.IntN(12), 1+d.IntN(28), d.IntN(24), d.IntN(60), d.IntN(60), d.IntN(1000))
	})},
	{"ts", "timestamp(6) null", orNull(func(d *rand.Rand) string {
		return fmt.Sprintf("from_unixtime(%d.%06d)", 1+d.IntN(2_000_000_000), d.IntN(1e6))
	})},
	{"took", "time(2)", orNull(from("'-838:59:58.99'", "'00:00:00'", "'-00:00:00.01'", "'123:45:06.70'"))},
	{"blob8", "varbinary(30)", orNull(func(d *rand.Rand) string { return fmt.Sprintf("x'%x00'", d.Uint64()|1<<63) })},
	{"pad", "binary(6)", orNull(from("x''", "x'4100'", "x'414243444546'", "x'000000000001'"))},
	{"kind", "enum('new','old','Zoë')", orNull(from("'new'", "'old'", "'Zoë'"))},
	{"flags", "set('a','b','ü')", orNull(from("''", "'a'", "'a,ü'", "'a,b,ü'"))},
	{"meta", "json", orNull(from(`'{"a": 1, "b": [true, null, "x"]}'`, `'[]'`, `'"Zoë"'`, `'{"n": -1}'`))},
	{"bits", "bit(12)", orNull(func(d *rand.Rand) string { return fmt.Sprint(d.IntN(4096)) })},
}

// changing are what a column that comes and goes may be, each type one that
// readers of the one before it can take.
var changing = []string{
	"int not null default 5", "bigint not null default 5", "varchar(30) not null default 'new'", "varchar(60) not null default 'new'",
	"decimal(8,2) null default 1.50", "decimal(14,2) null default 1.50",
}

// xs are the names of such columns: the first two take the types of the first
// two, and so on.
var xs = []string{"x0", "x1", "x2", "x3", "x4", "x5"}

func newTable(d *rand.Rand, name string, myisam bool) *table {
	t := &table{name: name, engine: "InnoDB", key: keyColumns[d.IntN(len(keyColumns))]}
	if myisam {
		t.engine = "MyISAM"
	}
	for _, i := range d.Perm(len(valueColumns))[:2+d.IntN(5)] {
		t.columns = append(t.columns, valueColumns[i])
	}
	for i := 0; i < len(xs); i += 2 {
		if d.IntN(2) == 0 {
			t.changing = append(t.changing, i)
		}
	}
	for range keyspace {
		t.keys = append(t.keys, t.anyKey(d))
	}
	return t
}

func (t *table) anyKey(d *rand.Rand) (key []string) {
	for _, c := range t.key {
		key = append(key, c.value(d))
	}
	return key
}

func (t *table) ddl() string {
	var parts, names []string
	for _, c := range t.key {
		parts, names = append(parts, c.name+" "+c.decl+" not null"), append(names, c.name)
	}
	parts = append(parts, "tag bigint not null")
	for _, c := range t.columns {
		parts = append(parts, c.name+" "+c.decl)
	}
	for _, i := range t.changing {
		parts = append(parts, xs[i]+" "+changing[i])
	}
	return fmt.Sprintf("create table %s (%s, primary key (%s)) engine=%s default charset utf8mb4", t.name,
		strings.Join(parts, ", "), strings.Join(names, ", "), t.engine)
}

// where names one row, or with a number of rows several.
func (t *table) where(d *rand.Rand) string {
	key := t.keys[d.IntN(len(t.keys))]
	if d.IntN(3) > 0 {
		var parts []string
		for i, c := range t.key {
			parts = append(parts, c.name+" = "+key[i])
		}
		return strings.Join(parts, " and ")
	}
	return fmt.Sprintf("%s >= %s order by %s limit %d", t.key[0].name, key[0], t.key[0].name, 1+d.IntN(6))
}

// row is a whole row as SQL.
func (t *table) row(d *rand.Rand, tag int64) string {
	values := append(append([]string{}, t.keys[d.IntN(len(t.keys))]...), fmt.Sprint(tag))
	for _, c := range t.columns {
		values = append(values, c.value(d))
	}
	return "(" + strings.Join(values, ",") + ")"
}

func (t *table) names() string {
	var names []string
	for _, c := range t.key {
		names = append(names, c.name)
	}
	names = append(names, "tag")
	for _, c := range t.columns {
		names = append(names, c.name)
	}
	return strings.Join(names, ",")
}
