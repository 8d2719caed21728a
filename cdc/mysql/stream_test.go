package mysql

import (
	"testing"
	"time"

	"chartwire/cdc"
	"chartwire/integration/faults"
)

const people = "create table people (id int primary key, name varchar(20), note text) engine="

// started is a rig whose people table is loaded and whose stream is running.
func started(t *testing.T, k kind, ddl string, tables ...string) (*rig, *tap) {
	t.Helper()
	r := newRig(t, k, ddl, tables...)
	p := r.tap(cdc.Resume{})
	p.loaded()
	return r, p
}

func TestChanges(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		for _, engine := range []string{"InnoDB", "MyISAM"} {
			t.Run(engine, func(t *testing.T) {
				r, p := started(t, k, people+engine, "people")
				r.exec("insert into people values (1,'Ann',null),(2,'Zoë','x')")
				want(t, show(t, p.next()), "c people 1: id=1 name=Ann note=NULL", "c people 2: id=2 name=Zoë note=x")
				before := time.Now()
				r.exec("update people set name='Bob' where id=1")
				txn := p.next()
				want(t, show(t, txn), "u people 1: id=1 name=Ann note=NULL -> id=1 name=Bob note=NULL")
				if at := txn.CommitTime; at.Before(before.Add(-2*time.Second)) || at.After(time.Now().Add(1500*time.Millisecond)) {
					t.Errorf("committed behind %s, and said to be at %s", before, at)
				}
				if !txn.Begin || !txn.End || txn.Checkpoint.Position.Server == "" || txn.Checkpoint.Position.File == "" || txn.Checkpoint.Rows != 0 {
					t.Errorf("not a whole transaction with its place: %+v", txn)
				}
				r.exec("update people set id=9 where id=1") // another key is another row
				txn = p.next()
				want(t, show(t, txn), "d people 1: id=1 name=Bob note=NULL", "c people 9: id=9 name=Bob note=NULL")
				if txn.Changes[0].Index != 0 || txn.Changes[1].Index != 0 {
					t.Error("the halves of a key change do not share their ordinal")
				}
				r.exec("delete from people")
				txn = p.next()
				if len(txn.Changes) != 2 || txn.Changes[0].Op != cdc.Delete || txn.Changes[1].Index != 1 {
					t.Errorf("two deletes are %v", show(t, txn))
				}
			})
		}
	})
}

func TestTransactionsAreWhole(t *testing.T) {
	faults.Shows(t, "savepoint", "what was rolled back to a savepoint or at the end never comes")
	each(t, func(t *testing.T, k kind) {
		r, p := started(t, k, people+"InnoDB; create table other (id int primary key)", "people")
		r.exec("start transaction; insert into other values (1),(2); insert into people values (1,'a',null); savepoint s; " +
			"insert into people values (2,'b',null); rollback to s; update people set name='c' where id=1; commit")
		txn := p.next()
		want(t, show(t, txn), "c people 1: id=1 name=a note=NULL", "u people 1: id=1 name=a note=NULL -> id=1 name=c note=NULL")
		if txn.Changes[0].Index != 2 || txn.Changes[1].Index != 3 {
			t.Errorf("rows of tables nobody selected do not count: %d %d", txn.Changes[0].Index, txn.Changes[1].Index)
		}
		r.exec("start transaction; insert into people values (3,'x',null); rollback")
		r.exec("insert into people values (4,'y',null)")
		want(t, show(t, p.next()), "c people 4: id=4 name=y note=NULL")
	})
}

// A transaction that touches nothing captured, and a server with nothing to
// say, still move the position.
func TestHeartbeats(t *testing.T) {
	faults.Shows(t, "idle-source", "moves the position with every heartbeat")
	each(t, func(t *testing.T, k kind) {
		r, p := started(t, k, people+"InnoDB; create table other (id int primary key)", "people")
		before := p.last.Position
		r.exec("insert into other values (1)")
		deadline := time.After(patience)
		beats := 0
		for beats < 3 {
			select {
			case txn := <-p.txns:
				if len(txn.Changes) > 0 || !txn.Begin || !txn.End {
					t.Fatalf("not a heartbeat: %+v", txn)
				}
				if txn.Checkpoint.Position.Offset != before.Offset {
					beats++
				}
			case <-deadline:
				t.Fatal("no heartbeats behind the transaction")
			}
		}
	})
}

func TestEpochs(t *testing.T) {
	faults.Shows(t, "ddl-truncate", "an epoch: the rows before it are gone")
	faults.Shows(t, "ddl-drop", "an epoch; the rows of the new table follow it")
	faults.Shows(t, "ddl-rename", "an epoch, and the table is read again")
	faults.Shows(t, "ddl-swap", "an epoch, and the table is read again")
	each(t, func(t *testing.T, k kind) {
		r, p := started(t, k, people+"InnoDB; create table spare (id int primary key, name varchar(20), note text)", "people")
		r.exec("insert into people values (1,'a',null)")
		p.next()
		r.exec("truncate people")
		want(t, show(t, p.next()), "epoch truncate people")
		if p.loads[r.id("people")].Phase != cdc.LoadDone {
			t.Error("an emptied table is read again")
		}
		r.exec("insert into spare values (7,'s',null); rename table people to old, spare to people")
		want(t, show(t, p.next()), "epoch rename people", "epoch rename people")
		want(t, p.loaded(), "r people 7: id=7 name=s note=NULL")
		r.exec("drop table people")
		want(t, show(t, p.next()), "epoch drop people")
		r.exec(people + "InnoDB")
		r.exec("insert into people values (8,'new',null)")
		want(t, show(t, p.next()), "c people 8: id=8 name=new note=NULL")
		p.loaded()
	})
}

// A column that is new has a value in old rows that no event says.
func TestNewColumnReadsAgain(t *testing.T) {
	faults.Shows(t, "ddl-default", "reads the table again for the value that no event said")
	each(t, func(t *testing.T, k kind) {
		r, p := started(t, k, people+"InnoDB; insert into people values (1,'a',null)", "people")
		r.exec("alter table people add column age int not null default 5")
		want(t, show(t, p.next())) // no row says so
		if p.loads[r.id("people")].Phase != cdc.LoadWaiting {
			t.Errorf("the load is %+v", p.loads)
		}
		want(t, p.loaded(), "r people 1: id=1 name=a note=NULL age=5")
		r.exec("insert into people values (2,'b',null,6)")
		want(t, show(t, p.next()), "c people 2: id=2 name=b note=NULL age=6")
	})
}
