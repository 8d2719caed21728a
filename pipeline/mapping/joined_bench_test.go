package mapping_test

import (
	"fmt"
	"iter"
	"strconv"
	"testing"

	"chartwire/pipeline/mapping"
)

// indexed answers an evaluator from rows that were put under their texts.
type indexed []map[string][]mapping.Row

func newIndexed(b *testing.B, m *mapping.Map, d database) indexed {
	out := make(indexed, len(m.Nodes))
	for i, n := range m.Nodes {
		out[i] = map[string][]mapping.Row{}
		for _, c := range d.sorted(n.Table.Name) {
			r := encoded(b, n.Table.Name, c)
			text, ok := r.Key, true
			if n.Find != nil {
				text, ok = textOf(b, n.Find.Keyer(), &r)
			}
			if ok {
				out[i][text] = append(out[i][text], r)
			}
		}
	}
	return out
}

func (x indexed) find(node int, text []byte) iter.Seq2[mapping.Row, error] {
	return func(yield func(mapping.Row, error) bool) {
		for _, r := range x[node][string(text)] {
			if !yield(r, nil) {
				return
			}
		}
	}
}

// BenchmarkEntity evaluates an order with two addresses, 20 rows of meta and
// two items of eight each, as a checkout leaves it: 44 rows.
func BenchmarkEntity(b *testing.B) {
	p, err := mapping.Compile([]mapping.File{{Name: "m.yaml", Text: []byte(modelledOrders)}}, shop(b, true))
	if err != nil {
		b.Fatal(err)
	}
	m := p.Maps[0]
	d := database{"orders": {71: {"id": "71", "type": "order", "status": "paid", "customer": "5", "email": "a@b.c", "total": "49"}},
		"addresses": {1: {"id": "1", "order_id": "71", "kind": "billing", "city": "Ulm"}, 2: {"id": "2", "order_id": "71", "kind": "shipping", "city": "Ulm"}},
		"items":     {1: {"item_id": "1", "order_id": "71", "type": "line", "name": "Tea"}, 2: {"item_id": "2", "order_id": "71", "type": "line", "name": "Cup"}},
		"products":  {900: {"id": "900", "title": "Green", "price": "9"}}, "order_meta": {}, "item_meta": {}}
	for i := range 20 {
		d["order_meta"][i] = cells{"meta_id": strconv.Itoa(i), "order_id": "71", "meta_key": fmt.Sprint("_key", i), "meta_value": "some value of a meta row"}
	}
	d["order_meta"][5]["meta_key"], d["order_meta"][5]["meta_value"] = "_paid", "2026-01-02 03:04:05"
	for i := range 16 {
		d["item_meta"][i] = cells{"meta_id": strconv.Itoa(i), "item_id": strconv.Itoa(1 + i/8), "meta_key": fmt.Sprint("_key", i), "meta_value": "some value"}
		if i%8 == 0 {
			d["item_meta"][i]["meta_key"], d["item_meta"][i]["meta_value"] = "_qty", "2"
		} else if i%8 == 1 {
			d["item_meta"][i]["meta_key"], d["item_meta"][i]["meta_value"] = "_product_id", "900"
		}
	}
	rows := newIndexed(b, m, d)
	e := m.Evaluator()
	in := &mapping.Entity{Key: "71", Rows: rows.find, Reason: mapping.ReasonChange, Commit: commit}
	b.ReportAllocs()
	for b.Loop() {
		out, err := e.EvalEntity(in)
		if err != nil || len(out.Mutation.Properties) != 6 {
			b.Fatal(err, out.Presence)
		}
	}
	b.ReportMetric(44*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkLargeEntity evaluates an order of 2,000 items with eight rows of
// meta each: what it costs for a row is what it costs in a small one.
func BenchmarkLargeEntity(b *testing.B) {
	p, err := mapping.Compile([]mapping.File{{Name: "m.yaml", Text: []byte(modelledOrders)}}, shop(b, true))
	if err != nil {
		b.Fatal(err)
	}
	m := p.Maps[0]
	const items = 2000
	d := database{"orders": {71: {"id": "71", "type": "order", "status": "paid"}}, "items": {}, "item_meta": {}}
	for i := range items {
		id := strconv.Itoa(i)
		d["items"][i] = cells{"item_id": id, "order_id": "71", "type": "line", "name": "Tea"}
		for k := range 8 {
			d["item_meta"][i*8+k] = cells{"meta_id": strconv.Itoa(i*8 + k), "item_id": id, "meta_key": fmt.Sprint("_key", k), "meta_value": "some value"}
		}
		d["item_meta"][i*8]["meta_key"], d["item_meta"][i*8]["meta_value"] = "_qty", "2"
	}
	rows := newIndexed(b, m, d)
	e := m.Evaluator()
	in := &mapping.Entity{Key: "71", Rows: rows.find, Reason: mapping.ReasonChange, Commit: commit}
	b.ReportAllocs()
	for b.Loop() {
		if out, err := e.EvalEntity(in); err != nil || out.Presence != mapping.Present {
			b.Fatal(err, out.Presence)
		}
	}
	b.ReportMetric(items*9*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkTouches asks whether a change of a row of meta that no map reads
// concerns the map: what most changes of a shop are.
func BenchmarkTouches(b *testing.B) {
	p, err := mapping.Compile([]mapping.File{{Name: "m.yaml", Text: []byte(modelledOrders)}}, shop(b, true))
	if err != nil {
		b.Fatal(err)
	}
	e := p.Maps[0].Evaluator()
	r := encoded(b, "order_meta", cells{"meta_id": "1", "order_id": "71", "meta_key": "_other", "meta_value": "x"})
	b.ReportAllocs()
	for b.Loop() {
		if e.Touches(2, nil, nil, r.Schema, r.Data) {
			b.Fatal("it is touched")
		}
	}
}

// BenchmarkKeyer gives the text of an index.
func BenchmarkKeyer(b *testing.B) {
	p, err := mapping.Compile([]mapping.File{{Name: "m.yaml", Text: []byte(modelledOrders)}}, shop(b, true))
	if err != nil {
		b.Fatal(err)
	}
	k := p.Maps[0].Nodes[2].Find.Keyer()
	r := encoded(b, "order_meta", cells{"meta_id": "1", "order_id": "71", "meta_key": "_other", "meta_value": "x"})
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		if dst, _, err = k.Text(dst[:0], r.Schema, r.Data); err != nil || len(dst) != 2 {
			b.Fatal(err)
		}
	}
}
