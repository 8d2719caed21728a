package pipeline_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"chartwire/cdc"
	"chartwire/pipeline"
	"chartwire/pipeline/broker/brokertest"
)

// checkoutMap reads of an order what the shop's map of deals does: itself, a
// dozen of its meta values, its items and theirs.
const checkoutMap = `
map: bench/orders
source: shop
entity:
  root: orders
  where: kind == "order"
  with:
    meta:     { table: ometas, by: order_id, pivot: [k, v] }
    items:    { table: items, by: order_id, many: true }
    itemmeta: { table: metas, by: { item_id: items.id }, pivot: [k, v] }
    product:  { table: products, by: { id: itemmeta.product } }
  settle: 500ms up to 5s
phi: []
record: hubspot.orders
key: { ext_id: text(id) }
class: 5m
on_delete: archive
on_leave: archive
properties:
  status: { from: 'status + coalesce(meta.k1, "") + coalesce(meta.k2, "") + coalesce(meta.k3, "") + coalesce(meta.k4, "") + coalesce(meta.k5, "")', on_null: clear }
  total:  { from: 'total + sum(items, number(itemmeta.qty))' }
  items:  { from: 'join("|", items, coalesce(.name, "-") + ":" + coalesce(itemmeta.qty, "-") + ":" + coalesce(product.title, "-"))', on_null: clear }
  term:   { from: 'join(" ", meta.k6, meta.k7, meta.k8, meta.k9, meta.k10)', on_null: clear }
`

// checkoutRows are the row changes of a checkout, each a transaction of its own.
const checkoutRows = 1 + 3 + 3*8 + 81

func (w *joinedWorld) checkout(b *batch, id int) {
	add := func(table string, n int, c cells) {
		b.txn(worldChange{table: table, id: n, op: cdc.Create, after: w.image(table, n, c)})
	}
	add("orders", id, order("email", fmt.Sprintf("somebody-%d@example.com", id)))
	for i := range 81 {
		add("ometas", id*100+i, cells{"order_id": fmt.Sprint(id), "k": fmt.Sprint("k", i), "v": "a value of some length"})
	}
	for i := range 3 {
		item := id*10 + i
		add("items", item, cells{"order_id": fmt.Sprint(id), "name": "Thyroid support, 90 capsules"})
		for k, name := range []string{"qty", "product", "variation", "tax", "subtotal", "total", "line", "note"} {
			add("metas", item*10+k, cells{"item_id": fmt.Sprint(item), "k": name, "v": fmt.Sprint(id % 50)})
		}
	}
}

// BenchmarkMapJoined maps a backlog of checkouts, end to end: from the row topics
// of a broker in the process to the committed mutations; b.N is a checkout of 109
// row changes. Then the local state is rebuilt from the topics.
func BenchmarkMapJoined(b *testing.B) {
	w := newJoinedWorld(b, brokertest.Start(b), "t", func() int { return 1 })
	text := cdc.Type{Kind: cdc.KindText, Charset: "utf8mb4"}
	number := cdc.Type{Kind: cdc.KindInt, Bits: 64}
	w.table("ometas", cdc.Column{Name: "id", Type: number}, cdc.Column{Name: "order_id", Type: number}, cdc.Column{Name: "k", Type: text}, cdc.Column{Name: "v", Type: text})
	w.ensure()
	program := w.compile(checkoutMap)
	first := w.batch()
	for i := range 50 {
		first.txn(worldChange{table: "products", id: i, op: cdc.Create, after: w.image("products", i, cells{"title": fmt.Sprint("Product ", i)})})
	}
	first.commit(0)
	dir := b.TempDir()
	m := w.run(w.options(dir, program))
	w.settled(m)
	if err := m.stop(); err != nil {
		b.Fatal(err)
	}
	for done := 0; done < b.N; {
		batch := w.batch()
		n := min(b.N-done, 100)
		for i := range n {
			w.checkout(batch, 1+done+i)
		}
		batch.commit(0)
		done += n
	}
	changes := float64(b.N * checkoutRows)
	b.ResetTimer()
	start, cpu := time.Now(), cpuTime(b)
	m = w.run(w.options(dir, program))
	w.settled(m)
	b.StopTimer()
	b.ReportMetric(changes/time.Since(start).Seconds(), "changes/s")
	b.ReportMetric(float64((cpuTime(b)-cpu).Microseconds())/changes, "cpu-µs/change")
	if err := m.stop(); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(len(w.written().all))/float64(b.N), "mutations/order")
	b.ReportMetric(float64(folder(b, dir))/float64(b.N), "state-B/order")
	start = time.Now()
	m = w.run(w.options(b.TempDir(), program))
	w.wait(m, "the state is rebuilt", func(s pipeline.MapStatus) bool { return s.Holding && !s.Rebuilding && s.Sources["shop"].Seq >= w.seq })
	b.ReportMetric(changes/time.Since(start).Seconds(), "rebuilt/s")
	if err := m.stop(); err != nil {
		b.Fatal(err)
	}
}

// folder is the size of the files in a folder.
func folder(b *testing.B, dir string) (size int64) {
	b.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		size += info.Size()
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return size
}
