package pipeline

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"chartwire/cdc"
	"chartwire/pipeline/lanes"
	"chartwire/pipeline/writes"
	"chartwire/sinks"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// fetched is one record as a reader hands it on.
type fetched struct {
	p        *partition
	offset   int64
	mutation *sinks.Mutation // nil: a heartbeat, or nothing
	beat     time.Time
	err      error // it is no mutation
}

// handful is how many records a reader hands on at once: few, so that what is
// more urgent comes between.
const handful = 200

// startReading begins to read a flow where its partitions stand. Each lane has
// a client of its own: with one for all, what is fetched of a backfill would
// stand before safety. So has each flow: it can be halted and go on alone.
func (t *term) startReading(ctx context.Context, wg *sync.WaitGroup, flow string) {
	for _, lane := range sinks.Lanes {
		var parts []*partition
		for _, p := range t.partitions {
			if p.flow == flow && p.lane == lane {
				parts = append(parts, p)
			}
		}
		if len(parts) == 0 {
			continue
		}
		wg.Go(func() {
			if err := t.read(ctx, lane, parts); err != nil && ctx.Err() == nil {
				select {
				case t.failures <- err:
				case <-ctx.Done():
				}
			}
		})
	}
}

// tail are the options of a client that reads a topic of one partition from an
// offset on.
func tail(topic string, from int64) []kgo.Opt {
	return []kgo.Opt{kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().At(from)}})}
}

// read brings the records of one flow and lane, until ctx ends or the flow is
// halted.
func (t *term) read(ctx context.Context, lane sinks.Lane, parts []*partition) error {
	from := map[string]map[int32]kgo.Offset{}
	by := map[string]map[int32]*partition{}
	for _, p := range parts {
		if from[p.topic] == nil {
			from[p.topic], by[p.topic] = map[int32]kgo.Offset{}, map[int32]*partition{}
		}
		from[p.topic][p.number], by[p.topic][p.number] = kgo.NewOffset().AtStart(), p
		if p.from >= 0 {
			from[p.topic][p.number] = kgo.NewOffset().At(p.from)
		}
	}
	cl, err := t.o.Connection.Client(kgo.ConsumePartitions(from), kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchMaxBytes(2<<20), kgo.FetchMaxPartitionBytes(1<<20))
	if err != nil {
		return err
	}
	defer cl.Close()
	for {
		fetches := cl.PollRecords(ctx, handful)
		if ctx.Err() != nil {
			return nil
		}
		for _, e := range fetches.Errors() {
			if errors.Is(e.Err, kerr.OffsetOutOfRange) {
				return cdc.Haltf("deliver-offset-lost", "topic %s/%d no longer holds the offset to go on at: "+
					"mutations that were not delivered are gone; map the flow again", e.Topic, e.Partition)
			}
			return fmt.Errorf("reading %s/%d: %w", e.Topic, e.Partition, e.Err)
		}
		batch := make([]fetched, 0, fetches.NumRecords())
		for it := fetches.RecordIter(); !it.Done(); {
			r := it.Next()
			p := by[r.Topic][r.Partition]
			if p.halted.Load() {
				return nil
			}
			f := fetched{p: p, offset: r.Offset}
			if r.Value != nil {
				f.mutation, f.beat, f.err = writes.Decode(r)
			}
			batch = append(batch, f)
		}
		if len(batch) == 0 {
			continue
		}
		select {
		case t.arrivals[lane] <- batch:
		case <-ctx.Done():
			return nil
		}
	}
}

// ahead is how far past what it has read a Deliver may try mutations: so many
// are in doubt at most after its death, however much waits behind them.
const ahead = 20_000

// reached reports whether the batch, of one lane, may be tried. If not it is
// put aside until the next commit, which brings a further reach.
func (t *term) reached(batch []fetched) bool {
	in := true
	for _, f := range batch {
		if f.p.halted.Load() {
			continue
		}
		if f.offset >= f.p.asked-t.ahead/2 {
			f.p.asked, t.marked = f.offset+t.ahead, true
		}
		in = in && f.offset < f.p.reach
	}
	if !in {
		t.beyond[batch[0].p.lane] = batch
	}
	return in
}

