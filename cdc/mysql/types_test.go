package mysql

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"chartwire/cdc"
	"chartwire/cdc/mysql/image"
	"chartwire/integration/faults"
	"chartwire/integration/servers"
)

// typesTable has a column of every type that both servers have, in character
// sets of every kind.
const typesTable = `create table types (id bigint unsigned, part varchar(20) character set latin1, touched int not null default 0,
 i1 tinyint, i2 smallint unsigned, i3 mediumint, i4 int unsigned zerofill, i8 bigint, u8 bigint unsigned, yes tinyint(1),
 d1 decimal(10,2), d2 decimal(65,30), f1 float, f2 double, f3 double(10,2), b1 bit(1), b64 bit(64), y year,
 da date, t0 time, t6 time(6), dt datetime, dt3 datetime(3), ts timestamp null, ts6 timestamp(6) null,
 c char(10), c1 char(255) character set latin1, v varchar(300), v3 varchar(20) character set utf8mb3, v16 varchar(20) character set utf16,
 vr varchar(20) character set cp1251, tx mediumtext, bi binary(8), vb varbinary(8), bl blob,
 e enum('a','ü','日') character set utf8mb4, e1 enum('x','ü') character set latin1, s set('a','b','ü'), j json,
 primary key (id, part)) engine=`

const typesRows = `set time_zone='+02:00', sql_mode='';
insert into types values (18446744073709551615, 'Müller/1', 0, -128, 65535, -8388608, 42, -9223372036854775808, 18446744073709551615, 1,
 -12345678.90, -12345678901234567890.123456789, 0.1, 1e-300, 1234.56, b'1', 0xffffffffffffffff, 2024,
 '2024-02-29', '-838:59:59', '-00:00:00.000001', '2024-02-29 23:59:59', '1969-12-31 23:59:59.125', '2038-01-19 05:14:07', '2024-02-29 23:59:59.999999',
 'ab  ', 'Größe', repeat('😀', 200), '日本', 'A😀', 'Привет', repeat('x', 70000), x'4100', x'4100', x'00ff',
 '日', 'ü', 'a,ü', '{"b": [1, 2.50, "x"], "a": null}');
insert into types (id, part) values (0, '');
insert into types (id, part, da, dt, dt3, ts, t0, e, e1, s, bi, d1) values (7, '%', '0000-00-00', '0001-01-01', '2024-05-00 10:00:00', 0, '838:59:59', '', 'none', '', '', 0);`

// TestSnapshotEqualsStream reads rows by a query and then, after an update,
// from the log: both must have the same bytes, key and type.
func TestSnapshotEqualsStream(t *testing.T) {
	faults.Shows(t, "snapshot-equals-stream", "the bytes of the rows are equal")
	faults.Shows(t, "unsigned", "the highest unsigned BIGINT is itself, as a key too")
	faults.Shows(t, "zero-dates", "are null in both, and 0001-01-01 is itself")
	faults.Shows(t, "time", "are themselves to the microsecond")
	faults.Shows(t, "bit", "is 64 bits in both")
	each(t, func(t *testing.T, k kind) {
		for _, engine := range []string{"InnoDB", "MyISAM"} {
			t.Run(engine, func(t *testing.T) {
				r := newRig(t, k, "set sql_mode=''; "+typesTable+engine, "types")
				r.exec(typesRows)
				compareReads(t, r)
			})
		}
	})
}

