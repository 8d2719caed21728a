package expr

import (
	"strings"

	"chartwire/pipeline/mapping/decimal"
)

// aggregate is one function over the rows of an alias.
type aggregate struct {
	usage    string
	rows     int // which argument the rows are
	min, max int
	build    func(c *compiler, n *Node, o *over, a []*Expr) *Expr
}

// aggregates is filled by init, as functions is.
var aggregates map[string]aggregate

func init() {
	aggregates = map[string]aggregate{
		"count":  {"count(rows)", 0, 1, 1, buildCount},
		"any":    {"any(rows)", 0, 1, 1, buildAny},
		"sum":    {"sum(rows, number)", 0, 2, 2, buildSum},
		"min":    {"min(rows, x)", 0, 2, 2, func(c *compiler, n *Node, o *over, a []*Expr) *Expr { return c.extreme(n, o, a[0], -1) }},
		"max":    {"max(rows, x)", 0, 2, 2, func(c *compiler, n *Node, o *over, a []*Expr) *Expr { return c.extreme(n, o, a[0], 1) }},
		"first":  {"first(rows, x, by, …)", 0, 2, 2 + MaxOrder, func(c *compiler, n *Node, o *over, a []*Expr) *Expr { return c.pick(n, o, a, -1) }},
		"latest": {"latest(rows, x, by, …)", 0, 2, 2 + MaxOrder, func(c *compiler, n *Node, o *over, a []*Expr) *Expr { return c.pick(n, o, a, 1) }},
		"join":   {"join(\"separator\", rows, text)", 1, 3, 3, buildJoinRows},
	}
}

// overRows says whether an argument is rows.
func (c *compiler) overRows(n *Node) bool {
	return n.kind == nodeRows || n.kind == nodePath && c.scope.Many(strings.ReplaceAll(n.text, "`", ""))
}

// over are the rows that an aggregate takes: of an alias, all or those that
// meet a condition.
type over struct {
	many int
	cond fn[bool] // nil: all
}

// each enters row after row. It ends early, with Unknown, where the rows, the
// condition or do are unknown.
func (o *over) each(f *Frame, do func(row int32) State) State {
	rows, s := f.Rows(o.many)
	if s == Unknown || len(rows) == 0 {
		return s
	}
	was := f.Enter(o.many, -1)
	for _, r := range rows {
		f.Enter(o.many, r)
		if o.cond != nil {
			v, t := o.cond(f)
			if t == Unknown {
				s = t
				break
			}
			if t != Known || !v {
				continue
			}
		}
		if s = do(r); s == Unknown {
			break
		}
	}
	f.Enter(o.many, was)
	if s != Unknown {
		s = Known
	}
	return s
}

// aggregate compiles a call of an aggregate.
func (c *compiler) aggregate(n *Node) *Expr {
	agg := aggregates[n.text]
	if len(n.args) < agg.min || len(n.args) > agg.max {
		return c.bad(n.pos, "a call of %s looks like %s", n.text, agg.usage)
	}
	o, parts := c.enter(n.args[agg.rows])
	defer c.scope.Leave()
	failed := parts == nil
	if o == nil {
		return nil
	}
	if o.many < 0 {
		return nothingOf(n.text)
	}
	var args []*Expr
	for i, a := range n.args {
		if i == agg.rows {
			continue
		}
		e := c.expr(a)
		if e == nil {
			failed = true
			continue
		}
		if e.Type == Null && !e.Absent {
			c.bad(a.pos, "%s of null is always null", n.text)
			failed = true
		}
		args, parts = append(args, e), append(parts, e)
	}
	if failed {
		return nil
	}
	for _, a := range args {
		if a.Absent {
			return reads(nothingOf(n.text), parts...)
		}
	}
	return reads(agg.build(c, n, o, args), parts...)
}

// enter compiles the rows of an aggregate and opens their scope, which is to be
// left whatever comes out: nil for what are no rows, no parts where the
// condition is wrong.
func (c *compiler) enter(alias *Node) (*over, []*Expr) {
	where := (*Node)(nil)
	if alias.kind == nodeRows {
		alias, where = alias.args[0], alias.args[1]
	}
	name := "" // what is no path is entered all the same, as everything is left
	if alias.kind == nodePath {
		name = strings.ReplaceAll(alias.text, "`", "")
	}
	many, column, problem := c.scope.Enter(name)
	if problem != "" {
		c.bad(alias.pos, "%s", problem)
		return nil, nil
	}
	o := &over{many: many}
	parts := []*Expr{{Columns: []int{column}}}
	if where == nil || many < 0 {
		return o, parts
	}
	e := c.expr(where)
	switch {
	case e == nil:
		return o, nil
	case e.Absent:
		o.cond = never[bool]
	case e.Type != Bool:
		c.bad(where.pos, "after `where` comes a condition, and this is %s", e.Type)
		return o, nil
	default:
		o.cond = e.bool
		parts = append(parts, e)
	}
	return o, parts
}

// Each is a text for each row of some.
type Each struct {
	*Expr // its columns
	over  *over
}

// CompileEach compiles a text that is evaluated for each of the rows.
func CompileEach(rows, text *Node, scope Scope) (*Each, []*Error) {
	c := &compiler{scope: scope}
	o, parts := c.enter(rows)
	defer c.scope.Leave()
	for _, err := range c.errs {
		err.Rows = true
	}
	e := c.expr(text)
	if e != nil && e.Type != Text && !e.Absent {
		c.bad(text.pos, "a key is a text, and this is %s; write text(x)", e.Type)
	}
	if len(c.errs) > 0 {
		return nil, c.errs
	}
	if o.many < 0 {
		return &Each{Expr: absent()}, nil
	}
	return &Each{reads(&Expr{Type: Text, text: e.text}, append(parts, e)...), o}, nil
}

