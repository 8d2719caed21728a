package mysql

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"chartwire/cdc"
	"chartwire/cdc/mysql/image"
	"chartwire/integration/faults"
)

// Each is something that a server was seen to do (see the traps that the
// design lists), and what becomes of it.

func TestHalts(t *testing.T) {
	faults.Shows(t, "statement-dml", "halts with statement-event at its place")
	faults.Shows(t, "minimal-image", "halts with its place, and no value in the words")
	faults.Shows(t, "partial-json", "halts with its place, and no value in the words")
	each(t, func(t *testing.T, k kind) {
		f := func(name, code, ddl, statements string) {
			t.Helper()
			t.Run(name, func(t *testing.T) {
				t.Helper()
				if ddl == "" {
					ddl = people + "InnoDB"
				}
				r := newRig(t, k, ddl, "people")
				p := r.tap(cdc.Resume{})
				if statements != "" {
					p.loaded()
					r.exec(statements)
				}
				err := p.halt(code)
				if strings.Contains(err.Error(), "canary") {
					t.Errorf("a value is in the error: %v", err)
				}
				if p.last.Position.IsZero() {
					t.Error("no position before the halt")
				}
			})
		}
		f("statement", HaltStatement, "", "set session binlog_format=statement; insert into people values (1,'canary',null)")
		f("minimal image", image.HaltPartial, people+"InnoDB; insert into people values (1,'canary',null)", "set session binlog_row_image=minimal; update people set name='x'")
		if k.name != maria.name {
			f("partial json", image.HaltPartial, "create table people (id int primary key, j json); insert into people values (1, json_object('a', repeat('canary',99), 'b', 1))",
				"set session binlog_row_value_options=partial_json; update people set j=json_set(j, '$.b', 2)")
		}
	})
}

func TestMetadataMinimal(t *testing.T) {
	faults.Shows(t, "metadata-minimal", "halts with the setting")
	each(t, func(t *testing.T, k kind) {
		r, p := started(t, k, people+"InnoDB", "people")
		must(t, r.db.Exec("set global binlog_row_metadata=minimal"))
		defer func() { must(t, r.db.Exec("set global binlog_row_metadata=full")) }()
		r.exec("alter table people add x int; insert into people values (1,'a',null,1)")
		p.halt(image.HaltMetadata)
	})
}

// What goes by in tables that nobody selected is no obstacle, whatever it is.
func TestForeignRowsPass(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		ddl := people + "InnoDB; create table nokey (a int, b varchar(400), c enum('x','y'), d set('p','q'), e decimal(30,5), f bit(12), " +
			"g datetime(3), h timestamp(6) null, i time(2), j year, k date, l mediumblob, m char(200), n double, o tinyint, p bigint, q mediumint, r json, s geometry);"
		if k.name == maria.name {
			ddl += "create table odd (id int primary key, z varchar(200) compressed, y text compressed, u uuid, i6 inet6); create sequence seq;" +
				"create table versioned (id int primary key, v int) with system versioning;"
		}
		r, p := started(t, k, ddl, "people")
		row := "(1,repeat('a',300),'y','p,q',-12345.678,b'101','2020-01-02 03:04:05.678','2020-01-02 03:04:05.678','-12:34:56.78',2020,'2020-01-02',repeat('b',70000),repeat('c',200),1.5,1,2,3,'{\"a\":1}',point(1,2))"
		r.exec("insert into nokey values " + row + "; insert into nokey (a) values (2); update nokey set a=3; delete from nokey where e is null")
		if k.name == maria.name {
			r.exec("insert into odd values (1,repeat('z',150),repeat('y',900),uuid(),'::1'); select nextval(seq); insert into versioned values (1,1); update versioned set v=2")
		} else {
			r.exec("create table js (id int primary key, j json); insert into js values (1, json_object('a', repeat('x',99), 'b', 1)); " +
				"set session binlog_row_value_options=partial_json; update js set j=json_set(j, '$.b', 2), id=2")
			r.exec("set session binlog_row_value_options=''")
		}
		r.exec("create table copied as select * from nokey; create temporary table tmp (a int); insert into tmp values (1); drop temporary table tmp")
		r.exec("insert into people values (1,'a',null)")
		want(t, show(t, p.next()), "c people 1: id=1 name=a note=NULL")
		if c := p.last.Position; c.Last.Table != r.name+".people" {
			t.Errorf("the fingerprint is of %s", c.Last.Table)
		}
		p.stop()
		q := r.tap(p.resume())
		r.exec("insert into people values (2,'b',null)")
		want(t, show(t, q.next()), "c people 2: id=2 name=b note=NULL")
	})
}

