package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chartwire/cdc"
	"chartwire/integration/servers"
	"chartwire/schemas"
)

// place kinds that everything is tested on.
type kind struct {
	name   string
	flavor servers.Flavor
	args   []string
}

var (
	maria     = kind{"mariadb", mariaFlavor(), nil}
	mysqlGTID = kind{"mysql", servers.MySQLNew, nil}
	mysqlFile = kind{"mysql-file", servers.MySQLNew, []string{"--gtid-mode=OFF", "--enforce-gtid-consistency=OFF"}}
	kinds     = []kind{maria, mysqlGTID, mysqlFile}
)

// mariaFlavor is the system's MariaDB, or the newest where the environment asks
// for it: a newer one leaves places in the log out inside transactions.
func mariaFlavor() servers.Flavor {
	if os.Getenv("CHARTWIRE_TEST_MARIADB") == "new" {
		return servers.MariaDBNew
	}
	return servers.MariaDB1011
}

// shared are servers that several tests use, each with a database of its own.
var shared struct {
	sync.Mutex
	dbs map[string]*servers.DB
}

func TestMain(m *testing.M) {
	code := m.Run()
	for _, db := range shared.dbs {
		db.Close()
	}
	os.RemoveAll(sharedDir)
	os.Exit(code)
}

var sharedDir = func() string { d, _ := os.MkdirTemp("", "chartwire-mysql-"); return d }()

func server1(t testing.TB, k kind) *servers.DB {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a real server: not under -short")
	}
	shared.Lock()
	defer shared.Unlock()
	if db := shared.dbs[k.name]; db != nil {
		return db
	}
	db, err := servers.StartDB(k.flavor, sharedDir+"/"+k.name, k.args...)
	if err != nil {
		t.Fatal(err)
	}
	if shared.dbs == nil {
		shared.dbs = map[string]*servers.DB{}
	}
	shared.dbs[k.name] = db
	return db
}

var databases atomic.Int32

// rig is a database on a server, and a source that reads tables of it.
type rig struct {
	t    testing.TB
	db   *servers.DB
	name string
	sql  *sql.DB
	cfg  Config
}

// newRig makes a database with tables by the statements, which are run in it,
// and selects the named tables whole.
func newRig(t testing.TB, k kind, ddl string, tables ...string) *rig {
	t.Helper()
	return rigOn(t, server1(t, k), ddl, tables...)
}

func rigOn(t testing.TB, db *servers.DB, ddl string, tables ...string) *rig {
	t.Helper()
	r := &rig{t: t, db: db, name: fmt.Sprintf("cw%d", databases.Add(1))}
	if err := db.Exec("create database " + r.name + " character set utf8mb4"); err != nil {
		t.Fatal(err)
	}
	var err error
	if r.sql, err = db.Open(r.name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.sql.Close()
		_ = db.Exec("drop database if exists " + r.name)
	})
	if ddl != "" {
		r.exec(ddl)
	}
	r.cfg = Config{Name: "test", Addr: db.Addr, User: db.User, Password: db.Password, Heartbeat: 300 * time.Millisecond,
		Log: slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))}
	for _, table := range tables {
		r.cfg.Selections = append(r.cfg.Selections, cdc.Selection{Table: cdc.TableID{Database: r.name, Name: table}})
	}
	return r
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	defer func() { _ = recover() }() // a line after the test's end is nobody's
	w.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

func (r *rig) exec(statements string) {
	r.t.Helper()
	if _, err := r.sql.Exec(statements); err != nil {
		r.t.Fatalf("%s: %v", statements, err)
	}
}

func (r *rig) id(table string) cdc.TableID { return cdc.TableID{Database: r.name, Name: table} }

// patience is how long a test waits for what must come.
var patience = 60 * time.Second

func init() {
	if d, err := time.ParseDuration(os.Getenv("CHARTWIRE_TEST_PATIENCE")); err == nil {
		patience = d
	}
}

// tap is a running stream; what it yields is copied, because it is valid for a
// moment only.
type tap struct {
	t      testing.TB
	txns   chan *cdc.Txn
	cancel context.CancelFunc
	err    error // once txns is closed
	last   cdc.Checkpoint
	loads  map[cdc.TableID]cdc.Load
}

func (r *rig) tap(resume cdc.Resume) *tap {
	r.t.Helper()
	s, err := New(r.cfg)
	if err != nil {
		r.t.Fatal(err)
	}
	return tapSource(r.t, s, resume)
}

func tapSource(t testing.TB, s *Source, resume cdc.Resume) *tap {
	ctx, cancel := context.WithCancel(context.Background())
	p := &tap{t: t, txns: make(chan *cdc.Txn, 100_000), cancel: cancel, last: resume.Checkpoint, loads: map[cdc.TableID]cdc.Load{}}
	for id, l := range resume.Loads {
		p.loads[id] = l
	}
	go func() {
		defer close(p.txns)
		for txn, err := range s.Stream(ctx, resume) {
			if err != nil {
				p.err = err
				return
			}
			p.txns <- cloneTxn(txn)
		}
	}()
	t.Cleanup(p.stop)
	return p
}

