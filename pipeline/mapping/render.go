package mapping

import (
	"strconv"

	"chartwire/pipeline/mapping/decimal"
	"chartwire/pipeline/mapping/expr"
	"chartwire/schemas/hubspot"
)

// outcome is what a row gives a property.
type outcome uint8

const (
	given   outcome = iota // a value
	empty                  // a text without content: at the destination that is none
	null                   // null at the source, or by a function's rule
	unknown                // left alone
	refused                // no place in the property
)

// renderer appends the destination's text of a property.
type renderer func(f *expr.Frame, dst []byte) ([]byte, outcome)

// maxText is the largest text HubSpot takes, in characters.
const maxText = 65536

// why says what each type of property refuses.
const (
	whyValues = "the source's value is not among `values`"
	whyLong   = "the text is longer than 65536 characters"
	whyValid  = "the value does not meet `valid`, or is longer than 65536 characters"
)

func stateOutcome(s expr.State) outcome {
	if s == expr.Unknown {
		return unknown
	}
	return null
}

func renderText(e *expr.Expr) renderer {
	return func(f *expr.Frame, dst []byte) ([]byte, outcome) {
		v, s := e.Text(f)
		switch {
		case s != expr.Known:
			return dst, stateOutcome(s)
		case len(v) == 0:
			return dst, empty
		case len(v) > maxText && units(v) > maxText:
			return dst, refused
		}
		return append(dst, v...), given
	}
}

// units is the length of a text as HubSpot counts it, in UTF-16.
func units(s []byte) (n int) {
	for _, r := range string(s) {
		if n++; r > 0xffff {
			n++
		}
	}
	return n
}

func renderInt(e *expr.Expr, apply func([]byte, int64) []byte) renderer {
	return func(f *expr.Frame, dst []byte) ([]byte, outcome) {
		v, s := e.Int(f)
		if s != expr.Known {
			return dst, stateOutcome(s)
		}
		return apply(dst, v), given
	}
}

func renderNumber(e *expr.Expr) renderer {
	switch e.Type {
	case expr.Int:
		return renderInt(e, func(b []byte, v int64) []byte { return strconv.AppendInt(b, v, 10) })
	case expr.Decimal:
		return func(f *expr.Frame, dst []byte) ([]byte, outcome) {
			v, s := e.Decimal(f)
			if s != expr.Known {
				return dst, stateOutcome(s)
			}
			return v.Append(dst), given
		}
	}
	return func(f *expr.Frame, dst []byte) ([]byte, outcome) {
		v, s := e.Float(f)
		if s != expr.Known {
			return dst, stateOutcome(s)
		}
		d, ok := decimal.FromFloat(v, 64)
		if !ok {
			return dst, null // NaN and infinities are no numbers
		}
		return d.Append(dst), given
	}
}

func renderBool(e *expr.Expr) renderer {
	return func(f *expr.Frame, dst []byte) ([]byte, outcome) {
		v, s := e.Bool(f)
		if s != expr.Known {
			return dst, stateOutcome(s)
		}
		return strconv.AppendBool(dst, v), given
	}
}

// renderValues looks a text or an integer up.
func renderValues(e *expr.Expr, table map[string]string, otherwise outcome, fallback string) renderer {
	return func(f *expr.Frame, dst []byte) ([]byte, outcome) {
		var v []byte
		var s expr.State
		if e.Type == expr.Int {
			var n int64
			var buf [20]byte
			n, s = e.Int(f)
			v = strconv.AppendInt(buf[:0], n, 10)
		} else {
			v, s = e.Text(f)
		}
		if s != expr.Known {
			return dst, stateOutcome(s)
		}
		if to, ok := table[string(v)]; ok {
			return append(dst, to...), given
		}
		if otherwise == given {
			return append(dst, fallback...), given
		}
		return dst, otherwise
	}
}

// renderValid refuses a value for which the condition is not true.
func renderValid(inner renderer, cond *expr.Expr) renderer {
	return func(f *expr.Frame, dst []byte) ([]byte, outcome) {
		start := len(dst)
		dst, got := inner(f, dst)
		if got != given {
			return dst, got
		}
		switch holds(cond, f) {
		case True:
			return dst, given
		case Unknown:
			return dst[:start], unknown
		}
		return dst[:start], refused
	}
}

