package pipeline_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"chartwire/cdc"
	"chartwire/pipeline"
	"chartwire/pipeline/broker/brokertest"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A standby has rows, indexes and what is pending before it has the lease.
func testJoinedStandby(t *testing.T, w *joinedWorld) {
	p := w.compile(strings.Replace(shopOrders, "60ms up to 400ms", "2s up to 9s", 1))
	first := w.run(w.options(t.TempDir(), p))
	w.edit()
	w.settled(first)
	o := w.options(t.TempDir(), p)
	o.Memory = 5000
	second := w.run(o)
	for i := range 30 {
		w.edit(rowEdit{"orders", i % 10, order("status", fmt.Sprint(i))}, rowEdit{"metas", i, cells{"item_id": fmt.Sprint(i % 7), "k": "qty", "v": fmt.Sprint(i)}},
			rowEdit{"items", i % 7, cells{"order_id": fmt.Sprint(i % 10), "name": "Tea"}})
	}
	w.settled(first)
	w.edit(rowEdit{"metas", 1, cells{"item_id": "1", "k": "qty", "v": "last"}})
	w.until(first)
	w.wait(second, "the standby is warm", func(s pipeline.MapStatus) bool { return s.Sources["shop"].Seq >= w.seq && s.Pending == 1 })
	if second.Status().Holding {
		t.Error("both hold the flow")
	}
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	w.settled(second)
	w.verify()
	if err := second.stop(); err != nil {
		t.Fatal(err)
	}
	w.verifyState(o.Dir, p)
}

// Tables in any order, on any partitions, give the same records: a table at a
// time, the last one by a snapshot, and the folder lost at the end.
func testJoinedOrder(t *testing.T, w *joinedWorld) {
	m := &joinedModel{joinedWorld: w, r: rand.New(rand.NewPCG(modelSeed(t), 3))}
	rows := map[string]map[int]cells{}
	for range 60 {
		for _, e := range m.edits() {
			if rows[e.table] == nil {
				rows[e.table] = map[int]cells{}
			}
			if e.cells != nil {
				rows[e.table][e.id] = e.cells
			}
		}
	}
	p := w.compile(shopOrders, shopGuests)
	o := w.options(t.TempDir(), p)
	run := w.run(o)
	w.edit()
	w.settled(run)
	tables := m.tables()
	m.r.Shuffle(len(tables), func(i, j int) { tables[i], tables[j] = tables[j], tables[i] })
	t.Logf("in the order %v", tables)
	for n, table := range tables {
		in := w.source(table)
		b := in.batch()
		for id, c := range rows[table] {
			ch, _ := w.change(rowEdit{table, id, c})
			if n == len(tables)-1 {
				ch.op = cdc.Read
				b.add(ch, id, "")
			} else {
				b.txn(ch)
			}
		}
		w.look()
		b.commit(0)
		if m.r.IntN(2) == 0 {
			w.settled(run)
		}
	}
	w.settled(run)
	before := w.shown(w.verify())
	if err := run.stop(); err != nil {
		t.Fatal(err)
	}
	w.verifyState(o.Dir, p)
	o.Dir = t.TempDir()
	run = w.run(o)
	w.settled(run)
	if d := cmp.Diff(before, w.shown(w.verify())); d != "" {
		t.Errorf("reading everything again changed records:\n%s", d)
	}
}