// Texts calls do for each text that is there. The result is Unknown where one is.
func (e *Each) Texts(f *Frame, do func([]byte)) State {
	if e.over == nil {
		return Known
	}
	return e.over.each(f, func(int32) State {
		v, s := e.text(f)
		if s == Known && len(v) > 0 {
			do(v)
		}
		return s
	})
}

// nothingOf is what an aggregate gives for no rows.
func nothingOf(name string) *Expr {
	switch name {
	case "count", "sum":
		return literal(decimal.New(0, 0))
	case "any":
		return &Expr{Type: Bool, Column: -1, bool: constant(false)}
	}
	return absent()
}

func buildCount(_ *compiler, _ *Node, o *over, _ []*Expr) *Expr {
	return &Expr{Type: Int, int: func(f *Frame) (n int64, s State) {
		s = o.each(f, func(int32) State { n++; return Known })
		return n, s
	}}
}

func buildAny(_ *compiler, _ *Node, o *over, _ []*Expr) *Expr {
	return &Expr{Type: Bool, bool: func(f *Frame) (found bool, s State) {
		s = o.each(f, func(int32) State { found = true; return Known })
		return found, s
	}}
}

// buildSum adds what is there; null counts nothing.
func buildSum(c *compiler, n *Node, o *over, a []*Expr) *Expr {
	x := a[0]
	if x.Type != Int && x.Type != Decimal {
		if x.Type == Float {
			return c.bad(n.args[1].pos, "a sum is exact, and a float is not; write money(x) or round(x, places) around it")
		}
		return c.bad(n.args[1].pos, "%s takes a number, and this is %s%s", aggregates[n.text].usage, x.Type, hint(x.Type, Decimal))
	}
	value := exact(x)
	return &Expr{Type: Decimal, dec: func(f *Frame) (sum decimal.Decimal, s State) {
		s = o.each(f, func(int32) State {
			v, s := value(f)
			if s == Known {
				sum = sum.Add(v)
			}
			return s
		})
		return sum, s
	}}
}

// extreme is the least or, with sign 1, the greatest of what is there.
func (c *compiler) extreme(n *Node, o *over, x *Expr, sign int) *Expr {
	rank := x.Ranker()
	if rank == nil {
		return c.bad(n.args[1].pos, "%s has no order here", x.Type)
	}
	best := func(f *Frame) (r Rank, s State) {
		found := false
		s = o.each(f, func(int32) State {
			v, s := rank(f)
			if s == Known && (!found || v.Compare(r)*sign > 0) {
				r, found = v, true
			}
			return s
		})
		if s == Known && !found {
			s = IsNull
		}
		return r, s
	}
	e := &Expr{Type: x.Type}
	switch x.Type {
	case Decimal:
		e.dec = func(f *Frame) (decimal.Decimal, State) { r, s := best(f); return r.dec, s }
	case Float:
		e.float = func(f *Frame) (float64, State) { r, s := best(f); return r.float, s }
	default:
		e.int = func(f *Frame) (int64, State) { r, s := best(f); return r.int, s }
	}
	return e
}

// pick gives a value of the first or, with sign 1, the latest row: by what
// follows the value, and then by the order of their keys.
func (c *compiler) pick(n *Node, o *over, a []*Expr, sign int) *Expr {
	var order []func(*Frame) (Rank, State)
	for i, by := range a[1:] {
		rank := by.Ranker()
		if rank == nil {
			return c.bad(n.args[i+2].pos, "%s has no order here", by.Type)
		}
		order = append(order, rank)
	}
	row := func(f *Frame) (best int32, s State) {
		best = -1
		var held, next [MaxOrder]Rank
		s = o.each(f, func(r int32) State {
			for i, rank := range order {
				v, s := rank(f)
				if s == Unknown {
					return s
				}
				next[i] = v
			}
			by := CompareRanks(next[:len(order)], held[:len(order)])
			if best < 0 || by*sign > 0 || by == 0 && sign > 0 { // of equals the last in key order
				best, held = r, next
			}
			return Known
		})
		return best, s
	}
	x := a[0]
	e := &Expr{Type: x.Type}
	if x.Texts != nil {
		e.Texts = x.Texts
	}
	switch x.Type {
	case Text, Bytes, Set:
		e.text = at(o, row, x.text)
	case Decimal:
		e.dec = at(o, row, x.dec)
	case Float:
		e.float = at(o, row, x.float)
	case Bool:
		e.bool = at(o, row, x.bool)
	default:
		e.int = at(o, row, x.int)
	}
	return e
}

// at evaluates at a row that was picked.
func at[T any](o *over, row func(*Frame) (int32, State), value fn[T]) fn[T] {
	return func(f *Frame) (v T, s State) {
		r, s := row(f)
		if s != Known {
			return v, s
		}
		if r < 0 {
			return v, IsNull
		}
		was := f.Enter(o.many, r)
		v, s = value(f)
		f.Enter(o.many, was)
		return v, s
	}
}

func buildJoinRows(c *compiler, n *Node, o *over, a []*Expr) *Expr {
	sep, ok := c.literalText(n, 0)
	if !c.want(n, 2, a[1], Text) || !ok {
		return nil
	}
	value := a[1].text
	return &Expr{Type: Text, text: func(f *Frame) (out []byte, s State) {
		s = o.each(f, func(int32) State {
			v, s := value(f)
			if s == Known && len(v) > 0 {
				if len(out) > 0 {
					out = append(out, sep...)
				}
				out = append(out, v...)
			}
			return s
		})
		if s == Known && len(out) == 0 {
			s = IsNull
		}
		return out, s
	}}
}
