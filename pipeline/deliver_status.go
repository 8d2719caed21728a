package pipeline

import (
	"maps"
	"time"

	"chartwire/sinks"
)

// DeliverStatus is how far a Deliver is.
type DeliverStatus struct {
	Sink    string `json:"sink"`
	Holding bool   `json:"holding"` // false: standing by
	// DoubtUntil is when records in doubt are written: the calls of the holder
	// before have ended then.
	DoubtUntil time.Time                       `json:"doubt_until,omitzero"`
	Lanes      map[sinks.Lane]DeliverLane      `json:"lanes,omitempty"`
	Beats      map[string]map[string]time.Time `json:"heartbeats,omitempty"` // by flow and lane: commit time of the newest seen at the sink
	Halts      map[string]string               `json:"halts,omitempty"`      // by flow
	Halt       string                          `json:"halt,omitempty"`       // why all of it stopped
}

// DeliverLane is how far one lane is.
type DeliverLane struct {
	Waiting int `json:"waiting"` // records
	Bytes   int `json:"bytes"`   // of the window
	Calls   int `json:"calls"`   // in the air
	// Due is the earliest deadline that waits, zero if none does.
	Due time.Time `json:"due,omitzero"`
	// Blocked is until when the sink wants no call.
	Blocked time.Time `json:"blocked,omitzero"`
}

// Status is how far the Deliver is now, at most a quarter of a second old.
func (d *Deliver) Status() DeliverStatus { return *d.status.Load() }

// counts are what a term tells people now and then.
type counts struct {
	beats    map[string]map[string]time.Time
	reported time.Time
	quiet    map[string]time.Time // when a line may be logged again
}

func (c *counts) beat(flow string, lane sinks.Lane, commit time.Time) {
	if c.beats[flow] == nil {
		c.beats[flow] = map[string]time.Time{}
	}
	c.beats[flow][lane.String()] = commit
}

// every is how often one kind of line is logged at most.
const every = 30 * time.Second

// due reports whether a line of a kind may be logged.
func (c *counts) due(kind string, now time.Time) bool {
	if c.quiet[kind].After(now) {
		return false
	}
	if c.quiet == nil || len(c.quiet) > 1000 {
		c.quiet = map[string]time.Time{}
	}
	c.quiet[kind] = now.Add(every)
	return true
}

func (c *counts) unanswered(t *term, lane sinks.Lane, u *sinks.Unavailable, wait time.Duration, now time.Time) {
	if c.due("unanswered "+lane.String(), now) {
		t.log.Warn("a call has no answer, it is made again", "lane", lane, "err", u, "unknown", u.Unknown, "retry_in", wait)
	}
}

// report renews the status and the gauges.
func (t *term) report(now time.Time) {
	if now.Sub(t.counts.reported) < idle {
		return
	}
	t.counts.reported = now
	s := &DeliverStatus{Sink: t.o.Sink.Name(), Holding: true, Lanes: map[sinks.Lane]DeliverLane{},
		Beats: map[string]map[string]time.Time{}, Halts: map[string]string{}}
	if !t.clean {
		s.DoubtUntil = t.doubt
	}
	for _, lane := range sinks.Lanes {
		n, bytes := t.queue.Waiting(lane)
		due, _ := t.queue.Due(lane)
		l := DeliverLane{Waiting: n, Bytes: bytes, Calls: t.air[lane], Due: due}
		if t.blocked[lane].After(now) {
			l.Blocked = t.blocked[lane]
		}
		s.Lanes[lane] = l
		t.metrics.report(lane, l, now)
	}
	t.metrics.doubt.Set(float64(t.queue.Doubts()))
	for flow, beats := range t.counts.beats {
		s.Beats[flow] = maps.Clone(beats)
	}
	for flow, h := range t.halts {
		s.Halts[flow] = h.Error()
	}
	t.status.Store(s)
}
