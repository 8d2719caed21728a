package mysql

import (
	"slices"
	"strings"
	"testing"

	"chartwire/cdc"
	"chartwire/cdc/mysql/image"
	"chartwire/integration/faults"
	"chartwire/integration/servers"
)

// codes are the problems' codes, warnings with a question mark.
func codes(t *testing.T, problems []Problem) (out []string) {
	t.Helper()
	for _, p := range problems {
		c := p.Code
		if p.Warning {
			c += "?"
		}
		out = append(out, c)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func check1(t *testing.T, cfg Config) []Problem {
	t.Helper()
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	problems, err := s.Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return problems
}

const badTables = `create table fine (id int primary key);
create table nokey (id int);
create table gone (id int);
create table memory1 (id int primary key) engine=MEMORY;
create table parent (id int primary key);
create table child (id int primary key, p int, foreign key (p) references parent (id) on delete cascade);
create view v as select 1 as id;
create view broken as select id from memory1 where id > (select max(id) from gone);
drop table gone;
create table other (id int primary key);`

// Everything that is wrong is named at once, each with what mends it.
func TestCheckNamesEverything(t *testing.T) {
	faults.Shows(t, "wrong-settings", "names every setting, table and column at once, each with the statement that mends it")
	faults.Shows(t, "binlog-retention", "is refused by the check below seven days")
	f := func(k servers.Flavor, args []string, ddl string, tables []string, wants ...string) {
		t.Helper()
		db := servers.Database(t, k, args...)
		r := rigOn(t, db, badTables+ddl, append(tables, "fine", "nokey", "memory1", "child", "v", "broken", "missing", "other")...)
		r.cfg.Selections[len(r.cfg.Selections)-1].Columns = []string{"id", "nothing"}
		problems := check1(t, r.cfg)
		if got := codes(t, problems); !slices.Equal(got, wants) {
			t.Errorf("%s: got\n  %s\nwant\n  %s", k.Name, strings.Join(got, "\n  "), strings.Join(wants, "\n  "))
		}
		for _, p := range problems {
			if p.Text == "" || p.Fix == "" && !p.Warning && p.Code != HaltTable {
				t.Errorf("%s: no way to mend it", p)
			}
		}
	}
	f(servers.MariaDB1011, []string{"--binlog-format=MIXED", "--binlog-row-image=MINIMAL", "--binlog-row-metadata=NO_LOG",
		"--binlog-expire-logs-seconds=3600", "--gtid-strict-mode=OFF", "--binlog-ignore-db=test"},
		"create table hist (id int primary key) with system versioning", []string{"hist"},
		"binlog-filter", "binlog-format", "binlog-retention", "column-missing", "engine", "foreign-key-cascade",
		"gtid-strict?", "row-image", "row-metadata", "table-missing", "table-system-versioned", "table-unreadable", "table-without-key")
	f(servers.MySQLNew, []string{"--binlog-row-image=NOBLOB", "--binlog-row-metadata=MINIMAL", "--binlog-row-value-options=PARTIAL_JSON",
		"--binlog-expire-logs-seconds=3600", "--gtid-mode=OFF", "--enforce-gtid-consistency=OFF"}, "", nil,
		"binlog-retention", "column-missing", "engine", "gtid-mode?", "partial-json", "row-image", "row-metadata",
		"table-missing", "table-unreadable", "table-without-key")
}

// The printed grants are enough, for the check and for the stream, and each is
// needed.
func TestGrants(t *testing.T) {
	faults.Shows(t, "wrong-password", "names the rights that lack and the statements that give them; those are enough")
	for _, k := range []kind{maria, mysqlGTID} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, k, people+"InnoDB; insert into people values (1,'a',null); create table secret (id int primary key)", "people")
			user := "reader_" + r.name
			r.exec("create user " + user + " identified by 'pw'")
			t.Cleanup(func() { _ = r.db.Exec("drop user " + user) })
			r.cfg.User, r.cfg.Password = user, "pw"
			if got := codes(t, check1(t, r.cfg)); !slices.Equal(got, []string{"grant-missing"}) {
				t.Errorf("without a right: %v", got)
			}
			r.tap(cdc.Resume{}).halt(HaltAccess)
			s, err := New(r.cfg)
			if err != nil {
				t.Fatal(err)
			}
			for _, g := range s.Grants(k.name == maria.name) {
				r.exec(g)
			}
			if got := check1(t, r.cfg); len(got) > 0 {
				t.Errorf("with the printed rights: %v", got)
			}
			p := tapSource(t, s, cdc.Resume{})
			want(t, p.loaded(), "r people 1: id=1 name=a note=NULL")
			r.exec("insert into people values (2,'b',null)")
			want(t, show(t, p.next()), "c people 2: id=2 name=b note=NULL")
			p.stop()
			p = tapSource(t, s, p.resume()) // resuming asks for more than starting
			r.exec("insert into people values (3,'c',null)")
			want(t, show(t, p.next()), "c people 3: id=3 name=c note=NULL")

			r.exec("create table doc (id int primary key, j json, plain longtext)")
			cfg := r.cfg
			cfg.Selections = []cdc.Selection{{Table: r.id("doc")}}
			s, err = New(cfg)
			must(t, err)
			for _, g := range s.Grants(k.name == maria.name) {
				r.exec(g)
			}
			c, err := s.dial(t.Context())
			must(t, err)
			defer c.close()
			info, err := describeTable(c, cfg.Name, k.name == maria.name, r.id("doc"))
			must(t, err)
			enc, err := image.Compile(info.meta, nil)
			must(t, err)
			if j, plain := enc.Table().Columns[1].Type.Kind, enc.Table().Columns[2].Type.Kind; j != cdc.KindJSON || plain == cdc.KindJSON {
				t.Errorf("with the printed rights, JSON looks like %s and text like %s", j, plain)
			}
		})
	}
}

func TestWrongPassword(t *testing.T) {
	faults.Shows(t, "wrong-password", "halts without a word of the password")
	r := newRig(t, maria, people+"InnoDB", "people")
	r.cfg.Password = "wrong-password-canary"
	err := r.tap(cdc.Resume{}).halt(HaltAccess)
	if strings.Contains(err.Error(), "canary") {
		t.Errorf("the password is in the error: %v", err)
	}
}

// A replica whose log lacks what it replicates is no source.
func TestCheckReplica(t *testing.T) {
	primary := server1(t, maria)
	db := servers.Database(t, maria.flavor) // MariaDB's default is not to log it
	r := rigOn(t, db, people+"InnoDB", "people")
	if got := codes(t, check1(t, r.cfg)); len(got) != 0 {
		t.Errorf("before it is a replica: %v", got)
	}
	must(t, db.Follow(primary))
	waitFor(t, func() bool { return slices.Equal(codes(t, check1(t, r.cfg)), []string{"replica-log"}) })
}
