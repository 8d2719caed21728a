package mysql

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"chartwire/cdc"
	"chartwire/integration/faults"
)

// boss gives orders to a stream.
type boss struct {
	*rig
	ch    chan cdc.Order
	n     int64
	asked int64 // that was carried out
	p     *tap
}

func (r *rig) boss() *boss { return &boss{rig: r, ch: make(chan cdc.Order, 100)} }

// start begins or goes on, as another process would: orders of before come again.
func (b *boss) start() {
	resume := cdc.Resume{Orders: b.ch, Asked: b.asked}
	if b.p != nil {
		b.p.stop()
		resume.Checkpoint, resume.Loads = b.p.last, b.p.loads
	}
	b.p = b.tap(resume)
}

func (b *boss) order(o cdc.Order) {
	b.n++
	o.ID = b.n
	b.ch <- o
}

// until reads to where a condition holds, and gives the lines of what came.
func (b *boss) until(what string, done func(t *cdc.Txn) bool) (lines []string) {
	b.t.Helper()
	for began := time.Now(); ; {
		txn := b.next()
		lines = append(lines, show(b.t, txn)...)
		if done(txn) {
			return lines
		}
		if time.Since(began) > patience {
			b.t.Fatalf("it never came to %s; the loads are %+v", what, b.p.loads)
		}
	}
}

// next waits for the next Txn, heartbeats too.
func (b *boss) next() *cdc.Txn {
	b.t.Helper()
	select {
	case txn, ok := <-b.p.txns:
		if !ok {
			b.t.Fatalf("the stream ended: %v", b.p.err)
		}
		b.p.note(txn)
		b.asked = max(b.asked, txn.Asked)
		return txn
	case <-time.After(patience):
		b.t.Fatal("nothing came")
		return nil
	}
}

func (b *boss) obeyed(t *cdc.Txn) bool { return t.Asked == b.n }

// quiet reads a few heartbeats and gives the lines of what came with them.
func (b *boss) quiet() []string {
	b.t.Helper()
	n := 0
	return b.until("heartbeats", func(t *cdc.Txn) bool {
		if len(t.Changes) == 0 && len(t.Loads) == 0 {
			n++
		}
		return n == 4
	})
}

func (b *boss) load(table string) cdc.Load { return b.p.loads[b.id(table)] }

// again is the newest read that an order asked for.
func (b *boss) again(table string) cdc.Reread {
	b.t.Helper()
	list := b.load(table).Again
	if len(list) == 0 {
		b.t.Fatal("nothing is read again")
	}
	return list[len(list)-1]
}

func (b *boss) allAgain(table string) func(*cdc.Txn) bool {
	return func(*cdc.Txn) bool {
		list := b.load(table).Again
		return len(list) > 0 && !slices.ContainsFunc(list, func(r cdc.Reread) bool { return r.Open() })
	}
}

func fill(r *rig, table string, n int) {
	var rows []string
	for i := range n {
		rows = append(rows, fmt.Sprintf("(%d,'n%d',null)", i+1, i+1))
	}
	r.exec("insert into " + table + " values " + strings.Join(rows, ","))
}

// What was loaded is read again when a person says so, in whole or in part, and
// not otherwise; what is known of the table stays known.
func TestOrderStart(t *testing.T) {
	faults.Shows(t, "snapshot-where", "reads again the rows of a condition, or a table, when a person asks; nothing that was known becomes unknown")
	faults.Shows(t, "snapshot-again", "reads nothing again after a restart: what is done stays done")
	each(t, func(t *testing.T, k kind) {
		r := newRig(t, k, people+"InnoDB", "people")
		fill(r, "people", 50)
		r.cfg.Snapshot = Snapshot{ChunkRows: 7, Workers: 2}
		b := r.boss()
		b.start()
		first := b.p.loaded()
		b.order(cdc.Order{Act: cdc.ActStart, Table: r.id("people"), Where: "id between 20 and 23 or name = 'n1'"})
		want(t, b.until("the end", b.allAgain("people")), "r people 1: id=1 name=n1 note=NULL", "r people 20: id=20 name=n20 note=NULL",
			"r people 21: id=21 name=n21 note=NULL", "r people 22: id=22 name=n22 note=NULL", "r people 23: id=23 name=n23 note=NULL")
		if l := b.load("people"); l.Phase != cdc.LoadDone || l.Rows != 50 || b.again("people").Rows != 5 {
			t.Errorf("the table's state became %+v", l)
		}
		b.start()
		if lines := b.quiet(); len(lines) > 0 {
			t.Errorf("a restart read again: %q", lines)
		}
		b.order(cdc.Order{Act: cdc.ActStart}) // all
		want(t, b.until("the end", b.allAgain("people")), first...)
		if lines := b.quiet(); len(lines) > 0 {
			t.Errorf("more came: %q", lines)
		}
	})
}

