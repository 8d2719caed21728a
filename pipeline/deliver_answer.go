package pipeline

import (
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"chartwire/cdc"
	"chartwire/pipeline/lanes"
	"chartwire/sinks"
)

// answer takes the answer to a call in, record by record.
func (t *term) answer(a answer) error {
	now := time.Now()
	t.air[a.lane]--
	t.countCall(a.lane, len(a.writes), now.Sub(a.started))
	if len(a.results) != len(a.writes) {
		return fmt.Errorf("sink %s gave %d results for %d writes", t.o.Sink.Name(), len(a.results), len(a.writes))
	}
	if len(a.works) > 0 {
		return t.linked(a, now)
	}
	for i := range a.plans {
		p := &a.plans[i]
		var err error
		if p.base, err = t.store.Get(p.rec.ID.ID()); err != nil { // its links may have changed meanwhile
			return err
		}
		t.result(p, a.results[i], a.call, now)
	}
	return nil
}

func (t *term) result(p *plan, r sinks.Result, c call, now time.Time) {
	lane := c.lane
	var (
		refused     *sinks.Rejected
		throttled   *sinks.Throttled
		unavailable *sinks.Unavailable
		halt        *cdc.Halt
	)
	switch {
	case r.Err == nil:
		t.success = now
		t.done(p, r, now)
	case errors.As(r.Err, &halt):
		for _, part := range p.rec.Call() {
			t.halt(part.Flow, halt, true)
			// What is dropped here is read again, and its doubt goes along.
			t.flows[part.Flow].doubt = t.flows[part.Flow].doubt || !p.rec.Doubt().IsZero()
		}
		t.land(p.rec, func(part *lanes.Part) bool { return t.halts[part.Flow] == nil })
	case errors.As(r.Err, &refused):
		t.success = now
		t.refused(p, refused, lane, now)
	case errors.As(r.Err, &throttled):
		wait := min(max(throttled.Wait, 100*time.Millisecond), longestPause)
		t.countRetry(lane, "throttled")
		t.blocked[lane] = now.Add(min(wait, longest))
		t.land(p.rec, func(part *lanes.Part) bool {
			part.NotBefore = now.Add(wait)
			return true
		})
	case errors.As(r.Err, &unavailable):
		t.unanswered(p, unavailable, c, now)
	default: // a kind that the contract does not know: may have been carried out
		t.unanswered(p, &sinks.Unavailable{Unknown: true, Err: r.Err}, c, now)
	}
}

// done takes a success in. While a call without an answer may still arrive, the
// record is in doubt all the same, and is written a second time after it.
func (t *term) done(p *plan, r sinks.Result, now time.Time) {
	doubt := p.rec.Doubt()
	t.settle(p.rec.ID, p, r)
	t.compare(p, r)
	lost := !p.write.Archive && p.write.ID != "" && r.ID != "" && p.write.ID != r.ID
	if lost {
		// Somebody removed or merged it: what we knew of its values is void.
		t.metrics.lost.Inc()
		t.log.Warn("destination lost a record, writing it whole", "object", p.rec.ID.Object)
	}
	again := now.Before(doubt)
	t.land(p.rec, func(part *lanes.Part) bool {
		// What was created all at once is written all at once again, though its
		// parts are of two lanes: half of it may mean something else.
		part.Attempts, part.Failed, part.Whole, part.Again = 0, time.Time{}, lost || again && p.write.Create, false
		if again {
			part.Doubt, part.Again, part.NotBefore = doubt, true, doubt
			for _, it := range part.Items {
				t.observe(it, now)
			}
		}
		return again || lost
	})
}

// settle notes in the shadow what a plan brought, and ends dead letters.
func (t *term) settle(id sinks.Record, p *plan, r sinks.Result) {
	e, mended := p.settled(r, time.Now())
	t.store.Put(id.ID(), e)
	if e.There() && (!p.base.There() || p.base.ID != e.ID) {
		t.links.fresh = append(t.links.fresh, id.ID())
	}
	for _, property := range mended {
		t.mend(id, property)
	}
}

// land ends a record's call. What has no part left is complete.
func (t *term) land(rec *lanes.Record, keep func(*lanes.Part) bool) {
	now := time.Now()
	for _, it := range t.queue.Land(rec, keep) {
		t.observe(it, now)
		t.pass(it.Ref)
	}
}

// observe notes once how long an arrival took. A backfill has no deadline.
func (t *term) observe(it *lanes.Item, now time.Time) {
	if !it.Commit.IsZero() && it.Lane != sinks.Backfill && !t.partitions[it.Ref.Partition].halted.Load() {
		t.metrics.latency[it.Lane].Observe(now.Sub(it.Commit).Seconds())
		t.counts.latency[it.Lane].add(now.Sub(it.Commit))
	}
	it.Commit = time.Time{}
}

