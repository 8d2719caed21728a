package mapping_test

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"sort"
	"strings"
	"testing"

	"chartwire/cdc"
	"chartwire/pipeline/mapping"
	"chartwire/schemas"
	"chartwire/schemas/maps/ddl"
	"chartwire/sinks"
)

// cells is a row by its columns; what is not in it is null.
type cells map[string]string

// database is tables of rows in the order of their keys' numbers.
type database map[string]map[int]cells

func (d database) clone() database {
	out := database{}
	for t, rows := range d {
		out[t] = maps.Clone(rows)
	}
	return out
}

// sorted are the rows of a table in the order of their keys.
func (d database) sorted(table string) []cells {
	ids := slices.Sorted(maps.Keys(d[table]))
	out := make([]cells, 0, len(ids))
	for _, id := range ids {
		out = append(out, d[table][id])
	}
	return out
}

var shopSchemas = func() map[string]*schemas.RowSchema {
	out := map[string]*schemas.RowSchema{}
	for source, sql := range map[string]string{"shop": shopDDL, "clinic": patientsDDL} {
		tables, err := ddl.Parse(source, "db", sql)
		if err != nil {
			panic(err)
		}
		for _, t := range tables {
			s, err := schemas.NewRowSchema(t)
			if err != nil {
				panic(err)
			}
			out[t.Name] = s
		}
	}
	return out
}()

// encoded is a row of a table as the pipeline holds it.
func encoded(t testing.TB, table string, c cells) mapping.Row {
	t.Helper()
	s := shopSchemas[table]
	texts := map[string]*string{}
	for name, v := range c {
		texts[name] = &v
	}
	row, err := mapping.EncodeRow(s.Table, texts)
	if err != nil {
		t.Fatal(err)
	}
	key, err := schemas.AppendKey(nil, s.Table, row)
	if err != nil {
		t.Fatal(err)
	}
	return mapping.Row{Key: string(key), Schema: s, Data: row, Seq: 1}
}

// memory answers an evaluator from a database, by trying every row.
type memory struct {
	t      testing.TB
	m      *mapping.Map
	rows   map[string][]mapping.Row
	keyers []*mapping.Keyer
	ups    []*mapping.Keyer
}

func newMemory(t testing.TB, m *mapping.Map, d database) *memory {
	mem := &memory{t: t, m: m, rows: map[string][]mapping.Row{}}
	for table := range d {
		for _, c := range d.sorted(table) {
			mem.rows[table] = append(mem.rows[table], encoded(t, table, c))
		}
	}
	keyer := func(ix *mapping.Index) *mapping.Keyer {
		if ix == nil {
			return nil
		}
		return ix.Keyer()
	}
	for _, n := range m.Nodes {
		mem.keyers, mem.ups = append(mem.keyers, keyer(n.Find)), append(mem.ups, keyer(n.Up))
	}
	return mem
}

func textOf(t testing.TB, k *mapping.Keyer, r *mapping.Row) (string, bool) {
	text, ok, err := k.Text(nil, r.Schema, r.Data)
	if err != nil {
		t.Fatal(err)
	}
	return string(text), ok
}

func (mem *memory) find(node int, text []byte) iter.Seq2[mapping.Row, error] {
	return func(yield func(mapping.Row, error) bool) {
		scratch := []byte{}
		for _, r := range mem.rows[mem.m.Nodes[node].Table.Name] {
			is, ok := r.Key, true
			if k := mem.keyers[node]; k != nil {
				is, ok = textOf(mem.t, k, &r)
			}
			if ok && is == string(text) {
				scratch = append(scratch[:0], r.Data...) // valid only for the step
				r.Data = cdc.Row(scratch)
				if !yield(r, nil) {
					return
				}
				for i := range scratch {
					scratch[i] = 0xff
				}
			}
		}
	}
}

// climb gives the entities that a row of a node belongs to.
func (mem *memory) climb(node int, r *mapping.Row) []string {
	if node == 0 {
		if k := mem.keyers[0]; k != nil {
			if text, ok := textOf(mem.t, k, r); ok {
				return []string{text}
			}
			return nil
		}
		return []string{r.Key}
	}
	text, ok := textOf(mem.t, mem.keyers[node], r)
	if !ok {
		return nil
	}
	var out []string
	parent := mem.m.Nodes[node].Parent
	for _, p := range mem.rows[mem.m.Nodes[parent].Table.Name] {
		if up, ok := textOf(mem.t, mem.ups[node], &p); ok && up == text {
			out = append(out, mem.climb(parent, &p)...)
		}
	}
	return out
}

func (mem *memory) eval(e *mapping.Evaluator, key string) *mapping.Output {
	out, err := e.EvalEntity(&mapping.Entity{Key: key, Rows: mem.find, Reason: mapping.ReasonChange})
	if err != nil {
		mem.t.Fatal(err)
	}
	return out
}

// told writes what an output writes, in one text.
func told(out *mapping.Output) string {
	m := out.Mutation
	if m == nil {
		return "nothing"
	}
	var parts []string
	for _, p := range m.Properties {
		if p.State == sinks.Set {
			parts = append(parts, p.Name+"="+p.Value)
		} else {
			parts = append(parts, p.Name+" cleared")
		}
	}
	for _, l := range m.Links {
		parts = append(parts, fmt.Sprintf("%s %s->%s", l.Name, l.State, l.To.Key))
	}
	sort.Strings(parts)
	return m.Record.Key + " " + string(m.Existence) + ": " + strings.Join(parts, "; ")
}
