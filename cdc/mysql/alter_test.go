package mysql

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"chartwire/cdc"
	"chartwire/integration/faults"
)

const altered = "create table t (id int primary key, name varchar(50) default 'd', note varchar(50), amount decimal(10,2) default 1.25, size enum('s','m','l') default 'm', n int default 7); " +
	"insert into t (id, name, note) values (1,'a','x'), (2,'b',null), (3,'c','z'); insert into t (id, note) values (101,'7'), (102,'8')"

// TestAlterBesideWriters alters a table in every way while rows change, once read
// as it happens and once read behind it all; what the stream gave is then equal
// to the table, by value.
func TestAlterBesideWriters(t *testing.T) {
	faults.Shows(t, "ddl-add-column", "the table is read again for the values that no event said; the contents are equal")
	faults.Shows(t, "ddl-default", "looks at the table behind the ALTER and reads it again, without waiting for a row event")
	faults.Shows(t, "ddl-drop-column", "rows before and behind it decode as they were written, on MariaDB too")
	faults.Shows(t, "ddl-rename-column", "the table is read again under the column's new name")
	faults.Shows(t, "ddl-modify-column", "rows before and behind it decode as they were written; the table is read again")
	faults.Shows(t, "ddl-partition", "an epoch and another read where rows went or came without events")
	faults.Shows(t, "ddl-schema-unknown", "decodes each event by what its own table-map event says, however many ALTERs followed")
	faults.Shows(t, "ddl-schema-mismatch", "decodes by the stream alone; where the server is ahead the table is read again")
	faults.Shows(t, "ddl-history-lost", "keeps no history of schemas that could be lost: a log from before every ALTER is read with the position alone")
	cases := []struct{ name, ddl, steps string }{
		{"add column", "", "alter table t add c int not null default 5"},
		{"add first and after", "", "alter table t add c1 int not null default 5 first; alter table t add c2 varchar(9) default 'é' after name"},
		{"drop column", "", "alter table t drop note; alter table t drop column amount, drop n"},
		{"drop and add", "", "alter table t drop note; alter table t add note int default 9"},
		{"rename column", "", "alter table t rename column note to remark; alter table t change amount total decimal(10,2)"},
		{"swap names", "", "alter table t change note n2 varchar(50), change n note int; alter table t change n2 n varchar(50)"},
		{"wider", "", "alter table t modify name varchar(300), modify n bigint, modify amount decimal(12,2)"},
		{"narrower", "", "alter table t modify note varchar(1), modify n smallint; alter table t modify amount decimal(8,1)"},
		{"sign", "", "alter table t modify n int unsigned"},
		{"kind", "", "alter table t modify n varchar(20); alter table t modify amount double; alter table t modify n datetime null"},
		{"charset", "", "alter table t modify note varchar(50) character set latin1; alter table t convert to character set utf8mb3; alter table t convert to character set utf8mb4"},
		{"enum appended", "", "alter table t modify size enum('s','m','l','xl') default 'm'"},
		{"enum reordered", "", "alter table t modify size enum('l','m','s') default 'l'"},
		{"key", "", "alter table t add k int not null default 3, drop primary key, add primary key (id, k); alter table t drop primary key, add primary key (k, id); alter table t drop primary key, add primary key (id)"},
		{"key gone and back", "", "alter table t drop primary key; !delete from t where id < 100; alter table t add primary key (id)"},
		{"engine", "", "alter table t engine=MyISAM; alter table t engine=InnoDB; alter table t force"},
		{"renamed and back", "", "!alter table t rename to away; alter table away rename t; !rename table t to away; rename table away to t"},
		{"truncate", "", "truncate table t"},
		{"dropped and made", "", "!drop table t; create table t (id int primary key, extra int default 4, name varchar(20))"},
		{"partitions", "alter table t partition by range (id) (partition p0 values less than (10), partition p1 values less than (20), partition p2 values less than (200)); create table away like t; alter table away remove partitioning; insert into away (id, name) values (15, 'from away')",
			"alter table t add partition (partition p3 values less than (300)); alter table t drop partition p0; alter table t truncate partition p1; alter table t reorganize partition p2, p3 into (partition p4 values less than (400)); " +
				"alter table t exchange partition p1 with table away; alter table t rebuild partition p4; alter table t remove partitioning"},
		{"in a row", "", "alter table t add c int default 1; alter table t modify c bigint default 2; alter table t drop note; alter table t add note text first; alter table t rename column c to d; alter table t drop d"},
		{"upgrade", "", "!rename table t to tempConv_t81; create table t like tempConv_t81; alter table t modify id bigint, add priority smallint not null default 2; " +
			"insert ignore into t (id, name, note, amount, size, n) select id, name, note, amount, size, n from tempConv_t81 where id <= 20; insert ignore into t (id, name, note, amount, size, n) select id, name, note, amount, size, n from tempConv_t81 where id > 20; drop table tempConv_t81"},
	}
	faults.Shows(t, "ddl-upgrade", "an epoch at the rename; what the refill writes follows, and the table is read again")
	for _, k := range []kind{maria, mysqlGTID} {
		for _, c := range cases {
			t.Run(k.name+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				r := newRig(t, k, altered+"; "+c.ddl, "t")
				p, m := r.tap(cdc.Resume{}), newMirror(t)
				behind := r.tap(cdc.Resume{})
				for behind.loads[r.id("t")].Phase != cdc.LoadDone {
					behind.next()
				}
				behind.stop() // and goes on behind it all
				m2 := newMirror(t)
				w := r.writeOn("t")
				w.wrote(r, 20)
				w.run(r, c.steps)
				w.stop()
				r.follow(p, m, "t")
				p.stop()
				// What was loaded before is a state as good as any other.
				late := behind.resume()
				l := late.Loads[r.id("t")]
				l.Phase, l.Columns, l.Sums = cdc.LoadWaiting, nil, nil
				late.Loads[r.id("t")] = l
				r.follow(r.tap(late), m2, "t")
			})
		}
	}
}

