package mapping

import (
	"slices"
	"strings"
	"time"

	"chartwire/pipeline/mapping/expr"
	"chartwire/sinks"

	"github.com/goccy/go-yaml/ast"
)

// The written form of a map, as read from its file and not yet checked against
// tables and objects.

type mapFile struct {
	*reader
	name      scalar
	source    scalar
	root      scalar
	where     *formula
	joins     joinsFile
	while     *whileFile
	links     []*linkFile
	phi       []scalar
	record    scalar
	keyName   scalar
	key       *formula
	keySpec   []scalar
	class     class
	owner     scalar
	onDelete  policy
	onLeave   policy
	props     []*propFile
	rules     []*ruleFile
	examples  []*exampleFile
	instead   []pair
	placeOf   place
	entityPos place
}

// formula is an expression as written.
type formula struct {
	scalar
	node *expr.Node
}

// class is how stale a property may be.
type class struct {
	name  string
	after time.Duration
	lane  sinks.Lane
}

var classes = []class{
	{"realtime", 5 * time.Second, sinks.Realtime},
	{"5m", 5 * time.Minute, sinks.Routine},
	{"15m", 15 * time.Minute, sinks.Routine},
	{"30m", 30 * time.Minute, sinks.Routine},
	{"daily", 24 * time.Hour, sinks.Routine},
}

// policy is what happens to a record whose entity is gone.
type policy struct {
	place
	verb string // "keep", "archive" or "set"
	set  []*propFile
}

type propFile struct {
	name      scalar
	from      *formula
	is        *scalar
	values    []pair
	valuesAt  place
	otherwise *scalar
	valid     *formula
	once      bool
	best      string   // "", lowest or highest
	goal      *formula // which of the two is better, by the first value
	clear     bool     // on_null: clear
	class     class
	safety    bool
	phi       string // "", "yes" or "waived"
	backward  bool
	inRule    bool
	spec      []scalar
}

type pair struct{ from, to scalar }

type ruleFile struct {
	name   scalar
	when   *formula
	each   *formula // instead of when
	once   *formula // nil: once per record
	fresh  *formula
	within time.Duration
	spec   []scalar
	then   []*actionFile
}

type actionFile struct {
	record  scalar
	keyName scalar
	key     *formula // nil: numbered
	class   class
	safety  bool
	props   []*propFile
}

// readMap reads one file. What is wrong is noted; the map is nil if too
// little of it can be read to go on.
func readMap(f File, problems *Problems) *mapFile {
	r := &reader{f.Name, problems}
	o, ok := r.parse(f.Text)
	if !ok {
		return nil
	}
	m := &mapFile{reader: r, placeOf: o.place}
	if m.name, ok = o.text("map"); !ok {
		o.need("map", "map: om-aggregation/contacts")
	}
	if m.source, ok = o.text("source"); !ok {
		o.need("source", "source: om-aggregation")
	}
	if e, ok := o.object("entity"); ok {
		m.entityPos = e.place
		if m.root, ok = e.text("root"); !ok {
			e.need("root", "root: the table whose key is the entity's")
		}
		m.where = m.formula(e, "where")
		m.readJoins(e)
		e.done()
	} else {
		o.need("entity", "entity: { root: patient }")
	}
	m.readWhile(o)
	m.phi = o.texts("phi")
	if s, ok := o.text("lane"); ok {
		m.bad(s.place, "a map has no lane: `lane: safety` is said of properties and rules, one by one")
	}
	if m.record, ok = o.text("record"); ok {
		m.readRecord(o)
	}
	if p, ok := o.object("rules"); ok {
		m.readRules(p)
	} else if m.record.text == "" && !o.has("record") {
		o.need("record", "record: hubspot.contacts, or at least `rules`")
	}
	m.readInstead(o)
	for _, n := range o.list("examples") {
		if e, ok := r.object(n); ok {
			m.examples = append(m.examples, m.example(e))
		}
	}
	o.done()
	return m
}

// readRecord reads what only a map with a record of its own has; a map may also
// be made of rules alone.
func (m *mapFile) readRecord(o *object) {
	m.readKey(o)
	var ok bool
	if m.class, ok = m.readClass(o); !ok {
		o.need("class", "class: 5m")
	}
	m.owner, _ = o.text("owner")
	m.onDelete = m.policy(o, "on_delete")
	if m.onLeave = (policy{verb: "keep"}); m.where != nil || o.has("on_leave") {
		m.onLeave = m.policy(o, "on_leave")
	}
	if p, ok := o.object("properties"); ok {
		m.props = m.properties(p, m.class, false)
	} else {
		o.need("properties", "properties: { firstname: { from: FName } }")
	}
	m.readLinks(o)
}

// readInstead reads the requirements that are met otherwise, or not yet, with
// the reason.
func (m *mapFile) readInstead(o *object) {
	v, ok := o.object("instead")
	if !ok {
		return
	}
	for _, e := range v.keys {
		if s, ok := m.scalar(e.node); ok {
			m.instead = append(m.instead, pair{e.scalar, s})
		}
	}
}

func (m *mapFile) readKey(o *object) {
	k, ok := o.object("key")
	if !ok {
		o.need("key", "key: { open_medical_patient_id: text(PatNum) }")
		return
	}
	if len(k.keys) != 1 {
		m.bad(k.place, "a record has one key: `unique_property: expression`")
		return
	}
	m.keyName = k.keys[0].scalar
	if _, ok := k.keys[0].node.(*ast.MappingNode); ok { // with the requirements that it fulfils
		body, _ := k.object(m.keyName.text)
		if m.key = m.formula(body, "from"); m.key == nil && !body.has("from") {
			body.need("from", "from: text(PatNum)")
		}
		m.keySpec = body.texts("spec")
		body.done()
		return
	}
	m.key = m.formula(k, m.keyName.text)
}

