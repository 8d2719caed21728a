package mapping

import (
	"bytes"
	"slices"

	"chartwire/cdc"
	"chartwire/pipeline/mapping/expr"
	"chartwire/schemas"
	"chartwire/sinks"
)

// EvalEntity evaluates a joined map and its rules for one entity, as its rows
// are now: the record is written whole, and what it was is the destination's
// shadow's to know. The output is valid until the next call; its mutations stay
// valid. An error says that a row is not what its schema says, or is what Rows
// yielded.
func (e *Evaluator) EvalEntity(in *Entity) (*Output, error) {
	if e.m.plan.clock && in.Yesterday != 0 && in.Yesterday != in.Today {
		return e.evalDays(in)
	}
	return e.evalEntity(in, nil)
}

// evalEntity does it for one day. before is what the entity was by another: what
// differs from it counts as changed.
func (e *Evaluator) evalEntity(in *Entity, before *sinks.Mutation) (*Output, error) {
	t := e.tree
	t.reset(in)
	e.entity = Input{Key: in.Key, Seq: in.Seq, Commit: in.Commit, Reason: in.Reason}
	e.in, e.before.there, e.key = &e.entity, false, ""
	e.now.frame.Today = in.Today
	e.now.frame.Arena = e.now.frame.Arena[:0]
	e.begin()

	now, there, err := e.findRoot()
	if err != nil {
		return nil, err
	}
	e.now.there = now == True
	was := in.Was != nil && !in.Was.Gone
	if in.Was != nil {
		e.key = in.Was.Record
	}
	if e.m.plan.key == nil { // rules only
		e.key = e.m.plan.prefix + in.Key
	} else if now == True {
		now = e.joinedKey(was)
	}
	e.out.Presence = joinedPresence(now, there, was)
	e.now.frame.RecordKey = append(e.now.frame.RecordKey[:0], e.key...)
	if e.m.plan.key != nil && e.out.Presence != Undecided {
		e.out.Rendered = true
		e.mapEntity(before)
	}
	e.judge(now, Unknown)
	e.out.Flagged = t.flag
	if t.err != nil {
		return nil, t.err
	}
	return &e.out, nil
}

// findRoot finds the root's row, or the group's rows and the latest of them. It
// says whether the entity belongs to the map, and whether it has a row at all.
func (e *Evaluator) findRoot() (now Truth, there bool, err error) {
	t := e.tree
	loading := t.in.Loading != nil && t.in.Loading(0)
	grouped := e.m.plan.nodes[0].find != nil
	if loading && grouped {
		return Unknown, false, nil
	}
	t.text = append(t.text[:0], t.in.Key...)
	if t.read(0, t.text) == expr.Unknown {
		return Unknown, false, t.err
	}
	n := int32(t.n)
	if n == 0 {
		if loading {
			return Unknown, false, nil
		}
		return False, false, nil
	}
	now = False
	for id := range n {
		switch m := t.meets(0, id); {
		case m == Unknown:
			now = Unknown
		case m == True:
			t.root = append(t.root, id)
			if now == False {
				now = True
			}
		}
	}
	if len(t.root) == 0 || now != True {
		return now, true, nil
	}
	slices.SortFunc(t.root, t.compareKeys)
	t.cur[0] = e.latest()
	return True, true, nil
}

// latest gives the row of a group that `latest` says; of equals the one with
// the highest key.
func (e *Evaluator) latest() int32 {
	t, order := e.tree, e.m.plan.latest
	best := t.root[len(t.root)-1]
	if len(order) == 0 || len(t.root) == 1 {
		return best
	}
	best = -1
	var held, next [expr.MaxOrder]expr.Rank
	for _, id := range t.root {
		t.enter(0, id)
		for i, rank := range order {
			next[i], _ = rank(t.frame)
		}
		if best < 0 || expr.CompareRanks(next[:len(order)], held[:len(order)]) >= 0 {
			best, held = id, next
		}
	}
	return best
}

// joinedKey makes the record's key. An entity without one has no record.
func (e *Evaluator) joinedKey(was bool) Truth {
	text, s := e.m.plan.key.Text(&e.now.frame)
	switch {
	case s == expr.Unknown:
		return Unknown
	case s != expr.Known || len(text) == 0:
		e.tree.flagged(e.m.plan.nodes[0], "the record's key is null, so that there is no record")
		e.now.there = false
		return False
	}
	key := e.m.plan.prefix + string(text)
	if was && e.key != key {
		e.out.Old = e.gone(e.m.plan.changes(), e.key)
	}
	e.key, e.out.Record = key, key
	return True
}

