package mapping

import (
	"slices"
	"strings"

	"chartwire/pipeline/mapping/decimal"
	"chartwire/pipeline/mapping/expr"
	"chartwire/schemas/hubspot"
	"chartwire/sinks"
)

// Best is what a row says of a property of which the lowest or the highest value
// is kept. What is kept is not the evaluator's: see [Map.KeepBest].
type Best struct {
	// Property is as it would be written; Value is the row's, "" if it has none.
	Property sinks.Property
	// Goal is where the values are to go, "" if nobody says; Undecided says that
	// it is not known.
	Goal      string
	Undecided bool

	highest bool
	typ     string
}

// Kept is what is remembered of such a property: the first value, the two
// extremes, and what was written last.
type Kept struct {
	First, Low, High string
	Written          sinks.Property
}

// WritesBest reports whether the map keeps the lowest or the highest value of a
// property: it wants to see the row after each source transaction.
func (m *Map) WritesBest() bool {
	return slices.ContainsFunc(m.plan.props, func(p propPlan) bool { return p.best != "" })
}

// KeepBest gives a record's mutation the values that are the best so far, and
// reports whether kept became another. Every mutation has them, as every
// mutation stands for the whole record.
func (m *Map) KeepBest(mu *sinks.Mutation, best []Best, kept map[string]Kept) bool {
	different := false
	for i := range best {
		b := &best[i]
		k := kept[b.Property.Name]
		was := k
		b.keep(&k)
		if k != was {
			kept[b.Property.Name], different = k, true
		}
	}
	for i := range m.plan.props {
		p := &m.plan.props[i]
		if p.best == "" {
			continue
		}
		mu.Properties = slices.DeleteFunc(mu.Properties, func(q sinks.Property) bool { return q.Name == p.name })
		if q := kept[p.name].Written; q.Name != "" { // else none yet, or the goal was never known
			mu.Properties = append(mu.Properties, q)
		}
	}
	return different
}

func (b *Best) keep(k *Kept) {
	if v := b.Property.Value; v != "" {
		if k.First == "" {
			k.First, k.Low, k.High = v, v, v
		}
		if b.less(v, k.Low) {
			k.Low = v
		}
		if b.less(k.High, v) {
			k.High = v
		}
	}
	if k.First == "" || b.Undecided {
		return
	}
	p := b.Property
	if p.Value = k.Low; b.up(k.First) {
		p.Value = k.High
	}
	if p.Value != k.Written.Value {
		k.Written = p
	}
}

// up says whether higher is better.
func (b *Best) up(first string) bool {
	switch {
	case b.Goal == "":
	case b.less(first, b.Goal):
		return true
	case b.less(b.Goal, first):
		return false
	}
	return b.highest
}

func (b *Best) less(x, y string) bool {
	switch b.typ {
	case hubspot.Number:
		v, _ := decimal.Parse(x)
		w, _ := decimal.Parse(y)
		return v.Cmp(w) < 0
	case hubspot.DateTime:
		v, _ := expr.ParseInstant(x)
		w, _ := expr.ParseInstant(y)
		return v < w
	}
	return strings.Compare(x, y) < 0 // days
}

// best checks a property of which the best value is kept.
func (c *checker) best(f *propFile, def *hubspot.Property, p *propPlan) {
	p.best, p.typ = f.best, def.Type
	if f.best == "" {
		return
	}
	switch def.Type {
	case hubspot.Number, hubspot.Date, hubspot.DateTime:
	default:
		c.bad(f.name.place, "the lowest and the highest are of numbers, dates and moments, and the property "+def.Name+" is a "+def.Type)
		return
	}
	if f.values != nil {
		c.bad(f.valuesAt, "`write: "+f.best+"` is about what the source measures; `values` is about names")
	}
	if f.goal == nil {
		return
	}
	goal := c.compileIn(&scope{c: c, lasting: "a goal"}, f.goal)
	if goal == nil {
		return
	}
	render, problem := rendererFor(goal, def)
	if problem != "" {
		c.bad(f.goal.place, problem)
		return
	}
	p.goal, p.goalColumns = render, goal.Columns
	p.columns = append(slices.Clip(p.columns), goal.Columns...)
	slices.Sort(p.columns)
	p.columns = slices.Compact(p.columns)
	p.nodes |= c.plan.deciding(goal.Columns)
}

// best says of the properties of which the best value is kept what the row says.
func (e *Evaluator) best(m *sinks.Mutation) {
	for i := range e.m.plan.props {
		p := &e.m.plan.props[i]
		if p.best == "" {
			continue
		}
		b := Best{highest: p.best == highest, typ: p.typ, Property: sinks.Property{Name: p.name, State: sinks.Set, Lane: p.lane, PHI: p.phi}}
		if e.in.live() {
			b.Property.Changed = e.in.Commit
		}
		if k := slices.IndexFunc(m.Properties, func(q sinks.Property) bool { return q.Name == p.name }); k >= 0 {
			b.Property.Value = m.Properties[k].Value
		}
		if p.goal != nil {
			text, got := p.goal(&e.now.frame, nil)
			b.Goal, b.Undecided = string(text), got == unknown
		}
		e.out.Best = append(e.out.Best, b)
	}
}

// The directions of `write`.
const (
	lowest  = "lowest"
	highest = "highest"
)
