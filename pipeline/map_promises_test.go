package pipeline_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"chartwire/cdc"
	"chartwire/pipeline"
	"chartwire/pipeline/broker"
	"chartwire/pipeline/broker/brokertest"
	"chartwire/pipeline/writes"
	"chartwire/sinks"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func (w *mapWorld) edit(edits ...edit) {
	w.Helper()
	b := w.batch()
	b.transact(edits...)
	b.commit(0)
}

func (w *written) of(key string) []*sinks.Mutation {
	var out []*sinks.Mutation
	for _, m := range w.all {
		if m.Record.Key == key {
			out = append(out, m)
		}
	}
	return out
}

func testMapLanes(t *testing.T, w *mapWorld) {
	m := w.run(w.options(t.TempDir(), w.program(worldMaps, worldLabs)))
	w.wait(m, "the flow is held", func(s pipeline.MapStatus) bool { return s.Holding })
	f := func(p *person, lane sinks.Lane, class time.Duration, existence sinks.Existence, props int) {
		t.Helper()
		before := len(w.written().of("1"))
		w.edit(edit{id: 1, person: p})
		w.until(m)
		all := w.written().of("1")
		if lane == sinks.Backfill { // none
			if len(all) != before {
				t.Errorf("nothing changed, and got %+v", all[len(all)-1])
			}
			return
		}
		if len(all) != before+1 {
			t.Fatalf("got %d mutations, want %d", len(all), before+1)
		}
		got := all[len(all)-1]
		if got.Lane != lane || got.Reason != "change" || got.Due.Sub(got.Commit) != class || got.Existence != existence || len(got.Properties) != props {
			t.Errorf("got %+v, want lane %s, class %s, %s with %d properties", got, lane, class, existence, props)
		}
		if len(got.Origin) != 1 || got.Origin[0].Row != "1" || got.Origin[0].Table != "main.people" || got.Origin[0].Seq == 0 ||
			!strings.HasPrefix(got.Origin[0].Position, "gtid:") || got.Version < got.Origin[0].Seq || got.Flow != w.flow {
			t.Errorf("origin %+v, version %d, flow %s", got.Origin, got.Version, got.Flow)
		}
	}
	f(&person{"patient", "Ann", "Ulm", 20}, sinks.Realtime, 5*time.Second, sinks.Present, 3)
	f(&person{"patient", "Anna", "Ulm", 20}, sinks.Routine, 5*time.Minute, sinks.Present, 3)
	f(&person{"patient", "Anna", "Bonn", 20}, sinks.Routine, 15*time.Minute, sinks.Present, 3)
	f(&person{"patient", "Anna", "Bonn", 20}, sinks.Backfill, 0, "", 0)
	f(&person{"staff", "Anna", "Bonn", 20}, sinks.Routine, 24*time.Hour, sinks.Archived, 0)
	f(&person{"staff", "Otto", "Bonn", 20}, sinks.Backfill, 0, "", 0)
	f(&person{"patient", "Otto", "Bonn", 20}, sinks.Realtime, 5*time.Second, sinks.Present, 3)
	f(nil, sinks.Routine, 24*time.Hour, sinks.Archived, 0)
	w.verify()
}

