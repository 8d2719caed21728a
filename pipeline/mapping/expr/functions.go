package expr

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"chartwire/pipeline/mapping/decimal"
)

// function is one function of the language. build makes the call's expression
// from its checked arguments, or notes what is wrong with them.
type function struct {
	usage    string // how a call looks
	min, max int    // number of arguments; max -1: any
	build    func(c *compiler, n *Node, a []*Expr) *Expr
}

// functions is filled by init, because coalesce and others look themselves up
// in messages.
var functions map[string]function

func init() {
	functions = map[string]function{
		"text":       {"text(x)", 1, 1, buildText},
		"lower":      {"lower(text)", 1, 1, onText(func(b, s []byte) []byte { return appendCase(b, s, 'A', bytes.ToLower) })},
		"upper":      {"upper(text)", 1, 1, onText(func(b, s []byte) []byte { return appendCase(b, s, 'a', bytes.ToUpper) })},
		"trim":       {"trim(text)", 1, 1, onText(func(b, s []byte) []byte { return append(b, bytes.TrimSpace(s)...) })},
		"filled":     {"filled(text)", 1, 1, buildFilled},
		"left":       {"left(text, n)", 2, 2, buildLeft},
		"join":       {"join(\"separator\", text, …)", 2, -1, buildJoin},
		"phone":      {"phone(text)", 1, 1, onText(appendPhone)},
		"contains":   {"contains(text, \"part\")", 2, 2, textTest(bytes.Contains)},
		"starts":     {"starts(text, \"part\")", 2, 2, textTest(bytes.HasPrefix)},
		"ends":       {"ends(text, \"part\")", 2, 2, textTest(bytes.HasSuffix)},
		"matches":    {"matches(text, \"regular expression\")", 2, 2, buildMatches},
		"has":        {"has(set, \"label\")", 2, 2, buildHas},
		"number":     {"number(text)", 1, 1, buildNumber},
		"money":      {"money(number)", 1, 1, func(c *compiler, n *Node, a []*Expr) *Expr { return c.round(n, a[0], 2) }},
		"round":      {"round(number, places)", 2, 2, buildRound},
		"abs":        {"abs(number)", 1, 1, buildAbs},
		"nonzero":    {"nonzero(number)", 1, 1, buildNonzero},
		"choose":     {"choose(x, key, value, …, otherwise)", 3, -1, buildChoose},
		"coalesce":   {"coalesce(x, y, …)", 2, -1, buildCoalesce},
		"date":       {"date(x)", 1, 1, buildDate},
		"today":      {"today()", 0, 0, buildToday},
		"days":       {"days(date, n)", 2, 2, buildDays},
		"utc":        {"utc(datetime)", 1, 1, buildUTC},
		"local":      {"local(datetime)", 1, 1, buildLocal},
		"epoch":      {"epoch(seconds)", 1, 1, buildEpoch},
		"neg":        {"neg(number)", 1, 1, buildNeg},
		"plain":      {"plain(text)", 1, 1, onText(appendPlain)},
		"guest":      {"guest(email)", 1, 1, buildGuest},
		"previous":   {"previous(x)", 1, 1, buildPrevious},
		"committed":  {"committed()", 0, 0, buildCommitted},
		"range_low":  {"range_low(text)", 1, 1, onRange(func(r span) (decimal.Decimal, bool) { return r.low, r.hasLow })},
		"range_high": {"range_high(text)", 1, 1, onRange(func(r span) (decimal.Decimal, bool) { return r.high, r.hasHigh })},
	}
}

// Functions lists the usages of all functions, for messages and documents.
func Functions() []string {
	var out []string
	for _, f := range functions {
		out = append(out, f.usage)
	}
	for _, a := range aggregates {
		out = append(out, a.usage)
	}
	slices.Sort(out)
	return out
}

func (c *compiler) call(n *Node) *Expr {
	if _, ok := aggregates[n.text]; ok && (n.text != "join" || len(n.args) > 1 && c.overRows(n.args[1])) {
		return c.aggregate(n)
	}
	args := make([]*Expr, len(n.args))
	failed := false
	for i, a := range n.args {
		args[i] = c.expr(a)
		failed = failed || args[i] == nil
	}
	f, ok := functions[n.text]
	if !ok {
		return c.bad(n.pos, "there is no function %s; there are %s", n.text, strings.Join(Functions(), ", "))
	}
	if failed {
		return nil
	}
	if len(args) < f.min || f.max >= 0 && len(args) > f.max {
		return c.bad(n.pos, "a call of %s looks like %s", n.text, f.usage)
	}
	if slices.ContainsFunc(args, func(a *Expr) bool { return a.Absent }) {
		if e := c.callWithAbsent(n, args); e != nil {
			return reads(e, args...)
		}
	}
	for _, a := range args {
		if a.Type == Null && n.text != "coalesce" && n.text != "choose" {
			return c.bad(n.pos, "%s of null is always null", n.text)
		}
	}
	e := f.build(c, n, args)
	if e = reads(e, args...); e != nil && n.text == "guest" {
		e.Shown = nil
	}
	return e
}

