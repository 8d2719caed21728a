package pipeline

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"chartwire/cdc"
	"chartwire/pipeline/mapping"
	"chartwire/sinks"
)

// mapEvent is what a rule's condition became by one step of one row.
type mapEvent struct {
	m           *mapping.Map
	rule        *mapping.Rule
	once        string
	now, before mapping.Truth
	// seen says that the step shows the condition as it is, not as it became:
	// a row that a snapshot read, or one whose history is not whole.
	seen  bool
	open  bool
	date  time.Time // the row's own
	since time.Time // from when on the stream is whole
	read  time.Time
	seq   int64
	in    mapping.Input // to evaluate again if it fires
	// entity is what to evaluate again, if it is a joined one.
	entity *mapping.Entity
}

// takeVerdicts keeps what may change a latch.
func (r *mapResult) takeVerdicts(m *mapping.Map, out *mapping.Output, g *mapGroup, s *mapStep, in mapping.Input) {
	for i := range out.Verdicts {
		v := &out.Verdicts[i]
		if v.Rule.Each {
			// Only what a source transaction did is a change, also while the table
			// is being loaded.
			if v.Now == mapping.True && s.op != cdc.Read {
				r.events = append(r.events, mapEvent{m: m, rule: v.Rule, once: v.Once, now: v.Now, before: v.Before, seq: s.seq, in: in})
			}
			continue
		}
		e := mapEvent{m: m, rule: v.Rule, once: v.Once, now: v.Now, before: v.Before, date: v.Date, since: g.since, read: s.read, seq: s.seq, open: g.open}
		if s.before.row == nil && s.op != cdc.Read {
			e.before = mapping.False // it was not there
		}
		e.seen = s.op == cdc.Read || g.open && e.before == mapping.True
		switch {
		case e.now == mapping.Unknown:
			continue
		case g.gap:
			// The latch may be that of before the gap.
		case !e.seen && e.now == e.before || s.op == cdc.Read && e.now == mapping.False:
			continue // nothing became of it
		}
		if e.now == mapping.True {
			e.in = in
		}
		r.events = append(r.events, e)
	}
}

// fires says what an event does to a latch: whether the rule fires, and whether
// the latch has to be written.
//
// The stream fires when the condition became true: it was not, by the before
// image, and no other row of the same key holds the latch. What is only seen
// sets the latch; it fires if the rule has a freshness and the row's own date is
// within it, counted back from when the row was read, or from the beginning of
// the gap that made reading necessary if that is earlier.
//
// A rule with Each fires at each of its events, and its latch only counts them.
func (e *mapEvent) fires(l *mapLatch) (fire, write bool) {
	on := e.now == mapping.True
	switch {
	case e.rule.Each:
		return on, on
	case !on:
	case e.seen:
		fire = !l.On && e.fresh()
	case e.open:
		fire = e.before == mapping.False
	default:
		fire = !l.On && e.before != mapping.True
	}
	return fire, fire || l.On != on
}

func (e *mapEvent) fresh() bool {
	window := e.rule.Fresh
	if window == 0 || e.date.IsZero() {
		return false
	}
	from := e.read.Add(-window)
	if !e.since.IsZero() && e.since.Before(from) {
		from = e.since
	}
	return !e.date.Before(from)
}

// latches carries out the events of a cut, in the order of their seqs, and
// gives the mutations of the firings. Latches are written to the open
// transaction.
func (t *mapTerm) latches(cutSeq int64, events []mapEvent) ([]mapMutation, error) {
	slices.SortStableFunc(events, func(a, b mapEvent) int { return cmp.Compare(a.seq, b.seq) })
	var out []mapMutation
	for i := range events {
		e := &events[i]
		key := latchKey(e.m, e.rule.Name, e.once)
		var l mapLatch
		if err := t.entry(key, &l); err != nil {
			return nil, err
		}
		fire, write := e.fires(&l)
		if !write || l.Cut > cutSeq {
			continue
		}
		l.On, l.Cut = e.now == mapping.True && !e.rule.Each, cutSeq
		if fire {
			l.N++
			fired, err := t.fire(e, l.N)
			if err != nil {
				return nil, err
			}
			for i := range fired {
				out = append(out, mapMutation{Mutation: &fired[i], m: e.m})
			}
		}
		t.entries[key] = encodeEntry(l)
	}
	return out, nil
}

// fire evaluates the step again, for the mutations of its n-th firing.
func (t *mapTerm) fire(e *mapEvent, n int64) ([]sinks.Mutation, error) {
	var out *mapping.Output
	var err error
	if evaluator := t.workers[0].evaluators[e.m]; e.entity != nil {
		out, err = evaluator.EvalEntity(e.entity)
	} else {
		out, err = evaluator.Eval(&e.in)
	}
	if err != nil {
		return nil, err
	}
	for i := range out.Verdicts {
		if out.Verdicts[i].Rule == e.rule {
			t.m.metrics.firings.WithLabelValues(e.m.Name + "/" + e.rule.Name).Inc()
			return out.Fire(i, n), nil
		}
	}
	return nil, fmt.Errorf("firing rule %s of %s: it gives another verdict now", e.rule.Name, e.m.Name)
}

// silence sets the latch of a rule as the row is, without firing.
func (t *mapTerm) silence(e *mapEvent, cutSeq int64, rules []string) error {
	if !slices.Contains(rules, e.rule.Name) || e.now == mapping.Unknown {
		return nil
	}
	key := latchKey(e.m, e.rule.Name, e.once)
	var l mapLatch
	if err := t.entry(key, &l); err != nil {
		return err
	}
	if on := e.now == mapping.True; on != l.On && l.Cut <= cutSeq {
		l.On, l.Cut = on, cutSeq
		t.entries[key] = encodeEntry(l)
	}
	return nil
}

// entry reads an entry of the changelog as the open transaction leaves it; v
// stays as it is when there is none.
func (t *mapTerm) entry(key string, v any) error {
	b, ok := t.entries[key]
	if !ok {
		var err error
		if b, err = t.db.Entry(key); err != nil {
			return err
		}
	}
	if b == nil {
		return nil
	}
	return decodeEntry(key, b, v)
}