// A critical result that arrived before capture did is paged once if it is
// fresh by its own date; one of last year is not.
func testMapFresh(t *testing.T, w *mapWorld) {
	id := w.tables["labs"].ID()
	now := time.Now().UTC()
	w.labs[1] = lab{true, now.Add(-time.Hour)}
	w.labs[2] = lab{true, now.Add(-365 * 24 * time.Hour)}
	w.labs[3] = lab{false, now}
	w.labs[4] = lab{true, now.Add(-100 * time.Hour)}
	m := w.run(w.options(t.TempDir(), w.program(worldMaps, worldLabs)))
	w.loads = map[cdc.TableID]cdc.Load{id: {Phase: cdc.LoadReading, Since: now}}
	b := w.batch()
	b.read("labs", 1, 2)
	b.commit(0)
	w.edit(edit{id: 9, labs: true, lab: &lab{true, now.Add(-365 * 24 * time.Hour)}}) // the stream fires whatever the date
	w.edit(edit{id: 2, labs: true, lab: &lab{true, now.Add(-364 * 24 * time.Hour)}}) // still true
	b = w.batch()
	b.read("labs", 3, 4)
	w.loads = map[cdc.TableID]cdc.Load{id: {Phase: cdc.LoadDone, Since: now}}
	b.commit(0)
	w.edit(edit{id: 1, labs: true, lab: &lab{false, now}})
	w.edit(edit{id: 1, labs: true, lab: &lab{true, now}})
	w.until(m)
	got := w.verify()
	want := []string{"test/labs/critical:1:1", "test/labs/critical:1:2", "test/labs/critical:9:1"}
	if len(got.tickets) != len(want) {
		t.Errorf("got tickets %v, want %v", got.tickets, want)
	}
	for _, k := range want {
		if got.tickets[k] != 1 {
			t.Errorf("ticket %s: %d times", k, got.tickets[k])
		}
	}
	// A gap that began four and a half days ago brings the result of then.
	w.loads = map[cdc.TableID]cdc.Load{id: {Phase: cdc.LoadReading, Since: now.Add(-108 * time.Hour)}}
	w.labs[5] = lab{true, now.Add(-106 * time.Hour)}
	w.labs[6] = lab{true, now.Add(-110 * time.Hour)}
	b = w.batch()
	b.read("labs", 5, 6)
	b.commit(0)
	w.until(m)
	if got = w.verify(); got.tickets["test/labs/critical:5:1"] != 1 || got.tickets["test/labs/critical:6:1"] != 0 {
		t.Errorf("after the gap: %v", got.tickets)
	}
}

// A changed map maps every entity again in the backfill lane, and fires nothing.
func testMapRemap(t *testing.T, w *mapWorld) {
	dir := t.TempDir()
	m := w.run(w.options(dir, w.program(worldMaps, worldLabs)))
	n := 1500 // more than one chunk
	var edits []edit
	for i := range n {
		edits = append(edits, edit{id: i, person: &person{"patient", fmt.Sprint("n", i), "Ulm", 450}})
	}
	w.edit(edits...)
	w.until(m)
	if err := m.stop(); err != nil {
		t.Fatal(err)
	}
	before := w.verify()
	changed := strings.Replace(strings.Replace(worldMaps, "from: name", "from: upper(name)", 1), "balance > 500", "balance > 400", 1)
	m = w.run(w.options(dir, w.program(changed, worldLabs)))
	w.wait(m, "the re-map has begun", func(s pipeline.MapStatus) bool { return len(s.Remapping) > 0 || len(w.written().all) > n })
	if err := m.stop(); err != nil { // and goes on where it was
		t.Fatal(err)
	}
	m = w.run(w.options(dir, w.program(changed, worldLabs)))
	// A source that is never quiet does not keep it from its end.
	w.wait(m, "the flow is held", func(s pipeline.MapStatus) bool { return s.Holding })
	for start, i := time.Now(), 0; i == 0 || len(m.Status().Remapping) > 0 || m.Status().Sources["clinic"].Seq == 0; i++ {
		w.edit(edit{id: 5, person: &person{"patient", "n5", "Ulm", int64(i % 2)}})
		if time.Since(start) > time.Minute {
			t.Fatal("the re-map starves")
		}
	}
	w.until(m)
	got := w.written()
	again := 0
	for _, mu := range got.all[len(before.all):] {
		if mu.Record.Key == "5" && mu.Reason == "change" {
			continue
		}
		if mu.Lane != sinks.Backfill || mu.Reason != "remap" || !mu.Due.IsZero() {
			t.Fatalf("got %+v in a re-map", mu)
		}
		again++
	}
	if again < n || again > n+256 {
		t.Errorf("%d mutations for %d entities", again, n)
	}
	if len(got.tickets) != 0 {
		t.Errorf("the re-map fired: %v", got.tickets)
	}
	for key, mu := range got.records {
		if mu.Properties[0].Value != "N"+key {
			t.Fatalf("record %s has %+v", key, mu.Properties)
		}
	}
	// The latches are set: only what becomes true fires.
	w.edit(edit{id: 1, person: &person{"patient", "n1", "Ulm", 460}}, edit{id: 2, person: &person{"patient", "n2", "Ulm", 300}})
	w.edit(edit{id: 2, person: &person{"patient", "n2", "Ulm", 420}})
	w.until(m)
	if got = w.written(); len(got.tickets) != 1 || got.tickets["test/people/balance-over:2:1"] != 1 {
		t.Errorf("got tickets %v", got.tickets)
	}
}

