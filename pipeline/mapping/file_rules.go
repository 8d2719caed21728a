package mapping

import (
	"regexp"
	"time"

	"chartwire/pipeline/mapping/expr"

	"github.com/goccy/go-yaml/ast"
)

// defaultFresh is how old a result read by a snapshot may be and still alarm.
const defaultFresh = 72 * time.Hour

var ruleName = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)

func (m *mapFile) readRules(o *object) {
	for _, e := range o.keys {
		body, ok := m.object(e.node)
		if !ok {
			continue
		}
		r := &ruleFile{name: e.scalar}
		if !ruleName.MatchString(e.text) {
			m.bad(e.place, "a rule's name is lower-case letters, digits and `-`: it is part of ticket keys and never changes")
		}
		r.when, r.each = m.formula(body, "when"), m.formula(body, "each")
		switch both := body.has("when") && body.has("each"); {
		case both:
			m.bad(e.place, "a rule has either `when` (a condition that becomes true) or `each` (a value that becomes another one)")
		case !body.has("when") && !body.has("each"):
			body.need("when", "when: money(BalTotal) > 500")
		}
		if s, ok := body.text("once per"); ok && s.text != "record" {
			r.once = m.formula(body, "once per")
		}
		m.readFresh(body, r)
		r.spec = body.texts("spec")
		for _, n := range body.list("then") {
			if a, ok := m.object(n); ok {
				r.then = append(r.then, m.action(a))
			}
		}
		if len(r.then) == 0 {
			body.need("then", "then: [ { create: hubspot.tickets, … } ]")
		}
		body.done()
		m.rules = append(m.rules, r)
	}
}

func (o *object) has(key string) bool {
	for _, e := range o.keys {
		if e.text == key {
			return true
		}
	}
	return false
}

func (m *mapFile) readFresh(body *object, r *ruleFile) {
	f, ok := body.object("fresh")
	if !ok {
		return
	}
	r.within = defaultFresh
	if r.fresh = m.formula(f, "by"); r.fresh == nil && !f.has("by") {
		f.need("by", "by: local(test_date)")
	}
	if s, ok := f.text("within"); ok {
		d, err := time.ParseDuration(s.text)
		if err != nil || d <= 0 {
			m.bad(s.place, "`within` is a length of time, such as 72h")
		}
		r.within = d
	}
	f.done()
}

func (m *mapFile) action(o *object) *actionFile {
	a := &actionFile{}
	var ok bool
	if a.record, ok = o.text("create"); !ok {
		o.need("create", "create: hubspot.tickets")
	}
	m.actionKey(o, a)
	if a.class, ok = m.readClass(o); !ok {
		a.class = classes[0]
	}
	m.choice(o, "lane", []string{"safety"}, func(string) { a.safety = true })
	if p, ok := o.object("properties"); ok {
		a.props = m.properties(p, a.class, true)
	} else {
		o.need("properties", "properties: { subject: { is: Balance over 500 } }")
	}
	o.done()
	return a
}

// actionKey reads the property that holds the key of what a rule makes, and the
// expression for it where it is not the number of the firing.
func (m *mapFile) actionKey(o *object, a *actionFile) {
	n, _, ok := o.take("key")
	if !ok {
		return
	}
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
	default:
		a.keyName, _ = o.text("key")
		return
	}
	k, ok := m.object(n)
	if !ok || len(k.keys) != 1 {
		m.bad(o.place, "a record has one key: `unique_property: expression`")
		return
	}
	a.keyName = k.keys[0].scalar
	a.key = m.formula(k, a.keyName.text)
}

// exampleFile is one example: rows in, a record out.
type exampleFile struct {
	place
	name   scalar
	rows   []rowFile
	before []rowFile
	reason scalar
	// today and yesterday are the day that it is and the one by which the entity
	// was last mapped; 0: not said.
	today, yesterday int64
	gives            *givesFile
	lane             scalar
	fires            []firesFile
	none             bool // fires: nothing
	ruled            bool // fires is there
	lacks            []scalar
	old              scalar   // key of the record that the entity had
	flags            []scalar // aliases of what was decided by rule
	flat             bool     // flags is there
}

// givesFile is the expected record: verb "record", or one of Outside's words.
type givesFile struct {
	place
	verb   string
	values []pair
	links  []givenLink
}

