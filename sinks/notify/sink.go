package notify

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"chartwire/cdc"
	"chartwire/sinks"
	"chartwire/sinks/outcall"
)

// Sink sends pages. It is safe for concurrent use.
type Sink struct {
	cfg     Config
	http    *http.Client
	metrics *metrics

	mu      sync.Mutex
	flying  int
	waiting *waiting
}

var _ sinks.Sink = (*Sink)(nil)

// New checks the configuration and makes the sink. Nothing is sent before Open.
func New(cfg Config) (*Sink, error) {
	cfg.setDefaults()
	if err := cfg.check(); err != nil {
		return nil, err
	}
	s := &Sink{cfg: cfg, http: outcall.NewClient(cfg.Transport, cfg.MaxInFlight), waiting: newWaiting()}
	s.metrics = newMetrics(s)
	return s, s.metrics.Register(cfg.Metrics)
}

// Require replaces the routes that the rules name.
func (s *Sink) Require(routes ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cfg.Needs = routes
}

// Name is "notify".
func (s *Sink) Name() string { return "notify" }

// Batch is one: each page is a call of its own.
func (s *Sink) Batch(string) int { return 1 }

// Links is zero: a page is about a record, and linked with none.
func (s *Sink) Links() int { return 0 }

// Open halts if a rule names a route that is not configured, and takes up what
// was still to be acknowledged. It sends nothing: receivers get pages only.
func (s *Sink) Open(ctx context.Context) error {
	s.mu.Lock()
	needs := s.cfg.Needs
	s.mu.Unlock()
	if problems := s.cfg.Missing(needs); len(problems) > 0 {
		return cdc.Haltf("notify-route-missing", "rules name routes that are not configured: %s; configured are %s", strings.Join(problems, ", "), strings.Join(s.cfg.routeNames(), ", "))
	}
	if key, err := s.cfg.Key(); err != nil || len(key) < 16 {
		return &cdc.Halt{Code: "notify-key", Text: "the key that pages are signed with cannot be read or is shorter than 16 characters: receivers could not tell a page from a forged one", Err: err}
	}
	if err := s.waiting.open(s.cfg.Journal); err != nil {
		return &cdc.Halt{Code: "notify-journal", Text: "the file that keeps pages still to be acknowledged cannot be used: correct sinks.notify.journal or the folder's rights", Err: err}
	}
	return ctx.Err()
}

// Missing lists the routes of names that are not configured, for `check`.
func (c *Config) Missing(names []string) []string {
	var missing []string
	for _, name := range names {
		if _, ok := c.Routes[name]; !ok {
			missing = append(missing, name)
		}
	}
	return missing
}

// Reserve grants at once while few pages are in the air; safety pages always.
func (s *Sink) Reserve(lane sinks.Lane, _ time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if lane != sinks.Safety && s.flying >= s.cfg.MaxInFlight {
		return 20 * time.Millisecond
	}
	return 0
}

// Apply sends the page that a write is. Archiving succeeds and does nothing: a
// page that was sent cannot be taken back.
func (s *Sink) Apply(ctx context.Context, writes []sinks.Write) []sinks.Result {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.CallTimeout)
	defer cancel()
	s.mu.Lock()
	s.flying++
	s.mu.Unlock()
	results := make([]sinks.Result, len(writes))
	for i := range writes {
		results[i] = s.write(ctx, &writes[i])
		s.metrics.wrote(&results[i])
	}
	s.mu.Lock()
	s.flying--
	s.mu.Unlock()
	return results
}

func (s *Sink) write(ctx context.Context, w *sinks.Write) sinks.Result {
	key, err := s.cfg.Key()
	if err != nil {
		return sinks.Result{Err: &sinks.Unavailable{Wait: 5 * time.Second, Err: fmt.Errorf("reading the key that pages are signed with: %w", err)}}
	}
	if w.Archive {
		return sinks.Result{ID: identify(key, "page", w.Record.ID())}
	}
	if w.Existing { // a page is never changed
		return sinks.Result{}
	}
	p, refused := s.page(w, key, time.Now())
	if refused != nil {
		return sinks.Result{Err: refused}
	}
	if err := s.route(ctx, p, key); err != nil {
		return sinks.Result{Err: err}
	}
	stored := make(map[string]string, len(w.Properties))
	for i := range w.Properties {
		if w.Properties[i].State == sinks.Set {
			stored[w.Properties[i].Name] = w.Properties[i].Value
		}
	}
	return sinks.Result{ID: p.ID, New: true, Stored: stored}
}

// route sends a page to the route it is for, or to the default one if that is
// not there or takes no pages at all.
func (s *Sink) route(ctx context.Context, p *Page, key string) error {
	r, ok := s.cfg.Routes[p.Route]
	if !ok {
		return s.misroute(ctx, p, key, "is not configured")
	}
	got, err := s.post(ctx, p.Route, r, p, key)
	if cdc.HaltCode(err) != "" && p.Route != DefaultRoute {
		return s.misroute(ctx, p, key, "refuses pages")
	}
	if err == nil {
		s.await(p, r, got)
	}
	return err
}

func (s *Sink) misroute(ctx context.Context, p *Page, key, why string) error {
	s.metrics.misrouted.WithLabelValues(p.Route).Inc()
	s.cfg.Log.Error("a page goes to the default route", "route", p.Route, "why", why)
	elsewhere := *p
	elsewhere.Misrouted, elsewhere.Route = p.Route, DefaultRoute
	return s.route(ctx, &elsewhere, key)
}

// Status is a moment of the sink, for `chartwire status`.
type Status struct {
	Routes   []string  `json:"routes"`
	InFlight int       `json:"in_flight"`
	Waiting  int       `json:"waiting"` // pages that nobody has acknowledged yet
	Oldest   time.Time `json:"oldest,omitzero"`
}

// Status returns the sink's present state.
func (s *Sink) Status() Status {
	n, oldest := s.waiting.count()
	s.mu.Lock()
	defer s.mu.Unlock()
	return Status{Routes: s.cfg.routeNames(), InFlight: s.flying, Waiting: n, Oldest: oldest}
}
