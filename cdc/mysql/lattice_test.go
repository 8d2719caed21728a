package mysql

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"chartwire/cdc"
	"chartwire/integration/faults"
	"chartwire/integration/servers"
	"chartwire/schemas"
)

// The lattice: every type, in every character set and collation where it has
// one, with every value that is special to it, on every server. It is inserted
// and updated, read as the stream has it and as a query has it, and compared
// with what the server's own client prints.
func TestLattice(t *testing.T) {
	faults.Shows(t, "snapshot-equals-stream", "has one encoder for both, and what the server's client prints")
	faults.Shows(t, "unsigned", "is exact in every width, as the server's client prints it")
	faults.Shows(t, "charset", "is what the server's client prints, in every collation and over the whole repertoire")
	faults.Shows(t, "enum-set-labels", "are what the server's client prints, in every collation")
	faults.Shows(t, "zero-dates", "are null, and counted")
	faults.Shows(t, "time", "is exact, in microseconds")
	faults.Shows(t, "decimal", "is exact in every precision and scale")
	faults.Shows(t, "bit", "is exact in every width")
	faults.Shows(t, "binary-padding", "is padded to what was stored")
	faults.Shows(t, "json-text", "is the text that the server prints, byte for byte")
	faults.Shows(t, "geometry", "is the bytes that the server stores: SRID and WKB")
	faults.Shows(t, "generated", "are captured as others are")
	faults.Shows(t, "vector", "is the bytes of its floats")
	faults.Shows(t, "column-compressed", "is inflated")
	var compared atomic.Int64
	all := []kind{maria, mysqlGTID}
	if _, err := os.Stat(filepath.Join(servers.Cache(), "mariadb-new", ".done")); err == nil && mariaFlavor() != servers.MariaDBNew {
		all = append(all, kind{"mariadb-new", servers.MariaDBNew, nil})
	}
	for _, k := range all {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			l := newLattice(t, k)
			l.run()
			compared.Add(int64(l.compared))
		})
	}
	t.Cleanup(func() { t.Logf("%d servers, %d comparisons", len(all), compared.Load()) })
}

// lattice is the columns of one server, dealt into tables: row n of a table has
// the n-th value of each column, null where it has fewer.
type lattice struct {
	t        *testing.T
	r        *rig
	tables   [][]latticeColumn
	streamed []map[string]cdc.Change // of each table, by key
	// What it is made of: declarations without a collation and with one, the
	// collations, the values in all columns, and the comparisons of a value.
	types, textTypes, collations, cells, compared, differ int
}

const latticeSession = "set sql_mode='ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO', time_zone='+01:00', names utf8mb4; "

func newLattice(t *testing.T, k kind) *lattice {
	l := &lattice{t: t, r: newRig(t, k, "")}
	plain := plainTypes(k.name)
	texts, collations := textTypes(t, l.r)
	l.types, l.textTypes, l.collations = len(plain), len(texts)/collations, collations
	l.deal(plain, 40)
	l.deal(wideLabels(), 10)
	l.deal(texts, 50)
	l.deal(repertoires(t, l.r), 8)
	return l
}

func (l *lattice) deal(columns []latticeColumn, perTable int) {
	for len(columns) > 0 {
		n := min(perTable, len(columns))
		l.tables, columns = append(l.tables, columns[:n]), columns[n:]
	}
}

func latticeTable(i int) string { return fmt.Sprintf("l%d", i) }

func (l *lattice) create() {
	for i, columns := range l.tables {
		var ddl strings.Builder
		fmt.Fprintf(&ddl, "create table %s (id int primary key, touched int not null default 0", latticeTable(i))
		for j, c := range columns {
			fmt.Fprintf(&ddl, ", c%d %s", j, c.decl)
		}
		l.exec(ddl.String() + ")")
		l.r.cfg.Selections = append(l.r.cfg.Selections, cdc.Selection{Table: l.r.id(latticeTable(i))})
		l.streamed = append(l.streamed, map[string]cdc.Change{})
	}
}

func (l *lattice) exec(statement string) {
	l.t.Helper()
	if _, err := l.r.sql.Exec(latticeSession + statement); err != nil {
		l.t.Fatalf("%v: %.2000s", err, statement)
	}
}