// Rows that an epoch takes away take their part of the records with them, also
// when the folder is lost before those were mapped.
func testJoinedSwept(t *testing.T, w *joinedWorld) {
	p := w.compile(strings.ReplaceAll(shopOrders, "60ms up to 400ms", "700ms up to 4s"))
	o := w.options(t.TempDir(), p)
	m := w.run(o)
	lost := func() {
		t.Helper()
		if err := m.stop(); err != nil {
			t.Fatal(err)
		}
		o.Dir = t.TempDir()
		m = w.run(o)
		w.settled(m)
		w.verify()
	}
	w.edit(rowEdit{"orders", 1, order()}, rowEdit{"orders", 2, order()}, rowEdit{"items", 1, cells{"order_id": "1", "name": "Tea"}},
		rowEdit{"items", 2, cells{"order_id": "2", "name": "Cup"}}, rowEdit{"metas", 1, cells{"item_id": "1", "k": "qty", "v": "2"}})
	low := func() {
		t.Helper()
		w.wait(m, "nothing is left to be mapped", func(s pipeline.MapStatus) bool { return s.Pending == 0 && s.Sources["shop"].Low >= w.seq })
	}
	w.settled(m)
	w.batch().commit(0)
	low()
	b := w.batch()
	w.seq++
	e := cdc.Epoch{Table: w.tables["metas"].ID(), Kind: cdc.EpochTruncate, Seq: w.seq}
	clear(w.rows["metas"])
	w.transact(b, nil, rowEdit{"orders", 2, order("status", "paid")})
	b.commit(0, e)
	w.until(m)
	lost()
	// A gap in which a row went; the refill is quiet long after the epoch.
	load := func(p cdc.LoadPhase) {
		w.loads = map[cdc.TableID]cdc.Load{}
		for name, table := range w.tables {
			w.loads[table.ID()] = cdc.Load{Phase: cdc.LoadDone}
			if name == "items" {
				w.loads[table.ID()] = cdc.Load{Phase: p}
			}
		}
	}
	low()
	delete(w.rows["items"], 1)
	w.look()
	w.seq++
	e = cdc.Epoch{Table: w.tables["items"].ID(), Kind: cdc.EpochReload, Seq: w.seq}
	load(cdc.LoadReading)
	b = w.batch()
	b.add(worldChange{table: "items", id: 2, op: cdc.Read, after: w.image("items", 2, w.rows["items"][2])}, 0, "")
	b.commit(0, e)
	load(cdc.LoadDone)
	o.Quiet = 300 * time.Millisecond
	if err := m.stop(); err != nil {
		t.Fatal(err)
	}
	m = w.run(o)
	w.batch().commit(0)
	w.wait(m, "the refill is swept", func(s pipeline.MapStatus) bool { return s.Swept >= e.Seq })
	lost()
}

// Commits whose answer is lost, and requests that never arrive: a rule of joined
// rows fires once all the same.
func testJoinedFaults(t *testing.T, w *joinedWorld) {
	m := w.run(w.options(t.TempDir(), w.compile(shopOrders+shopRule)))
	w.edit(rowEdit{"orders", 1, order()})
	w.settled(m)
	fired := 0
	for i, key := range []int16{kmsg.EndTxn.Int16(), kmsg.Produce.Int16(), kmsg.EndTxn.Int16(), kmsg.Fetch.Int16()} {
		for _, passage := range []brokertest.Passage{brokertest.Drop, brokertest.Silent} {
			w.edit(rowEdit{"orders", 1, order("status", fmt.Sprint(i, passage))})
			w.settled(m)
			n := 0
			w.road.On(key, func() brokertest.Passage {
				if n++; n == 1 {
					return passage
				}
				return brokertest.Pass
			})
			w.edit(rowEdit{"items", i, cells{"order_id": "1", "name": fmt.Sprint(passage)}}, rowEdit{"orders", 1, order("total", "500")})
			w.settled(m)
			fired++
		}
	}
	for key, n := range map[string]int{"1": 1, fmt.Sprint(fired): 1, fmt.Sprint(fired + 1): 0} {
		if got := len(w.of("guests", "shop/orders/big:1:"+key)); got != n {
			t.Errorf("firing %s of %d: %d mutations, want %d", key, fired, got, n)
		}
	}
	got := w.written()
	if want := w.expected()["orders/1"]; w.shown(got)["orders/1"] != want {
		t.Errorf("got %s, want %s", w.shown(got)["orders/1"], want)
	}
}

// A record whose key is made of more than the root's own changes its key: the
// old record goes, also when the folder was lost in between.
func testJoinedKey(t *testing.T, w *joinedWorld) {
	p := w.compile(strings.Replace(strings.Replace(shopOrders, "text(id)", "term.name", 1), "on_leave: archive", "on_leave: keep", 1))
	o := w.options(t.TempDir(), p)
	m := w.run(o)
	shows := func(want ...string) {
		t.Helper()
		w.settled(m)
		var got []string
		for key, mu := range w.written().records {
			got = append(got, key+" "+string(mu.Existence))
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	w.edit(rowEdit{"orders", 1, order()}, rowEdit{"terms", 1, cells{"name": "a"}})
	shows("a present")
	w.edit(rowEdit{"terms", 1, nil}) // no key, no record: it leaves
	shows("a present")
	w.edit(rowEdit{"terms", 1, cells{"name": "b"}})
	shows("a present", "b present")
	if err := m.stop(); err != nil {
		t.Fatal(err)
	}
	o.Dir = t.TempDir()
	m = w.run(o)
	w.edit(rowEdit{"orders", 1, nil})
	shows("a present", "b archived")
}
