package mapping

import (
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
	file   *mapFile
	source *Source
	nodes  []*nodePlan // nodes[0] is the root
	refs   []ref       // by number in expressions; of a map of one table these are nodes[0].columns
	where  *expr.Expr  // nil: all rows
	latest []func(*expr.Frame) (expr.Rank, expr.State)
	record target
	key    *expr.Expr
	prefix string
	props  []propPlan
	read   []int // the columns of all props
	links  []linkPlan
	clock  bool // an expression reads the day

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
	nodes    uint64 // bits of the nodes that decide it, of a joined map
	lane     sinks.Lane
	due      time.Duration
	phi      bool
	backward bool
	once     bool
	best     string   // "", lowest or highest
	goal     renderer // nil: none
	// goalColumns are the columns that goal reads.
	goalColumns []int
	typ         string // hubspot's, of one with best
	clear       bool
	why         string // of a refusal
	fixed       string // the value, where it is always this one
	spec        []string
}

type policyPlan struct {
	verb string
	set  []propPlan
}

// checker checks one map file for one source.
type checker struct {
	*mapFile
	env  *Env
	plan *plan
	phi  []string // identities of columns
	// keyed says that an expression names guests: the site's key is part of
	// what the map means.
	keyed bool
}

func (c *checker) siteKey() []byte {
	c.keyed = true
	return c.env.SiteKey
}

// table is the root's, as it was when compiled.
func (p *plan) table() *cdc.Table { return p.nodes[0].table }

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
	root := c.findTable(m.root, src)
	if root == nil {
		return nil
	}
	c.plan.nodes = []*nodePlan{{alias: "root", source: src, table: root, parent: -1, parentSlot: -1}}
	joined := c.checkNodes()
	c.checkPHI()
	c.checkGroup()
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
	out := &Map{Name: m.name.text, Source: src.Name, Table: root.ID(), While: c.checkWhile(), plan: c.plan}
	for _, l := range m.links {
		c.link(l)
	}
	for _, r := range m.rules {
		out.Rules = append(out.Rules, c.rule(r))
	}
	if joined {
		c.finishJoined(out)
	}
	out.Fingerprint = c.fingerprint()
	return out
}

// findTable finds a table that is written by its name, with its database if
// need be. What is wrong is noted.
func (c *checker) findTable(name scalar, src *Source) *cdc.Table {
	var names []string
	var found []*cdc.Table
	for _, t := range c.env.Tables {
		if t.Source != src.Name {
			continue
		}
		names = append(names, t.Name)
		if t.Name == name.text || t.ID().String() == name.text {
			found = append(found, t)
		}
	}
	switch {
	case name.text == "":
		return nil
	case len(found) == 0:
		c.bad(name.place, "the source "+src.Name+" has no table `"+name.text+"`; "+suggest(name.text, names, "there are "))
		return nil
	case len(found) > 1:
		c.bad(name.place, "the source "+src.Name+" has several tables `"+name.text+"`; write `database.table`")
		return nil
	case len(found[0].Key) == 0:
		c.bad(name.place, "the table `"+name.text+"` has no primary key, so its rows are no entities")
		return nil
	}
	return found[0]
}

func columnNames(t *cdc.Table) []string {
	var out []string
	for i := range t.Columns {
		out = append(out, t.Columns[i].Name)
	}
	return out
}

func (c *checker) compile(f *formula) *expr.Expr { return c.compileIn(&scope{c: c}, f) }

func (c *checker) compileIn(s expr.Scope, f *formula) *expr.Expr {
	e, errs := expr.Compile(f.node, s)
	for _, err := range errs {
		c.badExpr(f.scalar, err)
	}
	if len(errs) > 0 {
		return nil
	}
	return e
}

func (c *checker) condition(f *formula) *expr.Expr { return c.conditionIn(&scope{c: c}, f) }

func (c *checker) conditionIn(s expr.Scope, f *formula) *expr.Expr {
	e := c.compileIn(s, f)
	if e != nil && e.Absent {
		return expr.Never()
	}
	if e != nil && e.Type != expr.Bool {
		c.bad(f.place, "a condition is expected, and this is "+e.Type.String()+"; for a flag write x != 0")
		return nil
	}
	return e
}

func (c *checker) checkPHI() {
	for _, s := range c.mapFile.phi {
		node, name := c.plan.nodes[0], s.text
		if first, rest, dotted := strings.Cut(s.text, "."); dotted {
			n := c.alias(first)
			if n < 0 {
				c.bad(s.place, (&scope{c: c}).noAlias(first))
				continue
			}
			node, name = c.plan.nodes[n], rest
		}
		if node.absent() {
			continue
		}
		if node.pivot {
			name = node.columns[node.val] + "\x00" + name
		} else if node.table.Column(name) < 0 {
			c.bad(s.place, "`phi` names columns, and the table "+node.table.Name+" has no `"+name+"`; "+suggest(name, columnNames(node.table), "it has "))
		}
		c.phi = append(c.phi, identity(node, name))
	}
}

// phiColumn returns the first PHI column that an expression's value tells, or "".
func (c *checker) phiColumn(e *expr.Expr) string {
	for _, n := range e.Shown {
		if c.plan.refs[n].kind != refRows && slices.Contains(c.phi, c.plan.identity(n)) {
			return c.plan.refName(n)
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
	root := c.plan.nodes[0]
	for _, i := range root.table.Key {
		if name := root.table.Columns[i].Name; slices.Contains(c.phi, identity(root, name)) {
			c.bad(c.root.place, "the column "+name+" of the primary key is PHI, and the keys of what the rules make would hold it")
		}
	}
}

func (c *checker) checkKey() {
	if c.mapFile.key == nil {
		return
	}
	e := c.compileIn(&scope{c: c, lasting: "a record's key"}, c.mapFile.key)
	if e == nil {
		return
	}
	if e.Type != expr.Text {
		c.bad(c.mapFile.key.place, "a key is a text, and this is "+e.Type.String()+"; write text(x)")
		return
	}
	if name := c.notKey(e); name != "" && !c.joined() {
		c.bad(c.mapFile.key.place, "a record's key is made of the entity's key alone, so that it never changes; `"+name+"` is not in the primary key of "+c.plan.table().Name)
	}
	if phi := c.phiColumn(e); phi != "" {
		c.bad(c.mapFile.key.place, "the column "+phi+" is PHI and goes into no key: keys stand in URLs and errors")
	}
	c.plan.key = e
}

// notKey returns a column that the expression reads and that is not part of
// the root's key, or "".
func (c *checker) notKey(e *expr.Expr) string {
	for _, n := range e.Columns {
		if r := c.plan.refs[n]; r.node != 0 || r.kind != refColumn || !slices.Contains(c.plan.table().Key, c.plan.table().Column(c.plan.refName(n))) {
			return c.plan.refName(n)
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
