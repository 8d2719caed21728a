package mysql

import (
	"testing"

	"chartwire/cdc"
	"chartwire/cdc/mysql/image"
	"chartwire/integration/faults"
)

// REPLACE is what it does: the rows in its way go, and its own comes. The servers
// log an update where the key stays.
func TestReplace(t *testing.T) {
	faults.Shows(t, "replace", "the rows that were in its way go, one for each key, and the new one comes")
	each(t, func(t *testing.T, k kind) {
		r, p := started(t, k, "create table people (id int primary key, code int unique, name varchar(20)); insert into people values (1,10,'a'),(2,20,'b'),(3,30,'c')", "people")
		r.exec("replace into people values (1,20,'both')") // in the way of two
		got := map[string]string{}
		for _, c := range p.next().Changes {
			switch {
			case c.After == nil:
				delete(got, c.Key)
				got["gone "+c.Key] = ""
			default:
				got[c.Key] = rowText(t, c.Table, c.After)
			}
		}
		if _, gone := got["gone 2"]; !gone || got["1"] != " id=1 code=20 name=both" {
			t.Errorf("got %v", got)
		}
		r.exec("replace into people values (9,90,'new')")
		want(t, show(t, p.next()), "c people 9: id=9 code=90 name=new")
		r.exec("replace into people values (7,30,'moved')") // another key than the row in its way
		got = map[string]string{}
		for _, c := range p.next().Changes {
			if c.After == nil {
				got["gone "+c.Key] = ""
			} else {
				got[c.Key] = rowText(t, c.Table, c.After)
			}
		}
		if _, gone := got["gone 3"]; !gone || got["7"] != " id=7 code=30 name=moved" {
			t.Errorf("got %v", got)
		}
	})
}

// One statement that changes several tables is one transaction of both.
func TestMultiTable(t *testing.T) {
	faults.Shows(t, "multi-table", "comes as one transaction with the rows of each table")
	each(t, func(t *testing.T, k kind) {
		r, p := started(t, k, people+"InnoDB; create table visits (id int primary key, person int, note text); create table aside (id int primary key);"+
			"insert into people values (1,'a',null),(2,'b',null); insert into visits values (5,1,null),(6,2,null)", "people", "visits")
		r.exec("update people p join visits v on v.person = p.id set p.name='x', v.note='y' where p.id = 1")
		txn := p.next()
		if !txn.Begin || !txn.End {
			t.Errorf("begin %v, end %v", txn.Begin, txn.End)
		}
		want(t, show(t, txn), "u people 1: id=1 name=a note=NULL -> id=1 name=x note=NULL", "u visits 5: id=5 person=1 note=NULL -> id=5 person=1 note=y")
		r.exec("delete p, v from people p join visits v on v.person = p.id")
		lines := map[string]bool{}
		for _, l := range show(t, p.next()) {
			lines[l] = true
		}
		for _, l := range []string{"d people 1: id=1 name=x note=NULL", "d people 2: id=2 name=b note=NULL", "d visits 5: id=5 person=1 note=y", "d visits 6: id=6 person=2 note=NULL"} {
			if !lines[l] || len(lines) != 4 {
				t.Errorf("got %v, want %s among 4", lines, l)
			}
		}
	})
}

// A sequence's rows are in MariaDB's log as if it were a table: nobody's, unless
// it is selected, and then it has no key to tell rows by.
func TestSequence(t *testing.T) {
	faults.Shows(t, "sequence", "the rows of a sequence pass; a selected one is held, as a table without a key")
	r, p := started(t, maria, people+"InnoDB; create sequence numbers start with 100 increment by 10", "people")
	r.exec("insert into people values (next value for numbers,'a',null); select setval(numbers, 500); insert into people values (next value for numbers,'b',null)")
	want(t, show(t, p.next()), "c people 100: id=100 name=a note=NULL")
	want(t, show(t, p.next()), "c people 510: id=510 name=b note=NULL")
	p.stop()
	r.exec("drop sequence numbers; create sequence numbers; insert into people values (1,'c',null)")
	q := r.tap(p.resume())
	want(t, show(t, q.next()), "c people 1: id=1 name=c note=NULL")
}

// One that is selected is held alone.
func TestSelectedSequence(t *testing.T) {
	r := newRig(t, maria, people+"InnoDB; create sequence numbers", "people", "numbers")
	p := r.tap(cdc.Resume{})
	for held := p.loads[r.id("numbers")]; !held.IsHeld(); held = p.loads[r.id("numbers")] {
		p.next()
	}
	if code := p.loads[r.id("numbers")].Held.Code; code != image.HaltNoKey {
		t.Errorf("it is held by %s", code)
	}
	r.exec("insert into people values (next value for numbers,'a',null)")
	for {
		if txn := p.next(); len(txn.Changes) > 0 {
			want(t, show(t, txn), "c people 1: id=1 name=a note=NULL")
			return
		}
	}
}
