package mysql

import (
	"fmt"
	"strings"
	"testing"

	"chartwire/cdc"
	"chartwire/integration/faults"
	"chartwire/integration/servers"
)

// fresh is a rig on a server that no other test spoils, and read up to its end.
func fresh(t *testing.T, k kind) (*rig, *tap) {
	t.Helper()
	r := rigOn(t, servers.Database(t, k.flavor), people+"InnoDB", "people")
	p := r.tap(cdc.Resume{})
	p.loaded()
	return r, p
}

// A replica that writes a transaction into its own log has the same of it as its
// primary, as far as a fingerprint goes, though it may say it in other words.
func TestFingerprintOfReplica(t *testing.T) {
	faults.Shows(t, "gtid-failover", "is not taken for another history where the last thing read was a statement that replicas log in other words (MariaDB: DROP TABLE IF EXISTS)")
	byID(t, func(t *testing.T, k kind) {
		r, p := fresh(t, k)
		replica := replicaOf(t, k, r.db)
		must(t, replica.CatchUp(r.db, patience))
		cfg := r.cfg
		r.cfg.Addr = replica.Addr
		q := r.tap(cdc.Resume{})
		r.cfg = cfg
		q.loaded()
		c := r.session()
		for _, s := range []string{
			"insert into people values (50,'a',null)", "insert into people values (51,'a',null),(52,'b',null); update people set name='c'", "delete from people where id=52",
			"begin; insert into people values (53,'a',null); savepoint s; delete from people; rollback to s; insert into people values (54,'a',null); commit",
			"create table x1 (id int primary key, n int)", "create table if not exists x1 (id int primary key)", "create table if not exists x2 (id int primary key) engine=MyISAM",
			"create table x3 like x1", "create table x4 select * from people", "insert into x2 values (1),(2)", "mariadb: create table x5 (primary key (id)) engine=MyISAM select 1 as id",
			"drop table x3", "drop table if exists x3", "drop table if exists x3, x4, nowhere", "drop table x2, x1", "create table x2 (id int primary key) engine=MyISAM",
			"create table x1 (id int primary key, n int)", "rename table x1 to x3", "alter table x3 rename to x1", "alter table x1 add column s varchar(9) default 'q'", "alter table x1 drop column s, rename column n to m",
			"create index i on x1 (m)", "drop index i on x1", "truncate table x2", "analyze table x1", "optimize table x1", "repair table x2", "alter table people add column extra int default 4",
			"create view v as select * from x1", "create or replace view v as select m from x1", "alter view v as select id from x1", "drop view v", "drop view if exists v",
			"create procedure pr() select 1", "drop procedure pr", "drop procedure if exists pr", "create function fu() returns int deterministic return 1", "drop function fu",
			"create trigger tr before insert on x1 for each row set new.m=1", "drop trigger tr", "drop trigger if exists tr", "create event ev on schedule every 1 day do select 1", "drop event ev",
			"create database zz_%s", "alter database zz_%s character set latin1", "create table zz_%s.a (id int primary key)", "drop database zz_%s", "drop database if exists zz_%s",
			"create user zz_%s", "grant select on *.* to zz_%s", "drop user zz_%s", "drop user if exists zz_%s",
			"create temporary table tt (id int); insert into tt values (1); insert into people select id+60, 'tt', null, 1 from tt; drop temporary table tt",
			// What is taken back is in a primary's log where a table without transactions
			// was changed beside it, and the first event of it may be a second older.
			"create table x7 (id int primary key) engine=InnoDB; create table x8 (id int primary key auto_increment, n int) engine=MyISAM",
			"mariadb: begin; insert into x7 values (1); savepoint s; insert into x7 values (2); insert into x8 (n) values (1); rollback to s; insert into x7 values (3); commit",
			"mariadb: begin; insert into x8 (n) values (2); savepoint s; rollback to s; do sleep(1.1); insert into x7 values (4); commit",
			"mariadb: begin; insert into x8 (n) values (2); savepoint s; insert into x7 values (5); insert into x8 (n) values (3); savepoint t; delete from x7; rollback to t; do sleep(1.1); rollback to s; insert into x7 values (6); commit",
			"mariadb: begin; insert into x8 (n) values (2); savepoint s; insert into x7 values (7); rollback to s; commit; insert into x7 values (7)",
			"mariadb: begin; insert into x7 values (8); insert into x8 (n) values (5); update x8 set n=7; rollback; insert into x8 (n) values (5)",
			"mariadb: begin; insert into x8 (n) values (6); savepoint s; insert into x7 values (9); rollback to s; commit; insert into x8 (n) values (7)",
			"mariadb: create or replace table x1 (id int primary key)", "mariadb: create sequence sq", "mariadb: drop sequence sq", "mariadb: alter table x1 add column if not exists id int", "mariadb: create or replace table x6 select 7 as id", "mariadb: create or replace view v as select 1", "mariadb: drop database if exists zz_%s",
			"mysql: xa start 'zz'; insert into people values (70,'x',null,1); xa end 'zz'; xa prepare 'zz'; xa commit 'zz'",
			"drop table people, x2",
		} {
			if flavor, rest, only := strings.Cut(s, ": "); only && flavor != k.flavor.Name {
				continue
			} else if only {
				s = rest
			}
			s = strings.ReplaceAll(s, "%s", r.name)
			for one := range strings.SplitSeq(s, "; ") { // each with its own time
				say(t, c, "%s", one)
			}
			must(t, replica.CatchUp(r.db, patience))
			id, err := r.db.Executed()
			must(t, err)
			there := func(at cdc.Position) bool { return at.GTID == id }
			p.stands(there)
			q.stands(there)
			a, b := p.last.Position.Last, q.last.Position.Last
			if !sameTransaction(a, b) {
				t.Errorf("%s: the primary's is %+v, the replica's %+v", s, a, b)
			}
		}
	})
}

