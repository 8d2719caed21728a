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
		zone := c.scope.Zone()
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
	if !c.want(n, 0, a[0], DateTime) {
		return nil
	}
	return &Expr{Type: Instant, int: a[0].int}
}

func buildLocal(c *compiler, n *Node, a []*Expr) *Expr {
	if !c.want(n, 0, a[0], DateTime) {
		return nil
	}
	zone := c.scope.Zone()
	return &Expr{Type: Instant, int: lift(a[0].int, func(_ *Frame, us int64) (int64, bool) { return At(us, zone), true })}
}

// maxEpoch ends the years of four digits.
var maxEpoch = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC).Unix()

// buildEpoch reads seconds since 1970; what lies outside the years 1970 to
// 9999 is null.
func buildEpoch(c *compiler, n *Node, a []*Expr) *Expr {
	if a[0].Type != Int && a[0].Type != Decimal {
		return c.problem(n, 0, a[0], "an exact number of seconds")
	}
	return &Expr{Type: Instant, int: lift(exact(a[0]), func(_ *Frame, d decimal.Decimal) (int64, bool) {
		sec, ok := d.Round(0).Int64()
		if !ok || sec < 0 || sec > maxEpoch {
			return 0, false
		}
		return sec * 1e6, true
	})}
}
