package expr

import "chartwire/pipeline/mapping/decimal"

// buildChoose is a table within a formula: choose(x, key, value, …, otherwise).
// Keys are written texts or numbers; without an otherwise it is null.
func buildChoose(c *compiler, n *Node, a []*Expr) *Expr {
	x := a[0]
	if x.Type != Text && x.Type != Int && x.Type != Decimal {
		return c.problem(n, 0, x, "a text or an exact number as its first argument")
	}
	pairs := (len(a) - 1) / 2
	keys := map[string]int{}
	ok := true
	for i := range pairs {
		key, good := c.choice(n, 1+2*i, a[1+2*i], x.Type)
		if _, twice := keys[key]; good && twice {
			c.bad(n.args[1+2*i].pos, "%s is in the table twice", n.args[1+2*i])
			good = false
		}
		keys[key], ok = i, ok && good
	}
	values := make([]*Expr, 0, pairs+1)
	for i := range pairs {
		values = append(values, a[2+2*i])
	}
	if len(a)%2 == 0 {
		values = append(values, a[len(a)-1])
	}
	if values = c.oneType(n, values); values == nil || !ok {
		return nil
	}
	if len(values) == pairs {
		values = append(values, values[0].nothing())
	}
	look := x.choiceKey()
	find := func(f *Frame) (int, State) {
		key, s := look(f)
		if s == Unknown {
			return 0, s
		}
		if i, ok := keys[string(key)]; ok && s == Known { // null is in no table
			return i, Known
		}
		return pairs, Known
	}
	e := &Expr{Type: values[0].Type, Texts: []string{}}
	for _, v := range values {
		if v.Texts == nil {
			e.Texts = nil
			break
		}
		e.Texts = append(e.Texts, v.Texts...)
	}
	switch e.Type {
	case Text, Bytes, Set:
		e.text = among(find, values, func(v *Expr) fn[[]byte] { return v.text })
	case Decimal:
		e.dec = among(find, values, func(v *Expr) fn[decimal.Decimal] { return v.dec })
	case Float:
		e.float = among(find, values, func(v *Expr) fn[float64] { return v.float })
	case Bool:
		e.bool = among(find, values, func(v *Expr) fn[bool] { return v.bool })
	default:
		e.int = among(find, values, func(v *Expr) fn[int64] { return v.int })
	}
	return e
}

// choice is a key of the table as the text that it is looked up by.
func (c *compiler) choice(n *Node, i int, key *Expr, t Type) (string, bool) {
	switch {
	case t == Text && n.args[i].kind == nodeText:
		return n.args[i].text, true
	case t != Text && key.number != nil:
		return key.number.String(), true
	}
	c.bad(n.args[i].pos, "a key of the table is written out, and of the type of what is looked up: %s", map[bool]string{true: "a text", false: "a number"}[t == Text])
	return "", false
}

// choiceKey is the value as the text that keys are.
func (e *Expr) choiceKey() fn[[]byte] {
	if e.Type == Text {
		return e.text
	}
	return written(exact(e), func(b []byte, v decimal.Decimal) []byte { return v.Append(b) })
}

// oneType brings values to one type, or notes why they have none.
func (c *compiler) oneType(n *Node, values []*Expr) []*Expr {
	all := values[0]
	for _, v := range values[1:] {
		x, _ := c.alike(n.pos, all, v)
		if x == nil {
			return nil
		}
		all = x
	}
	out := make([]*Expr, len(values))
	for i, v := range values {
		if v.Type == all.Type {
			out[i] = v
		} else if _, out[i] = c.alike(n.pos, all, v); out[i] == nil {
			return nil
		}
	}
	if all.Type == Null {
		c.bad(n.pos, "all values are null, so the result has no type")
		return nil
	}
	return out
}

func among[T any](find func(*Frame) (int, State), values []*Expr, of func(*Expr) fn[T]) fn[T] {
	fns := make([]fn[T], len(values))
	for i, v := range values {
		fns[i] = of(v)
	}
	return func(f *Frame) (v T, s State) {
		i, s := find(f)
		if s == Unknown {
			return v, s
		}
		return fns[i](f)
	}
}
