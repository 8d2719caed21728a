package pipeline_test

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"chartwire/cdc"
	"chartwire/pipeline"
	"chartwire/pipeline/mapping"
	"chartwire/schemas"
	"chartwire/schemas/hubspot"
)

// described are the loads of a world's tables as capture describes them.
func (w *mapWorld) described() {
	w.loads = map[cdc.TableID]cdc.Load{}
	for _, t := range w.tables {
		l := cdc.Load{Phase: cdc.LoadDone, Since: time.Now(), Key: t.KeyNames()}
		for i := range t.Columns {
			l.Columns, l.Sums = append(l.Columns, t.Columns[i].Name), append(l.Sums, t.Columns[i].Type.Sum())
		}
		w.loads[t.ID()] = l
	}
}

// alter makes another version of the table of people.
func (w *mapWorld) alter(change func(t *cdc.Table)) {
	w.Helper()
	t := *w.tables["people"]
	t.Columns = slices.Clone(t.Columns)
	change(&t)
	s, err := schemas.NewRowSchema(&t)
	if err != nil {
		w.Fatal(err)
	}
	w.tables["people"], w.ids["people"] = &t, len(w.schema)+1
	w.schema[w.ids["people"]] = s
	w.described()
}

// A table changes under the flow: it follows where its maps fit the new types,
// leaves alone what reads a column where they do not, and stops at another key.
func testMapShapes(t *testing.T, w *mapWorld) {
	objects, err := hubspot.Default()
	if err != nil {
		t.Fatal(err)
	}
	const follows = `
map: test/people
source: clinic
entity: { root: people }
phi: []
record: hubspot.contacts
key: { open_medical_patient_id: text(id) }
class: 5m
owner: om
on_delete: keep
properties:
  firstname: { from: name }
  account_balance: { from: balance }
`
	strict := strings.Replace(follows, "account_balance: { from: balance }", `city: { from: 'balance > 500 ? "rich" : "poor"' }`, 1)
	const long, float, words, gone = 0, 1, 2, 3
	was := w.tables["people"]
	to := func(kind int) {
		w.alter(func(t *cdc.Table) {
			t.Columns = slices.Clone(was.Columns)
			switch kind {
			case float:
				t.Columns[4].Type = cdc.Type{Kind: cdc.KindDouble}
			case words:
				t.Columns[4].Type = cdc.Type{Kind: cdc.KindText, Charset: "utf8mb4"}
			case gone:
				t.Columns = t.Columns[:4]
			}
		})
	}
	write := func(id int, name, balance string) {
		b := w.batch()
		row := schemas.AppendLong([]byte{2}, int64(id))
		for _, s := range []string{"patient", name, "Ulm"} {
			row = schemas.AppendBytes(append(row, 2), s)
		}
		switch c := w.tables["people"].Columns; {
		case len(c) == 4:
		case c[4].Type.Kind == cdc.KindText:
			row = schemas.AppendBytes(append(row, 2), balance)
		case c[4].Type.Kind == cdc.KindDouble:
			row = binary.LittleEndian.AppendUint64(append(row, 2), math.Float64bits(float64(len(balance))+0.5))
		default:
			row = schemas.AppendLong(append(row, 2), int64(len(balance)))
		}
		b.txn(worldChange{table: "people", id: id, op: cdc.Create, after: row})
		b.commit(0)
	}
	property := func(id, name string) string {
		value := "none"
		for _, m := range w.written().all {
			for _, p := range m.Properties {
				if m.Record.Key == id && p.Name == name {
					value = p.Value
				}
			}
		}
		return value
	}
	run := func(text string) *mapRun {
		o := w.options(t.TempDir(), w.program(text))
		o.Compile = func(context.Context) (*mapping.Program, []*cdc.Table, error) {
			tables := []*cdc.Table{w.tables["people"], w.tables["labs"]}
			p, err := mapping.Compile([]mapping.File{{Name: "a.yaml", Text: []byte(text)}},
				mapping.Env{Sources: []mapping.Source{{Name: "clinic", Zone: time.UTC}}, Tables: tables, Objects: map[string]*hubspot.Schema{"hubspot": objects}})
			return p, tables, err
		}
		return w.run(o)
	}
	want := func(id, name, value string) {
		t.Helper()
		if got := property(id, name); got != value {
			t.Errorf("record %s has the %s %q, want %q", id, name, got, value)
		}
	}

	w.described()
	m := run(follows)
	write(1, "Ann", "abc")
	w.until(m)
	want("1", "account_balance", "3")
	to(float)
	write(1, "Ann", "four")
	write(2, "Bob", "five5")
	w.until(m)
	want("1", "account_balance", "4.5")
	want("2", "account_balance", "5.5")
	to(long) // back
	write(1, "Ann", "abcd")
	w.until(m)
	want("1", "account_balance", "4")
	if err := m.stop(); err != nil {
		t.Fatal(err)
	}

	w.flow = "strict"
	m = run(strict)
	w.until(m)
	want("1", "city", "poor")
	for _, to := range []func(){func() { to(words) }, func() { to(gone) }} {
		to()
		write(1, "Eve", "nine")
		write(3, "Mia", "ten")
		w.until(m)
		want("1", "firstname", "Eve")
		want("1", "city", "poor")
		want("3", "city", "none")
		said := strings.Join(m.Status().Misfits, ";")
		if !strings.HasPrefix(said, "column balance of table main.people of source clinic was int of 64 bits and is") || strings.Contains(said, "nine") {
			t.Errorf("it says %q", said)
		}
	}
	to(long)
	write(3, "Mia", "ten")
	w.until(m)
	want("3", "city", "poor")
	if s := m.Status(); len(s.Misfits) > 0 {
		t.Errorf("undone, and it says %q", s.Misfits)
	}

	mapped := len(w.written().all)
	w.alter(func(t *cdc.Table) { t.Key = []int{0, 1} })
	write(4, "Zoe", "x")
	w.wait(m, "a halt", func(s pipeline.MapStatus) bool { return s.Halt != "" })
	var h *cdc.Halt
	if err := m.stop(); !errors.As(err, &h) || h.Code != pipeline.HaltMapKey || !strings.Contains(h.Text, "main.people of source clinic has the primary key (id, kind) and had (id)") {
		t.Errorf("another key: %v", err)
	}
	if n := len(w.written().all); n != mapped {
		t.Errorf("%d mutations were made behind another key", n-mapped)
	}
	m = run(strings.Replace(strict, "text(id)", `text(id) + kind`, 1)) // mended
	w.until(m)
	want("4patient", "firstname", "Zoe")
}
