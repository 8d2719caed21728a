package mapping

import (
	"bytes"
	"fmt"
	"slices"

	"chartwire/cdc"
	"chartwire/pipeline/mapping/expr"
	"chartwire/schemas"
	"chartwire/sinks"
)

// WritesOnce reports whether the map has properties that are written once.
func (m *Map) WritesOnce() bool {
	return slices.ContainsFunc(m.plan.props, func(p propPlan) bool { return p.once })
}

// Evaluator evaluates one map. It is for one goroutine at a time.
type Evaluator struct {
	m           *Map
	now, before image
	bindings    map[*schemas.RowSchema][]int
	marked      []int // a binding with columns marked unknown
	changed     []tri // per column, valid for one Eval
	buf         []byte
	spans       []span
	out         Output
	key         string // of the record, set by Eval
	in          *Input
	tree        *tree // of a joined map
	entity      Input // what in is of a joined map
	verdicts    []Verdict
}

// image is one side of a change.
type image struct {
	frame  expr.Frame
	fields schemas.Fields
	there  bool
}

// span is where a property's text lies in Evaluator.buf.
type span struct {
	prop       int
	start, end int
	outcome    outcome
	changed    bool
}

type tri uint8

const (
	notAsked tri = iota
	same
	different
)

// Evaluator makes an evaluator of the map.
func (m *Map) Evaluator() *Evaluator {
	e := &Evaluator{m: m, bindings: map[*schemas.RowSchema][]int{}, changed: make([]tri, len(m.plan.nodes[0].columns))}
	if m.Joined() {
		e.tree = newTree(m, &e.now.frame)
	}
	return e
}

// bind finds the map's columns in a schema.
func (e *Evaluator) bind(s *schemas.RowSchema) []int {
	if b, ok := e.bindings[s]; ok {
		return b
	}
	b := bindColumns(s, e.m.plan.nodes[0].columns, e.m.plan.nodes[0].types)
	e.bindings[s] = b
	return b
}

func (e *Evaluator) read(img *image, s *schemas.RowSchema, row cdc.Row) error {
	img.frame.Arena = img.frame.Arena[:0]
	if img.there = row != nil; !img.there {
		return nil
	}
	if err := img.fields.Read(s, row); err != nil {
		return fmt.Errorf("reading a row of %s: %w", e.m.Table, err)
	}
	img.frame.Fields, img.frame.Columns = &img.fields, e.bind(s)
	return nil
}

// Eval evaluates the map and its rules for one entity. The output is valid
// until the next call; its Mutation stays valid. An error says that a row is
// not what its schema says, and holds no value of it.
func (e *Evaluator) Eval(in *Input) (*Output, error) {
	if err := e.read(&e.now, in.Schema, in.After); err != nil {
		return nil, err
	}
	if err := e.read(&e.before, in.BeforeSchema, in.Before); err != nil {
		return nil, err
	}
	if len(in.Unknown) > 0 && e.now.there {
		e.marked = append(e.marked[:0], e.now.frame.Columns...)
		for n, name := range e.m.plan.nodes[0].columns {
			if slices.Contains(in.Unknown, name) {
				e.marked[n] = -1
			}
		}
		e.now.frame.Columns = e.marked
	}
	clear(e.changed)
	e.in = in
	e.now.frame.Today, e.before.frame.Today = in.Today, in.dayBefore()
	e.now.frame.Before, e.now.frame.New, e.now.frame.Commit = nil, !e.before.there && in.Reason == ReasonChange, in.Commit
	if e.before.there && in.Reason == ReasonChange {
		e.now.frame.Before = &e.before.frame
	}
	e.begin()

	now, was := e.present(&e.now), e.present(&e.before)
	e.out.Presence = presence(now, was, in)
	if err := e.setKey(); err != nil {
		return nil, err
	}
	e.now.frame.RecordKey = append(e.now.frame.RecordKey[:0], e.key...)
	if e.m.plan.key == nil { // rules only
		e.judge(now, was)
		return &e.out, nil
	}
	switch e.out.Presence {
	case Present:
		e.mapRecord(was == True)
	case Outside:
		e.out.Rendered = true
	case Left:
		e.out.Rendered = true
		e.out.Mutation = e.gone(&e.m.plan.onLeave, e.key)
	case Deleted:
		e.out.Rendered = true
		e.out.Mutation = e.gone(&e.m.plan.onDelete, e.key)
	}
	e.judge(now, was)
	return &e.out, nil
}

