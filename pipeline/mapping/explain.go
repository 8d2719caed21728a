package mapping

import (
	"slices"
	"strings"
	"time"

	"chartwire/cdc"
	"chartwire/pipeline/mapping/expr"
	"chartwire/schemas"
	"chartwire/sinks"
)

// Explained is one property or link of a record, and what it was made from.
type Explained struct {
	// Name is the property's, or the link's; Link says which.
	Name string
	Link bool
	// From is the expression as the map has it; of a fixed value it is empty.
	From string
	// Values says that the expression's text is looked up among `values`.
	Values bool
	Class  string // of a property
	Lane   sinks.Lane
	Once   bool // written the first time only
	// Best is lowest or highest where that of all values so far is written, and
	// Value is the row's.
	Best string
	// State is what the record is told: Set with Value, Clear, or nothing ("").
	State sinks.State
	Value string
	// Why says why it is told nothing.
	Why      string
	Readings []Reading
}

// Reading is one value that an expression read.
type Reading struct {
	Alias  string // "" for the root
	Source string
	Table  cdc.TableID
	Row    string // the row's key; "" if there is no such row
	// Column is what was read; "" if it counts only that the row is there.
	// Pivot is the key by which the row was found, if it was.
	Column, Pivot string
	Null          bool
	Value         string
	Seq           int64
	Commit        time.Time
	Position      string
}

// Sink is where the map's records are; empty for a map of rules alone.
func (m *Map) Sink() string { return m.plan.record.sink }

// RecordKey gives the key of the record of an entity with the root row, as far
// as the row alone says it.
func (e *Evaluator) RecordKey(r *Row) (key string, ok bool, err error) {
	if e.m.plan.key == nil {
		return "", false, nil
	}
	if e.m.Joined() {
		t := e.tree
		t.reset(&Entity{Loading: func(int) bool { return true }})
		id, err := t.add(0, r)
		if err != nil {
			return "", false, err
		}
		t.cur[0] = id
	} else if err := e.read(&e.now, r.Schema, r.Data); err != nil {
		return "", false, err
	}
	e.now.frame.Arena = e.now.frame.Arena[:0]
	text, s := e.m.plan.key.Text(&e.now.frame)
	return e.m.plan.prefix + string(text), s == expr.Known && len(text) > 0, nil
}

// Explain says of the entity that was evaluated last, and is present, how each
// property and link came to be: it renders them again and notes what is read.
func (e *Evaluator) Explain() []Explained {
	var out []Explained
	plan := e.m.plan
	for i := range plan.props {
		p, f := &plan.props[i], plan.file.props[i]
		x := Explained{Name: p.name, Values: f.values != nil, Class: f.class.name, Lane: p.lane, Once: p.once, Best: p.best}
		if f.from != nil {
			x.From = f.from.text
		}
		x.Readings = e.trace(p.columns, func() {
			text, got := p.render(&e.now.frame, nil)
			x.State, x.Value, x.Why = p.told(text, got)
		})
		out = append(out, x)
	}
	for i := range plan.links {
		p, f := &plan.links[i], plan.file.links[i]
		x := Explained{Name: p.name, Link: true, From: f.key.text}
		if f.each != nil {
			x.From += " for each of " + f.each.text
		}
		columns := []int(nil)
		if p.key != nil {
			columns = p.key.Columns
		}
		x.Readings = e.trace(columns, func() { x.State, x.Value, x.Why = e.linkTold(p) })
		out = append(out, x)
	}
	return out
}

// told says what a rendering means for the record.
func (p *propPlan) told(text []byte, got outcome) (state sinks.State, value, why string) {
	switch {
	case got == given:
		return sinks.Set, string(text), ""
	case got == refused:
		return "", "", p.why
	case got == unknown:
		return "", "", whyUnknown
	case got == empty && !p.once, got == null && p.clear:
		return sinks.Clear, "", ""
	case got == null:
		return "", "", "null, and the map says to keep what is there"
	}
	return "", "", "empty, and it is written once"
}

