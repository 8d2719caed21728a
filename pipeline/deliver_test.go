package pipeline_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"chartwire/pipeline"
	"chartwire/pipeline/broker"
	"chartwire/pipeline/broker/brokertest"
	"chartwire/pipeline/deadletter"
	"chartwire/pipeline/shadow"
	"chartwire/pipeline/writes"
	"chartwire/schemas"
	"chartwire/sinks"
	"chartwire/sinks/sinktest"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"
)

// deliverEnv is a cluster with a sink behind it, and what was sent so far.
type deliverEnv struct {
	t      testing.TB
	c      broker.Config
	topics schemas.Topics
	flows  []string
	sink   *sinktest.Memory
	cl     *kgo.Client
	sent   []*sinks.Mutation
	ends   map[string]int64 // by topic: the offset after the last one sent
	next   int64
	lag    time.Duration // CallTimeout
	ahead  int64         // see SetAhead; 0: as it is
	ask    time.Duration // see SetFirstAsk; 0: as it is
	saved  atomic.Pointer[shadow.Progress]
}

func newDeliverEnv(t testing.TB, c broker.Config, prefix string, flows ...string) *deliverEnv {
	t.Helper()
	e := &deliverEnv{t: t, c: c, topics: schemas.Topics{Prefix: prefix}, flows: flows, sink: sinktest.NewMemory("crm"), ends: map[string]int64{}, lag: 300 * time.Millisecond}
	if len(flows) == 0 {
		e.flows = []string{"om"}
	}
	cl, err := c.Client()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	e.cl = cl
	all := []broker.Topic{broker.Compacted(e.topics.Shadow("crm"))}
	for _, flow := range e.flows {
		for _, lane := range sinks.Lanes {
			all = append(all, writes.Topic(e.topics, "crm", flow, lane))
		}
	}
	if err := broker.EnsureTopics(t.Context(), cl, c, all...); err != nil {
		t.Fatal(err)
	}
	e.follow(t)
	return e
}

// mutation makes the next mutation of a record, whole. Properties that begin
// with "s" are for safety.
func (e *deliverEnv) mutation(key string, lane sinks.Lane, props ...string) *sinks.Mutation {
	e.next++
	m := &sinks.Mutation{
		Sink: "crm", Flow: e.flows[0], Map: "om/contacts", Record: sinks.Record{Object: "contacts", Property: "patient_id", Key: key},
		Version: e.next, Lane: lane, Commit: time.Now(), Reason: "change", Existence: sinks.Present,
		Origin: []sinks.Origin{{Source: "clinic", Table: "om.patient", Row: key, Seq: e.next}},
	}
	if lane != sinks.Backfill {
		m.Due = m.Commit.Add(5 * time.Second)
	}
	for i := 0; i < len(props); i += 2 {
		p := sinks.Property{Name: props[i], State: sinks.Set, Value: props[i+1], Lane: max(lane, sinks.Realtime), Changed: m.Commit}
		if p.Value == "" {
			p.State = sinks.Clear
		}
		if p.Name[0] == 's' {
			p.Lane = sinks.Safety
		}
		m.Properties = append(m.Properties, p)
	}
	return m
}

// send writes mutations to their topics, in this order.
func (e *deliverEnv) send(ms ...*sinks.Mutation) {
	e.t.Helper()
	recs := make([]*kgo.Record, len(ms))
	for i, m := range ms {
		r, err := writes.Record(e.topics, m)
		if err != nil {
			e.t.Fatal(err)
		}
		recs[i] = r
	}
	e.produce(recs...)
	e.sent = append(e.sent, ms...)
}

func (e *deliverEnv) produce(recs ...*kgo.Record) {
	e.t.Helper()
	if err := e.cl.ProduceSync(e.t.Context(), recs...).FirstErr(); err != nil {
		e.t.Fatal(err)
	}
	for _, r := range recs {
		e.ends[r.Topic] = max(e.ends[r.Topic], r.Offset+1)
	}
}

// runner is one Deliver that runs.
type runner struct {
	*pipeline.Deliver
	road *brokertest.Road
	stop context.CancelFunc
	done chan struct{}
	err  error
}