// arrive takes a handful of records in.
func (t *term) arrive(batch []fetched) error {
	if !t.reached(batch) {
		return nil
	}
	for _, f := range batch {
		if f.p.halted.Load() {
			continue
		}
		if f.err != nil {
			t.halt(f.p.flow, &cdc.Halt{Code: "mutation-unreadable", Text: "a record of the flow's mutations cannot be read: " +
				"another program, or a newer version, wrote to the topic", Err: f.err}, false)
			continue
		}
		f.p.seen = f.offset + 1
		ref := lanes.Ref{Partition: f.p.index, Offset: f.p.ledger.Open(f.offset + 1)}
		t.held[f.p.lane]++
		if f.mutation == nil {
			if !f.beat.IsZero() {
				f.p.beats = append(f.p.beats, beat{f.offset, f.beat})
			}
			before := t.marked
			t.pass(ref)
			t.beaten, t.marked = t.beaten || t.marked, before
			continue
		}
		if err := t.admit(f, ref); err != nil {
			return err
		}
	}
	return nil
}

// admit queues a mutation, unless the destination holds all of it already.
func (t *term) admit(f fetched, ref lanes.Ref) error {
	m := f.mutation
	base, err := t.store.Get(m.Record.ID())
	if err != nil {
		return err
	}
	fl := t.flows[f.p.flow]
	if m = fl.released(&f); m == nil {
		t.countSuppressed(f.p.lane)
		t.pass(ref)
		return nil
	}
	if fl.Held {
		var left bool
		if m, left = withheld(f.mutation, f.p.lane, base); m != f.mutation {
			fl.Back++
			t.metrics.withheld.WithLabelValues(f.p.flow).Inc()
			fl.dirty = fl.dirty || time.Since(fl.written) > 10*time.Second
		}
		if left {
			t.pass(ref)
			return nil
		}
	} else if too, err := t.massChange(&f, base); too || err != nil {
		return err
	}
	a := lanes.Arrival{Mutation: m, Ref: ref, Lane: f.p.lane}
	rec := t.queue.Record(m.Record)
	if f.offset < f.p.doubtful {
		a.Doubt = laterOf(t.doubt, f.p.doubt)
	}
	if !a.Doubt.IsZero() || rec != nil && !rec.Doubt().IsZero() {
		until := f.p.doubt
		if !t.clean {
			until = laterOf(until, t.doubt)
		}
		if time.Now().Before(until) {
			a.NotBefore = until
		}
	}
	if rec != nil || !a.Doubt.IsZero() {
		a.Rest = urgent(m.Properties)
		a.RestDue = deadline(m.Commit, a.Rest)
		t.queue.Add(a)
		return nil
	}
	p := makePlan(newView([]*lanes.Part{lanes.Whole(m)}), base, f.p.lane, false)
	if p.write == nil {
		t.settle(m.Record, &p, sinks.Result{})
		t.countSuppressed(f.p.lane)
		t.pass(ref)
		return nil
	}
	changed := make([]sinks.Property, 0, len(p.sent))
	for _, v := range p.sent {
		changed = append(changed, v.Property)
	}
	a.Rest = urgent(changed)
	a.RestDue = deadline(m.Commit, a.Rest)
	t.queue.Add(a)
	return nil
}

// urgent is the most urgent lane of the properties that are not for safety. If
// there are none it is realtime: nothing is to be sent, only noted.
func urgent(ps []sinks.Property) sinks.Lane {
	lane := sinks.Backfill + 1
	for _, p := range ps {
		if p.Lane != sinks.Safety {
			lane = min(lane, p.Lane)
		}
	}
	if lane > sinks.Backfill {
		return sinks.Realtime
	}
	return lane
}

// pass lets an offset pass.
func (t *term) pass(ref lanes.Ref) {
	p := t.partitions[ref.Partition]
	if p.halted.Load() {
		return
	}
	before, n := p.mark(), p.ledger.Len()
	p.ledger.Close(ref.Offset)
	t.held[p.lane] -= n - p.ledger.Len()
	mark := p.mark()
	if mark == before {
		return
	}
	t.marked = true
	for len(p.beats) > 0 && p.beats[0].offset < mark {
		if t.flows[p.flow].Held && p.lane != sinks.Safety { // not all before it is delivered
			p.beats = p.beats[1:]
			continue
		}
		t.counts.beat(p.flow, p.lane, p.beats[0].commit)
		t.metrics.heartbeat.WithLabelValues(p.flow, p.lane.String()).Set(float64(p.beats[0].commit.UnixMilli()) / 1000)
		p.beats = p.beats[1:]
	}
}
