package mapping

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"chartwire/cdc"
	"chartwire/pipeline/mapping/expr"
	"chartwire/schemas/hubspot"
	"chartwire/sinks"
)

// plan is a map that was checked: all that evaluation needs.
type plan struct {
	file    *mapFile
	source  *Source
	table   *cdc.Table // as it was when compiled
	columns []string   // the columns read, by their number in expressions
	types   []expr.Type
	where   *expr.Expr // nil: all rows
	record  target
	key     *expr.Expr
	prefix  string
	props   []propPlan
	read    []int // the columns of all props

	onDelete, onLeave policyPlan
}

// target is where records are written.
type target struct {
	sink, object, property string
	schema                 *hubspot.Object
}

type propPlan struct {
	name     string
	render   renderer
	columns  []int
	lane     sinks.Lane
	due      time.Duration
	phi      bool
	backward bool
	once     bool
	clear    bool
	why      string // of a refusal
	fixed    string // the value, where it is always this one
	spec     []string
}

type policyPlan struct {
	verb string
	set  []propPlan
}

// checker checks one map file for one source. It is the scope of the map's
// expressions.
type checker struct {
	*mapFile
	env  *Env
	plan *plan
	phi  []string
}

// check gives the map, or nil; either way what is wrong is noted.
func (m *mapFile) check(env *Env, src *Source) *Map {
	c := &checker{mapFile: m, env: env, plan: &plan{file: m, source: src}}
	if src.Zone == nil {
		m.bad(m.source.place, "the source "+src.Name+" has no time zone: DATETIME columns mean nothing without")
		return nil
	}
	if src.KeyPrefix {
		c.plan.prefix = src.Name + ":"
	}
	if !c.findTable() {
		return nil
	}
	c.checkPHI()
	if m.where != nil {
		c.plan.where = c.condition(m.where)
	}
	ok := c.findRecord(m.record, m.keyName, &c.plan.record)
	if m.record.text == "" {
		c.rulesOnly()
	}
	c.checkKey()
	for _, p := range m.props {
		if ok {
			c.plan.props = append(c.plan.props, c.property(p, &c.plan.record))
		}
	}
	if ok {
		c.required(m.record.place, &c.plan.record, m.props, []string{m.keyName.text})
		c.plan.onDelete, c.plan.onLeave = c.policy(m.onDelete), c.policy(m.onLeave)
	}
	for _, p := range c.plan.props {
		c.plan.read = append(c.plan.read, p.columns...)
	}
	slices.Sort(c.plan.read)
	c.plan.read = slices.Compact(c.plan.read)
	out := &Map{Name: m.name.text, Source: src.Name, Table: c.plan.table.ID(), plan: c.plan}
	for _, r := range m.rules {
		out.Rules = append(out.Rules, c.rule(r))
	}
	out.Fingerprint = c.fingerprint()
	return out
}

func (c *checker) findTable() bool {
	var names []string
	var found []*cdc.Table
	for _, t := range c.env.Tables {
		if t.Source != c.plan.source.Name {
			continue
		}
		names = append(names, t.Name)
		if t.Name == c.root.text || t.ID().String() == c.root.text {
			found = append(found, t)
		}
	}
	switch {
	case c.root.text == "":
		return false
	case len(found) == 0:
		c.bad(c.root.place, "the source "+c.plan.source.Name+" has no table `"+c.root.text+"`; "+suggest(c.root.text, names, "there are "))
		return false
	case len(found) > 1:
		c.bad(c.root.place, "the source "+c.plan.source.Name+" has several tables `"+c.root.text+"`; write `database.table`")
		return false
	case len(found[0].Key) == 0:
		c.bad(c.root.place, "the table `"+c.root.text+"` has no primary key, so its rows are no entities")
		return false
	}
	c.plan.table = found[0]
	return true
}

// Column implements expr.Scope.
func (c *checker) Column(path string) (int, *cdc.Type, string) {
	name := path
	if first, rest, dotted := strings.Cut(path, "."); dotted {
		if first != "root" {
			return 0, nil, "the entity has no part `" + first + "`; a column of the row at hand is a bare name"
		}
		name = rest
	}
	i := c.plan.table.Column(name)
	if i < 0 {
		return 0, nil, fmt.Sprintf("the table %s has no column `%s`; %s", c.plan.table.Name, name, suggest(name, columnNames(c.plan.table), "it has "))
	}
	t := &c.plan.table.Columns[i].Type
	if n := slices.Index(c.plan.columns, name); n >= 0 {
		return n, t, ""
	}
	c.plan.columns = append(c.plan.columns, name)
	c.plan.types = append(c.plan.types, expr.TypeOf(t))
	return len(c.plan.columns) - 1, t, ""
}

// Zone implements expr.Scope.
func (c *checker) Zone() *time.Location { return c.plan.source.Zone }

