package pipeline_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"chartwire/pipeline"
	"chartwire/pipeline/deadletter"
	"chartwire/pipeline/writes"
	"chartwire/sinks"
	"chartwire/sinks/sinktest"
)

const soon = time.Minute

var deliverPromises = []struct {
	name  string
	flows []string
	test  func(t *testing.T, e *deliverEnv)
}{
	{"changes arrive, and what changes nothing costs no call", nil, testArrive},
	{"an older value never overwrites a newer one", nil, testStale},
	{"safety takes the safety properties only", nil, testSafety},
	{"a refused property is one dead letter", nil, testRefusedProperty},
	{"a refused record is one dead letter", nil, testRefusedRecord},
	{"archived is archived and comes back whole", nil, testArchive},
	{"faults that pass lose and double nothing", nil, testFaults},
	{"a halt stops one flow", []string{"om", "labs"}, testHaltOneFlow},
	{"what a sink halted goes on when it may", []string{"om", "labs"}, testHaltPasses},
	{"a mass change is held until a person releases it", nil, testHeld},
	{"a person holds a flow", nil, testHeldByHand},
	{"a release is asked for while one is under way", nil, testReleasedAgain},
	{"what was put back while held is not taken away", nil, testHeldMistake},
	{"a mass change is a share of the records", nil, testHeldShare},
	{"a foreign record stops one flow", []string{"om", "labs"}, testForeign},
	{"in good order nothing is in doubt", nil, testCleanStop},
	{"what was in the air is written again", nil, testTakeOver},
	{"in doubt is only what may have been tried", nil, testReach},
	{"what a holder tried is in doubt for all that come after", nil, testReachKept},
	{"safety in doubt goes at once and once more", nil, testSafetyInDoubt},
	{"a lost answer is in doubt until it cannot arrive any more", nil, testLateCall},
	{"what a holder sends at its end is waited for", nil, testLateTakeOver},
	{"a halt forgets no doubt", nil, testHaltInDoubt},
	{"a refusal forgets no doubt", nil, testRefusedInDoubt},
	{"a call arrives late, and its repetition was refused", nil, testLateAndRefused},
	{"no call starts after the lease", nil, testLeaseOver},
	{"heartbeats are seen when all before them is done", nil, testHeartbeat},
	{"a record that the destination lost is written whole", nil, testLostRecord},
	{"a link is made once both ends are there", nil, testLinkBothEnds},
	{"a link moves, goes, and what changes nothing costs no call", nil, testLinkMoves},
	{"links of records that come back are made again", nil, testLinkComesBack},
	{"a refused link is one dead letter and can be retried", nil, testLinkRefused},
	{"a missing end is asked for a few times, then waited for", nil, testLinkMissing},
	{"links that were in the air are asked for again", nil, testLinkTakeOver},
	{"a lost answer about links is in doubt until its call has ended", nil, testLinkLate},
	{"a halt forgets no doubt about links", nil, testLinkLateHalt},
	{"a sink that knows no links gets none", nil, testLinkUnsupported},
	{"what is learned of links beside a write stays", nil, testLinkBesideWrite},
	{"an outage of links alone is no link's fault", nil, testLinkOutage},
	{"the local copy may vanish", nil, testNoCopy},
	{"no value and no key is in a log line or a metric", nil, testNothingLeaks},
}

func testArrive(t *testing.T, e *deliverEnv) {
	for i := range 250 {
		e.send(e.mutation(key(i), sinks.Backfill, "a", "1", "b", "x"))
	}
	e.start()
	e.settle(soon)
	e.equal()
	if n := len(e.sink.Calls()); n > 25 {
		t.Errorf("%d calls for 250 records", n)
	}
	before := len(e.sink.Calls())
	for i := range 250 {
		e.send(e.mutation(key(i), sinks.Routine, "a", "1", "b", "x"))
	}
	e.settle(soon)
	if n := len(e.sink.Calls()); n != before {
		t.Errorf("%d calls for what changes nothing", n-before)
	}
	e.send(e.mutation(key(7), sinks.Realtime, "a", "2", "b", "x", "c", ""))
	e.settle(soon)
	e.equal()
	last := e.writesOf(key(7))
	if got := names(last[len(last)-1]); !slices.Equal(got, []string{"a", "c"}) || last[len(last)-1].ID == "" || last[len(last)-1].Create {
		t.Errorf("sent %v (id %q), want the changed properties of a known record", got, last[len(last)-1].ID)
	}
}

