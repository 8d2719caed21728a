package pipeline_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"chartwire/cdc"
	"chartwire/pipeline"
	"chartwire/sinks"

	"github.com/twmb/franz-go/pkg/kgo"
)

const shopRule = `
rules:
  big:
    when: total + sum(refunds, .total) > 100
    then:
      - create: hubspot.guests
        key: ext_id
        properties:
          status: { is: big }
`

// of gives the mutations of one record.
func (w *joinedWorld) of(object, key string) []*sinks.Mutation {
	return slices.DeleteFunc(w.written().of(key), func(m *sinks.Mutation) bool { return m.Record.Object != object })
}

// A checkout of many transactions becomes one mutation, and an entity that is
// never quiet is held no longer than its map says.
func testJoinedSettle(t *testing.T, w *joinedWorld) {
	slow := strings.Replace(shopOrders, "60ms up to 400ms", "1s up to 3s", 1)
	m := w.run(w.options(t.TempDir(), w.compile(slow)))
	w.edit()
	w.settled(m)
	for i := range 10 {
		w.edit(rowEdit{"items", i, cells{"order_id": "1", "name": "Tea"}})
	}
	w.edit(rowEdit{"orders", 1, order()})
	w.settled(m)
	w.verify()
	all := w.of("orders", "1")
	if len(all) != 1 {
		t.Fatalf("%d mutations of one checkout", len(all))
	}
	mu := all[0]
	if mu.Reason != "change" || mu.Lane != sinks.Routine || mu.Due.Sub(mu.Commit) != 5*time.Minute {
		t.Errorf("got %+v", mu)
	}
	if o := mu.Origin[0]; o.Table != "main.orders" || o.Row != "1" || !strings.HasPrefix(o.Position, "gtid:") || len(mu.Origin) > 5 {
		t.Errorf("origin %+v", mu.Origin)
	}
	start := time.Now()
	last, rest := start, time.Duration(0) // the longest that it was quiet
	for i := 0; len(w.of("orders", "1")) < 2; i++ {
		w.edit(rowEdit{"items", 3, cells{"order_id": "1", "name": fmt.Sprint("Tea", i)}})
		rest, last = max(rest, time.Since(last)), time.Now()
		if time.Sleep(100 * time.Millisecond); time.Since(start) > time.Minute {
			t.Fatal("an entity that is never quiet is never mapped")
		}
	}
	if d := time.Since(start); d < 2*time.Second && rest < time.Second/2 {
		t.Errorf("mapped after %s although it was not quiet", d)
	}
}

// A row that many entities look up is found for all of them, with little memory,
// and no entity is forgotten whose place in memory was needed.
func testJoinedFanOut(t *testing.T, w *joinedWorld) {
	const n = 3000
	o := w.options(t.TempDir(), w.compile(shopOrders))
	o.Memory = 40_000
	m := w.run(o)
	edits := []rowEdit{{"terms", 1, cells{"name": "first"}}}
	for i := range n {
		edits = append(edits, rowEdit{"orders", i, order("email", fmt.Sprint(i))})
	}
	w.edit(edits...)
	w.settled(m)
	w.edit(rowEdit{"terms", 1, cells{"name": "second"}}, rowEdit{"orders", 5, order("status", "paid")})
	w.settled(m)
	if err := m.stop(); err != nil {
		t.Fatal(err)
	}
	w.verify()
	o.Dir = t.TempDir() // and again, while it is not done
	m = w.run(o)
	w.settled(m)
	w.edit(rowEdit{"terms", 1, cells{"name": "third"}})
	w.until(m)
	if err := m.stop(); err != nil {
		t.Fatal(err)
	}
	o.Dir = t.TempDir()
	m = w.run(o)
	w.settled(m)
	w.verify()
}