// changes is what becomes of a record when its entity has another: it leaves,
// or if nothing is said of that, it is deleted.
func (p *plan) changes() *policyPlan {
	if p.file.onLeave.line > 0 {
		return &p.onLeave
	}
	return &p.onDelete
}

func joinedPresence(now Truth, there, was bool) Presence {
	switch {
	case now == Unknown:
		return Undecided
	case now == True:
		return Present
	case !was:
		return Outside
	case !there:
		return Deleted
	}
	return Left
}

// mapEntity fills the output's mutation.
func (e *Evaluator) mapEntity(before *sinks.Mutation) {
	switch e.out.Presence {
	case Present:
		e.mapJoined(before)
	case Left:
		e.out.Mutation = e.gone(&e.m.plan.onLeave, e.key)
	case Deleted:
		e.out.Mutation = e.gone(&e.m.plan.onDelete, e.key)
	}
}

// origin is where a joined entity comes from: what was touched, or its root.
func (e *Evaluator) origin() []sinks.Origin {
	t := e.tree
	if len(t.in.Origin) > 0 || t.cur[0] < 0 {
		return slices.Clone(t.in.Origin)
	}
	r := &t.rows[t.cur[0]]
	return []sinks.Origin{{Source: e.m.Source, Table: e.m.Table.String(), Row: r.key, Seq: r.seq, Position: r.position}}
}

// mapJoined renders all properties and links of an entity that is present.
func (e *Evaluator) mapJoined(before *sinks.Mutation) {
	plan, in := e.m.plan, e.tree.in
	isNew := in.Was == nil || in.Was.Gone || in.Was.Record != e.key
	e.buf, e.spans = e.buf[:0], e.spans[:0]
	for i := range plan.props {
		p := &plan.props[i]
		start := len(e.buf)
		var got outcome
		e.now.frame.Arena = e.now.frame.Arena[:0]
		e.buf, got = p.render(&e.now.frame, e.buf)
		sp := span{prop: i, start: start, end: len(e.buf), outcome: got, changed: isNew || p.nodes&in.Touched != 0}
		sp.changed = sp.changed && before == nil || before != nil && !e.sameAs(before, p.name, &sp)
		switch {
		case got == refused:
			e.refuse(p)
		case got == given, got == empty && !p.once, got == null && p.clear:
			e.spans = append(e.spans, sp)
			if sp.changed {
				e.out.Changed++
			}
		}
	}
	m := e.mutation()
	e.best(m)
	if len(plan.links) > 0 {
		m.Links = e.appendLinks(nil)
	}
	e.out.Mutation = m
}

// Touches reports whether a change of a row of a node concerns the map: a
// column that is read, a pivot's key that is used, or whether the row belongs.
// A nil row is no row.
func (e *Evaluator) Touches(node int, bs *schemas.RowSchema, before cdc.Row, as *schemas.RowSchema, after cdc.Row) bool {
	t := e.tree
	t.reset(nil)
	t.frame.Today = 0 // a condition of the day may hold on any
	b, err := e.concerned(node, bs, before)
	a, err2 := e.concerned(node, as, after)
	switch {
	case err != nil || err2 != nil:
		return true // evaluating says what is wrong
	case b < 0 && a < 0:
		return false
	case b < 0 || a < 0 || bs != as:
		return true
	}
	x, y := &t.rows[b], &t.rows[a]
	for _, c := range t.watched(node, as) {
		if c >= 0 && !bytes.Equal(x.fields.Span(c), y.fields.Span(c)) {
			return true
		}
	}
	return false
}

// concerned takes a row in if the map may read it, and gives its number; -1 if
// it does not.
func (e *Evaluator) concerned(node int, s *schemas.RowSchema, row cdc.Row) (int32, error) {
	if row == nil {
		return -1, nil
	}
	t := e.tree
	id, err := t.add(node, &Row{Schema: s, Data: row})
	if err != nil {
		return -1, err
	}
	n := t.nodes[node]
	if n.pivot && t.slotOf(node, id) == noSlot || n.own && t.meets(node, id) == False {
		return -1, nil
	}
	return id, nil
}
