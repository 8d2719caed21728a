package mysql

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"chartwire/cdc"
	"chartwire/integration/faults"
	"chartwire/integration/servers"
)

func resetTo(k kind, n int) string { return fmt.Sprintf("%s to %d", reset(k), n) }

// A log that was reset and has come to the same file, offset and id again is
// not taken for the one that was read.
func TestSameNumbersAgain(t *testing.T) {
	faults.Shows(t, "binlog-numbering", "the same file, offset and id again, under another transaction, halts with history-changed")
	each(t, func(t *testing.T, k kind) {
		r, _ := own(t, k)
		must(t, r.db.Exec(reset(k)))
		q := r.tap(cdc.Resume{})
		q.loaded()
		r.exec("insert into people values (50,'x',null)")
		q.next()
		q.stop()
		was := q.resume()
		must(t, r.db.Exec(reset(k)))
		r.exec("insert into people values (51,'y',null)")
		if ids, err := r.db.Executed(); err != nil || k.name != "mysql-file" && ids != was.Checkpoint.Position.GTID {
			t.Fatalf("the log has come to %s, and was at %s (%v)", ids, was.Checkpoint.Position.GTID, err)
		}
		err := r.tap(was).halt(HaltHistory)
		if !strings.Contains(err.Error(), "load the tables again") {
			t.Errorf("no way out: %v", err)
		}
	})
}

// The file behind the 999999th has a longer name, which is smaller as a text.
func TestFileNames(t *testing.T) {
	faults.Shows(t, "binlog-file-names", "are ordered by their number: over 1000000 it streams, resumes, loads, and finds older places again")
	each(t, func(t *testing.T, k kind) {
		r, _ := own(t, k)
		must(t, r.db.Exec(resetTo(k, 999999)))
		q := r.tap(cdc.Resume{})
		q.loaded()
		r.exec("insert into people values (60,'x',null)")
		q.next()
		before := q.resume()
		if f := before.Checkpoint.Position.File; !strings.HasSuffix(f, ".999999") {
			t.Fatalf("the log is %s", f)
		}
		r.exec("flush logs; insert into people values (61,'y',null)")
		want(t, show(t, q.next()), "c people 61: id=61 name=y note=NULL")
		after := q.last.Position
		if !strings.HasSuffix(after.File, ".1000000") {
			t.Fatalf("the log is %s", after.File)
		}
		q.stop()
		for _, from := range []cdc.Resume{before, q.resume()} {
			r.exec("insert into people values (62,'z',null)")
			again := r.tap(from)
			got := show(t, again.next())
			if from.Checkpoint.Position.File != after.File {
				got = append(got, show(t, again.next())...)
				want(t, got[:1], "c people 61: id=61 name=y note=NULL")
			}
			want(t, got[len(got)-1:], "c people 62: id=62 name=z note=NULL")
			again.stop()
			r.exec("delete from people where id = 62")
		}
		pos := before.Checkpoint.Position
		if w, err := r.rewound(after, fmt.Sprintf("%s:%d", pos.File, pos.Offset)); err != nil || w.Files != 2 || w.Transactions != 1 {
			t.Errorf("to %s: %+v, %v", pos, w, err)
		}
		lost := cdc.Resume{Loads: map[cdc.TableID]cdc.Load{r.id("people"): {Phase: cdc.LoadDone}}}
		loaded := r.tap(lost)
		loaded.loads = map[cdc.TableID]cdc.Load{}
		if got := loaded.loaded(); len(got) == 0 {
			t.Error("nothing was loaded")
		}
		must(t, r.db.Exec("purge binary logs to '"+after.File+"'"))
		if files := logFiles(t, r); len(files) == 1 && k.name == "mysql-file" { // nothing is missing by ids
			r.tap(before).halt(HaltPurged)
		}
	})
}

// A position that no capture of this server ever had.
func TestPositionNever(t *testing.T) {
	faults.Shows(t, "position-never", "halts: by its file and offset, or by its ids, which the message names with what to do")
	faults.Shows(t, "gtid-foreign", "halts with position-foreign, also on MySQL, which would take it and send everything")
	each(t, func(t *testing.T, k kind) {
		r, p := own(t, k)
		f := func(change func(*cdc.Position), codes ...string) {
			t.Helper()
			resume := p.resume()
			change(&resume.Checkpoint.Position)
			err := r.tap(resume).end()
			if code := cdc.HaltCode(err); !slices.Contains(codes, code) || err == nil {
				t.Errorf("%s: %v, want %v", resume.Checkpoint.Position, err, codes)
			}
		}
		ids := func(text string) func(*cdc.Position) {
			return func(p *cdc.Position) {
				*p = cdc.Position{GTID: text, Server: p.Server, Last: cdc.Fingerprint{GTID: text, Sum: 7}}
			}
		}
		switch k.name {
		case "mysql":
			f(ids("3e11fa47-71ca-11e1-9e33-c80aa9429562:1-77"), HaltForeign)
			f(ids(strings.SplitN(p.last.Position.GTID, ":", 2)[0]+":1-99999999"), HaltErrant)
			f(ids("0-1-5"), HaltForeign) // of the other kind of server
			return
		case "mariadb":
			f(ids("77-5-3"), HaltForeign)
			f(ids("0-1-99999999"), HaltErrant)
			f(ids("3e11fa47-71ca-11e1-9e33-c80aa9429562:1-77"), HaltForeign)
			return // where the place is not there, the ids say where to go on
		}
		at := p.last.Position
		f(func(p *cdc.Position) { p.Offset += 1 << 20 }, HaltForeign, HaltHistory)
		f(func(p *cdc.Position) { p.File = "binlog.7777777" }, HaltForeign, HaltHistory)
		f(func(p *cdc.Position) { p.File = "no log" }, HaltForeign, HaltHistory)
		f(func(p *cdc.Position) { p.Offset = at.Last.Start + 25 }, HaltForeign, HaltHistory, HaltDamaged)
		f(func(p *cdc.Position) { p.Offset = at.Last.Start }, HaltForeign, HaltHistory)
	})
}

// Another server answers at the address when the connection is made again.
func TestAnotherServerAnswers(t *testing.T) {
	faults.Shows(t, "server-identity", "at a reconnect too: halts before anything of it is read")
	each(t, func(t *testing.T, k kind) {
		db := servers.Database(t, k.flavor, k.args...)
		r := rigOn(t, db, people+"InnoDB", "people")
		c := cut(t, db.Addr, 0, 0)
		r.cfg.Addr = c.Addr().String()
		p := r.tap(cdc.Resume{})
		p.loaded()
		r.exec("insert into people values (1,'a',null)")
		p.next()
		other := servers.Database(t, k.flavor, k.args...)
		must(t, other.Exec("create database "+r.name))
		for i := range 9 {
			must(t, other.Exec(fmt.Sprintf("create table %s.t%d (id int primary key)", r.name, i)))
		}
		c.lead(other.Addr)
		db.Kill()
		err := p.end()
		if code := cdc.HaltCode(err); !slices.Contains([]string{HaltForeign, HaltServer, HaltHistory, HaltErrant}, code) || !strings.Contains(err.Error(), "load the tables again") && code != HaltForeign {
			t.Errorf("%v", err)
		}
	})
}
