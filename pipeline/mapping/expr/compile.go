package expr

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"chartwire/cdc"
	"chartwire/pipeline/mapping/decimal"
)

// Scope says what names mean where an expression stands.
type Scope interface {
	// Column returns the number by which Frame finds the column, and its type:
	// nil for one that is absent. If there is no such column it says so, and
	// what there is.
	Column(path string) (number int, t *cdc.Type, problem string)
	// Zone is the zone of the clocks of the source that the columns are of.
	Zone(columns []int) *time.Location
	// Today says why today() cannot stand here; "": it can.
	Today() (problem string)
	// SiteKey is the secret that guest() needs; empty: none is configured.
	SiteKey() []byte
	// Many says whether the name is an alias of many rows.
	Many(alias string) bool
	// Enter makes the alias's row the one at hand until Leave. It returns the
	// number by which Frame.Rows finds its rows, and that of the column which
	// stands for their being there; many is -1 for what is absent. It is left
	// even if there is a problem.
	Enter(alias string) (many, column int, problem string)
	Leave()
	// Change says why the expression cannot read how the row changed; "": it can.
	Change() (problem string)
}

type compiler struct {
	scope Scope
	errs  []*Error
}

// Compile checks an expression and compiles it. Without errors the Expr is not nil.
func Compile(n *Node, scope Scope) (*Expr, []*Error) {
	c := &compiler{scope: scope}
	e := c.expr(n)
	if len(c.errs) > 0 {
		return nil, c.errs
	}
	return e, nil
}

// bad notes an error; the nil it returns stands for an expression that has one.
func (c *compiler) bad(pos int, format string, args ...any) *Expr {
	c.errs = append(c.errs, errorf(pos, format, args...))
	return nil
}

func (c *compiler) expr(n *Node) *Expr {
	switch n.kind {
	case nodeNull:
		return &Expr{Type: Null, Column: -1}
	case nodeBool:
		return &Expr{Type: Bool, Column: -1, bool: constant(n.text == "true")}
	case nodeText:
		return &Expr{Type: Text, Column: -1, Texts: []string{n.text}, text: constant([]byte(n.text))}
	case nodeNumber:
		return c.number(n)
	case nodeRows:
		return c.bad(n.pos, "`where` chooses rows within an aggregate, such as count(rows where …)")
	case nodePath:
		number, t, problem := c.scope.Column(strings.ReplaceAll(n.text, "`", ""))
		if problem != "" {
			return c.bad(n.pos, "%s", problem)
		}
		if t == nil {
			return absent()
		}
		if TypeOf(t) == Invalid {
			return c.bad(n.pos, "the column %s has the type %s, which maps cannot read", n.text, t.Kind)
		}
		return load(number, t)
	case nodeCall:
		return c.call(n)
	}
	args := make([]*Expr, len(n.args))
	failed := false
	for i, a := range n.args {
		args[i] = c.expr(a)
		failed = failed || args[i] == nil
	}
	if failed {
		return nil
	}
	if slices.ContainsFunc(args, func(a *Expr) bool { return a.Absent }) {
		if e := withAbsent(n, args); e != nil {
			return reads(e, args...)
		}
	}
	var e *Expr
	switch n.kind {
	case nodeUnary:
		e = c.unary(n, args[0])
	case nodeIsNull:
		e = c.isNull(n, args[0])
	case nodeIn:
		e = c.in(n, args)
	case nodeTernary:
		e = c.ternary(n, args)
	default:
		e = c.binary(n, args[0], args[1])
	}
	return reads(e, args...)
}

// reads notes in e the columns of its parts.
func reads(e *Expr, parts ...*Expr) *Expr {
	if e == nil {
		return nil
	}
	e.Column = -1
	for _, p := range parts {
		e.Columns = append(slices.Clip(e.Columns), p.Columns...)
		e.Shown = append(slices.Clip(e.Shown), p.Shown...)
	}
	slices.Sort(e.Columns)
	slices.Sort(e.Shown)
	e.Columns, e.Shown = slices.Compact(e.Columns), slices.Compact(e.Shown)
	return e
}