// While a table loads, what reads it is left alone and the rest goes on; when it
// is whole, every entity is mapped once.
func testJoinedLoad(t *testing.T, w *joinedWorld) {
	loads := func(in *mapWorld, phases map[string]cdc.LoadPhase) {
		in.loads = maps.Clone(in.loads)
		for name, table := range in.tables {
			in.loads[table.ID()] = cdc.Load{Phase: cdc.LoadDone, Since: time.Now()}
			if p := phases[name]; p != "" {
				in.loads[table.ID()] = cdc.Load{Phase: p, Since: time.Now()}
			}
		}
	}
	for i := range 40 {
		w.rows["orders"][i] = order("email", fmt.Sprint(i), "total", fmt.Sprint(i*20))
		w.rows["items"][i] = cells{"order_id": fmt.Sprint(i), "name": "Tea"}
	}
	read := func(table string) {
		b := w.batch()
		for i, id := range slices.Sorted(maps.Keys(w.rows[table])) {
			b.add(worldChange{table: table, id: id, op: cdc.Read, after: w.image(table, id, w.rows[table][id])}, i, "")
		}
		b.commit(0)
	}
	loads(w.mapWorld, map[string]cdc.LoadPhase{"orders": cdc.LoadReading, "items": cdc.LoadWaiting})
	loads(w.om, nil)
	m := w.run(w.options(t.TempDir(), w.compile(shopOrders+shopRule, shopGuests)))
	w.om.batch().commit(0)
	read("orders")
	w.until(m)
	loads(w.mapWorld, map[string]cdc.LoadPhase{"items": cdc.LoadReading})
	w.batch().commit(0)
	w.edit(rowEdit{"orders", 3, order("email", "3", "status", "paid")})
	w.wait(m, "what changes is mapped", func(s pipeline.MapStatus) bool { return s.Pending == 0 && len(w.of("orders", "3")) > 0 })
	if p := w.of("orders", "3")[0].Properties; slices.ContainsFunc(p, func(p sinks.Property) bool { return p.Name == "items" }) {
		t.Errorf("the items of an order are written while they load: %+v", p)
	}
	if n := len(w.of("orders", "4")); n != 0 {
		t.Errorf("%d mutations of an order that nobody changed", n)
	}
	w.edit(rowEdit{"orders", 50, order("total", "500")}) // new, and big
	w.wait(m, "what changes is mapped", func(s pipeline.MapStatus) bool { return s.Pending == 0 && w.mapWorld.seq <= s.Sources["shop"].Seq })
	read("items")
	loads(w.mapWorld, nil)
	w.batch().commit(0)
	w.settled(m)
	w.verify()
	fired := 0
	for _, mu := range w.written().all {
		if strings.HasPrefix(mu.Record.Key, "shop/orders/big:") {
			fired++
		}
	}
	if n := len(w.of("guests", "shop/orders/big:50:1")); n != 1 || fired != 1 {
		t.Errorf("the rule fired %d times, %d times for the new order", fired, n)
	}
	if all := w.of("orders", "4"); len(all) != 1 || all[0].Lane != sinks.Backfill || all[0].Reason != "snapshot" {
		t.Errorf("got %d mutations: %+v", len(all), all)
	}
}

// A rule of joined rows fires once each time that its condition becomes true,
// also across a loss of the folder.
func testJoinedRule(t *testing.T, w *joinedWorld) {
	p := w.compile(shopOrders + shopRule)
	m := w.run(w.options(t.TempDir(), p))
	w.edit(rowEdit{"orders", 1, order("total", "500")}) // of the first cut: seen, and not seen to become
	w.settled(m)
	fired := func(want ...string) {
		t.Helper()
		w.settled(m)
		var got []string
		for _, mu := range w.written().all {
			if mu.Record.Object == "guests" {
				got = append(got, mu.Record.Key)
			}
		}
		slices.Sort(got)
		for i, key := range want {
			want[i] = "shop/orders/big:" + key
		}
		if !slices.Equal(got, want) {
			t.Errorf("fired %v, want %v", got, want)
		}
	}
	fired()
	w.edit(rowEdit{"orders", 2, order("total", "150")})
	fired("2:1")
	w.edit(rowEdit{"orders", 3, cells{"kind": "refund", "parent": "2", "total": "-60"}})
	fired("2:1")
	if err := m.stop(); err != nil {
		t.Fatal(err)
	}
	m = w.run(w.options(t.TempDir(), p))
	w.edit(rowEdit{"orders", 3, nil}, rowEdit{"orders", 1, order("total", "501")})
	fired("2:1", "2:2")
}

