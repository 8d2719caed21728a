package pipeline

import (
	"context"
	"iter"
	"slices"
	"time"

	"chartwire/cdc"
	"chartwire/pipeline/mapping"
	"chartwire/sinks"
)

// mapEntity is a joined entity to be evaluated as it is in the local state.
type mapEntity struct {
	join   *mapJoin
	key    string
	reason string
	// Of what touched it; of an entity that is mapped again, nothing.
	touched uint64
	commit  time.Time
	read    time.Time
	origin  []sinks.Origin
	// seen says that a rule's condition is seen as it is, not as it became, but
	// for an entity whose root the stream made at or after since.
	seen  bool
	since int64
	// today and yesterday are the days of a pass; 0: the entity's own.
	today, yesterday int64
}

// mapJoinedResult is what became of a joined entity.
type mapJoinedResult struct {
	mapResult
	was    *mapWas // to be remembered; nil: as it is
	forget bool    // nothing is there any more
	flags  []mapping.Flag
}

// mapWas is what a map last wrote for an entity: the record is there.
type mapWas struct {
	Record string `json:"record"`
}

// mapRowsOf reads an entity's rows for an evaluator.
type mapRowsOf struct {
	ctx  context.Context
	t    *mapTerm
	join *mapJoin
	root *mapping.Row // the first of node 0 that was read
	made bool         // by the stream
	err  error        // of the local state
}

// rows yields the rows of a node under a text.
func (r *mapRowsOf) rows(node int, text []byte) iter.Seq2[mapping.Row, error] {
	return func(yield func(mapping.Row, error) bool) {
		n := &r.join.nodes[node]
		if n.table == nil {
			return
		}
		if n.Find == nil || n.Find.Primary {
			r.row(n, string(text), yield)
			return
		}
		for key, err := range r.t.db.Found(n.Find.ID, text, "") {
			if err != nil {
				r.err = err
				yield(mapping.Row{}, err)
				return
			}
			if !r.row(n, key, yield) {
				return
			}
		}
	}
}

func (r *mapRowsOf) row(n *mapNode, key string, yield func(mapping.Row, error) bool) bool {
	row, ok, err := r.t.db.Row(n.table.id, key)
	if err == nil && !ok {
		return true
	}
	var out mapping.Row
	if err == nil {
		out = mapping.Row{Key: key, Data: row.Data, Seq: row.Seq, Commit: row.Commit, Position: row.Position}
		out.Schema, err = r.t.schemas.byID(r.ctx, row.Schema)
	}
	if err != nil {
		r.err = err
		yield(mapping.Row{}, err)
		return false
	}
	if n.Parent < 0 && r.root == nil {
		root := out
		root.Data = nil
		r.root, r.made = &root, row.Op == cdc.Create
	}
	return yield(out, nil)
}

// evaluate evaluates joined entities and puts what comes of them into the open
// transaction. keep says which mutations are wanted; nil: all.
func (j *mapJoins) evaluate(ctx context.Context, list []mapEntity, write bool, keep func(*sinks.Mutation) bool) ([]mapEvent, error) {
	t := j.t
	results := make([]*mapJoinedResult, len(list))
	err := t.parallel(len(list), func(w *mapWorker, i int) (err error) {
		results[i], err = w.joined(ctx, &list[i])
		return err
	})
	if err != nil {
		return nil, err
	}
	var out []mapMutation
	var events []mapEvent
	reasons := map[string]int{}
	var cutSeq int64
	for i, r := range results {
		e := &list[i]
		reasons[e.reason]++
		if err := t.failures(r.failed); err != nil {
			return nil, err
		}
		if err := t.refusals(r.refused); err != nil {
			return nil, err
		}
		for n := range r.flags {
			t.m.metrics.flagged.WithLabelValues(e.join.m.Name, r.flags[n].Alias).Inc()
		}
		events = append(events, r.events...)
		cutSeq = max(cutSeq, t.done[e.join.m.Source])
		if !write {
			continue
		}
		for _, mu := range r.mutations {
			if keep == nil || keep(mu.Mutation) {
				out = append(out, mu)
			}
		}
		switch key := wasKey(e.join.m, e.key); {
		case r.forget:
			t.entries[key] = nil
		case r.was != nil:
			t.entries[key] = encodeEntry(r.was)
		}
	}
	for reason, n := range reasons {
		t.m.metrics.entities.WithLabelValues(reason).Add(float64(n))
	}
	return events, t.emit(cutSeq, out)
}

