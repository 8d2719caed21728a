package integration_test

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"testing"
	"time"

	"chartwire/cdc"
	"chartwire/cdc/mysql"
	"chartwire/integration/servers"
	"chartwire/pipeline/mapping"
	"chartwire/schemas"
	"chartwire/schemas/hubspot"
	"chartwire/schemas/maps"
	"chartwire/schemas/maps/ddl"
	"chartwire/schemas/maps/generate"
	"chartwire/sinks"
)

// contactsWorld reads a database through the source and maps what it reads, in
// one goroutine, into records held in memory.
type contactsWorld struct {
	t       *testing.T
	db      *servers.DB
	object  *hubspot.Object
	m       *mapping.Map
	ev      *mapping.Evaluator
	schemas map[*cdc.Table]*schemas.RowSchema
	last    map[string]last // by row key
	records map[string]map[string]string
	tickets map[string]int
}

type last struct {
	schema *schemas.RowSchema
	row    cdc.Row
}

// TestMapsOnServers holds the contact map, fed with rows that real servers
// sent, against what SQL says that the contacts should hold: after a first
// load, and after live changes to it.
func TestMapsOnServers(t *testing.T) {
	for _, f := range []servers.Flavor{servers.MariaDB1011, servers.MySQLNew} {
		t.Run(f.Name, func(t *testing.T) { newContactsWorld(t, f).run() })
	}
}

func newContactsWorld(t *testing.T, f servers.Flavor) *contactsWorld {
	w := &contactsWorld{t: t, db: servers.Database(t, f), schemas: map[*cdc.Table]*schemas.RowSchema{}, last: map[string]last{},
		records: map[string]map[string]string{}, tickets: map[string]int{}}
	sql, err := maps.Files.ReadFile("om-aggregation/reference.sql")
	w.must(err)
	w.must(w.db.Exec("create database om"))
	w.must(w.db.Exec("use om; " + string(sql)))
	labs, err := maps.Files.ReadFile("labs/reference.sql") // generate.Watch counts their results too
	w.must(err)
	w.must(w.db.Exec("use om; " + string(labs)))
	tables, err := ddl.Parse("om", "om", string(sql))
	w.must(err)
	objects, err := hubspot.Default()
	w.must(err)
	w.object = objects.Object("contacts")
	names, err := fs.Glob(maps.Files, "om-aggregation/*.yaml")
	w.must(err)
	var files []mapping.File
	for _, name := range names {
		text, err := maps.Files.ReadFile(name)
		w.must(err)
		files = append(files, mapping.File{Name: name, Text: text})
	}
	p, err := mapping.Compile(files, mapping.Env{
		Sources: []mapping.Source{{Name: "om", Kind: "om-aggregation", Zone: w.zone()}}, Tables: tables,
		Objects: map[string]*hubspot.Schema{"hubspot": objects},
	})
	w.must(err)
	w.m = p.Maps[0]
	w.ev = w.m.Evaluator()
	return w
}

func (w *contactsWorld) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *contactsWorld) zone() *time.Location {
	zone, err := time.LoadLocation("America/New_York")
	w.must(err)
	return zone
}

const sentinel = 999_999_999

func (w *contactsWorld) run() {
	gen := generate.New(11, time.Now().In(w.zone()))
	w.must(w.db.Exec("use om; " + gen.Patients(400)))
	src, err := mysql.New(mysql.Config{Name: "om", Addr: w.db.Addr, User: w.db.User, Password: w.db.Password,
		Selections: (&mapping.Program{Maps: []*mapping.Map{w.m}}).Selections("om"), Log: slog.New(slog.DiscardHandler)})
	w.must(err)
	changed := false
	for txn, err := range src.Stream(w.t.Context(), cdc.Resume{}) {
		w.must(err)
		for i := range txn.Changes {
			w.take(&txn.Changes[i], txn.CommitTime)
		}
		if _, ok := w.last[fmt.Sprint(sentinel)]; ok {
			break
		}
		if l, ok := txn.Loads[w.m.Table]; ok && l.Phase == cdc.LoadDone && !changed {
			changed = true
			w.compare("after the first load")
			w.must(w.db.Exec("use om; " + generate.Watch))
			for range 600 {
				w.must(w.db.Exec("use om; " + gen.Change()))
			}
			w.must(w.db.Exec(fmt.Sprintf("use om; INSERT INTO omaggregation (PatNum, AggregationKeyID) VALUES (%d, 'end')", sentinel)))
		}
	}
	w.compare("after 600 changes")
	w.compareTickets()
}

// take maps one change, against the row as it was last mapped.
func (w *contactsWorld) take(c *cdc.Change, commit time.Time) {
	s := w.schemas[c.Table]
	if s == nil {
		var err error
		s, err = schemas.NewRowSchema(c.Table)
		w.must(err)
		w.schemas[c.Table] = s
	}
	before := w.last[c.Key]
	in := &mapping.Input{Key: c.Key, Schema: s, After: c.After, BeforeSchema: before.schema, Before: before.row, Commit: commit, Reason: mapping.ReasonChange}
	if c.Op == cdc.Read {
		in.Reason = mapping.ReasonSnapshot
	}
	out, err := w.ev.Eval(in)
	w.must(err)
	for i, v := range out.Verdicts {
		if c.Op != cdc.Read && v.Now == mapping.True && v.Before != mapping.True {
			w.tickets[v.Once]++
			for _, m := range out.Fire(i, int64(w.tickets[v.Once])) {
				w.tickets[m.Record.Key]++
			}
		}
	}
	if m := out.Mutation; m != nil {
		rec := w.records[m.Record.Key]
		if rec == nil {
			rec = map[string]string{"open_medical_patient_id": m.Record.Key}
			w.records[m.Record.Key] = rec
		}
		for _, p := range m.Properties {
			if rec[p.Name] = p.Value; p.State == sinks.Set && w.object.Property(p.Name).Type == hubspot.Enumeration {
				rec[p.Name] = w.object.Property(p.Name).Option(p.Value).Value
			}
		}
	}
	if c.After == nil {
		delete(w.last, c.Key)
		return
	}
	// A transaction is valid until the next one is asked for.
	w.last[strings.Clone(c.Key)] = last{s, append(cdc.Row(nil), c.After...)}
}

func (w *contactsWorld) compare(when string) {
	w.t.Helper()
	db, err := w.db.Open("om")
	w.must(err)
	defer db.Close()
	want, err := generate.Contacts(db, w.zone())
	w.must(err)
	if len(want) < 300 {
		w.t.Fatalf("%s: %d patients", when, len(want))
	}
	for _, d := range generate.Differences(want, w.records, 10) {
		w.t.Errorf("%s: contact %s", when, d)
	}
}

func (w *contactsWorld) compareTickets() {
	db, err := w.db.Open("om")
	w.must(err)
	defer db.Close()
	want, err := generate.Tickets(db)
	w.must(err)
	if len(want) == 0 {
		w.must(errors.New("no balance rose over 500: the test shows nothing"))
	}
	for key := range want {
		if w.tickets[key] != 1 {
			w.t.Errorf("ticket %s is there %d times", key, w.tickets[key])
		}
	}
}
