package sinks

import (
	"fmt"
	"time"
)

// Rejected says that the destination will never take a write, or one property
// of it, as it is: sending it again is useless.
type Rejected struct {
	// Property is the property that was refused, "" if it is the record.
	// Deliver repeats the write without it.
	Property string
	Code     string // the destination's own code, such as INVALID_OPTION, or its HTTP status
	Message  string // the destination's own words, with values of the record removed
	// Class groups refusals that one act mends, such as "portal_rule",
	// "identity", "invalid_option".
	Class string
	// Existing is the id of the record that is in the way of a conflict.
	Existing string
	// Correlation is the destination's own id of the answer, for its support.
	Correlation string
}

func (e *Rejected) Error() string {
	if e.Property != "" {
		return fmt.Sprintf("property %s refused: %s: %s", e.Property, e.Code, e.Message)
	}
	return fmt.Sprintf("record refused: %s: %s", e.Code, e.Message)
}

// Throttled says that the destination wants fewer calls: the same writes again
// after Wait, without counting an attempt.
type Throttled struct {
	Wait   time.Duration
	Policy string // such as TEN_SECONDLY_ROLLING, DAILY
}

func (e *Throttled) Error() string {
	return fmt.Sprintf("throttled (%s): next try in %s", e.Policy, e.Wait)
}

// Unavailable says that the call did not succeed for a reason that passes: the
// same writes again after Wait, which grows by Deliver's backoff where zero.
type Unavailable struct {
	Wait time.Duration
	// Unknown says that the destination may have carried out the call: an
	// answer was lost, not refused.
	Unknown bool
	Err     error
}

func (e *Unavailable) Error() string { return "unavailable: " + e.Err.Error() }
func (e *Unavailable) Unwrap() error { return e.Err }
