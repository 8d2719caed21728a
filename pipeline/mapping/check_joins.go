package mapping

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"chartwire/cdc"
	"chartwire/pipeline/mapping/expr"
)

// maxNodes is how many tables an entity has at most: one bit for each.
const maxNodes = 64

// joined says whether the map's entities are more than one row of one table.
func (c *checker) joined() bool {
	return c.joins.with != nil || c.joins.group != nil || c.joins.said || len(c.links) > 0
}

// checkNodes makes the nodes of what `with` and `group` say.
func (c *checker) checkNodes() bool {
	if !c.joined() {
		return false
	}
	for _, f := range c.joins.with {
		c.checkNode(f)
	}
	c.absentLast()
	if len(c.plan.nodes) > maxNodes {
		c.bad(c.joins.with[maxNodes-1].alias.place, fmt.Sprintf("an entity has %d tables at most", maxNodes))
		c.plan.nodes = c.plan.nodes[:maxNodes]
	}
	for n, node := range c.plan.nodes {
		if node.file != nil {
			c.checkBy(n)
		}
	}
	for n, node := range c.plan.nodes {
		if node.file == nil || node.file.where == nil || node.absent() {
			continue
		}
		if node.where = c.conditionIn(&scope{c: c, self: n}, node.file.where); node.where != nil {
			node.own = c.own(n, node.where)
		}
	}
	return true
}

// own says whether an expression reads nothing but a node's own row.
func (c *checker) own(n int, e *expr.Expr) bool {
	return !slices.ContainsFunc(e.Columns, func(i int) bool { return c.plan.refs[i].node != n || c.plan.refs[i].kind != refColumn })
}

// checkNode finds the table of an alias, and what it belongs to.
func (c *checker) checkNode(f *nodeFile) {
	n := &nodePlan{file: f, alias: f.alias.text, source: c.plan.source, many: f.many, pivot: f.pivot != nil, parentSlot: -1, slots: map[string]int{}}
	if c.plan.table().Column(n.alias) >= 0 {
		c.bad(f.alias.place, "the alias `"+n.alias+"` is a column of "+c.plan.table().Name+" too; take another name")
	}
	if n.parent = c.parentOf(f); n.parent < 0 {
		n.parent, n.lost = 0, true
	}
	if f.source.text != "" {
		n.source = c.otherSource(f)
	}
	if n.source != nil && n.source.Zone == nil {
		c.bad(f.source.place, "the source "+n.source.Name+" has no time zone: DATETIME columns mean nothing without")
		n.source = nil
	}
	if n.source != nil && !c.plan.nodes[n.parent].absent() {
		if n.table = c.findTable(f.table, n.source); n.table != nil && n.pivot {
			c.checkPivot(n)
		}
	}
	c.plan.nodes = append(c.plan.nodes, n)
}

func (c *checker) checkPivot(n *nodePlan) {
	var types []expr.Type
	for i, s := range n.file.pivot {
		k, t, problem := n.column(s.text)
		if problem != "" {
			c.bad(s.place, problem)
			n.table = nil
			return
		}
		types = append(types, expr.TypeOf(t))
		if i == 0 {
			n.key = k
		} else {
			n.val = k
		}
	}
	if types[0] != expr.Text {
		c.bad(n.file.pivot[0].place, "the key of a pivot is a text, and this is "+types[0].String())
	}
}

// otherSource finds the source that an alias names; nil where it is optional
// and not there.
func (c *checker) otherSource(f *nodeFile) *Source {
	var found []*Source
	var names []string
	for i := range c.env.Sources {
		s := &c.env.Sources[i]
		if names = append(names, s.Name); s.Kind != "" && s.Kind != s.Name {
			names = append(names, s.Kind)
		}
		if s.Name == f.source.text || s.Kind == f.source.text {
			found = append(found, s)
		}
	}
	switch {
	case len(found) == 1:
		return found[0]
	case len(found) > 1:
		c.bad(f.source.place, fmt.Sprintf("%d sources are of the kind %s; name one of them", len(found), f.source.text))
	case !f.optional:
		c.bad(f.source.place, "there is no source `"+f.source.text+"`; "+suggest(f.source.text, names, "there are ")+"; or write `optional: true` if it may be not there")
	}
	return nil
}

