package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"sync"
	"time"

	"chartwire/pipeline/lanes"
	"chartwire/sinks"
)

// idle is how long the loop sleeps at most: so often the status is renewed.
const idle = 250 * time.Millisecond

// longest is how long a sink's word that it has no room is believed.
const longest = time.Second

// lapsed is when to look again after the lease was over: a renewal may be
// acknowledged late.
const lapsed = 20 * time.Millisecond

// call is one call in the air: for records (plans) or for their links (works).
type call struct {
	lane    sinks.Lane
	plans   []plan
	works   []*linkWork
	writes  []sinks.Write
	started time.Time
}

// answer is what came back for a call.
type answer struct {
	call
	results []sinks.Result
}

// calls starts what may be started now, and returns when to look again.
func (t *term) calls(now time.Time, work context.Context, wg *sync.WaitGroup) time.Time {
	wake := now.Add(idle)
	for _, at := range []time.Time{t.queue.Wake(now), t.links.ripen(now)} {
		if !at.IsZero() && at.Before(wake) {
			wake = at
		}
	}
	if t.store.Dirty() >= dirtyEntries {
		return wake // the commit's end wakes us
	}
	if !now.Before(t.p.Until()) {
		t.metrics.lapsed.Inc()
		return now.Add(lapsed)
	}
	for _, lane := range sinks.Lanes {
		for t.slot(lane) {
			if t.blocked[lane].After(now) {
				if t.blocked[lane].Before(wake) {
					wake = t.blocked[lane]
				}
				break
			}
			c, err := t.next(lane, now)
			if err != nil {
				select {
				case t.failures <- err:
				default: // the loop ends by one of them anyway
				}
				return now
			}
			if len(c.writes) == 0 {
				break
			}
			// The lease is looked at again: what is behind us may have taken long.
			if now = time.Now(); !now.Before(t.p.Until()) {
				t.back(c)
				return now
			}
			if wait := t.o.Sink.Reserve(lane, now); wait > 0 {
				t.back(c)
				t.blocked[lane] = now.Add(min(wait, longest))
				continue
			}
			c.started = now
			t.start(c, work, wg)
		}
	}
	return wake
}

// slot reports whether a call of the lane may be in the air beside the others:
// one place is kept for safety, and a backfill has half of them.
func (t *term) slot(lane sinks.Lane) bool {
	switch lane {
	case sinks.Safety:
		return t.inAir() < t.o.Calls
	case sinks.Backfill:
		return t.inAir() < max(t.o.Calls-1, 1) && t.air[lane] < max(t.o.Calls/2, 1)
	}
	return t.inAir() < max(t.o.Calls-1, 1)
}

// batch is how many records a call may hold. A record whose calls end without
// an answer again and again travels with fewer, at last alone: it may be the
// reason.
func (t *term) batch(object string, attempts int) int {
	return max(t.o.Sink.Batch(object)>>max(attempts-3, 0), 1)
}

// next is a lane's next call: for records, but for links when none wait to be
// written, or links have waited long enough.
func (t *term) next(lane sinks.Lane, now time.Time) (call, error) {
	due := t.linksDue(lane, now)
	if due {
		if c, err := t.composeLinks(lane, now); err != nil || len(c.writes) > 0 {
			return c, err
		}
	}
	c, err := t.compose(lane)
	if err != nil || len(c.writes) > 0 || due {
		return c, err
	}
	return t.composeLinks(lane, now)
}

// compose picks the records of a lane's next call. Those for which there is
// nothing to write are done; none are left when there are no writes.
func (t *term) compose(lane sinks.Lane) (call, error) {
	c := call{lane: lane}
	for len(c.writes) == 0 {
		recs := t.queue.Pick(lane, t.batch)
		if len(recs) == 0 {
			return c, nil
		}
		for _, rec := range recs {
			base, err := t.store.Get(rec.ID.ID())
			if err != nil {
				return c, err
			}
			if lane == sinks.Safety && !base.There() {
				t.queue.Widen(rec) // its creation needs the rest
			}
			p := makePlan(newView(rec.Call()), base, lane, !rec.Doubt().IsZero())
			p.rec = rec
			if p.write == nil {
				t.settle(rec.ID, &p, sinks.Result{})
				t.countSuppressed(lane)
				t.land(rec, nil)
				continue
			}
			p.write.Record, p.write.Trace = rec.ID, trace(rec.ID, p.view.head.Version)
			c.plans = append(c.plans, p)
			c.writes = append(c.writes, *p.write)
		}
	}
	return c, nil
}

// trace names a write: the same for a repetition, another for another state.
func trace(r sinks.Record, version int64) string {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64([]byte(r.ID()), uint64(version)))
	return hex.EncodeToString(sum[:10])
}

func (t *term) back(c call) {
	for _, w := range c.works {
		w.air = false
	}
	t.links.lanes[c.lane] = append(c.works, t.links.lanes[c.lane]...)
	recs := make([]*lanes.Record, len(c.plans))
	for i := range c.plans {
		recs[i] = c.plans[i].rec
	}
	t.queue.Back(recs)
}

// start makes a call. Its time runs from when the lease was looked at: a process
// that was stopped in between must find it over when it is let go again, by the
// call's deadline or by the lease's end.
func (t *term) start(c call, work context.Context, wg *sync.WaitGroup) {
	t.air[c.lane]++
	wg.Go(func() {
		ctx, cancel := context.WithDeadline(work, c.started.Add(t.o.CallTimeout))
		defer cancel()
		if !time.Now().Before(t.p.Until()) {
			t.answers <- answer{c, allOf(len(c.writes), &sinks.Unavailable{Wait: lapsed, Err: errLapsed})}
			return
		}
		t.answers <- answer{c, t.o.Sink.Apply(ctx, c.writes)}
	})
}

var errLapsed = errors.New("the lease was over before the call")

// allOf gives the same error to every write.
func allOf(n int, err error) []sinks.Result {
	results := make([]sinks.Result, n)
	for i := range results {
		results[i].Err = err
	}
	return results
}