const worldOnce = `
map: test/people
source: clinic
entity:
  root: people
phi: []
record: hubspot.contacts
key: { open_medical_patient_id: text(id) }
class: 5m
owner: om
on_delete: archive
on_leave: keep
properties:
  firstname: { from: name, on_null: clear }
  city: { from: city, write: once }
`

// A write-once property keeps the value that it was given first, in every
// mutation that follows, also after the folder is lost.
func testMapOnce(t *testing.T, w *mapWorld) {
	dir := t.TempDir()
	m := w.run(w.options(dir, w.program(worldOnce)))
	f := func(city, want string) {
		t.Helper()
		w.edit(edit{id: 1, person: &person{"patient", fmt.Sprint("n", w.txns), city, 0}})
		w.until(m)
		got := ""
		for _, p := range w.written().records["1"].Properties {
			if p.Name == "city" {
				got += string(p.State) + " " + p.Value
			}
		}
		if got != want {
			t.Errorf("city %q gives %q, want %q", city, got, want)
		}
	}
	f("", "")
	f("Ulm", "set Ulm")
	f("Bonn", "set Ulm")
	f("", "set Ulm")
	if err := m.stop(); err != nil {
		t.Fatal(err)
	}
	m = w.run(w.options(t.TempDir(), w.program(worldOnce)))
	f("Bonn", "set Ulm")
	w.edit(edit{id: 1})
	f("Bonn", "set Bonn")
}

// Commits whose answer is lost, and requests that never arrive.
func testMapFaults(t *testing.T, w *mapWorld) {
	m := w.run(w.options(t.TempDir(), w.program(worldMaps, worldLabs)))
	w.edit(edit{id: 1, person: &person{"patient", "Ann", "Ulm", 20}})
	w.until(m)
	for i, key := range []int16{kmsg.EndTxn.Int16(), kmsg.Produce.Int16(), kmsg.EndTxn.Int16(), kmsg.Fetch.Int16()} {
		for _, passage := range []brokertest.Passage{brokertest.Drop, brokertest.Silent} {
			n := 0
			w.road.On(key, func() brokertest.Passage {
				if n++; n == 1 {
					return passage
				}
				return brokertest.Pass
			})
			for k := range 3 {
				w.edit(edit{id: k, person: &person{"patient", fmt.Sprint("n", i, passage), "Ulm", int64(k*400 + i%2*400)}})
				w.edit(edit{id: k, labs: true, lab: &lab{(i+k)%2 == 0, time.Now()}})
			}
			w.until(m)
		}
	}
	w.verify()
}

// Sinks hear how far the sources are mapped, also when nothing changes for them.
func testMapHeartbeats(t *testing.T, w *mapWorld) {
	m := w.run(w.options(t.TempDir(), w.program(worldMaps, worldLabs)))
	b := w.batch()
	b.commit(0)
	w.until(m)
	for start := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		beats := map[string]time.Time{}
		topics := []string{w.topics.Writes("hubspot", w.flow, "safety"), w.topics.Writes("hubspot", w.flow, "backfill")}
		_, err := broker.Scan(t.Context(), w.conn, func(r *kgo.Record) error {
			_, at, err := writes.Decode(r)
			beats[r.Topic] = at
			return err
		}, topics...)
		if err != nil {
			t.Fatal(err)
		}
		if beats[topics[0]].Equal(b.at) && beats[topics[1]].Equal(b.at) {
			return
		}
		if time.Since(start) > time.Minute {
			t.Fatalf("got heartbeats %v, want %s", beats, b.at)
		}
	}
}