// compareReads loads the rows of types, changes all of them, and compares.
func compareReads(t *testing.T, r *rig) {
	t.Helper()
	p := r.tap(cdc.Resume{})
	read := map[string]cdc.Change{}
	for p.loads[r.id("types")].Phase != cdc.LoadDone {
		for _, c := range p.next().Changes {
			read[c.Key] = c
		}
	}
	for _, key := range []string{"18446744073709551615/Müller%2f1", "0/%", "7/%25"} {
		if read[key].After == nil {
			t.Errorf("no row %q in the snapshot", key)
		}
	}
	r.exec("update types set touched = 1")
	for n := 0; n < len(read); {
		for _, c := range p.next().Changes {
			n++
			was := read[c.Key]
			if !bytes.Equal(was.After, c.Before) {
				t.Errorf("row %q: the query gave\n%s\nthe log\n%s", c.Key, rowText(t, was.Table, was.After), rowText(t, c.Table, c.Before))
			}
			if was.Table != c.Table && !sameShape(was.Table, c.Table) {
				t.Errorf("the query's table is %+v, the log's %+v", was.Table, c.Table)
			}
		}
	}
}

// TestNewMariaDB is TestSnapshotEqualsStream on the newest MariaDB, where it is
// installed, with the type that only it has.
func TestNewMariaDB(t *testing.T) {
	if _, err := os.Stat(filepath.Join(servers.Cache(), "mariadb-new", ".done")); err != nil {
		t.Skip("install.sh mariadb-new was not run")
	}
	r := newRig(t, kind{"mariadb-new", servers.MariaDBNew, nil}, "set sql_mode=''; "+typesTable+"InnoDB", "types")
	r.exec(typesRows + "alter table types add column ve vector(3); update types set ve = vec_fromtext('[1,2,3]') where id = 7")
	compareReads(t, r)
}

// TestUnsaidTypes reads what MariaDB's stream does not say of columns.
func TestUnsaidTypes(t *testing.T) {
	faults.Shows(t, "binary-padding", "trailing zero bytes are there again")
	r := newRig(t, maria, `create table t (id int primary key, j json, l longtext, six inet6, four inet4, b16 binary(16))`, "t")
	row := `'{"a": 1}', '{}', '2001:db8::', '127.0.0.0', x'20010db8'`
	r.exec("insert into t values (1, " + row + ")")
	p := r.tap(cdc.Resume{})
	const want1 = ` j={"a": 1} l={} six=2001:db8:: four=127.0.0.0 b16=20010db8000000000000000000000000`
	want(t, p.loaded(), "r t 1: id=1"+want1)
	r.exec("insert into t values (2, " + row + ")")
	txn := p.next()
	want(t, show(t, txn), "c t 2: id=2"+want1)
	var kinds []string
	for _, c := range txn.Changes[0].Table.Columns {
		kinds = append(kinds, c.Type.Kind.String())
	}
	want(t, kinds, "int", "json", "text", "inet6", "inet4", "bytes")
}

// TestDatePolicies keeps the text of dates that cannot be said, where that is
// asked for, or halts; by a query and from the log alike.
func TestDatePolicies(t *testing.T) {
	faults.Shows(t, "zero-dates", "keeps their text or halts, column by column, where the configuration says so")
	for _, k := range []kind{maria, mysqlGTID} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, k, "create table d (id int primary key, a date, b datetime(3), c timestamp(2) null, n varchar(9), e date)", "d")
			r.cfg.Dates = map[cdc.TableID]map[string]image.DatePolicy{r.id("d"): {"a": image.DateRaw, "b": image.DateRaw, "c": image.DateRaw, "e": image.DateNull, "n": image.DateRaw}}
			const rows = "set sql_mode='ALLOW_INVALID_DATES', time_zone='+00:00'; insert into d values (%d, '2024-05-00', '0001-01-01 10:11:12.125', '0000-00-00', 'x', 0), (%d, '2024-02-29', '2024-02-29 01:02:03', null, 'y', null)"
			const one, two = " a=NULL a_raw=2024-05-00 b=NULL b_raw=0001-01-01 10:11:12.125 c=NULL c_raw=0000-00-00 00:00:00.00 n=x e=NULL",
				" a=2024-02-29 a_raw=NULL b=2024-02-29T01:02:03 b_raw=NULL c=NULL c_raw=NULL n=y e=NULL"
			r.exec(fmt.Sprintf(rows, 1, 2))
			p := r.tap(cdc.Resume{})
			want(t, p.loaded(), "r d 1: id=1"+one, "r d 2: id=2"+two)
			r.exec(fmt.Sprintf(rows, 3, 4))
			want(t, show(t, p.next()), "c d 3: id=3"+one, "c d 4: id=4"+two)
			p.stop()

			// One more column keeps its text from now on: the table is read again.
			r.cfg.Dates[r.id("d")]["e"] = image.DateRaw
			p = r.tap(p.resume())
			again := p.next()
			for len(again.Changes) == 0 {
				again = p.next()
			}
			want(t, show(t, again)[:1], "r d 1: id=1"+one+" e_raw=0000-00-00")
			p.stop()

			r.cfg.Dates[r.id("d")]["e"] = image.DateReject
			r.exec("delete from d where e = 0")
			p = r.tap(cdc.Resume{})
			p.loaded()
			r.exec("set sql_mode=''; insert into d (id, e) values (9, '2024-02-00')")
			if err := p.halt(image.HaltDate); strings.Contains(err.Error(), "2024") {
				t.Errorf("a value is in the error: %v", err)
			}
		})
	}
}

