package pipeline_test

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"chartwire/pipeline"
	"chartwire/pipeline/lease"
	"chartwire/sinks"
	"chartwire/sinks/sinktest"
)

func testCleanStop(t *testing.T, e *deliverEnv) {
	e.lag = time.Minute
	e.sink.Latency = 100 * time.Millisecond
	e.send(e.mutation("p", sinks.Realtime, "a", "1"))
	r := e.start()
	e.settle(soon)
	air := func() int { return r.Status().Lanes[sinks.Realtime].Air }
	e.eventually(soon, "the first call's end in the status", func() bool { return air() == 0 })
	e.send(e.mutation("p", sinks.Realtime, "a", "2"))
	e.eventually(soon, "a call in the air", func() bool { return air() == 1 || len(e.sink.Calls()) == 2 })
	start := time.Now()
	e.end(r)
	if r.err != nil {
		t.Errorf("Run ended with %v", r.err)
	}
	if took := time.Since(start); took > e.lag/2 {
		t.Errorf("ending took %s: what is in doubt was waited for", took)
	}
	e.settle(soon)
	e.equal()
	if p := e.progress(); !p.Clean {
		t.Error("the end was not clean")
	}
	e.send(e.mutation("p", sinks.Realtime, "a", "2"), e.mutation("q", sinks.Realtime, "a", "2"))
	n := len(e.writesOf("p"))
	e.start()
	e.settle(soon)
	if got := len(e.writesOf("p")); got != n {
		t.Errorf("%d writes of what was done before", got-n)
	}
	e.equal()
	if p := e.progress(); p.Clean {
		t.Error("a running Deliver says that nothing is in the air")
	}
}

// blockWhen cuts a Deliver off from Kafka once the sink holds a value: between
// answer and commit.
func (e *deliverEnv) blockWhen(r *runner, key, property, value string) {
	e.t.Helper()
	id := sinks.Record{Object: "contacts", Property: "patient_id", Key: key}
	e.eventually(soon, "the value at the sink", func() bool {
		s, _ := e.sink.Find(id)
		return s.Properties[property] == value
	})
	r.road.Block()
}

func testTakeOver(t *testing.T, e *deliverEnv) {
	one := e.start()
	e.send(e.mutation("p", sinks.Realtime, "a", "A", "b", "x"))
	e.settle(soon)
	e.sink.Latency = 20 * time.Millisecond
	e.send(e.mutation("p", sinks.Realtime, "a", "B", "b", "x"))
	e.blockWhen(one, "p", "a", "B")
	e.send(e.mutation("p", sinks.Realtime, "a", "A", "b", "x"))
	e.start()
	e.settle(soon)
	e.equal()
	ws := e.writesOf("p")
	if last := ws[len(ws)-1]; !slices.Equal(names(last), []string{"a", "b"}) {
		t.Errorf("in doubt %v are written, want all", names(last))
	}
	one.road.Unblock()
	e.send(e.mutation("p", sinks.Realtime, "a", "C", "b", "x"))
	e.settle(soon)
	e.equal()
}

func testReach(t *testing.T, e *deliverEnv) {
	e.ahead = 50
	one := e.start()
	for i := range 300 {
		e.send(e.mutation(key(i), sinks.Backfill, "a", "1"))
	}
	e.settle(soon)
	one.kill()
	before := len(e.writesOf(key(0))) // of each
	for i := range 300 {
		e.send(e.mutation(key(i), sinks.Backfill, "a", "1"))
	}
	e.start()
	e.settle(soon)
	e.equal()
	again := 0
	for i := range 300 {
		again += len(e.writesOf(key(i))) - before
	}
	if again == 0 || int64(again) > e.ahead {
		t.Errorf("%d of 300 records are written again, want those within a reach of %d", again, e.ahead)
	}
}