func (m *mapFile) formula(o *object, key string) *formula {
	s, ok := o.text(key)
	if !ok {
		return nil
	}
	return m.parseFormula(s)
}

func (m *mapFile) parseFormula(s scalar) *formula {
	node, err := expr.Parse(s.text)
	if err != nil {
		if e, ok := err.(*expr.Error); ok && s.plain && e.Pos == len(s.text) && strings.Contains(s.text, "(") {
			err = &expr.Error{Pos: e.Pos, Text: e.Text + "; within { } YAML ends a value at a comma: put the expression in quotes '…'"}
		}
		m.badExpr(s, err)
		return nil
	}
	return &formula{s, node}
}

func (m *mapFile) badExpr(s scalar, err error) {
	if e, ok := err.(*expr.Error); ok {
		m.bad(s.at(s.text, e.Pos), e.Text)
	}
}

func (m *mapFile) readClass(o *object) (class, bool) {
	s, ok := o.text("class")
	if !ok {
		return class{}, false
	}
	i := slices.IndexFunc(classes, func(c class) bool { return c.name == s.text })
	if i < 0 {
		m.bad(s.place, "unknown class `"+s.text+"`; classes are realtime, 5m, 15m, 30m, daily")
		return class{}, true
	}
	return classes[i], true
}

func (m *mapFile) policy(o *object, key string) policy {
	n, p, ok := o.take(key)
	if !ok {
		o.need(key, key+": archive")
		return policy{}
	}
	const right = "`keep`, `archive` or `{ set: { property: value } }`"
	if s, ok := n.(interface{ GetValue() any }); ok {
		if verb, _ := s.GetValue().(string); verb == "keep" || verb == "archive" {
			return policy{place: p, verb: verb}
		}
		m.bad(placeOf(n), "`"+key+"` is "+right)
		return policy{}
	}
	v, ok := m.object(n)
	if !ok {
		return policy{}
	}
	set, ok := v.object("set")
	v.done()
	if !ok {
		m.bad(v.place, "`"+key+"` is "+right)
		return policy{}
	}
	out := policy{place: p, verb: "set"}
	for _, e := range set.keys {
		val, ok := m.scalar(e.node)
		switch {
		case ok && val.null:
			out.set = append(out.set, &propFile{name: e.scalar, clear: true, class: m.class})
		case ok:
			out.set = append(out.set, &propFile{name: e.scalar, is: &val, class: m.class})
		}
	}
	return out
}

// properties reads the properties of a map, or of a record that a rule makes.
func (m *mapFile) properties(o *object, def class, inRule bool) []*propFile {
	var out []*propFile
	for _, e := range o.keys {
		body, ok := m.object(e.node)
		if !ok {
			continue
		}
		p := &propFile{name: e.scalar, class: def, inRule: inRule}
		p.from = m.formula(body, "from")
		if n, _, ok := body.take("is"); ok {
			if s, ok := m.scalar(n); ok {
				p.is = &s
			}
		}
		if _, fromThere, _ := body.take("from"); (fromThere == place{}) == (p.is == nil) {
			m.bad(e.place, "a property has either `from` (an expression) or `is` (a fixed value)")
		}
		m.readValues(body, p)
		p.spec = body.texts("spec")
		m.choice(body, "phi", []string{"yes", "waived"}, func(s string) { p.phi = s })
		if !inRule {
			p.valid = m.formula(body, "valid")
			m.choice(body, "write", []string{"once", lowest, highest}, func(s string) {
				if p.once = s == "once"; !p.once {
					p.best = s
				}
			})
			p.goal = m.formula(body, "goal")
			m.choice(body, "on_null", []string{"clear", "keep"}, func(s string) { p.clear = s == "clear" })
			m.choice(body, "backward", []string{"clear_then_set"}, func(string) { p.backward = true })
			m.choice(body, "lane", []string{"safety"}, func(string) { p.safety = true })
			if c, ok := m.readClass(body); ok {
				p.class = c
			}
			if p.valid != nil && p.is != nil {
				m.bad(p.valid.place, "`valid` is said of what the source gives, and this is a fixed value")
			}
			if (p.once || p.best != "") && p.clear {
				m.bad(e.place, "`write: once`, `lowest` and `highest` never clear; leave out `on_null: clear`")
			}
			if p.best != "" && p.is != nil {
				m.bad(e.place, "of a fixed value none is better; leave out `write`")
			}
			if p.goal != nil && p.best == "" {
				m.bad(p.goal.place, "`goal` is said beside `write: lowest` or `write: highest`: it is where their values are to go")
			}
		}
		body.done()
		out = append(out, p)
	}
	return out
}

func (m *mapFile) readValues(body *object, p *propFile) {
	if v, ok := body.object("values"); ok {
		p.valuesAt = v.place
		for _, e := range v.keys {
			if to, ok := m.scalar(e.node); ok {
				p.values = append(p.values, pair{e.scalar, to})
			}
		}
	}
	if s, ok := body.text("otherwise"); ok {
		p.otherwise = &s
		if p.values == nil {
			m.bad(s.place, "`otherwise` is said beside `values`")
		}
	}
}

// choice reads a key that has few values.
func (m *mapFile) choice(o *object, key string, right []string, set func(string)) {
	s, ok := o.text(key)
	if !ok {
		return
	}
	if !slices.Contains(right, s.text) {
		m.bad(s.place, "`"+key+"` is "+strings.Join(right, " or ")+", not `"+s.text+"`")
		return
	}
	set(s.text)
}
