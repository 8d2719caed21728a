package pipeline

import (
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"chartwire/pipeline/audit"
	"chartwire/pipeline/holds"
	"chartwire/pipeline/mapping"
	"chartwire/pipeline/shadow"
	"chartwire/sinks"
)

// HoldLimit says from when on what a flow takes away is a mass change: records
// that it would archive, or clear values of, within a time. Zero fields have
// the defaults.
type HoldLimit struct {
	Off     bool
	Records int     // so many are one whatever the share; 500
	Share   float64 // of the records that the destination holds; 0.01
	AtLeast int     // so many are none whatever the share; 50
	Within  time.Duration
}

func (l *HoldLimit) setDefaults() {
	if l.Records == 0 {
		l.Records = 500
	}
	if l.Share == 0 {
		l.Share = 0.01
	}
	if l.AtLeast == 0 {
		l.AtLeast = 50
	}
	if l.Within == 0 {
		l.Within = 10 * time.Minute
	}
}

func (l *HoldLimit) check() error {
	if l.Records < 0 || l.Share < 0 || l.AtLeast < 0 || l.Within < 0 {
		return errors.New("deliver: a negative limit of what a flow may take away")
	}
	return nil
}

// takesAway says whether a mutation would archive a record that is there, clear
// a value that it holds, set what says that it is gone, or leave it without a link.
func takesAway(m *sinks.Mutation, base *shadow.Entry) bool {
	if m.Reason == mapping.ReasonRule || !base.There() {
		return false
	}
	if m.Existence == sinks.Archived {
		return m.Version >= base.Version
	}
	for i := range m.Properties {
		p := &m.Properties[i]
		if p.State != sinks.Clear && m.Existence != sinks.Kept {
			continue
		}
		if s := base.Property(p.Name); s != nil && s.Held && s.Version <= m.Version && s.Value != text(*p) {
			return true
		}
	}
	return unlinks(m, base)
}

// taken is a record that something was taken away from.
type taken struct {
	at       time.Time
	archived bool
}

// sumSeed is that of sums of records, which are kept in memory only.
var sumSeed = maphash.MakeSeed()

// note counts a record that something is taken away from.
func (fl *flowState) note(m *sinks.Mutation, now time.Time) {
	sum, archived := maphash.String(sumSeed, m.Record.ID()), m.Existence == sinks.Archived
	if _, again := fl.taken[sum]; !again {
		minute := now.UTC().Truncate(time.Minute)
		if n := len(fl.Taken); n == 0 || !fl.Taken[n-1].Minute.Equal(minute) {
			fl.Taken = append(fl.Taken, holds.Taken{Minute: minute})
		}
		t := &fl.Taken[len(fl.Taken)-1]
		if t.Records++; archived {
			t.Archived++
		}
		fl.dirty = true
	}
	fl.taken[sum] = taken{now, archived}
	if kind := m.Record.Object + "/" + m.Record.Property + "/"; !slices.Contains(fl.Kinds, kind) {
		fl.Kinds = append(fl.Kinds, kind)
	}
}

// prune forgets what was taken away too long ago to count.
func (fl *flowState) prune(now time.Time) {
	fl.pruned = now
	maps.DeleteFunc(fl.taken, func(_ uint64, t taken) bool { return now.Sub(t.at) > fl.limit.Within })
	fl.Taken = slices.DeleteFunc(fl.Taken, func(t holds.Taken) bool { return now.Sub(t.Minute) > fl.limit.Within+time.Minute })
}

// recall counts what a holder before counted: how many records, not which.
func (fl *flowState) recall() {
	fl.prune(time.Now())
	for _, t := range fl.Taken {
		for i := range t.Records {
			fl.taken[rand.Uint64()] = taken{t.Minute, i < t.Archived}
		}
	}
}

// massChange counts what a mutation takes away. When it is too much the flow is
// turned, and the mutation not to be delivered.
func (t *term) massChange(f *fetched, base *shadow.Entry) (bool, error) {
	fl, m := t.flows[f.p.flow], f.mutation
	if fl.limit.Off || !takesAway(m, base) {
		return false, nil
	}
	if until, ok := fl.Until.At(f.p.topic, f.p.number); ok && f.offset < until {
		return false, nil // a person has let it go
	}
	now := time.Now()
	if now.Sub(fl.pruned) > fl.limit.Within/20 {
		fl.prune(now)
	}
	fl.note(m, now)
	why, err := t.tooMuch(fl)
	if err != nil || why == "" {
		return false, err
	}
	entry := audit.New("hold", "flow "+fl.Flow, why)
	entry.Who = "chartwire"
	t.acts = append(t.acts, entry.Record(t.o.Topics))
	t.turn(fl, holds.Request{Act: holds.Hold, Reason: why, Who: entry.Who, Offset: -1})
	return true, nil
}

// tooMuch says why what the flow takes away is too much, or "".
func (t *term) tooMuch(fl *flowState) (string, error) {
	n, l := len(fl.taken), fl.limit
	within := fmt.Sprintf("records would be archived, or lose values, within %s", l.Within)
	if n > l.Records {
		return fmt.Sprintf("more than %d %s", l.Records, within), nil
	}
	if n <= l.AtLeast || float64(n) <= l.Share*float64(fl.there) {
		return "", nil
	}
	// The count is good until twice as much is taken away.
	fl.there = 0
	for _, was := range fl.taken {
		if was.archived { // it was there
			fl.there++
		}
	}
	for _, kind := range fl.Kinds {
		more, err := t.store.Count(kind, int(2*float64(n)/l.Share)+1)
		if err != nil {
			return "", err
		}
		fl.there += more
	}
	if float64(n) <= l.Share*float64(fl.there) {
		return "", nil
	}
	return fmt.Sprintf("more than %g %% of about %d %s", 100*l.Share, fl.there, within), nil
}
