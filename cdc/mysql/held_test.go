package mysql

import (
	"context"
	"slices"
	"strings"
	"testing"

	"chartwire/cdc"
	"chartwire/cdc/mysql/image"
	"chartwire/integration/faults"
)

// held waits until a table is held.
func (p *tap) held(id cdc.TableID, code string) cdc.Held {
	p.t.Helper()
	p.await(func() bool { return p.loads[id].Held.Code != "" }, func() string { return id.String() + " is not held" })
	h := p.loads[id].Held
	if h.Code != code || !strings.Contains(h.Text, id.String()) || h.Since.IsZero() {
		p.t.Errorf("held by %+v, want %s", h, code)
	}
	return h
}

// seen reads until a line has come, and gives all lines up to it.
func (p *tap) seen(line string) (lines []string) {
	p.t.Helper()
	for !slices.Contains(lines, line) {
		lines = append(lines, show(p.t, p.next())...)
	}
	return lines
}

// TestHeldAlone makes tables unreadable in every way that a statement can; they
// alone are left out, and read again when another statement mends them.
func TestHeldAlone(t *testing.T) {
	faults.Shows(t, "versioned-tables", "holds that table alone by table-system-versioned, from before its first history row")
	faults.Shows(t, "no-key", "holds that table alone by table-without-key, reads it again once it has one")
	each(t, func(t *testing.T, k kind) {
		f := func(name, code, breaks, leaves string, left int64, mends, after string) {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				r := newRig(t, k, people+"InnoDB; create table others (id int primary key); insert into people values (1,'canary',null)", "people", "others")
				p := r.tap(cdc.Resume{})
				p.loaded()
				r.exec(breaks)
				r.exec(leaves)
				if h := p.held(r.id("people"), code); strings.Contains(h.Text, "canary") {
					t.Errorf("a value is in the words: %s", h.Text)
				}
				r.exec("insert into others values (7)")
				for _, l := range p.seen("c others 7: id=7") {
					if strings.Contains(l, "people") {
						t.Errorf("of a held table: %s", l)
					}
				}
				p.stop() // what is known of it stays over a restart
				p = r.tap(p.resume())
				r.exec("insert into others values (8)")
				p.seen("c others 8: id=8")
				if l := p.loads[r.id("people")]; l.Held.Rows != left || l.Phase != cdc.LoadWaiting {
					t.Errorf("%d rows were left out, want %d: %+v", l.Held.Rows, left, l)
				}
				r.exec(mends)
				p.seen("epoch reload people")
				if l := p.loads[r.id("people")]; l.IsHeld() {
					t.Errorf("still held: %+v", l)
				}
				got := p.loaded()
				if !slices.Contains(got, "r people 1: id=1 name=canary note=NULL"+after) || len(got) != 1 {
					t.Errorf("read again: %v", got)
				}
			})
		}
		f("key dropped", image.HaltNoKey, "alter table people drop primary key", "insert into people values (2,'canary',null); delete from people where id=2", 2,
			"alter table people add primary key (id)", "")
		if k.name == maria.name {
			f("system versioning", HaltVersioned, "alter table people add system versioning", "update people set note='canary'; update people set note=null", 4,
				"alter table people drop system versioning", "")
		}
	})
}

// TestAdmit asks the consumer before the first change of a version, and holds
// what it refuses; a person's decision and a restart later it is read again.
func TestAdmit(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		r := newRig(t, k, people+"InnoDB; create table others (id int primary key); insert into people values (1,'a',null)", "people", "others")
		s, err := New(r.cfg)
		must(t, err)
		var asked []string
		resume := cdc.Resume{Admit: func(_ context.Context, table *cdc.Table) error {
			c := table.Columns[len(table.Columns)-1]
			asked = append(asked, table.Name+"."+c.Name+" "+c.Type.Kind.String())
			if c.Name == "note" && c.Type.Kind == cdc.KindInt {
				return &cdc.Halt{Code: "refused", Text: table.ID().String() + " column note", Columns: []string{"note"}, Alone: true}
			}
			return nil
		}}
		p := tapSource(t, s, resume)
		p.loaded()
		r.exec("alter table people modify note int")
		r.exec("insert into people values (2,'b',3)")
		r.exec("insert into others values (1)")
		if h := p.held(r.id("people"), "refused"); !slices.Equal(h.Columns, []string{"note"}) {
			t.Errorf("held: %+v", h)
		}
		p.seen("c others 1: id=1")
		p.stop()
		want(t, slices.Compact(asked), "people.note text", "others.id int", "people.note int", "others.id int")
		again := p.resume()
		l := again.Loads[r.id("people")]
		l.Held = cdc.Held{}
		again.Loads[r.id("people")] = l
		p = r.tap(again)
		want(t, p.loaded(), "r people 1: id=1 name=a note=NULL", "r people 2: id=2 name=b note=3")
	})
}

// TestKeyChange gives a table another key while nobody reads, and while the
// stream does.
func TestKeyChange(t *testing.T) {
	faults.Shows(t, "ddl-key-change", "writes an epoch and reads the table again under its new keys; rows before the ALTER keep their old ones")
	each(t, func(t *testing.T, k kind) {
		r, p := started(t, k, "create table people (id int primary key, code varchar(9) not null); insert into people values (1,'a')", "people")
		p.stop()
		r.exec("insert into people values (2,'b')")
		r.exec("alter table people drop primary key, add primary key (code)")
		r.exec("insert into people values (3,'c')")
		p = r.tap(p.resume())
		want(t, p.seen("c people c: id=3 code=c"), "c people 2: id=2 code=b", "epoch reload people", "c people c: id=3 code=c")
		want(t, p.loaded(), "r people a: id=1 code=a", "r people b: id=2 code=b") // c came by itself
		r.exec("alter table people drop primary key, add primary key (code, id)")
		want(t, p.seen("epoch reload people"), "epoch reload people")
		if got := p.loaded(); len(got) != 3 || got[0] != "r people a/1: id=1 code=a" {
			t.Errorf("read again: %v", got)
		}
		// Over a restart before any row: the state knows the key.
		p.stop()
		r.exec("alter table people drop primary key, add primary key (id)")
		p = r.tap(p.resume())
		p.seen("epoch reload people")
		if got := p.loaded(); len(got) != 3 || got[0] != "r people 1: id=1 code=a" {
			t.Errorf("read again: %v", got)
		}
	})
}

// TestTypesOfDroppedColumns reads rows of a column whose type the stream leaves
// open, between an ALTER and the one that dropped it at the server since.
func TestTypesOfDroppedColumns(t *testing.T) {
	r, p := started(t, maria, "create table people (id int primary key, ip inet6, j json); insert into people values (1,'::1','{}')", "people")
	p.stop()
	r.exec("alter table people add x int")
	r.exec(`insert into people values (2,'2001:db8::','{"a":1}',3)`)
	r.exec("alter table people drop ip, modify j varchar(99)")
	q := r.tap(p.resume())
	got := q.seen(`c people 2: id=2 ip=2001:db8:: j={"a":1} x=3`)
	if len(got) == 0 {
		t.Error("nothing came")
	}
	want(t, q.loaded()[:1], `r people 1: id=1 j={} x=NULL`)
}
