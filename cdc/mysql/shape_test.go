package mysql

import (
	"strings"
	"testing"

	"chartwire/cdc"
	"chartwire/integration/faults"
)

const everyType = `create table people (id bigint unsigned primary key,
 t1 tinyint, t2 tinyint unsigned, t3 tinyint(1), s1 smallint, s2 smallint unsigned, m1 mediumint, m2 mediumint unsigned zerofill,
 i1 int, i2 int unsigned, b1 bigint, d1 decimal(10,2), d2 decimal(65,30) unsigned, d3 numeric(5), f1 float, f2 double,
 bt bit(1), bb bit(64), bc bit(12), y year, da date, ti time, tf time(6), dt datetime, df datetime(3), ts timestamp null, tg timestamp(6) null,
 c1 char(5), c2 char(255) character set utf8mb4, c3 char(200) character set latin1, bi binary(5), bj binary(16), bk binary(4), v1 varchar(10), v2 varchar(3000) character set utf8mb3,
 v3 varchar(50) character set latin1 collate latin1_bin, v4 varchar(20) character set ascii, vb varbinary(300),
 x1 tinytext, x2 text, x3 mediumtext character set latin1, x4 longtext, l1 tinyblob, l2 blob, l3 mediumblob, l4 longblob,
 e1 enum('a','it''s','(x,y)'), e2 enum('é','ü') character set latin1, st set('p','q','r'), su set('ä','b') character set utf8mb4, j json)
 engine=InnoDB`

const everyValue = `(?, -1, 200, 1, -3, 60000, -5, 7, -7, 4000000000, -9, -12345.67, 1.5, 12345, 1.25, 2.5, 1, b'1', b'101', 2024, '2024-02-29', '-12:30:00', '23:59:59.123456',
 '2024-02-29 12:00:00', '2024-02-29 12:00:00.123', '2024-02-29 12:00:00', '2024-02-29 12:00:00.654321',
 'ab', 'Zoë', 'é', x'4100', x'4100', x'41', 'v', 'w', 'é', 'a', x'00ff', 'x', 'Zoë', 'é', 'y', x'00', x'01', x'02', x'0300',
 'it''s', 'é', 'p,r', 'ä', '{"a": [1, 2.5, "x"], "b": null}')`

// A table looks the same whether the stream describes it, a snapshot reads it,
// or maps are compiled against it; and a row is the same, byte for byte.
func TestOneShape(t *testing.T) {
	for _, k := range []kind{maria, mysqlGTID} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, k, everyType+"; set time_zone='+00:00'; insert into people values "+strings.Replace(everyValue, "?", "1", 1), "people")
			p := r.tap(cdc.Resume{})
			snap := p.next()
			for len(snap.Changes) == 0 {
				snap = p.next()
			}
			p.loaded()
			r.exec("set time_zone='+00:00'; insert into people values " + strings.Replace(everyValue, "?", "2", 1))
			live := p.next()
			a, b := snap.Changes[0].Table, live.Changes[0].Table
			if !sameShape(a, b) {
				for i := range a.Columns {
					if !sameColumn(a.Columns[i], b.Columns[i]) {
						t.Errorf("read %+v\n streamed %+v", a.Columns[i], b.Columns[i])
					}
				}
			}
			tables, err := Tables(t.Context(), r.cfg, r.name)
			must(t, err)
			for i := range b.Columns {
				if len(tables) != 1 || !sameColumn(tables[0].Columns[i], b.Columns[i]) {
					t.Errorf("described %+v\n streamed %+v", tables[0].Columns[i], b.Columns[i])
				}
			}
			x, y := rowText(t, a, snap.Changes[0].After), rowText(t, b, live.Changes[0].After)
			if _, x, _ = strings.Cut(x, " t1="); !strings.HasSuffix(y, x) {
				t.Errorf("read\n%s\nstreamed\n%s", x, y)
			}
			if s, l := string(snap.Changes[0].After), string(live.Changes[0].After); s[8:] != l[8:] && s[2:] != l[2:] {
				t.Error("the bytes differ")
			}
		})
	}
}