// ghost is what gh-ost writes to add a column, without its changelog's rows.
const ghost = "create table `_t_ghc` (id bigint unsigned auto_increment, last_update timestamp not null default current_timestamp on update current_timestamp, " +
	"hint varchar(64) charset ascii not null, value varchar(4096) charset ascii not null, primary key(id), unique key hint_uidx(hint)) auto_increment=256; " +
	"create table `_t_gho` like t; alter table `_t_gho` add column age int not null default 5, modify name varchar(90); " +
	"insert into `_t_ghc` (id, hint, value) values (null, 'state', 'Migrated'); " +
	"insert ignore into `_t_gho` (id, name, note, amount, size, n) (select id, name, note, amount, size, n from t force index (`PRIMARY`) where id <= 20 lock in share mode); " +
	"insert ignore into `_t_gho` (id, name, note, amount, size, n) (select id, name, note, amount, size, n from t force index (`PRIMARY`) where id > 20 lock in share mode); " +
	"create table `_t_del` (id int auto_increment primary key) engine=InnoDB comment='ghost-cut-over-sentry'; " +
	// What its reader of the log applies until the lock is held.
	"!replace into `_t_gho` (id, name, note, amount, size, n) select id, name, note, amount, size, n from t; " +
	"!delete from `_t_gho` where id not in (select id from t); " +
	"!drop table if exists `_t_del`; " +
	"rename /* gh-ost */ table t to `_t_del`, `_t_gho` to t; " +
	"drop table if exists `_t_ghc`; drop table if exists `_t_del`"

// trigger is one of the three that pt-online-schema-change keeps its copy true by.
func trigger(name, event, body string) string {
	return "create trigger pt_osc_" + name + " after " + event + " on t for each row " + body
}

var ptosc = "create table `_t_new` like t; alter table `_t_new` add column age int not null default 5, drop column n; " +
	trigger("del", "delete", "delete ignore from `_t_new` where `_t_new`.id <=> OLD.id; ") +
	trigger("upd", "update", "replace into `_t_new` (id, name, note, amount, size) values (NEW.id, NEW.name, NEW.note, NEW.amount, NEW.size); ") +
	trigger("ins", "insert", "replace into `_t_new` (id, name, note, amount, size) values (NEW.id, NEW.name, NEW.note, NEW.amount, NEW.size); ") +
	"insert low_priority ignore into `_t_new` (id, name, note, amount, size) select id, name, note, amount, size from t force index(`PRIMARY`) where ((id >= '1')) and ((id <= '20')) lock in share mode /*pt-online-schema-change 81 copy nibble*/; " +
	"insert low_priority ignore into `_t_new` (id, name, note, amount, size) select id, name, note, amount, size from t force index(`PRIMARY`) where ((id >= '21')) lock in share mode /*pt-online-schema-change 81 copy nibble*/; " +
	"rename table t to `_t_old`, `_t_new` to t; drop table if exists `_t_old`; " +
	"drop trigger if exists pt_osc_del; drop trigger if exists pt_osc_upd; drop trigger if exists pt_osc_ins"

