package pipeline_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"chartwire/pipeline"
	"chartwire/pipeline/audit"
	"chartwire/pipeline/broker"
	"chartwire/pipeline/holds"
	"chartwire/sinks"
)

// ask asks for a flow to be held or released, as a person does.
func (e *deliverEnv) askFor(act string) int64 {
	e.t.Helper()
	at, err := holds.Ask(e.t.Context(), e.c, e.topics, act, "om", "a test", "")
	if err != nil {
		e.t.Fatal(err)
	}
	return at
}

// released waits until a request is carried out and what was held is delivered.
func (e *deliverEnv) released(within time.Duration, at int64) {
	e.t.Helper()
	e.eventually(within, "it is released", func() bool {
		board, err := holds.Read(e.t.Context(), e.c, e.topics)
		if err != nil {
			e.t.Fatal(err)
		}
		s, ok := board.State("crm", "om")
		return ok && s.Asked >= at && !s.Held && s.Until == nil
	})
}

func (e *deliverEnv) cleared(n int) []*sinks.Mutation {
	var ms []*sinks.Mutation
	for i := range n {
		ms = append(ms, e.mutation(key(i), sinks.Routine, "a", "", "b", "1"))
	}
	return ms
}

func (e *deliverEnv) lacking() (n int) {
	for _, r := range e.held() {
		if r["a"] == "" {
			n++
		}
	}
	return n
}

func (e *deliverEnv) person(key string) map[string]string {
	return e.held()[sinks.Record{Object: "contacts", Property: "patient_id", Key: key}.ID()]
}

// A flow that takes too much away is held, over restarts; safety properties and
// what rules made go on, an archive never does; a release lets all of it go.
func testHeld(t *testing.T, e *deliverEnv) {
	limit := func(o *pipeline.DeliverOptions) {
		o.Hold = map[string]pipeline.HoldLimit{"om": {Records: 10, AtLeast: 5, Share: .9}}
	}
	for i := range 30 {
		e.send(e.mutation(key(i), sinks.Routine, "a", "1", "b", "1", "s1", "x"))
	}
	r := e.start(limit)
	e.settle(soon)
	e.equal()
	e.send(e.cleared(25)...)
	e.eventually(soon, "it is held", func() bool { return r.Status().Held["om"].Why != "" })
	// Whole safety mutations: what is not for safety waits.
	e.send(e.mutation(key(1), sinks.Safety, "s1", "y", "b", "2"), e.mutation("new", sinks.Safety, "s1", "z", "b", "2"))
	e.send(e.mutation(key(2), sinks.Routine, "b", "2", "s1", "y"))
	gone, rule := e.mutation(key(3), sinks.Safety), e.mutation("alarm", sinks.Realtime, "c", "1")
	gone.Existence, rule.Reason = sinks.Archived, "rule"
	e.send(gone, rule)
	check := func(r *runner) {
		t.Helper()
		e.settle(soon)
		e.eventually(soon, "held", func() bool { return r.Status().Held["om"].Back >= 4 })
		if n := e.lacking(); n > 12 { // 10, and the two that are new
			t.Errorf("%d records lack a value", n)
		}
		for key, want := range map[string]string{key(1): "y 1", "new": "z 2", key(2): "x 1", key(3): "x 1"} {
			if got := e.person(key); fmt.Sprint(got["s1"], " ", got["b"]) != want {
				t.Errorf("%s holds %v, want %q", key, got, want)
			}
		}
		if e.person("alarm")["c"] != "1" {
			t.Error("what a rule made was held")
		}
	}
	check(r)
	e.end(r)
	r = e.start(limit)
	check(r)
	r.kill()
	r = e.start(limit)
	check(r)
	calls := len(e.sink.Calls())
	e.send(e.mutation(key(29), sinks.Realtime, "b", "3"))
	e.settle(soon)
	if n := len(e.sink.Calls()); n > calls {
		t.Errorf("%d calls for what is held", n-calls)
	}
	e.released(soon, e.askFor(holds.Release))
	e.settle(soon)
	e.equal()
	e.eventually(soon, "nothing is held any more", func() bool { return len(r.Status().Held) == 0 })
	for _, k := range []string{key(3)} {
		if e.person(k) != nil {
			t.Errorf("%s was not archived after all", k)
		}
	}
	// What comes after the release counts anew, across a restart.
	for i := range 20 {
		e.send(e.mutation(key(i+4), sinks.Routine, "a", "2"))
	}
	e.settle(soon)
	for i := range 14 {
		if i == 7 {
			r.kill()
			r = e.start(limit)
		}
		e.send(e.mutation(key(i+4), sinks.Routine, "a", ""))
		if i < 10 {
			e.settle(soon)
		}
	}
	e.eventually(soon, "it is held again", func() bool { return r.Status().Held["om"].Why != "" })
	e.eventually(soon, "the audit has all of it", func() bool {
		acts, err := audit.List(t.Context(), e.c, e.topics)
		if err != nil {
			t.Fatal(err)
		}
		var told []string
		for _, a := range acts {
			told = append(told, a.Act+" "+a.Subject)
			if a.Act == "hold" && (a.Who != "chartwire" || !strings.Contains(a.Reason, "more than 10 records")) || a.Act == "release" && a.Reason != "a test" {
				t.Errorf("audit: %+v", a)
			}
		}
		return strings.Join(told, ", ") == "hold flow om, release flow om, hold flow om"
	})
}

