package hubspot

import (
	"errors"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"

	"chartwire/sinks"
	"chartwire/sinks/outcall"
)

// kind is a kind of call: what has its own breakers and metrics.
type kind string

const (
	kindUpsert  kind = "upsert"
	kindArchive kind = "archive"
	kindRead    kind = "read"    // of records
	kindLink    kind = "link"    // associations
	kindAccount kind = "account" // of definitions, limits and usage; has no breaker
)

// guarded are the kinds that have breakers.
var guarded = []kind{kindUpsert, kindArchive, kindRead, kindLink}

// group is the lanes that share breakers: failures of one group never shut out
// another.
type group int

const (
	groupSafety group = iota
	groupFresh        // realtime and routine
	groupBackfill
	groups = 3
)

var groupNames = [groups]string{"safety", "fresh", "backfill"}

func groupOf(lane sinks.Lane) group {
	switch lane {
	case sinks.Safety:
		return groupSafety
	case sinks.Backfill:
		return groupBackfill
	}
	return groupFresh
}

// openFor is how long a breaker stays open before its probe. Safety probes
// soonest, so that after an outage the first call to go out is one of its own.
var openFor = [groups]time.Duration{2 * time.Second, 5 * time.Second, 15 * time.Second}

// probing is how long a safety call that was turned away counts as waiting.
const probing = time.Second

// breakers has one circuit breaker per kind of call and group of lanes.
type breakers struct {
	mu     sync.Mutex
	all    map[kind]*[groups]*breaker
	waited time.Time // when a safety call was last turned away
}

type breaker struct {
	*gobreaker.TwoStepCircuitBreaker[any]
	open time.Duration

	mu     sync.Mutex
	opened time.Time
}

func newBreakers(changed func(kind, group, gobreaker.State)) *breakers {
	bs := &breakers{all: map[kind]*[groups]*breaker{}}
	for _, k := range guarded {
		var row [groups]*breaker
		for g := range group(groups) {
			row[g] = newBreaker(k, g, changed)
		}
		bs.all[k] = &row
	}
	return bs
}

func newBreaker(k kind, g group, changed func(kind, group, gobreaker.State)) *breaker {
	b := &breaker{open: openFor[g]}
	b.TwoStepCircuitBreaker = gobreaker.NewTwoStepCircuitBreaker[any](gobreaker.Settings{
		Name:         string(k) + "/" + groupNames[g],
		MaxRequests:  1,
		Interval:     30 * time.Second,
		BucketPeriod: 3 * time.Second,
		Timeout:      b.open,
		ReadyToTrip: func(c gobreaker.Counts) bool {
			return c.ConsecutiveFailures >= 5 || c.Requests >= 20 && c.TotalFailures*2 > c.Requests
		},
		IsSuccessful: func(err error) bool {
			var down *sinks.Unavailable
			return !errors.As(err, &down) // an answer of any other kind shows that HubSpot works
		},
		IsExcluded: func(err error) bool { return errors.Is(err, outcall.Caller) },
		OnStateChange: func(_ string, _, to gobreaker.State) {
			if to == gobreaker.StateOpen {
				b.mu.Lock()
				b.opened = time.Now()
				b.mu.Unlock()
			}
			changed(k, g, to)
		},
	})
	return b
}

// until is when an open breaker lets its probe through.
func (b *breaker) until() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.opened.Add(b.open)
}

// wait asks whether a call of the lane may go out. It reserves nothing: of two
// that are granted while a breaker is half open, the second is turned away by
// allow before anything is sent.
func (bs *breakers) wait(lane sinks.Lane, now time.Time) time.Duration {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	g := groupOf(lane)
	b := bs.all[kindUpsert][g]
	wait := time.Duration(0)
	switch b.State() {
	case gobreaker.StateOpen:
		wait = max(b.until().Sub(now), time.Millisecond)
	case gobreaker.StateHalfOpen:
		if b.Counts().Requests > 0 {
			wait = 50 * time.Millisecond // its probe is in the air
		} else if g != groupSafety && bs.safetyFirst(now) {
			wait = 50 * time.Millisecond
		}
	}
	if wait > 0 && g == groupSafety {
		bs.waited = now
	}
	return wait
}

// safetyFirst says that safety is shut out too and a safety call waits: then
// it makes the probe, and the others follow once it has succeeded.
func (bs *breakers) safetyFirst(now time.Time) bool {
	return now.Sub(bs.waited) < probing && bs.all[kindUpsert][groupSafety].State() != gobreaker.StateClosed
}

// allow lets one call out, or says how long not to try. The call's error goes
// to done.
func (bs *breakers) allow(k kind, lane sinks.Lane) (done func(error), wait time.Duration) {
	row, ok := bs.all[k]
	if !ok {
		return func(error) {}, 0
	}
	b := row[groupOf(lane)]
	done, err := b.Allow()
	if err == nil {
		return done, 0
	}
	return nil, max(time.Until(b.until()), 50*time.Millisecond)
}

// BreakerStatus is one circuit breaker.
type BreakerStatus struct {
	Kind     string    `json:"kind"`  // upsert, archive, read, link
	Lanes    string    `json:"lanes"` // safety, fresh (realtime and routine), backfill
	State    string    `json:"state"` // closed, open, half-open
	Failures int       `json:"failures"`
	Until    time.Time `json:"until,omitzero"` // open until then
}

func (bs *breakers) status() []BreakerStatus {
	var all []BreakerStatus
	for _, k := range guarded {
		for g, b := range bs.all[k] {
			st := BreakerStatus{Kind: string(k), Lanes: groupNames[g], State: b.State().String(), Failures: int(b.Counts().TotalFailures)}
			if b.State() == gobreaker.StateOpen {
				st.Until = b.until()
			}
			all = append(all, st)
		}
	}
	return all
}