// A table made from another's rows is in the log as rows.
func TestCreateFromSelect(t *testing.T) {
	faults.Shows(t, "create-select", "its rows come as creations")
	each(t, func(t *testing.T, k kind) {
		r := newRig(t, k, people+"InnoDB; insert into people values (1,'a',null)", "people", "copy")
		p := r.tap(cdc.Resume{})
		for p.loads[r.id("people")].Phase != cdc.LoadDone {
			p.next() // the other one is not there yet
		}
		if k.name == maria.name {
			r.exec("create table copy (primary key (id)) as select * from people")
		} else {
			r.exec("create table copy (primary key (id)) select * from people")
		}
		lines := show(t, p.next())
		want(t, lines, "c copy 1: id=1 name=a note=NULL")
	})
}

func TestCompressedLog(t *testing.T) {
	faults.Shows(t, "compressed-transactions", "comes as if it were not compressed, at a restart too")
	faults.Shows(t, "compressed-events", "comes as if it were not compressed, at a restart too")
	each(t, func(t *testing.T, k kind) {
		r, p := started(t, k, people+"InnoDB", "people")
		note := strings.Repeat("packed ", 300)
		before := "set session binlog_transaction_compression=on; "
		if k.name == maria.name {
			must(t, r.db.Exec("set global log_bin_compress=on, global log_bin_compress_min_len=16"))
			defer func() { must(t, r.db.Exec("set global log_bin_compress=off")) }()
			before = ""
		}
		r.exec(before + "insert into people values (1,'a','" + note + "'),(2,'b','" + note + "')")
		want(t, show(t, p.next()), "c people 1: id=1 name=a note="+note, "c people 2: id=2 name=b note="+note)
		p.stop() // and the compressed transaction is what a restart compares
		p = r.tap(p.resume())
		r.exec("update people set name='c' where id=2; alter table people comment='" + note[:900] + "'; delete from people where id=1")
		want(t, show(t, p.next()), "u people 2: id=2 name=b note="+note+" -> id=2 name=c note="+note)
		want(t, show(t, p.next()), "d people 1: id=1 name=a note="+note)
	})
}

func TestTaggedIDs(t *testing.T) {
	faults.Shows(t, "tagged-gtid", "is in the position, and resumed from")
	r, p := started(t, mysqlGTID, people+"InnoDB", "people")
	r.exec("set gtid_next='AUTOMATIC:mytag'; insert into people values (1,'a',null); set gtid_next='AUTOMATIC'; insert into people values (2,'b',null)")
	p.next()
	p.next()
	if id := p.last.Position.GTID; !strings.Contains(id, ":mytag:1") {
		t.Errorf("the position is %s", id)
	}
	p.stop()
	q := r.tap(p.resume())
	r.exec("set gtid_next='AUTOMATIC:mytag'; insert into people values (3,'c',null); set gtid_next='AUTOMATIC'")
	want(t, show(t, q.next()), "c people 3: id=3 name=c note=NULL")
}

// While nothing happens, the log moves on to new files and the old ones go.
func TestRotationWhileIdle(t *testing.T) {
	faults.Shows(t, "rotation", "the position moves to the new file, so that the old one may go")
	each(t, func(t *testing.T, k kind) {
		r, p := own(t, k)
		p = r.tap(p.resume())
		before := p.last.Position.File
		r.exec("flush logs")
		p.stands(func(at cdc.Position) bool { return at.File != before && at.Offset > 4 })
		p.stop()
		files := logFiles(t, r)
		r.exec("purge binary logs to '" + files[len(files)-1] + "'")
		q := r.tap(p.resume())
		r.exec("insert into people values (7,'late',null)")
		want(t, show(t, q.next()), "c people 7: id=7 name=late note=NULL")
	})
}

// One-phase XA and savepoints across engines end as they did at the server.
func TestMixedTransactions(t *testing.T) {
	faults.Shows(t, "myisam", "what a rollback could not undo comes, what it undid does not")
	for _, k := range []kind{maria, mysqlFile} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			r, p := started(t, k, people+"InnoDB; create table isam (id int primary key) engine=MyISAM", "people", "isam")
			r.exec("start transaction; insert into people values (1,'kept',null); savepoint Here; insert into people values (2,'undone',null); " +
				"insert into isam values (1); rollback to hERE; insert into people values (3,'kept',null); commit; insert into people values (99,'id=99',null)")
			got := strings.Join(until(t, p), "\n")
			if strings.Contains(got, "undone") || strings.Count(got, "kept") != 2 || !strings.Contains(got, "c isam 1") {
				t.Errorf("got\n%s", got)
			}
			r.exec("start transaction; insert into people values (5,'undone',null); insert into isam values (5); insert into people values (6,'undone',null); rollback; insert into people values (999,'id=99',null)")
			got = strings.Join(until(t, p), "\n")
			if strings.Contains(got, "undone") || !strings.Contains(got, "c isam 5") {
				t.Errorf("got\n%s", got)
			}
			r.exec("update isam i join people p set i.id=50, p.name='both' where i.id=5 and p.id=1; insert into people values (9999,'id=99',null)")
			if got = strings.Join(until(t, p), "\n"); !strings.Contains(got, "c isam 50") || !strings.Contains(got, "name=both") {
				t.Errorf("got\n%s", got)
			}
			r.exec("start transaction; insert into people values (7,'undone',null); update isam i join people p set i.id=51, p.name='undone' where i.id=50 and p.id=1; rollback; insert into people values (99999,'id=99',null)")
			if got = strings.Join(until(t, p), "\n"); !strings.Contains(got, "c isam 51") || strings.Contains(got, "undone") {
				t.Errorf("got\n%s", got)
			}
			r.exec("xa start 'one'; insert into people values (4,'xa',null); xa end 'one'; xa commit 'one' one phase")
			want(t, show(t, p.next()), "c people 4: id=4 name=xa note=NULL")
		})
	}
}

