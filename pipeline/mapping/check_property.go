package mapping

import (
	"slices"

	"chartwire/pipeline/mapping/expr"
	"chartwire/schemas/hubspot"
	"chartwire/sinks"
)

// property checks one property against the object it is written to.
func (c *checker) property(f *propFile, t *target) propPlan {
	p := propPlan{name: f.name.text, lane: f.class.lane, due: f.class.after, backward: f.backward, once: f.once, clear: f.clear, why: whyLong}
	for _, s := range f.spec {
		p.spec = append(p.spec, s.text)
	}
	if f.safety {
		p.lane, p.due = sinks.Safety, classes[0].after
	}
	def := t.schema.Property(f.name.text)
	if def == nil {
		c.bad(f.name.place, t.sink+"."+t.object+" has no property `"+f.name.text+"`; "+suggest(f.name.text, propertyNames(t.schema), "it has "))
		if f.from != nil {
			c.compile(f.from) // its mistakes are said too
		}
		return p
	}
	if def.ReadOnly {
		c.bad(f.name.place, "the property "+def.Name+" is read-only or calculated: HubSpot refuses writes to it")
	}
	if f.name.text == t.property {
		c.bad(f.name.place, "the property "+def.Name+" is the record's key and is written with it; leave it out here")
	}
	if f.backward && def.Name != "lifecyclestage" {
		c.bad(f.name.place, "`backward` is for lifecyclestage: of others HubSpot takes any change")
	}
	if f.is != nil {
		c.fixed(f, def, t, &p)
		return p
	}
	if f.from == nil {
		return p
	}
	if f.inRule && f.from.String() == recordKey {
		if p.render = renderRecordKey; def.Type != hubspot.String {
			c.bad(f.from.place, "the property "+def.Name+" is a "+def.Type+", and a record's key is a text")
		}
		return p
	}
	e := c.compileIn(&scope{c: c, change: f.inRule}, f.from)
	if e == nil {
		return p
	}
	p.columns = e.Columns
	p.nodes = c.plan.deciding(e.Columns)
	c.sensitivity(f, e, def, t, &p)
	var problem string
	if f.values != nil {
		c.values(f, e, def, &p)
	} else if p.render, problem = rendererFor(e, def); problem != "" {
		c.bad(f.from.place, problem)
	}
	if f.valid != nil {
		c.valid(f, &p)
	}
	c.best(f, def, &p)
	return p
}

// valid refuses values for which the property's own condition is not true.
func (c *checker) valid(f *propFile, p *propPlan) {
	cond := c.condition(f.valid)
	if cond == nil || p.render == nil {
		return
	}
	p.columns = append(slices.Clip(p.columns), cond.Columns...)
	slices.Sort(p.columns)
	p.columns = slices.Compact(p.columns)
	p.nodes |= c.plan.deciding(cond.Columns)
	if p.why == whyLong {
		p.why = whyValid
	} else {
		p.why += ", or does not meet `valid`"
	}
	p.render = renderValid(p.render, cond)
}

func propertyNames(o *hubspot.Object) []string {
	var out []string
	for _, p := range o.Properties {
		out = append(out, p.Name)
	}
	return out
}

func (c *checker) fixed(f *propFile, def *hubspot.Property, t *target, p *propPlan) {
	if f.values != nil {
		c.bad(f.valuesAt, "`values` belongs to `from`: a fixed value needs none")
	}
	pipeline, stage := t.schema.PipelineProperties()
	if def.Name == pipeline || def.Name == stage {
		plain := *def // its options are the pipelines and stages, looked up below
		plain.Options, def = nil, &plain
	}
	text, problem := fixedText(f.is.text, def)
	if problem == "" && def.Name == pipeline && t.schema.Pipeline(text) == nil {
		var names []string
		for _, pl := range t.schema.Pipelines {
			names = append(names, pl.Label)
		}
		problem = t.object + " have no pipeline `" + text + "`; " + suggest(text, names, "there are ")
	}
	if problem == "" && def.Name == stage && !hasStage(t.schema, text) {
		problem = "no pipeline of " + t.object + " has a stage `" + text + "`"
	}
	if problem != "" {
		c.bad(f.is.place, problem)
		return
	}
	p.render, p.fixed = renderFixed(text), text
}

