package mysql

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"chartwire/cdc"
	"chartwire/integration/faults"
	"chartwire/integration/servers"
)

// What happens to a server's log while nobody reads, and what is said about it.

func reset(k kind) string {
	if k.flavor.Name == "mysql" {
		return "reset binary logs and gtids"
	}
	return "reset master"
}

// own is a rig on a server whose log may be spoilt, read up to its end and
// stopped.
func own(t *testing.T, k kind) (*rig, *tap) {
	t.Helper()
	k.name, k.args = k.name+"-own", append(k.args, "--innodb-flush-log-at-trx-commit=1", "--sync-binlog=1")
	r := rigOn(t, server1(t, k), people+"InnoDB", "people")
	p := r.tap(cdc.Resume{})
	p.loaded()
	r.exec("insert into people values (1,'a',null)")
	p.next()
	p.stop()
	return r, p
}

func TestPurged(t *testing.T) {
	faults.Shows(t, "gtid-purged", "halts with binlog-purged and, where the server says them, the transactions that are missing")
	faults.Shows(t, "binlog-purged", "halts with binlog-purged; a reload starts at the end of the log with an epoch and reads all")
	each(t, func(t *testing.T, k kind) {
		r, p := own(t, k)
		r.exec("insert into people values (2,'b',null); flush logs; insert into people values (3,'c',null); flush logs")
		files := logFiles(t, r)
		waitFor(t, func() bool { // the stream that ended may still be there
			r.exec("purge binary logs to '" + files[len(files)-1] + "'")
			return len(logFiles(t, r)) == 1
		})
		text := r.tap(p.resume()).halt(HaltPurged).Error()
		if !strings.Contains(text, "load the tables again") || k.name == "mysql" && !strings.Contains(text, "has deleted the transactions "+strings.SplitN(p.last.Position.GTID, ":", 2)[0]) {
			t.Errorf("what is missing and what to do: %s", text)
		}

		// The choice to load again starts at the end, with an epoch, and reads all.
		lost := p.resume()
		lost.Checkpoint = cdc.Checkpoint{}
		since := time.Now().Add(-time.Hour).Round(0)
		for id, l := range lost.Loads {
			l.Since = since
			lost.Loads[id] = l
		}
		q := r.tap(lost)
		first := q.next()
		if len(first.Epochs) != 1 || first.Epochs[0].Kind != cdc.EpochReload || !first.Loads[r.id("people")].Since.Equal(since) {
			t.Errorf("the reload begins with %+v", first)
		}
		want(t, q.loaded(), "r people 1: id=1 name=a note=NULL", "r people 2: id=2 name=b note=NULL", "r people 3: id=3 name=c note=NULL")
	})
}

// purged deletes all files of the log but the newest.
func (r *rig) purged(t *testing.T) {
	t.Helper()
	files := logFiles(t, r)
	waitFor(t, func() bool { // a reader that has just gone keeps its file
		r.exec("purge binary logs to '" + files[len(files)-1] + "'")
		return len(logFiles(t, r)) == 1
	})
}

// A position at the very end of a file that is gone has lost nothing: its ids
// find where to go on. How that file was ended is not known, so tables without
// transactions are read again.
func TestPurgedBehind(t *testing.T) {
	faults.Shows(t, "binlog-purged", "goes on by ids where all that follows is still there, though the file of the position itself is gone; tables without transactions are read again")
	byID(t, func(t *testing.T, k kind) {
		db := servers.Database(t, k.flavor)
		r := rigOn(t, db, people+"InnoDB; create table isam (id int primary key) engine=MyISAM; insert into isam values (1)", "people", "isam")
		domain := func(n int) string {
			if k.name == "mysql" {
				return ""
			}
			return fmt.Sprintf("set gtid_domain_id=%d; ", n)
		}
		p := r.tap(cdc.Resume{})
		p.loaded()
		r.exec(domain(3) + "insert into people values (1,'a',null)")
		p.next()
		r.exec(domain(0) + "insert into people values (2,'b',null)")
		p.next()
		p.stop()
		r.exec("flush binary logs; insert into people values (3,'c',null); flush binary logs; insert into people values (4,'d',null)")
		was := p.resume()
		if !t.Run("lost", func(t *testing.T) {
			q := r.tap(was)
			want(t, append(show(t, q.next()), show(t, q.next())...), "c people 3: id=3 name=c note=NULL", "c people 4: id=4 name=d note=NULL")
			q.stop()
			r.purged(t)
			r.tap(was).halt(HaltPurged)
			was = q.resume()
		}) {
			return
		}
		r.exec("flush binary logs; insert into people values (5,'e',null)")
		r.purged(t)
		if k.name == "mariadb" { // the same number, of another server
			other := was
			ids, err := parseGTIDs(true, was.Checkpoint.Position.GTID)
			must(t, err)
			ids.domains[0].server += 7
			other.Checkpoint.Position.GTID, other.Checkpoint.Position.Last.GTID = ids.String(), string(ids.domains[0].append(nil, true))
			r.tap(other).halt(HaltHistory)
		}
		q := r.tap(was)
		got := untilLoaded(t, q)
		const e = "c people 5: id=5 name=e note=NULL"
		if !slices.Contains(got, e) { // it may come while isam is read
			got = append(got, show(t, q.next())...)
		}
		slices.Sort(got)
		want(t, got, e, "epoch reload isam", "r isam 1: id=1")
	})
}