// MySQL from 9.6 logs what a foreign key does; the check relies on it.
func TestCascadesAreLogged(t *testing.T) {
	faults.Shows(t, "cascade", "MySQL logs what it does; elsewhere the check refuses such tables")
	r, p := started(t, mysqlGTID, "create table parent (id int primary key); create table people (id int primary key, p int, foreign key (p) references parent (id) on delete cascade);"+
		"insert into parent values (1); insert into people values (5,1)", "people")
	r.exec("delete from parent")
	want(t, show(t, p.next()), "d people 5: id=5 p=1")
}

// A session's clock and zone do not show, and the commit's time is the server's.
func TestCommitTime(t *testing.T) {
	faults.Shows(t, "time-zone", "is read as UTC, whatever the zone of session and process")
	each(t, func(t *testing.T, k kind) {
		r, p := started(t, k, "create table people (id int primary key, at timestamp null)", "people")
		before := time.Now()
		r.exec("set time_zone='+11:00'; insert into people values (1,'2020-06-01 11:00:00')")
		txn := p.next()
		want(t, show(t, txn), "c people 1: id=1 at=2020-06-01T00:00:00Z")
		if at := txn.CommitTime; at.Before(before.Add(-3*time.Second)) || at.After(time.Now().Add(3*time.Second)) {
			t.Errorf("committed behind %s, and said to be at %s", before, at)
		}
	})
}

// What the stream does not say of MariaDB's columns is asked once and kept.
func TestPinnedTypes(t *testing.T) {
	r, p := started(t, maria, "create table people (id int primary key, j json, b binary(16)); insert into people values (1,'{\"a\": 1}',x'4100')", "people")
	types := p.loads[r.id("people")].Types
	if types["j"] != "json" || types["b"] != "binary(16)" || len(types) != 2 {
		t.Errorf("pinned are %v", types)
	}
	r.exec("insert into people values (2,'{\"b\": 2}',x'4200')")
	txn := p.next()
	want(t, show(t, txn)[0:1], "c people 2: id=2 j={\"b\": 2} b="+showBytes(t, txn))
	if kind := txn.Changes[0].Table.Columns[1].Type.Kind; kind != cdc.KindJSON {
		t.Errorf("j is %s", kind)
	}
}

func showBytes(t *testing.T, txn *cdc.Txn) string {
	_, b, _ := strings.Cut(show(t, txn)[0], " b=")
	return b
}

func TestTLS(t *testing.T) {
	faults.Shows(t, "tls", "halts until the certificate is of the authority that was named")
	r := newRig(t, mysqlGTID, people+"InnoDB", "people")
	var dir string
	must(t, r.sql.QueryRow("select @@datadir").Scan(&dir))
	pem, err := os.ReadFile(dir + "/ca.pem")
	if err != nil {
		t.Skipf("the server made no certificates: %v", err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	r.exec("create user tls_" + r.name + " identified by 'pw' require ssl; grant all on *.* to tls_" + r.name)
	defer func() { must(t, r.db.Exec("drop user tls_"+r.name)) }()
	r.cfg.User, r.cfg.Password = "tls_"+r.name, "pw"
	r.tap(cdc.Resume{}).halt(HaltAccess)
	r.cfg.TLS = &tls.Config{RootCAs: roots}
	r.tap(cdc.Resume{}).halt(HaltTLS) // the certificate names no host
	r.cfg.TLS = VerifyAuthority(&tls.Config{RootCAs: x509.NewCertPool()})
	r.tap(cdc.Resume{}).halt(HaltTLS)
	r.cfg.TLS = VerifyAuthority(&tls.Config{RootCAs: roots})
	p := r.tap(cdc.Resume{})
	p.loaded()
	var values []string
	for i := range 3000 {
		values = append(values, fmt.Sprintf("(%d,'n',repeat('x',500))", i))
	}
	r.exec("insert into people values " + strings.Join(values, ","))
	if txn := p.next(); len(txn.Changes) != 3000 {
		t.Errorf("%d rows", len(txn.Changes))
	}
}