// begin empties the output.
func (e *Evaluator) begin() {
	e.out = Output{Refused: e.out.Refused[:0], Once: e.out.Once[:0], Best: e.out.Best[:0], Verdicts: e.out.Verdicts[:0], eval: e}
}

func presence(now, was Truth, in *Input) Presence {
	known := was == True || in.Mapped
	switch {
	case in.After == nil && known:
		return Deleted
	case now == Unknown:
		return Undecided
	case now == True:
		return Present
	case known:
		return Left
	}
	return Outside
}

// present says whether the entity belongs to the map by one side of the change.
func (e *Evaluator) present(img *image) Truth {
	if !img.there {
		return False
	}
	if e.m.plan.where == nil {
		return True
	}
	return holds(e.m.plan.where, &img.frame)
}

func holds(cond *expr.Expr, f *expr.Frame) Truth {
	v, s := cond.Bool(f)
	switch {
	case s == expr.Unknown:
		return Unknown
	case s == expr.Known && v:
		return True
	}
	return False
}

// setKey makes the record's key, from whichever row there is.
func (e *Evaluator) setKey() error {
	if e.m.plan.key == nil {
		e.key = e.m.plan.prefix + e.in.Key
		return nil
	}
	img := &e.now
	if !img.there {
		img = &e.before
	}
	e.key = ""
	if !img.there {
		if e.out.Presence == Deleted {
			return fmt.Errorf("mapping a row of %s: it is gone, and the row as last mapped is not known", e.m.Table)
		}
		return nil
	}
	text, s := e.m.plan.key.Text(&img.frame)
	if s != expr.Known || len(text) == 0 {
		return fmt.Errorf("mapping a row of %s: its record has no key", e.m.Table)
	}
	e.key = e.m.plan.prefix + string(text)
	return nil
}

// differs says whether one of the columns differs between the two rows.
func (e *Evaluator) differs(columns []int) bool {
	for _, n := range columns {
		if e.changed[n] == notAsked {
			e.changed[n] = different
			i, j := e.now.frame.Columns[n], e.before.frame.Columns[n]
			if i >= 0 && j >= 0 && e.in.Schema == e.in.BeforeSchema && bytes.Equal(e.now.fields.Span(i), e.before.fields.Span(j)) {
				e.changed[n] = same
			}
		}
		if e.changed[n] == different {
			return true
		}
	}
	return false
}

