package mapping_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"chartwire/cdc"
	"chartwire/pipeline/mapping"
	"chartwire/schemas"
	"chartwire/schemas/hubspot"
	"chartwire/schemas/maps/ddl"
)

// wide is a map of 40 properties in the proportions of the contact map: 18
// texts, 8 sums of money, 4 look-ups, 4 days, 2 moments, 4 flags.
func wide(b *testing.B) (*mapping.Evaluator, *schemas.RowSchema, map[string]*string) {
	b.Helper()
	var table, props strings.Builder
	object := &hubspot.Object{Name: "things", Properties: []*hubspot.Property{{Name: "ext_id", Type: hubspot.String, Unique: true}}}
	cells := map[string]*string{"id": ptr("123456")}
	add := func(kind, sql, typ, cell, body string, n int) {
		for i := range n {
			name := fmt.Sprintf("%s%d", kind, i)
			fmt.Fprintf(&table, "  %s %s,\n", name, sql)
			fmt.Fprintf(&props, "  %s: { %s }\n", name, strings.ReplaceAll(body, "$", name))
			p := &hubspot.Property{Name: name, Type: typ}
			if typ == hubspot.Enumeration {
				p.Options = []hubspot.Option{{Label: "Lead"}, {Label: "Current"}, {Label: "Customer"}}
			}
			object.Properties = append(object.Properties, p)
			cells[name] = ptr(cell)
		}
	}
	add("t", "varchar(100)", hubspot.String, "Some Text Here", "from: filled($)", 18)
	add("m", "double", hubspot.Number, "1234.56", "from: money($)", 8)
	add("e", "varchar(40)", hubspot.Enumeration, "Current", "from: filled($), values: { Lead: Lead, Current: Customer }, otherwise: reject", 4)
	add("d", "date", hubspot.Date, "1980-02-29", "from: $", 4)
	add("w", "datetime", hubspot.DateTime, "2026-01-02 03:04:05", "from: local($)", 2)
	add("f", "tinyint", hubspot.Bool, "1", "from: $ != 0", 4)
	tables, err := ddl.Parse("s", "db", "CREATE TABLE wide (\n  id bigint,\n"+table.String()+"  PRIMARY KEY (id)\n) CHARSET=utf8mb4;")
	if err != nil {
		b.Fatal(err)
	}
	w := world(b)
	w.Tables, w.Objects = tables, map[string]*hubspot.Schema{"hubspot": {Objects: []*hubspot.Object{object}}}
	text := "map: bench/wide\nsource: s\nentity: { root: wide }\nrecord: hubspot.things\nkey: { ext_id: text(id) }\nclass: 5m\non_delete: archive\nproperties:\n" + props.String()
	p, err := mapping.Compile([]mapping.File{{Name: "m.yaml", Text: []byte(text)}}, w)
	if err != nil {
		b.Fatal(err)
	}
	return p.Maps[0].Evaluator(), mustSchema(b, tables[0]), cells
}

func encode(b *testing.B, s *schemas.RowSchema, cells map[string]*string) cdc.Row {
	b.Helper()
	r, err := mapping.EncodeRow(s.Table, cells)
	if err != nil {
		b.Fatal(err)
	}
	return r
}

func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkMap40 maps row changes of a map of 40 properties on one core.
func BenchmarkMap40(b *testing.B) {
	e, s, cells := wide(b)
	after := encode(b, s, cells)
	cells["t3"], cells["m2"] = ptr("Another Text"), ptr("99.1")
	before := encode(b, s, cells)
	f := func(name string, in mapping.Input, writes bool) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			start := cpu()
			for range b.N {
				out, err := e.Eval(&in)
				if err != nil || (out.Mutation != nil) != writes {
					b.Fatal(out, err)
				}
			}
			// Of the processor, not of the clock: what one core does when it is
			// not shared, garbage collection included.
			b.ReportMetric(float64(b.N)/(cpu()-start).Seconds(), "rows/cpu-s")
		})
	}
	f("insert", mapping.Input{Key: "1", Schema: s, After: after, Reason: mapping.ReasonChange}, true)
	f("update", mapping.Input{Key: "1", Schema: s, After: after, BeforeSchema: s, Before: before, Commit: commit, Reason: mapping.ReasonChange}, true)
	f("unmapped", mapping.Input{Key: "1", Schema: s, After: after, BeforeSchema: s, Before: after, Commit: commit, Reason: mapping.ReasonChange}, false)
}
