package mysql

import (
	"fmt"
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

// measured notes how fast a part was read.
func (st *stream) measured(c *chunk) {
	if c.took <= 0 || c.n == 0 {
		return
	}
	now := float64(c.n) / c.took.Seconds() * float64(st.snap.workers)
	if st.speed == 0 {
		st.speed = now
	}
	st.speed += (now - st.speed) / 8
}

// needs is how long so many rows take, within the hours and the rate that are
// allowed; 0 if it is not known.
func (st *stream) needs(rows int64, speed float64) time.Duration {
	p := &st.s.cfg.Snapshot.Pace
	if p.Rows > 0 {
		speed = min(speed, float64(p.Rows))
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
		total, rows := l.state.Total, l.state.Rows
		if again, open := l.task(); open && again >= 0 {
			total, rows = l.state.Again[again].Total, l.state.Again[again].Rows
		}
		left += max(total-rows, 0)
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
		speed := st.speed
		if took := s.Ended.Sub(s.Started); speed == 0 && took > 0 {
			speed = float64(s.Rows) / took.Seconds()
		}
		total += st.needs(s.Rows, speed)
	}
	if total > st.keeps {
		return fmt.Errorf("%s; --force reads them anyway", tooLong(total, st.keeps))
	}
	return nil
}
