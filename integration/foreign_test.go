package integration_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"chartwire/cdc"
	"chartwire/cdc/mysql"
	"chartwire/integration/servers"
	"chartwire/pipeline"
	"chartwire/pipeline/broker"
	"chartwire/schemas"
	"chartwire/schemas/registry"
)

// TestForeignReader captures a table with a column of every type that TYPES.md
// names, reads its topic with a consumer that knows nothing of Chartwire
// (Confluent's for Python, its schemas from a registry, decoded by fastavro),
// and compares every value, and its type there, with what the server says.
// MariaDB's topic is registered with Apicurio, MySQL's with our own registry.
func TestForeignReader(t *testing.T) {
	if testing.Short() {
		t.Skip("needs real servers: not under -short")
	}
	flavors := []servers.Flavor{servers.MariaDB1011, servers.MySQLNew}
	if _, err := os.Stat(filepath.Join(servers.Cache(), "mariadb-new", ".done")); err == nil {
		flavors = append(flavors, servers.MariaDBNew)
	}
	for i, f := range flavors {
		t.Run(fmt.Sprint(f.Name, i), func(t *testing.T) {
			url := ""
			if f.Name == "mysql" {
				s := httptest.NewServer(registry.NewServer(func(context.Context, registry.Record) error { return nil }))
				t.Cleanup(s.Close)
				url = s.URL
			} else {
				url = sharedRegistry(t)
			}
			newForeign(t, f, url).run()
		})
	}
}

// foreign is a table of all types, and the topic of its rows.
type foreign struct {
	t        *testing.T
	db       *servers.DB
	types    []typeLine
	rows     int // of them are all null: the last
	registry string
	conn     broker.Config
	topics   schemas.Topics
	table    cdc.TableID
}

func newForeign(t *testing.T, f servers.Flavor, registry string) *foreign {
	w := &foreign{t: t, db: servers.Database(t, f), types: implementedTypes(t, f), registry: registry, conn: broker.Config{Brokers: []string{sharedKafka(t)}},
		topics: schemas.Topics{Prefix: fmt.Sprintf("road-%d", installations.Add(1))}, table: cdc.TableID{Database: "foreign", Name: "25 every type"}}
	var ddl strings.Builder
	for i, l := range w.types {
		fmt.Fprintf(&ddl, ", `%s` %s", column(i), l.decl)
		w.rows = max(w.rows, len(sampleValues(t, l))+1)
	}
	w.exec("create database `foreign` charset utf8mb4; create table `foreign`.`25 every type` (id int primary key, touched int not null default 0" + ddl.String() + ")")
	return w
}

// column is a name that Avro does not take as it is.
func column(i int) string { return fmt.Sprintf("%d größe", i) }

func (w *foreign) exec(statements string) {
	w.t.Helper()
	if err := w.db.Exec("set sql_mode='', time_zone='+00:00'; " + statements); err != nil {
		w.t.Fatal(err)
	}
}

// insert fills a row with the samples of each type in turn.
func (w *foreign) insert(id int) {
	w.t.Helper()
	values := []string{strconv.Itoa(id), "0"}
	for _, l := range w.types {
		value := "null"
		if list := sampleValues(w.t, l); id < w.rows {
			value = list[id%len(list)]
		}
		values = append(values, value)
	}
	w.exec("insert into `foreign`.`25 every type` values (" + strings.Join(values, ", ") + ")")
}

func (w *foreign) run() {
	t := w.t
	python, err := servers.Python()
	if err != nil {
		t.Fatal(err)
	}
	for id := 1; id <= w.rows; id += 2 {
		w.insert(id) // read by a query
	}
	c := w.capture()
	for id := 2; id <= w.rows; id += 2 {
		w.insert(id) // read from the log
	}
	want := w.witness()
	w.exec("update `foreign`.`25 every type` set touched = 1; delete from `foreign`.`25 every type` where id = 1")
	c.until("all is in Kafka", func(st pipeline.CaptureStatus) bool { return st.Rows >= int64(2*w.rows+1) && !st.Committed.IsZero() })
	c.stop()

	topic := w.topics.Rows("src", w.table)
	var stdout, stderr bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, python, "foreign/read.py", w.conn.Brokers[0], w.registry, topic)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("reading by Python: %v\n%s", err, stderr.String())
	}
	w.compare(want, stdout.Bytes())
}