// insert writes every value, and says how many rows that makes.
func (l *lattice) insert() (rows int) {
	for i, columns := range l.tables {
		most := 0
		for _, c := range columns {
			most = max(most, len(c.values))
			l.cells += len(c.values) + 1
		}
		names := make([]string, len(columns))
		for j := range columns {
			names[j] = fmt.Sprintf("c%d", j)
		}
		for n := range most + 1 {
			values := make([]string, len(columns))
			for j, c := range columns {
				switch {
				case n < len(c.values):
					values[j] = c.values[n]
				case c.values[len(c.values)-1] == "default":
					values[j] = "default"
				default:
					values[j] = "null"
				}
			}
			l.exec(fmt.Sprintf("insert into %s (id, %s) values (%d, %s)", latticeTable(i), strings.Join(names, ", "), n+1, strings.Join(values, ", ")))
		}
		rows += most + 1
	}
	return rows
}

func (l *lattice) run() {
	l.create()
	p := l.r.tap(cdc.Resume{})
	p.loaded()
	rows := l.insert()
	l.each(p, rows, func(i int, c cdc.Change) {
		l.streamed[i][c.Key] = c
	})
	for i := range l.tables {
		l.r.exec("update " + latticeTable(i) + " set touched = 1")
	}
	l.each(p, rows, func(i int, c cdc.Change) {
		l.same("the row before its update", c, c.Before, l.streamed[i][c.Key].After)
		l.streamed[i][c.Key] = c
	})
	p.stop()
	p = l.r.tap(cdc.Resume{})
	l.each(p, rows, func(i int, c cdc.Change) {
		was := l.streamed[i][c.Key]
		for j := range c.Table.Columns {
			if !sameColumn(was.Table.Columns[j], c.Table.Columns[j]) {
				l.wrong(c.Table, j, c.Key, fmt.Sprintf("the query's column is %+v, the log's %+v", c.Table.Columns[j], was.Table.Columns[j]))
			}
		}
		l.same("the query's row", c, c.After, was.After)
	})
	p.stop()
	for i := range l.tables {
		l.asPrinted(i)
	}
	l.t.Logf("%d types, and %d types in %d collations, in %d tables: %d values, each inserted, updated, queried and printed by the client: %d comparisons, %d differences",
		l.types, l.textTypes, l.collations, len(l.tables), l.cells, l.compared, l.differ)
	if l.types < 250 || l.collations < 250 || l.compared < 50_000 {
		l.t.Error("the lattice has lost a part")
	}
}

// each takes the changes of so many rows.
func (l *lattice) each(p *tap, rows int, f func(table int, c cdc.Change)) {
	l.t.Helper()
	for rows > 0 {
		for _, c := range p.next().Changes {
			var i int
			if _, err := fmt.Sscanf(c.Table.Name, "l%d", &i); err != nil {
				l.t.Fatal(err)
			}
			f(i, c)
			rows--
		}
	}
}

// same compares two rows column by column.
func (l *lattice) same(what string, c cdc.Change, got, want cdc.Row) {
	l.t.Helper()
	a, b := l.fields(c.Table, got), l.fields(c.Table, want)
	for j := range c.Table.Columns {
		l.compared++
		if !bytes.Equal(a.Span(j), b.Span(j)) {
			l.wrong(c.Table, j, c.Key, fmt.Sprintf("%s has %q, the log %q", what, a.Value(j).AppendText(nil), b.Value(j).AppendText(nil)))
		}
	}
}

func (l *lattice) fields(table *cdc.Table, row cdc.Row) *schemas.Fields {
	l.t.Helper()
	s, err := schemas.NewRowSchema(table)
	if err != nil {
		l.t.Fatal(err)
	}
	var f schemas.Fields
	if err := f.Read(s, row); err != nil {
		l.t.Fatalf("%s: %v", table.Name, err)
	}
	return &f
}

func (l *lattice) wrong(table *cdc.Table, j int, key, what string) {
	l.t.Helper()
	if l.differ++; l.differ > 40 {
		return
	}
	var i int
	_, _ = fmt.Sscanf(table.Name, "l%d", &i)
	decl := table.Columns[j].Name
	if j >= 2 {
		decl = l.tables[i][j-2].decl
	}
	l.t.Errorf("%s row %s, %.80s: %.300s", table.Name, key, decl, what)
}
