package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"chartwire/cdc"
	"chartwire/integration/faults"
)

// session is one connection of a program.
func (r *rig) session() *sql.Conn {
	r.t.Helper()
	c, err := r.sql.Conn(context.Background())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = c.Close() })
	return c
}

func say(t testing.TB, c *sql.Conn, format string, args ...any) {
	t.Helper()
	statements := fmt.Sprintf(format, args...)
	if _, err := c.ExecContext(context.Background(), statements); err != nil {
		t.Fatalf("%s: %v", statements, err)
	}
}

// xaName is a transaction's name that no other test uses.
func (r *rig) xaName(s string) string { return "'" + r.name + s + "','b',7" }

// prepare leaves a transaction prepared in a session that goes on.
func (r *rig) prepare(name, statements string) *sql.Conn {
	// What a failed test leaves would hold the tables for good. In MariaDB it is
	// another connection's only when its own has ended.
	r.t.Cleanup(func() {
		for range 20 {
			if _, err := r.sql.Exec("xa rollback " + r.xaName(name)); err == nil || strings.Contains(err.Error(), "XAE04") {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
	})
	c := r.session()
	say(r.t, c, "xa start %[1]s; %[2]s; xa end %[1]s; xa prepare %[1]s", r.xaName(name), statements)
	return c
}

// Nothing of a prepared transaction is there before it is committed, whoever
// commits it and whatever comes between, and nothing of one that is rolled back.
func TestPrepared(t *testing.T) {
	faults.Shows(t, "xa", "nothing leaves before the commit, whoever makes it and whatever comes between; nothing of what is rolled back")
	each(t, func(t *testing.T, k kind) {
		r, p := started(t, k, people+"InnoDB; create table other (id int primary key)", "people")
		a := r.prepare("a", "insert into people values (1,'a',null); insert into other values (1); update people set name='b' where id=1")
		b := r.prepare("b", "insert into people values (2,'undone',null)")
		r.exec("insert into people values (3,'between',null)")
		want(t, show(t, p.next()), "c people 3: id=3 name=between note=NULL")
		if !strings.Contains(p.last.Position.Prepared, r.name+".people") {
			t.Errorf("the position's prepared transactions are %q", p.last.Position.Prepared)
		}
		say(t, b, "xa rollback %s", r.xaName("b"))
		say(t, a, "xa commit %s", r.xaName("a"))
		txn := p.next()
		want(t, show(t, txn), "c people 1: id=1 name=a note=NULL", "u people 1: id=1 name=a note=NULL -> id=1 name=b note=NULL")
		if !txn.Begin || !txn.End || strings.Contains(p.last.Position.Prepared, r.name+".people") { // others share the server
			t.Errorf("begin %v, end %v, left prepared %q", txn.Begin, txn.End, p.last.Position.Prepared)
		}
		c := r.session()
		say(t, c, "xa start %[1]s; insert into people values (4,'one phase',null); xa end %[1]s; xa commit %[1]s one phase", r.xaName("c"))
		want(t, show(t, p.next()), "c people 4: id=4 name=one phase note=NULL")
		// A name may be used again, and savepoints count inside.
		a = r.prepare("a", "insert into people values (5,'kept',null); savepoint s; insert into people values (6,'undone',null); rollback to s; delete from people where id=3")
		say(t, a, "xa commit %s", r.xaName("a"))
		want(t, show(t, p.next()), "c people 5: id=5 name=kept note=NULL", "d people 3: id=3 name=between note=NULL")
	})
}

// A capture that starts between the two reads the rows from the log, wherever it
// had come to; the same when it starts inside a large one.
func TestPreparedAndRestart(t *testing.T) {
	faults.Shows(t, "xa", "a capture, or a server, that starts between prepare and commit reads the rows from the log at the commit")
	each(t, func(t *testing.T, k kind) {
		r, p := started(t, k, people+"InnoDB", "people")
		var rows []string
		for i := range 400 {
			rows = append(rows, fmt.Sprintf("(%d,'n','%s')", 1000+i, strings.Repeat("z", 900)))
		}
		a := r.prepare("a", "insert into people values "+strings.Join(rows, ","))
		b := r.prepare("b", "insert into people values (1,'b',null)")
		r.exec("flush binary logs; insert into people values (2,'x',null)")
		p.next()
		between := p.resume()
		p.stop()
		say(t, b, "xa commit %s", r.xaName("b"))
		say(t, a, "xa commit %s", r.xaName("a"))
		r.exec("insert into people values (99,'id=99',null)")
		q := r.tap(between)
		whole := until(t, q)
		if len(whole) != 402 || whole[0] != "c people 1: id=1 name=b note=NULL" {
			t.Fatalf("%d changes, the first is %s", len(whole), whole[0])
		}
		q.stop()
		if k.name != mysqlFile.name { // on another server its id says where it is
			there := between
			there.Checkpoint.Position.Prepared = strings.ReplaceAll(there.Checkpoint.Position.Prepared, `"server":"`, `"server":"x`)
			q = r.tap(there)
			want(t, until(t, q), whole...)
			q.stop()
		}
		r.cfg.Piece = 64 << 10
		q = r.tap(between)
		var points []cdc.Resume
		var seen []int
		for n := 0; n < 402; {
			n += len(q.next().Changes)
			points, seen = append(points, q.resume()), append(seen, n)
		}
		if len(points) < 5 {
			t.Fatalf("%d pieces", len(points))
		}
		q.stop()
		for i := 0; i < len(points)-1; i += 4 {
			q := r.tap(points[i])
			want(t, until(t, q), whole[seen[i]:]...)
			q.stop()
		}
	})
}

// A server that was killed between the two still has the transaction, and the
// program that comes back commits it.
func TestPreparedAndServerCrash(t *testing.T) {
	for _, k := range []kind{maria, mysqlGTID} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			r, p := own(t, k)
			p = r.tap(p.resume())
			r.prepare("a", "insert into people values (50,'prepared',null)")
			r.exec("insert into people values (51,'between',null)")
			p.next()
			r.db.Kill()
			must(t, r.db.Start())
			waitFor(t, func() bool {
				_, err := r.sql.Exec("xa commit " + r.xaName("a"))
				if err != nil {
					time.Sleep(100 * time.Millisecond)
				}
				return err == nil
			})
			want(t, show(t, p.next()), "c people 50: id=50 name=prepared note=NULL")
		})
	}
}

