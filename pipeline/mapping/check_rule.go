package mapping

import (
	"time"

	"chartwire/pipeline/mapping/expr"
	"chartwire/sinks"
)

type rulePlan struct {
	id     string // map and rule: the first part of the keys it makes
	when   *expr.Expr
	each   *expr.Expr // the value as text, instead of when
	once   *expr.Expr // nil: once per record
	fresh  *expr.Expr
	day    bool // fresh is a date: it lasts to the day's end
	then   []actionPlan
	source *Source
}

type actionPlan struct {
	target target
	key    *expr.Expr // nil: numbered
	props  []propPlan
	lane   sinks.Lane
	due    time.Duration
}

func (c *checker) rule(f *ruleFile) *Rule {
	r := &Rule{Name: f.name.text, Lane: sinks.Backfill, plan: &rulePlan{id: c.name.text + "/" + f.name.text, source: c.plan.source}}
	for _, s := range f.spec {
		r.Spec = append(r.Spec, s.text)
	}
	if f.when != nil {
		r.plan.when = c.conditionIn(&scope{c: c, change: true}, f.when)
	}
	c.each(f, r)
	if f.once != nil {
		if e := c.compileIn(&scope{c: c, lasting: "what a latch is kept for"}, f.once); e != nil {
			if e.Type != expr.Text {
				c.bad(f.once.place, "`once per` is `record` or a text, and this is "+e.Type.String()+"; write text(x)")
			} else if c.joined() {
				c.bad(f.once.place, "an entity of several tables has one latch: write `once per: record`")
			} else if name := c.notKey(e); name != "" {
				c.bad(f.once.place, "`once per` reads the entity's key alone, and `"+name+"` is not in it: what changes is no latch")
			}
			r.plan.once = e
		}
	}
	c.fresh(f, r)
	made := map[string]bool{}
	for _, a := range f.then {
		if p, ok := c.action(a, r); ok {
			if made[p.target.sink+"."+p.target.object] {
				c.bad(a.record.place, "a rule makes one record of an object; a second one is a second rule")
			}
			made[p.target.sink+"."+p.target.object] = true
			r.plan.then = append(r.plan.then, p)
			r.Lane = min(r.Lane, p.lane)
		}
	}
	if r.Lane == sinks.Safety && f.fresh == nil && f.each == nil {
		c.bad(f.name.place, "a rule in the lane safety has `fresh: { by: … }`: the row's own date decides whether a row found by a first load still alarms")
	}
	r.Fingerprint = c.ruleFingerprint(f)
	return r
}

// each checks the value of which a rule fires at each change.
func (c *checker) each(f *ruleFile, r *Rule) {
	if f.each == nil {
		return
	}
	r.Each = true
	switch {
	case c.joined():
		c.bad(f.each.place, "an entity of several tables is looked at when it was quiet for a moment, not at each change of its rows; write `each` in a map of the one table")
		return
	case f.fresh != nil:
		c.bad(f.fresh.place, "`fresh` is about rows that a load finds, and these are no changes: `each` does not fire for them")
	}
	s := &scope{c: c, lasting: "what a source transaction changed"}
	if c.compileIn(s, f.each) == nil { // said of what is written, not of its text
		return
	}
	r.plan.each = c.compileIn(s, &formula{f.each.scalar, expr.AsText(f.each.node)})
}

func (c *checker) fresh(f *ruleFile, r *Rule) {
	if f.fresh == nil {
		return
	}
	r.Fresh = f.within
	e := c.compileIn(&scope{c: c, lasting: "the row's own date"}, f.fresh)
	if e == nil {
		return
	}
	switch e.Type {
	case expr.Instant:
	case expr.Date:
		r.plan.day = true
	case expr.DateTime:
		c.bad(f.fresh.place, "write utc(x) if the column holds UTC, local(x) if it holds the source's local time")
	default:
		c.bad(f.fresh.place, "`by` is an instant or a date, and this is "+e.Type.String())
	}
	r.plan.fresh = e
}

// actionKey checks the expression that the key of what a rule makes is.
func (c *checker) actionKey(f *actionFile) *expr.Expr {
	if f.key == nil {
		return nil
	}
	e := c.compileIn(&scope{c: c, change: true, lasting: "a record's key"}, f.key)
	if e == nil {
		return nil
	}
	if e.Type != expr.Text {
		c.bad(f.key.place, "a key is a text, and this is "+e.Type.String()+"; write text(x)")
	}
	if phi := c.phiColumn(e); phi != "" {
		c.bad(f.key.place, "the column "+phi+" is PHI and goes into no key: keys stand in URLs and errors")
	}
	return e
}

func (c *checker) action(f *actionFile, r *Rule) (actionPlan, bool) {
	p := actionPlan{lane: f.class.lane, due: f.class.after}
	if f.safety {
		p.lane, p.due = sinks.Safety, classes[0].after
	}
	if !c.findRecord(f.record, f.keyName, &p.target) {
		return p, false
	}
	if p.target.property == "" {
		c.bad(f.record.place, "`key` is missing; for example `key: chartwire_ticket_key`, a unique property: it makes a repeated write the same record")
	}
	p.key = c.actionKey(f)
	for _, x := range f.props {
		if x.once || x.clear || x.backward {
			c.bad(x.name.place, "a rule's record is written once: `write`, `on_null` and `backward` mean nothing here")
		}
		prop := c.property(x, &p.target)
		prop.lane, prop.due = p.lane, p.due
		p.props = append(p.props, prop)
	}
	c.required(f.record.place, &p.target, f.props, []string{p.target.property})
	return p, true
}