// A person holds a flow that nobody delivers yet; the first Deliver obeys.
func testHeldByHand(t *testing.T, e *deliverEnv) {
	e.askFor(holds.Hold)
	r := e.start()
	e.eventually(soon, "it is held", func() bool { h := r.Status().Held["om"]; return h.Why == "a test" && h.Who != "chartwire" })
	for i := range 10 {
		e.send(e.mutation(key(i), sinks.Realtime, "a", "1"))
	}
	e.settle(soon)
	if n := len(e.held()); n != 0 {
		t.Errorf("%d records of a held flow", n)
	}
	e.askFor(holds.Hold) // again changes nothing
	e.released(soon, e.askFor(holds.Release))
	e.settle(soon)
	e.equal()
}

// A release that the holder before had begun is gone on with, whatever was asked
// meanwhile.
func testReleasedAgain(t *testing.T, e *deliverEnv) {
	e.askFor(holds.Hold)
	r := e.start()
	e.eventually(soon, "it is held", func() bool { return r.Status().Held["om"].Why == "a test" })
	e.end(r)
	for i := range 10 {
		e.send(e.mutation(key(i), sinks.Realtime, "a", "1"))
	}
	board, err := holds.Read(t.Context(), e.c, e.topics)
	if err != nil {
		t.Fatal(err)
	}
	s, _ := board.State("crm", "om")
	s.Held, s.Until = false, holds.Offsets{}
	for topic := range s.From {
		ends, err := broker.Ends(t.Context(), e.c, topic)
		if err != nil {
			t.Fatal(err)
		}
		for p, end := range ends[topic] {
			s.Until.Put(topic, p, end)
		}
	}
	e.produce(s.Record(e.topics))
	at := e.askFor(holds.Release)
	e.start()
	e.released(soon, at)
	e.eventually(soon, "what was held is there", func() bool { return len(e.held()) == 10 })
}

// The share counts: few records of many are none, the same of few are.
func testHeldShare(t *testing.T, e *deliverEnv) {
	limit := func(o *pipeline.DeliverOptions) {
		o.Hold = map[string]pipeline.HoldLimit{"om": {Records: 1000, AtLeast: 3, Share: .1}}
	}
	for i := range 100 {
		e.send(e.mutation(key(i), sinks.Routine, "a", "1", "b", "1"))
	}
	r := e.start(limit)
	e.settle(soon)
	e.send(e.cleared(10)...)
	e.settle(soon)
	e.equal()
	// A record that flaps is one.
	for range 4 {
		e.send(e.mutation(key(0), sinks.Realtime, "b", ""))
		e.settle(soon)
		e.send(e.mutation(key(0), sinks.Realtime, "b", "1"))
		e.settle(soon)
	}
	if len(r.Status().Held) != 0 {
		t.Fatalf("held: %+v", r.Status().Held)
	}
	m := e.mutation(key(50), sinks.Realtime)
	m.Existence = sinks.Archived
	e.send(m)
	e.eventually(soon, "it is held", func() bool { return strings.Contains(r.Status().Held["om"].Why, "10 % of about 10") })
	if e.person(key(50)) == nil {
		t.Error("archived all the same")
	}
}

// What was taken away by mistake, held, and put back while it was held, is never
// archived nor cleared: what takes away counts if nothing newer was held. So it is when the
// process dies in the middle of the release.
func testHeldMistake(t *testing.T, e *deliverEnv) {
	limit := func(o *pipeline.DeliverOptions) {
		o.Hold = map[string]pipeline.HoldLimit{"om": {Records: 4, AtLeast: 2, Share: .9}}
	}
	for i := range 60 {
		e.send(e.mutation(key(i), sinks.Routine, "a", "1"))
	}
	r := e.start(limit)
	e.settle(soon)
	for i := range 60 {
		m := e.mutation(key(i), sinks.Routine, "a", "")
		if i%2 == 0 {
			m.Existence, m.Properties = sinks.Archived, nil
		}
		e.send(m)
	}
	e.eventually(soon, "it is held", func() bool { return r.Status().Held["om"].Why != "" })
	for i := range 60 {
		e.send(e.mutation(key(i), sinks.Lanes[1+i%3], "a", "1"))
	}
	e.settle(soon)
	wrong := func() (n int) {
		for _, c := range e.sink.Calls() {
			for _, w := range c.Writes {
				if w.Archive || len(w.Properties) > 0 && w.Properties[0].State == sinks.Clear {
					n++
				}
			}
		}
		return n
	}
	before := wrong() // what was under the limit
	if before > 4 {
		t.Errorf("%d records were taken from before the hold", before)
	}
	e.sink.Block(sinks.Routine, time.Now().Add(time.Hour)) // the release cannot end
	at := e.askFor(holds.Release)
	e.eventually(soon, "it is released", func() bool { return len(r.Status().Held) == 0 && r.Status().Holding })
	r.kill()
	e.sink.Block(sinks.Routine, time.Time{})
	e.start(limit)
	e.released(soon, at)
	e.settle(soon)
	e.equal()
	if n := wrong(); n > before {
		t.Errorf("%d records were taken from by mistake after the release", n-before)
	}
}