// TestOnlineSchemaChange lets a table be replaced as the tools do it, with rows
// that change all the while, and goes on from every place where a process may
// have died.
func TestOnlineSchemaChange(t *testing.T) {
	faults.Shows(t, "ddl-ghost", "the RENAME is an epoch of the table: what was known stays until the table has been read again; its helper tables are nobody's")
	faults.Shows(t, "ddl-ptosc", "the RENAME is an epoch of the table: what was known stays until the table has been read again; its helper tables are nobody's")
	faults.Shows(t, "ddl-checkpoint", "position, load and epoch are one cut: from whichever it goes on, the contents are equal in the end")
	for _, k := range []kind{maria, mysqlGTID} {
		for name, steps := range map[string]string{"gh-ost": ghost, "pt-osc": ptosc} {
			t.Run(k.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				r := newRig(t, k, altered, "t")
				p, m := r.tap(cdc.Resume{}), newMirror(t)
				w := r.writeOn("t")
				w.wrote(r, 20)
				w.run(r, steps)
				w.stop()
				// Places around the statements, with what was known there.
				type place struct {
					resume cdc.Resume
					m      *mirror
				}
				var places []place
				for !slices.ContainsFunc(places, func(at place) bool { return len(at.m.gone) > 0 }) || p.loads[r.id("t")].Phase != cdc.LoadDone {
					txn := p.next()
					m.apply(txn)
					if txn.Checkpoint.Rows == 0 && (len(txn.Epochs) > 0 || txn.Loads != nil) {
						places = append(places, place{cdc.Resume{Checkpoint: p.last, Loads: maps.Clone(p.loads)}, m.clone()})
					}
				}
				r.follow(p, m, "t")
				p.stop()
				t.Logf("%d places, %d rows written", len(places), w.done.Load())
				for i := 0; i < len(places); i += max(1, len(places)/4) {
					q := r.tap(places[i].resume)
					r.follow(q, places[i].m, "t")
					q.stop()
				}
			})
		}
	}
}

// TestOddNames alters tables whose names are anything that the servers take.
func TestOddNames(t *testing.T) {
	faults.Shows(t, "odd-names", "tables and columns with quotes, dots, blanks, emoji or digits first are altered, renamed and read like others")
	for _, k := range []kind{maria, mysqlGTID} {
		for _, name := range []string{"a`b", "a'b\"c", "a.b", "25again", "7", "na me;--", "Zoë☂", "select", "a%2Eb", "a\\b"} {
			t.Run(k.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				q := ident(name)
				r := newRig(t, k, "create table "+q+" (id int primary key, name varchar(50) default 'd', "+q+" int default 4)", name)
				p, m := r.tap(cdc.Resume{}), newMirror(t)
				w := r.writeOn(q)
				w.wrote(r, 10)
				for _, s := range []string{"alter table " + q + " add " + ident(name+"2") + " int default 5 after " + q, "alter table " + q + " rename column " + q + " to " + ident("x"+name),
					"alter table " + q + " drop " + ident("x"+name)} {
					r.exec(s)
					w.wrote(r, 8)
				}
				w.Lock()
				r.exec("rename table " + q + " to away")
				r.exec("rename table away to " + q)
				w.Unlock()
				w.wrote(r, 8)
				w.stop()
				r.follow(p, m, name)
				if m.gone[r.id(name)] == 0 {
					t.Error("its RENAME is no epoch")
				}
			})
		}
	}
}

// TestManyForeignTables reads past many tables, each made,
// filled, altered and filled again, for the rows of one.
func TestManyForeignTables(t *testing.T) {
	faults.Shows(t, "ddl-history-large", "keeps no history: of tables that nobody selected it knows the newest 10,000 descriptions at most, and asks the server nothing")
	r, p := started(t, maria, "create table t (id int primary key)", "t")
	r.exec("begin not atomic for i in 1..200 do " +
		"execute immediate concat('create table x', i, ' (id int) engine=MyISAM'); execute immediate concat('insert into x', i, ' values (1)'); " +
		"execute immediate concat('alter table x', i, ' add c varchar(20) default ''d'''); execute immediate concat('insert into x', i, ' values (2, ''e'')'); end for; end")
	r.exec("insert into t values (1)")
	txn := p.next()
	want(t, show(t, txn), "c t 1: id=1")
	if len(txn.Loads) > 0 || len(txn.Statements) > 0 {
		t.Errorf("it tells of others: %+v", txn)
	}
	ts := newTables(nil)
	for i := range 3 * maxTables { // each in a transaction of its own
		ts.bound()
		body := append([]byte{byte(i), byte(i >> 8), byte(i >> 16), 0, 0, 0, 0, 0, 1, 'd', 0, 4}, fmt.Sprintf("%04x", i)...)
		body = append(body, 0, 1, 3, 0, 0)
		if _, err := ts.learn(body); err != nil {
			t.Fatal(err)
		}
		if len(ts.byContent) > maxTables || len(ts.byNumber) > maxTables {
			t.Fatalf("%d descriptions are kept", len(ts.byContent))
		}
	}
}
