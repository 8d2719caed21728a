package mapping

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"chartwire/cdc"
	"chartwire/pipeline/mapping/expr"
)

// nodePlan is one table of the entity. nodes[0] is the root; parents stand
// before their children, and what is absent behind what is there.
type nodePlan struct {
	file   *nodeFile // nil for the root
	alias  string
	source *Source
	table  *cdc.Table // nil: of an optional source that is not there
	parent int
	// parentSlot is the pivot key of the parent whose row is meant; -1: none.
	parentSlot int
	lost       bool // what it belongs to is not known: noted
	many       bool
	columns    []string // the columns that expressions of the map read, by local number
	types      []expr.Type
	where      *expr.Expr
	// own says that where reads nothing but the row itself.
	own bool
	// Of a pivot: the local numbers of its key and value, and the keys that are
	// used.
	pivot    bool
	key, val int
	slots    map[string]int
	find, up *Index
	// watch are all columns whose change concerns the map.
	watch []string
}

func (n *nodePlan) absent() bool { return n.table == nil }

// ref is what a number in an expression means.
type ref struct {
	node int
	kind refKind
	n    int // the local number of the column, or the pivot's slot
}

type refKind uint8

const (
	refColumn refKind = iota
	refPivot
	refRows // that the rows are there
)

// name is how a path names it.
func (p *plan) refName(n int) string {
	r := p.refs[n]
	node := p.nodes[r.node]
	name := ""
	switch r.kind {
	case refColumn:
		name = node.columns[r.n]
	case refPivot:
		name = node.slotName(r.n)
	case refRows:
		return node.alias
	}
	if r.node == 0 {
		return name
	}
	return node.alias + "." + name
}

func (n *nodePlan) slotName(slot int) string {
	for name, i := range n.slots {
		if i == slot {
			return name
		}
	}
	return ""
}

// identity says which data of which database a reference reads: the same for
// two aliases of one table.
func (p *plan) identity(n int) string {
	r := p.refs[n]
	node := p.nodes[r.node]
	name := ""
	switch r.kind {
	case refColumn:
		name = node.columns[r.n]
	case refPivot:
		name = node.columns[node.val] + "\x00" + node.slotName(r.n)
	case refRows:
		return ""
	}
	return identity(node, name)
}

func identity(n *nodePlan, name string) string {
	return n.source.Name + "\x00" + n.table.ID().String() + "\x00" + name
}

// refer gives the number of a reference.
func (p *plan) refer(r ref) int {
	if i := slices.Index(p.refs, r); i >= 0 {
		return i
	}
	p.refs = append(p.refs, r)
	return len(p.refs) - 1
}

// column gives the local number of a column, and its type.
func (n *nodePlan) column(name string) (int, *cdc.Type, string) {
	i := n.table.Column(name)
	if i < 0 {
		return 0, nil, fmt.Sprintf("the table %s has no column `%s`; %s", n.table.Name, name, suggest(name, columnNames(n.table), "it has "))
	}
	t := &n.table.Columns[i].Type
	if k := slices.Index(n.columns, name); k >= 0 {
		return k, t, ""
	}
	n.columns, n.types = append(n.columns, name), append(n.types, expr.TypeOf(t))
	return len(n.columns) - 1, t, ""
}

// scope says what names mean in an expression of the map.
type scope struct {
	c *checker
	// self is the node whose columns are bare names.
	self int
	// entered are the nodes that aggregates are at, the innermost last.
	entered []int
	// lasting says what it is that is not to change with the day; "": it may.
	lasting string
	// change says that the expression is about one change of a row: a rule's
	// condition, or what a rule writes.
	change bool
}

// Zone implements expr.Scope.
func (s *scope) Zone(columns []int) *time.Location {
	for _, n := range columns {
		if node := s.c.plan.nodes[s.c.plan.refs[n].node]; !node.absent() {
			return node.source.Zone
		}
	}
	return s.c.plan.source.Zone
}

// Today implements expr.Scope.
func (s *scope) Today() string {
	if s.lasting != "" {
		return s.lasting + " does not change with the day: today() can stand in conditions and properties"
	}
	s.c.plan.clock = true
	return ""
}

// SiteKey implements expr.Scope.
func (s *scope) SiteKey() []byte { return s.c.siteKey() }

// Many implements expr.Scope.
func (s *scope) Many(alias string) bool {
	n := s.c.alias(alias)
	return alias == "rows" && s.c.joins.group != nil || n > 0 && s.c.plan.nodes[n].many
}

// alias finds a node, -1 if there is none.
func (c *checker) alias(name string) int {
	for i, n := range c.plan.nodes {
		if i > 0 && n.alias == name {
			return i
		}
	}
	return -1
}