// What was prepared before the capture began is found in the log, in older files
// too, and its rows come at the commit; of one that is rolled back nothing does.
// Both are there for longer than a start waits, as after a server's crash.
func TestPreparedBeforeTheStart(t *testing.T) {
	faults.Shows(t, "xa", "what was prepared before the first start is looked for in the log, and its rows come at the commit")
	each(t, func(t *testing.T, k kind) {
		r := newRig(t, k, people+"InnoDB; insert into people values (1,'there',null)", "people")
		a := r.prepare("a", "insert into people values (2,'a',null); update people set name='b' where id=2")
		r.exec("flush binary logs; flush binary logs")
		b := r.prepare("b", "insert into people values (3,'undone',null)")
		p := r.tap(cdc.Resume{})
		p.next()
		if n := strings.Count(p.last.Position.Prepared, r.name+".people"); n != 2 {
			t.Errorf("prepared are %q", p.last.Position.Prepared)
		}
		if k.name != mysqlFile.name { // where the rows are read with locks, that waits for the decision
			want(t, p.loaded(), "r people 1: id=1 name=there note=NULL")
		}
		p.stop()
		p = r.tap(p.resume())
		say(t, b, "xa rollback %s", r.xaName("b"))
		say(t, a, "xa commit %s", r.xaName("a"))
		r.exec("insert into people values (99,'99',null)")
		var lines []string
		for !slices.Contains(lines, "c people 99: id=99 name=99 note=NULL") {
			lines = append(lines, show(t, p.next())...)
		}
		lines = slices.DeleteFunc(lines, func(s string) bool { return strings.HasPrefix(s, "r ") || strings.HasPrefix(s, "c people 99") })
		want(t, lines, "c people 2: id=2 name=a note=NULL", "u people 2: id=2 name=a note=NULL -> id=2 name=b note=NULL")
	})
}

// A transaction whose log is gone at its commit stops the capture by name.
func TestPreparedAndPurged(t *testing.T) {
	faults.Shows(t, "xa", "halts with xa-lost where the log of the prepare is gone: at the commit, or at the first start already")
	for _, k := range []kind{maria, mysqlGTID} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			r, p := own(t, k)
			p = r.tap(p.resume())
			a := r.prepare("a", "insert into people values (60,'p','"+strings.Repeat("canary", 999)+"')")
			r.exec("flush binary logs; insert into people values (61,'between',null); flush binary logs")
			p.next()
			files := logFiles(t, r)
			p.stands(func(at cdc.Position) bool { return at.File == files[len(files)-1] })
			p.stop()
			waitFor(t, func() bool {
				_, err := r.sql.Exec("purge binary logs to '" + files[len(files)-1] + "'")
				must(t, err)
				return len(logFiles(t, r)) == 1
			})
			q, first := r.tap(p.resume()), r.tap(cdc.Resume{})
			first.loaded()
			say(t, a, "xa commit %s", r.xaName("a"))
			err := q.halt(HaltXA)
			if !strings.Contains(err.Error(), r.name+".people") || strings.Contains(err.Error(), "canary") {
				t.Errorf("the halt says: %v", err)
			}
			if err := first.halt(HaltXA); !strings.Contains(err.Error(), "skip") {
				t.Errorf("the halt at a first start says: %v", err)
			}
		})
	}
}

// A log that no longer has what its ids say it has: the search for a prepared
// transaction ends where the log does.
func TestPreparedThatIsNowhere(t *testing.T) {
	t.Parallel()
	r, p := started(t, mysqlGTID, people+"InnoDB", "people")
	a := r.prepare("a", "insert into people values (1,'a',null)")
	r.exec("insert into people values (3,'between',null)")
	p.next()
	p.stop()
	resume := p.resume()
	list, err := parsePrepared(resume.Checkpoint.Position.Prepared)
	list = slices.DeleteFunc(list, func(o prepared) bool { return !slices.Contains(o.Tables, r.name+".people") }) // others share the server
	if err != nil || len(list) != 1 {
		t.Fatalf("%v, %v", list, err)
	}
	list[0].File, list[0].GTID = "", list[0].GTID+"99999"
	var pos position
	pos.setPrepared(list)
	resume.Checkpoint.Position.Prepared = pos.preparedText
	p = r.tap(resume)
	say(t, a, "xa commit %s", r.xaName("a"))
	p.halt(HaltXA)
}
