package hubspottest

import (
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
	ID   int       `json:"id"` // given by Inject
	Kind FaultKind `json:"kind"`

	Method string `json:"method,omitempty"`
	Path   string `json:"path,omitempty"`   // a part of the path, such as "batch/upsert"
	Object string `json:"object,omitempty"` // such as "contacts"
	Token  string `json:"-"`

	// Skip lets that many matching requests through first.
	Skip int `json:"skip,omitempty"`
	// Count ends the fault after that many requests; 0: until cleared.
	Count int `json:"count,omitempty"`
	// Probability that a matching request is hit; 0: always.
	Probability float64 `json:"probability,omitempty"`

	// RetryAfter adds the header Retry-After, in seconds rounded up.
	RetryAfter time.Duration `json:"retry_after,omitempty"`
	// After carries the request out before it answers with the fault's
	// status: the write happened, the answer says it did not.
	After bool `json:"after,omitempty"`
	// Latency is what Slow and SlowAnswer wait.
	Latency Latency `json:"latency,omitzero"`

	Hits int `json:"hits"` // requests it has hit so far
}