// Keys of several columns and of every kind are read in order, none twice and
// none left out, over many chunks.
func TestKeysInChunks(t *testing.T) {
	faults.Shows(t, "snapshot-keys", "every row once, over chunks of one row")
	each(t, func(t *testing.T, k kind) {
		f := func(key, ddl string, values ...string) {
			t.Helper()
			r := newRig(t, k, "create table people ("+ddl+", primary key ("+key+")) default charset utf8mb4; insert into people values ("+strings.Join(values, "),(")+")", "people")
			r.cfg.Snapshot.ChunkRows = 1
			lines := r.tap(cdc.Resume{}).loaded()
			seen := map[string]bool{}
			for _, l := range lines {
				seen[l] = true
			}
			if len(lines) != len(values) || len(seen) != len(values) {
				t.Errorf("%s: %d rows of %d\n%s", ddl, len(lines), len(values), strings.Join(lines, "\n"))
			}
		}
		f("a, b", "a int, b int", "1,1", "1,2", "2,1", "2,2", "-1,5")
		f("a", "a bigint unsigned", "0", "18446744073709551615", "9223372036854775808")
		f("a", "a decimal(20,5)", "-1.5", "0", "12345678901234.12345")
		f("a", "a varchar(20)", "''", "'a'", "'B'", "'it''s'", "'back\\\\slash'", "'Zoë'", "'😀'", "'x\\0y'")
		f("a", "a varchar(20) character set latin1", "'é'", "'a'", "'z'")
		f("a", "a varchar(20) collate utf8mb4_bin", "'a'", "'A'", "'b'")
		f("a", "a binary(4)", "x'00'", "x'41'", "x'ffffffff'", "x'41004100'")
		f("a", "a varbinary(9)", "x''", "x'00'", "x'0000'", "x'27'")
		f("b, a", "a date, b datetime(3)", "'2024-01-01','2024-01-01 00:00:00.001'", "'2024-01-02','2024-01-01 00:00:00.001'", "'2024-01-01','2024-01-01 00:00:00.002'")
		f("a", "a time(2)", "'-12:00:00'", "'-00:00:01.50'", "'100:00:00'")
		f("a", "a timestamp", "'2024-01-01 00:00:00'", "'2024-06-01 00:00:00'")
		f("b, c, a", "a int, b varchar(5), c int", "1,'x',1", "2,'x',1", "1,'x',2", "1,'y',0", "3,'x',1")
		f("a", "a year", "1999", "2024")
	})
}

// The reading of a table of many chunks costs the server as much as it has rows.
func TestChunkCost(t *testing.T) {
	faults.Shows(t, "snapshot-chunks", "finds each chunk behind the one before, by the key: 200 chunks let the server read each row a few times at most")
	each(t, func(t *testing.T, k kind) {
		r, _ := own(t, k) // nobody else is counted
		const n = 2000
		r.exec("delete from people")
		fill(r, "people", n)
		read := func() (sum int) {
			rows, err := r.sql.Query("show global status where variable_name in ('Handler_read_next', 'Handler_read_rnd_next', 'Handler_read_prev')")
			must(t, err)
			defer rows.Close()
			for rows.Next() {
				var name string
				var count int
				must(t, rows.Scan(&name, &count))
				sum += count
			}
			must(t, rows.Err())
			return sum
		}
		r.cfg.Snapshot = Snapshot{ChunkRows: n / 200}
		before := read()
		q := r.tap(cdc.Resume{})
		if got := len(q.loaded()); got != n {
			t.Errorf("%d rows came", got)
		}
		q.stop()
		if cost := read() - before; cost > 10*n {
			t.Errorf("the server read %d rows for %d", cost, n)
		} else {
			t.Logf("the server read %d rows for %d", cost, n)
		}
	})
}

// Rows that are suddenly large do not make a chunk that is.
func TestLargeRowsInChunks(t *testing.T) {
	faults.Shows(t, "snapshot-large-rows", "ends the chunk at a number of bytes")
	r := newRig(t, maria, "create table people (id int primary key, doc mediumblob)", "people")
	r.exec("insert into people select seq, 'small' from seq_1_to_200; insert into people select seq, repeat('x', 400000) from seq_201_to_230")
	r.cfg.Piece = 64 << 10
	p := r.tap(cdc.Resume{})
	ids := map[string]bool{}
	for p.loads[r.id("people")].Phase != cdc.LoadDone {
		size := 0
		for _, c := range p.next().Changes {
			ids[c.Key] = true
			size += len(c.After)
		}
		if size > (largeChunk+8)*r.cfg.Piece {
			t.Errorf("a chunk of %d bytes", size)
		}
	}
	if len(ids) != 230 {
		t.Errorf("%d rows", len(ids))
	}
}
