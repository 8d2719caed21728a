package hubspot

import (
	"math"
	"slices"
	"sync"
	"time"

	"chartwire/sinks"
)

const (
	// span is HubSpot's rolling window, and how long a 429 is remembered.
	span = 10 * time.Second
	// travel is the most that a call may take to reach HubSpot before it is
	// counted there: until its answer is here, a call is assumed to arrive
	// that late. Longer answers are HubSpot's own time, not the way to it.
	travel = 400 * time.Millisecond
	// firstMax is the smallest limit any account has, until a header says more.
	firstMax = 100
	// unclaimed is how long room that Reserve gave and no Apply took counts
	// as a call in the air.
	unclaimed = 2 * time.Second
)

// limiter keeps our calls inside the granted part of the account's limits: a
// rolling window in which no more calls are counted than granted, and a pace
// for all lanes but safety, so that a backfill spreads its calls over the
// window instead of leaving nothing for the rest of it. The day's budget is in
// budget.go. It has its own lock and never blocks.
type limiter struct {
	mu       sync.Mutex
	share    float64
	reserve  float64
	inFlight int // the most calls in the air

	max     int // HubSpot's Max
	others  int // calls of others in the window, as last measured
	othersT time.Time
	shrink  float64 // of the grant, below 1 after a 429
	shrunk  time.Time

	entries []*entry
	paced   time.Time // when the next paced call is due
	blocked time.Time // nothing is sent before

	day day
}

// entry is one call that HubSpot counts, or will.
type entry struct {
	at      time.Time
	expires time.Time
	claimed bool
	done    bool
}

func newLimiter(cfg *Config) *limiter {
	return &limiter{share: cfg.Share, reserve: cfg.SafetyReserve, inFlight: cfg.MaxInFlight,
		max: firstMax, shrink: 1, day: day{reserve: cfg.DailyReserve}}
}

// take asks for room for one call. Zero grants and counts it. Reading and
// creating definitions is not paced: it is a few calls before anything runs.
func (l *limiter) take(lane sinks.Lane, paced bool, now time.Time) (time.Duration, string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if wait := l.blocked.Sub(now); wait > 0 {
		return wait, "blocked"
	}
	if wait := l.day.wait(lane, now); wait > 0 {
		return wait, "daily"
	}
	if l.flying(now) >= l.inFlight+extra(lane) {
		// Answers come at any moment: a short wait instead of a forecast.
		return 10 * time.Millisecond, "in-flight"
	}
	l.purge(now)
	room := l.grant(now)
	if lane != sinks.Safety {
		room -= l.kept(room)
	}
	if room = max(room, 1); len(l.entries) >= room {
		return max(l.frees(len(l.entries)-room).Sub(now), time.Millisecond), "window"
	}
	if paced && lane != sinks.Safety {
		if wait := l.pace(room, now); wait > 0 {
			return wait, "pace"
		}
	}
	l.day.used++
	l.entries = append(l.entries, &entry{at: now, expires: now.Add(span + travel)})
	return 0, ""
}

// extra lets safety calls out when other lanes fill the air.
func extra(lane sinks.Lane) int {
	if lane == sinks.Safety {
		return 2
	}
	return 0
}

// claim takes an entry that take gave, for the call that is now made.
func (l *limiter) claim(now time.Time) *entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.entries {
		if !e.claimed {
			e.claimed = true
			return e
		}
	}
	// Apply without Reserve, or long after it: it is counted all the same.
	e := &entry{at: now, expires: now.Add(span + travel), claimed: true}
	l.entries = append(l.entries, e)
	l.day.used++
	return e
}

// end notes that the call's answer is here, so HubSpot has counted it.
func (l *limiter) end(e *entry, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.done = true
	if exp := now.Add(span + 20*time.Millisecond); exp.Before(e.expires) {
		e.expires = exp
	}
}

// grant is how many calls may be counted in the window.
func (l *limiter) grant(now time.Time) int {
	n := math.Floor(float64(l.max) * l.share)
	if l.others > 0 && now.Sub(l.othersT) < span {
		n = min(n, float64(l.max-l.others))
	}
	return max(int(n*l.shrunkTo(now)), 1)
}

// kept is the part of a grant that only safety uses.
func (l *limiter) kept(grant int) int {
	return int(math.Ceil(float64(grant) * l.reserve))
}

// shrunkTo is the factor left of a 429: it grows back by a tenth per window.
func (l *limiter) shrunkTo(now time.Time) float64 {
	return min(1, l.shrink+0.1*float64(now.Sub(l.shrunk))/float64(span))
}

// pace spreads calls evenly over the window, with room for a short burst.
func (l *limiter) pace(room int, now time.Time) time.Duration {
	step := span / time.Duration(room)
	burst := time.Duration(max(room/10, 4)) * step
	if l.paced.Before(now.Add(-burst)) {
		l.paced = now.Add(-burst)
	}
	if wait := l.paced.Sub(now); wait > 0 {
		return wait
	}
	l.paced = l.paced.Add(step)
	return 0
}

func (l *limiter) purge(now time.Time) {
	l.entries = slices.DeleteFunc(l.entries, func(e *entry) bool {
		return !e.expires.After(now) || !e.claimed && now.Sub(e.at) > unclaimed
	})
}

// frees is when n+1 of the entries will have expired.
func (l *limiter) frees(n int) time.Time {
	times := make([]time.Time, len(l.entries))
	for i, e := range l.entries {
		times[i] = e.expires
	}
	slices.SortFunc(times, time.Time.Compare)
	return times[n]
}

func (l *limiter) flying(now time.Time) int {
	n := 0
	for _, e := range l.entries {
		if !e.done && (e.claimed || now.Sub(e.at) <= unclaimed) {
			n++
		}
	}
	return n
}

// observe corrects the limits by what an answer's headers say.
func (l *limiter) observe(h rateHeaders, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if h.max > 0 {
		l.max = h.max
	}
	if h.max > 0 && h.remaining >= 0 {
		l.purge(now)
		others := max(0, h.max-h.remaining-len(l.entries))
		// The highest of a window counts: use by others comes in bursts.
		if others >= l.others || now.Sub(l.othersT) >= span {
			l.others, l.othersT = others, now
		}
	}
	if h.daily > 0 && h.dailyRemaining >= 0 {
		l.day.set(h.daily, h.daily-h.dailyRemaining)
		l.day.lift()
	}
}

// throttled notes a 429 and returns how long the lane should wait.
func (l *limiter) throttled(lane sinks.Lane, policy string, after time.Duration, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch policy {
	case policyDaily:
		return l.day.exhausted(lane, after, now)
	case policySecond:
		return max(after, time.Second)
	}
	l.shrink, l.shrunk = max(0.2, l.shrunkTo(now)*0.9), now
	wait := after
	if wait <= 0 {
		// The window rolls: a tenth of it has room again for the few calls
		// that safety makes. The others let it empty further, by the pace.
		wait = span / 10
	}
	l.blocked = now.Add(wait)
	if lane != sinks.Safety {
		l.paced = now.Add(max(wait, span/5))
	}
	return wait
}

func (l *limiter) status(now time.Time) (w WindowStatus, d DailyStatus, flying int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.purge(now)
	w = WindowStatus{Max: l.max, Granted: l.grant(now), Used: len(l.entries)}
	w.Reserve = l.kept(w.Granted)
	if now.Sub(l.othersT) < span {
		w.Others = l.others
	}
	if l.blocked.After(now) {
		w.Blocked = l.blocked
	}
	return w, l.day.status(now), l.flying(now)
}
