package mapping

import (
	"slices"

	"chartwire/pipeline/mapping/expr"
	"chartwire/sinks"
)

// linkPlan is a link that was checked.
type linkPlan struct {
	name, label string
	to          target
	key         *expr.Expr // nil with each
	each        *expr.Each
	nodes       uint64
}

// link checks one link.
func (c *checker) link(f *linkFile) {
	if f.key == nil || f.to.text == "" {
		return // noted where it was read
	}
	p := linkPlan{name: f.name.text, label: f.label.text}
	if !c.findRecord(f.to, f.keyName, &p.to) {
		return
	}
	if own := c.plan.record.sink; own != "" && p.to.sink != own {
		c.bad(f.to.place, "a link goes to a record of the same destination, "+own)
	}
	e := c.linkKey(f, &p)
	if e == nil {
		return
	}
	if column := c.phiColumn(e); column != "" {
		c.bad(f.key.place, "the column "+column+" is PHI and goes into no key: keys stand in URLs and errors")
	}
	p.nodes = c.plan.deciding(e.Columns)
	c.plan.links = append(c.plan.links, p)
}

// linkKey compiles the other record's key.
func (c *checker) linkKey(f *linkFile, p *linkPlan) *expr.Expr {
	if f.each != nil {
		each, errs := expr.CompileEach(f.each.node, f.key.node, c.linkScope())
		for _, err := range errs {
			at := f.key
			if err.Rows {
				at = f.each
			}
			c.badExpr(at.scalar, err)
		}
		if p.each = each; each == nil {
			return nil
		}
		return each.Expr
	}
	e := c.compileIn(c.linkScope(), f.key)
	if e != nil && e.Type != expr.Text && !e.Absent {
		c.bad(f.key.place, "a key is a text, and this is "+e.Type.String()+"; write text(x)")
		return nil
	}
	p.key = e
	return e
}

// linkScope is where a link's key stands.
func (c *checker) linkScope() *scope { return &scope{c: c, lasting: "a link's key"} }

// appendLinks appends what the entity's links are. What is unknown is left out.
func (e *Evaluator) appendLinks(out []sinks.Link) []sinks.Link {
	for i := range e.m.plan.links {
		p := &e.m.plan.links[i]
		start := len(out)
		add := func(key []byte) {
			out = append(out, sinks.Link{Name: p.name, Label: p.label, State: sinks.Set,
				To: sinks.Record{Object: p.to.object, Property: p.to.property, Key: e.m.plan.prefix + string(key)}})
		}
		f := &e.now.frame
		f.Arena = f.Arena[:0]
		state := expr.Known
		if p.each != nil {
			state = p.each.Texts(f, add)
		} else if key, s := p.key.Text(f); s == expr.Known && len(key) > 0 {
			add(key)
		} else {
			state = s
		}
		if state == expr.Unknown {
			out = out[:start]
			continue
		}
		if len(out) == start {
			out = append(out, sinks.Link{Name: p.name, Label: p.label, State: sinks.Clear, To: sinks.Record{Object: p.to.object, Property: p.to.property}})
			continue
		}
		out = once(out, start)
	}
	return out
}

// once takes out what a link names a second time.
func once(links []sinks.Link, start int) []sinks.Link {
	if len(links)-start < 2 {
		return links
	}
	seen := make(map[string]bool, len(links)-start)
	return append(links[:start], slices.DeleteFunc(links[start:], func(l sinks.Link) bool {
		again := seen[l.To.Key]
		seen[l.To.Key] = true
		return again
	})...)
}

// LinkNeed is one link that a map writes: what a sink compares with the
// account before anything is sent.
type LinkNeed struct {
	Map, Name string
	From, To  string // objects
	Label     string
}

// Links returns the links that the maps write at a sink, in their order.
func (p *Program) Links(sink string) []LinkNeed {
	var out []LinkNeed
	for _, m := range p.Maps {
		for _, l := range m.plan.links {
			if l.to.sink == sink {
				out = append(out, LinkNeed{m.Name, l.name, m.plan.record.object, l.to.object, l.label})
			}
		}
	}
	return out
}
