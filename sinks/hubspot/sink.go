package hubspot

import (
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"

	"chartwire/cdc"
	"chartwire/sinks"
	"chartwire/sinks/outcall"
)

// MaxBatch is the most records that HubSpot takes in one call.
const MaxBatch = 100

// haltedFor is how long no call is made after the credentials were refused.
const haltedFor = 15 * time.Second

// Sink is one HubSpot account. It is safe for concurrent use.
type Sink struct {
	cfg      Config
	http     *http.Client
	paths    paths
	secret   *secret
	limiter  *limiter
	breakers *breakers
	metrics  *metrics
	account  atomic.Pointer[account]

	mu      sync.Mutex
	needs   []Need
	halt    *cdc.Halt // the credentials were refused
	haltEnd time.Time
	waits   [len(sinks.Lanes)]WaitStatus
	asked   time.Time // when labels were last looked up anew

	problems []Problem                        // of the last comparison
	links    map[relation]map[string]linkType // by folded label
}

var _ sinks.Sink = (*Sink)(nil)

// New checks the configuration and makes the sink. Nothing is sent before Open.
func New(cfg Config) (*Sink, error) {
	cfg.setDefaults()
	if err := cfg.check(); err != nil {
		return nil, err
	}
	s := &Sink{
		cfg:     cfg,
		http:    outcall.NewClient(cfg.Transport, cfg.MaxInFlight),
		paths:   pathsOf(cfg.APIVersion),
		secret:  &secret{source: cfg.Token},
		limiter: newLimiter(&cfg),
		needs:   slices.Clone(cfg.Needs),
		links:   map[relation]map[string]linkType{},
	}
	s.breakers = newBreakers(func(k kind, g group, to gobreaker.State) {
		s.metrics.breaker.WithLabelValues(string(k), groupNames[g]).Set(float64(to))
		s.cfg.Log.Warn("circuit breaker changed", "call", string(k), "lanes", groupNames[g], "state", to.String())
	})
	s.metrics = newMetrics(s)
	return s, s.metrics.Register(cfg.Metrics)
}

// Require replaces what the maps need; Open compares it with the account.
// Maps are compiled against the account's own definitions (ReadSchema), so
// their needs are known only after New.
func (s *Sink) Require(needs ...Need) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.needs = slices.Clone(needs)
}

func (s *Sink) required() []Need {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.needs
}

// Name is "hubspot".
func (s *Sink) Name() string { return "hubspot" }

// Batch is HubSpot's limit, the same for all objects.
func (s *Sink) Batch(string) int { return MaxBatch }

// MaxLinks is the most associations that HubSpot takes in one call.
const MaxLinks = 2000

// Links is HubSpot's limit.
func (s *Sink) Links() int { return MaxLinks }

// Reserve asks the halt, the breakers and the limiter, in this order, and
// counts one call if all agree.
func (s *Sink) Reserve(lane sinks.Lane, now time.Time) time.Duration {
	wait, reason := s.reserve(lane, now)
	s.mu.Lock()
	defer s.mu.Unlock()
	if wait <= 0 {
		s.waits[lane] = WaitStatus{}
		return 0
	}
	s.waits[lane] = WaitStatus{Reason: reason, Until: now.Add(wait)}
	return wait
}

func (s *Sink) reserve(lane sinks.Lane, now time.Time) (time.Duration, string) {
	if _, until := s.haltState(now); !until.IsZero() {
		return until.Sub(now), "halted"
	}
	if wait := s.breakers.wait(lane, now); wait > 0 {
		return wait, "breaker"
	}
	return s.limiter.take(lane, true, now)
}

// halted notes a refusal of the credentials: no call is made for a while.
func (s *Sink) halted(h *cdc.Halt, now time.Time) *cdc.Halt {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.halt, s.haltEnd = h, now.Add(haltedFor)
	return h
}

// haltState returns the halt while it lasts. After it one call may try again:
// an administrator may have mended it.
func (s *Sink) haltState(now time.Time) (*cdc.Halt, time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.halt != nil && now.Before(s.haltEnd) {
		return s.halt, s.haltEnd
	}
	s.halt = nil
	return nil, time.Time{}
}

// Status returns the sink's present state.
func (s *Sink) Status() Status {
	now := time.Now()
	st := Status{Portal: s.cfg.PortalID, Version: s.cfg.APIVersion, Waits: map[string]WaitStatus{}}
	st.Window, st.Daily, st.InFlight = s.limiter.status(now)
	st.Breakers = s.breakers.status()
	if a := s.account.Load(); a != nil {
		st.Opened, st.Zone = true, a.zone
	}
	if h, _ := s.haltState(now); h != nil {
		st.Halted = h.Code
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.problems {
		st.Problems = append(st.Problems, p.String())
	}
	for lane, w := range s.waits {
		if w.Until.After(now) {
			st.Waits[sinks.Lane(lane).String()] = w
		}
	}
	return st
}