func columnNames(t *cdc.Table) []string {
	var out []string
	for i := range t.Columns {
		out = append(out, t.Columns[i].Name)
	}
	return out
}

func (c *checker) compile(f *formula) *expr.Expr {
	e, errs := expr.Compile(f.node, c)
	for _, err := range errs {
		c.badExpr(f.scalar, err)
	}
	if len(errs) > 0 {
		return nil
	}
	return e
}

func (c *checker) condition(f *formula) *expr.Expr {
	e := c.compile(f)
	if e != nil && e.Type != expr.Bool {
		c.bad(f.place, "a condition is expected, and this is "+e.Type.String()+"; for a flag write x != 0")
		return nil
	}
	return e
}

func (c *checker) checkPHI() {
	for _, s := range c.mapFile.phi {
		if c.plan.table.Column(s.text) < 0 {
			c.bad(s.place, "`phi` names columns, and the table "+c.plan.table.Name+" has no `"+s.text+"`; "+suggest(s.text, columnNames(c.plan.table), "it has "))
		}
		c.phi = append(c.phi, s.text)
	}
}

// phiColumn returns the first PHI column that an expression reads, or "".
func (c *checker) phiColumn(e *expr.Expr) string {
	for _, n := range e.Columns {
		if slices.Contains(c.phi, c.plan.columns[n]) {
			return c.plan.columns[n]
		}
	}
	return ""
}

// findRecord finds the object that a record belongs to and its unique property.
func (c *checker) findRecord(record, key scalar, t *target) bool {
	if record.text == "" {
		return false
	}
	var known []string
	schemas := map[string]*hubspot.Schema{"notify": notifySchema}
	for sink, s := range c.env.Objects {
		schemas[sink] = s
	}
	for sink, s := range schemas {
		for _, o := range s.Objects {
			name := sink + "." + o.Name
			if known = append(known, name); name == record.text {
				t.sink, t.object, t.schema = sink, o.Name, o
			}
		}
	}
	if t.schema == nil {
		slices.Sort(known)
		c.bad(record.place, "there is no destination `"+record.text+"`; "+suggest(record.text, known, "there are "))
		return false
	}
	if t.sink == "notify" && key.text == "" {
		t.property = notifyKey
		return true
	}
	if key.text == "" {
		return true // noted where it was read
	}
	var unique []string
	for _, p := range t.schema.Properties {
		if p.Unique && !p.ReadOnly {
			unique = append(unique, p.Name)
		}
	}
	t.property = key.text
	p := t.schema.Property(key.text)
	switch {
	case p == nil:
		c.bad(key.place, record.text+" has no property `"+key.text+"`; "+suggest(key.text, unique, "its unique properties are "))
	case !slices.Contains(unique, key.text):
		c.bad(key.place, "the property "+key.text+" is not unique, so it is no key; unique are "+strings.Join(unique, ", "))
	case p.Type != hubspot.String:
		c.bad(key.place, "a key is a string property, and "+key.text+" is a "+p.Type)
	case p.Name == "email":
		c.bad(key.place, "email is no key: families share addresses, and addresses change")
	}
	return true
}

// rulesOnly checks a map without a record: its latches are named by the row's key.
func (c *checker) rulesOnly() {
	for _, i := range c.plan.table.Key {
		if name := c.plan.table.Columns[i].Name; slices.Contains(c.phi, name) {
			c.bad(c.root.place, "the column "+name+" of the primary key is PHI, and the keys of what the rules make would hold it")
		}
	}
}

func (c *checker) checkKey() {
	if c.mapFile.key == nil {
		return
	}
	e := c.compile(c.mapFile.key)
	if e == nil {
		return
	}
	if e.Type != expr.Text {
		c.bad(c.mapFile.key.place, "a key is a text, and this is "+e.Type.String()+"; write text(x)")
		return
	}
	if name := c.notKey(e); name != "" {
		c.bad(c.mapFile.key.place, "a record's key is made of the entity's key alone, so that it never changes; `"+name+"` is not in the primary key of "+c.plan.table.Name)
	}
	if phi := c.phiColumn(e); phi != "" {
		c.bad(c.mapFile.key.place, "the column "+phi+" is PHI and goes into no key: keys stand in URLs and errors")
	}
	c.plan.key = e
}

// notKey returns a column that the expression reads and that is not part of
// the table's key, or "".
func (c *checker) notKey(e *expr.Expr) string {
	for _, n := range e.Columns {
		if i := c.plan.table.Column(c.plan.columns[n]); !slices.Contains(c.plan.table.Key, i) {
			return c.plan.columns[n]
		}
	}
	return ""
}

func (c *checker) policy(p policy) policyPlan {
	out := policyPlan{verb: p.verb}
	for _, f := range p.set {
		out.set = append(out.set, c.property(f, &c.plan.record))
	}
	return out
}
