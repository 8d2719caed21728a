package hubspottest

import (
	"net/http"
	"time"
)

type portal struct{}

func newPortal(Options, time.Time) *portal { return &portal{} }

type limiter struct{}
type callLog struct{}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	http.Error(w, "not yet", http.StatusNotImplemented)
}

// Inject adds a fault and returns its id.
func (s *Server) Inject(f Fault) int { return 0 }

// Clear ends the faults with these ids; none: all faults.
func (s *Server) Clear(ids ...int) {}

// Faults lists the faults that have not ended.
func (s *Server) Faults() []Fault { return nil }

// SetLatency changes Options.Latency.
func (s *Server) SetLatency(l Latency) {}

// SetToken accepts a token with these scopes (none: all).
func (s *Server) SetToken(token string, scopes ...string) {}

// RevokeToken makes a token answer 401.
func (s *Server) RevokeToken(token string) {}

// SpendDaily counts n calls by other applications against the daily limit.
func (s *Server) SpendDaily(n int) {}

// Records lists the records of an object by id, archived ones too.
func (s *Server) Records(object string) []Record { return nil }

// Find lists the records whose property has the value, archived ones too.
func (s *Server) Find(object, property, value string) []Record { return nil }

// Totals counts the writes of an object.
func (s *Server) Totals(object string) Totals { return Totals{} }

// Calls lists the newest calls, oldest first, at most 10,000.
func (s *Server) Calls() []Call { return nil }

// CallCounts counts all calls.
func (s *Server) CallCounts() map[CallKind]int { return nil }

// Transport serves requests in the caller's goroutine, without a socket: for
// tests whose time is synthetic.
func (s *Server) Transport() http.RoundTripper { return nil }
