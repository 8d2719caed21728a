package integration_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"chartwire/cdc"
	"chartwire/cdc/mysql"
	"chartwire/integration/faults"
	"chartwire/integration/servers"
	"chartwire/pipeline"
	"chartwire/pipeline/audit"
	"chartwire/pipeline/broker"
	"chartwire/pipeline/broker/brokertest"
	"chartwire/pipeline/cut"
	"chartwire/pipeline/orders"
	"chartwire/schemas"
	"chartwire/schemas/registry"

	"github.com/twmb/franz-go/pkg/kgo"
)

// altered is a database whose tables are altered while they are captured, a
// broker and a registry.
type altered struct {
	t        *testing.T
	db       *sql.DB
	conn     broker.Config
	topics   schemas.Topics
	registry *registry.Client
	ask      func() // makes it anew, as another process would
	cfg      mysql.Config
	stop     func()
	capture  *pipeline.Capture
	away     atomic.Bool  // the registry
	asked    atomic.Int64 // while it was
}

func newAltered(t *testing.T, f servers.Flavor, ddl string, tables ...string) *altered {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a real server: not under -short")
	}
	db := servers.Database(t, f)
	a := &altered{t: t, conn: brokertest.Start(t), topics: schemas.Topics{Prefix: "altered"}}
	if err := db.Exec("create database a character set utf8mb4"); err != nil {
		t.Fatal(err)
	}
	var err error
	if a.db, err = db.Open("a"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.db.Close() })
	a.exec(ddl)
	there := registry.NewServer(func(context.Context, registry.Record) error { return nil })
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a.away.Load() {
			a.asked.Add(1)
			panic(http.ErrAbortHandler) // cuts the connection
		}
		there.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	dir := t.TempDir()
	a.ask = func() {
		if a.registry, err = registry.New(registry.Options{URLs: []string{s.URL}}); err == nil {
			err = a.registry.Keep(dir)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	a.ask()
	a.cfg = mysql.Config{Name: "src", Addr: db.Addr, User: db.User, Password: db.Password, Heartbeat: 200 * time.Millisecond,
		Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))}
	for _, name := range tables {
		a.cfg.Selections = append(a.cfg.Selections, cdc.Selection{Table: a.id(name)})
	}
	return a
}

func (a *altered) id(table string) cdc.TableID { return cdc.TableID{Database: "a", Name: table} }

func (a *altered) exec(statements string) {
	a.t.Helper()
	if _, err := a.db.Exec(statements); err != nil {
		a.t.Fatalf("%s: %v", statements, err)
	}
}

// start captures until the test ends, or stop is called.
func (a *altered) start() {
	a.t.Helper()
	src, err := mysql.New(a.cfg)
	if err != nil {
		a.t.Fatal(err)
	}
	var ids []cdc.TableID
	for _, s := range a.cfg.Selections {
		ids = append(ids, s.Table)
	}
	a.capture, err = pipeline.NewCapture(pipeline.CaptureOptions{Source: "src", Stream: src.Stream, Connection: a.conn, Topics: a.topics,
		Register: a.registry.Register, Tables: ids, Fingerprint: "a", Log: a.cfg.Log})
	if err != nil {
		a.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(a.t.Context())
	done := make(chan error, 1)
	go func() { done <- a.capture.Run(ctx) }()
	a.stop = func() {
		cancel()
		if err := <-done; err != nil {
			a.t.Errorf("the capture ended with %v", err)
		}
		a.stop = func() {}
	}
	a.t.Cleanup(func() { a.stop() })
}

// give orders a table to be accepted.
func (a *altered) give(table string, fields map[string]string) int64 {
	a.t.Helper()
	id, err := orders.Give(a.t.Context(), a.conn, a.topics, "src", cdc.Order{Act: cdc.ActAccept, Table: a.id(table), Fields: fields}, "meant")
	if err != nil {
		a.t.Fatal(err)
	}
	return id
}

// accept gives why an order to accept a table was refused.
func (a *altered) accept(table string, fields map[string]string) (refused string) {
	a.t.Helper()
	id := a.give(table, fields)
	a.until("told of", table, func(cdc.Load) bool {
		c := a.capture.Status().Cut
		refused = c.Refused
		return c.Asked == id
	})
	return refused
}

// until waits for what the capture says of a table.
func (a *altered) until(what, table string, ok func(l cdc.Load) bool) cdc.Load {
	a.t.Helper()
	for start := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		l := a.capture.Status().Cut.Loads[a.id(table)]
		if ok(l) {
			return l
		}
		if time.Since(start) > 60*time.Second {
			a.t.Fatalf("%s is never %s: %+v", table, what, l)
		}
	}
}

func (a *altered) loaded(table string) {
	a.t.Helper()
	a.until("loaded", table, func(l cdc.Load) bool { return l.Phase == cdc.LoadDone && !l.IsHeld() })
}

