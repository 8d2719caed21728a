package expr

import (
	"bytes"
	"regexp"
	"strconv"
	"unicode/utf8"

	"chartwire/pipeline/mapping/decimal"
)

// buildText writes a value as text, in one canonical form per type.
func buildText(c *compiler, n *Node, a []*Expr) *Expr {
	x := a[0]
	e := &Expr{Type: Text}
	switch x.Type {
	case Text:
		return c.bad(n.pos, "this is a text already; leave text() out")
	case Bytes:
		return c.bad(n.pos, "bytes have no text")
	case Set:
		e.text = x.text
	case Int:
		e.text = written(x.int, func(b []byte, v int64) []byte { return strconv.AppendInt(b, v, 10) })
	case Decimal:
		e.text = written(x.dec, func(b []byte, v decimal.Decimal) []byte { return v.Append(b) })
	case Float:
		e.text = writtenIf(x.float, appendFloat)
	case Bool:
		e.text = written(x.bool, strconv.AppendBool)
		e.Texts = []string{"true", "false"}
	case Date:
		e.text = written(x.int, AppendDate)
	case DateTime:
		e.text = written(x.int, appendDateTime)
	case Instant:
		e.text = written(x.int, AppendInstant)
	case Time:
		e.text = written(x.int, appendTime)
	}
	return e
}

func written[T any](a fn[T], apply func([]byte, T) []byte) fn[[]byte] {
	return writtenIf(a, func(b []byte, v T) ([]byte, bool) { return apply(b, v), true })
}

func writtenIf[T any](a fn[T], apply func([]byte, T) ([]byte, bool)) fn[[]byte] {
	return lift(a, func(f *Frame, v T) ([]byte, bool) {
		start := len(f.Arena)
		var ok bool
		f.Arena, ok = apply(f.Arena, v)
		return f.keep(start), ok
	})
}

// appendFloat writes the shortest decimal that reads back as v; none for NaN
// and infinities.
func appendFloat(b []byte, v float64) ([]byte, bool) {
	d, ok := decimal.FromFloat(v, 64)
	if !ok {
		return b, false
	}
	return d.Append(b), true
}

// appendCase changes the case of the 26 letters from first on, or asks slow
// when the text has others.
func appendCase(b, s []byte, first byte, slow func([]byte) []byte) []byte {
	start := len(b)
	for _, c := range s {
		if c >= utf8.RuneSelf {
			return append(b[:start], slow(s)...)
		}
		if c >= first && c < first+26 {
			c ^= 'a' - 'A'
		}
		b = append(b, c)
	}
	return b
}

// appendPhone normalises a number of North America, or one that names its
// country with +, to E.164. Anything it is not sure of, such as an extension,
// stays as it was written.
func appendPhone(b, s []byte) []byte {
	s = bytes.TrimSpace(s)
	start := len(b)
	b = append(b, '+')
	plus := len(s) > 0 && s[0] == '+'
	for i, c := range s {
		switch {
		case c >= '0' && c <= '9':
			b = append(b, c)
		case c == '+' && i == 0, c == ' ', c == '-', c == '.', c == '(', c == ')', c == '/':
		default:
			return append(b[:start], s...)
		}
	}
	digits := b[start+1:]
	switch n := len(digits); {
	case plus && n >= 8 && n <= 15 && digits[0] != '0':
		return b
	case !plus && n == 11 && digits[0] == '1' && american(digits[1:]):
		return b
	case !plus && n == 10 && american(digits):
		b = append(b, 0)
		copy(b[start+2:], b[start+1:])
		b[start+1] = '1'
		return b
	}
	return append(b[:start], s...)
}

// american says that ten digits can be a number of North America: area code
// and exchange start with 2 to 9.
func american(d []byte) bool { return d[0] >= '2' && d[3] >= '2' }

func buildMatches(c *compiler, n *Node, a []*Expr) *Expr {
	pattern, ok := c.literalText(n, 1)
	if !c.want(n, 0, a[0], Text) || !ok {
		return nil
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return c.bad(n.args[1].pos, "not a regular expression: %v", err)
	}
	return &Expr{Type: Bool, bool: lift(a[0].text, func(_ *Frame, s []byte) (bool, bool) { return re.Match(s), true })}
}

func buildHas(c *compiler, n *Node, a []*Expr) *Expr {
	label, ok := c.literalText(n, 1)
	if !c.want(n, 0, a[0], Set) || !ok {
		return nil
	}
	return &Expr{Type: Bool, bool: lift(a[0].text, func(_ *Frame, s []byte) (bool, bool) {
		for part := range bytes.SplitSeq(s, []byte{','}) {
			if string(part) == label {
				return true, true
			}
		}
		return false, true
	})}
}

// span is a reference range as laboratories write it.
type span struct {
	low, high       decimal.Decimal
	hasLow, hasHigh bool
}

// parseSpan reads 3.5-5.1, <200, <=200, >40, >=40, also with blanks and with
// the signs ≤, ≥ and –. Anything else is no range.
func parseSpan(s []byte) (r span, ok bool) {
	s = bytes.TrimSpace(s)
	for _, op := range []string{"<=", "≤", "<", ">=", "≥", ">"} {
		rest, found := bytes.CutPrefix(s, []byte(op))
		if !found {
			continue
		}
		v, ok := decimal.Parse(bytes.TrimSpace(rest))
		if op[0] == '<' || op == "≤" {
			return span{high: v, hasHigh: ok}, ok
		}
		return span{low: v, hasLow: ok}, ok
	}
	for i := 1; i < len(s); i++ {
		n := 1
		if s[i] != '-' {
			if !bytes.HasPrefix(s[i:], []byte("–")) {
				continue
			}
			n = len("–")
		}
		low, ok1 := decimal.Parse(bytes.TrimSpace(s[:i]))
		high, ok2 := decimal.Parse(bytes.TrimSpace(s[i+n:]))
		if ok1 && ok2 && low.Cmp(high) <= 0 {
			return span{low, high, true, true}, true
		}
	}
	return span{}, false
}

func onRange(pick func(span) (decimal.Decimal, bool)) func(*compiler, *Node, []*Expr) *Expr {
	return func(c *compiler, n *Node, a []*Expr) *Expr {
		if !c.want(n, 0, a[0], Text) {
			return nil
		}
		return &Expr{Type: Decimal, dec: lift(a[0].text, func(_ *Frame, s []byte) (decimal.Decimal, bool) {
			r, ok := parseSpan(s)
			if !ok {
				return decimal.Decimal{}, false
			}
			return pick(r)
		})}
	}
}