func (p *tap) stop() {
	p.cancel()
	for range p.txns {
	}
}

func cloneTxn(t *cdc.Txn) *cdc.Txn {
	c := *t
	c.Changes = slices.Clone(t.Changes)
	for i := range c.Changes {
		ch := &c.Changes[i]
		ch.Key = strings.Clone(ch.Key)
		ch.Before, ch.After = slices.Clone(ch.Before), slices.Clone(ch.After)
	}
	return &c
}

// next waits for the next Txn that says something.
func (p *tap) next() *cdc.Txn {
	p.t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case txn, ok := <-p.txns:
			if !ok {
				p.t.Fatalf("the stream ended: %v", p.err)
			}
			p.note(txn)
			if len(txn.Changes) > 0 || len(txn.Epochs) > 0 || len(txn.Loads) > 0 {
				return txn
			}
		case <-deadline:
			p.t.Fatal("nothing came")
		}
	}
}

// stands waits until the position is as it should be, whatever comes meanwhile.
func (p *tap) stands(ok func(at cdc.Position) bool) {
	p.t.Helper()
	p.await(func() bool { return ok(p.last.Position) }, func() string {
		return fmt.Sprintf("the position stays at %s:%d", p.last.Position.File, p.last.Position.Offset)
	})
}

// await takes what comes until something is so.
func (p *tap) await(ok func() bool, otherwise func() string) {
	p.t.Helper()
	for deadline := time.After(patience); !ok(); {
		select {
		case txn, open := <-p.txns:
			if !open {
				p.t.Fatalf("the stream ended: %v", p.err)
			}
			p.note(txn)
		case <-deadline:
			p.t.Fatal(otherwise())
		}
	}
}

func (p *tap) note(txn *cdc.Txn) {
	p.last = txn.Checkpoint
	for id, l := range txn.Loads {
		p.loads[id] = l
	}
}

// halt waits for the stream to end by a halt.
func (p *tap) halt(code string) error {
	p.t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case txn, ok := <-p.txns:
			if ok {
				p.note(txn)
				continue
			}
			if got := cdc.HaltCode(p.err); got != code {
				p.t.Fatalf("the stream ended with %q (%v), want %q", got, p.err, code)
			}
			return p.err
		case <-deadline:
			p.t.Fatalf("no halt %s", code)
		}
	}
}

// loaded reads until all tables are loaded and gives the lines of their rows.
func (p *tap) loaded() (lines []string) {
	p.t.Helper()
	for {
		open := len(p.loads) == 0
		for _, l := range p.loads {
			open = open || l.Phase != cdc.LoadDone
		}
		if !open {
			return lines
		}
		lines = append(lines, show(p.t, p.next())...)
	}
}

func (p *tap) resume() cdc.Resume { return cdc.Resume{Checkpoint: p.last, Loads: p.loads} }

// show gives a line per change: "c people 1: id=1 name=Ann".
func show(t testing.TB, txn *cdc.Txn) (lines []string) {
	t.Helper()
	for _, c := range txn.Changes {
		line := c.Op.String() + " " + c.Table.Name + " " + c.Key + ":"
		if c.Before != nil {
			line += rowText(t, c.Table, c.Before)
		}
		if c.Op == cdc.Update {
			line += " ->"
		}
		if c.After != nil {
			line += rowText(t, c.Table, c.After)
		}
		lines = append(lines, line)
	}
	for _, e := range txn.Epochs {
		lines = append(lines, "epoch "+string(e.Kind)+" "+e.Table.Name)
	}
	return lines
}

var rowSchemas sync.Map

func rowText(t testing.TB, table *cdc.Table, row cdc.Row) string {
	t.Helper()
	v, ok := rowSchemas.Load(table)
	if !ok {
		s, err := schemas.NewRowSchema(table)
		if err != nil {
			t.Fatal(err)
		}
		v, _ = rowSchemas.LoadOrStore(table, s)
	}
	s := v.(*schemas.RowSchema)
	var f schemas.Fields
	if err := f.Read(s, row); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for i := range table.Columns {
		v := f.Value(i)
		fmt.Fprintf(&b, " %s=", table.Columns[i].Name)
		if v.Null() {
			b.WriteString("NULL")
		} else {
			b.Write(v.AppendText(nil))
		}
	}
	return b.String()
}

func want(t testing.TB, got []string, lines ...string) {
	t.Helper()
	if !slices.Equal(got, lines) {
		t.Fatalf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(lines, "\n  "))
	}
}

// each runs a test on every kind of server, on all at once: most of the time is
// spent waiting for one of them.
func each(t *testing.T, f func(t *testing.T, k kind)) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			f(t, k)
		})
	}
}