// An empty transaction is in a primary's log alone; a capture that left off behind
// it, or behind the one after it, goes on at the replica, whose log has a hole
// there.
func TestFailoverBehindEmpty(t *testing.T) {
	t.Parallel()
	faults.Shows(t, "gtid-failover", "goes on where the last thing read, or the one before it, was an empty transaction, which a replica of MariaDB does not log")
	r, p := fresh(t, maria)
	r.exec("create table isam2 (id int primary key) engine=MyISAM; insert into people values (1,'a',null)")
	p.next()
	replica := replicaOf(t, maria, r.db)
	empty := "begin; savepoint s; delete from people where id=1; replace into isam2 values (1); rollback to s; commit"
	for i, behind := range []string{"do 0", "insert into people values (71,'behind',null)"} {
		r.exec(empty)
		must(t, replica.CatchUp(r.db, patience))
		before := p.last.Position.GTID
		r.exec(behind)
		id, err := r.db.Executed()
		must(t, err)
		p.stands(func(at cdc.Position) bool { return at.GTID == id })
		if p.last.Position.GTID == before {
			t.Fatal("nothing was logged")
		}
		p.stop()
		r.exec(fmt.Sprintf("insert into people values (%d,'next',null)", 80+i))
		must(t, replica.CatchUp(r.db, patience))
		back := r.cfg.Addr
		r.cfg.Addr = replica.Addr
		q := r.tap(p.resume())
		want(t, show(t, q.next()), fmt.Sprintf("c people %d: id=%[1]d name=next note=NULL", 80+i))
		q.stop()
		r.cfg.Addr = back
		p = r.tap(q.resume())
	}
	// The primary ends behind one, and its replica goes on by itself.
	r.exec(empty)
	must(t, replica.CatchUp(r.db, patience))
	id, err := r.db.Executed()
	must(t, err)
	p.stands(func(at cdc.Position) bool { return at.GTID == id })
	p.stop()
	r.db.Kill()
	must(t, replica.Promote())
	r.cfg.Addr = replica.Addr
	q := r.tap(p.resume())
	q.stands(func(at cdc.Position) bool { return at.Server != "" && at.Server != p.last.Position.Server })
	r.on(replica, "insert into people values (90,'promoted',null)")
	want(t, show(t, q.next()), "c people 90: id=90 name=promoted note=NULL")
}
