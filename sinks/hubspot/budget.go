package hubspot

import (
	"time"

	"chartwire/sinks"
)

// safetyAfterDaily is how often a safety call tries again once HubSpot refuses
// everything until midnight: an administrator may have bought more calls.
const safetyAfterDaily = 30 * time.Second

// recheckDaily bounds a wait for the end of the day: the limit may be raised,
// which the headers of safety calls tell.
const recheckDaily = time.Minute

// day is the budget of the account's day. The limiter's lock guards it.
type day struct {
	zone    *time.Location // of the account; nil: not known yet
	limit   int            // 0: not known yet
	used    int
	reserve int
	resets  time.Time // the end of the day that used counts
	refused time.Time // HubSpot said DAILY: nothing but safety before
	safety  time.Time // nor safety before
}

// wait is how long a lane has to wait for the day's sake.
func (d *day) wait(lane sinks.Lane, now time.Time) time.Duration {
	d.roll(now)
	if lane == sinks.Safety {
		return max(0, d.safety.Sub(now))
	}
	if d.refused.After(now) || d.limit > 0 && d.used >= d.limit-d.kept() {
		return min(max(d.end(now).Sub(now), time.Second), recheckDaily)
	}
	return 0
}

func (d *day) kept() int { return min(d.reserve, d.limit/10) }

// roll starts the count anew at the account's midnight.
func (d *day) roll(now time.Time) {
	if !d.resets.IsZero() && !now.Before(d.resets) {
		d.used, d.refused, d.safety = 0, time.Time{}, time.Time{}
		d.resets = d.midnight(now)
	}
}

func (d *day) set(limit, used int) { d.limit, d.used = limit, used }

// lift ends a refusal once an answer's headers say that there is room: somebody
// bought more calls, or it was not the day that was over.
func (d *day) lift() {
	if d.used < d.limit-d.kept() {
		d.refused, d.safety = time.Time{}, time.Time{}
	}
}

// exhausted notes that HubSpot refuses everything until its midnight.
func (d *day) exhausted(lane sinks.Lane, after time.Duration, now time.Time) time.Duration {
	d.refused = d.end(now)
	d.safety = now.Add(safetyAfterDaily)
	if after > 0 {
		d.safety = now.Add(min(after, safetyAfterDaily))
	}
	if lane == sinks.Safety {
		return d.safety.Sub(now)
	}
	return min(max(d.refused.Sub(now), time.Second), recheckDaily)
}

func (d *day) end(now time.Time) time.Time {
	if d.resets.IsZero() {
		d.resets = d.midnight(now)
	}
	return d.resets
}

// midnight is the next one in the account's zone, computed by calendar so that
// days with a clock change end rightly.
func (d *day) midnight(now time.Time) time.Time {
	zone := d.zone
	if zone == nil {
		zone = time.UTC
	}
	y, m, dd := now.In(zone).Date()
	return time.Date(y, m, dd+1, 0, 0, 0, 0, zone)
}

func (d *day) status(now time.Time) DailyStatus {
	d.roll(now)
	return DailyStatus{Limit: d.limit, Used: d.used, Reserve: d.kept(), Resets: d.resets,
		Paused: d.refused.After(now) || d.limit > 0 && d.used >= d.limit-d.kept()}
}

// setZone tells the account's zone, setUsage what its usage report says.
func (l *limiter) setZone(zone *time.Location, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.day.zone = zone
	l.day.resets = l.day.midnight(now)
}

func (l *limiter) setUsage(limit, used int, resets, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.day.set(limit, max(used, l.day.used))
	if resets.After(now) {
		l.day.resets = resets
	}
}