func constant[T any](v T) fn[T] { return func(*Frame) (T, State) { return v, Known } }

func (c *compiler) number(n *Node) *Expr {
	d, ok := decimal.Parse(n.text)
	if !ok {
		return c.bad(n.pos, "%s has more digits than any number here", n.text)
	}
	return literal(d)
}

func literal(d decimal.Decimal) *Expr {
	e := &Expr{Type: Decimal, Column: -1, number: &d, dec: constant(d)}
	if v, ok := d.Int64(); ok {
		e.Type, e.int = Int, constant(v)
	}
	return e
}

func (c *compiler) unary(n *Node, a *Expr) *Expr {
	switch {
	case n.text == "not" && a.Type == Bool:
		return &Expr{Type: Bool, bool: lift(a.bool, func(_ *Frame, v bool) (bool, bool) { return !v, true })}
	case n.text == "not":
		return c.bad(n.pos, "`not` takes a condition, and this is %s", a.Type)
	case a.number != nil:
		return literal(a.number.Neg())
	case a.Type == Int, a.Type == Decimal:
		return &Expr{Type: Decimal, dec: lift(exact(a), func(_ *Frame, v decimal.Decimal) (decimal.Decimal, bool) { return v.Neg(), true })}
	case a.Type == Float:
		return &Expr{Type: Float, float: lift(a.float, func(_ *Frame, v float64) (float64, bool) { return -v, true })}
	}
	return c.bad(n.pos, "`-` takes a number, and this is %s", a.Type)
}

func (c *compiler) isNull(n *Node, a *Expr) *Expr {
	want := n.text == "is null"
	if a.Type == Null {
		return c.bad(n.pos, "null is always null")
	}
	state := a.state()
	return &Expr{Type: Bool, bool: func(f *Frame) (bool, State) {
		s := state(f)
		if s == Unknown {
			return false, s
		}
		return (s == IsNull) == want, Known
	}}
}

// state evaluates to what is known of the expression's value.
func (e *Expr) state() func(*Frame) State {
	switch {
	case e.text != nil:
		return func(f *Frame) State { _, s := e.text(f); return s }
	case e.int != nil:
		return func(f *Frame) State { _, s := e.int(f); return s }
	case e.dec != nil:
		return func(f *Frame) State { _, s := e.dec(f); return s }
	case e.float != nil:
		return func(f *Frame) State { _, s := e.float(f); return s }
	case e.bool != nil:
		return func(f *Frame) State { _, s := e.bool(f); return s }
	}
	return func(*Frame) State { return IsNull }
}

func (c *compiler) ternary(n *Node, args []*Expr) *Expr {
	cond := args[0]
	if cond.Type != Bool {
		return c.bad(n.pos, "before `?` stands a condition, and this is %s", cond.Type)
	}
	yes, no := c.alike(n.pos, args[1], args[2])
	if yes == nil {
		return nil
	}
	e := &Expr{Type: yes.Type}
	if yes.Type == Text && yes.Texts != nil && no.Texts != nil {
		e.Texts = slices.Concat(yes.Texts, no.Texts)
	}
	switch yes.Type {
	case Text, Bytes, Set:
		e.text = choose(cond.bool, yes.text, no.text)
	case Decimal:
		e.dec = choose(cond.bool, yes.dec, no.dec)
	case Float:
		e.float = choose(cond.bool, yes.float, no.float)
	case Bool:
		e.bool = choose(cond.bool, yes.bool, no.bool)
	default:
		e.int = choose(cond.bool, yes.int, no.int)
	}
	return e
}

func choose[T any](cond fn[bool], yes, no fn[T]) fn[T] {
	return func(f *Frame) (v T, s State) {
		b, s := cond(f)
		if s == Unknown {
			return v, s
		}
		if b && s == Known {
			return yes(f)
		}
		return no(f)
	}
}

