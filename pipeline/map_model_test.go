package pipeline_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"chartwire/cdc"
	"chartwire/pipeline"
)

// modelSeed is a new seed each time, unless MAP_SEED repeats one.
func modelSeed(t *testing.T) uint64 {
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("MAP_SEED"); s != "" {
		fmt.Sscan(s, &seed)
	}
	t.Logf("seed %d (MAP_SEED=%d repeats it)", seed, seed)
	return seed
}

// The model test: a random database, a Map that is stopped at random places and
// started again with its folder, without it, or with an old one, and at the end
// what was written is what the reference says.
func testMapModel(t *testing.T, w *mapWorld) {
	steps := 100
	if testing.Short() {
		steps = 50
	}
	seed := modelSeed(t)
	w.changes = map[string]string{}
	m := &mapModel{mapWorld: w, r: rand.New(rand.NewPCG(seed, 1)), dir: t.TempDir()}
	m.start()
	for range steps {
		m.step()
	}
	m.until(m.run)
	m.verify()
	if err := m.run.stop(); err != nil {
		t.Error(err)
	}
	m.verifyRows(filepath.Join(m.dir, "state"))
}

type mapModel struct {
	*mapWorld
	r    *rand.Rand
	dir  string
	copy string // an older copy of the folder
	run  *mapRun
}

func (m *mapModel) start() {
	o := m.options(filepath.Join(m.dir, "state"), m.program(worldMaps, worldLabs, worldChanges))
	o.Quiet = time.Millisecond
	if m.r.IntN(3) == 0 {
		o.Memory = 2000 // nearly everything waits on disk
	}
	if m.r.IntN(2) == 0 {
		o.Transaction = 1 // an entity each
	}
	m.run = m.mapWorld.run(o)
}

func (m *mapModel) step() {
	switch n := m.r.IntN(100); {
	case n < 70:
		b := m.batch()
		for range 1 + m.r.IntN(4) {
			b.transact(m.edits()...)
		}
		b.commit(0)
	case n < 75: // a large transaction, in pieces
		m.pieces()
	case n < 80:
		b := m.batch()
		b.transact(m.edits()...)
		e := b.empty([]string{"people", "labs"}[m.r.IntN(2)])
		b.transact(m.edits()...)
		b.commit(0, e)
	case n < 83:
		m.load()
	case n < 87:
		time.Sleep(time.Duration(m.r.IntN(100)) * time.Millisecond)
	case n < 95:
		m.restart()
	default:
		m.until(m.run)
	}
}

// edits are those of one transaction: a row may change several times.
func (m *mapModel) edits() []edit {
	var out []edit
	for range 1 + m.r.IntN(4) {
		e := edit{id: 1 + m.r.IntN(12), labs: m.r.IntN(3) == 0}
		switch {
		case m.r.IntN(6) == 0: // deleted
		case e.labs:
			e.lab = &lab{m.r.IntN(2) == 0, time.Now().UTC().Add(-time.Duration(m.r.IntN(2)) * 400 * 24 * time.Hour)}
		default:
			e.person = &person{[]string{"patient", "patient", "staff"}[m.r.IntN(3)], fmt.Sprint("n", m.r.IntN(3)),
				[]string{"", "Ulm", "Bonn"}[m.r.IntN(3)], int64(m.r.IntN(3) * 400)}
		}
		out = append(out, e)
	}
	return out
}

// half is a name that no transaction leaves behind.
const half = "half"

// pieces is one source transaction in several Kafka transactions: all cuts but
// the last lie inside it.
func (m *mapModel) pieces() {
	people := maps.Clone(m.people)
	m.txns++
	gtid := fmt.Sprint("0-1-", m.txns)
	n := 2 + m.r.IntN(3)
	changed := map[int]bool{}
	for i := range n {
		b := m.batch()
		for k := range 1 + m.r.IntN(5) {
			p := person{"patient", half, "", int64(m.r.IntN(3) * 400)}
			id := 1 + m.r.IntN(12)
			c := worldChange{table: "people", id: id, op: cdc.Update}
			if c.before, c.after = edited(m.people, id, &p); c.before == nil {
				c.op = cdc.Create
			}
			b.add(c, i*10+k, gtid)
			changed[id] = true
		}
		rows := int64(i + 1)
		if i == n-1 {
			rows = 0
			for id := range changed {
				p := m.people[id]
				p.name = "whole"
				c := worldChange{table: "people", id: id, op: cdc.Update}
				c.before, c.after = edited(m.people, id, &p)
				b.add(c, 100+id, gtid)
			}
		}
		b.commit(rows)
		if m.r.IntN(4) == 0 {
			m.restart()
		}
	}
	for id := range changed {
		old, had := people[id]
		now := m.people[id]
		m.became("people", "test/people/balance-over", id, had && old.owes(), now.owes(), false, time.Time{})
		m.changed(id, old, had)
	}
}

