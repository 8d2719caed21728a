package pipeline_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"chartwire/pipeline"
	"chartwire/pipeline/broker/brokertest"
	"chartwire/pipeline/mapping"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const worldDays = `
map: test/visits
source: clinic
entity: { root: labs }
phi: []
record: hubspot.contacts
key: { open_medical_patient_id: text(id) }
class: 15m
on_delete: archive
properties:
  city: { from: 'date(at) < today() ? "past" : "to come"' }
  firstname: { from: text(critical), class: realtime }
rules:
  soon:
    when: today() >= days(date(at), -3) and today() <= date(at)
    then:
      - create: hubspot.tickets
        key: chartwire_ticket_key
        properties:
          subject: { is: Soon }
          hs_pipeline: { is: Collections }
          hs_pipeline_stage: { is: New }
`

// wallClock is a clock that a test sets.
type wallClock struct {
	t    testing.TB
	zone *time.Location
	us   atomic.Int64
}

func newWallClock(t testing.TB, zone, at string) *wallClock {
	t.Helper()
	l, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	c := &wallClock{t: t, zone: l}
	c.set(at)
	return c
}

func (c *wallClock) at(text string) time.Time {
	c.t.Helper()
	at, err := time.ParseInLocation("2006-01-02 15:04:05", text, c.zone)
	if err != nil {
		c.t.Fatal(err)
	}
	return at
}

func (c *wallClock) set(text string) { c.us.Store(c.at(text).UnixMicro()) }

func (c *wallClock) now() time.Time { return time.UnixMicro(c.us.Load()) }

// comeTo waits until all entities of a map have come to a day.
func (w *mapWorld) comeTo(m *mapRun, name, day string) {
	w.Helper()
	w.wait(m, "the day "+day, func(s pipeline.MapStatus) bool { return s.Holding && s.Days[name] == day })
}

// visit is a lab at noon of a day on the clock.
func (c *wallClock) visit(id int, day string) edit {
	return edit{id: id, labs: true, lab: &lab{date: c.at(day + " 12:00:00").UTC()}}
}

// What the day makes true fires once, and what it changes is written, at the
// midnights of the source's zone, also of the day that has 23 hours.
func testMapDays(t *testing.T, w *mapWorld) {
	clock := newWallClock(t, "America/New_York", "2026-03-06 23:59:59")
	dir := t.TempDir()
	start := func(dir string) *mapRun {
		o := w.options(dir, w.programIn(clock.zone, worldDays))
		o.Clock = clock.now
		return w.run(o)
	}
	n := 0
	expect := func(day string, fired []string, changed ...string) {
		t.Helper()
		all := w.written()
		var got []string
		for _, mu := range all.all[n:] {
			if mu.Record.Object == "tickets" {
				continue
			}
			s := mu.Record.Key + " " + mu.Lane.String()
			for _, p := range mu.Properties {
				if !p.Changed.IsZero() {
					s += " " + p.Name + "=" + p.Value
				}
			}
			got = append(got, s)
			midnight := clock.at(day + " 00:00:00")
			if mu.Reason == mapping.ReasonDay && (!mu.Commit.Equal(midnight) || !mu.Due.Equal(midnight.Add(15*time.Minute))) {
				t.Errorf("%s: %s of %s is due at %s", day, mu.Record.Key, mu.Commit, mu.Due)
			}
		}
		n = len(all.all)
		if d := cmp.Diff(changed, got); d != "" {
			t.Errorf("%s: written (-want +got):\n%s", day, d)
		}
		want := map[string]int{}
		for _, key := range fired {
			want["test/visits/soon:"+key] = 1
		}
		if d := cmp.Diff(want, all.tickets); d != "" {
			t.Errorf("%s: fired (-want +got):\n%s", day, d)
		}
	}
	m := start(dir)
	w.edit(clock.visit(1, "2026-03-10"), clock.visit(2, "2026-03-12"), clock.visit(3, "2026-03-07"), clock.visit(4, "2026-03-14"))
	w.until(m)
	expect("2026-03-06", []string{"3:1"}, "1 realtime city=to come firstname=0", "2 realtime city=to come firstname=0",
		"3 realtime city=to come firstname=0", "4 realtime city=to come firstname=0")
	clock.set("2026-03-07 00:00:00")
	w.comeTo(m, "test/visits", "2026-03-07")
	expect("2026-03-07", []string{"3:1", "1:1"})
	clock.set("2026-03-07 23:59:59")
	time.Sleep(150 * time.Millisecond)
	expect("2026-03-07", []string{"3:1", "1:1"})
	clock.set("2026-03-08 00:00:00") // 23 hours long
	w.comeTo(m, "test/visits", "2026-03-08")
	expect("2026-03-08", []string{"3:1", "1:1"}, "3 routine city=past")
	clock.set("2026-03-08 23:59:59")
	w.edit(clock.visit(4, "2026-03-11")) // a row's change, by the day that it is
	w.until(m)
	expect("2026-03-08", []string{"3:1", "1:1", "4:1"})
	if err := m.stop(); err != nil {
		t.Fatal(err)
	}
	clock.set("2026-03-11 09:00:00") // three days later, by a state that is built again
	m = start(t.TempDir())
	w.comeTo(m, "test/visits", "2026-03-11")
	expect("2026-03-11", []string{"3:1", "1:1", "4:1", "2:1"}, "1 routine city=past")
	if err := m.stop(); err != nil {
		t.Fatal(err)
	}
	clock.set("2026-03-09 09:00:00") // a clock that is behind
	m = start(dir)
	w.edit(clock.visit(5, "2026-03-10"))
	w.until(m)
	w.comeTo(m, "test/visits", "2026-03-11")
	expect("2026-03-11", []string{"3:1", "1:1", "4:1", "2:1"}, "5 realtime city=past firstname=0")
}