func logFiles(t *testing.T, r *rig) (names []string) {
	t.Helper()
	rows, err := r.sql.Query("show binary logs")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	cols, _ := rows.Columns()
	for rows.Next() {
		v := make([]any, len(cols))
		for i := range v {
			v[i] = new(string)
		}
		if err := rows.Scan(v...); err != nil {
			t.Fatal(err)
		}
		names = append(names, *v[0].(*string))
	}
	return names
}

// A log that was reset and holds less than was read, or more under the same
// numbers, or the same number of others.
func TestResetLog(t *testing.T) {
	faults.Shows(t, "binlog-numbering", "halts: the fingerprint of the last event is another, or the set names transactions that the server lacks")
	each(t, func(t *testing.T, k kind) {
		r, p := own(t, k)
		r.exec(reset(k))
		err := r.tap(p.resume()).end()
		if c := cdc.HaltCode(err); c != HaltErrant && c != HaltForeign && c != HaltHistory {
			t.Errorf("after a reset: %v", err)
		}
		for i := range 40 {
			r.exec(fmt.Sprintf("insert into people values (%d,'other',null)", 100+i))
		}
		err = r.tap(p.resume()).end()
		if c := cdc.HaltCode(err); c != HaltHistory && c != HaltForeign {
			t.Errorf("after a reset and more transactions: %v", err)
		}
	})
}

// end waits for the stream to end by itself.
func (p *tap) end() error {
	p.t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case _, ok := <-p.txns:
			if !ok {
				return p.err
			}
		case <-deadline:
			p.t.Fatal("the stream goes on")
		}
	}
}

func TestAnotherServer(t *testing.T) {
	faults.Shows(t, "server-identity", "halts with the name of what differs")
	each(t, func(t *testing.T, k kind) {
		_, p := own(t, k)
		other := newRig(t, k, people+"InnoDB", "people")
		err := other.tap(p.resume()).end()
		code := cdc.HaltCode(err)
		switch k.name {
		case "mysql": // nothing in common
			if code != HaltForeign {
				t.Errorf("%v", err)
			}
		case "mysql-file":
			if code != HaltServer {
				t.Errorf("%v", err)
			}
		default: // the numbers look alike, the content does not
			if code != HaltHistory && code != HaltErrant && code != HaltForeign {
				t.Errorf("%v", err)
			}
		}
	})
}

// A replica that has what was read goes on where the primary stopped.
func TestFailover(t *testing.T) {
	faults.Shows(t, "gtid-failover", "goes on at the replica behind the last transaction read, and the position names the new server")
	faults.Shows(t, "gtid-missing", "halts when the replica lacks what was read")
	for _, k := range []kind{maria, mysqlGTID} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			db := servers.Database(t, k.flavor)
			replica := servers.Database(t, k.flavor, "--log-slave-updates")
			must(t, replica.Follow(db))
			r := rigOn(t, db, workloadDDL, "people", "isam")
			p := r.tap(cdc.Resume{})
			p.loaded()
			workload(r)
			until(t, p)
			r.exec("insert into people values (100,'last read',null)")
			p.next()
			p.stop()
			r.exec("insert into people values (101,'not read',null)")
			waitFor(t, func() bool { return r.has(replica, "people", 101) })
			db.Kill()
			r.cfg.Addr = replica.Addr
			q := r.tap(p.resume())
			want(t, show(t, q.next()), "c people 101: id=101 name=not read note=NULL")
			if q.last.Position.Server == p.last.Position.Server {
				t.Error("the position still names the old server")
			}
			q.stop()

			// What the replica never got is not passed over.
			ahead := q.resume()
			must(t, replica.Exec("stop "+map[string]string{"mysql": "replica", "mariadb": "slave"}[k.name]+"; "+reset(k)))
			if c := cdc.HaltCode(r.tap(ahead).end()); c != HaltErrant && c != HaltForeign {
				t.Errorf("halt %q", c)
			}
		})
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	for began := time.Now(); !done(); time.Sleep(50 * time.Millisecond) {
		if time.Since(began) > patience {
			t.Fatal("it did not happen")
		}
	}
}

// A server that was killed comes back with its log, and the stream goes on.
func TestKilledServer(t *testing.T) {
	faults.Shows(t, "server-crash", "connects again and goes on behind the last transaction read")
	each(t, func(t *testing.T, k kind) {
		r, p := own(t, k)
		p = r.tap(p.resume())
		r.exec("insert into people values (3,'c',null)")
		p.next()
		r.db.Kill()
		must(t, r.db.Start())
		c, err := r.db.Open(r.name)
		must(t, err)
		defer c.Close()
		_, err = c.Exec("insert into people values (2,'b',null)")
		must(t, err)
		want(t, show(t, p.next()), "c people 2: id=2 name=b note=NULL")
	})
}
