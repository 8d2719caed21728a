package pipeline

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"

	"chartwire/pipeline/broker"
	"chartwire/pipeline/holds"
	"chartwire/pipeline/mapping"
	"chartwire/pipeline/writes"
	"chartwire/sinks"

	"github.com/twmb/franz-go/pkg/kgo"
)

// What is released is not delivered in the order in which it was held: what was
// taken away by mistake may have been put back meanwhile, which is why there are
// holds. So it is looked through first, twice: for what is taken away, and for
// the newest word on each of that. What is taken away only for a while is then
// left out. That costs some 40 bytes of memory for each record and value that
// would be taken away.

// sifted is what was found in what a flow holds back.
type sifted struct {
	request holds.Request
	newest  words
	err     error
}

// words are the versions of the newest mutations that say something of what an
// older one takes away: by a sum of the record and the property, "" being its
// existence.
type words map[uint64]int64

func sumOf(r sinks.Record, property string) uint64 {
	return maphash.String(sumSeed, r.ID()+"\x00"+property)
}

// taken notes what a mutation takes away.
func (w words) taken(m *sinks.Mutation) {
	if m.Existence == sinks.Archived {
		w[sumOf(m.Record, "")] = m.Version
	}
	for i := range m.Properties {
		if p := &m.Properties[i]; p.State == sinks.Clear || m.Existence == sinks.Kept {
			w[sumOf(m.Record, p.Name)] = m.Version
		}
	}
}

// said notes what a mutation says of what is taken away.
func (w words) said(m *sinks.Mutation) {
	note := func(sum uint64) {
		if v, ok := w[sum]; ok {
			w[sum] = max(v, m.Version)
		}
	}
	if m.Existence != sinks.Kept {
		note(sumOf(m.Record, ""))
	}
	for i := range m.Properties {
		note(sumOf(m.Record, m.Properties[i].Name))
	}
}

// sift gives what is left of a mutation without what a newer one takes back:
// nil is nothing.
func (w words) sift(m *sinks.Mutation) *sinks.Mutation {
	if m.Existence == sinks.Archived && m.Version < w[sumOf(m.Record, "")] {
		if len(m.Links) == 0 {
			return nil
		}
		c := *m // what it says of links may be the newest word on them
		c.Existence, c.Properties = sinks.Kept, nil
		return &c
	}
	over := func(p sinks.Property) bool {
		return (p.State == sinks.Clear || m.Existence == sinks.Kept) && m.Version < w[sumOf(m.Record, p.Name)]
	}
	if !slices.ContainsFunc(m.Properties, over) {
		return m
	}
	c := *m
	c.Properties = slices.DeleteFunc(slices.Clone(m.Properties), over)
	if c.Existence == sinks.Kept && len(c.Properties) == 0 && len(c.Links) == 0 {
		return nil
	}
	return &c
}

// requested takes a person's request in.
func (t *term) requested(r holds.Request) {
	fl := t.flows[r.Flow]
	if fl == nil || r.Offset <= fl.taking {
		return
	}
	fl.taking = r.Offset
	held := fl.Held || fl.next != nil && fl.next.Act == holds.Hold
	switch hold := r.Act == holds.Hold; {
	case held == hold:
		fl.Asked, fl.dirty = r.Offset, true
	case hold || !fl.Held: // what is about to be held has nothing yet
		t.turn(fl, r)
	default:
		t.sift(fl, r)
	}
}

// sift looks through what a flow holds back, or held back. The flow goes on as
// it is meanwhile.
func (t *term) sift(fl *flowState, r holds.Request) {
	fl.sifting = r.Offset
	from := broker.Offsets{}
	for _, p := range t.partitions {
		if p.flow != fl.Flow {
			continue
		}
		at, ok := fl.From.At(p.topic, p.number)
		if !ok {
			at = p.mark()
		}
		holds.Offsets(from).Put(p.topic, p.number, max(at, 0))
	}
	t.aside(func(ctx context.Context) {
		s := sifted{request: r, newest: words{}}
		for _, note := range []func(*sinks.Mutation){s.newest.taken, s.newest.said} {
			_, err := broker.ScanFrom(ctx, t.o.Connection, from, func(rec *kgo.Record) error {
				// What cannot be read halts the flow when it is to be delivered.
				if m, _, err := writes.Decode(rec); err == nil && m != nil {
					note(m)
				}
				return nil
			})
			s.err = errors.Join(s.err, err)
		}
		select {
		case t.sifted <- s:
		case <-ctx.Done():
		}
	})
}

// siftedThrough goes on with a release.
func (t *term) siftedThrough(s sifted) error {
	fl := t.flows[s.request.Flow]
	switch {
	case s.err != nil:
		return fmt.Errorf("looking through what flow %s holds back: %w", fl.Flow, s.err)
	case s.request.Offset != fl.sifting: // it was begun anew
	case fl.Held && s.request.Offset != fl.taking: // something else was asked meanwhile
	case fl.Held:
		fl.newest = s.newest
		t.turn(fl, s.request)
	case fl.next == nil: // a release that the holder before had begun
		fl.newest = s.newest
		t.readAgain(fl.Flow, (*partition).mark)
	}
	return nil
}

// released gives what is left of a mutation that a person let go.
func (fl *flowState) released(f *fetched) *sinks.Mutation {
	until, ok := fl.Until.At(f.p.topic, f.p.number)
	if !ok || f.offset >= until || f.mutation.Reason == mapping.ReasonRule {
		return f.mutation
	}
	return fl.newest.sift(f.mutation)
}

// startFlows begins to read the flows. One whose release is under way waits
// until what it held back is looked through.
func (t *term) startFlows() {
	for _, flow := range t.o.Flows {
		if fl := t.flows[flow]; fl.Until != nil {
			t.stopReading(flow)
			t.sift(fl, holds.Request{Flow: flow, Act: holds.Release, Offset: fl.taking})
		} else {
			t.begin(flow)
		}
	}
	for _, r := range t.board.Requests {
		t.requested(r)
	}
}