// content is what a reader knows of a table: of each key the newest row, by the
// names of its fields. Rows from before an epoch that nobody wrote again are gone.
func (a *altered) content(table string) map[string]string {
	a.t.Helper()
	state, _, err := cut.Latest(a.t.Context(), a.conn, a.topics.Cuts("src"))
	if err != nil {
		a.t.Fatal(err)
	}
	var gone int64
	for _, e := range state.Epochs {
		if e.Table == a.id(table) {
			gone = max(gone, e.Seq)
		}
	}
	rows := map[string]string{}
	if _, err := broker.Scan(a.t.Context(), a.conn, func(r *kgo.Record) error {
		if r.Value == nil {
			return nil
		}
		id, body, err := schemas.SchemaID(r.Value)
		if err != nil {
			return err
		}
		s, err := a.registry.Schema(a.t.Context(), id)
		if err != nil {
			return err
		}
		var env schemas.Envelope
		if err := s.Split(&env, body); err != nil {
			return err
		}
		if env.After == nil || env.Source.Seq < gone {
			delete(rows, string(r.Key))
			return nil
		}
		var f schemas.Fields
		if err := f.Read(s, env.After); err != nil {
			return err
		}
		var line []string
		for i := range s.Table.Columns {
			text := "NULL"
			if v := f.Value(i); !v.Null() {
				text = string(v.AppendText(nil))
			}
			line = append(line, schemas.FieldName(&s.Table.Columns[i])+"="+text)
		}
		rows[string(r.Key)] = strings.Join(line, " ")
		return nil
	}, a.topics.Rows("src", a.id(table))); err != nil {
		a.t.Fatal(err)
	}
	return rows
}

// equal waits until the topic's content is what is wanted.
func (a *altered) equal(table string, want map[string]string) {
	a.t.Helper()
	for start := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		got := a.content(table)
		if maps.Equal(got, want) {
			return
		}
		if time.Since(start) > 60*time.Second {
			a.t.Fatalf("%s is %v, want %v", table, got, want)
		}
	}
}

// statements are the texts in the topic of statements, which must be in order and
// say where they were.
func (a *altered) statements() (texts []string) {
	a.t.Helper()
	last := int64(0)
	if _, err := broker.Scan(a.t.Context(), a.conn, func(r *kgo.Record) error {
		var d pipeline.DDL
		if err := json.Unmarshal(r.Value, &d); err != nil {
			return err
		}
		seq, err := schemas.ParseSeq(r.Headers[0].Value)
		if err != nil || seq != d.Seq || seq <= last || d.Offset == 0 || d.Time.IsZero() || d.Source != "src" || len(d.Tables) == 0 {
			return fmt.Errorf("statement %+v behind seq %d, %v", d, last, err)
		}
		last = seq
		texts = append(texts, d.Text)
		return nil
	}, a.topics.DDL("src")); err != nil {
		a.t.Error(err)
	}
	return texts
}

