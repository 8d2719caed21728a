package mysql

import (
	"strings"
	"testing"

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
	})
}