// TestGeneratedLeftOut reads the updates and deletes of MariaDB 11, whose images
// lack generated columns: who did not select them gets the rest of the row.
func TestGeneratedLeftOut(t *testing.T) {
	faults.Shows(t, "generated", "halts where MariaDB 11 leaves a selected one out of an update, which the check says before, and reads around others")
	if _, err := os.Stat(filepath.Join(servers.Cache(), "mariadb-new", ".done")); err != nil {
		t.Skip("install.sh mariadb-new was not run")
	}
	r := newRig(t, kind{"mariadb-new", servers.MariaDBNew, nil}, "create table g (v int as (x * 2) virtual, id int primary key, s int as (x * 3) stored, x int, n varchar(9), last int as (x) virtual)", "g")
	r.cfg.Selections[0].Columns = []string{"x", "n"}
	p := r.tap(cdc.Resume{})
	p.loaded()
	r.exec("insert into g (id, x, n) values (1, 5, 'a'), (2, 7, null); update g set x = 6, n = 'ä' where id = 1; update g set n = null; delete from g where id = 1")
	want(t, show(t, p.next()), "c g 1: id=1 x=5 n=a", "c g 2: id=2 x=7 n=NULL")
	want(t, show(t, p.next()), "u g 1: id=1 x=5 n=a -> id=1 x=6 n=ä")
	want(t, show(t, p.next()), "u g 1: id=1 x=6 n=ä -> id=1 x=6 n=NULL")
	want(t, show(t, p.next()), "d g 1: id=1 x=6 n=NULL")
	p.stop()

	refused := func(r *rig) int {
		return len(slices.DeleteFunc(check1(t, r.cfg), func(p Problem) bool { return p.Code != image.HaltPartial }))
	}
	if n := refused(r); n != 0 {
		t.Errorf("the check refuses %d columns that nobody selected", n)
	}
	r.cfg.Selections[0].Columns = []string{"s"}
	older := newRig(t, maria, "create table g (id int primary key, s int as (id * 3) stored)", "g")
	if n, m := refused(r), refused(older); n != 1 || m != 0 {
		t.Errorf("the check refuses %d columns, and of an older server %d", n, m)
	}
	p = r.tap(cdc.Resume{})
	want(t, p.loaded(), "r g 2: id=2 s=21")
	r.exec("insert into g (id, x) values (3, 1); update g set x = 8")
	want(t, show(t, p.next()), "c g 3: id=3 s=3")
	if err := p.halt(image.HaltPartial); !strings.Contains(err.Error(), "column s;") {
		t.Error(err)
	}
}

