package mysql

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chartwire/cdc"
	"chartwire/schemas"
)

// mirror is what a reader of a stream knows of tables: of each key the newest
// row, by column. Rows from before an epoch count until the refill is complete.
type mirror struct {
	t    testing.TB
	n    int // changes so far
	gone map[cdc.TableID]int
	rows map[cdc.TableID]map[string]mirrored
}

type mirrored struct {
	n       int
	columns map[string]string
}

func newMirror(t testing.TB) *mirror {
	return &mirror{t: t, gone: map[cdc.TableID]int{}, rows: map[cdc.TableID]map[string]mirrored{}}
}

func (m *mirror) clone() *mirror {
	c := &mirror{t: m.t, n: m.n, gone: maps.Clone(m.gone), rows: map[cdc.TableID]map[string]mirrored{}}
	for id, rows := range m.rows {
		c.rows[id] = maps.Clone(rows)
	}
	return c
}

func (m *mirror) apply(txn *cdc.Txn) {
	m.t.Helper()
	for _, e := range txn.Epochs {
		m.n++
		m.gone[e.Table] = m.n
	}
	for _, c := range txn.Changes {
		m.n++
		id := c.Table.ID()
		if m.rows[id] == nil {
			m.rows[id] = map[string]mirrored{}
		}
		if c.After == nil {
			delete(m.rows[id], c.Key)
			continue
		}
		m.rows[id][c.Key] = mirrored{m.n, columnsOf(m.t, c.Table, c.After)}
	}
}

// columnsOf is a row's values by column.
func columnsOf(t testing.TB, table *cdc.Table, row cdc.Row) map[string]string {
	t.Helper()
	s, err := schemas.NewRowSchema(table)
	if err != nil {
		t.Fatal(err)
	}
	var f schemas.Fields
	if err := f.Read(s, row); err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for i := range table.Columns {
		if v := f.Value(i); v.Null() {
			out[table.Columns[i].Name] = "NULL"
		} else {
			out[table.Columns[i].Name] = table.Columns[i].Type.Kind.String() + " " + string(v.AppendText(nil))
		}
	}
	return out
}

// differs compares a table with what a first read gives of it now: "" if they
// are equal, by value, of every column that there is.
func (m *mirror) differs(id cdc.TableID, now *mirror) string {
	want := now.rows[id]
	got := map[string]map[string]string{}
	for key, r := range m.rows[id] {
		if r.n > m.gone[id] {
			got[key] = r.columns
		}
	}
	for _, key := range slices.Sorted(maps.Keys(want)) {
		for column, value := range want[key].columns {
			if have, ok := got[key][column]; !ok || have != value {
				return fmt.Sprintf("key %s, column %s: %q, the table has %q", key, column, have, value)
			}
		}
		delete(got, key)
	}
	if len(got) > 0 {
		return fmt.Sprintf("keys %v are not in the table", slices.Sorted(maps.Keys(got)))
	}
	return ""
}

// follow applies what a tap gives until every named table is equal to what it is
// at the server, which nobody changes any more.
func (r *rig) follow(p *tap, m *mirror, tables ...string) {
	r.t.Helper()
	q := r.tap(cdc.Resume{})
	now := newMirror(r.t)
	for open := true; open; {
		now.apply(q.next())
		open = len(q.loads) == 0
		for id, l := range q.loads {
			open = open || l.Phase != cdc.LoadDone && slices.Contains(tables, id.Name)
		}
	}
	q.stop()
	deadline := time.After(3 * patience)
	for {
		said, done := "", true
		for _, name := range tables {
			done = done && p.loads[r.id(name)].Phase == cdc.LoadDone
			if d := m.differs(r.id(name), now); d != "" && said == "" {
				said = name + ": " + d
			}
		}
		if done && said == "" {
			return
		}
		select {
		case txn, ok := <-p.txns:
			if !ok {
				r.t.Fatalf("the stream ended: %v", p.err)
			}
			p.note(txn)
			m.apply(txn)
		case <-deadline:
			r.t.Fatalf("the contents differ: %s; loads %+v", said, p.loads)
		}
	}
}

// writing changes rows of a table of id and name until it is told to stop: its
// statements may fail while the table is being changed. hold keeps it still.
type writing struct {
	sync.Mutex
	stop func()
	done atomic.Int64
}

func (r *rig) writeOn(table string) *writing {
	w := &writing{}
	quit, ended := make(chan struct{}), make(chan struct{})
	w.stop = sync.OnceFunc(func() { close(quit); <-ended })
	r.t.Cleanup(w.stop)
	go func() {
		defer close(ended)
		for n := 0; ; n++ {
			select {
			case <-quit:
				return
			default:
			}
			id := n%40 + 1
			statement := fmt.Sprintf("insert into %s (id, name) values (%d, 'n%d')", table, id, n)
			switch n % 7 {
			case 1, 2, 3:
				statement = fmt.Sprintf("update %s set name = 'u%d' where id = %d", table, n, id)
			case 4:
				statement = fmt.Sprintf("delete from %s where id between %d and %d", table, id, id+2)
			}
			w.Lock()
			if _, err := r.sql.Exec(statement); err == nil {
				w.done.Add(1)
			}
			w.Unlock()
		}
	}()
	return w
}

// wrote waits until more was written.
func (w *writing) wrote(r *rig, n int64) {
	r.t.Helper()
	from := w.done.Load()
	for start := time.Now(); w.done.Load() < from+n; time.Sleep(time.Millisecond) {
		if time.Since(start) > patience {
			r.t.Fatal("nothing is written")
		}
	}
}

// run executes statements while rows are written, and waits for some behind each.
// One that starts with "!" leaves a table that nobody can write to: the writer is
// held up to the next that does not.
func (w *writing) run(r *rig, steps string) {
	r.t.Helper()
	held := false
	for _, s := range statements(steps) {
		step, holds := strings.CutPrefix(s, "!")
		if holds && !held {
			w.Lock()
			held = true
		}
		r.exec("set sql_mode='', lock_wait_timeout=60; " + step)
		if !holds {
			if held {
				w.Unlock()
				held = false
			}
			w.wrote(r, 8)
		}
	}
}

// statements splits what is written with semicolons.
func statements(text string) (out []string) {
	for s := range strings.SplitSeq(text, ";") {
		if s = strings.TrimSpace(s); s != "" {
			out = append(out, s)
		}
	}
	return out
}