// start runs a Deliver with a road of its own, and a folder of its own.
func (e *deliverEnv) start(change ...func(*pipeline.DeliverOptions)) *runner {
	e.t.Helper()
	road, c := brokertest.NewRoad(e.c)
	o := pipeline.DeliverOptions{Sink: e.sink, Flows: e.flows, Connection: c, Topics: e.topics, Dir: e.t.TempDir(),
		Fingerprint: "a", CallTimeout: e.lag, Log: slog.New(slog.NewTextHandler(e.t.Output(), nil))}
	for _, f := range change {
		f(&o)
	}
	d, err := pipeline.NewDeliver(o)
	if err != nil {
		e.t.Fatal(err)
	}
	if e.ahead > 0 {
		d.SetAhead(e.ahead)
	}
	if e.ask > 0 {
		d.SetFirstAsk(e.ask)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &runner{Deliver: d, road: road, stop: cancel, done: make(chan struct{})}
	go func() {
		r.err = d.Run(ctx)
		close(r.done)
	}()
	e.t.Cleanup(func() { e.end(r) })
	return r
}

// end stops a Deliver in good order.
func (e *deliverEnv) end(r *runner) {
	e.t.Helper()
	r.stop()
	r.road.Unblock()
	select {
	case <-r.done:
	case <-time.After(2 * time.Minute):
		e.t.Error("Run did not end")
	}
}

// kill cuts a Deliver off from Kafka for good, as death does: what it has in
// the air at the sink may still arrive.
func (r *runner) kill() {
	r.road.Block()
	r.stop()
}

// follow reads the shadow's topic as it grows, to know how far things are done.
func (e *deliverEnv) follow(t testing.TB) {
	cl, err := e.c.Client(kgo.ConsumeTopics(e.topics.Shadow("crm")))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			for _, r := range cl.PollFetches(ctx).Records() {
				if string(r.Key) != shadow.ProgressKey {
					continue
				}
				p, err := shadow.DecodeProgress(r.Value)
				if err != nil {
					t.Error(err)
				}
				e.saved.Store(&p)
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		cl.Close()
	})
}

// progress is the newest that was seen.
func (e *deliverEnv) progress() shadow.Progress {
	if p := e.saved.Load(); p != nil {
		return *p
	}
	return shadow.Progress{}
}

// settle waits until everything sent is done.
func (e *deliverEnv) settle(within time.Duration) {
	e.t.Helper()
	e.eventually(within, "everything is done", func() bool {
		p := e.progress()
		for topic, end := range e.ends {
			if p.Offsets[topic][0] < end {
				return false
			}
		}
		return true
	})
}

func (e *deliverEnv) eventually(within time.Duration, what string, f func() bool) {
	e.t.Helper()
	for deadline := time.Now().Add(within); !f(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			e.t.Fatalf("not within %s: %s", within, what)
		}
	}
}

// folded is what the mutations say together: of every record the newest
// existence, of every property the newest value.
func folded(ms []*sinks.Mutation) map[string]map[string]string {
	exist, versions, values := map[string]*sinks.Mutation{}, map[string]int64{}, map[string]map[string]string{}
	for _, m := range ms {
		id := m.Record.ID()
		if old := exist[id]; m.Existence != sinks.Kept && (old == nil || m.Version > old.Version) {
			exist[id] = m
		}
		if values[id] == nil {
			values[id] = map[string]string{}
		}
		for _, p := range m.Properties {
			if m.Version <= versions[id+p.Name] {
				continue
			}
			versions[id+p.Name] = m.Version
			if p.State == sinks.Set {
				values[id][p.Name] = p.Value
			} else {
				delete(values[id], p.Name)
			}
		}
	}
	maps.DeleteFunc(values, func(id string, _ map[string]string) bool {
		return exist[id] == nil || exist[id].Existence == sinks.Archived
	})
	return values
}

// held is what the sink holds.
func (e *deliverEnv) held() map[string]map[string]string {
	out := map[string]map[string]string{}
	for id, s := range e.sink.Records() {
		if !s.Archived {
			out[id] = s.Properties
		}
	}
	return out
}

func (e *deliverEnv) equal() {
	e.t.Helper()
	if d := cmp.Diff(folded(e.sent), e.held()); d != "" {
		e.t.Errorf("the sink holds (-want +got):\n%s", d)
	}
}

func (e *deliverEnv) letters() []*deadletter.Letter {
	e.t.Helper()
	ls, err := deadletter.List(e.t.Context(), e.c, e.topics, "crm", deadletter.Filter{})
	if err != nil {
		e.t.Fatal(err)
	}
	return ls
}

// writesOf are the writes of a record, in order of their calls' ends.
func (e *deliverEnv) writesOf(key string) (ws []sinks.Write) {
	for _, c := range e.sink.Calls() {
		for _, w := range c.Writes {
			if w.Record.Key == key {
				ws = append(ws, w)
			}
		}
	}
	return ws
}

func names(w sinks.Write) []string {
	out := []string{}
	for _, p := range w.Properties {
		out = append(out, p.Name)
	}
	slices.Sort(out)
	return out
}

func key(i int) string { return fmt.Sprintf("P-%04d", i) }

// TestDeliverInProcess and TestDeliverKafka hold Deliver to its promises, on
// the broker in the process and on a real one.
func TestDeliverInProcess(t *testing.T) {
	for _, p := range deliverPromises {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			p.test(t, newDeliverEnv(t, brokertest.Start(t), "t", p.flows...))
		})
	}
}

func TestDeliverKafka(t *testing.T) {
	c := sharedKafka(t)
	for i, p := range deliverPromises {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			p.test(t, newDeliverEnv(t, c, fmt.Sprint("d", i), p.flows...))
		})
	}
}
