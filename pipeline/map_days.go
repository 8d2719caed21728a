package pipeline

import (
	"context"
	"time"

	"chartwire/pipeline/mapping"
	"chartwire/pipeline/state"
)

// mapClock is the day by which the entities of a map are evaluated that reads
// it, in days since 1970. Each entity has one at a time: when it is another day,
// a pass comes by them all, in the order of their keys, and evaluates each by
// the day that it had and by the next. The progress holds how far the pass is, so
// that whoever goes on, or rebuilds the state, gives each entity the day that it
// has, and none has an earlier one than before.
type mapClock struct {
	Day int64 `json:"day"`
	// Next is the day that entities have up to At, while a pass is on its way.
	Next int64  `json:"next,omitempty"`
	At   []byte `json:"at,omitempty"`
}

// of is the day of an entity.
func (c mapClock) of(entity string) int64 {
	if c.Next != 0 && len(c.At) > 0 && entity <= string(c.At) {
		return c.Next
	}
	return c.Day
}

// day is the day of an entity of a map, 0 if the map does not read it.
func (t *mapTerm) day(m *mapping.Map, entity string) int64 {
	if len(t.clocks) == 0 {
		return 0
	}
	return t.clocks[m].of(entity)
}

// setClock notes a map's clock in the progress, to be committed with what
// follows from it.
func (t *mapTerm) setClock(m *mapping.Map, c mapClock) {
	t.clocks[m], t.progress.Clocks[mapID(m)], t.dirty = c, c, true
}

// startClocks takes up the clocks of the maps. A map that begins to read the day
// has changed, and is mapped again by the day that it is.
func (t *mapTerm) startClocks() {
	had := t.progress.Clocks
	t.progress.Clocks, t.clocks = map[string]mapClock{}, map[*mapping.Map]mapClock{}
	for _, m := range t.m.o.Program.Maps {
		today := m.Day(t.m.o.Clock())
		if today == 0 {
			continue
		}
		c, ok := had[mapID(m)]
		if !ok {
			c.Day = today
		}
		t.setClock(m, c)
	}
}

// dayStep brings some entities of a map to a new day. It reports whether there
// are more.
func (t *mapTerm) dayStep(ctx context.Context) (more bool, err error) {
	if len(t.clocks) == 0 {
		return false, nil
	}
	for _, m := range t.m.o.Program.Maps {
		c, ok := t.clocks[m]
		if !ok || t.r.sources[m.Source].cut == nil {
			continue
		}
		today := m.Day(t.m.o.Clock())
		switch p := t.progress.Maps[mapID(m)]; {
		case c.Next == 0 && today <= c.Day:
			continue
		case p.Off: // when it works again it maps all entities again
			if today > c.Day {
				t.setClock(m, mapClock{Day: today})
			}
			continue
		case p.Remap || m.Joined() && !t.joins.whole(t.joins.byID[mapID(m)]):
			continue
		case c.Next == 0:
			c = mapClock{Day: c.Day, Next: today}
			t.m.log.Info("another day: the map's entities are evaluated again", "map", m.Name)
		}
		return true, t.dayBatch(ctx, m, c)
	}
	return false, nil
}

// dayBatch brings the next entities of a map to the day of its pass.
func (t *mapTerm) dayBatch(ctx context.Context, m *mapping.Map, c mapClock) error {
	if err := t.flushApply(); err != nil {
		return err
	}
	var at []byte
	var err error
	if m.Joined() {
		at, err = t.joins.newDay(ctx, t.joins.byID[mapID(m)], c)
	} else {
		at, err = t.newDay(ctx, m, c)
	}
	if err != nil {
		return err
	}
	if c.At = at; at == nil {
		c = mapClock{Day: c.Next}
		t.m.log.Info("all entities of a map have come to the day", "map", m.Name)
	}
	t.setClock(m, c)
	if at != nil && t.p.Buffered() == 0 && len(t.entries) == 0 {
		return nil // most entities do not change with the day: it is committed soon
	}
	return t.commit(ctx)
}

// newDay evaluates the next rows of a map of one table by two days. What differs
// is all that is written: most of a large table does not change with the day.
// It gives the key of the last row, nil at the end.
func (t *mapTerm) newDay(ctx context.Context, m *mapping.Map, c mapClock) ([]byte, error) {
	rows, err := t.rowsAfter(state.Table{Source: m.Source, TableID: m.Table}, string(c.At))
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	results := make([]mapResult, len(rows))
	midnight, read := m.Midnight(c.Next), time.Now()
	err = t.parallel(len(rows), func(w *mapWorker, i int) error {
		r := &rows[i]
		image, err := w.image(ctx, &r.Row)
		if err != nil {
			return err
		}
		in := mapping.Input{Key: r.Key, Schema: image.schema, After: image.row, BeforeSchema: image.schema, Before: image.row, Today: c.Next,
			Yesterday: c.Day, Seq: r.Seq, Position: r.Position, Commit: midnight, Reason: mapping.ReasonDay}
		out, err := w.evaluators[m].Eval(&in)
		if err != nil {
			results[i].failed = append(results[i].failed, mapFailure{m: m, key: r.Key, seq: r.Seq, err: err})
			return nil
		}
		if out.Mutation != nil {
			results[i].take(m, out)
			w.refused(&results[i], m, out, &in)
		}
		for n := range out.Verdicts {
			if v := &out.Verdicts[n]; v.Now != mapping.Unknown && v.Now != v.Before {
				results[i].events = append(results[i].events, mapEvent{m: m, rule: v.Rule, once: v.Once, now: v.Now, before: v.Before,
					date: v.Date, read: read, seq: r.Seq, in: in})
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var out []mapMutation
	var events []mapEvent
	for i := range results {
		if err := t.failures(results[i].failed); err != nil {
			return nil, err
		}
		if err := t.refusals(results[i].refused); err != nil {
			return nil, err
		}
		out, events = append(out, results[i].mutations...), append(events, results[i].events...)
	}
	t.m.metrics.entities.WithLabelValues(mapping.ReasonDay).Add(float64(len(rows)))
	fired, err := t.latches(t.done[m.Source], events)
	if err == nil {
		err = t.emit(t.done[m.Source], append(out, fired...))
	}
	return []byte(rows[len(rows)-1].Key), err
}

// newDay does the same for joined entities. One without a root row has no
// record that the day could change.
func (j *mapJoins) newDay(ctx context.Context, jn *mapJoin, c mapClock) ([]byte, error) {
	keys, at, err := j.withRoot(jn, c.At)
	if err != nil || at == nil {
		return nil, err
	}
	list := make([]mapEntity, len(keys))
	for i, key := range keys {
		list[i] = mapEntity{join: jn, key: key, reason: mapping.ReasonDay, commit: jn.m.Midnight(c.Next), read: time.Now(), today: c.Next, yesterday: c.Day}
	}
	events, err := j.evaluate(ctx, list, true, nil)
	if err == nil {
		err = j.fireAll(events)
	}
	return at, err
}

// whole reports whether all sources have been read up to a cut, and the tables
// of a joined map are whole at it.
func (j *mapJoins) whole(jn *mapJoin) bool {
	for i := range jn.nodes {
		if j.loading[jn.nodes[i].table] {
			return false
		}
	}
	return j.ready()
}