func testStale(t *testing.T, e *deliverEnv) {
	old := e.mutation("p", sinks.Backfill, "a", "old", "b", "old", "only", "here")
	same := e.mutation("p", sinks.Backfill, "a", "new", "b", "old")
	late := e.mutation("p", sinks.Backfill, "a", "between")
	noop := e.mutation("p", sinks.Realtime, "a", "new")
	e.start()
	e.send(same)
	e.settle(soon)
	e.send(noop) // changes nothing, but its version counts
	e.settle(soon)
	e.send(late)
	e.settle(soon)
	e.send(old)
	e.settle(soon)
	e.equal()
	if got := e.held()[old.Record.ID()]; got["a"] != "new" || got["only"] != "here" {
		t.Errorf("held %v", got)
	}
}

func testSafety(t *testing.T, e *deliverEnv) {
	e.start()
	e.send(e.mutation("p", sinks.Realtime, "s_allergy", "none", "name", "Ann", "city", "Rome"))
	e.settle(soon)
	e.sink.Block(sinks.Realtime, time.Now().Add(time.Hour))
	m := e.mutation("p", sinks.Safety, "s_allergy", "nuts", "name", "Anna", "city", "Rome")
	e.send(m)
	e.eventually(soon, "the safety write", func() bool { return len(e.writesOf("p")) == 2 })
	w := e.writesOf("p")[1]
	if got := names(w); !slices.Equal(got, []string{"s_allergy"}) || w.Lane != sinks.Safety {
		t.Errorf("lane %s sends %v", w.Lane, got)
	}
	time.Sleep(50 * time.Millisecond)
	if p := e.progress(); p.Offsets[e.topics.Writes("crm", "om", "safety")][0] != 0 {
		t.Error("the offset passed before the rest was written")
	}
	e.sink.Block(sinks.Realtime, time.Time{})
	e.settle(soon)
	e.equal()
	if got := names(e.writesOf("p")[2]); !slices.Equal(got, []string{"name"}) {
		t.Errorf("the rest is %v", got)
	}
	e.sink.Block(sinks.Realtime, time.Now().Add(time.Hour))
	e.send(e.mutation("new", sinks.Safety, "s_allergy", "nuts", "name", "Ben"))
	e.settle(soon)
	if ws := e.writesOf("new"); len(ws) != 1 || !ws[0].Create || len(ws[0].Properties) != 2 {
		t.Errorf("a record's creation: %+v", ws)
	}
}

func testArchive(t *testing.T, e *deliverEnv) {
	e.start()
	e.send(e.mutation("p", sinks.Realtime, "a", "1", "b", "2"))
	e.settle(soon)
	stale := e.mutation("p", sinks.Backfill, "a", "0", "b", "0")
	m := e.mutation("p", sinks.Realtime)
	m.Existence = sinks.Archived
	e.send(m)
	e.settle(soon)
	e.equal()
	e.send(stale)
	e.settle(soon)
	e.equal()
	again := *m
	e.next++
	again.Version = e.next
	calls := len(e.sink.Calls())
	e.send(&again)
	e.settle(soon)
	if n := len(e.sink.Calls()); n != calls {
		t.Errorf("%d calls to archive what is archived", n-calls)
	}
	e.send(e.mutation("p", sinks.Realtime, "a", "1"))
	e.settle(soon)
	e.equal()
	ws := e.writesOf("p")
	if w := ws[len(ws)-1]; !w.Create || !slices.Equal(names(w), []string{"a", "b"}) {
		t.Errorf("comes back with %v, create %v", names(w), w.Create)
	}
}

