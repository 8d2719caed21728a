package pipeline_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"chartwire/cdc"
	"chartwire/pipeline"
	"chartwire/pipeline/mapping"
)

// The model test of joined maps: a random shop in two sources, a Map that is
// stopped at random places and started again with its folder, without it, or
// with an old one, tables that are emptied and loaded again. At the end the
// records are what the tables say, and nothing was archived that was there.
func testJoinedModel(t *testing.T, w *joinedWorld) {
	steps := 120
	if testing.Short() {
		steps = 60
	}
	seed := modelSeed(t)
	m := &joinedModel{joinedWorld: w, r: rand.New(rand.NewPCG(seed, 2)), dir: t.TempDir(), program: w.compile(shopOrders, shopGuests)}
	w.edit() // a cut of each source
	m.start()
	for range steps {
		m.step()
	}
	m.settled(m.run)
	m.verify()
	if err := m.run.stop(); err != nil {
		t.Error(err)
	}
	m.verifyState(filepath.Join(m.dir, "state"), m.program)
}

type joinedModel struct {
	*joinedWorld
	r       *rand.Rand
	program *mapping.Program
	dir     string
	copy    string // an older copy of the folder
	run     *mapRun
}

func (m *joinedModel) start() {
	o := m.options(filepath.Join(m.dir, "state"), m.program)
	if m.r.IntN(3) == 0 {
		o.Memory = 2000 // nearly everything waits on disk, and so do the entities
	}
	if m.r.IntN(2) == 0 {
		o.Transaction = 1
	}
	m.run = m.mapWorld.run(o)
}

func (m *joinedModel) step() {
	switch n := m.r.IntN(100); {
	case n < 70:
		shop, om := m.batch(), m.om.batch()
		for range 1 + m.r.IntN(4) {
			m.transact(shop, om, m.edits()...)
		}
		for _, b := range m.either(shop, om) {
			b.commit(0)
		}
		if m.r.IntN(8) == 0 {
			m.until(m.run)
			m.restart(true)
		}
	case n < 75:
		m.pieces()
	case n < 79:
		m.empty()
	case n < 82:
		m.load()
	case n < 88:
		time.Sleep(time.Duration(m.r.IntN(100)) * time.Millisecond)
	case n < 94:
		m.restart(true)
	default:
		m.settled(m.run)
		m.verify()
	}
}

// either gives the sources' batches in any order.
func (m *joinedModel) either(shop, om *batch) []*batch {
	if m.r.IntN(2) == 0 {
		return []*batch{om, shop}
	}
	return []*batch{shop, om}
}

func (m *joinedModel) one(of ...string) string { return of[m.r.IntN(len(of))] }

// edits are those of one transaction: a row may change several times.
func (m *joinedModel) edits() []rowEdit {
	var out []rowEdit
	number := func(n int) string { return fmt.Sprint(1 + m.r.IntN(n)) }
	for range 1 + m.r.IntN(4) {
		e := rowEdit{table: m.one("orders", "orders", "items", "metas", "metas", "products", "terms", "people"), id: 1 + m.r.IntN(6)}
		gone := m.r.IntN(6) == 0
		switch {
		case e.table == "orders" && !gone:
			e.cells = order("kind", m.one("order", "order", "order", "refund", "draft"), "status", m.one("new", "paid", "sent"), "total", number(9),
				"email", m.one("ann@x", "ANN@x", "bob@x", "cy@x"), "customer", m.one("0", "0", "7"), "term_id", number(3))
			if m.r.IntN(2) == 0 {
				e.cells["parent"] = number(6)
			}
			if m.r.IntN(5) == 0 {
				delete(e.cells, "email")
			}
		case e.table == "items":
			if e.id += m.r.IntN(6); !gone {
				e.cells = cells{"order_id": number(6), "name": m.one("Tea", "Cup")}
			}
		case e.table == "metas":
			if e.id += m.r.IntN(12); !gone {
				e.cells = cells{"item_id": number(11), "k": m.one("qty", "product", "note"), "v": number(5)}
			}
		case gone:
		case e.table == "products":
			e.cells = cells{"title": m.one("Green", "Black", "White")}
		case e.table == "terms":
			e.cells = cells{"name": m.one("x", "y")}
		case e.table == "people":
			e.cells = cells{"email": m.one("Ann@x", "bob@x", "dan@x")}
		}
		out = append(out, e)
	}
	return out
}

