package expr

import (
	"bytes"
	"math"
	"time"

	"chartwire/pipeline/mapping/decimal"
)

// buildNumber reads a text as an exact number; a text that is none is null.
func buildNumber(c *compiler, n *Node, a []*Expr) *Expr {
	if !c.want(n, 0, a[0], Text) {
		return nil
	}
	return &Expr{Type: Decimal, dec: lift(a[0].text, func(_ *Frame, s []byte) (decimal.Decimal, bool) {
		return decimal.Parse(bytes.TrimSpace(s))
	})}
}

func buildRound(c *compiler, n *Node, a []*Expr) *Expr {
	places, ok := c.literalInt(n, 1, 30)
	if !ok {
		return nil
	}
	return c.round(n, a[0], places)
}

func (c *compiler) round(n *Node, a *Expr, places int) *Expr {
	switch a.Type {
	case Int, Decimal:
		return &Expr{Type: Decimal, dec: lift(exact(a), func(_ *Frame, d decimal.Decimal) (decimal.Decimal, bool) { return d.Round(places), true })}
	case Float:
		return &Expr{Type: Decimal, dec: lift(a.float, func(_ *Frame, v float64) (decimal.Decimal, bool) {
			d, ok := decimal.FromFloat(v, 64)
			return d.Round(places), ok
		})}
	}
	return c.problem(n, 0, a, "a number")
}

func buildAbs(c *compiler, n *Node, a []*Expr) *Expr {
	switch a[0].Type {
	case Int, Decimal:
		return &Expr{Type: Decimal, dec: lift(exact(a[0]), func(_ *Frame, d decimal.Decimal) (decimal.Decimal, bool) { return d.Abs(), true })}
	case Float:
		return &Expr{Type: Float, float: lift(a[0].float, func(_ *Frame, v float64) (float64, bool) { return math.Abs(v), true })}
	}
	return c.problem(n, 0, a[0], "a number")
}

// buildNonzero makes 0, the sources' word for none, a null.
func buildNonzero(c *compiler, n *Node, a []*Expr) *Expr {
	x := a[0]
	switch x.Type {
	case Int:
		return &Expr{Type: Int, int: lift(x.int, func(_ *Frame, v int64) (int64, bool) { return v, v != 0 })}
	case Decimal:
		return &Expr{Type: Decimal, dec: lift(x.dec, func(_ *Frame, v decimal.Decimal) (decimal.Decimal, bool) { return v, v.Sign() != 0 })}
	case Float:
		return &Expr{Type: Float, float: lift(x.float, func(_ *Frame, v float64) (float64, bool) { return v, v != 0 })}
	}
	return c.problem(n, 0, x, "a number")
}

// buildDate gives the day of a datetime, of an instant on the source's clocks,
// or of a text YYYY-MM-DD.
func buildDate(c *compiler, n *Node, a []*Expr) *Expr {
	x := a[0]
	e := &Expr{Type: Date}
	switch x.Type {
	case DateTime:
		e.int = lift(x.int, func(_ *Frame, us int64) (int64, bool) { return floorDiv(us, microsPerDay), true })
	case Instant:
		zone := c.scope.Zone(x.Columns)
		e.int = lift(x.int, func(_ *Frame, us int64) (int64, bool) {
			sec := floorDiv(us, 1e6)
			return floorDiv(sec+offset(sec, zone), 86400), true
		})
	case Text:
		if n.args[0].kind == nodeText {
			if _, ok := ParseDate(n.args[0].text); !ok {
				return c.bad(n.args[0].pos, "a written day looks like \"2026-01-31\"")
			}
		}
		e.int = lift(x.text, func(_ *Frame, s []byte) (int64, bool) { return ParseDate(string(bytes.TrimSpace(s))) })
	case Date:
		return c.bad(n.pos, "this is a date already; leave date() out")
	default:
		return c.problem(n, 0, x, "a datetime, an instant or a text")
	}
	return e
}

func buildUTC(c *compiler, n *Node, a []*Expr) *Expr {
	return c.moment(n, a[0], func(us int64) int64 { return us })
}

func buildLocal(c *compiler, n *Node, a []*Expr) *Expr {
	zone := c.scope.Zone(a[0].Columns)
	return c.moment(n, a[0], func(us int64) int64 { return At(us, zone) })
}

// moment reads a datetime, or a text that is one, by a clock.
func (c *compiler) moment(n *Node, x *Expr, clock func(us int64) int64) *Expr {
	switch x.Type {
	case DateTime:
		return &Expr{Type: Instant, int: lift(x.int, func(_ *Frame, us int64) (int64, bool) { return clock(us), true })}
	case Text:
		return &Expr{Type: Instant, int: lift(x.text, func(_ *Frame, s []byte) (int64, bool) {
			us, ok := ParseDateTime(string(bytes.TrimSpace(s)))
			return clock(us), ok
		})}
	}
	return c.problem(n, 0, x, "a datetime or a text")
}

// maxEpoch ends the years of four digits.
var maxEpoch = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC).Unix()

// buildEpoch reads seconds since 1970; what lies outside the years 1970 to
// 9999 is null. Of a text, 0 is none.
func buildEpoch(c *compiler, n *Node, a []*Expr) *Expr {
	moment := func(d decimal.Decimal) (int64, bool) {
		sec, ok := d.Round(0).Int64()
		return sec * 1e6, ok && sec >= 0 && sec <= maxEpoch
	}
	switch a[0].Type {
	case Int, Decimal:
		return &Expr{Type: Instant, int: lift(exact(a[0]), func(_ *Frame, d decimal.Decimal) (int64, bool) { return moment(d) })}
	case Text:
		return &Expr{Type: Instant, int: lift(a[0].text, func(_ *Frame, s []byte) (int64, bool) {
			d, ok := decimal.Parse(bytes.TrimSpace(s))
			if !ok || d.Sign() == 0 {
				return 0, false
			}
			return moment(d)
		})}
	}
	return c.problem(n, 0, a[0], "an exact number of seconds or a text")
}

func buildNeg(c *compiler, n *Node, a []*Expr) *Expr {
	return c.unary(&Node{nodeUnary, n.pos, "-", n.args}, a[0])
}