// mapRecord fills Output for an entity that is present.
func (e *Evaluator) mapRecord(wasPresent bool) {
	in, plan := e.in, e.m.plan
	e.buf, e.spans = e.buf[:0], e.spans[:0]
	moved := plan.clock && in.dayBefore() != in.Today
	if wasPresent && in.live() && !moved && !e.differs(plan.read) {
		return // most changes of a wide table touch nothing that is mapped
	}
	e.out.Rendered = true
	for i := range plan.props {
		p := &plan.props[i]
		start := len(e.buf)
		var got outcome
		e.buf, got = p.render(&e.now.frame, e.buf)
		sp := span{prop: i, start: start, end: len(e.buf), outcome: got, changed: true}
		if wasPresent && got != unknown {
			sp.changed = (moved || e.differs(p.columns)) && !e.rendersSame(p, &sp)
		}
		if p.goal != nil && wasPresent && e.differs(p.goalColumns) {
			sp.changed = true
			e.out.Changed++
		}
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
	if e.out.Changed == 0 && in.live() && wasPresent {
		return
	}
	e.out.Mutation = e.mutation()
	e.best(e.out.Mutation)
}

// refuse notes a property that the row cannot give.
func (e *Evaluator) refuse(p *propPlan) {
	to := e.m.plan.record
	e.out.Refused = append(e.out.Refused, Refusal{Property: p.name, Why: p.why, Sink: to.sink,
		Record: sinks.Record{Object: to.object, Property: to.property, Key: e.key}, Lane: p.lane})
}

// rendersSame says whether the property had the same text before, although a
// column that it reads differs: 100.1 and 100.09999999999999 are one sum of money.
func (e *Evaluator) rendersSame(p *propPlan, sp *span) bool {
	mark := len(e.buf)
	var got outcome
	e.buf, got = p.render(&e.before.frame, e.buf)
	defer func() { e.buf = e.buf[:mark] }()
	none := func(o outcome) bool { return o == null || o == empty }
	return got == sp.outcome && bytes.Equal(e.buf[mark:], e.buf[sp.start:sp.end]) || none(got) && none(sp.outcome) && p.clear
}

// mutation makes the mutation of the spans.
func (e *Evaluator) mutation() *sinks.Mutation {
	in, plan := e.in, e.m.plan
	text := string(e.buf)
	live := in.live()
	whole := !live // a retry writes all
	m := e.record(plan.record, e.key, in.Reason)
	m.Properties = make([]sinks.Property, len(e.spans))
	m.Lane = sinks.Backfill
	due := classes[len(classes)-1].after
	for k, sp := range e.spans {
		p := &plan.props[sp.prop]
		q := &m.Properties[k]
		*q = sinks.Property{Name: p.name, State: sinks.Clear, Lane: p.lane, Backward: p.backward, PHI: p.phi}
		if sp.outcome == given {
			q.State, q.Value = sinks.Set, text[sp.start:sp.end]
		}
		if p.once {
			e.out.Once = append(e.out.Once, k)
		}
		if sp.changed && live {
			q.Changed = in.Commit
		}
		if sp.changed || whole {
			m.Lane, due = min(m.Lane, p.lane), min(due, p.due)
		}
	}
	if in.Reason == ReasonSnapshot || in.Reason == ReasonRemap {
		m.Lane = sinks.Backfill
	} else if m.Lane == sinks.Backfill {
		m.Lane, due = sinks.Routine, classes[len(classes)-1].after // nothing but the record's existence
	}
	if m.Lane != sinks.Backfill && !in.Commit.IsZero() {
		m.Due = in.Commit.Add(due)
	}
	return m
}

// record starts a mutation.
func (e *Evaluator) record(t target, key, reason string) *sinks.Mutation {
	in := e.in
	m := &sinks.Mutation{
		Sink: t.sink, Map: e.m.Name, Record: sinks.Record{Object: t.object, Property: t.property, Key: key},
		Commit: in.Commit, Reason: reason, Existence: sinks.Present,
	}
	if e.tree != nil {
		m.Origin = e.origin()
	} else {
		m.Origin = []sinks.Origin{{Source: e.m.Source, Table: e.m.Table.String(), Row: in.Key, Seq: in.Seq, Position: in.Position}}
	}
	return m
}

// gone gives what a policy does to the record of an entity that is not there
// any more.
func (e *Evaluator) gone(p *policyPlan, key string) *sinks.Mutation {
	if p.verb == "keep" {
		return nil
	}
	in := e.in
	m := e.record(e.m.plan.record, key, in.Reason)
	m.Lane = sinks.Routine
	due := classes[len(classes)-1].after
	m.Existence = sinks.Kept // nothing is made only to say that it is gone
	if p.verb == "archive" {
		m.Existence = sinks.Archived
	}
	for i := range p.set {
		q := sinks.Property{Name: p.set[i].name, State: sinks.Clear, Lane: p.set[i].lane, PHI: p.set[i].phi}
		if !p.set[i].clear {
			text, _ := p.set[i].render(nil, nil)
			q.State, q.Value = sinks.Set, string(text)
		}
		if in.live() {
			q.Changed = in.Commit
		}
		m.Properties = append(m.Properties, q)
		m.Lane, due = min(m.Lane, p.set[i].lane), min(due, p.set[i].due)
	}
	e.out.Changed = len(p.set)
	if in.Reason == ReasonSnapshot || in.Reason == ReasonRemap {
		m.Lane = sinks.Backfill
	} else if !in.Commit.IsZero() {
		m.Due = in.Commit.Add(due)
	}
	return m
}
