package mysql

import (
	"fmt"
	"strconv"
	"time"

	"chartwire/cdc"
)

// share is the part of the week in which tables may be read.
func (p *Pace) share() float64 {
	if len(p.Hours) == 0 {
		return 1
	}
	const week = 7 * 24 * 60
	open := 0
	for m := range week {
		at := time.Date(2026, 1, 4, 0, m, 0, 0, time.UTC) // a week without a change of clocks
		for _, h := range p.Hours {
			if h.has(at) {
				open++
				break
			}
		}
	}
	return float64(open) / week
}

// measured notes how fast a part of so many rows was read.
func (st *stream) measured(c *chunk, rows int) {
	if c.took <= 0 || rows == 0 {
		return
	}
	now := float64(rows) / c.took.Seconds() * float64(st.snap.workers)
	if st.speed == 0 {
		st.speed = now
	}
	st.speed += (now - st.speed) / 8
}

// needs is how long so many rows take, within the hours and the rate that are
// allowed; 0 if it is not known.
func (st *stream) needs(rows int64, speed float64) time.Duration {
	p := &st.s.cfg.Snapshot.Pace
	if p.Rows > 0 && (speed == 0 || speed > float64(p.Rows)) {
		speed = float64(p.Rows)
	}
	if speed == 0 || rows <= 0 {
		return 0
	}
	seconds := float64(rows) / speed / max(p.share(), 1./(7*24*60))
	return time.Duration(min(seconds, endless.Seconds()) * float64(time.Second))
}

// estimate says how much is left to read, and warns when that takes longer than
// the source keeps its log: a capture that stands still for so long meanwhile
// would have to read everything again.
func (st *stream) estimate() {
	left := int64(0)
	for _, l := range st.reading {
		left += l.left()
	}
	needs := st.needs(left, st.speed)
	st.s.metrics.left.Set(float64(left))
	st.s.metrics.needs.Set(needs.Seconds())
	warning := ""
	if st.keeps > 0 && needs > st.keeps {
		warning = tooLong(needs, st.keeps)
	}
	status := st.s.Snapshot()
	if status.Warning == warning {
		return
	}
	if warning != "" && status.Warning == "" {
		st.log.Warn("the tables cannot be read before the log is purged", "source", st.s.cfg.Name, "why", warning)
	}
	status.Warning = warning
	st.s.waiting.Store(&status)
}

// expect asks how many rows the tables have that are still to be begun.
func (st *stream) expect() error {
	for _, l := range st.order {
		if l.state.Phase != cdc.LoadWaiting || l.expected > 0 {
			continue
		}
		n, err := st.side.value("SELECT IFNULL(TABLE_ROWS, 0) FROM information_schema.TABLES WHERE TABLE_SCHEMA = " + text(l.id.Database) + " AND TABLE_NAME = " + text(l.id.Name))
		if err != nil {
			return fmt.Errorf("asking how many rows %s has: %w", l.id, err)
		}
		l.expected, _ = strconv.ParseInt(n, 10, 64)
	}
	return nil
}

// left is about how many rows of the read at hand are still to come. How many
// fulfil a condition nobody says.
func (l *load) left() int64 {
	again, open := l.task()
	switch s := &l.state; {
	case !open || s.IsHeld() || l.where() != "":
		return 0
	case again >= 0 && s.Again[again].Phase == cdc.LoadWaiting:
		return s.Rows
	case again >= 0:
		return max(s.Again[again].Total-s.Again[again].Rows, 0)
	case s.Phase == cdc.LoadWaiting:
		return l.expected
	default:
		return max(s.Total-s.Rows, 0)
	}
}

func tooLong(needs, keeps time.Duration) string {
	return fmt.Sprintf("reading takes about %s more, and the source keeps its log for %s: a capture that stands still for so long meanwhile reads everything again; "+
		"let the log be kept longer, or read faster (workers, hours, max_rows)", needs.Round(time.Second), keeps.Round(time.Second))
}

// permit says whether an order to read tables again can end before the log is
// purged, as fast as they were read before.
func (st *stream) permit(o *cdc.Order) error {
	if o.Act != cdc.ActStart || o.Where != "" || o.Force || st.keeps <= 0 {
		return nil
	}
	total := time.Duration(0)
	for _, l := range st.order {
		s := &l.state
		if !o.Names(l.id) || s.Phase != cdc.LoadDone {
			continue
		}
		needs := st.needs(s.Rows, st.speed)
		if st.speed == 0 { // as long as the last time, which had its closed hours too
			needs = max(needs, s.Ended.Sub(s.Started))
		}
		total += needs
	}
	if total > st.keeps {
		return fmt.Errorf("%s; --force reads them anyway", tooLong(total, st.keeps))
	}
	return nil
}
