package sinktest

import (
	"errors"
	"time"

	"chartwire/cdc"
	"chartwire/sinks"
)

// FaultKind is something that goes wrong with a whole call.
type FaultKind string

// The kinds of faults that every destination can have.
const (
	FaultThrottle    FaultKind = "throttle"    // it wants fewer calls; nothing was written
	FaultUnavailable FaultKind = "unavailable" // a server error; nothing was written
	FaultLostAnswer  FaultKind = "lost-answer" // everything was written, the connection broke
	FaultSlow        FaultKind = "slow"        // the answer comes after Wait
	FaultHalt        FaultKind = "halt"        // the credentials are refused
)

// Fault is one fault, met by the next call.
type Fault struct {
	Kind FaultKind
	Wait time.Duration // Throttle, Unavailable: what the destination asks for; Slow: how long it takes
}

// Fail makes the next calls meet these faults, one each, in this order, after
// those not yet met.
func (m *Memory) Fail(faults ...Fault) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.faults = append(m.faults, faults...)
}

// nextFault takes the first fault from the queue if it is of the kind; "" is
// any kind.
func (m *Memory) nextFault(kind FaultKind) (Fault, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.faults) == 0 || kind != "" && m.faults[0].Kind != kind {
		return Fault{}, false
	}
	f := m.faults[0]
	m.faults = m.faults[1:]
	return f, true
}

func (f Fault) err() error {
	switch f.Kind {
	case FaultThrottle:
		return &sinks.Throttled{Wait: max(f.Wait, time.Millisecond), Policy: "TEST"}
	case FaultHalt:
		return cdc.Haltf("hubspot-credentials", "the destination refuses the credentials")
	case FaultLostAnswer:
		return &sinks.Unavailable{Wait: f.Wait, Unknown: true, Err: errors.New("connection reset before the answer")}
	default:
		return &sinks.Unavailable{Wait: f.Wait, Err: errors.New("server error")}
	}
}