// A condition that the server does not take ends its own read, and nothing else.
func TestOrderWrongCondition(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		r := newRig(t, k, people+"InnoDB", "people")
		fill(r, "people", 3)
		b := r.boss()
		b.start()
		b.p.loaded()
		for _, where := range []string{"nothere = 5", "id = (select 1 from canary)", "id = = 5", "id in (1,2"} {
			b.order(cdc.Order{Act: cdc.ActStart, Table: r.id("people"), Where: where})
			refused := ""
			b.until("an answer", func(t *cdc.Txn) bool { refused += t.Refused; return b.obeyed(t) })
			if refused != "" {
				continue
			}
			b.until("the end", b.allAgain("people"))
			if a := b.again("people"); a.Problem == "" || a.Rows != 0 || strings.Contains(a.Problem, "nothere") || strings.Contains(a.Problem, "canary") {
				t.Errorf("%s: ended as %+v", where, a)
			}
		}
		r.exec("insert into people values (9,'z',null)")
		want(t, show(t, b.p.next()), "c people 9: id=9 name=z note=NULL")
	})
}

// A pause holds through restarts, and what follows goes on at the chunk where it
// began.
func TestOrderPause(t *testing.T) {
	faults.Shows(t, "snapshot-pause", "pauses at a chunk, stays so through a restart, and goes on behind it: each row once")
	each(t, func(t *testing.T, k kind) {
		r := newRig(t, k, people+"InnoDB", "people")
		const n = 400
		fill(r, "people", n)
		r.cfg.Snapshot = Snapshot{ChunkRows: 5, Workers: 2, Pause: 20 * time.Millisecond}
		b := r.boss()
		b.start()
		lines := b.until("some rows", func(*cdc.Txn) bool { return b.load("people").Rows > 20 })
		b.order(cdc.Order{Act: cdc.ActPause, Table: r.id("people")})
		lines = append(lines, b.until("the pause", b.obeyed)...)
		lines = append(lines, b.quiet()...)
		if l := b.load("people"); !l.Paused || l.Phase != cdc.LoadReading || l.Rows >= n {
			t.Fatalf("paused: %+v", l)
		}
		b.start()
		if more := b.quiet(); len(more) > 0 {
			t.Errorf("%d rows were read in the pause", len(more))
		}
		b.order(cdc.Order{Act: cdc.ActResume})
		lines = append(lines, b.until("the end", func(*cdc.Txn) bool { return b.load("people").Phase == cdc.LoadDone })...)
		if len(lines) != n || b.load("people").Rows != n {
			t.Errorf("%d rows came, not %d: %+v", len(lines), n, b.load("people"))
		}
	})
}

func TestOrderStop(t *testing.T) {
	r := newRig(t, maria, people+"InnoDB", "people")
	const n = 300
	fill(r, "people", n)
	r.cfg.Snapshot = Snapshot{ChunkRows: 5, Pause: 10 * time.Millisecond}
	b := r.boss()
	b.start()
	b.until("some rows", func(*cdc.Txn) bool { return b.load("people").Rows > 20 })
	b.order(cdc.Order{Act: cdc.ActStop, Table: r.id("people")})
	b.until("the stop", b.obeyed)
	b.quiet()
	if l := b.load("people"); l.Phase != cdc.LoadWaiting || l.Rows != 0 {
		t.Errorf("stopped: %+v", l)
	}
	b.order(cdc.Order{Act: cdc.ActStart, Table: r.id("people")})
	if lines := b.until("the end", func(*cdc.Txn) bool { return b.load("people").Phase == cdc.LoadDone }); len(lines) != n {
		t.Errorf("%d rows came, not %d", len(lines), n)
	}
	b.order(cdc.Order{Act: cdc.ActStart, Table: r.id("people"), Where: "id > 10"})
	b.order(cdc.Order{Act: cdc.ActStart, Table: r.id("people"), Where: "id > 20"})
	b.until("some rows", func(*cdc.Txn) bool { l := b.load("people").Again; return len(l) == 2 && l[0].Rows > 20 })
	b.order(cdc.Order{Act: cdc.ActStop, Table: r.id("people"), Where: "id > 10"})
	b.until("the end", b.allAgain("people"))
	if a := b.load("people").Again; a[0].Problem != stopped || a[1].Problem != "" || a[1].Rows != n-20 {
		t.Errorf("stopped: %+v", a)
	}
}