// testReachKept has a holder die that was far ahead of a record that is stuck,
// and the next one soon after it: what the first may have tried is in doubt for
// the third too.
func testReachKept(t *testing.T, e *deliverEnv) {
	e.lag, e.ahead = time.Second, 10
	sink := &stuckSink{Memory: e.sink}
	sink.stuck.Store(true)
	change := func(o *pipeline.DeliverOptions) { o.Sink = sink }
	one := e.start(change)
	e.send(e.mutation("stuck", sinks.Realtime, "a", "1"))
	for i := range 50 {
		e.send(e.mutation(key(i), sinks.Realtime, "a", "1"))
	}
	written := func(m *sinks.Mutation) func() bool {
		e.send(m)
		return func() bool { s, _ := e.sink.Find(m.Record); return s.Properties["a"] == m.Properties[0].Value }
	}
	e.eventually(soon, "the first value", written(e.mutation("p", sinks.Realtime, "a", "A")))
	e.eventually(soon, "what comes behind it", written(e.mutation("q", sinks.Realtime, "a", "1")))
	moment := time.Now()
	e.send(e.mutation("q", sinks.Realtime, "a", "2"))
	e.eventually(soon, "a commit", func() bool { return e.progress().Time.After(moment) })
	e.send(e.mutation("p", sinks.Realtime, "a", "B"))
	e.blockWhen(one, "p", "a", "B")
	one.kill()
	two := e.start(change)
	e.eventually(soon, "the second holds the sink", func() bool { return two.Status().Holding })
	two.kill()
	e.send(e.mutation("p", sinks.Realtime, "a", "A"))
	sink.stuck.Store(false)
	e.start(change)
	e.settle(soon)
	e.equal()
}

func testSafetyInDoubt(t *testing.T, e *deliverEnv) {
	e.lag = 3 * time.Second
	one := e.start()
	e.send(e.mutation("p", sinks.Realtime, "s", "A", "b", "x"))
	e.settle(soon)
	e.send(e.mutation("p", sinks.Safety, "s", "B", "b", "x"))
	e.blockWhen(one, "p", "s", "B")
	e.send(e.mutation("p", sinks.Safety, "s", "A", "b", "y"))
	n := len(e.writesOf("p"))
	two := e.start()
	e.eventually(soon, "the second holds the sink", func() bool { return two.Status().Holding })
	held := time.Now()
	e.eventually(soon, "safety", func() bool { return len(e.writesOf("p")) > n })
	e.settle(soon)
	if took := time.Since(held); took < e.lag*3/2 {
		t.Errorf("done after %s: the calls of the old holder may arrive later", took)
	}
	e.equal()
	safety := 0
	for _, w := range e.writesOf("p")[n:] {
		if w.Lane == sinks.Safety {
			safety++
		}
	}
	if safety != 2 {
		t.Errorf("%d safety writes, want one at once and one after the wait", safety)
	}
}

func testLateCall(t *testing.T, e *deliverEnv) {
	e.lag = time.Second
	late := &lateSink{Memory: e.sink}
	e.start(func(o *pipeline.DeliverOptions) { o.Sink = late })
	e.send(e.mutation("p", sinks.Realtime, "a", "A"))
	e.settle(soon)
	for _, lasts := range []time.Duration{0, 900 * time.Millisecond} {
		late.delay(lasts, 900*time.Millisecond)
		e.send(e.mutation("p", sinks.Realtime, "a", "B"))
		e.eventually(soon, "the call", func() bool { return late.pending() == 0 })
		e.send(e.mutation("p", sinks.Realtime, "a", "A"))
		e.settle(soon)
		late.wait()
		e.equal()
	}
}

// testLateTakeOver has a holder that is cut off while it makes a call, and sends
// it at the call's end.
func testLateTakeOver(t *testing.T, e *deliverEnv) {
	e.lag = 3 * time.Second
	late := &lateSink{Memory: e.sink}
	one := e.start(func(o *pipeline.DeliverOptions) { o.Sink = late })
	e.send(e.mutation("p", sinks.Realtime, "a", "A"))
	e.settle(soon)
	late.delay(e.lag-e.lag/50, e.lag-e.lag/50)
	e.send(e.mutation("p", sinks.Realtime, "a", "B"))
	e.eventually(soon, "the call", func() bool { return late.pending() == 0 })
	one.kill()
	e.send(e.mutation("p", sinks.Realtime, "a", "A"))
	e.start()
	e.settle(soon)
	late.wait()
	e.equal()
}

