package mysql

import (
	"slices"
	"strings"
	"testing"
	"time"

	"chartwire/cdc"
	"chartwire/integration/faults"
	"chartwire/integration/servers"
)

// A server that was killed leaves tables without transactions that its log does
// not describe: they are read again, alone, once, and whether it was noticed at
// the time or later. One that was stopped leaves none.
func TestUncleanStop(t *testing.T) {
	faults.Shows(t, "myisam-unclean", "the tables without transactions are read again under an epoch, by which vanished rows go; the others are not")
	each(t, func(t *testing.T, k kind) {
		db := servers.Database(t, k.flavor, append(k.args, "--innodb-flush-log-at-trx-commit=1", "--sync-binlog=1")...)
		r := rigOn(t, db, people+"InnoDB; create table isam (id int primary key, name varchar(20)) engine=MyISAM", "people", "isam")
		r.exec("insert into people values (1,'a',null); insert into isam values (1,'a'),(2,'b')")
		p := r.tap(cdc.Resume{})
		p.loaded()
		r.exec("insert into isam values (3,'c')")
		p.next()

		// Stopped in order, with a reader and without.
		db.Stop(patience)
		must(t, db.Start())
		r.on(db, "insert into people values (2,'b',null)")
		want(t, show(t, p.next()), "c people 2: id=2 name=b note=NULL")
		p.stop()
		db.Stop(patience)
		must(t, db.Start())
		p = r.tap(p.resume())
		r.on(db, "insert into people values (3,'c',null)")
		want(t, show(t, p.next()), "c people 3: id=3 name=c note=NULL")

		// Killed while it is read.
		db.Kill()
		must(t, db.Start())
		got := untilLoaded(t, p)
		if got[0] != "epoch reload isam" || strings.Contains(strings.Join(got, "\n"), "people") {
			t.Errorf("after a kill: %v", got)
		}
		r.on(db, "insert into people values (4,'d',null)")
		want(t, show(t, p.next()), "c people 4: id=4 name=d note=NULL")
		p.stop()

		// Killed while nobody reads, and the table is not what the log says.
		db.Kill()
		must(t, db.Start())
		r.on(db, "set sql_log_bin=0; delete from isam where id=1; insert into isam values (9,'lost')")
		before := p.last.Position.Last.Time
		p = r.tap(p.resume())
		want(t, untilLoaded(t, p), "epoch reload isam", "r isam 2: id=2 name=b", "r isam 3: id=3 name=c", "r isam 9: id=9 name=lost")
		if since := p.loads[r.id("isam")].Since; since.Sub(before).Abs() > 2*time.Second {
			t.Errorf("isam is whole since %s, want the last transaction before the kill, %s", since, before)
		}
		p.stop()

		// Once.
		p = r.tap(p.resume())
		r.on(db, "insert into people values (5,'e',null)")
		want(t, show(t, p.next()), "c people 5: id=5 name=e note=NULL")
	})
}

// untilLoaded reads until a table that is read again is loaded.
func untilLoaded(t *testing.T, p *tap) (lines []string) {
	t.Helper()
	for len(lines) == 0 || slices.ContainsFunc(loadsOf(p), func(l cdc.Load) bool { return l.Phase != cdc.LoadDone }) {
		lines = append(lines, show(t, p.next())...)
	}
	return lines
}

func loadsOf(p *tap) (list []cdc.Load) {
	for _, l := range p.loads {
		list = append(list, l)
	}
	return list
}