// givenLink is what the links of one name are expected to be; no keys: none.
type givenLink struct {
	name scalar
	keys []scalar
}

type firesFile struct {
	rule    scalar
	records []firedFile
}

type firedFile struct {
	record scalar
	values []pair
}

type rowFile struct {
	place
	table scalar
	cells []pair
}

// verbs are what an example may give instead of a record.
var verbs = map[string]bool{"nothing": true, "archived": true}

func (m *mapFile) example(o *object) *exampleFile {
	e := &exampleFile{place: o.place}
	var ok bool
	if e.name, ok = o.text("name"); !ok {
		o.need("name", "name: a patient without a phone")
	}
	e.rows = m.rowsOf(o, "rows")
	e.before = m.rowsOf(o, "before")
	e.reason, _ = o.text("reason")
	today, _ := o.text("today")
	yesterday, _ := o.text("yesterday")
	e.today, e.yesterday = m.day(today), m.day(yesterday)
	if e.yesterday != 0 && e.today <= e.yesterday {
		m.bad(yesterday.place, "`yesterday` is a day before `today`")
	}
	e.lane, _ = o.text("lane")
	e.lacks = o.texts("refuses")
	e.old, _ = o.text("old")
	e.flat = o.has("flags")
	e.flags = o.texts("flags")
	if n, p, ok := o.take("gives"); ok {
		e.gives = &givesFile{place: p, verb: "record"}
		if s, ok := n.(*ast.StringNode); ok {
			e.gives.verb = s.Value
			if !verbs[s.Value] {
				m.bad(placeOf(n), "`gives` is `nothing`, `archived` or the properties of a record")
			}
		} else if v, ok := m.object(n); ok {
			e.gives.links = m.givenLinks(v)
			e.gives.values = m.pairs(v)
		}
	}
	if n, _, ok := o.take("fires"); ok {
		e.ruled = true
		if s, ok := n.(*ast.StringNode); ok && s.Value == "nothing" {
			e.none = true
		} else if v, ok := m.object(n); ok {
			e.fires = m.firings(v)
		}
	}
	if e.gives == nil && !e.ruled {
		o.need("gives", "gives: { key: \"71\", firstname: Ann }")
	}
	o.done()
	return e
}

// day reads a day of an example; 0 if there is none.
func (m *mapFile) day(s scalar) int64 {
	if s.text == "" {
		return 0
	}
	d, ok := expr.ParseDate(s.text)
	if !ok {
		m.bad(s.place, "a day looks like 2026-01-31")
	}
	return d
}

func (m *mapFile) pairs(o *object) []pair {
	var out []pair
	for _, e := range o.keys {
		if e.used {
			continue
		}
		if v, ok := m.scalar(e.node); ok {
			out = append(out, pair{e.scalar, v})
		}
	}
	return out
}

// givenLinks takes the links out of what an example gives, where the map has
// some: else the word is a property's.
func (m *mapFile) givenLinks(o *object) []givenLink {
	if len(m.links) == 0 {
		return nil
	}
	links, ok := o.object("links")
	if !ok {
		return nil
	}
	var out []givenLink
	for _, e := range links.keys {
		g := givenLink{name: e.scalar}
		for _, s := range links.texts(e.text) {
			if !s.null {
				g.keys = append(g.keys, s)
			}
		}
		out = append(out, g)
	}
	return out
}

func (m *mapFile) rowsOf(o *object, key string) []rowFile {
	tables, ok := o.object(key)
	if !ok {
		return nil
	}
	var out []rowFile
	for _, t := range tables.keys {
		list, ok := t.node.(*ast.SequenceNode)
		if !ok {
			m.bad(t.place, "the rows of a table are a list: `- { column: value }`")
			continue
		}
		for _, n := range list.Values {
			if row, ok := m.object(n); ok {
				out = append(out, rowFile{placeOf(n), t.scalar, m.pairs(row)})
			}
		}
	}
	return out
}

func (m *mapFile) firings(o *object) []firesFile {
	var out []firesFile
	for _, rule := range o.keys {
		f := firesFile{rule: rule.scalar}
		if records, ok := m.object(rule.node); ok {
			for _, rec := range records.keys {
				if v, ok := m.object(rec.node); ok {
					f.records = append(f.records, firedFile{rec.scalar, m.pairs(v)})
				}
			}
		}
		out = append(out, f)
	}
	return out
}
