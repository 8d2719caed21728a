package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"chartwire/pipeline"
	"chartwire/pipeline/broker/brokertest"
	"chartwire/pipeline/holds"
	"chartwire/sinks"
	"chartwire/sinks/sinktest"
)

// moodySink fails in all the ways that a destination can, at random.
type moodySink struct {
	*sinktest.Memory
	timeout time.Duration
	mu      sync.Mutex
	r       *rand.Rand
	calm    bool
	late    sync.WaitGroup
}

func (s *moodySink) roll() (n int, d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calm {
		return 99, 0
	}
	if n = s.r.IntN(100); n < 6 {
		s.late.Add(1) // under the lock: calmDown waits for all there will be
	}
	return n, time.Duration(s.r.Int64N(int64(s.timeout)))
}

func (s *moodySink) calmDown() {
	s.mu.Lock()
	s.calm = true
	s.mu.Unlock()
	s.late.Wait()
}

func (s *moodySink) Apply(ctx context.Context, writes []sinks.Write) []sinks.Result {
	n, d := s.roll()
	fail := func(err error) []sinks.Result {
		results := make([]sinks.Result, len(writes))
		for i := range results {
			results[i].Err = err
		}
		return results
	}
	lost := &sinks.Unavailable{Unknown: true, Wait: d / 4, Err: errors.New("connection reset")}
	switch {
	case n < 6: // it arrives after the answer was given up
		go func() {
			defer s.late.Done()
			time.Sleep(d)
			s.Memory.Apply(context.WithoutCancel(ctx), writes)
		}()
		return fail(lost)
	case n < 12: // it was carried out, the answer is lost
		s.Memory.Apply(ctx, writes)
		return fail(lost)
	case n < 18:
		return fail(&sinks.Unavailable{Wait: d / 8, Err: errors.New("502")})
	case n < 22:
		return fail(&sinks.Throttled{Wait: d / 8, Policy: "TEST"})
	case n < 30: // slow
		time.Sleep(d * 3 / 4)
	}
	return s.Memory.Apply(ctx, writes)
}

// history makes random mutations of a few records, flipping between few values.
type history struct {
	e *deliverEnv
	r *rand.Rand
}

func (h history) next() *sinks.Mutation {
	lane := sinks.Lanes[h.r.IntN(4)]
	var props []string
	for _, name := range []string{"s1", "s2", "a", "b", "c"} {
		if h.r.IntN(3) > 0 {
			props = append(props, name, []string{"", "A", "B"}[h.r.IntN(3)])
		}
	}
	m := h.e.mutation(key(h.r.IntN(10)), lane, props...)
	switch h.r.IntN(12) {
	case 0:
		m.Existence, m.Properties = sinks.Archived, nil
	case 1, 2:
		m.Existence = sinks.Kept
	}
	for _, name := range []string{"one", "other"} {
		if h.r.IntN(2) == 0 {
			var to []string
			for range h.r.IntN(3) {
				to = append(to, key(h.r.IntN(10))+[]string{"", "/payer"}[h.r.IntN(2)])
			}
			m.Links = append(m.Links, linksTo(name, to...)...)
		}
	}
	return m
}

// some makes n mutations and sends them as the lanes would: each lane in the
// order of versions, the lanes mixed.
func (h history) some(n int) {
	var lanes [4][]*sinks.Mutation
	for range n {
		m := h.next()
		lanes[m.Lane] = append(lanes[m.Lane], m)
	}
	var mixed []*sinks.Mutation
	for len(mixed) < n {
		if l := &lanes[h.r.IntN(4)]; len(*l) > 0 {
			mixed, *l = append(mixed, (*l)[0]), (*l)[1:]
		}
	}
	h.e.send(mixed...)
}

// testRandom lets Delivers be killed, cut off, stopped and started while
// mutations come and the sink fails. At the end the sink must hold what the
// mutations say together.
func testRandom(t *testing.T, e *deliverEnv, seed uint64, rounds int) {
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 99))
	moody := &moodySink{Memory: e.sink, timeout: e.lag, r: rand.New(rand.NewPCG(seed, 98))}
	e.sink.BatchSize = 4
	e.ahead = 10
	change := func(o *pipeline.DeliverOptions) {
		o.Sink = moody
		o.Calls = 3
		o.Window.Records = 12 // it gets full
	}
	h := history{e, r}
	holder := e.start(change)
	var cut []*runner
	for range rounds {
		for range 4 {
			h.some(r.IntN(12))
			time.Sleep(time.Duration(r.IntN(150)) * time.Millisecond)
		}
		switch r.IntN(6) {
		case 5:
			e.askFor([]string{holds.Hold, holds.Release}[r.IntN(2)])
		case 0:
			holder.kill()
			holder = e.start(change)
		case 1: // a standby takes over; the old one wakes up later
			holder.road.Block()
			cut = append(cut, holder)
			holder = e.start(change)
		case 2:
			e.end(holder)
			holder = e.start(change)
		case 3: // its connections end, and its folder is another one
			holder.road.Cut()
		case 4:
			for _, c := range cut {
				c.road.Unblock()
			}
			cut = nil
		}
	}
	moody.calmDown()
	e.released(60*time.Second, e.askFor(holds.Release))
	e.settle(60 * time.Second)
	e.linkedSoon(60 * time.Second)
	e.equal()
	if ls := e.letters(); len(ls) != 0 {
		t.Errorf("%d dead letters", len(ls))
	}
	if t.Failed() {
		e.tell()
	}
}

// tell prints what happened to the records that are not as they should be.
func (e *deliverEnv) tell() {
	want, have := folded(e.sent), e.held()
	for i := range 10 {
		r := sinks.Record{Object: "contacts", Property: "patient_id", Key: key(i)}
		if fmt.Sprint(want[r.ID()]) == fmt.Sprint(have[r.ID()]) {
			continue
		}
		for _, m := range e.sent {
			if m.Record == r {
				e.t.Logf("mutation %d %s %s %s", m.Version, m.Lane, m.Existence, shown(m.Properties))
			}
		}
		for _, c := range e.sink.Calls() {
			for _, w := range c.Writes {
				if w.Record == r {
					e.t.Logf("%s write %s archive %v create %v %s", c.Time.Format("05.000"), w.Lane, w.Archive, w.Create, shown(w.Properties))
				}
			}
		}
	}
}

func shown(ps []sinks.Property) string {
	var b strings.Builder
	for _, p := range ps {
		fmt.Fprintf(&b, " %s=%s", p.Name, p.Value)
	}
	return b.String()
}

func TestDeliverRandomInProcess(t *testing.T) {
	seeds, rounds := 8, 8
	if testing.Short() {
		seeds, rounds = 3, 4
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			testRandom(t, newDeliverEnv(t, brokertest.Start(t), "t"), uint64(seed), rounds)
		})
	}
}

func TestDeliverRandomKafka(t *testing.T) {
	c := sharedKafka(t)
	for seed := range 4 {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			testRandom(t, newDeliverEnv(t, c, fmt.Sprint("r", seed)), uint64(100+seed), 8)
		})
	}
}
