package hubspot

import (
	"fmt"
	"slices"
	"strings"

	schema "chartwire/schemas/hubspot"
)

// Problem is one reason why HubSpot would refuse what a map writes, with what
// mends it.
type Problem struct {
	Map      string
	Object   string
	Property string // "" if it is the object
	Text     string
	Fix      string
}

// Error makes a problem fit for a log line; it holds no values of records.
func (p Problem) Error() string { return p.String() }

func (p Problem) String() string {
	place := p.Object
	if p.Property != "" {
		place += "." + p.Property
	}
	return fmt.Sprintf("%s: %s: %s: %s", p.Map, place, p.Text, p.Fix)
}

// Compare lists everything in the account that the maps' needs do not agree
// with, in the order of the needs. Nothing listed means that HubSpot takes
// what the maps write, as far as its definitions say.
func Compare(needs []Need, live *schema.Schema) []Problem {
	var all []Problem
	for i := range needs {
		g := guard{need: &needs[i], object: live.Object(needs[i].Object)}
		g.check()
		all = append(all, g.problems...)
	}
	return all
}

type guard struct {
	need     *Need
	object   *schema.Object
	problems []Problem
}

const (
	fixCreate = "`chartwire check --create-properties` creates it where schemas/hubspot defines it; else correct the map"
	fixMap    = "correct the map"
)

func (g *guard) bad(property, fix, format string, args ...any) {
	g.problems = append(g.problems, Problem{Map: g.need.Map, Object: g.need.Object, Property: property, Text: fmt.Sprintf(format, args...), Fix: fix})
}

func (g *guard) check() {
	if g.object == nil {
		g.bad("", "switch the object on in HubSpot's settings, or leave the map out", "the account does not have this object")
		return
	}
	g.unique()
	for i := range g.need.Properties {
		g.property(&g.need.Properties[i])
	}
	for i := range g.need.Pipelines {
		g.pipeline(&g.need.Pipelines[i])
	}
	g.links()
	g.required()
}

// unique checks the key: HubSpot finds a record only by a property that it
// keeps unique, and one that it alone writes is no key of ours.
func (g *guard) unique() {
	name := g.need.Unique
	p := g.object.Property(name)
	switch {
	case name == "email":
		g.bad(name, "map a unique property of your own as key", "e-mail cannot be the key: families share addresses, and they change")
	case p == nil:
		g.bad(name, fixCreate, "the key property does not exist")
	case p.ReadOnly:
		g.bad(name, "map a unique property of your own as key", "the key property is read-only")
	case !p.Unique:
		g.bad(name, "uniqueness is chosen when a property is created: create one with hasUniqueValue and map it as key", "the key property is not unique")
	}
	for _, np := range g.need.Properties {
		if np.Name == name && np.PHI {
			g.bad(name, "use a number or an opaque id as key", "patient data cannot be a key: keys stand in logs of calls and in topics")
		}
	}
}

func (g *guard) property(need *NeedProperty) {
	p := g.object.Property(need.Name)
	if p == nil {
		if need.Name != g.need.Unique {
			g.bad(need.Name, fixCreate, "the property does not exist")
		}
		return
	}
	if p.ReadOnly && need.Name != g.need.Unique {
		g.bad(need.Name, "map another property, such as one of your own", "the property is read-only: HubSpot sets or calculates it")
	}
	if need.Type != "" && need.Type != p.Type {
		g.bad(need.Name, "give the map's value that type, or map another property", "the map writes %s, the property is %s", need.Type, p.Type)
	}
	if need.PHI && p.Plain() && !need.Waived {
		g.bad(need.Name, "create a sensitive property for it, or waive the protection by name in the map",
			"patient data into a property that everybody sees")
	}
	g.options(need, p)
}

// options checks what the map can write against what the account offers, with
// label or value as people and HubSpot call it.
func (g *guard) options(need *NeedProperty, p *schema.Property) {
	pipeline, stage := g.object.PipelineProperties()
	if len(need.Options) == 0 || need.Name == pipeline || need.Name == stage || p.Type != schema.Enumeration {
		return
	}
	var missing, offered []string
	for _, o := range p.Options {
		offered = append(offered, o.Label)
	}
	for _, want := range need.Options {
		if !slices.ContainsFunc(p.Options, func(o schema.Option) bool {
			return fold1(o.Label) == fold1(want) || fold1(o.Value) == fold1(want)
		}) {
			missing = append(missing, want)
		}
	}
	if len(missing) > 0 {
		g.bad(need.Name, "add the options in HubSpot (`chartwire check --create-properties` adds those of schemas/hubspot), or map the value to one that is there",
			"options missing: %s; there are: %s", strings.Join(missing, ", "), brief(offered))
	}
}

func (g *guard) pipeline(need *NeedPipeline) {
	property, stageProperty := g.object.PipelineProperties()
	i := slices.IndexFunc(g.object.Pipelines, func(p *schema.Pipeline) bool { return fold1(p.Label) == fold1(need.Label) })
	if i < 0 {
		var labels []string
		for _, p := range g.object.Pipelines {
			labels = append(labels, p.Label)
		}
		g.bad(property, fixCreate, "no pipeline %q; there are: %s", need.Label, brief(labels))
		return
	}
	var missing, offered []string
	for _, st := range g.object.Pipelines[i].Stages {
		offered = append(offered, st.Label)
	}
	for _, want := range need.Stages {
		if !slices.ContainsFunc(offered, func(l string) bool { return fold1(l) == fold1(want) }) {
			missing = append(missing, want)
		}
	}
	if len(missing) > 0 {
		g.bad(stageProperty, fixCreate, "pipeline %q lacks the stages %s; there are: %s", need.Label, strings.Join(missing, ", "), brief(offered))
	}
}

// required checks that new records have what HubSpot does not create them
// without.
func (g *guard) required() {
	if g.need.Update {
		return
	}
	for _, p := range g.object.Properties {
		if p.Required && !p.ReadOnly && p.Name != g.need.Unique &&
			!slices.ContainsFunc(g.need.Properties, func(np NeedProperty) bool { return np.Name == p.Name }) {
			g.bad(p.Name, "map the property, or have the account's administrator make it optional", "HubSpot creates no record without it, and the map does not write it")
		}
	}
}

// brief shows a list of labels, cut where it is long.
func brief(labels []string) string {
	const most = 12
	if len(labels) == 0 {
		return "none"
	}
	if len(labels) > most {
		return strings.Join(labels[:most], ", ") + fmt.Sprintf(" and %d more", len(labels)-most)
	}
	return strings.Join(labels, ", ")
}