// refused takes a refusal in: a dead letter, and the rest of the write again.
func (t *term) refused(p *plan, r *sinks.Rejected, lane sinks.Lane, now time.Time) {
	id := p.rec.ID
	i := slices.IndexFunc(p.sent, func(v lanes.Value) bool { return v.Name == r.Property })
	if r.Property == "" || r.Property == id.Property || i < 0 {
		doubt := p.rec.Doubt()
		if !now.Before(doubt) {
			t.giveUp(p, r, lane, now)
			return
		}
		// A call without an answer may still arrive: until then nothing newer
		// may be written but what is written once more after it.
		t.land(p.rec, func(part *lanes.Part) bool {
			part.Attempts, part.Failed = 0, time.Time{}
			part.Doubt, part.Again, part.NotBefore = doubt, true, doubt
			return true
		})
		return
	}
	v := p.sent[i]
	head := v.From
	if head == nil {
		head = p.view.head
	}
	e := p.refused(v)
	p.unhold(e, v)
	t.store.Put(id.ID(), e)
	t.bury(id, r.Property, head, r, lane, now)
	t.land(p.rec, func(part *lanes.Part) bool {
		for j := range part.Values {
			if part.Values[j].Name == r.Property {
				part.Values[j].Retry = false
			}
		}
		return true
	})
}

// giveUp makes what was to be written a dead letter.
func (t *term) giveUp(p *plan, r *sinks.Rejected, lane sinks.Lane, now time.Time) {
	id, e := p.rec.ID, p.base.Clone()
	e.Refused = true
	p.unhold(e, p.sent...)
	t.store.Put(id.ID(), e)
	t.bury(id, "", p.view.head, r, lane, now)
	t.land(p.rec, nil)
}

const (
	// longestPause is how long a record is left alone because the sink wanted
	// fewer calls: a limit for a day may be raised before the day is over, and
	// Reserve keeps calls back as long as it is not.
	longestPause = 5 * time.Minute

	firstWait = 500 * time.Millisecond
	lastWait  = 3 * time.Second
	// lonely is how many calls a record may spoil alone, while others succeed,
	// before it counts as refused.
	lonely = 20
)

// unanswered sends the same writes again later.
func (t *term) unanswered(p *plan, u *sinks.Unavailable, c call, now time.Time) {
	lane, kind := c.lane, "unavailable"
	if u.Unknown {
		kind = "unknown"
	}
	t.countRetry(lane, kind)
	attempts, since := 0, now
	for _, part := range p.rec.Call() {
		attempts = max(attempts, part.Attempts)
		if !part.Failed.IsZero() && part.Failed.Before(since) {
			since = part.Failed
		}
	}
	if len(c.plans) == 1 && attempts >= lonely && t.success.After(since) {
		t.giveUp(p, unanswered(attempts, u.Err), lane, now)
		return
	}
	wait := backoff(u.Wait, attempts)
	t.counts.unanswered(t, lane, u, wait, now)
	t.land(p.rec, func(part *lanes.Part) bool {
		part.Attempts, part.Failed, part.NotBefore, part.Again = attempts+1, since, now.Add(wait), false
		if u.Unknown {
			part.Doubt = t.carried(now)
		}
		return true
	})
}

// compare counts what the destination holds otherwise than it was sent: in
// another form, or as another text. That may be a label's id, or a value that
// it did not take: the sink knows which, and says so.
func (t *term) compare(p *plan, r sinks.Result) {
	for _, v := range p.sent {
		want := text(v.Property)
		if stored, said := r.Stored[v.Name]; said && stored != want {
			how := "other"
			if sameValue(want, stored) {
				how = "normalised"
			}
			t.metrics.stored.WithLabelValues(how).Inc()
		}
	}
}

// sameValue reports whether two texts say the same to a destination that has
// its own form for values: letter case, spaces around, zeros of a number.
func sameValue(a, b string) bool {
	a, b = strings.TrimSpace(a), strings.TrimSpace(b)
	if strings.EqualFold(a, b) {
		return true
	}
	const most = 40 // digits: beyond that it is no number that somebody means
	if len(a) > most || len(b) > most || strings.ContainsAny(a+b, "eEpPxX/_") {
		return false
	}
	x, ok := new(big.Rat).SetString(a)
	y, also := new(big.Rat).SetString(b)
	return ok && also && x.Cmp(y) == 0
}