func testFaults(t *testing.T, e *deliverEnv) {
	e.sink.Fail(
		sinktest.Fault{Kind: sinktest.FaultThrottle, Wait: 50 * time.Millisecond},
		sinktest.Fault{Kind: sinktest.FaultUnavailable, Wait: 50 * time.Millisecond},
		sinktest.Fault{Kind: sinktest.FaultLostAnswer, Wait: 50 * time.Millisecond},
		sinktest.Fault{Kind: sinktest.FaultUnavailable},
	)
	for i := range 30 {
		e.send(e.mutation(key(i), sinks.Realtime, "a", "1"))
	}
	e.start()
	e.settle(soon)
	e.equal()
	if n := len(e.sink.Records()); n != 30 {
		t.Errorf("%d records of 30", n)
	}
	if ls := e.letters(); len(ls) != 0 {
		t.Errorf("%d dead letters", len(ls))
	}
}

func testHaltOneFlow(t *testing.T, e *deliverEnv) {
	e.sink.BatchSize, e.ask = 1, time.Minute
	r := e.start()
	e.eventually(soon, "it holds the sink", func() bool { return r.Status().Holding })
	e.sink.Fail(sinktest.Fault{Kind: sinktest.FaultHalt})
	e.send(e.mutation("p", sinks.Realtime, "a", "1"))
	e.eventually(soon, "a halt", func() bool { return r.Status().Halts["om"] != "" })
	om := e.ends
	e.ends = map[string]int64{}
	for i := range 20 {
		m := e.mutation(key(i), sinks.Realtime, "b", "1")
		m.Flow = "labs"
		e.send(m)
	}
	e.settle(soon)
	if n := len(e.held()); n != 20 {
		t.Errorf("%d records of the other flow, want 20", n)
	}
	if ls := e.letters(); len(ls) != 0 {
		t.Errorf("%d dead letters for a halt", len(ls))
	}
	e.sink.Fail(sinktest.Fault{Kind: sinktest.FaultHalt})
	m := e.mutation("q", sinks.Realtime, "b", "1")
	m.Flow = "labs"
	e.send(m)
	e.eventually(soon, "both flows halted", func() bool { return len(r.Status().Halts) == 2 && !r.Status().Retry.IsZero() })
	e.end(r)
	e.start()
	for topic, end := range om {
		e.ends[topic] = max(e.ends[topic], end)
	}
	e.settle(soon)
	e.equal()
}

// A halt at the start, one of a flow alone and one of all flows are over when
// the sink says so; what was read of the flows meanwhile is neither lost nor
// done twice. A halt that the sink has nothing to do with stays.
func testHaltPasses(t *testing.T, e *deliverEnv) {
	e.ask = 20 * time.Millisecond
	halts := func(n int) {
		for range n {
			e.sink.Fail(sinktest.Fault{Kind: sinktest.FaultHalt})
		}
	}
	other := func(m *sinks.Mutation) *sinks.Mutation {
		m.Flow, m.Record.Object = "labs", "tests"
		return m
	}
	halts(3)
	r := e.start()
	e.eventually(soon, "the halt is told", func() bool { s := r.Status(); return s.HaltCode != "" && !s.Retry.IsZero() })
	e.eventually(soon, "it begins", func() bool { s := r.Status(); return s.Holding && s.HaltCode == "" })
	e.sink.BatchSize = 2
	for round := range 6 {
		halts(round % 4)
		for i := range 40 {
			m := e.mutation(key(i), sinks.Lanes[1+i%3], "a", fmt.Sprint(round), "b", "1")
			if i%2 == round%2 {
				m = other(m)
			}
			e.send(m)
		}
		e.settle(soon)
	}
	e.equal()
	e.eventually(soon, "nothing is halted", func() bool { s := r.Status(); return len(s.Halts) == 0 && s.Retry.IsZero() })
	if ls := e.letters(); len(ls) != 0 {
		t.Errorf("%d dead letters for halts", len(ls))
	}
	bad := writes.Heartbeat(e.topics, "crm", "om", sinks.Routine, time.Now())
	bad.Key, bad.Value = []byte("x"), []byte("no mutation")
	e.produce(bad)
	e.eventually(soon, "the other kind of halt", func() bool { return r.Status().Halts["om"] != "" })
	e.ends = map[string]int64{}
	halts(2)
	e.send(other(e.mutation("p", sinks.Realtime, "b", "2")))
	e.settle(soon)
	e.eventually(soon, "om alone is halted", func() bool { s := r.Status(); return len(s.Halts) == 1 && s.Retry.IsZero() })
	time.Sleep(100 * time.Millisecond)
	if s := r.Status(); len(s.Halts) != 1 {
		t.Errorf("halts %v, want that of om alone", s.Halts)
	}
}