// TestHashedKey reads tables of MariaDB with a unique key that is too long for an
// index: the log has a column with its hash, which the table has not.
func TestHashedKey(t *testing.T) {
	faults.Shows(t, "hidden-columns", "are in no row: the hash that MariaDB keeps of a long unique key is the server's own, and the table is not read again for it")
	f := func(k kind) {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, k, "create table h (id int primary key, b text, v varchar(4000), unique (b), unique (v)); insert into h values (1, 'a', 'b')", "h")
			p := r.tap(cdc.Resume{})
			want(t, p.loaded(), "r h 1: id=1 b=a v=b")
			r.exec("insert into h values (2, 'c', null); update h set b = 'd' where id = 1; delete from h where id = 2")
			want(t, show(t, p.next()), "c h 2: id=2 b=c v=NULL")
			want(t, show(t, p.next()), "u h 1: id=1 b=a v=b -> id=1 b=d v=b")
			want(t, show(t, p.next()), "d h 2: id=2 b=c v=NULL")
		})
	}
	f(maria)
	if _, err := os.Stat(filepath.Join(servers.Cache(), "mariadb-new", ".done")); err == nil {
		f(kind{"mariadb-new", servers.MariaDBNew, nil})
	}
}

// TestOwnCollation has a column in a collation that the administrators of a MySQL
// made, whose number is one of latin1 on MariaDB.
func TestOwnCollation(t *testing.T) {
	faults.Shows(t, "charset-unknown", "holds the table alone, without reading it again at each connection, where administrators made the collation")
	t.Parallel()
	if testing.Short() {
		t.Skip("needs a real server: not under -short")
	}
	dir := filepath.Join(t.TempDir(), "charsets")
	must(t, os.CopyFS(dir, os.DirFS(filepath.Join(servers.Cache(), "mysql/root/usr/share/mysql/charsets"))))
	index := filepath.Join(dir, "Index.xml")
	b, err := os.ReadFile(index)
	must(t, err)
	own := `<charset name="utf8mb4"><collation name="utf8mb4_phone_ci" id="1029"><rules><reset>\u0000</reset><i>\u0020</i></rules></collation></charset></charsets>`
	must(t, os.WriteFile(index, bytes.Replace(b, []byte("</charsets>"), []byte(own), 1), 0o644))
	db := servers.Database(t, servers.MySQLNew, "--character-sets-dir="+dir)
	r := rigOn(t, db, "create table phones (id int primary key, n varchar(20) character set utf8mb4 collate utf8mb4_phone_ci); create table others (id int primary key)", "phones", "others")
	r.exec("insert into phones values (1, 'é')")
	p := r.tap(cdc.Resume{})
	if h := p.held(r.id("phones"), image.HaltCharset); !strings.Contains(h.Text, "collation 1029,") {
		t.Error(h.Text)
	}
	r.exec("insert into phones values (2, 'ü'); insert into others values (1)")
	lines := p.seen("c others 1: id=1")
	p.stop()
	p = r.tap(p.resume())
	r.exec("insert into others values (2)")
	lines = append(lines, p.seen("c others 2: id=2")...)
	if all := strings.Join(lines, ", "); strings.Contains(all, "phones") {
		t.Errorf("of the table that is held came %s", all)
	}
	r.exec("alter table phones modify n varchar(20) character set utf8mb4 collate utf8mb4_general_ci")
	p.seen("epoch reload phones")
	p.seen("r phones 2: id=2 n=ü")
}

