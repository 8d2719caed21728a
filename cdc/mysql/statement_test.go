package mysql

import (
	"strings"
	"testing"

	"chartwire/cdc"
	"chartwire/integration/faults"
)

func TestWithoutValues(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		if got := withoutValues(text); got != want {
			t.Errorf("%s\n got %s\nwant %s", text, got, want)
		}
	}
	f("ALTER TABLE `a``b`.t ADD c VARCHAR(20) DEFAULT 'Ann O''Hara' COMMENT 'born 1980'", "ALTER TABLE `a``b`.t ADD c VARCHAR(20) DEFAULT ? COMMENT ?")
	f("alter table t add d decimal(10, 2) not null default -12.50 after x", "alter table t add d decimal(10, 2) not null default -?.? after x")
	f("ALTER TABLE t /* Ann */ DROP c -- Bob\n, ADD d INT", "ALTER TABLE t DROP c , ADD d INT")
	f("ALTER TABLE t ADD PARTITION (PARTITION p7 VALUES LESS THAN (2024), PARTITION p8 VALUES IN (0x41, 'x', 1e5))",
		"ALTER TABLE t ADD PARTITION (PARTITION p7 VALUES LESS THAN (?), PARTITION p8 VALUES IN (?, ?, ?))")
	f("ALTER TABLE t MODIFY e ENUM('a','b'), ADD 2nd INT(11) DEFAULT (5), ADD g INT AS (char(65)) ", "ALTER TABLE t MODIFY e ENUM(?,?), ADD 2nd INT(11) DEFAULT (?), ADD g INT AS (char(65))")
	f(`ALTER TABLE t COMMENT "it's"`, "ALTER TABLE t COMMENT ?")
	f("CREATE TABLE t /*!50100 PARTITION BY HASH (id) */ AS SELECT 7 AS id, _utf8mb4'Ann' AS n, X'4142' AS b", "CREATE TABLE t PARTITION BY HASH (id) AS SELECT ? AS id, _utf8mb4? AS n, X? AS b")
	f(`ALTER TABLE t ADD c CHAR(1) DEFAULT 'a\' COMMENT 'Ann'`, "")
	f("ALTER TABLE t COMMENT '\xff'", "")
	f("ALTER TABLE t COMMENT '"+strings.Repeat("x", mostStatement)+"'", "")
}

// FuzzWithoutValues wants no quoted text in what is told.
func FuzzWithoutValues(f *testing.F) {
	f.Add("alter table t add c int default 'x' comment \"y\", add `a'b` int")
	f.Add("alter table t comment 'open")
	f.Fuzz(func(t *testing.T, text string) {
		got := withoutValues("alter table t comment 'canary', " + text)
		if strings.Contains(strings.ReplaceAll(got, text, ""), "canary") {
			t.Errorf("%q tells of the value", got)
		}
	})
}

// TestStatements tells of statements that concern captured tables, in the
// transaction of what they did, and of no other.
func TestStatements(t *testing.T) {
	faults.Shows(t, "ddl-topic", "tells of each statement on a captured table in the transaction of its cut, without the values in it")
	faults.Shows(t, "ddl-unparseable", "goes on: rows are read by what their own events say, and a statement nobody understands changes nothing")
	each(t, func(t *testing.T, k kind) {
		r, p := started(t, k, people+"InnoDB; create table others (id int primary key)", "people")
		r.exec("alter table others add x int; drop table others")
		r.exec("alter table people add age int default 5 comment 'canary'")
		txn := p.next()
		for len(txn.Statements) == 0 {
			txn = p.next()
		}
		s := txn.Statements[0]
		if len(s.Tables) != 1 || s.Tables[0] != r.id("people") || strings.Join(s.Kinds, " ") != "alter" || s.Text != "alter table people add age int default ? comment ?" {
			t.Errorf("told %+v", s)
		}
		r.exec("rename table people to old; create table people (id int primary key, name text)")
		txn = p.next()
		for len(txn.Statements) == 0 {
			txn = p.next()
		}
		if s := txn.Statements[0]; strings.Join(s.Kinds, " ") != "rename" || len(txn.Epochs) == 0 {
			t.Errorf("told %+v with %v", s, txn.Epochs)
		}
		r.exec("insert into people values (1,'a')")
		p.seen("c people 1: id=1 name=a")
		for p.loads[r.id("people")].Phase != cdc.LoadDone {
			p.next()
		}

		// Of none of these is anything understood, and none is about the table.
		odd := []string{"create procedure p() begin drop table if exists people; truncate people; end", "create function f() returns int deterministic return 1",
			"create view v as select 'alter table people drop name' as x", "create table logged (id int primary key, note text)",
			"create trigger tr before insert on logged for each row set new.note = 'rename table people to gone'",
			"create event ev on schedule every 1 year disable do truncate people", "analyze table people", "drop procedure p", "drop function f", "drop event ev"}
		if k.name == maria.name {
			odd = append(odd, "create sequence sq", "create server srv_"+r.name+" foreign data wrapper mysql options (host 'people')", "drop server srv_"+r.name,
				"create or replace procedure p() for i in 1..2 do drop table if exists people; end for")
		} else {
			odd = append(odd, "alter instance rotate innodb master key", "create role role_"+r.name, "drop role role_"+r.name,
				"create spatial reference system 990001 name 'drop table people' definition 'GEOGCS[\"WGS 84\",DATUM[\"W\",SPHEROID[\"W\",6378137,298.257223563]],PRIMEM[\"G\",0],UNIT[\"d\",0.017453292519943278],AXIS[\"Lat\",NORTH],AXIS[\"Lon\",EAST]]'",
				"drop spatial reference system 990001")
		}
		for _, statement := range odd {
			if _, err := r.sql.Exec(statement); err != nil && !strings.Contains(statement, "master key") {
				t.Fatalf("%s: %v", statement, err)
			}
		}
		r.exec("insert into people values (2,'b')")
		want(t, p.seen("c people 2: id=2 name=b"), "c people 2: id=2 name=b")
		if l := p.loads[r.id("people")]; l.IsHeld() || l.Phase != cdc.LoadDone {
			t.Errorf("the table became %+v", l)
		}
	})
}