func testForeign(t *testing.T, e *deliverEnv) {
	r := writes.Heartbeat(e.topics, "crm", "om", sinks.Routine, time.Now())
	r.Key, r.Value = []byte("x"), []byte("no mutation")
	e.produce(r)
	e.ends = map[string]int64{}
	d := e.start()
	e.eventually(soon, "a halt", func() bool { return d.Status().Halts["om"] != "" })
	m := e.mutation("p", sinks.Realtime, "b", "1")
	m.Flow = "labs"
	e.send(m)
	e.settle(soon)
	e.equal()
}

func testHeartbeat(t *testing.T, e *deliverEnv) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	e.sink.Block(sinks.Routine, time.Now().Add(time.Hour))
	r := e.start()
	e.send(e.mutation("p", sinks.Routine, "a", "1"))
	e.produce(writes.Heartbeat(e.topics, "crm", "om", sinks.Routine, at), writes.Heartbeat(e.topics, "crm", "om", sinks.Realtime, at))
	e.eventually(soon, "the heartbeat of the free lane", func() bool { return r.Status().Beats["om"]["realtime"].Equal(at) })
	if got := r.Status().Beats["om"]["routine"]; !got.IsZero() {
		t.Errorf("a heartbeat is seen before what precedes it: %s", got)
	}
	e.sink.Block(sinks.Routine, time.Time{})
	e.settle(soon)
	e.eventually(soon, "the other heartbeat", func() bool { return r.Status().Beats["om"]["routine"].Equal(at) })
}

func testLostRecord(t *testing.T, e *deliverEnv) {
	forgetful := &forgetfulSink{Memory: e.sink}
	e.start(func(o *pipeline.DeliverOptions) { o.Sink = forgetful })
	e.send(e.mutation("p", sinks.Realtime, "a", "1", "b", "2"))
	e.settle(soon)
	forgetful.forget()
	e.send(e.mutation("p", sinks.Realtime, "a", "3", "b", "2"))
	e.settle(soon)
	e.equal()
}

func testNoCopy(t *testing.T, e *deliverEnv) {
	r := e.start()
	for i := range 300 {
		e.send(e.mutation(key(i), sinks.Realtime, "a", "1"))
	}
	e.settle(soon)
	e.end(r)
	before := len(e.sink.Calls())
	for i := range 300 {
		e.send(e.mutation(key(i), sinks.Realtime, "a", "1"))
	}
	e.start() // with another, empty folder
	e.settle(soon)
	e.equal()
	if n := len(e.sink.Calls()); n != before {
		t.Errorf("%d calls for what the destination holds", n-before)
	}
	if _, err := deadletter.List(t.Context(), e.c, e.topics, "crm", deadletter.Filter{}); err != nil {
		t.Error(err)
	}
}