// linkTold evaluates a link.
func (e *Evaluator) linkTold(p *linkPlan) (state sinks.State, value, why string) {
	f := &e.now.frame
	var keys []string
	add := func(key []byte) { keys = append(keys, p.to.object+" "+e.m.plan.prefix+string(key)) }
	known := expr.Known
	if p.each != nil {
		known = p.each.Texts(f, add)
	} else if key, s := p.key.Text(f); s != expr.Known {
		known = s
	} else if len(key) > 0 {
		add(key)
	}
	switch {
	case known == expr.Unknown:
		return "", "", whyUnknown
	case len(keys) == 0:
		return sinks.Clear, "", ""
	}
	return sinks.Set, strings.Join(keys, ", "), ""
}

const whyUnknown = "it is not known: what it reads is still loading, or was not captured from the beginning"

// trace runs a rendering and notes what it reads: of an entity of one table
// what the expression names, of a joined one what it comes across.
func (e *Evaluator) trace(columns []int, render func()) []Reading {
	e.now.frame.Arena = e.now.frame.Arena[:0]
	var list []Reading
	if !e.m.Joined() {
		render()
		for _, n := range columns {
			list = append(list, e.rootReading(n))
		}
		return list
	}
	t, f := e.tree, &e.now.frame
	value, many := f.Value, f.Rows
	defer func() { f.Value, f.Rows = value, many }()
	noted := map[string]bool{}
	note := func(r Reading) {
		if id := r.Alias + "\x00" + r.Row + "\x00" + r.Column + "\x00" + r.Pivot; !noted[id] {
			noted[id] = true
			list = append(list, r)
		}
	}
	f.Value = func(n int) (schemas.Value, expr.State) {
		v, s := value(n)
		note(t.columnReading(n, v, s))
		return v, s
	}
	f.Rows = func(n int) ([]int32, expr.State) {
		ids, s := many(n)
		for _, id := range ids {
			note(t.rowReading(n, id))
		}
		return ids, s
	}
	render()
	return withoutBareRows(list)
}

// rootReading is a column of the row of an entity of one table.
func (e *Evaluator) rootReading(n int) Reading {
	in, root := e.in, e.m.plan.nodes[0]
	r := Reading{Source: e.m.Source, Table: e.m.Table, Row: in.Key, Column: root.columns[n], Null: true, Seq: in.Seq, Commit: in.Commit, Position: in.Position}
	if c := e.now.frame.Columns[n]; c >= 0 {
		v := e.now.fields.Value(c)
		r.Null, r.Value = v.Null(), string(v.AppendText(nil))
	}
	return r
}

// rowReading says that a row is there.
func (t *tree) rowReading(n int, id int32) Reading {
	node := t.nodes[n]
	r := Reading{Alias: node.alias, Source: node.source.Name}
	if n == 0 {
		r.Alias = ""
	}
	if node.table != nil {
		r.Table = node.table.ID()
	}
	if id >= 0 {
		row := &t.rows[id]
		r.Row, r.Seq, r.Commit, r.Position = row.key, row.seq, row.commit, row.position
	}
	return r
}

// columnReading is what a number in an expression gave.
func (t *tree) columnReading(n int, v schemas.Value, s expr.State) Reading {
	ref := t.refs[n]
	node := t.nodes[ref.node]
	var id int32
	if ref.kind == refPivot {
		id, _ = t.slot(ref.node, ref.n)
	} else {
		id, _ = t.at(ref.node)
	}
	r := t.rowReading(ref.node, id)
	switch ref.kind {
	case refPivot:
		r.Column, r.Pivot = node.columns[node.val], node.slotName(ref.n)
	case refColumn:
		r.Column = node.columns[ref.n]
	}
	if r.Null = s != expr.Known; !r.Null {
		r.Value = string(v.AppendText(nil))
	}
	return r
}

// withoutBareRows leaves out that a row is there where a column of it was read.
func withoutBareRows(list []Reading) []Reading {
	read := map[string]bool{}
	for _, r := range list {
		if r.Column != "" {
			read[r.Alias+"\x00"+r.Row] = true
		}
	}
	return slices.DeleteFunc(list, func(r Reading) bool { return r.Column == "" && read[r.Alias+"\x00"+r.Row] })
}