// parentOf gives the node whose columns the right sides of `by` read; -1 if that
// is none, which is noted.
func (c *checker) parentOf(f *nodeFile) int {
	parent := -1
	for _, b := range f.by {
		for _, path := range b.parent.node.Paths() {
			n := 0
			if first, _, dotted := strings.Cut(path, "."); dotted && first != "root" {
				if n = c.alias(first); n < 0 {
					right := (&scope{c: c}).noAlias(first)
					if slices.ContainsFunc(c.joins.with, func(o *nodeFile) bool { return o.alias.text == first }) {
						right = "`" + first + "` comes after `" + f.alias.text + "`, which belongs to it; write it above"
					}
					c.bad(b.parent.place, right)
					return -1
				}
			}
			if parent >= 0 && parent != n {
				c.bad(b.parent.place, "the right sides of `by` read one row: of the root, or of one alias")
				return -1
			}
			parent = n
		}
	}
	if parent < 0 {
		if len(f.by) > 0 {
			c.bad(f.byAt, "`by` says which rows belong together, and its right side reads no column; for a fixed value write `where`")
			return -1
		}
		return 0
	}
	return parent
}

// absentLast moves what is not there behind what is, so that nodes have the
// numbers of Map.Nodes.
func (c *checker) absentLast() {
	old := c.plan.nodes
	var order []*nodePlan
	for _, absent := range []bool{false, true} {
		for _, n := range old {
			if n.absent() == absent {
				order = append(order, n)
			}
		}
	}
	for _, n := range order[1:] {
		n.parent = slices.Index(order, old[n.parent])
	}
	c.plan.nodes = order
}

// checkBy makes the indexes of a node.
func (c *checker) checkBy(n int) {
	node := c.plan.nodes[n]
	if node.absent() || node.lost {
		return
	}
	parent := c.plan.nodes[node.parent]
	down := &tableScope{c: c, source: node.source, plan: &indexPlan{table: node.table, guard: -1}, path: bare}
	up := &tableScope{c: c, source: parent.source, plan: &indexPlan{table: parent.table, guard: -1}}
	up.path = func(path string) (string, string) { return c.parentColumn(node, up.plan, path) }
	var children, parents []*formula
	if f := node.file.short; f != nil {
		if len(parent.table.Key) != 1 {
			c.bad(f.place, "the key of "+parent.table.Name+" has several columns; write by: { its column: its parent's column }")
			return
		}
		key, err := expr.Parse("`" + parent.table.Columns[parent.table.Key[0]].Name + "`")
		if err != nil {
			return // a name with a backquote
		}
		children, parents = []*formula{f}, []*formula{{f.scalar, key}}
	}
	for _, b := range node.file.by {
		children, parents = append(children, b.child), append(parents, b.parent)
	}
	if len(children) == 0 {
		return // noted where it was read
	}
	node.find, node.up = c.index(down, children), c.index(up, parents)
	if node.find == nil || node.up == nil {
		return
	}
	for i, f := range parents {
		if a, b := down.plan.kinds[i], up.plan.kinds[i]; !alike(a, b) {
			c.bad(f.place, fmt.Sprintf("what joins is compared as text, and %s and %s are never the same", a, b))
		}
	}
}

// alike says whether values of two types can have the same text.
func alike(a, b expr.Type) bool {
	plain := []expr.Type{expr.Text, expr.Int, expr.Decimal}
	return a == b && a != expr.Float || slices.Contains(plain, a) && slices.Contains(plain, b)
}

// parentColumn gives the column of the parent's row that a path means. Of a
// pivot it is the value, in rows with the key.
func (c *checker) parentColumn(node *nodePlan, p *indexPlan, path string) (string, string) {
	parent := c.plan.nodes[node.parent]
	_, name, dotted := strings.Cut(path, ".")
	if !dotted {
		return path, ""
	}
	if !parent.pivot {
		return name, ""
	}
	if p.guard >= 0 && p.guardKey != name {
		return "", "one key of a pivot says what belongs to it, and these are two"
	}
	key := nodePlan{table: parent.table, columns: p.columns, types: p.types}
	p.guard, _, _ = key.column(parent.columns[parent.key])
	p.columns, p.types, p.guardKey = key.columns, key.types, name
	node.parentSlot = parent.slot(name)
	return parent.columns[parent.val], ""
}

