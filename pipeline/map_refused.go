package pipeline

import (
	"slices"
	"time"

	"chartwire/pipeline/deadletter"
	"chartwire/pipeline/mapping"
	"chartwire/sinks"
)

// mapRefused is what a map refused of an entity: values that have no place in
// their properties. An empty list takes back what it refused before.
type mapRefused struct {
	m      *mapping.Map
	entity string
	list   []mapping.Refusal
	origin sinks.Origin
	commit time.Time
}

// mapOpenLetters are, in the changelog, the refused properties of an entity:
// what closes their letters must know of them.
type mapOpenLetters []mapOpenLetter

type mapOpenLetter struct {
	Sink     string       `json:"sink"`
	Record   sinks.Record `json:"record"`
	Property string       `json:"property"`
}

// refused takes out of an output what was refused.
func (w *mapWorker) refused(res *mapResult, m *mapping.Map, out *mapping.Output, in *mapping.Input) {
	for _, r := range out.Refused {
		w.t.m.metrics.refused.WithLabelValues(m.Name, r.Property).Inc()
	}
	if !out.Rendered || len(out.Refused) == 0 && !w.t.open[m] {
		return
	}
	res.refused = append(res.refused, mapRefused{m, in.Key, slices.Clone(out.Refused),
		sinks.Origin{Source: m.Source, Table: m.Table.String(), Row: in.Key, Seq: in.Seq, Position: in.Position}, in.Commit})
}

// startRefusals finds the maps with open letters.
func (t *mapTerm) startRefusals() error {
	for _, m := range t.m.o.Program.Maps {
		for _, err := range t.db.Entries(refusedKey(m, "")) {
			if err != nil {
				return err
			}
			t.open[m] = true
			break
		}
	}
	return nil
}

// refusals writes the dead letters of refused values into the open transaction,
// and closes those of values that are not refused any more.
func (t *mapTerm) refusals(all []mapRefused) error {
	for i := range all {
		r := &all[i]
		key := refusedKey(r.m, r.entity)
		var was, now mapOpenLetters
		if err := t.entry(key, &was); err != nil {
			return err
		}
		for _, x := range r.list {
			l := r.letter(mapOpenLetter{x.Sink, x.Record, x.Property})
			l.Flow, l.Lane, l.Message, l.Time = t.m.o.Flow, x.Lane, x.Why, time.Now().UTC()
			value, err := l.Append(nil)
			if err != nil {
				return err
			}
			t.produceLetter(l, value)
			now = append(now, mapOpenLetter{x.Sink, x.Record, x.Property})
		}
		for _, o := range was {
			if !slices.Contains(now, o) {
				t.produceLetter(r.letter(o), nil)
			}
		}
		switch {
		case slices.Equal(was, now):
		case len(now) == 0:
			t.entries[key] = nil
		default:
			t.entries[key], t.open[r.m] = encodeEntry(now), true
		}
	}
	return nil
}

func (r *mapRefused) letter(o mapOpenLetter) *deadletter.Letter {
	return &deadletter.Letter{Sink: o.Sink, Map: r.m.Name, By: r.m.Name, Record: o.Record, Property: o.Property,
		Code: "value-refused", Class: "value", Origin: []sinks.Origin{r.origin}, Commit: r.commit}
}
