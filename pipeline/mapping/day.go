package mapping

import (
	"slices"
	"time"

	"chartwire/pipeline/mapping/expr"
	"chartwire/sinks"
)

// Day is the day that it is at a moment in the zone of the map's source: what
// today() gives, in days since 1970. It is 0 for a map that does not read it.
func (m *Map) Day(at time.Time) int64 {
	if !m.plan.clock {
		return 0
	}
	return expr.Day(at, m.plan.source.Zone)
}

// Midnight is the moment when a day begins in the zone of the map's source.
func (m *Map) Midnight(day int64) time.Time {
	return time.UnixMicro(expr.At(day*86400e6, m.plan.source.Zone)).UTC()
}

// live says that an input says what became of an entity, and not how it is.
func (in *Input) live() bool { return in.Reason == ReasonChange || in.Reason == ReasonDay }

// dayBefore is the day by which the entity was mapped before.
func (in *Input) dayBefore() int64 {
	if in.Yesterday != 0 {
		return in.Yesterday
	}
	return in.Today
}

// evalDays evaluates an entity by two days.
func (e *Evaluator) evalDays(in *Entity) (*Output, error) {
	was := *in
	was.Today = in.Yesterday
	old, err := e.evalEntity(&was, nil)
	if err != nil {
		return nil, err
	}
	before, presence := &sinks.Mutation{}, old.Presence
	if presence == Present && old.Mutation != nil {
		before = old.Mutation
	}
	e.verdicts = append(e.verdicts[:0], old.Verdicts...)
	out, err := e.evalEntity(in, before)
	if err != nil {
		return nil, err
	}
	for i := range out.Verdicts {
		for _, v := range e.verdicts {
			if v.Rule == out.Verdicts[i].Rule {
				out.Verdicts[i].Before = v.Now
			}
		}
	}
	if out.Presence == presence && (out.Mutation == nil || presence != Present || out.Changed == 0 &&
		len(before.Properties) == len(out.Mutation.Properties) && slices.Equal(before.Links, out.Mutation.Links)) {
		// The day changes nothing; what rows changed is for their own time.
		out.Presence, out.Record, out.Old, out.Mutation, out.Refused, out.Rendered, out.Flagged = Undecided, "", nil, nil, out.Refused[:0], false, nil
	}
	return out, nil
}

// sameAs says whether a property is in a mutation as it was rendered now.
func (e *Evaluator) sameAs(m *sinks.Mutation, name string, got *span) bool {
	i := slices.IndexFunc(m.Properties, func(q sinks.Property) bool { return q.Name == name })
	if i < 0 {
		return false
	}
	q := &m.Properties[i]
	if got.outcome != given {
		return q.State == sinks.Clear
	}
	return q.State == sinks.Set && q.Value == string(e.buf[got.start:got.end])
}
