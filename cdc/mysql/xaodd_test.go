package mysql

import (
	"database/sql/driver"
	"slices"
	"strings"
	"testing"

	"chartwire/cdc"
	"chartwire/integration/faults"

	"github.com/go-mysql-org/go-mysql/replication"
)

// What a person passes over may be prepared by it, though the event that says so
// cannot be read: its commit is not taken for one of nothing.
func TestPassageOfDamagedPrepare(t *testing.T) {
	faults.Shows(t, "skip", "a transaction that may have been prepared in what was passed over halts with xa-lost at its commit")
	each(t, func(t *testing.T, k kind) {
		r, p := started(t, k, people+"InnoDB", "people")
		p.stop()
		m := meddle(t, r.cfg.Addr)
		m.set(func(packet []byte) []byte {
			if wireKind(packet) == replication.XA_PREPARE_LOG_EVENT && strings.Contains(string(packet), r.name) {
				packet[len(packet)-1] ^= 1
			}
			return packet
		})
		r.cfg.Addr = m.Addr().String()
		p = r.tap(p.resume())
		a := r.prepare("a", "insert into people values (1,'a',null)")
		r.exec("insert into people values (99,'id=99',null)")
		w, q := r.passed(p, HaltDamaged)
		if !w.Unknown {
			t.Errorf("the passage is %+v", w)
		}
		want(t, until(t, q), "c people 99: id=99 name=id=99 note=NULL")
		say(t, a, "xa commit %s", r.xaName("a"))
		q.halt(HaltXA)
	})
}

// A prepared transaction comes as it is, packed or not, remembered or read again.
func TestPreparedAndCompressed(t *testing.T) {
	faults.Shows(t, "xa", "comes at the commit from a compressed log too")
	each(t, func(t *testing.T, k kind) {
		r, p := started(t, k, people+"InnoDB", "people")
		before := "set session binlog_transaction_compression=on"
		if k.name == maria.name {
			must(t, r.db.Exec("set global log_bin_compress=on, global log_bin_compress_min_len=16"))
			defer func() { must(t, r.db.Exec("set global log_bin_compress=off")) }()
			before = "do 0"
		}
		note := strings.Repeat("packed ", 300)
		c := r.session()
		say(t, c, "%s", before)
		for _, name := range []string{"a", "b"} {
			say(t, c, "xa start %[1]s; insert into people values (1,'a','%[2]s'); savepoint s; insert into people values (2,'u',null); rollback to s; update people set name='b'; xa end %[1]s; xa prepare %[1]s", r.xaName(name), note)
			if name == "b" {
				p.stands(func(at cdc.Position) bool { return strings.Contains(at.Prepared, r.name) })
				p.stop()
				p = r.tap(p.resume())
			}
			say(t, c, "xa commit %s", r.xaName(name))
			want(t, show(t, p.next()), "c people 1: id=1 name=a note="+note, "u people 1: id=1 name=a note="+note+" -> id=1 name=b note="+note)
			r.exec("delete from people")
			p.next()
		}
		say(t, c, "xa start %[1]s; insert into people values (5,'one','%[2]s'); xa end %[1]s; xa commit %[1]s one phase", r.xaName("c"), note)
		want(t, show(t, p.next()), "c people 5: id=5 name=one note="+note)
	})
}

// A name that was used again without a word in the log stands for what was
// prepared last, small or large.
func TestPreparedTwice(t *testing.T) {
	t.Parallel()
	faults.Shows(t, "xa", "of two of one name, the first of which was rolled back outside the log, the rows of the second come")
	for _, k := range []kind{mysqlGTID, mysqlFile} { // MariaDB has no such way
		r, p := started(t, k, "create table people (id int primary key, name varchar(20), note mediumtext)", "people")
		a := r.prepare("a", "insert into people values (1,'undone',null)")
		say(t, a, "set session sql_log_bin=0; xa rollback %s; set session sql_log_bin=1", r.xaName("a"))
		say(t, a, "xa start %[1]s; insert into people values (2,'kept',repeat('x',%[2]d)); xa end %[1]s; xa prepare %[1]s; xa commit %[1]s", r.xaName("a"), 2*heldEvents)
		got := show(t, p.next())
		if len(got) != 1 || !strings.HasPrefix(got[0], "c people 2: id=2 name=kept note=xxx") {
			t.Errorf("%d rows came, the first is %.40s", len(got), got[0])
		}
	}
}

// A commit that the log has twice: the server ended amid the first, and what was
// prepared was there again. Its rows are in the tables from the second on, and are
// read then; what is there without the log stands for them here.
func TestPreparedAndCommittedTwice(t *testing.T) {
	t.Parallel()
	faults.Shows(t, "xa", "on MariaDB, committed in the log and prepared as before in a server that was killed amid it: at the second commit its tables are read again, also by a capture that began in between")
	r, p := started(t, maria, people+"InnoDB", "people")
	a := r.prepare("a", "insert into people values (1,'a',null)")
	say(t, a, "xa commit %s", r.xaName("a"))
	want(t, show(t, p.next()), "c people 1: id=1 name=a note=NULL")
	r.exec("flush binary logs")
	b := r.session()
	say(t, b, "set session sql_log_bin=0; xa start %[1]s; insert into people values (2,'b',null); xa end %[1]s; xa prepare %[1]s", r.xaName("a"))
	_ = b.Raw(func(any) error { return driver.ErrBadConn }) // it is another session's from now on
	first := r.tap(cdc.Resume{})
	first.next()
	waitFor(t, func() bool {
		_, err := r.sql.Exec("xa commit " + r.xaName("a"))
		return err == nil
	})
	for _, q := range []*tap{p, first} {
		for lines := []string(nil); !slices.Contains(lines, "r people 2: id=2 name=b note=NULL"); {
			lines = show(t, q.next())
		}
	}
}