// A table and a column are captured from the order on, and for old rows as soon
// as they are read again; that holds through restarts.
func TestOrderAdd(t *testing.T) {
	faults.Shows(t, "ddl-table-add", "is captured from the order on and read meanwhile, without a restart of the stream")
	faults.Shows(t, "ddl-column-add", "counts as unknown until the table has been read again for its old rows")
	each(t, func(t *testing.T, k kind) {
		r := newRig(t, k, people+"InnoDB; create table later (id int primary key, v int); create view seen as select 1; create table loose (a int); create table other (id int primary key)", "people")
		r.cfg.Selections[0].Columns = []string{"name"}
		r.exec("insert into people values (1,'a','x'); insert into later values (1,1)")
		b := r.boss()
		b.start()
		want(t, b.p.loaded(), "r people 1: id=1 name=a")
		b.order(cdc.Order{Act: cdc.ActColumn, Table: r.id("people"), Columns: []string{"note"}})
		lines := b.until("the order", b.obeyed)
		if l := b.load("people"); l.Phase == cdc.LoadDone {
			t.Errorf("the column counts as known: %+v", l)
		}
		lines = append(lines, b.until("the end", func(*cdc.Txn) bool { return b.load("people").Phase == cdc.LoadDone })...)
		want(t, lines, "r people 1: id=1 name=a note=x")
		b.order(cdc.Order{Act: cdc.ActTable, Table: r.id("later"), Columns: []string{"*"}})
		want(t, b.until("the end", func(*cdc.Txn) bool { return b.load("later").Phase == cdc.LoadDone }), "r later 1: id=1 v=1")
		for _, o := range []cdc.Order{
			{Act: cdc.ActTable, Table: r.id("seen"), Columns: []string{"*"}},
			{Act: cdc.ActTable, Table: r.id("loose"), Columns: []string{"*"}},
			{Act: cdc.ActTable, Table: r.id("nothere"), Columns: []string{"*"}},
			{Act: cdc.ActColumn, Table: r.id("loose"), Columns: []string{"a"}},
			{Act: cdc.ActColumn, Table: r.id("people"), Columns: []string{"name", "mistyped"}},
			{Act: cdc.ActTable, Table: r.id("other"), Columns: []string{"id", "mistyped"}},
			{Act: cdc.ActStart, Table: r.id("loose")},
		} {
			b.order(o)
			b.until("an answer", func(txn *cdc.Txn) bool {
				if b.obeyed(txn) && txn.Refused == "" {
					t.Errorf("%+v was not refused", o)
				}
				return b.obeyed(txn)
			})
		}
		b.start()
		r.exec("insert into people values (2,'b','y'); insert into later values (2,2)")
		want(t, append(show(t, b.p.next()), show(t, b.p.next())...), "c people 2: id=2 name=b note=y", "c later 2: id=2 v=2")
		if lines := b.quiet(); len(lines) > 0 {
			t.Errorf("a restart read again: %q", lines)
		}
	})
}

// A table that was captured once keeps the fields that were accepted for it.
func TestOrderAddAgain(t *testing.T) {
	r := newRig(t, maria, people+"InnoDB; create table later (id int primary key, v int)", "people", "later")
	b := r.boss()
	b.start()
	b.p.loaded()
	b.p.stop()
	resume := b.p.resume()
	l := resume.Loads[r.id("later")]
	l.Fields = map[string]string{"v": "v_v2"}
	resume.Loads[r.id("later")] = l
	r.cfg.Selections = r.cfg.Selections[:1]
	b.p = r.tap(resume)
	b.until("its leave", func(*cdc.Txn) bool { return b.load("later").Phase == cdc.LoadLeft })
	b.order(cdc.Order{Act: cdc.ActTable, Table: r.id("later"), Columns: []string{"*"}})
	b.start()
	b.until("the order", b.obeyed)
	if l := b.load("later"); l.Fields["v"] != "v_v2" || len(l.Key) != 1 {
		t.Errorf("captured again as %+v", l)
	}
}

func TestCheckWhere(t *testing.T) {
	f := func(where string, ok bool) {
		t.Helper()
		if err := CheckWhere(where); (err == nil) != ok {
			t.Errorf("%q: %v", where, err)
		}
	}
	f("id = 5", true)
	f("id in (1,(2)) and name = 'a''b)' or name = \"x;\\\"--\"", true)
	f("`odd;(` = 1", true)
	f("", false)
	f("  ", false)
	f("1) or (1", false)
	f("(1", false)
	f("1; drop table x", false)
	f("1 -- x", false)
	f("1 # x", false)
	f("1 /* x", false)
	f("name = 'x", false)
	f("name = 'x\\'", false)
	f("`x\\` = 1", true)
}
