package pipeline

import (
	"maps"
	"slices"
	"time"

	"chartwire/sinks"
)

// DeliverStatus is how far a Deliver is.
type DeliverStatus struct {
	Sink    string `json:"sink"`
	Holding bool   `json:"holding"` // false: standing by
	// Trouble is what keeps it from standing by, "" if nothing does.
	Trouble string `json:"trouble,omitempty"`
	// DoubtUntil is when records in doubt are written: the calls of the holder
	// before have ended then.
	DoubtUntil time.Time                       `json:"doubt_until,omitzero"`
	Lanes      map[sinks.Lane]DeliverLane      `json:"lanes,omitempty"`
	Beats      map[string]map[string]time.Time `json:"heartbeats,omitempty"` // by flow and lane: commit time of the newest seen at the sink
	Links      DeliverLinks                    `json:"links"`
	Doubts     int                             `json:"in_doubt"`        // records
	Halts      map[string]string               `json:"halts,omitempty"` // by flow
	Halt       string                          `json:"halt,omitempty"`  // why all of it stopped
	HaltCode   string                          `json:"halt_code,omitempty"`
	// Held are the flows that wait for a person, but for safety and rules.
	Held map[string]DeliverHold `json:"held,omitempty"`
	// Retry is when the sink is asked again whether what halted has passed.
	Retry time.Time `json:"retry,omitzero"`
}

// DeliverLinks is how far the second step is, that of the links.
type DeliverLinks struct {
	// Pending are those that are wanted and not made yet, Since is when the
	// oldest became so: its far end is not there, or its call is still to come.
	Pending int       `json:"pending"`
	Since   time.Time `json:"since,omitzero"`
	Waiting int       `json:"waiting"` // records whose links may be asked for
}

// DeliverLane is how far one lane is. The counts are those since this process
// took the sink.
type DeliverLane struct {
	Waiting int `json:"waiting"` // records
	Delayed int `json:"delayed"` // of them, those that wait for a time: after a failure, or in doubt
	Bytes   int `json:"bytes"`   // of the window
	Air     int `json:"air"`     // calls in the air
	// Due is the earliest deadline that waits, zero if none does.
	Due time.Time `json:"due,omitzero"`
	// Blocked is until when the sink wants no call.
	Blocked time.Time `json:"blocked,omitzero"`

	Calls      int64 `json:"calls"`
	Writes     int64 `json:"writes"`     // repeats included
	Suppressed int64 `json:"suppressed"` // mutations that changed nothing
	Retries    int64 `json:"retries"`    // writes that had to be sent again
	Letters    int64 `json:"dead_letters"`
	// P50 and P99 are of the time from the source's commit to the destination's
	// answer, over the newest thousand mutations.
	P50 time.Duration `json:"p50"`
	P99 time.Duration `json:"p99"`
}

// Status is how far the Deliver is now, at most a quarter of a second old.
func (d *Deliver) Status() DeliverStatus {
	s := *d.status.Load()
	s.Trouble = d.trouble.now(s.Holding)
	return s
}

// counts are what a term tells people now and then.
type counts struct {
	beats    map[string]map[string]time.Time
	reported time.Time
	lanes    [len(sinks.Lanes)]DeliverLane // its counts
	latency  [len(sinks.Lanes)]recent
	quiet    map[string]time.Time // when a line may be logged again
}

func (c *counts) beat(flow string, lane sinks.Lane, commit time.Time) {
	if c.beats[flow] == nil {
		c.beats[flow] = map[string]time.Time{}
	}
	c.beats[flow][lane.String()] = commit
}

// recent are the newest durations of a kind.
type recent struct {
	ring [1000]time.Duration
	n    int // ever
}

func (r *recent) add(d time.Duration) {
	r.ring[r.n%len(r.ring)] = d
	r.n++
}

// quantiles gives the 50th and the 99th of a hundred.
func (r *recent) quantiles() (p50, p99 time.Duration) {
	all := slices.Clone(r.ring[:min(r.n, len(r.ring))])
	if len(all) == 0 {
		return 0, 0
	}
	slices.Sort(all)
	return all[len(all)/2], all[len(all)*99/100]
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

func (t *term) countSuppressed(lane sinks.Lane) {
	t.counts.lanes[lane].Suppressed++
	t.metrics.suppressed.WithLabelValues(lane.String()).Inc()
}

func (t *term) countRetry(lane sinks.Lane, reason string) {
	t.counts.lanes[lane].Retries++
	t.metrics.retries.WithLabelValues(lane.String(), reason).Inc()
}

func (t *term) countCall(lane sinks.Lane, writes int, took time.Duration) {
	t.counts.lanes[lane].Calls++
	t.counts.lanes[lane].Writes += int64(writes)
	t.metrics.calls.WithLabelValues(lane.String()).Observe(took.Seconds())
	t.metrics.writes.WithLabelValues(lane.String()).Add(float64(writes))
}

// report renews the status and the gauges.
func (t *term) report(now time.Time) {
	if now.Sub(t.counts.reported) < idle {
		return
	}
	t.counts.reported = now
	s := &DeliverStatus{Sink: t.o.Sink.Name(), Holding: true, Lanes: map[sinks.Lane]DeliverLane{},
		Beats: map[string]map[string]time.Time{}, Halts: map[string]string{}, Held: map[string]DeliverHold{}}
	if !t.clean {
		s.DoubtUntil = t.doubt
	}
	for _, lane := range sinks.Lanes {
		l := t.counts.lanes[lane]
		l.Waiting, l.Bytes = t.queue.Waiting(lane)
		l.Delayed = t.queue.Delayed(lane)
		l.Due, _ = t.queue.Due(lane)
		l.Air = t.air[lane]
		l.P50, l.P99 = t.counts.latency[lane].quantiles()
		if t.blocked[lane].After(now) {
			l.Blocked = t.blocked[lane]
		}
		s.Lanes[lane] = l
		t.metrics.report(lane, l, now)
	}
	t.reportLinks(s, now)
	s.Doubts = t.queue.Doubts()
	t.metrics.doubt.Set(float64(s.Doubts))
	for flow, beats := range t.counts.beats {
		s.Beats[flow] = maps.Clone(beats)
	}
	for flow, h := range t.halts {
		s.Halts[flow] = h.Error()
	}
	s.Retry = t.ask.next
	t.reportHolds(s)
	t.status.Store(s)
}

func (t *term) reportLinks(s *DeliverStatus, now time.Time) {
	n, since, err := t.store.Pending()
	if err != nil {
		t.log.Warn("counting the links that wait", "err", err)
	}
	s.Links = DeliverLinks{Pending: n, Since: since, Waiting: len(t.links.work)}
	t.metrics.pending.Set(float64(n))
	age := 0.0
	if n > 0 {
		age = max(now.Sub(since).Seconds(), 0)
	}
	t.metrics.pendingAge.Set(age)
}