// restart stops the map and starts it again, on the folder as it is, without
// it, or on an older one.
func (m *mapModel) restart() {
	m.Helper()
	if m.r.IntN(2) == 0 {
		m.kill()
	} else if err := m.run.stop(); err != nil {
		m.Fatal(err)
	}
	state := filepath.Join(m.dir, "state")
	switch m.r.IntN(5) {
	case 0:
		m.must(os.RemoveAll(state))
	case 1:
		if m.copy != "" {
			m.must(os.RemoveAll(state))
			m.must(os.CopyFS(state, os.DirFS(m.copy)))
		}
	case 2:
		m.copy = filepath.Join(m.dir, fmt.Sprint("copy", m.r.Uint64()))
		m.must(os.CopyFS(m.copy, os.DirFS(state)))
	}
	m.start()
}

func (m *mapModel) must(err error) {
	m.Helper()
	if err != nil {
		m.Fatal(err)
	}
}

// kill stops the map in the middle of what it does: nothing it says to Kafka
// arrives any more. Its folder is that of a process that ended well, which the
// copies make up for.
func (m *mapModel) kill() {
	m.road.Cut()
	m.must(m.run.stop())
}

// load is a gap in a table's stream and the load that follows it: rows change
// unseen, then the stream goes on while the table is read, chunk by chunk.
func (m *mapModel) load() {
	m.Helper()
	m.until(m.run) // a gap leaves no cut half done
	table := []string{"people", "labs"}[m.r.IntN(2)]
	id := m.tables[table].ID()
	since := time.Now()
	for _, e := range m.edits() { // unseen
		switch {
		case table == "labs" && e.labs:
			edited(m.labs, e.id, e.lab)
		case table == "people" && !e.labs:
			edited(m.people, e.id, e.person)
		}
	}
	m.seq++
	epoch := cdc.Epoch{Table: id, Kind: cdc.EpochReload, Seq: m.seq}
	m.reloads[table] = true
	m.setLoad(id, cdc.Load{Phase: cdc.LoadWaiting, Since: since})
	m.batch().commit(0, epoch)
	left := slices.Collect(maps.Keys(m.people))
	if table == "labs" {
		left = slices.Collect(maps.Keys(m.labs))
	}
	slices.Sort(left)
	for len(left) > 0 {
		b := m.batch()
		b.transact(m.edits()...)
		chunk := left[:min(len(left), 3)]
		left = left[len(chunk):]
		for _, row := range chunk {
			_, person := m.people[row]
			_, lab := m.labs[row]
			if table == "labs" && lab || table == "people" && person {
				b.read(table, row)
			}
		}
		m.setLoad(id, cdc.Load{Phase: cdc.LoadReading, Since: since})
		b.commit(0)
		if m.r.IntN(5) == 0 {
			m.restart()
		}
	}
	m.setLoad(id, cdc.Load{Phase: cdc.LoadDone, Since: since})
	m.batch().commit(0)
	m.wait(m.run, "the refill is swept", func(s pipeline.MapStatus) bool { return s.Swept >= epoch.Seq })
	delete(m.reloads, table)
	m.sweep(table)
}

func (m *mapModel) setLoad(id cdc.TableID, l cdc.Load) {
	m.loads = maps.Clone(m.loads)
	m.loads[id] = l
}

// sweep turns off the latches of rows that vanished in the gap.
func (m *mapModel) sweep(table string) {
	for key, l := range m.latches {
		var id int
		var there bool
		if rest, ok := strings.CutPrefix(key, "test/labs/critical:"); ok && table == "labs" {
			fmt.Sscan(rest, &id)
			_, there = m.labs[id]
		} else if rest, ok := strings.CutPrefix(key, "test/people/balance-over:"); ok && table == "people" {
			fmt.Sscan(rest, &id)
			_, there = m.people[id]
		} else {
			continue
		}
		l.on = l.on && there
	}
}
