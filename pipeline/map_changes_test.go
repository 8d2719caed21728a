package pipeline_test

import (
	"fmt"
	"testing"
	"time"

	"chartwire/cdc"
	"chartwire/pipeline"

	"github.com/twmb/franz-go/pkg/kgo"
)

const worldChanges = `
map: test/changes
source: clinic
entity: { root: people, where: kind == "patient" }
rules:
  balance:
    each: balance
    then:
      - create: hubspot.tickets
        key: chartwire_ticket_key
        properties:
          subject: { from: '"Balance " + text(balance) + " after " + coalesce(text(previous(balance)), "none")' }
          hs_pipeline: { is: Collections }
          hs_pipeline_stage: { is: New }
`

// changed is what a source transaction did to a person, whom it changed from
// old, for the map of changes.
func (w *mapWorld) changed(id int, old person, had bool) {
	now, has := w.people[id]
	if w.changes == nil || !has || now.kind != "patient" || had && old.balance == now.balance {
		return
	}
	latch := fmt.Sprint("changes ", id)
	if w.latches[latch] == nil {
		w.latches[latch] = &worldLatch{}
	}
	w.latches[latch].n++
	key := fmt.Sprintf("test/changes/balance:%d:%d", id, w.latches[latch].n)
	before := "none"
	if had {
		before = fmt.Sprint(old.balance)
	}
	w.fired[key], w.changes[key] = true, fmt.Sprintf("Balance %d after %s", now.balance, before)
}

// Each change of a value is a record, also those of one cut and those of a table
// that is being loaded; what a load finds is none.
func testMapChanges(t *testing.T, w *mapWorld) {
	w.changes = map[string]string{}
	dir := t.TempDir()
	p := func(kind string, balance int64) *person { return &person{kind, "Ann", "Ulm", balance} }
	id := w.tables["people"].ID()
	w.people[2] = *p("patient", 70)
	w.loads = map[cdc.TableID]cdc.Load{id: {Phase: cdc.LoadReading, Since: time.Now()}}
	b := w.batch()
	b.read("people", 2)
	b.transact(edit{id: 1, person: p("patient", 1)})
	b.transact(edit{id: 1, person: p("patient", 2)}, edit{id: 1, person: p("patient", 3)})
	b.transact(edit{id: 1, person: p("patient", 1)})
	b.transact(edit{id: 1, person: p("patient", 1)})
	b.transact(edit{id: 2, person: p("patient", 71)})
	b.commit(0)
	m := w.run(w.options(dir, w.program(worldChanges)))
	w.until(m)
	if err := m.stop(); err != nil {
		t.Fatal(err)
	}
	if got := w.onlyTickets(); got != 4 {
		t.Errorf("%d changes were told, want 4", got)
	}
	w.loads = map[cdc.TableID]cdc.Load{id: {Phase: cdc.LoadDone, Since: time.Now()}}
	m = w.run(w.options(t.TempDir(), w.program(worldChanges)))
	w.edit(edit{id: 1, person: p("staff", 5)})
	w.edit(edit{id: 1, person: p("patient", 5)}) // begins to match, and did not change
	w.edit(edit{id: 1})
	w.edit(edit{id: 1, person: p("patient", 5)})
	w.until(m)
	if got := w.onlyTickets(); got != 5 {
		t.Errorf("%d changes were told, want 5", got)
	}
	w.wait(m, "nothing is mapped again", func(s pipeline.MapStatus) bool { return len(s.Remapping) == 0 })
}

// onlyTickets holds the tickets to the reference, and counts them.
func (w *mapWorld) onlyTickets() int {
	w.Helper()
	got := w.written()
	for _, m := range got.all {
		if want, ok := w.changes[m.Record.Key]; !ok || m.Properties[0].Value != want || got.tickets[m.Record.Key] != 1 {
			w.Errorf("ticket %s says %q (%d times), want %q", m.Record.Key, m.Properties[0].Value, got.tickets[m.Record.Key], want)
		}
	}
	if len(got.all) != len(w.changes) {
		w.Errorf("%d tickets, want %d", len(got.all), len(w.changes))
	}
	return len(got.all)
}

// Made again are the records of the last change, as the row shows it: of those
// before it nothing is left to make them of.
func testMapChangesRetry(t *testing.T, w *mapWorld) {
	w.changes = map[string]string{}
	m := w.run(w.options(t.TempDir(), w.program(worldChanges)))
	w.edit(edit{id: 1, person: &person{"patient", "Ann", "Ulm", 1}})
	w.edit(edit{id: 1, person: &person{"patient", "Ann", "Ulm", 2}})
	w.until(m)
	made := w.written().all
	if len(made) != 2 {
		t.Fatalf("%d tickets, want 2", len(made))
	}
	cl, err := w.conn.Client()
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for _, mu := range made {
		rec := &kgo.Record{Topic: w.topics.Retry(w.flow), Key: []byte(mu.Origin[0].Table + "\x00" + mu.Origin[0].Row), Headers: []kgo.RecordHeader{
			{Key: "source", Value: []byte(mu.Origin[0].Source)}, {Key: "map", Value: []byte(mu.Map)}, {Key: "record", Value: []byte(mu.Record.ID())}}}
		if err := cl.ProduceSync(t.Context(), rec).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	for start := time.Now(); w.written().tickets["test/changes/balance:1:2"] < 2; time.Sleep(10 * time.Millisecond) {
		if time.Since(start) > time.Minute {
			t.Fatal("the ticket was not made again")
		}
	}
	if n := w.written().tickets["test/changes/balance:1:1"]; n != 1 {
		t.Errorf("the first change was told %d times", n)
	}
}