// alike gives both expressions one type, or notes why they have none.
func (c *compiler) alike(pos int, a, b *Expr) (*Expr, *Expr) {
	switch {
	case a.Type == Null && b.Type == Null:
		c.bad(pos, "both are null, so the result has no type")
		return nil, nil
	case a.Type == Null:
		return b.nothing(), b
	case b.Type == Null:
		return a, a.nothing()
	case a.Type == b.Type:
		return a, b
	}
	x, y, problem := numbers(a, b)
	if problem != "" {
		c.bad(pos, "%s", problem)
		return nil, nil
	}
	return x, y
}

// nothing is a null of e's type.
func (e *Expr) nothing() *Expr {
	return &Expr{Type: e.Type, Column: -1, Texts: []string{}, text: never[[]byte], int: never[int64],
		dec: never[decimal.Decimal], float: never[float64], bool: never[bool]}
}

func never[T any](*Frame) (v T, s State) { return v, IsNull }

// numbers brings two numbers of different types to one in which nothing is lost.
func numbers(a, b *Expr) (x, y *Expr, problem string) {
	isExact := func(e *Expr) bool { return e.Type == Int || e.Type == Decimal }
	switch {
	case isExact(a) && isExact(b):
		return &Expr{Type: Decimal, dec: exact(a), Columns: a.Columns, Shown: a.Shown, Column: -1}, &Expr{Type: Decimal, dec: exact(b), Columns: b.Columns, Shown: b.Shown, Column: -1}, ""
	case a.Type == Float && b.number != nil:
		return a, &Expr{Type: Float, Column: -1, float: constant(b.number.Float())}, ""
	case a.number != nil && b.Type == Float:
		return &Expr{Type: Float, Column: -1, float: constant(a.number.Float())}, b, ""
	case a.Type == Float && isExact(b) || isExact(a) && b.Type == Float:
		return nil, nil, "a float is not exact and does not go with an exact number; write money(x) or round(x, places) around the float"
	}
	return nil, nil, fmt.Sprintf("%s and %s do not go together%s", a.Type, b.Type, hint(a.Type, b.Type))
}

// hint says how two types can be brought together.
func hint(a, b Type) string {
	has := func(x, y Type) bool { return a == x && b == y || a == y && b == x }
	switch {
	case has(Text, Int), has(Text, Decimal), has(Text, Float):
		return "; write number(x) around the text, or text(x) around the number"
	case has(Date, DateTime), has(Date, Instant):
		return "; write date(x) around the other"
	case has(DateTime, Instant):
		return "; write utc(x) or local(x) around the datetime, whichever clock it was read from"
	case has(Date, Text), has(DateTime, Text), has(Instant, Text):
		return "; write date(\"YYYY-MM-DD\") for a fixed day"
	case has(Bool, Int):
		return "; write x != 0 for a flag"
	}
	return ""
}

// exact is a number as a decimal.
func exact(e *Expr) fn[decimal.Decimal] {
	if e.dec != nil {
		return e.dec
	}
	return func(f *Frame) (decimal.Decimal, State) {
		v, s := e.int(f)
		return decimal.New(v, 0), s
	}
}

// lift makes a function of a value one of nullable values; ok false is null.
func lift[A, B any](a fn[A], apply func(*Frame, A) (B, bool)) fn[B] {
	return func(f *Frame) (out B, s State) {
		v, s := a(f)
		if s != Known {
			return out, s
		}
		out, ok := apply(f, v)
		if !ok {
			return out, IsNull
		}
		return out, Known
	}
}

// lift2 does the same for two values.
func lift2[A, B, C any](a fn[A], b fn[B], apply func(*Frame, A, B) C) fn[C] {
	return func(f *Frame) (out C, s State) {
		x, s := a(f)
		y, t := b(f)
		if s = max(s, t); s != Known {
			return out, s
		}
		return apply(f, x, y), Known
	}
}

func ordinal(i int) string {
	return strconv.Itoa(i+1) + [...]string{"st", "nd", "rd", "th"}[min(i, 3)]
}
