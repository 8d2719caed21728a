package mysql

import (
	"slices"
	"strings"
	"testing"

	"chartwire/cdc"
	"chartwire/integration/faults"
)

// Statements of MariaDB that change rows, or stand before one that does.
func TestRowsThatStatementsTake(t *testing.T) {
	faults.Shows(t, "ddl-unsaid-rows", "an epoch, and the table is read again")
	f := func(ddl, statement string, want ...string) {
		t.Run(statement, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, maria, ddl+"; create table last (id int primary key)", "people", "aside", "last")
			p := r.tap(cdc.Resume{})
			p.loaded()
			r.exec(statement + "; insert into last values (1)")
			var got []string
			for len(got) == 0 || got[len(got)-1] != "c last 1: id=1" {
				for _, line := range show(t, p.next()) {
					if !strings.HasPrefix(line, "r ") {
						got = append(got, line)
					}
				}
			}
			if got = got[:len(got)-1]; strings.Join(got, ", ") != strings.Join(want, ", ") {
				t.Errorf("got %q, want %q", got, want)
			}
			p.stop()
		})
	}
	ddl := people + "InnoDB; insert into people values (1,'Ann','x'),(2,'Ann','y'); create table aside (id int primary key, name varchar(9), note text)"
	f(ddl, "set statement max_statement_time=100 for truncate table people", "epoch truncate people")
	f(ddl, "set statement max_statement_time=100, sort_buffer_size=100000 for alter table people rename to folk", "epoch rename people")
	f(ddl, "alter ignore table people add unique (name)", "epoch reload people")
	f("create table people (id int primary key) partition by range (id) (partition a values less than (9)); create table aside (id int primary key); insert into aside values (11)",
		"alter table people convert table aside to partition b values less than (20)", "epoch reload people", "epoch drop aside")
	f("create table aside (id int primary key); create table people (id int primary key) engine=MyISAM", "repair table aside, people", "epoch reload aside", "epoch reload people")
}

// A server on Windows keeps the names of tables in lower case, whatever a
// statement calls them.
func TestLowerCaseNames(t *testing.T) {
	faults.Shows(t, "ddl-name-case", "statements are about the tables that the server takes them to be about; a table selected by a name that its rows do not have is held")
	t.Parallel()
	db := server1(t, kind{"mariadb-lower", maria.flavor, []string{"--lower-case-table-names=1"}})
	r := rigOn(t, db, "create table People (id int primary key, name text); insert into People values (1,'a'); create table Other (id int primary key); insert into Other values (1)", "people", "Other")
	p := r.tap(cdc.Resume{})
	for p.loads[r.id("people")].Phase != cdc.LoadDone || p.loads[r.id("Other")].Held.Code != HaltTable {
		p.next()
	}
	upper := strings.ToUpper(r.name)
	r.exec("insert into Other values (2); truncate table People")
	want(t, show(t, p.next()), "epoch truncate people")
	r.exec("insert into People values (2,'b')")
	want(t, show(t, p.next()), "c people 2: id=2 name=b")
	r.exec("alter table " + upper + ".PEOPLE add x int default 5")
	for _, w := range []string{"", "r people 2: id=2 name=b x=5"} {
		if got := strings.Join(show(t, p.next()), ""); got != w {
			t.Fatalf("got %q, want %q", got, w)
		}
	}
	r.exec("drop database " + upper)
	if got := show(t, p.next()); !slices.Contains(got, "epoch drop people") {
		t.Errorf("got %q", got)
	}
	p.stop()
	s, err := New(r.cfg)
	if err != nil {
		t.Fatal(err)
	}
	problems, err := s.Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var codes []string
	for _, p := range problems {
		if !p.Warning && strings.Contains(p.Text, r.id("Other").String()) {
			codes = append(codes, p.Code)
		}
	}
	if len(codes) != 1 || codes[0] != HaltTable {
		t.Errorf("check says %v: %v", codes, problems)
	}
}

// A table that was taken out of the configuration, and comes back: what changed
// meanwhile is in no topic, and its load was done.
func TestTableThatComesBack(t *testing.T) {
	faults.Shows(t, "ddl-table-back", "an epoch when it leaves, and it is read again when it comes back")
	t.Parallel()
	r := newRig(t, maria, people+"InnoDB; insert into people values (1,'Ann','x'),(2,'Ben','y'); create table aside (id int primary key, name varchar(9))", "people", "aside")
	p := r.tap(cdc.Resume{})
	p.loaded()
	p.stop()
	both := r.cfg.Selections
	r.cfg.Selections = both[1:]
	p = r.tap(p.resume())
	want(t, show(t, p.next()), "epoch reload people")
	r.exec("update people set name='Eve' where id=1; delete from people where id=2; insert into aside values (1,'a')")
	want(t, show(t, p.next()), "c aside 1: id=1 name=a")
	p.stop()
	p = r.tap(p.resume())
	r.exec("insert into aside values (2,'b')")
	want(t, show(t, p.next()), "c aside 2: id=2 name=b") // it is told once
	p.stop()
	r.cfg.Selections = both
	p = r.tap(p.resume())
	want(t, p.loaded(), "r people 1: id=1 name=Eve note=x")
	if l := p.loads[r.id("people")]; l.Since.IsZero() {
		t.Error("the load does not say since when it is whole")
	}
}

// A column that is taken out of the configuration while its table is read is not
// taken for read when it comes back.
func TestColumnThatComesBack(t *testing.T) {
	t.Parallel()
	r := newRig(t, maria, people+"InnoDB; insert into people values (1,'Ann','x'),(2,'Ben','y')", "people")
	r.cfg.Snapshot.ChunkRows = 1
	p := r.tap(cdc.Resume{})
	for p.loads[r.id("people")].Rows == 0 {
		p.next()
	}
	p.stop()
	resume := p.resume()
	if l := resume.Loads[r.id("people")]; l.Phase != cdc.LoadReading {
		t.Fatalf("the load is %+v", l)
	}
	r.cfg.Selections[0].Columns = []string{"id", "name"}
	p = r.tap(resume)
	want(t, p.loaded(), "r people 2: id=2 name=Ben")
	p.stop()
	r.cfg.Selections[0].Columns = nil
	p = r.tap(p.resume())
	for p.loads[r.id("people")].Phase == cdc.LoadDone {
		p.next()
	}
	want(t, p.loaded(), "r people 1: id=1 name=Ann note=x", "r people 2: id=2 name=Ben note=y")
}

// A statement is in the log as its session wrote it, in the session's charset;
// names of tables and columns are not.
func TestStatementsInOtherCharsets(t *testing.T) {
	faults.Shows(t, "odd-names", "statements of sessions that speak another charset are understood")
	each(t, func(t *testing.T, k kind) {
		r, p := started(t, k, "create table `größen` (id int primary key, `länge` varchar(9)); insert into `größen` values (1,'abc')", "größen")
		c := r.session()
		say(t, c, "set names latin1, sql_mode=''; alter table `gr\xf6\xdfen` modify `l\xe4nge` varchar(2)")
		p.next()
		want(t, p.loaded(), "r größen 1: id=1 länge=ab")
		say(t, c, "truncate table `gr\xf6\xdfen`")
		want(t, show(t, p.next()), "epoch truncate größen")
	})
}
