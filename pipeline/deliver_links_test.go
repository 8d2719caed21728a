package pipeline_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"chartwire/pipeline"
	"chartwire/pipeline/deadletter"
	"chartwire/sinks"
	"chartwire/sinks/sinktest"

	"github.com/google/go-cmp/cmp"
)

// linksTo are all the links of a name: to these records, "key/label" with a
// label.
func linksTo(name string, to ...string) []sinks.Link {
	links := []sinks.Link{{Name: name, State: sinks.Clear}}
	for _, k := range to {
		key, label, _ := strings.Cut(k, "/")
		links = append(links, sinks.Link{Name: name, To: sinks.Record{Object: "contacts", Property: "patient_id", Key: key}, Label: label, State: sinks.Set})
	}
	return links
}

// linked makes the next mutation of a record, with all its links of a name.
func (e *deliverEnv) linked(key string, lane sinks.Lane, name string, to ...string) *sinks.Mutation {
	m := e.mutation(key, lane, "a", "1")
	m.Links = linksTo(name, to...)
	return m
}

// foldedLinks is what the mutations say of links between records that are
// there: "from>to/label".
func foldedLinks(ms []*sinks.Mutation) []string {
	exist, sets := map[sinks.Record]*sinks.Mutation{}, map[string]*sinks.Mutation{}
	for _, m := range ms {
		if old := exist[m.Record]; m.Existence != sinks.Kept && (old == nil || m.Version > old.Version) {
			exist[m.Record] = m
		}
		for _, l := range m.Links {
			if id := m.Record.ID() + " " + l.Name; sets[id] == nil || m.Version > sets[id].Version {
				sets[id] = m
			}
		}
	}
	there := func(r sinks.Record) bool { return exist[r] != nil && exist[r].Existence != sinks.Archived }
	all := map[string]bool{}
	for id, m := range sets {
		for _, l := range m.Links {
			if strings.HasSuffix(id, " "+l.Name) && l.State == sinks.Set && there(m.Record) && there(l.To) {
				all[m.Record.Key+">"+l.To.Key+"/"+l.Label] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(all))
}

func (e *deliverEnv) heldLinks() []string {
	all, records := map[string]bool{}, e.sink.Records()
	for _, s := range records {
		for l := range s.Links {
			if !s.Archived && !records[l.To.ID()].Archived {
				all[s.Record.Key+">"+l.To.Key+"/"+l.Label] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// linkedSoon waits until the sink links what the mutations say.
func (e *deliverEnv) linkedSoon(within time.Duration) {
	e.t.Helper()
	want := foldedLinks(e.sent)
	for deadline := time.Now().Add(within); ; time.Sleep(5 * time.Millisecond) {
		d := cmp.Diff(want, e.heldLinks())
		if d == "" {
			return
		}
		if time.Now().After(deadline) {
			e.t.Errorf("not within %s, links (-want +got):\n%s", within, d)
			return
		}
	}
}

// linkCalls are the calls for links so far.
func (e *deliverEnv) linkCalls() (n int) {
	for _, c := range e.sink.Calls() {
		if len(c.Writes) > 0 && len(c.Writes[0].Links) > 0 {
			n++
		}
	}
	return n
}

func (e *deliverEnv) pending(r *runner, want int) {
	e.t.Helper()
	e.eventually(soon, "the number of links that wait", func() bool {
		l := r.Status().Links
		return l.Pending == want && (want == 0) == l.Since.IsZero() && l.Waiting == 0
	})
}

func testLinkBothEnds(t *testing.T, e *deliverEnv) {
	r := e.start()
	for i := range 20 {
		e.send(e.linked(key(i), sinks.Backfill, "doctor", "D", "E/second"))
	}
	e.settle(soon)
	e.pending(r, 40)
	if n := e.linkCalls(); n != 0 {
		t.Errorf("%d calls for links whose far end is not there", n)
	}
	e.send(e.mutation("D", sinks.Routine, "a", "1"))
	e.pending(r, 20)
	e.linkedSoon(soon)
	if n := e.linkCalls(); n > 2 {
		t.Errorf("%d calls for 20 links of one lane", n)
	}
	e.end(r)
	r = e.start() // with another folder: what waits is found again
	e.pending(r, 20)
	e.send(e.mutation("E", sinks.Routine, "a", "1"))
	e.linkedSoon(soon)
	e.pending(r, 0)
}

func testLinkMoves(t *testing.T, e *deliverEnv) {
	r := e.start()
	e.send(e.mutation("D", sinks.Routine, "a", "1"), e.mutation("E", sinks.Routine, "a", "1"), e.linked("p", sinks.Realtime, "doctor", "D"))
	e.linkedSoon(soon)
	e.pending(r, 0)
	before := len(e.sink.Calls())
	e.send(e.linked("p", sinks.Routine, "doctor", "D"), e.mutation("p", sinks.Routine, "a", "1"))
	e.settle(soon)
	e.pending(r, 0)
	if n := len(e.sink.Calls()); n != before {
		t.Errorf("%d calls for what changes nothing", n-before)
	}
	for _, to := range [][]string{{"E"}, {"D", "E/payer"}, {"E"}, {}} {
		m := e.linked("p", sinks.Realtime, "doctor", to...)
		m.Links = append(m.Links, linksTo("payer", "D")...)
		e.send(m)
		e.linkedSoon(soon)
	}
	old := e.linked("p", sinks.Realtime, "doctor", "D", "E")
	old.Version = 1
	e.send(old)
	e.settle(soon)
	time.Sleep(100 * time.Millisecond)
	e.linkedSoon(0)
}

func testLinkComesBack(t *testing.T, e *deliverEnv) {
	r := e.start()
	e.send(e.mutation("D", sinks.Routine, "a", "1"), e.linked("p", sinks.Realtime, "doctor", "D"), e.linked("q", sinks.Realtime, "doctor", "D", "p"))
	e.linkedSoon(soon)
	for _, k := range []string{"D", "p"} {
		m := e.mutation(k, sinks.Realtime)
		m.Existence = sinks.Archived
		e.send(m)
		e.settle(soon)
		e.linkedSoon(soon)
		e.send(e.mutation(k, sinks.Realtime, "a", "2"))
		e.linkedSoon(soon)
		e.pending(r, 0)
	}
}

func testLinkRefused(t *testing.T, e *deliverEnv) {
	r := e.start()
	e.sink.RefuseLinks(func(l sinks.Link) *sinks.Rejected {
		if l.To.Key == "D" && l.State == sinks.Set {
			return &sinks.Rejected{Code: "INVALID_TYPE", Class: "refused", Message: "the words of the destination", Correlation: "c-1"}
		}
		return nil
	})
	e.send(e.mutation("D", sinks.Routine, "a", "1"), e.mutation("E", sinks.Routine, "a", "1"), e.linked("p", sinks.Realtime, "doctor", "D", "E"), e.linked("q", sinks.Realtime, "doctor", "E"))
	e.eventually(soon, "the letter and the other links", func() bool { return len(e.letters()) == 1 && len(e.heldLinks()) == 2 })
	l := e.letters()[0]
	if l.Property != "links.doctor" || l.Record.Key != "p" || l.Message != "the words of the destination" || l.Flow != "om" || l.Map != "om/contacts" ||
		len(l.Origin) != 1 || l.Origin[0].Row != "p" || l.Origin[0].Table != "om.patient" || l.Correlation != "c-1" {
		t.Errorf("letter %+v", l)
	}
	e.pending(r, 0)
	calls := e.linkCalls()
	e.send(e.linked("p", sinks.Realtime, "doctor", "D", "E"))
	e.settle(soon)
	time.Sleep(100 * time.Millisecond)
	if n := e.linkCalls(); n != calls {
		t.Error("a refused link is asked for again")
	}
	e.sink.RefuseLinks(nil)
	again := e.linked("p", sinks.Realtime, "doctor", "D", "E")
	again.Reason = "retry"
	e.send(again)
	e.linkedSoon(soon)
	e.eventually(soon, "the letter's end", func() bool { return len(e.letters()) == 0 })
}

func testLinkMissing(t *testing.T, e *deliverEnv) {
	r := e.start()
	e.send(e.mutation("D", sinks.Routine, "a", "1"), e.mutation("p", sinks.Realtime, "a", "1"))
	e.settle(soon)
	d, _ := e.sink.Find(sinks.Record{Object: "contacts", Property: "patient_id", Key: "D"})
	e.sink.Apply(t.Context(), []sinks.Write{{Record: d.Record, Archive: true}}) // by somebody else
	e.send(e.linked("p", sinks.Realtime, "doctor", "D"))
	e.eventually(soon, "the link waits", func() bool {
		l := r.Status().Links
		return l.Pending == 1 && l.Waiting == 0 && e.linkCalls() > 3
	})
	if ls := e.letters(); len(ls) != 0 {
		t.Errorf("%d dead letters", len(ls))
	}
	e.send(e.mutation("D", sinks.Realtime, "a", "2"))
	e.linkedSoon(soon)
	e.pending(r, 0)
}

func testLinkTakeOver(t *testing.T, e *deliverEnv) {
	late := &lateSink{Memory: e.sink}
	r := e.start(func(o *pipeline.DeliverOptions) { o.Sink = late })
	e.send(e.mutation("D", sinks.Routine, "a", "1"), e.mutation("E", sinks.Routine, "a", "1"), e.mutation("p", sinks.Realtime, "a", "1"))
	e.settle(soon)
	late.delay(0, 200*time.Millisecond) // its link arrives when another holds the sink
	e.send(e.linked("p", sinks.Realtime, "doctor", "D"))
	e.eventually(soon, "the call", func() bool { return late.pending() == 0 })
	r.kill()
	e.send(e.linked("p", sinks.Realtime, "doctor", "E"))
	e.start()
	e.settle(soon)
	late.wait()
	e.linkedSoon(soon)
}

func testLinkLate(t *testing.T, e *deliverEnv) {
	late := &lateSink{Memory: e.sink}
	r := e.start(func(o *pipeline.DeliverOptions) { o.Sink = late })
	e.send(e.mutation("D", sinks.Routine, "a", "1"), e.mutation("E", sinks.Routine, "a", "1"), e.mutation("p", sinks.Realtime, "a", "1"))
	e.settle(soon)
	late.delay(e.lag*3/4, e.lag*3/4)
	e.send(e.linked("p", sinks.Realtime, "doctor", "D"))
	e.eventually(soon, "the call", func() bool { return late.pending() == 0 })
	e.send(e.linked("p", sinks.Realtime, "doctor", "E"))
	e.arrived(late, r)
}

// arrived waits until what was late has arrived, and holds that it undoes nothing.
func (e *deliverEnv) arrived(late *lateSink, r *runner) {
	e.t.Helper()
	late.wait()
	e.linkedSoon(soon)
	e.pending(r, 0)
	time.Sleep(100 * time.Millisecond)
	e.linkedSoon(0)
}

// testLinkLateHalt has a halt come in between a lost answer and its repetition.
func testLinkLateHalt(t *testing.T, e *deliverEnv) {
	e.lag, e.ask = time.Second, 300*time.Millisecond
	late := &lateSink{Memory: e.sink}
	r := e.start(func(o *pipeline.DeliverOptions) { o.Sink = late })
	e.send(e.mutation("D", sinks.Routine, "a", "1"), e.mutation("E", sinks.Routine, "a", "1"), e.mutation("p", sinks.Realtime, "a", "1"))
	e.settle(soon)
	late.delay(0, e.lag*9/10)
	e.sink.Fail(sinktest.Fault{Kind: sinktest.FaultHalt})
	e.send(e.linked("p", sinks.Realtime, "doctor", "D"))
	e.eventually(soon, "the halt", func() bool { return r.Status().Halts["om"] != "" })
	e.send(e.linked("p", sinks.Realtime, "doctor", "E"))
	e.arrived(late, r)
}

// plainSink knows no links.
type plainSink struct{ *sinktest.Memory }

func (plainSink) Links() int { return 0 }

func (s plainSink) Apply(ctx context.Context, writes []sinks.Write) []sinks.Result {
	for _, w := range writes {
		if len(w.Links) > 0 {
			panic("a sink that knows no links was asked for one")
		}
	}
	return s.Memory.Apply(ctx, writes)
}

func testLinkUnsupported(t *testing.T, e *deliverEnv) {
	r := e.start(func(o *pipeline.DeliverOptions) { o.Sink = plainSink{e.sink} })
	e.send(e.linked("p", sinks.Realtime, "doctor", "D"), e.linked("q", sinks.Realtime, "doctor"))
	e.eventually(soon, "the letter", func() bool { return len(e.letters()) == 1 })
	if l := e.letters()[0]; l.Code != "LINKS" || l.Property != "links.doctor" || l.Record.Key != "p" {
		t.Errorf("letter %+v", l)
	}
	e.pending(r, 0)
}

// linkFault fails the calls for links that it says so of.
type linkFault struct {
	*sinktest.Memory
	fails func([]sinks.Write) bool
	calls atomic.Int64
	// unknown says that what fails may have been carried out.
	unknown atomic.Bool
}

func (s *linkFault) Apply(ctx context.Context, writes []sinks.Write) []sinks.Result {
	if len(writes[0].Links) == 0 || !s.fails(writes) {
		return s.Memory.Apply(ctx, writes)
	}
	s.calls.Add(1)
	results := make([]sinks.Result, len(writes))
	for i := range results {
		results[i].Err = &sinks.Unavailable{Wait: time.Millisecond, Unknown: s.unknown.Load(), Err: errors.New("502")}
	}
	return results
}

func testLinkOutage(t *testing.T, e *deliverEnv) {
	var one atomic.Bool // only one record spoils its calls
	sink := &linkFault{Memory: e.sink, fails: func(ws []sinks.Write) bool {
		return !one.Load() || slices.ContainsFunc(ws, func(w sinks.Write) bool { return w.Record.Key == "p" || w.Record.Key == "u" })
	}}
	r := e.start(func(o *pipeline.DeliverOptions) { o.Sink = sink })
	e.send(e.mutation("D", sinks.Routine, "a", "1"), e.linked("p", sinks.Realtime, "doctor", "D"))
	for i := 0; sink.calls.Load() < 60; i++ { // records are written all the while
		e.send(e.mutation("q", sinks.Realtime, "a", key(i)))
		e.settle(soon)
	}
	if ls := e.letters(); len(ls) != 0 {
		t.Errorf("%d dead letters while no link could be made: %+v", len(ls), ls[0])
	}
	one.Store(true)
	spoils := func(n int, record string) {
		t.Helper()
		for i := 0; len(e.letters()) < n && i < 100; i++ {
			e.send(e.linked(key(100*n+i), sinks.Realtime, "doctor", "D"))
			e.settle(soon)
		}
		e.pending(r, 0)
		ls := e.letters()
		if len(ls) != n || !slices.ContainsFunc(ls, func(l *deadletter.Letter) bool { return l.Code == "UNANSWERED" && l.Record.Key == record }) {
			t.Errorf("%d dead letters, want %d: of each record that spoils its calls", len(ls), n)
		}
	}
	spoils(1, "p")
	sink.unknown.Store(true)
	e.send(e.linked("u", sinks.Realtime, "doctor", "D"))
	spoils(2, "u")
}

// gatedSink holds the writes of a record's properties back until it is opened.
type gatedSink struct {
	*sinktest.Memory
	key  string
	gate chan struct{}
	at   atomic.Bool // a write has come to the gate
}

func (s *gatedSink) Apply(ctx context.Context, writes []sinks.Write) []sinks.Result {
	if len(writes[0].Links) == 0 && slices.ContainsFunc(writes, func(w sinks.Write) bool { return w.Record.Key == s.key && !w.Create }) {
		s.at.Store(true)
		<-s.gate
	}
	return s.Memory.Apply(ctx, writes)
}

func testLinkBesideWrite(t *testing.T, e *deliverEnv) {
	sink := &gatedSink{Memory: e.sink, key: "p", gate: make(chan struct{})}
	e.lag = time.Minute // the gate is open before that
	r := e.start(func(o *pipeline.DeliverOptions) { o.Sink = sink })
	e.send(e.mutation("D", sinks.Realtime, "a", "1"), e.linked("p", sinks.Realtime, "doctor", "D"))
	e.linkedSoon(soon)
	e.pending(r, 0)
	e.send(e.mutation("p", sinks.Realtime, "a", "2")) // in the air from now on
	e.eventually(soon, "the call", sink.at.Load)      // the status may be that of an earlier call
	e.sink.Block(sinks.Realtime, time.Now().Add(time.Hour))
	gone := e.mutation("D", sinks.Routine)
	gone.Existence = sinks.Archived
	e.send(gone)
	e.eventually(soon, "the far end is gone", func() bool { d, _ := e.sink.Find(gone.Record); return d.Archived })
	e.send(e.mutation("D", sinks.Routine, "a", "3")) // another record: p is to be linked anew
	e.eventually(soon, "the link is open", func() bool { return r.Status().Links.Pending == 1 })
	close(sink.gate)
	e.settle(soon)
	e.sink.Block(sinks.Realtime, time.Time{})
	e.linkedSoon(soon)
	e.pending(r, 0)
	e.equal()
}
