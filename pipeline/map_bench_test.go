package pipeline_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"chartwire/cdc"
	"chartwire/pipeline/broker"
	"chartwire/pipeline/broker/brokertest"
	"chartwire/pipeline/mapping"
	"chartwire/schemas/hubspot"
	"chartwire/schemas/maps/ddl"
)

// wideMap is a map of 40 properties in the proportions of the contact map, its
// table and a row of it, as in the benchmark of package mapping.
func wideMap(b *testing.B, w *mapWorld) (*mapping.Program, *cdc.Table, map[string]*string) {
	b.Helper()
	var table, props strings.Builder
	object := &hubspot.Object{Name: "things", Properties: []*hubspot.Property{{Name: "ext_id", Type: hubspot.String, Unique: true}}}
	cells := map[string]*string{}
	add := func(kind, sql, typ, cell, body string, n int) {
		for i := range n {
			name := fmt.Sprint(kind, i)
			fmt.Fprintf(&table, "  %s %s,\n", name, sql)
			fmt.Fprintf(&props, "  %s: { %s }\n", name, strings.ReplaceAll(body, "$", name))
			p := &hubspot.Property{Name: name, Type: typ}
			if typ == hubspot.Enumeration {
				p.Options = []hubspot.Option{{Label: "Lead"}, {Label: "Current"}, {Label: "Customer"}}
			}
			object.Properties = append(object.Properties, p)
			cells[name] = &cell
		}
	}
	add("t", "varchar(100)", hubspot.String, "Some Text Here", "from: filled($)", 18)
	add("m", "double", hubspot.Number, "1234.56", "from: money($)", 8)
	add("e", "varchar(40)", hubspot.Enumeration, "Current", "from: filled($), values: { Lead: Lead, Current: Customer }, otherwise: reject", 4)
	add("d", "date", hubspot.Date, "1980-02-29", "from: $", 4)
	add("w", "datetime", hubspot.DateTime, "2026-01-02 03:04:05", "from: local($)", 2)
	add("f", "tinyint", hubspot.Bool, "1", "from: $ != 0", 4)
	tables, err := ddl.Parse("clinic", "main", "CREATE TABLE wide (\n  id bigint,\n"+table.String()+"  PRIMARY KEY (id)\n) CHARSET=utf8mb4;")
	if err != nil {
		b.Fatal(err)
	}
	text := "map: bench/wide\nsource: clinic\nentity: { root: wide }\nrecord: hubspot.things\nkey: { ext_id: text(id) }\nclass: 5m\non_delete: archive\nproperties:\n" + props.String()
	p, err := mapping.Compile([]mapping.File{{Name: "m.yaml", Text: []byte(text)}}, mapping.Env{
		Sources: []mapping.Source{{Name: "clinic", Zone: time.UTC}}, Tables: tables,
		Objects: map[string]*hubspot.Schema{"hubspot": {Objects: []*hubspot.Object{object}}}})
	if err != nil {
		b.Fatal(err)
	}
	w.table("wide", tables[0].Columns...)
	topic := w.topics.Rows("clinic", tables[0].ID())
	w.parts[topic] = 1
	if err := broker.EnsureTopics(b.Context(), w.cl, w.conn, broker.Rows(topic, 1, 14*24*time.Hour)); err != nil {
		b.Fatal(err)
	}
	return p, w.tables["wide"], cells
}

// BenchmarkMap maps a backlog of changes of one table with 40 mapped columns,
// end to end: from the row topic of a broker in the process to the committed
// mutations. b.N is a change; the CPU time is that of the broker too.
func BenchmarkMap(b *testing.B) {
	w := newMapWorld(b, brokertest.Start(b), "t")
	program, table, cells := wideMap(b, w)
	text := func(s string) *string { return &s }
	for done := 0; done < b.N; {
		batch := w.batch()
		n := min(b.N-done, 5000)
		for i := range n {
			cells["id"] = text(fmt.Sprint(done + i))
			before, err := mapping.EncodeRow(table, cells)
			if err != nil {
				b.Fatal(err)
			}
			old := cells["t1"]
			cells["t1"] = text(fmt.Sprint("Text ", i))
			after, err := mapping.EncodeRow(table, cells)
			if err != nil {
				b.Fatal(err)
			}
			cells["t1"] = old
			batch.txn(worldChange{table: "wide", id: done + i, op: cdc.Update, before: before, after: after})
		}
		batch.commit(0)
		done += n
	}
	b.ResetTimer()
	start, cpu := time.Now(), cpuTime(b)
	m := w.run(w.options(b.TempDir(), program))
	w.until(m)
	b.ReportMetric(float64(b.N)/time.Since(start).Seconds(), "changes/s")
	b.ReportMetric(float64((cpuTime(b)-cpu).Microseconds())/float64(b.N), "cpu-µs/change")
	b.StopTimer()
	if err := m.stop(); err != nil {
		b.Fatal(err)
	}
	if n := len(w.written().all); n != b.N {
		b.Fatalf("%d mutations of %d changes", n, b.N)
	}
}

func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