// A person asks for a record again, by any of the rows that it came from.
func testJoinedRetry(t *testing.T, w *joinedWorld) {
	m := w.run(w.options(t.TempDir(), w.compile(shopOrders, shopGuests)))
	w.edit(rowEdit{"orders", 1, order()}, rowEdit{"orders", 2, order("email", "bob@x")},
		rowEdit{"items", 1, cells{"order_id": "1"}}, rowEdit{"metas", 1, cells{"item_id": "1", "k": "qty", "v": "2"}})
	w.settled(m)
	again := func(object, key string, n int, table, row string, headers ...string) {
		t.Helper()
		rec := &kgo.Record{Topic: w.topics.Retry(w.flow), Key: []byte(table + "\x00" + row), Headers: []kgo.RecordHeader{{Key: "source", Value: []byte("shop")}}}
		for i := 0; i < len(headers); i += 2 {
			rec.Headers = append(rec.Headers, kgo.RecordHeader{Key: headers[i], Value: []byte(headers[i+1])})
		}
		if err := w.cl.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := w.cl.ProduceSync(t.Context(), rec).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := w.cl.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
			t.Fatal(err)
		}
		for start := time.Now(); ; time.Sleep(10 * time.Millisecond) {
			all := w.of(object, key)
			if len(all) == n {
				if all[n-1].Reason != "retry" || len(all[n-1].Properties) == 0 {
					t.Errorf("got %+v", all[n-1])
				}
				return
			}
			if time.Since(start) > time.Minute {
				t.Fatalf("%d mutations of %s, want %d", len(all), object, n)
			}
		}
	}
	again("orders", "1", 2, "main.orders", "1")
	again("guests", "ann@x", 3, "main.orders", "1", "map", "shop/guests", "record", "guests/ext_id/ann@x")
	again("orders", "1", 3, "main.metas", "1", "map", "shop/orders", "record", "orders/ext_id/1")
	if n := len(w.of("orders", "2")); n != 1 {
		t.Errorf("%d mutations of a record that nobody asked for", n)
	}
}

// shopLegacy maps orders from one place and shopModern from another, as a row says.
const shopLegacy = `
map: shop/legacy
source: shop
unless: { table: options, where: name == "new_place", is: value == "yes" }
entity:
  root: items
  with:
    meta: { table: metas, by: item_id, pivot: [k, v] }
  settle: 20ms up to 200ms
phi: []
record: hubspot.orders
key: { ext_id: text(id) }
class: 5m
on_delete: archive
on_leave: archive
properties:
  status: { from: '"legacy " + name', on_null: clear }
`

const shopModern = `
map: shop/modern
source: shop
while: { table: options, where: name == "new_place", is: value == "yes" }
entity: { root: orders }
phi: []
record: hubspot.orders
key: { ext_id: text(id) }
class: 5m
on_delete: archive
on_leave: archive
properties:
  status: { from: '"modern " + status', on_null: clear }
`

// Two maps write the same records, one at a time. The switch writes all of them
// anew and archives none.
func testJoinedWhile(t *testing.T, w *joinedWorld) {
	p := w.compile(shopLegacy, shopModern)
	m := w.run(w.options(t.TempDir(), p))
	edits := []rowEdit{}
	for i := range 5 {
		edits = append(edits, rowEdit{"orders", i, order()}, rowEdit{"items", i, cells{"name": "a"}})
	}
	w.edit(edits...)
	shows := func(want string) {
		t.Helper()
		w.settled(m)
		for key, mu := range w.written().records {
			if mu.Existence == sinks.Archived || mu.Properties[0].Value != want {
				t.Errorf("%s: %s %+v, want %s", key, mu.Existence, mu.Properties, want)
			}
		}
		if n := len(w.written().records); n != 5 {
			t.Errorf("%d records", n)
		}
	}
	shows("legacy a")
	w.edit(rowEdit{"orders", 1, order("status", "paid")}) // rests
	w.edit(rowEdit{"options", 9, cells{"name": "other", "value": "yes"}})
	shows("legacy a")
	w.edit(rowEdit{"orders", 1, order()}, rowEdit{"options", 1, cells{"name": "new_place", "value": "yes"}})
	shows("modern new")
	w.edit(rowEdit{"items", 1, nil}, rowEdit{"metas", 1, cells{"item_id": "2", "k": "x", "v": "y"}}, rowEdit{"items", 2, cells{"name": "b"}})
	shows("modern new")
	if err := m.stop(); err != nil {
		t.Fatal(err)
	}
	m = w.run(w.options(t.TempDir(), p))
	shows("modern new")
	w.edit(rowEdit{"items", 1, cells{"name": "a"}}, rowEdit{"items", 2, cells{"name": "a"}}, rowEdit{"options", 1, nil})
	shows("legacy a")
}