// A pass that is killed goes on where it was: nothing twice, nothing forgotten,
// with the folder or without it.
func testMapDayKilled(t *testing.T, w *mapWorld) {
	const rows = 2000
	clock := newWallClock(t, "America/New_York", "2026-10-31 12:00:00")
	dir := t.TempDir()
	run := func(dir string) *mapRun {
		o := w.options(dir, w.programIn(clock.zone, worldDays))
		o.Clock = clock.now
		return w.run(o)
	}
	m := run(dir)
	var edits []edit
	for i := range rows {
		edits = append(edits, clock.visit(i, []string{"2026-11-04", "2026-12-24"}[i%2]))
	}
	w.edit(edits...)
	w.until(m)
	if n := len(w.written().tickets); n != 0 {
		t.Fatalf("%d fired before the day", n)
	}
	clock.set("2026-11-01 00:00:00") // 25 hours long
	for k, dir := range []string{dir, t.TempDir(), dir} {
		var commits atomic.Int64
		full := make(chan struct{})
		w.road.On(kmsg.EndTxn.Int16(), func() brokertest.Passage {
			switch n := commits.Add(1); {
			case n == 3:
				close(full)
				return brokertest.Silent // done, and nobody hears of it
			case n > 3:
				return brokertest.Drop
			}
			return brokertest.Pass
		})
		if k > 0 {
			m = run(dir)
		}
		select {
		case <-full:
		case <-time.After(time.Minute):
			t.Fatal("the pass does not go on")
		}
		w.kill(m)
		if n := len(w.written().tickets); n == 0 || n == rows/2 {
			t.Errorf("killed after %d of %d firings: not in the middle", n, rows/2)
		}
	}
	edits = edits[:0]
	for i := 0; i < rows; i += 100 { // some of which the pass has come by, and some not
		e := clock.visit(i, "2026-11-04")
		e.lab.critical = true
		edits = append(edits, e)
	}
	w.edit(edits...)
	m = run(dir)
	w.until(m)
	w.comeTo(m, "test/visits", "2026-11-01")
	got := w.written()
	for i := 0; i < rows; i += 2 {
		if key := fmt.Sprintf("test/visits/soon:%d:1", i); got.tickets[key] != 1 {
			t.Errorf("%s fired %d times", key, got.tickets[key])
		}
	}
	if len(got.tickets) != rows/2 {
		t.Errorf("%d fired", len(got.tickets))
	}
	clock.set("2026-11-05 00:00:00")
	w.comeTo(m, "test/visits", "2026-11-05")
	again := w.written()
	if len(again.tickets) != rows/2 || len(again.all)-len(got.all) != rows/2 {
		t.Errorf("%d fired, %d written of %d that changed", len(again.tickets), len(again.all)-len(got.all), rows/2)
	}
}

