package expr

import (
	"bytes"
	"cmp"

	"chartwire/pipeline/mapping/decimal"
)

func (c *compiler) binary(n *Node, a, b *Expr) *Expr {
	switch n.text {
	case "and", "or":
		if a.Type != Bool || b.Type != Bool {
			return c.bad(n.pos, "`%s` joins two conditions, and these are %s and %s%s", n.text, a.Type, b.Type, hint(a.Type, b.Type))
		}
		return &Expr{Type: Bool, bool: logic(a.bool, b.bool, n.text == "or")}
	case "+", "-", "*":
		return c.arithmetic(n, a, b)
	}
	return c.comparison(n, a, b)
}

// logic is `and`, or with decides = true `or`: one side that decides is enough.
func logic(a, b fn[bool], decides bool) fn[bool] {
	return func(f *Frame) (bool, State) {
		x, s := a(f)
		if s == Known && x == decides {
			return decides, Known
		}
		y, t := b(f)
		if t == Known && y == decides {
			return decides, Known
		}
		return !decides, max(s, t)
	}
}

func (c *compiler) arithmetic(n *Node, a, b *Expr) *Expr {
	if a.Type == Text && b.Type == Text && n.text == "+" {
		return &Expr{Type: Text, text: lift2(a.text, b.text, func(f *Frame, x, y []byte) []byte {
			start := len(f.Arena)
			f.Arena = append(append(f.Arena, x...), y...)
			return f.keep(start)
		})}
	}
	if a.Type == Null || b.Type == Null {
		return c.bad(n.pos, "`%s` with null is always null", n.text)
	}
	if !a.numeric() || !b.numeric() {
		return c.bad(n.pos, "`%s` takes two numbers%s, and these are %s and %s%s", n.text, map[bool]string{true: " or two texts"}[n.text == "+"],
			a.Type, b.Type, hint(a.Type, b.Type))
	}
	if a.Type != Float || b.Type != Float {
		var problem string
		if a, b, problem = numbers(a, b); problem != "" {
			return c.bad(n.pos, "%s", problem)
		}
	}
	if a.Type == Float {
		op := map[string]func(*Frame, float64, float64) float64{
			"+": func(_ *Frame, x, y float64) float64 { return x + y },
			"-": func(_ *Frame, x, y float64) float64 { return x - y },
			"*": func(_ *Frame, x, y float64) float64 { return x * y },
		}[n.text]
		return &Expr{Type: Float, float: lift2(a.float, b.float, op)}
	}
	op := map[string]func(*Frame, decimal.Decimal, decimal.Decimal) decimal.Decimal{
		"+": func(_ *Frame, x, y decimal.Decimal) decimal.Decimal { return x.Add(y) },
		"-": func(_ *Frame, x, y decimal.Decimal) decimal.Decimal { return x.Sub(y) },
		"*": func(_ *Frame, x, y decimal.Decimal) decimal.Decimal { return x.Mul(y) },
	}[n.text]
	return &Expr{Type: Decimal, dec: lift2(a.dec, b.dec, op)}
}

func (e *Expr) numeric() bool { return e.Type == Int || e.Type == Decimal || e.Type == Float }

func (c *compiler) comparison(n *Node, a, b *Expr) *Expr {
	if a.Type == Null || b.Type == Null {
		return c.bad(n.pos, "a comparison with null is never true; write `is null` or `is not null`")
	}
	if a.Type != b.Type {
		var problem string
		if a, b, problem = numbers(a, b); problem != "" {
			return c.bad(n.pos, "%s", problem)
		}
	}
	ordered := n.text != "==" && n.text != "!="
	if ordered && (a.Type == Bool || a.Type == Text || a.Type == Bytes || a.Type == Set) {
		return c.bad(n.pos, "%s has no order here; only == and != compare it", a.Type)
	}
	holds := map[string]func(int) bool{
		"==": func(c int) bool { return c == 0 }, "!=": func(c int) bool { return c != 0 },
		"<": func(c int) bool { return c < 0 }, "<=": func(c int) bool { return c <= 0 },
		">": func(c int) bool { return c > 0 }, ">=": func(c int) bool { return c >= 0 },
	}[n.text]
	e := &Expr{Type: Bool}
	switch a.Type {
	case Text, Bytes, Set:
		equal := n.text == "=="
		e.bool = lift2(a.text, b.text, func(_ *Frame, x, y []byte) bool { return bytes.Equal(x, y) == equal })
	case Decimal:
		e.bool = lift2(a.dec, b.dec, func(_ *Frame, x, y decimal.Decimal) bool { return holds(x.Cmp(y)) })
	case Float:
		e.bool = lift2(a.float, b.float, func(_ *Frame, x, y float64) bool { return holds(cmp.Compare(x, y)) })
	case Bool:
		equal := n.text == "=="
		e.bool = lift2(a.bool, b.bool, func(_ *Frame, x, y bool) bool { return (x == y) == equal })
	default:
		e.bool = lift2(a.int, b.int, func(_ *Frame, x, y int64) bool { return holds(cmp.Compare(x, y)) })
	}
	return e
}

// in is a set of literals that a value is looked up in.
func (c *compiler) in(n *Node, args []*Expr) *Expr {
	want, a := n.text == "in", args[0]
	if a.Type == Text {
		set := map[string]bool{}
		for i, lit := range args[1:] {
			if lit.Type != Text {
				return c.bad(n.args[i+1].pos, "a text is looked for among texts; write \"…\"")
			}
			if set[lit.Texts[0]] {
				return c.bad(n.args[i+1].pos, "%q is in the list twice", lit.Texts[0])
			}
			set[lit.Texts[0]] = true
		}
		return &Expr{Type: Bool, bool: lift(a.text, func(_ *Frame, v []byte) (bool, bool) { return set[string(v)] == want, true })}
	}
	if a.Type != Int && a.Type != Decimal {
		return c.bad(n.pos, "`in` takes a text or an exact number, and this is %s", a.Type)
	}
	var list []decimal.Decimal
	for i, lit := range args[1:] {
		if lit.number == nil {
			return c.bad(n.args[i+1].pos, "a number is looked for among numbers")
		}
		list = append(list, *lit.number)
	}
	return &Expr{Type: Bool, bool: lift(exact(a), func(_ *Frame, v decimal.Decimal) (bool, bool) {
		for _, x := range list {
			if x.Cmp(v) == 0 {
				return want, true
			}
		}
		return !want, true
	})}
}