// TestCompressedWays reads compressed columns of MariaDB in every way in which a
// session may have them compressed.
func TestCompressedWays(t *testing.T) {
	faults.Shows(t, "column-compressed", "is inflated, whatever level, strategy and header the writing session asked for")
	r := newRig(t, maria, "create table z (id int primary key, t text compressed, b longblob compressed, v varchar(3000) compressed character set latin1)", "z")
	p := r.tap(cdc.Resume{})
	p.loaded()
	c := r.session()
	id := 0
	var written []string
	for _, wrap := range []string{"on", "off"} {
		for _, strategy := range []string{"default_strategy", "filtered", "huffman_only", "rle", "fixed"} {
			for _, level := range []int{0, 1, 9} {
				id++
				say(t, c, "set column_compression_zlib_wrap=%s, column_compression_zlib_strategy=%s, column_compression_zlib_level=%d, column_compression_threshold=1; "+
					"insert into z values (%d, repeat('größer', %d), repeat(x'00ff01', %d), repeat('é', %d))", wrap, strategy, level, id, 1+id*40, 30000*(id%7), id*90)
				written = append(written, show(t, p.next())...)
			}
		}
	}
	p.stop()
	p = r.tap(cdc.Resume{})
	read := p.loaded()
	for i := range read {
		if i >= len(written) || read[i][1:] != written[i][1:] {
			t.Errorf("%.60s: the query's row and the log's differ", read[i])
		}
	}
	if len(read) != id {
		t.Errorf("%d rows of %d", len(read), id)
	}
}

// TestUUIDLayouts reads the UUIDs of a table with the layout of before MariaDB
// 10.11.5, which turned the parts of every UUID in its files: the log has them
// as they are printed all the same.
func TestUUIDLayouts(t *testing.T) {
	r := newRig(t, maria, "create table u (id int primary key, u uuid, key (u)) engine=MyISAM", "u")
	must(t, r.db.Exec("flush tables "+r.name+".u"))
	var dir string
	must(t, r.sql.QueryRow("select @@datadir").Scan(&dir))
	file := filepath.Join(dir, r.name, "u.frm")
	frm, err := os.ReadFile(file)
	must(t, err)
	const versionAt = 0x33 // of the server that made the table
	binary.LittleEndian.PutUint32(frm[versionAt:], 101104)
	must(t, os.WriteFile(file, frm, 0o644))
	p := r.tap(cdc.Resume{})
	p.loaded()
	var lines []string
	for i, u := range []string{"123e4567-e89b-12d3-a456-426614174000", "f47ac10b-58cc-4372-a567-0e02b2c3d479", "017f22e2-79b0-7cc3-98c4-dc0c0c07398f", "00000000-0000-0000-0000-000000000000"} {
		r.exec(fmt.Sprintf("insert into u values (%d, '%s')", i, u))
		lines = append(lines, fmt.Sprintf("r u %d: id=%d u=%s", i, i, u))
		want(t, show(t, p.next()), "c"+lines[i][1:])
	}
	p.stop()
	p = r.tap(cdc.Resume{})
	want(t, p.loaded(), lines...)
	p.stop()

	// The file has its parts turned, which is what makes it the old layout.
	must(t, r.db.Exec("flush tables "+r.name+".u"))
	rows, err := os.ReadFile(filepath.Join(dir, r.name, "u.MYD"))
	must(t, err)
	if turned, _ := hex.DecodeString("dc0c0c07398f98c47cc379b0017f22e2"); !bytes.Contains(rows, turned) {
		t.Error("the table has not got the old layout")
	}
}

// TestOldTimes reads the storage format of before MariaDB 10.1, whose fraction
// the stream does not mention.
func TestOldTimes(t *testing.T) {
	db := servers.MariaDB(t, "--mysql56-temporal-format=OFF")
	r := rigOn(t, db, "create table plain (id int primary key, d datetime, t time); create table fine (id int primary key, d datetime(6))", "plain")
	p := r.tap(cdc.Resume{})
	p.loaded()
	r.exec("insert into plain values (1, '2024-02-29 23:59:58', '-01:02:03')")
	want(t, show(t, p.next()), "c plain 1: id=1 d=2024-02-29T23:59:58 t=-01:02:03")
	p.stop()

	r.cfg.Selections[0].Table.Name = "fine"
	p = r.tap(cdc.Resume{})
	p.loaded()
	r.exec("insert into fine values (1, '2024-02-29 23:59:58.5')")
	if h := p.held(r.id("fine"), image.HaltType); !strings.Contains(h.Text, "FORCE") {
		t.Error(h.Text)
	}
}
