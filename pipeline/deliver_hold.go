package pipeline

import (
	"context"
	"fmt"
	"time"

	"chartwire/pipeline/holds"
	"chartwire/pipeline/mapping"
	"chartwire/pipeline/shadow"
	"chartwire/sinks"
)

// flowState is a flow as far as it is held.
//
// A held flow is read on: its safety properties and what its rules made are
// delivered, all else is left, and the offsets pass. At the release the topics,
// which lose nothing that is newest of its record, are read again from where
// they stood when the hold began; what was delivered meanwhile is known.
type flowState struct {
	holds.State
	limit HoldLimit
	// taken are the records that it took something away from, and when: by a sum
	// of their ids. It has no more than limit.Records.
	taken  map[uint64]taken
	pruned time.Time
	there  int // so many records of them are there, as last counted
	// newest are, during a release, the newest words on what was taken away.
	newest words
	// taking is the offset of the newest request that is known.
	taking int64
	// sifting is that of the one for which what is held back is looked through.
	sifting int64
	// next is carried out when nothing of the flow is in the air any more.
	next *holds.Request
	// doubt says that writes may have been carried out whose answers we do not
	// have, and which are no longer queued.
	doubt   bool
	dirty   bool // State is to be committed
	written time.Time
}

// loadHolds reads which flows are held, and what people asked since.
func (t *term) loadHolds(ctx context.Context) error {
	board, err := holds.Read(ctx, t.o.Connection, t.o.Topics)
	if err != nil {
		return err
	}
	t.flows, t.requests, t.sifted, t.board = map[string]*flowState{}, make(chan holds.Request), make(chan sifted), board
	for _, flow := range t.o.Flows {
		s, ok := board.State(t.o.Sink.Name(), flow)
		if !ok {
			s = holds.State{Sink: t.o.Sink.Name(), Flow: flow, Asked: -1}
		}
		limit := t.o.Hold[flow]
		limit.setDefaults()
		fl := &flowState{State: s, taking: s.Asked, limit: limit, dirty: !ok, taken: map[uint64]taken{}}
		fl.recall()
		if s.Held && !t.clean && !s.Doubt {
			fl.Doubt, fl.dirty = true, true
		}
		t.flows[flow] = fl
		t.metrics.held.WithLabelValues(flow).Set(gauge(s.Held))
	}
	return nil
}

func gauge(on bool) float64 {
	if on {
		return 1
	}
	return 0
}

// listen brings what people ask.
func (t *term) listen(ctx context.Context) error {
	cl, err := t.o.Connection.Client(tail(t.o.Topics.Holds(), t.board.End)...)
	if err != nil {
		return err
	}
	defer cl.Close()
	for ctx.Err() == nil {
		fetches := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err := fetches.Err(); err != nil {
			return fmt.Errorf("reading what is asked about flows: %w", err)
		}
		for it := fetches.RecordIter(); !it.Done(); {
			req, _, err := holds.Decode(it.Next())
			if err != nil {
				t.log.Error("a request about a flow cannot be read", "err", err)
			} else if req != nil {
				select {
				case t.requests <- *req:
				case <-ctx.Done():
				}
			}
		}
	}
	return nil
}

// turn stops reading the flow, to begin again otherwise.
func (t *term) turn(fl *flowState, r holds.Request) {
	fl.next = &r
	t.stopReading(fl.Flow)
}

// stopReading stops reading a flow and forgets what is queued of it: its
// offsets stay where they are.
func (t *term) stopReading(flow string) {
	for _, p := range t.partitions {
		if p.flow == flow && !p.halted.Swap(true) {
			t.held[p.lane] -= p.ledger.Len()
		}
	}
	if fl := t.flows[flow]; t.queue.Drop(flow) {
		fl.doubt = true
	}
}

// turnFlows begins to read again the flows of which nothing is in the air.
func (t *term) turnFlows(now time.Time) {
	for flow, fl := range t.flows {
		if fl.next == nil || t.queue.Flies(flow) {
			continue
		}
		r := *fl.next
		fl.next = nil
		if r.Act == holds.Hold {
			t.holdFlow(fl, r, now)
		} else {
			t.releaseFlow(fl, r, now)
		}
	}
}

func (t *term) holdFlow(fl *flowState, r holds.Request, now time.Time) {
	fl.From, fl.Until, fl.newest = holds.Offsets{}, nil, nil
	t.stopReading(fl.Flow) // what came back meanwhile
	fl.Held, fl.Since, fl.Why, fl.Who, fl.Back, fl.Doubt = true, now.UTC(), r.Reason, r.Who, 0, fl.doubt
	for _, p := range t.partitions {
		if p.flow == fl.Flow {
			fl.From.Put(p.topic, p.number, p.mark())
			fl.Doubt = fl.Doubt || p.doubtful > max(p.mark(), 0)
		}
	}
	fl.dirty, fl.taken, fl.Taken, fl.Kinds, fl.Asked = true, map[uint64]taken{}, nil, nil, max(fl.Asked, r.Offset)
	t.metrics.held.WithLabelValues(fl.Flow).Set(1)
	t.log.Error("flow held: a person must release it; its safety properties and rules go on", "flow", fl.Flow, "why", fl.Why, "who", fl.Who,
		"explain", "chartwire explain "+holds.HaltHeld, "release", "chartwire flow release "+fl.Flow)
	t.readAgain(fl.Flow, (*partition).mark)
}