// kill ends a map of which Kafka hears nothing any more.
func (w *mapWorld) kill(m *mapRun) {
	w.Helper()
	w.road.Cut()
	if err := m.stop(); err != nil {
		w.Fatal(err)
	}
	w.road.On(kmsg.EndTxn.Int16(), func() brokertest.Passage { return brokertest.Pass })
}

const shopDays = `
map: shop/days
source: shop
entity:
  root: orders
  with:
    items: { table: items, by: order_id, many: true }
  settle: 60ms up to 400ms
phi: []
record: hubspot.orders
key: { ext_id: text(id) }
class: 5m
on_delete: archive
properties:
  status: { from: 'date(status) < today() ? "past" : "to come"', class: realtime }
  items:  { from: 'join("/", items, .name)', on_null: clear }
rules:
  soon:
    when: today() >= days(date(status), -3) and today() <= date(status) and count(items) > 0
    then:
      - create: hubspot.guests
        key: ext_id
        properties:
          status: { is: soon }
`

// Joined entities come to a new day: what changes is written whole, and the
// rest is let alone; also after days without anybody.
func testJoinedDays(t *testing.T, w *joinedWorld) {
	clock := newWallClock(t, "UTC", "2026-03-06 12:00:00")
	dir := t.TempDir()
	p := w.compile(shopDays)
	start := func(dir string) *mapRun {
		o := w.options(dir, p)
		o.Clock = clock.now
		return w.run(o)
	}
	n := 0
	// What a term before had mapped can be mapped again by the next one, if it is
	// not known of it: rebuilt leaves that out.
	rebuilt := false
	expect := func(want ...string) {
		t.Helper()
		all := w.written().all
		var got []string
		for _, mu := range all[n:] {
			if rebuilt && mu.Reason == mapping.ReasonChange {
				continue
			}
			s := mu.Record.Object + " " + mu.Record.Key + " " + mu.Lane.String() + " " + mu.Reason
			for _, p := range mu.Properties {
				if s += " " + p.Name + "=" + p.Value; !p.Changed.IsZero() {
					s += "*"
				}
			}
			got = append(got, s)
		}
		n = len(all)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("written (-want +got):\n%s", d)
		}
	}
	m := start(dir)
	w.edit()
	w.settled(m)
	for i, day := range []string{"2026-03-10", "2026-03-12", "2026-05-01"} {
		w.edit(rowEdit{"orders", i + 1, order("status", day)}, rowEdit{"items", i + 1, cells{"order_id": fmt.Sprint(i + 1), "name": "Tea"}})
		w.settled(m)
	}
	expect("orders 1 realtime change status=to come* items=Tea*", "orders 2 realtime change status=to come* items=Tea*",
		"orders 3 realtime change status=to come* items=Tea*")
	clock.set("2026-03-07 00:00:00")
	w.comeTo(m, "shop/days", "2026-03-07")
	expect("guests shop/days/soon:1:1 realtime rule status=soon*")
	if err := m.stop(); err != nil {
		t.Fatal(err)
	}
	rebuilt = true
	clock.set("2026-03-11 00:00:10")
	m = start(t.TempDir())
	w.comeTo(m, "shop/days", "2026-03-11")
	w.settled(m)
	expect("orders 1 realtime day status=past* items=Tea", "guests shop/days/soon:2:1 realtime rule status=soon*")
	w.edit(rowEdit{"items", 4, cells{"order_id": "1", "name": "Cup"}})
	w.settled(m)
	list := w.of("orders", "1")
	last := list[len(list)-1]
	if last.Reason != mapping.ReasonChange || last.Properties[0].Value != "past" || last.Properties[1].Value != "Tea/Cup" {
		t.Errorf("a change after it: %+v", last)
	}
}
