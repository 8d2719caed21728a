package mapping

import (
	"bytes"
	"strconv"
	"time"

	"chartwire/pipeline/mapping/expr"
	"chartwire/sinks"
)

// judge gives the verdict of each rule. An entity that is not present makes
// every condition false.
func (e *Evaluator) judge(now, was Truth) {
	if e.key == "" {
		return
	}
	for _, r := range e.m.Rules {
		v := Verdict{Rule: r, Once: e.key, Now: False}
		img := &e.now
		if !img.there {
			img = &e.before
		}
		if r.plan.once != nil && img.there {
			text, s := r.plan.once.Text(&img.frame)
			if s != expr.Known {
				continue // a key column is null: there is no such latch
			}
			v.Once = e.m.plan.prefix + string(text)
		}
		if r.Each {
			v.Now, v.Before = e.became(now, r), False
			e.out.Verdicts = append(e.out.Verdicts, v)
			continue
		}
		v.Now = and(now, r, &e.now)
		v.Before = Unknown
		if e.before.there {
			v.Before = and(was, r, &e.before)
		}
		if r.plan.fresh != nil && e.now.there {
			v.Date = r.plan.date(&e.now.frame)
		}
		e.out.Verdicts = append(e.out.Verdicts, v)
	}
}

// became says whether the value of a rule became another one and is not null.
// What no change of the source brought is none.
func (e *Evaluator) became(present Truth, r *Rule) Truth {
	if present != True {
		return present
	}
	if e.in.Reason != ReasonChange {
		return Unknown
	}
	value, s := r.plan.each.Text(&e.now.frame)
	switch {
	case s == expr.Unknown:
		return Unknown
	case s == expr.IsNull:
		return False
	case !e.before.there:
		return True
	}
	switch was, s := r.plan.each.Text(&e.before.frame); {
	case s == expr.Unknown:
		return Unknown
	case s == expr.Known && bytes.Equal(value, was):
		return False
	}
	return True
}

// and is the rule's condition for an entity that is or is not present.
func and(present Truth, r *Rule, img *image) Truth {
	if present != True {
		return present
	}
	return holds(r.plan.when, &img.frame)
}

// date is the row's own date, zero if it has none. A day counts to its end.
func (p *rulePlan) date(f *expr.Frame) time.Time {
	v, s := p.fresh.Int(f)
	if s != expr.Known {
		return time.Time{}
	}
	if p.day {
		v = expr.At((v+1)*86400e6, p.source.Zone)
	}
	return time.UnixMicro(v).UTC()
}

// Fire gives the mutations of the n-th firing of rule Verdicts[i], the same ones
// each time it is asked for the same n. Call it before the next Eval.
func (o *Output) Fire(i int, n int64) []sinks.Mutation {
	e, v := o.eval, &o.Verdicts[i]
	r := v.Rule
	key := r.plan.id + ":" + v.Once + ":" + strconv.FormatInt(n, 10)
	out := make([]sinks.Mutation, 0, len(r.plan.then))
	about := ""
	for k := range r.plan.then {
		a := &r.plan.then[k]
		key := key
		if a.key != nil {
			text, s := a.key.Text(&e.now.frame)
			if s != expr.Known || len(text) == 0 {
				continue // like an entity whose key is null: it has no record
			}
			key = e.m.plan.prefix + string(text)
		}
		m := e.record(a.target, key, ReasonRule)
		m.Map, m.Lane = r.plan.id, a.lane
		if !e.in.Commit.IsZero() {
			m.Due = e.in.Commit.Add(a.due)
		}
		for j := range a.props {
			p := &a.props[j]
			text, got := p.render(&e.now.frame, nil)
			if got != given {
				continue
			}
			m.Properties = append(m.Properties, sinks.Property{Name: p.name, State: sinks.Set, Value: string(text),
				Lane: a.lane, Changed: e.in.Commit, PHI: p.phi})
		}
		if a.target.sink != "notify" && about == "" {
			about = m.Record.ID()
		}
		out = append(out, *m)
	}
	if about == "" && e.m.plan.key != nil {
		about = sinks.Record{Object: e.m.plan.record.object, Property: e.m.plan.record.property, Key: e.key}.ID()
	}
	for k := range out {
		if out[k].Sink == "notify" && about != "" && !has(out[k].Properties, "about") {
			out[k].Properties = append(out[k].Properties, sinks.Property{Name: "about", State: sinks.Set, Value: about, Lane: out[k].Lane, Changed: e.in.Commit})
		}
	}
	return out
}

func has(props []sinks.Property, name string) bool {
	for i := range props {
		if props[i].Name == name {
			return true
		}
	}
	return false
}

// RuleID is the rule's name within the program, as in Mutation.Map.
func (r *Rule) RuleID() string { return r.plan.id }