// want checks the type of one argument.
func (c *compiler) want(n *Node, i int, a *Expr, t Type) bool {
	if a.Type == t {
		return true
	}
	c.bad(n.args[i].pos, "%s takes %s as its %s argument, and this is %s%s", functions[n.text].usage, t, ordinal(i), a.Type, hint(a.Type, t))
	return false
}

// literalText is an argument that has to be written out.
func (c *compiler) literalText(n *Node, i int) (string, bool) {
	if n.args[i].kind != nodeText {
		c.bad(n.args[i].pos, "%s takes a written text as its %s argument", functions[n.text].usage, ordinal(i))
		return "", false
	}
	return n.args[i].text, true
}

func (c *compiler) literalInt(n *Node, i, high int) (int, bool) {
	v, err := strconv.Atoi(n.args[i].text)
	if n.args[i].kind != nodeNumber || err != nil || v > high {
		c.bad(n.args[i].pos, "%s takes a whole number from 0 to %d as its %s argument", functions[n.text].usage, high, ordinal(i))
		return 0, false
	}
	return v, true
}

// onText is a function from text to text that appends its result.
func onText(apply func(b, s []byte) []byte) func(*compiler, *Node, []*Expr) *Expr {
	return func(c *compiler, n *Node, a []*Expr) *Expr {
		if !c.want(n, 0, a[0], Text) {
			return nil
		}
		return &Expr{Type: Text, text: lift(a[0].text, func(f *Frame, s []byte) ([]byte, bool) {
			start := len(f.Arena)
			f.Arena = apply(f.Arena, s)
			return f.keep(start), true
		})}
	}
}

func buildFilled(c *compiler, n *Node, a []*Expr) *Expr {
	if !c.want(n, 0, a[0], Text) {
		return nil
	}
	return &Expr{Type: Text, Texts: a[0].Texts, text: lift(a[0].text, func(_ *Frame, s []byte) ([]byte, bool) {
		s = bytes.TrimSpace(s)
		return s, len(s) > 0
	})}
}

func buildLeft(c *compiler, n *Node, a []*Expr) *Expr {
	max, ok := c.literalInt(n, 1, 65536)
	if !c.want(n, 0, a[0], Text) || !ok {
		return nil
	}
	return &Expr{Type: Text, text: lift(a[0].text, func(_ *Frame, s []byte) ([]byte, bool) { return s[:prefix(s, max)], true })}
}

// prefix is the length in bytes of the first n characters.
func prefix(s []byte, n int) int {
	for i := range string(s) {
		if n == 0 {
			return i
		}
		n--
	}
	return len(s)
}

// buildJoin joins what is there: null and empty parts are passed over, and
// without any part the result is null.
func buildJoin(c *compiler, n *Node, a []*Expr) *Expr {
	sep, ok := c.literalText(n, 0)
	parts := make([]fn[[]byte], 0, len(a))
	for i := 1; i < len(a); i++ {
		ok = c.want(n, i, a[i], Text) && ok
		parts = append(parts, a[i].text)
	}
	if !ok {
		return nil
	}
	return &Expr{Type: Text, text: func(f *Frame) ([]byte, State) {
		var buf [8][]byte
		vals := buf[:0]
		for _, part := range parts {
			v, s := part(f)
			if s == Unknown {
				return nil, s
			}
			if s == Known && len(v) > 0 {
				vals = append(vals, v)
			}
		}
		if len(vals) == 0 {
			return nil, IsNull
		}
		start := len(f.Arena)
		for i, v := range vals {
			if i > 0 {
				f.Arena = append(f.Arena, sep...)
			}
			f.Arena = append(f.Arena, v...)
		}
		return f.keep(start), Known
	}}
}

func textTest(test func(s, part []byte) bool) func(*compiler, *Node, []*Expr) *Expr {
	return func(c *compiler, n *Node, a []*Expr) *Expr {
		if !c.want(n, 0, a[0], Text) || !c.want(n, 1, a[1], Text) {
			return nil
		}
		return &Expr{Type: Bool, bool: lift2(a[0].text, a[1].text, func(_ *Frame, s, part []byte) bool { return test(s, part) })}
	}
}

func buildCoalesce(c *compiler, n *Node, a []*Expr) *Expr {
	e := a[0]
	for i, b := range a[1:] {
		x, y := c.alike(n.args[i+1].pos, e, b)
		if x == nil {
			return nil
		}
		next := &Expr{Type: x.Type, text: first(x.text, y.text), int: first(x.int, y.int), dec: first(x.dec, y.dec),
			float: first(x.float, y.float), bool: first(x.bool, y.bool)}
		if x.Texts != nil && y.Texts != nil {
			next.Texts = slices.Concat(x.Texts, y.Texts)
		}
		e = next
	}
	return e
}

// first is a unless it is null, then b.
func first[T any](a, b fn[T]) fn[T] {
	if a == nil || b == nil {
		return nil
	}
	return func(f *Frame) (T, State) {
		if v, s := a(f); s != IsNull {
			return v, s
		}
		return b(f)
	}
}

func (c *compiler) problem(n *Node, i int, a *Expr, takes string) *Expr {
	return c.bad(n.args[i].pos, "%s takes %s, and this is %s", functions[n.text].usage, takes, fmt.Sprint(a.Type))
}
