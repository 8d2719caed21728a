package hubspottest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"
)

// Server is one HubSpot portal. It is an http.Handler, safe for concurrent
// use; its methods read and change the portal behind the API's back.
type Server struct {
	opts Options
	zone *time.Location

	mu      sync.Mutex
	rand    *rand.Rand
	tokens  map[string][]string
	latency Latency
	portal  *portal
	limits  limiter
	faults  []*Fault
	faultID int
	calls   callLog
}

// New makes a portal with HubSpot's default properties, pipelines and owners,
// and no records. It panics on a time zone that does not exist, as the caller
// wrote it.
func New(opts Options) *Server {
	if len(opts.Tokens) == 0 {
		opts.Tokens = map[string][]string{DefaultToken: nil}
	}
	setDefault(&opts.PortalID, 24117000)
	setDefault(&opts.AccountType, "STANDARD")
	setDefault(&opts.TimeZone, "US/Eastern")
	setDefault(&opts.Hosting, "na1")
	setDefault(&opts.Limits.Burst, 190)
	setDefault(&opts.Limits.Daily, 1_000_000)
	setDefault(&opts.Limits.Search, 5)
	setDefault(&opts.Limits.Records, 15_000_000)
	setDefault(&opts.Limits.Properties, 1000)
	setDefault(&opts.Limits.Associations, 10_000)
	setDefault(&opts.Limits.Labels, 10)
	if len(opts.Currencies) == 0 {
		opts.Currencies = []string{"USD"}
	}
	setDefault(&opts.SearchLag, 3*time.Second)
	zone, err := time.LoadLocation(opts.TimeZone)
	if err != nil {
		panic(fmt.Sprintf("hubspottest: time zone %q: %v", opts.TimeZone, err))
	}
	s := &Server{opts: opts, zone: zone}
	s.Reset()
	return s
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Reset forgets records, calls, faults, limits used and every change to
// properties, pipelines and tokens: the portal is as New made it.
func (s *Server) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rand = rand.New(rand.NewPCG(s.opts.Seed, 0x48756253706f74))
	s.tokens = make(map[string][]string, len(s.opts.Tokens))
	for token, scopes := range s.opts.Tokens {
		s.tokens[token] = scopes
	}
	s.latency = s.opts.Latency
	s.portal = newPortal(s.opts, time.Now())
	s.limits = limiter{}
	s.faults, s.faultID = nil, 0
	s.calls = callLog{}
}

// Run serves the portal on l until ctx ends, then cuts every connection.
func (s *Server) Run(ctx context.Context, l net.Listener) error {
	srv := &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 1 << 20}
	srv.BaseContext = func(net.Listener) context.Context { return context.WithValue(ctx, stopped{}, ctx.Done()) }
	stop := context.AfterFunc(ctx, func() { srv.Close() })
	defer stop()
	err := srv.Serve(l)
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("serving the HubSpot stand-in: %w", err)
}

// ListenAndServe is Run on a new listener at addr, such as "127.0.0.1:0".
// ready, if not nil, is told the base URL.
func (s *Server) ListenAndServe(ctx context.Context, addr string, ready func(url string)) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("serving the HubSpot stand-in: %w", err)
	}
	if ready != nil {
		ready("http://" + l.Addr().String())
	}
	return s.Run(ctx, l)
}

// T is what Start needs of a *testing.T, so that the package does not link
// package testing into the binary.
type T interface {
	Helper()
	Cleanup(func())
	Fatalf(format string, args ...any)
}

// Start serves the portal on a free loopback port until the test ends, and
// returns its base URL.
func (s *Server) Start(t T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("serving the HubSpot stand-in: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Fatalf("%v", err)
		}
	})
	return "http://" + l.Addr().String()
}
