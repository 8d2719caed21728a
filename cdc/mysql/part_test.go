package mysql

import (
	"fmt"
	"testing"

	"chartwire/cdc"
)

// While a consumer takes the rows of a part the next one is being read: one
// worker would else rest for as long as the consumer works.
func TestNextPartIsAskedForBeforeOneIsGiven(t *testing.T) {
	id := cdc.TableID{Database: "clinic", Name: "people"}
	s, err := New(Config{Name: "s", Addr: "127.0.0.1:1", User: "u", Selections: []cdc.Selection{{Table: id}}})
	if err != nil {
		t.Fatal(err)
	}
	given := false
	st := &stream{s: s, log: s.cfg.Log, v: &server{}, selected: s.selected, loads: map[cdc.TableID]*load{}, admit: func(*cdc.Table) error { return nil }}
	st.snap = newSnapshotter(s, st.v)
	st.f.exact = true
	st.planLoads(cdc.Resume{})
	st.opening = nil
	st.yield = func(txn *cdc.Txn, err error) bool {
		if err != nil {
			t.Fatal(err)
		}
		given = given || len(txn.Changes) == 1
		select {
		case q := <-st.snap.requests:
			if len(q.after) != 1 || q.after[0] != "7" {
				t.Errorf("asked for what is behind %q", q.after)
			}
		default:
			t.Error("nothing is asked for while rows are given")
		}
		return true
	}
	if err := st.between(); err != nil {
		t.Fatal(err)
	}
	q := <-st.snap.requests
	shape := &cdc.Table{Database: id.Database, Name: id.Name, Columns: []cdc.Column{{Name: "id"}}, Key: []int{0}}
	read := &chunk{id: id, part: q.part, window: q.window, after: []string{"7"}, shape: shape, n: q.rows, asked: q.rows}
	read.changes = []cdc.Change{{Table: shape, Op: cdc.Read, Key: "7"}}
	if err := st.partRead(read); err != nil {
		t.Fatal(err)
	}
	if err := st.between(); err != nil {
		t.Fatal(err)
	}
	if !given {
		t.Error("the rows were not given")
	}
}

// What is remembered of the stream while a part is read is bounded by its bytes,
// whether the keys are many or long.
func TestWindowIsBounded(t *testing.T) {
	f := func(length, most int) {
		t.Helper()
		w := window{keys: map[string]struct{}{}, room: 1 << 20}
		n := 0
		for ; !w.over && n <= most; n++ {
			w.touch(fmt.Sprintf("%0*d", length, n))
			w.touch(fmt.Sprintf("%0*d", length, n)) // again costs nothing
		}
		if n != most+1 || w.keys != nil {
			t.Errorf("%d keys of %d bytes are remembered, want %d", n-1, length, most)
		}
	}
	f(8, 1<<20/(8+keyCost))
	f(3000, 1<<20/(3000+keyCost))
}