// witness is what the server says of each row, by id and Avro name.
func (w *foreign) witness() map[string]map[string]*string {
	w.t.Helper()
	pool, err := w.db.Open("foreign")
	if err != nil {
		w.t.Fatal(err)
	}
	defer pool.Close()
	conn, err := pool.Conn(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(w.t.Context(), "set sql_mode='', time_zone='+00:00'"); err != nil {
		w.t.Fatal(err)
	}
	columns := []string{"concat('int:', id)", "concat('int:', touched)"}
	for i, l := range w.types {
		columns = append(columns, witness(l, column(i)))
	}
	rows, err := conn.QueryContext(w.t.Context(), "select "+strings.Join(columns, ", ")+" from `25 every type`")
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	out := map[string]map[string]*string{}
	for rows.Next() {
		texts, into := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range texts {
			into[i] = &texts[i]
		}
		if err := rows.Scan(into...); err != nil {
			w.t.Fatal(err)
		}
		row := map[string]*string{}
		for i, text := range texts {
			name := []string{"id", "touched"}[min(i, 1)]
			if i > 1 {
				name = schemas.AvroName(column(i - 2))
			}
			if row[name] = nil; text.Valid {
				row[name] = &texts[i].String
			}
		}
		out[texts[0].String] = row
	}
	if err := rows.Err(); err != nil || len(out) != w.rows {
		w.t.Fatalf("%d rows: %v", len(out), err)
	}
	return out
}

// foreignRecord is a line that read.py prints.
type foreignRecord struct {
	Key      string
	Envelope *struct {
		Before, After map[string]*string
		Op            string
		Source        map[string]*string
	}
}

func (w *foreign) compare(want map[string]map[string]*string, lines []byte) {
	t := w.t
	ops, values := map[string]int{}, 0
	for d := json.NewDecoder(bytes.NewReader(lines)); d.More(); {
		var r foreignRecord
		if err := d.Decode(&r); err != nil {
			t.Fatal(err)
		}
		if r.Envelope == nil {
			ops["tombstone "+r.Key]++
			continue
		}
		e := r.Envelope
		ops[e.Op]++
		row := want["int:"+r.Key]
		if row == nil || *e.Source["table"] != "str:25 every type" || *e.Source["name"] != "str:src" {
			t.Errorf("record %q of %v", r.Key, e.Source)
			continue
		}
		touched := map[string][2]string{"r": {"", "int:0"}, "c": {"", "int:0"}, "u": {"int:0", "int:1"}, "d": {"int:1", ""}}[e.Op]
		for i, image := range []map[string]*string{e.Before, e.After} {
			if (image == nil) != (touched[i] == "") {
				t.Errorf("row %s, %s: image %d is %v", r.Key, e.Op, i, image)
				continue
			}
			if image == nil {
				continue
			}
			row["touched"] = &touched[i]
			values += w.compareRow(r.Key+" "+e.Op, row, image)
		}
	}
	read := (w.rows + 1) / 2
	for op, n := range map[string]int{"r": read, "c": w.rows - read, "u": w.rows, "d": 1} {
		if ops[op] != n {
			t.Errorf("%d records of op %s, want %d", ops[op], op, n)
		}
	}
	t.Logf("%d types, %d values equal in another language: %v", len(w.types), values, ops)
}

func (w *foreign) compareRow(what string, want, got map[string]*string) (values int) {
	w.t.Helper()
	if len(got) != len(want) {
		w.t.Errorf("row %s has %d columns, want %d", what, len(got), len(want))
	}
	for i := -2; i < len(w.types); i++ {
		name, decl := []string{"id", "touched"}[max(i+2, 0)&1], "int"
		if i >= 0 {
			name, decl = schemas.AvroName(column(i)), w.types[i].decl
		}
		a, b := want[name], got[name]
		if _, there := got[name]; !there || (a == nil) != (b == nil) || a != nil && !sameValue(*a, *b) {
			w.t.Errorf("row %s, %s: the server says %s, the topic %s", what, decl, told(a), told(b))
			continue
		}
		values++
	}
	return values
}

// sameValue compares floats by what they are: servers and Python write the same
// one in different ways.
func sameValue(a, b string) bool {
	x, ok1 := strings.CutPrefix(a, "float:")
	y, ok2 := strings.CutPrefix(b, "float:")
	if ok1 && ok2 {
		p, err1 := strconv.ParseFloat(x, 64)
		q, err2 := strconv.ParseFloat(y, 64)
		return err1 == nil && err2 == nil && p == q
	}
	return a == b
}

func told(s *string) string {
	if s == nil {
		return "null"
	}
	return strconv.Quote(*s)
}

// foreignCapture is a capture in this process.
type foreignCapture struct {
	t      *testing.T
	c      *pipeline.Capture
	cancel context.CancelFunc
	done   chan error
}

// capture captures every column of the table, and waits until it is loaded.
func (w *foreign) capture() *foreignCapture {
	t := w.t
	t.Helper()
	reg, err := registry.New(registry.Options{URLs: []string{w.registry}})
	if err != nil {
		t.Fatal(err)
	}
	sel := cdc.Selection{Table: w.table, Columns: []string{"id", "touched"}}
	for i := range w.types {
		sel.Columns = append(sel.Columns, column(i))
	}
	log := slog.New(slog.DiscardHandler)
	src, err := mysql.New(mysql.Config{Name: "src", Addr: w.db.Addr, User: w.db.User, Password: w.db.Password, Selections: []cdc.Selection{sel}, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	c, err := pipeline.NewCapture(pipeline.CaptureOptions{Source: "src", Stream: src.Stream, Connection: w.conn, Topics: w.topics,
		Register: reg.Register, Tables: []cdc.TableID{w.table}, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &foreignCapture{t: t, c: c, cancel: cancel, done: make(chan error, 1)}
	go func() { r.done <- c.Run(ctx) }()
	t.Cleanup(r.stop)
	r.until("the table is loaded", func(st pipeline.CaptureStatus) bool {
		return len(st.Cut.Loads) == 1 && st.Cut.Loads[w.table].Phase == cdc.LoadDone
	})
	return r
}

func (r *foreignCapture) stop() {
	r.cancel()
	if err := <-r.done; err != nil {
		r.t.Errorf("capture ended: %v", err)
	}
	r.done <- nil
}

func (r *foreignCapture) until(what string, ok func(pipeline.CaptureStatus) bool) {
	r.t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(r.c.Status()); time.Sleep(20 * time.Millisecond) {
		select {
		case err := <-r.done:
			r.done <- nil
			r.t.Fatalf("capture ended: %v", err)
		default:
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("waited in vain until %s", what)
		}
	}
}