// checkGroup makes the index that entities without a root row are found by.
func (c *checker) checkGroup() {
	root := c.plan.nodes[0]
	if f := c.joins.group; f != nil {
		s := &tableScope{c: c, source: root.source, plan: &indexPlan{table: root.table, guard: -1}, path: func(path string) (string, string) {
			return bare(strings.TrimPrefix(path, "root."))
		}}
		if root.find = c.index(s, []*formula{f}); root.find != nil {
			root.find.Primary = false
		}
		if e := c.compile(f); e != nil && c.phiColumn(e) != "" {
			c.bad(f.place, "the column "+c.phiColumn(e)+" is PHI and names no group: its text stands in records' origins; write guest(email)")
		}
	}
	if len(c.joins.latest) > expr.MaxOrder {
		c.bad(c.joins.latest[expr.MaxOrder].place, fmt.Sprintf("`latest` takes %d values at most", expr.MaxOrder))
		return
	}
	for _, f := range c.joins.latest {
		e := c.compileIn(&scope{c: c, lasting: "the order of a group's rows"}, f)
		if e == nil {
			continue
		}
		rank := e.Ranker()
		if rank == nil {
			c.bad(f.place, e.Type.String()+" has no order here; take a date, a moment or a number")
			continue
		}
		if !c.own(0, e) {
			c.bad(f.place, "`latest` reads the row itself, and nothing that belongs to it")
		}
		c.plan.latest = append(c.plan.latest, rank)
	}
}

// finishJoined fills in what Map tells of the nodes, when all expressions were
// compiled.
func (c *checker) finishJoined(m *Map) {
	for n, node := range c.plan.nodes {
		if node.absent() {
			continue
		}
		node.watch = slices.Clone(node.columns)
		if node.find != nil {
			node.watch = append(node.watch, node.find.plan.columns...)
		}
		for _, child := range c.plan.nodes {
			if child.parent == n && child.up != nil {
				node.watch = append(node.watch, child.up.plan.columns...)
			}
		}
		slices.Sort(node.watch)
		node.watch = slices.Compact(node.watch)
		m.Nodes = append(m.Nodes, Node{Alias: node.alias, Source: node.source.Name, Table: node.table.ID(), Parent: node.parent, Find: node.find, Up: node.up})
	}
	m.Settle, m.Hold, m.Links = c.joins.quiet, c.joins.hold, len(c.links) > 0
	c.plan.nodes[0].own = c.plan.where == nil || c.own(0, c.plan.where)
}

// deciding gives the bits of the nodes whose rows decide what columns hold.
func (p *plan) deciding(columns []int) (bits uint64) {
	for _, i := range columns {
		bits |= p.decides(p.refs[i].node)
	}
	return bits
}

func (p *plan) decides(n int) uint64 {
	node := p.nodes[n]
	if node.absent() {
		return 0
	}
	bits := uint64(1) << n
	if node.where != nil && n > 0 {
		for _, i := range node.where.Columns {
			bits |= 1 << p.refs[i].node
		}
	}
	if node.up == nil {
		return bits
	}
	parent := node.up.plan.table
	for _, name := range node.up.plan.columns {
		if !slices.Contains(parent.Key, parent.Column(name)) {
			return bits | p.decides(node.parent)
		}
	}
	return bits
}

// putJoins writes what the entity is made of.
func (c *checker) putJoins(h io.Writer) {
	if !c.joined() {
		return
	}
	put(h, "joined", c.joins.group.String())
	for _, f := range c.joins.latest {
		put(h, f.String())
	}
	for i, n := range c.plan.nodes {
		table, source := cdc.TableID{}, ""
		if !n.absent() {
			table, source = n.table.ID(), n.source.Name
		}
		put(h, n.alias, source, table.String(), fmt.Sprint(n.parent, n.parentSlot, n.many, n.pivot))
		for k, name := range n.columns {
			put(h, name, n.types[k].String())
		}
		if i > 0 {
			put(h, n.file.where.String(), n.file.short.String())
			for _, b := range n.file.by {
				put(h, b.child.String(), b.parent.String())
			}
		}
	}
	if c.keyed {
		put(h, siteMark(c.env.SiteKey))
	}
}

// checkWhile compiles the condition under which the map is at work.
func (c *checker) checkWhile() *While {
	f := c.mapFile.while
	if f == nil || f.where == nil || f.is == nil {
		return nil
	}
	src := c.plan.source
	if f.source.text != "" {
		if src = c.otherSource(&nodeFile{source: f.source}); src == nil {
			return nil
		}
	}
	t := c.findTable(f.table, src)
	if t == nil {
		return nil
	}
	p := &whilePlan{indexPlan: indexPlan{table: t, guard: -1}}
	s := &tableScope{c: c, source: src, plan: &p.indexPlan, path: bare}
	p.where, p.is = c.conditionIn(s, f.where), c.conditionIn(s, f.is)
	return &While{Source: src.Name, Table: t.ID(), Unless: f.unless, Fingerprint: whileMark(src.Name, t.ID(), f), plan: p}
}