// joined evaluates one entity.
func (w *mapWorker) joined(ctx context.Context, e *mapEntity) (*mapJoinedResult, error) {
	t, m := w.t, e.join.m
	rows := &mapRowsOf{ctx: ctx, t: t, join: e.join}
	in := &mapping.Entity{Key: e.key, Rows: rows.rows, Touched: e.touched, Commit: e.commit, Reason: e.reason,
		Origin: e.origin, Loading: func(node int) bool { return t.joins.loading[e.join.nodes[node].table] }}
	if in.Today, in.Yesterday = e.today, e.yesterday; e.today == 0 {
		in.Today = t.day(m, e.key)
	}
	for i := range e.origin {
		in.Seq = max(in.Seq, e.origin[i].Seq)
	}
	var was mapWas
	if err := t.entry(wasKey(m, e.key), &was); err != nil {
		return nil, err
	}
	if was.Record != "" {
		in.Was = &mapping.Was{Record: was.Record}
	}
	out, err := w.evaluators[m].EvalEntity(in)
	r := &mapJoinedResult{}
	if rows.err != nil {
		return nil, rows.err
	}
	if err != nil {
		f := mapFailure{m: m, key: e.key, seq: in.Seq, err: err}
		if rows.root != nil {
			f.row = rows.root.Key
		}
		r.failed = append(r.failed, f)
		return r, nil
	}
	if out.Old != nil {
		r.mutations = append(r.mutations, mapMutation{Mutation: e.traced(rows, out.Old), m: m})
	}
	if out.Mutation != nil {
		e.traced(rows, out.Mutation)
	}
	r.take(m, out)
	w.refusedOf(r, e, out, rows)
	r.flags = slices.Clone(out.Flagged)
	switch out.Presence {
	case mapping.Present:
		if out.Record != "" && out.Record != was.Record {
			r.was = &mapWas{out.Record}
		}
	case mapping.Left, mapping.Deleted:
		r.forget = was.Record != ""
	}
	seen := e.seen && !(rows.made && e.since > 0 && rows.root.Seq >= e.since)
	for i := range out.Verdicts {
		v := &out.Verdicts[i]
		if v.Now == mapping.Unknown || v.Now == v.Before {
			continue
		}
		r.events = append(r.events, mapEvent{m: m, rule: v.Rule, once: v.Once, now: v.Now, before: v.Before, seen: seen, date: v.Date,
			since: t.joins.since(m), read: e.read, seq: in.Seq, entity: in})
	}
	return r, nil
}

// refusedOf takes out of an output what was refused.
func (w *mapWorker) refusedOf(r *mapJoinedResult, e *mapEntity, out *mapping.Output, rows *mapRowsOf) {
	in := mapping.Input{Key: e.key, Commit: e.commit}
	if rows.root != nil {
		in.Seq, in.Position = rows.root.Seq, rows.root.Position
	}
	w.refused(&r.mapResult, e.join.m, out, &in)
	if n := len(r.refused); n > 0 && rows.root != nil {
		r.refused[n-1].origin.Row = rows.root.Key // of a group, one of them
	}
}

// traced puts the root's row first among those that a mutation came from: it is
// what a retry asks for.
func (e *mapEntity) traced(rows *mapRowsOf, m *sinks.Mutation) *sinks.Mutation {
	root := &e.join.nodes[0]
	if rows.root == nil {
		return m
	}
	first := sinks.Origin{Source: root.Source, Table: root.Table.String(), Row: rows.root.Key, Seq: rows.root.Seq, Position: rows.root.Position}
	rest := slices.DeleteFunc(slices.Clone(m.Origin), func(o sinks.Origin) bool {
		return o.Source == first.Source && o.Table == first.Table && o.Row == first.Row
	})
	m.Origin = append([]sinks.Origin{first}, rest...)
	return m
}

// since is from when on the stream of a map's root is whole.
func (j *mapJoins) since(m *mapping.Map) time.Time {
	if s := j.t.r.sources[m.Source]; s != nil && s.cut != nil {
		return s.cut.Loads[m.Table].Since
	}
	return time.Time{}
}

const (
	// mapDue is how many entities are evaluated at once, and mapDueTime about
	// how long before the sources are looked at again.
	mapDue     = 512
	mapDueTime = 100 * time.Millisecond
)

// dueStep maps entities that are due. It reports whether there may be more.
func (j *mapJoins) dueStep(ctx context.Context) (more bool, err error) {
	t := j.t
	if err := t.flushApply(); err != nil { // what is due is in the state
		return false, err
	}
	start := time.Now()
	for {
		var list []*mapPending
		if list, more, err = j.pending.take(time.Now(), mapDue); err != nil {
			return false, err
		}
		if len(list) == 0 {
			break
		}
		entities := make([]mapEntity, len(list))
		for i, p := range list {
			e := mapEntity{join: p.join, key: p.entity, reason: mapping.ReasonChange, touched: p.Touched, commit: p.Commit, read: p.Last, origin: p.Origin}
			if !p.Live {
				e.reason = mapping.ReasonSnapshot
			}
			again := t.progress.Maps[p.join.id]
			for _, r := range p.Seqs {
				if r.Source == p.join.m.Source {
					e.since = r.First
				}
			}
			e.seen = !p.Live || again.Remap && !again.passed(p.entity)
			entities[i] = e
		}
		j.mapped = append(j.mapped, list...)
		events, err := j.evaluate(ctx, entities, true, nil)
		if err != nil {
			return false, err
		}
		if err := j.fireAll(events); err != nil {
			return false, err
		}
		if !more || t.p.Buffered() >= t.m.o.Transaction || time.Since(start) > mapDueTime {
			break
		}
	}
	if len(j.mapped) == 0 {
		return more, t.flushApply()
	}
	t.dirty = true
	return more, t.commit(ctx)
}

// fireAll carries out what became of the rules' conditions.
func (j *mapJoins) fireAll(events []mapEvent) error {
	byCut := map[int64][]mapEvent{}
	for _, e := range events {
		seq := j.t.done[e.m.Source]
		byCut[seq] = append(byCut[seq], e)
	}
	for seq, events := range byCut {
		fired, err := j.t.latches(seq, events)
		if err != nil {
			return err
		}
		if err := j.t.emit(seq, fired); err != nil {
			return err
		}
	}
	return nil
}

// committed takes the mapped entities out of the local state.
func (j *mapJoins) committed() {
	for i, p := range j.mapped {
		j.t.batch().DeletePending(p.join.id, p.entity)
		j.mapped[i] = nil
	}
	j.mapped = j.mapped[:0]
}