// pieces is one source transaction in several Kafka transactions: all cuts but
// the last lie inside it.
func (m *joinedModel) pieces() {
	m.txns++
	gtid := fmt.Sprint("0-1-", m.txns)
	n := 2 + m.r.IntN(3)
	for i := range n {
		b := m.batch()
		for k, e := range m.edits() {
			if c, ok := m.change(e); ok && e.table != "people" {
				b.add(c, i*10+k, gtid)
			} else if ok {
				om := m.om.batch()
				om.txn(c)
				om.commit(0)
			}
		}
		rows := int64(i + 1)
		if i == n-1 {
			rows = 0
		}
		m.look()
		b.commit(rows)
		if m.r.IntN(4) == 0 {
			m.restart(false)
		}
	}
}

func (m *joinedModel) tables() []string {
	return []string{"orders", "items", "metas", "products", "terms", "people"}
}

// empty is a TRUNCATE in the middle of what else happens.
func (m *joinedModel) empty() {
	table := m.one(m.tables()...)
	shop, om := m.batch(), m.om.batch()
	m.transact(shop, om, m.edits()...)
	in := m.source(table)
	in.seq = max(in.seq+1, time.Now().UnixMicro())
	e := cdc.Epoch{Table: in.tables[table].ID(), Kind: cdc.EpochTruncate, Seq: in.seq}
	clear(m.rows[table])
	m.look()
	m.transact(shop, om, m.edits()...)
	for _, b := range m.either(shop, om) {
		if b.w == in {
			b.commit(0, e)
		} else {
			b.commit(0)
		}
	}
	if m.r.IntN(2) == 0 {
		m.restart(true)
	}
}

// load is a gap in a table's stream and the load that follows it: rows change
// unseen, then the stream goes on while the table is read, chunk by chunk.
func (m *joinedModel) load() {
	m.Helper()
	m.settled(m.run)
	table := m.one(m.tables()...)
	in := m.source(table)
	id := in.tables[table].ID()
	since := time.Now()
	for _, e := range m.edits() {
		if e.table == table {
			m.change(e)
		}
	}
	m.look()
	in.seq++
	epoch := cdc.Epoch{Table: id, Kind: cdc.EpochReload, Seq: in.seq}
	phase := func(p cdc.LoadPhase) {
		in.loads = maps.Clone(in.loads)
		for _, t := range in.tables { // capture tells all
			if _, ok := in.loads[t.ID()]; !ok {
				in.loads[t.ID()] = cdc.Load{Phase: cdc.LoadDone}
			}
		}
		in.loads[id] = cdc.Load{Phase: p, Since: since}
	}
	phase(cdc.LoadWaiting)
	in.batch().commit(0, epoch)
	left := slices.Sorted(maps.Keys(m.rows[table]))
	for len(left) > 0 {
		shop, om := m.batch(), m.om.batch()
		m.transact(shop, om, m.edits()...)
		phase(cdc.LoadReading)
		b := shop
		if in == m.om {
			b = om
		}
		chunk := left[:min(len(left), 3)]
		left = left[len(chunk):]
		for i, row := range chunk {
			if c, ok := m.rows[table][row]; ok {
				b.add(worldChange{table: table, id: row, op: cdc.Read, after: m.image(table, row, c)}, i, "")
			}
		}
		for _, b := range m.either(shop, om) {
			b.commit(0)
		}
		if m.r.IntN(5) == 0 {
			m.restart(false)
		}
	}
	phase(cdc.LoadDone)
	in.batch().commit(0)
	m.wait(m.run, "the refill is swept", func(s pipeline.MapStatus) bool { return s.Swept >= epoch.Seq })
	if m.r.IntN(2) == 0 {
		m.restart(true)
	}
}

// restart stops the map and starts it again, on the folder as it is, without
// it, or on an older one. whole says that no transaction or load is half done.
func (m *joinedModel) restart(whole bool) {
	m.Helper()
	if m.r.IntN(2) == 0 {
		m.road.Cut()
	}
	if err := m.run.stop(); err != nil {
		m.Fatal(err)
	}
	must := func(err error) {
		m.Helper()
		if err != nil {
			m.Fatal(err)
		}
	}
	state := filepath.Join(m.dir, "state")
	switch m.r.IntN(6) {
	case 0, 3:
		must(os.RemoveAll(state))
	case 1:
		if m.copy != "" {
			must(os.RemoveAll(state))
			must(os.CopyFS(state, os.DirFS(m.copy)))
		}
	case 2:
		m.copy = filepath.Join(m.dir, fmt.Sprint("copy", m.r.Uint64()))
		must(os.CopyFS(m.copy, os.DirFS(state)))
	}
	m.start()
	if whole && m.r.IntN(2) == 0 { // what was to be done is not left to later changes
		m.settled(m.run)
		m.verify()
	}
}