// TestHeldAndAccepted changes a column's type so that older rows would be
// misread: the table is held alone, and flows again under another field once a
// person accepted it, or by itself once the change is undone.
func TestHeldAndAccepted(t *testing.T) {
	t.Parallel()
	faults.Shows(t, "schema-incompatible", "holds that table alone before the first row, names column and types; schemas accept gives the values another field and reads again")
	for _, f := range flavors {
		t.Run(f.Name, func(t *testing.T) {
			t.Parallel()
			a := newAltered(t, f, "create table bills (id int primary key, amount decimal(10,2), code varchar(9)); create table others (id int primary key); "+
				"insert into bills values (1,'1.50','7'), (2,'2.50','8')", "bills", "others")
			a.start()
			a.loaded("bills")
			a.exec("alter table bills modify amount double")
			a.exec("insert into bills values (3,3.25,'9'); delete from bills where id=2; insert into others values (1)")
			held := a.until("held", "bills", func(l cdc.Load) bool { return l.Held.Rows == 2 }).Held
			if held.Code != registry.HaltIncompatible || !slices.Equal(held.Columns, []string{"amount"}) ||
				!strings.Contains(held.Text, "column amount was decimal and is double") || !strings.Contains(held.Text, "chartwire schemas accept src a.bills") {
				t.Errorf("held by %+v", held)
			}
			a.equal("others", map[string]string{"1": "id=1"})
			a.equal("bills", map[string]string{"1": "id=1 amount=1.5 code=7", "2": "id=2 amount=2.5 code=8"})
			if said := a.accept("others", nil); said != "it is not held" {
				t.Errorf("a table that is not held is accepted: %q", said)
			}
			if said := a.accept("bills", map[string]string{"code": "code_v2"}); !strings.Contains(said, "other columns") {
				t.Errorf("it is accepted for what is not wrong: %q", said)
			}
			if said := a.accept("bills", map[string]string{"amount": "amount_v2"}); said != "" {
				t.Errorf("refused: %s", said)
			}
			entries, err := audit.List(t.Context(), a.conn, a.topics)
			if n := len(entries); err != nil || n != 3 || entries[2].Act != "schemas accept" || entries[2].Reason != "meant" || entries[2].After != "amount is amount_v2" {
				t.Errorf("the audit says %+v, %v", entries, err)
			}
			a.equal("bills", map[string]string{"1": "id=1 amount_v2=1.5 code=7", "3": "id=3 amount_v2=3.25 code=9"})
			a.loaded("bills")
			a.stop() // the name stays
			a.exec("update bills set amount = 8 where id = 1")
			a.start()
			a.equal("bills", map[string]string{"1": "id=1 amount_v2=8 code=7", "3": "id=3 amount_v2=3.25 code=9"})

			a.exec("alter table bills modify code int")
			a.exec("update bills set code = 6 where id = 3")
			a.until("held again", "bills", func(l cdc.Load) bool { return l.IsHeld() })
			a.exec("alter table bills modify code varchar(9)")
			a.loaded("bills")
			a.exec("alter table bills modify id varchar(20)") // accepted while nobody captures
			a.exec("insert into bills values ('x',1,'1')")
			a.until("held for its key", "bills", func(l cdc.Load) bool { return l.Held.Rows == 1 })
			a.stop()
			a.give("bills", map[string]string{"id": "id_v2"})
			a.start()
			a.until("accepted", "bills", func(l cdc.Load) bool {
				return !l.IsHeld() && l.Fields["id"] == "id_v2" && l.Fields["amount"] == "amount_v2"
			})
			a.loaded("bills")
			a.equal("bills", map[string]string{"1": "id_v2=1 amount_v2=8 code=7", "3": "id_v2=3 amount_v2=3.25 code=6", "x": "id_v2=x amount_v2=1 code=1"})
			all, err := a.registry.Versions(t.Context(), a.topics.Rows("src", a.id("bills")))
			if err != nil || len(all) != 3 {
				t.Errorf("%d versions, %v", len(all), err)
			}
			want := []string{"alter table bills modify amount double", "alter table bills modify code int", "alter table bills modify code varchar(9)",
				"alter table bills modify id varchar(20)"}
			if got := a.statements(); !slices.Equal(got, want) {
				t.Errorf("the statements are %q", got)
			}
		})
	}
}

// TestRegistryAway cuts the way to the registry: what is known of it flows,
// through a restart too. Then a new shape comes: nothing is written that nobody
// could read, and nothing is lost.
func TestRegistryAway(t *testing.T) {
	faults.Shows(t, "schema-registry-away", "goes on with every schema that was seen there, through a restart too; at the first row of a new shape all tables wait, it says so and asks again, and every row is there once the registry answers")
	a := newAltered(t, servers.MariaDB1011, "create table bills (id int primary key); create table others (id int primary key); insert into bills values (1); insert into others values (1)",
		"bills", "others")
	a.start()
	a.loaded("bills")
	a.loaded("others")
	a.equal("bills", map[string]string{"1": "id=1"})
	a.equal("others", map[string]string{"1": "id=1"})
	a.away.Store(true)
	a.exec("insert into others values (2)")
	a.equal("others", map[string]string{"1": "id=1", "2": "id=2"})
	a.stop()
	a.ask()
	a.start()
	a.exec("insert into others values (3)")
	a.equal("others", map[string]string{"1": "id=1", "2": "id=2", "3": "id=3"})
	rows := a.capture.Status().Rows
	a.exec("alter table bills add note varchar(9) default 'x'; insert into bills values (2,'b'); insert into others values (4)")
	from := a.asked.Load()
	for start := time.Now(); a.asked.Load()-from < 12 || a.capture.Status().Waiting == ""; time.Sleep(10 * time.Millisecond) { // more often than one call tries
		if time.Since(start) > 60*time.Second {
			t.Fatalf("asked %d times, waiting for %q", a.asked.Load()-from, a.capture.Status().Waiting)
		}
	}
	if s := a.capture.Status(); s.Rows != rows || !strings.Contains(s.Waiting, "new schema of a.bills") {
		t.Errorf("%d rows are written while nobody could read them; it waits for %q", s.Rows-rows, s.Waiting)
	}
	a.exec("delete from bills where id=1; insert into bills values (3,'c')")
	a.away.Store(false)
	a.equal("bills", map[string]string{"2": "id=2 note=b", "3": "id=3 note=c"})
	a.loaded("bills")
	a.equal("bills", map[string]string{"2": "id=2 note=b", "3": "id=3 note=c"})
	a.equal("others", map[string]string{"1": "id=1", "2": "id=2", "3": "id=3", "4": "id=4"})
	if s := a.capture.Status(); s.Waiting != "" {
		t.Errorf("it waits for %q", s.Waiting)
	}
}
