package hubspottest

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"
)

// FaultKind says what a fault does to a request.
type FaultKind string

// The kinds of faults. The names are those of the control calls too.
const (
	TooManyBurst    FaultKind = "429-burst"  // policy TEN_SECONDLY_ROLLING
	TooManySearch   FaultKind = "429-second" // policy SECONDLY
	TooManyDaily    FaultKind = "429-daily"  // policy DAILY
	BadToken        FaultKind = "401"
	NoScope         FaultKind = "403"
	Locked          FaultKind = "423"
	Migration       FaultKind = "477" // with Retry-After, 5 s unless RetryAfter says otherwise
	InternalError   FaultKind = "500"
	BadGateway      FaultKind = "502"
	Unavailable     FaultKind = "503"
	GatewayTimeout  FaultKind = "504"
	ConnectionReset FaultKind = "reset" // before the request is carried out
	AnswerLost      FaultKind = "lost"  // carried out, then the connection is reset
	Slow            FaultKind = "slow"  // waits Latency first
	SlowAnswer      FaultKind = "slow-answer"
	Down            FaultKind = "down" // every connection is reset; matches everything
)

// Fault is something that goes wrong with requests that match it. The zero
// values of the matching fields match every request of the API; /_sim/ is never
// touched.
type Fault struct {
	ID   int // given by Inject
	Kind FaultKind

	Method string
	Path   string // a part of the path, such as "batch/upsert"
	Object string // such as "contacts"
	Token  string

	// Skip lets that many matching requests through first.
	Skip int
	// Count ends the fault after that many requests; 0: until cleared.
	Count int
	// Probability that a matching request is hit; 0: always.
	Probability float64

	// RetryAfter adds the header Retry-After, in seconds rounded up.
	RetryAfter time.Duration
	// After carries the request out before it answers with the fault's
	// status: the write happened, the answer says it did not.
	After bool
	// Latency is what Slow and SlowAnswer wait.
	Latency Latency

	Hits int // requests it has hit so far
}

// effect is what the faults that hit a request do to it together.
type effect struct {
	reset  bool
	lost   bool
	after  bool // carry it out, then answer err
	err    *apiError
	before time.Duration
	behind time.Duration
}

// strike finds the faults that hit a request. Slowness adds up; of the others
// the oldest wins.
func (s *Server) strike(q *request) effect {
	s.mu.Lock()
	defer s.mu.Unlock()
	var e effect
	ended := func() bool { return e.reset || e.lost || e.err != nil }
	for _, f := range s.faults {
		slow := f.Kind == Slow || f.Kind == SlowAnswer
		if ended() && !slow || !f.hits(s, q) {
			continue
		}
		q.call.Fault = f.Kind
		switch f.Kind {
		case Slow:
			e.before += f.Latency.draw(s.rand)
		case SlowAnswer:
			e.behind += f.Latency.draw(s.rand)
		case ConnectionReset, Down:
			e.reset = true
		case AnswerLost:
			e.lost = true
		default:
			e.err, e.after = f.answer(s, q), f.After
		}
	}
	s.faults = slices.DeleteFunc(s.faults, func(f *Fault) bool { return f.Count > 0 && f.Hits >= f.Count })
	return e
}

// hits reports whether a fault hits a request, and counts it.
func (f *Fault) hits(s *Server, q *request) bool {
	if f.Count > 0 && f.Hits >= f.Count || f.Method != "" && f.Method != q.Method ||
		f.Object != "" && f.Object != q.call.Object || f.Token != "" && f.Token != q.token ||
		!strings.Contains(q.URL.Path, f.Path) {
		return false
	}
	if f.Skip > 0 {
		f.Skip--
		return false
	}
	if f.Probability > 0 && s.rand.Float64() >= f.Probability {
		return false
	}
	f.Hits++
	return true
}

// answer is the refusal that a fault of a status gives.
func (f *Fault) answer(s *Server, q *request) *apiError {
	var e *apiError
	switch f.Kind {
	case TooManyBurst:
		e = tooMany("TEN_SECONDLY_ROLLING")
	case TooManySearch:
		e = tooMany("SECONDLY")
	case TooManyDaily:
		e = tooMany("DAILY")
	case BadToken:
		e = unauthorized()
	case NoScope:
		need := s.needs(q)
		if len(need) == 0 {
			need = []string{"oauth"}
		}
		e = missingScopes(need[:1])
	case Locked:
		e = refuse(423, "LOCKED", "The resource is temporarily locked. Wait at least 2 seconds between requests.")
	case Migration:
		e = refuse(477, "", "The account is being migrated to another data hosting location.")
		e.retryAfter = 5 * time.Second
	default:
		status, err := strconv.Atoi(string(f.Kind))
		if err != nil {
			status = 500
		}
		e = refuse(status, "", "internal error")
	}
	if f.RetryAfter > 0 {
		e.retryAfter = f.RetryAfter
	}
	return e
}

func (l Latency) draw(r *rand.Rand) time.Duration {
	d := l.Fixed
	if l.Tail > 0 {
		d += min(time.Duration(r.ExpFloat64()*float64(l.Tail)), 10*l.Tail)
	}
	return d
}

// kindsOfFaults are all kinds, in the order of the page.
var kindsOfFaults = []FaultKind{
	TooManyBurst, TooManyDaily, TooManySearch, BadToken, NoScope, Locked, Migration, InternalError, BadGateway,
	Unavailable, GatewayTimeout, ConnectionReset, AnswerLost, Slow, SlowAnswer, Down,
}

// Inject adds a fault and returns its id. It panics on a kind that does not
// exist, as the caller wrote it.
func (s *Server) Inject(f Fault) int {
	if !slices.Contains(kindsOfFaults, f.Kind) {
		panic("hubspottest: no fault of the kind " + strconv.Quote(string(f.Kind)))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faultID++
	f.ID, f.Hits = s.faultID, 0
	s.faults = append(s.faults, &f)
	return f.ID
}

// Clear ends the faults with these ids; without ids, all.
func (s *Server) Clear(ids ...int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = slices.DeleteFunc(s.faults, func(f *Fault) bool { return len(ids) == 0 || slices.Contains(ids, f.ID) })
}

// Faults lists the faults that have not ended.
func (s *Server) Faults() []Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Fault, len(s.faults))
	for i, f := range s.faults {
		list[i] = *f
	}
	return list
}
