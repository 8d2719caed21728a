package mapping

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"

	"chartwire/cdc"
)

// Compile compiles all files together. The error is a [Problems].
func Compile(files []File, env Env) (*Program, error) {
	var problems Problems
	prog := &Program{}
	named := map[string]string{}
	for _, f := range files {
		m := readMap(f, &problems)
		if m == nil {
			continue
		}
		if first, ok := named[m.name.text]; ok && m.name.text != "" {
			m.bad(m.name.place, "the map `"+m.name.text+"` is already in "+first)
		}
		named[m.name.text] = f.Name
		for _, src := range m.sources(&env) {
			if c := m.check(&env, src); c != nil {
				prog.Maps = append(prog.Maps, c)
			}
		}
	}
	oneWriter(prog.Maps, &problems)
	if len(problems) > 0 {
		return nil, problems.sorted()
	}
	return prog, nil
}

// sources are the configured sources that the map's `source` names.
func (m *mapFile) sources(env *Env) []*Source {
	var out []*Source
	var names []string
	for i := range env.Sources {
		s := &env.Sources[i]
		if names = append(names, s.Name); s.Kind != "" && s.Kind != s.Name {
			names = append(names, s.Kind)
		}
		if m.source.text != "" && (s.Name == m.source.text || s.Kind == m.source.text) {
			out = append(out, s)
		}
	}
	if len(out) == 0 && m.source.text != "" {
		m.bad(m.source.place, "there is no source `"+m.source.text+"`; "+suggest(m.source.text, names, "there are "))
	}
	if len(out) > 1 {
		for _, s := range out {
			if !s.KeyPrefix {
				m.bad(m.source.place, fmt.Sprintf("%d sources are of the kind %s, and the same ids mean different things in them: set key_prefix for %s", len(out), m.source.text, s.Name))
			}
		}
	}
	return out
}

// Table returns a table of a source as the maps were compiled against it, nil if
// they read none of that name.
func (p *Program) Table(source string, id cdc.TableID) *cdc.Table {
	for _, m := range p.Maps {
		for _, n := range m.plan.nodes {
			if !n.absent() && n.source.Name == source && n.table.ID() == id {
				return n.table
			}
		}
		if w := m.While; w != nil && w.Source == source && w.Table == id {
			return w.plan.table
		}
	}
	return nil
}

// Selections returns the tables of a source that the maps read, with the
// columns they read.
func (p *Program) Selections(source string) []cdc.Selection {
	columns := map[cdc.TableID][]string{}
	add := func(src string, t *cdc.Table, names []string) {
		if src != source {
			return
		}
		cols := append(columns[t.ID()], names...)
		for _, k := range t.Key {
			cols = append(cols, t.Columns[k].Name)
		}
		columns[t.ID()] = cols
	}
	for _, m := range p.Maps {
		for _, n := range m.plan.nodes {
			if !n.absent() {
				add(n.source.Name, n.table, n.columns)
				add(n.source.Name, n.table, n.watch)
			}
		}
		if m.While != nil {
			add(m.While.Source, m.While.plan.table, m.While.plan.columns)
		}
	}
	var out []cdc.Selection
	for id, cols := range columns {
		slices.Sort(cols)
		out = append(out, cdc.Selection{Table: id, Columns: slices.Compact(cols)})
	}
	slices.SortFunc(out, func(a, b cdc.Selection) int { return strings.Compare(a.Table.String(), b.Table.String()) })
	return out
}

// Sinks returns the names of the sinks that the maps write to, in order.
func (p *Program) Sinks() []string {
	var out []string
	for _, m := range p.Maps {
		if m.plan.key != nil {
			out = append(out, m.plan.record.sink)
		}
		for _, r := range m.Rules {
			for _, a := range r.plan.then {
				out = append(out, a.target.sink)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Objects returns the destination objects that the maps write to, by sink: what
// the sink has to offer, in order.
func (p *Program) Objects(sink string) []string {
	var out []string
	add := func(t target) {
		if t.sink == sink {
			out = append(out, t.object)
		}
	}
	for _, m := range p.Maps {
		if m.plan.key != nil {
			add(m.plan.record)
		}
		for _, r := range m.Rules {
			for _, a := range r.plan.then {
				add(a.target)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// language is part of every fingerprint: it changes when the meaning of what
// is written changes.
const language = "1"

func (c *checker) fingerprint() string {
	h := sha256.New()
	p := c.plan
	put(h, language, p.source.Name, p.source.Zone.String(), p.prefix, p.table().ID().String(), c.where.String(), p.record.sink, p.record.object,
		p.record.property, c.mapFile.key.String(), c.onDelete.verb, c.onLeave.verb)
	for _, f := range slices.Concat(c.props, c.onDelete.set, c.onLeave.set) {
		c.putProperty(h, f, &p.record)
	}
	for i, name := range p.nodes[0].columns {
		put(h, name, p.nodes[0].types[i].String())
	}
	c.putJoins(h)
	for _, l := range c.links {
		put(h, "link", l.name.text, l.to.text, l.keyName.text, l.key.String(), l.each.String(), l.label.text)
	}
	if w := c.mapFile.while; w != nil {
		put(h, "while", fmt.Sprint(w.unless), w.source.text, w.table.text, w.where.String(), w.is.String())
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}

func (c *checker) putProperty(h io.Writer, f *propFile, t *target) {
	put(h, f.name.text, f.from.String(), fmt.Sprint(f.once, f.clear, f.backward))
	if f.is != nil {
		put(h, "is", f.is.text)
	}
	for _, v := range f.values {
		put(h, v.from.text, v.to.text)
	}
	if f.otherwise != nil {
		put(h, "otherwise", f.otherwise.text)
	}
	if f.valid != nil {
		put(h, "valid", f.valid.String())
	}
	if f.best != "" {
		put(h, f.best, f.goal.String())
	}
	if t.schema != nil {
		if def := t.schema.Property(f.name.text); def != nil {
			put(h, def.Type)
		}
	}
}

func (c *checker) ruleFingerprint(f *ruleFile) string {
	h := sha256.New()
	put(h, language, c.plan.source.Name, c.plan.source.Zone.String(), c.where.String(), f.when.String(), f.once.String())
	if f.each != nil {
		put(h, "each", f.each.String())
	}
	c.putJoins(h)
	return hex.EncodeToString(h.Sum(nil)[:12])
}

func put(h io.Writer, texts ...string) {
	for _, s := range texts {
		fmt.Fprintf(h, "%d:%s", len(s), s)
	}
}

// String is the formula in its canonical form; blanks and needless parentheses
// change no fingerprint.
func (f *formula) String() string {
	if f == nil || f.node == nil {
		return ""
	}
	return f.node.String()
}
