package mapping

import (
	"slices"

	"chartwire/schemas/hubspot"
)

// Need is what one map, or one rule of it, needs of a destination's object: what
// the sink compares with the account before anything is sent.
type Need struct {
	Map    string
	Object string
	Unique string
	// Properties are those that are written, as the maps were compiled.
	Properties []NeedProperty
	// Pipelines are those of the object, where the map writes one.
	Pipelines []*hubspot.Pipeline
}

// NeedProperty is one property that is written.
type NeedProperty struct {
	*hubspot.Property
	PHI bool
	// Fixed is the value, where the map always writes the same.
	Fixed string
}

// Needs returns what the maps and rules need of a sink, in their order.
func (p *Program) Needs(sink string) []Need {
	var out []Need
	add := func(by string, t target, props []propPlan) {
		if t.sink != sink || t.schema == nil {
			return
		}
		n := Need{Map: by, Object: t.object, Unique: t.property}
		pipeline, _ := t.schema.PipelineProperties()
		for _, prop := range props {
			if def := t.schema.Property(prop.name); def != nil {
				n.Properties = append(n.Properties, NeedProperty{def, prop.phi, prop.fixed})
			}
			if prop.name == pipeline {
				n.Pipelines = t.schema.Pipelines
			}
		}
		out = append(out, n)
	}
	for _, m := range p.Maps {
		if m.plan.key != nil {
			props := slices.Concat(m.plan.props, m.plan.onDelete.set, m.plan.onLeave.set)
			add(m.Name, m.plan.record, props)
		}
		for _, r := range m.Rules {
			for _, a := range r.plan.then {
				add(r.RuleID(), a.target, a.props)
			}
		}
	}
	return out
}

// Routes are the routes of notifications that the rules name.
func (p *Program) Routes() []string {
	var out []string
	for _, n := range p.Needs("notify") {
		for _, prop := range n.Properties {
			if prop.Name == "route" && prop.Fixed != "" {
				out = append(out, prop.Fixed)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