// testHaltInDoubt has a halt come in between a lost answer and its repetition.
func testHaltInDoubt(t *testing.T, e *deliverEnv) {
	e.ask = 300 * time.Millisecond
	r := e.start()
	e.send(e.mutation("p", sinks.Realtime, "a", "A"))
	e.settle(soon)
	e.sink.Fail(sinktest.Fault{Kind: sinktest.FaultLostAnswer}, sinktest.Fault{Kind: sinktest.FaultHalt}, sinktest.Fault{Kind: sinktest.FaultHalt})
	e.send(e.mutation("p", sinks.Realtime, "a", "B"))
	e.eventually(soon, "the halt", func() bool { return r.Status().Halts["om"] != "" })
	e.send(e.mutation("p", sinks.Realtime, "a", "A"))
	e.settle(soon)
	e.equal()
}

func testLeaseOver(t *testing.T, e *deliverEnv) {
	one := e.start()
	for i := range 50 {
		e.send(e.mutation(key(i), sinks.Realtime, "a", "1"))
	}
	e.settle(soon)
	for n, wait := 0, 3*time.Second; ; n, wait = n+1, 2*wait { // until we are faster than the wait
		p, until := fmt.Sprintf("p%d", n), time.Now().Add(wait)
		e.sink.Block(sinks.Realtime, until)
		e.send(e.mutation(p, sinks.Realtime, "a", "1"))
		e.eventually(soon, "it waits", func() bool { return one.Status().Lanes[sinks.Realtime].Waiting == 1 || time.Now().After(until) })
		one.road.Block()
		late := time.Until(until) < lease.Term+lease.Term/3
		if !late {
			time.Sleep(time.Until(until) + time.Second)
			if n := len(e.writesOf(p)); n != 0 {
				t.Errorf("%d writes after the lease", n)
			}
		}
		one.road.Unblock()
		if !late {
			break
		}
		e.settle(soon)
	}
	e.settle(soon)
	e.equal()
}

// testRefusedInDoubt has the repetition of a lost answer be refused, as a whole
// and but for a property: what the destination holds now is what the first call
// brought.
func testRefusedInDoubt(t *testing.T, e *deliverEnv) {
	e.start()
	for _, property := range []string{"", "a"} {
		e.send(e.mutation("p", sinks.Realtime, "a", "A", "b", "x"))
		e.settle(soon)
		calls := 0
		e.sink.Refuse(func(w sinks.Write) *sinks.Rejected {
			if calls++; calls == 1 || !slices.Contains(names(w), "a") {
				return nil
			}
			return &sinks.Rejected{Code: "CONFLICT", Class: "identity", Message: "it is another's", Property: property}
		})
		e.sink.Fail(sinktest.Fault{Kind: sinktest.FaultLostAnswer})
		e.send(e.mutation("p", sinks.Realtime, "a", "B", "b", "x"))
		e.settle(soon)
		if ls := e.letters(); len(ls) != 1 {
			t.Fatalf("%d dead letters, want 1", len(ls))
		}
		e.sink.Refuse(nil)
		e.send(e.mutation("p", sinks.Realtime, "a", "A", "b", "x"))
		e.settle(soon)
		e.equal()
	}
}

// testLateAndRefused has a call arrive late after its repetition was refused and
// something newer was written.
func testLateAndRefused(t *testing.T, e *deliverEnv) {
	e.lag = time.Second
	late := &lateSink{Memory: e.sink}
	e.start(func(o *pipeline.DeliverOptions) { o.Sink = late })
	e.send(e.mutation("p", sinks.Realtime, "a", "A"))
	e.settle(soon)
	var refused atomic.Int32
	e.sink.Refuse(func(sinks.Write) *sinks.Rejected {
		if refused.Add(1) > 1 {
			return nil
		}
		return &sinks.Rejected{Code: "CONFLICT", Class: "identity", Message: "it is another's"}
	})
	late.delay(0, 900*time.Millisecond)
	e.send(e.mutation("p", sinks.Realtime, "a", "B"))
	e.eventually(soon, "the refusal", func() bool { return refused.Load() > 0 })
	e.send(e.mutation("p", sinks.Realtime, "a", "C"))
	e.settle(soon)
	late.wait()
	e.equal()
}