// Enter implements expr.Scope.
func (s *scope) Enter(alias string) (many, column int, problem string) {
	s.entered = append(s.entered, -1)
	n := s.c.alias(alias)
	switch {
	case alias == "":
		return 0, 0, "an aggregate takes the rows of an alias, such as items or items where .quantity > 1"
	case alias == "rows" && s.c.joins.group == nil:
		return 0, 0, "`rows` are those of a group, and the entity has no `group`"
	case alias == "rows":
		n = 0
	case n < 0:
		return 0, 0, s.noAlias(alias)
	case s.c.plan.nodes[n].pivot:
		return 0, 0, "`" + alias + "` is a pivot; read its keys as " + alias + ".key, or name the table once more with `many: true`"
	case !s.c.plan.nodes[n].many:
		return 0, 0, "`" + alias + "` has one row; write its columns as " + alias + ".column, or `many: true` at the alias"
	}
	node := s.c.plan.nodes[n]
	if node.absent() {
		s.entered[len(s.entered)-1] = n
		return -1, 0, ""
	}
	if n > 0 {
		if problem := s.reach(node.parent, alias); problem != "" {
			return 0, 0, problem
		}
		if problem := s.belongs(n, alias); problem != "" {
			return 0, 0, problem
		}
	}
	s.entered[len(s.entered)-1] = n
	return n, s.c.plan.refer(ref{n, refRows, 0}), ""
}

// Leave implements expr.Scope.
func (s *scope) Leave() { s.entered = s.entered[:len(s.entered)-1] }

// noChange is what is wrong with a reader of changes where there is none.
const noChange = "reads how a row changed, and only a rule sees that: its conditions, its `key` and its properties. A record is made of what the rows are now"

// Change implements expr.Scope.
func (s *scope) Change() string {
	switch {
	case !s.change:
		return noChange
	case s.c.joined():
		return "reads how a row changed, and an entity of several tables is looked at when it was quiet for a moment, not at each change of its rows; write the rule in a map of the one table"
	}
	return ""
}

func (s *scope) noAlias(alias string) string {
	var names []string
	for _, n := range s.c.plan.nodes[1:] {
		names = append(names, n.alias)
	}
	if len(names) == 0 {
		return "the entity has no part `" + alias + "`; a column of the row at hand is a bare name"
	}
	return "the entity has no part `" + alias + "`; " + suggest(alias, names, "it has ")
}

// reach says whether a node has one row where the expression stands: each of
// many on the way to it must have been entered.
func (s *scope) reach(n int, name string) string {
	for ; n > 0; n = s.c.plan.nodes[n].parent {
		node := s.c.plan.nodes[n]
		if slices.Contains(s.entered, n) || s.above(n) {
			return ""
		}
		if node.many {
			return "`" + node.alias + "` has many rows, so that `" + name + "` is not one thing; write an aggregate, such as first(" + node.alias + ", …), sum(" + node.alias + ", …), count(" + node.alias + ")"
		}
	}
	return ""
}

// above says whether a node is the one at hand or one that it belongs to.
func (s *scope) above(n int) bool {
	for at := s.self; at > 0; at = s.c.plan.nodes[at].parent {
		if at == n {
			return true
		}
	}
	return n == 0
}

// belongs refuses a table's `where` what does not hang together with its row:
// neither what it belongs to, nor what belongs to it.
func (s *scope) belongs(n int, name string) string {
	if s.self == 0 || s.above(n) {
		return ""
	}
	for at := n; at > 0; at = s.c.plan.nodes[at].parent {
		if at == s.self {
			return ""
		}
	}
	return "the `where` of " + s.c.plan.nodes[s.self].alias + " reads its own row, what that belongs to and what belongs to it, and `" + name + "` is none of them"
}

// Column implements expr.Scope.
func (s *scope) Column(path string) (int, *cdc.Type, string) {
	n, name := s.self, path
	first, rest, dotted := strings.Cut(path, ".")
	switch {
	case !dotted:
	case first == "": // of the row that the aggregate is at
		if name = rest; len(s.entered) == 0 {
			return 0, nil, "a name after a point is a column of an aggregate's row; here a column is a bare name"
		}
		if n = s.entered[len(s.entered)-1]; n < 0 {
			return 0, nil, ""
		}
	default:
		if name, n = rest, s.c.alias(first); first == "root" {
			n = 0
		}
		if n < 0 {
			return 0, nil, s.noAlias(first)
		}
	}
	node := s.c.plan.nodes[n]
	if node.absent() {
		return 0, nil, ""
	}
	if dotted && first != "" {
		if problem := s.reach(n, path); problem != "" {
			return 0, nil, problem
		}
		if problem := s.belongs(n, path); problem != "" {
			return 0, nil, problem
		}
		if node.pivot {
			return s.c.plan.refer(ref{n, refPivot, node.slot(name)}), &node.table.Columns[node.table.Column(node.columns[node.val])].Type, ""
		}
	}
	k, t, problem := node.column(name)
	if problem != "" {
		return 0, nil, problem
	}
	return s.c.plan.refer(ref{n, refColumn, k}), t, ""
}

// slot gives the number of a pivot's key.
func (n *nodePlan) slot(name string) int {
	i, ok := n.slots[name]
	if !ok {
		i = len(n.slots)
		n.slots[name] = i
	}
	return i
}