// A standby has the rows before it has the lease.
func testMapStandby(t *testing.T, w *mapWorld) {
	p := w.program(worldMaps, worldLabs)
	first := w.run(w.options(t.TempDir(), p))
	w.wait(first, "the flow is held", func(s pipeline.MapStatus) bool { return s.Holding })
	o := w.options(t.TempDir(), p)
	o.Memory = 5000
	second := w.run(o)
	for i := range 60 {
		w.edit(edit{id: i % 20, person: &person{"patient", fmt.Sprint("n", i), "Ulm", int64(i%2) * 600}})
	}
	w.edit(edit{id: 3})
	w.until(first)
	warm := func(s pipeline.MapStatus) bool { return s.Sources["clinic"].Seq >= w.seq }
	w.wait(second, "the standby is warm", warm)
	if second.Status().Holding {
		t.Error("both hold the flow")
	}
	b := w.batch()
	e := b.empty("people")
	b.transact(edit{id: 4, person: &person{"patient", "after", "Bonn", 700}})
	b.commit(0, e)
	w.until(first)
	w.wait(second, "the standby is warm", warm)
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	w.edit(edit{id: 5, person: &person{"patient", "last", "Bonn", 700}})
	w.wait(second, "the standby holds", func(s pipeline.MapStatus) bool { return s.Holding && warm(s) })
	w.verify()
	if err := second.stop(); err != nil {
		t.Fatal(err)
	}
	w.verifyRows(o.Dir)
}

// A record that capture did not write stops the flow, and nothing is skipped.
func testMapForeign(t *testing.T, w *mapWorld) {
	w.edit(edit{id: 1, person: &person{"patient", "Ann", "Ulm", 20}})
	cl, err := w.conn.Client()
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	rec := &kgo.Record{Topic: w.topics.Rows("clinic", w.tables["people"].ID()), Key: []byte("1"), Value: []byte("x")}
	if err := cl.ProduceSync(t.Context(), rec).FirstErr(); err != nil {
		t.Fatal(err)
	}
	m, err := pipeline.NewMap(w.options(t.TempDir(), w.program(worldMaps)))
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Run(t.Context()); cdc.HaltCode(err) != pipeline.HaltRowUnreadable {
		t.Errorf("got %v", err)
	}
	if s := m.Status(); s.Holding || s.Halt == "" {
		t.Errorf("got status %+v", s)
	}
}

// A folder that belongs to another history of the same flow is not believed.
func TestMapForeignState(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"Ann", "Eve"} {
		w := newMapWorld(t, brokertest.Start(t), "t")
		m := w.run(w.options(dir, w.program(worldMaps, worldLabs)))
		w.edit(edit{id: 1, person: &person{"patient", name, "Ulm", 700}}, edit{id: len(name), person: &person{"patient", name, "Ulm", 700}})
		w.until(m)
		if err := m.stop(); err != nil {
			t.Fatal(err)
		}
		w.verify()
		w.verifyRows(dir)
	}
}

func TestMapNew(t *testing.T) {
	_, err := pipeline.NewMap(pipeline.MapOptions{Quiet: -1})
	for _, want := range []string{"no flow", "no schema registry", "no folder", "negative", "no maps"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want also %q", err, want)
		}
	}
}

// Metrics are registered for a run, and can be again.
func TestMapMetrics(t *testing.T) {
	w := newMapWorld(t, brokertest.Start(t), "t")
	o := w.options(t.TempDir(), w.program(worldMaps))
	r := prometheus.NewRegistry()
	o.Metrics = r
	for range 2 {
		m := w.run(o)
		w.edit(edit{id: 1, person: &person{"patient", fmt.Sprint(w.txns), "Ulm", 20}})
		w.until(m)
		all, err := r.Gather()
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]float64{}
		for _, f := range all {
			for _, m := range f.Metric {
				got[f.GetName()] += m.GetCounter().GetValue()
			}
		}
		if got["chartwire_map_mutations_total"] != 1 || got["chartwire_map_changes_total"] < 1 {
			t.Errorf("got %v", got)
		}
		if err := m.stop(); err != nil {
			t.Fatal(err)
		}
	}
}