func (t *term) releaseFlow(fl *flowState, r holds.Request, now time.Time) {
	t.stopReading(fl.Flow)
	from := fl.From
	fl.doubt = fl.doubt || fl.Doubt
	fl.Held, fl.Since, fl.Why, fl.Who, fl.From, fl.Until, fl.Doubt = false, now.UTC(), r.Reason, r.Who, nil, holds.Offsets{}, false
	for _, p := range t.partitions {
		if p.flow == fl.Flow {
			fl.Until.Put(p.topic, p.number, p.seen)
		}
	}
	fl.dirty, fl.taken, fl.Taken, fl.Kinds, fl.Asked = true, map[uint64]taken{}, nil, nil, max(fl.Asked, r.Offset)
	t.metrics.held.WithLabelValues(fl.Flow).Set(0)
	t.log.Info("flow released", "flow", fl.Flow, "held_back", fl.Back, "why", fl.Why, "who", fl.Who)
	t.readAgain(fl.Flow, func(p *partition) int64 {
		if at, ok := from.At(p.topic, p.number); ok {
			return at
		}
		return p.mark()
	})
}

// readAgain reads a flow from given offsets. If writes of it are in doubt, so
// are all mutations that were read. Nothing of it is in the air or queued.
func (t *term) readAgain(flow string, from func(*partition) int64) {
	fl := t.flows[flow]
	for i, old := range t.partitions {
		if old.flow != flow {
			continue
		}
		p := &partition{index: i, topic: old.topic, number: old.number, flow: flow, lane: old.lane,
			from: from(old), seen: old.seen, doubtful: old.doubtful, doubt: old.doubt, reach: old.reach, asked: old.asked}
		if fl.doubt {
			p.doubtful, p.doubt = max(old.doubtful, old.seen), t.carried(time.Now())
		}
		p.halted.Store(t.halts[flow] != nil)
		t.partitions[i] = p
	}
	t.marked = true
	if t.halts[flow] == nil {
		fl.doubt = false
		t.links.loading, t.links.place = true, nil // those of the flow may have been left out
		t.begin(flow)
	}
}

// withheld says whether a mutation of a held flow is left, and gives what of it
// goes on: what a rule made, and safety properties. Never an archive.
func withheld(m *sinks.Mutation, lane sinks.Lane, base *shadow.Entry) (*sinks.Mutation, bool) {
	switch {
	case m.Reason == mapping.ReasonRule:
		return m, false
	case lane != sinks.Safety || m.Existence == sinks.Archived:
		return nil, true
	case m.Existence == sinks.Present && !base.There():
		return m, false // its creation needs the rest
	}
	c := *m
	c.Properties, c.Links = nil, nil
	for _, p := range m.Properties {
		if p.Lane == sinks.Safety {
			c.Properties = append(c.Properties, p)
		}
	}
	return &c, len(c.Properties) == 0
}

// saveHolds puts what changed of the flows' states into the open transaction.
func (t *term) saveHolds(now time.Time) {
	for _, fl := range t.flows {
		if fl.Until != nil && t.passed(fl) {
			fl.Until, fl.newest, fl.dirty = nil, nil, true
		}
		if fl.dirty {
			fl.dirty, fl.written = false, now
			t.p.Produce(fl.State.Record(t.o.Topics))
		}
	}
	for _, r := range t.acts {
		t.p.Produce(r)
	}
	t.acts = nil
}

// passed says whether everything that was released is delivered.
func (t *term) passed(fl *flowState) bool {
	for _, p := range t.partitions {
		if until, ok := fl.Until.At(p.topic, p.number); ok && p.flow == fl.Flow && max(p.mark(), 0) < until {
			return false
		}
	}
	return true
}

// dirtyHolds says whether a state is to be committed.
func (t *term) dirtyHolds() bool {
	for _, fl := range t.flows {
		if fl.dirty {
			return true
		}
	}
	return len(t.acts) > 0
}

// DeliverHold is a flow that is held.
type DeliverHold struct {
	Since time.Time `json:"since"`
	Why   string    `json:"why"`
	Who   string    `json:"who"`
	Back  int64     `json:"back"` // mutations that wait for the release
}

func (t *term) reportHolds(s *DeliverStatus) {
	for flow, fl := range t.flows {
		if fl.Held {
			s.Held[flow] = DeliverHold{fl.Since, fl.Why, fl.Who, fl.Back}
		}
	}
}