func hasStage(o *hubspot.Object, label string) bool {
	return slices.ContainsFunc(o.Pipelines, func(p *hubspot.Pipeline) bool {
		return slices.ContainsFunc(p.Stages, func(s hubspot.Stage) bool { return s.Label == label })
	})
}

// sensitivity refuses PHI a place where everybody sees it.
func (c *checker) sensitivity(f *propFile, e *expr.Expr, def *hubspot.Property, t *target, p *propPlan) {
	column := c.phiColumn(e)
	p.phi = column != "" || f.phi != ""
	if !p.phi {
		return
	}
	what := "this"
	if column != "" {
		what = "the column " + column
	}
	switch {
	case t.sink == "notify" || def.Name == "subject":
		c.bad(f.from.place, what+" is PHI, and notifications and ticket subjects carry none: leave it out")
	case def.Plain() && f.phi != "waived":
		c.bad(f.from.place, what+" is PHI, and the property "+def.Name+" is not sensitive; choose a sensitive property, or write `phi: waived` if that is decided")
	case !def.Plain() && f.phi == "waived":
		c.bad(f.name.place, "the property "+def.Name+" is sensitive: there is nothing to waive")
	}
}

// values checks a table of source values.
func (c *checker) values(f *propFile, e *expr.Expr, def *hubspot.Property, p *propPlan) {
	if e.Type != expr.Text && e.Type != expr.Int && !e.Absent {
		c.bad(f.from.place, "`values` takes a text or an integer, and this is "+e.Type.String())
		return
	}
	table := map[string]string{}
	for _, v := range f.values {
		to, problem := fixedText(v.to.text, def)
		if problem != "" {
			c.bad(v.to.place, problem)
		}
		table[v.from.text] = to
	}
	p.why = whyValues
	otherwise, fallback := refused, ""
	switch {
	case f.otherwise == nil:
		c.bad(f.valuesAt, "what becomes of other values? write `otherwise: reject`, `keep`, `clear` or one of the property's values")
	case f.otherwise.text == "reject":
	case f.otherwise.text == "keep":
		otherwise = unknown
	case f.otherwise.text == "clear":
		otherwise = empty
	default:
		var problem string
		if fallback, problem = fixedText(f.otherwise.text, def); problem != "" {
			c.bad(f.otherwise.place, problem+"; or `reject`, `keep`, `clear`")
		}
		otherwise = given
	}
	if e.Absent {
		p.render, _ = rendererFor(e, def)
		return
	}
	p.render = renderValues(e, table, otherwise, fallback)
}

// required notes properties without which the destination refuses a new record.
func (c *checker) required(at place, t *target, props []*propFile, also []string) {
	stageOf := ""
	pipeline, stage := t.schema.PipelineProperties()
	for _, p := range props {
		also = append(also, p.name.text)
		if p.name.text == pipeline && p.is != nil {
			stageOf = p.is.text
		}
	}
	for _, p := range t.schema.Properties {
		if p.Required && !slices.Contains(also, p.Name) {
			c.bad(at, t.sink+"."+t.object+" needs the property "+p.Name+": a new record without it is refused")
		}
	}
	for _, p := range props {
		if p.name.text != stage || p.is == nil {
			continue
		}
		pl := t.schema.Pipeline(stageOf)
		switch {
		case stageOf == "":
			c.bad(p.name.place, "a stage belongs to a pipeline; write `"+pipeline+"` too")
		case pl != nil && hasStage(t.schema, p.is.text) && !slices.ContainsFunc(pl.Stages, func(s hubspot.Stage) bool { return s.Label == p.is.text }):
			var names []string
			for _, s := range pl.Stages {
				names = append(names, s.Label)
			}
			c.bad(p.is.place, "the pipeline "+stageOf+" has no stage `"+p.is.text+"`; "+suggest(p.is.text, names, "its stages are "))
		}
	}
}