// recordKey is what a rule's property says to hold the key of the entity's
// record, with the source's prefix where it has one.
const recordKey = "record.key"

func renderRecordKey(f *expr.Frame, dst []byte) ([]byte, outcome) {
	return append(dst, f.RecordKey...), given
}

func renderFixed(text string) renderer {
	return func(_ *expr.Frame, dst []byte) ([]byte, outcome) { return append(dst, text...), given }
}

// rendererFor gives the renderer that fits an expression to a property, or what
// is wrong and what would be right.
func rendererFor(e *expr.Expr, p *hubspot.Property) (renderer, string) {
	if e.Absent {
		return func(_ *expr.Frame, dst []byte) ([]byte, outcome) { return dst, null }, ""
	}
	if e.Type == expr.Null {
		return nil, "null is no value; leave the property out, or write `on_null`"
	}
	wrong := func(right string) (renderer, string) {
		return nil, "the property " + p.Name + " is a " + p.Type + ", and this is " + e.Type.String() + "; " + right
	}
	switch p.Type {
	case hubspot.String:
		switch e.Type {
		case expr.Text:
			return renderText(e), ""
		case expr.Bool:
			return wrong("write a text for each case: x ? \"…\" : \"…\"")
		case expr.Bytes:
			return wrong("bytes have no text")
		}
		return wrong("write text(x)")
	case hubspot.Number:
		switch e.Type {
		case expr.Int, expr.Decimal, expr.Float:
			return renderNumber(e), ""
		case expr.Text:
			return wrong("write number(x)")
		}
		return wrong("it takes an integer, a decimal or a float")
	case hubspot.Date:
		if e.Type == expr.Date {
			return renderInt(e, expr.AppendDate), ""
		}
		return wrong("write date(x)")
	case hubspot.DateTime:
		switch e.Type {
		case expr.Instant:
			return renderInt(e, expr.AppendInstant), ""
		case expr.DateTime:
			return wrong("write utc(x) if the column holds UTC, local(x) if it holds the source's local time")
		}
		return wrong("it takes an instant")
	case hubspot.Bool:
		if e.Type == expr.Bool {
			return renderBool(e), ""
		}
		return wrong("write a condition, such as x != 0")
	case hubspot.Enumeration:
		if e.Type != expr.Text || e.Texts == nil {
			return wrong("write `values: { source value: Option }` beside it, so that nothing but its options comes out")
		}
		for _, t := range e.Texts {
			if p.Option(t) == nil {
				return nil, "`" + t + "` is no option of " + p.Name + "; " + suggest(t, labels(p), "its options are ")
			}
		}
		return renderText(e), ""
	}
	return nil, "the property " + p.Name + " has the type " + p.Type + ", which maps cannot write"
}

func labels(p *hubspot.Property) []string {
	var out []string
	for _, o := range p.Options {
		out = append(out, o.Label)
	}
	return out
}

// fixedText checks a written value against a property and gives it its
// canonical form, or says what would be right.
func fixedText(text string, p *hubspot.Property) (string, string) {
	switch p.Type {
	case hubspot.Number:
		d, ok := decimal.Parse(text)
		if !ok {
			return "", "`" + text + "` is no number"
		}
		return d.String(), ""
	case hubspot.Date:
		if _, ok := expr.ParseDate(text); !ok {
			return "", "`" + text + "` is no day; write 2026-01-31"
		}
	case hubspot.DateTime:
		us, ok := expr.ParseInstant(text)
		if !ok {
			return "", "`" + text + "` is no moment; write 2026-01-31T12:00:00Z"
		}
		return string(expr.AppendInstant(nil, us)), ""
	case hubspot.Bool:
		if text != "true" && text != "false" {
			return "", "`" + text + "` is neither true nor false"
		}
	case hubspot.Enumeration:
		if len(p.Options) > 0 && p.Option(text) == nil {
			return "", "`" + text + "` is no option of " + p.Name + "; " + suggest(text, labels(p), "its options are ")
		}
	}
	if text == "" {
		return "", "an empty value is none; leave the property out"
	}
	return text, ""
}
