package expr

import "time"

// buildPrevious is an expression on the row as it was before its change: null of
// a row that is new, unknown where nobody knows what was before.
func buildPrevious(c *compiler, n *Node, a []*Expr) *Expr {
	if problem := c.scope.Change(); problem != "" {
		return c.bad(n.pos, "previous(x) %s", problem)
	}
	if n.args[0].calls("previous") {
		return c.bad(n.pos, "a change has one row before it: previous(x) stands in no other")
	}
	x := a[0]
	return &Expr{Type: x.Type, Texts: x.Texts, text: before(x.text), int: before(x.int), dec: before(x.dec), float: before(x.float), bool: before(x.bool)}
}

func before[T any](fn fn[T]) fn[T] {
	if fn == nil {
		return nil
	}
	return func(f *Frame) (v T, s State) {
		switch {
		case f.Before != nil:
			return fn(f.Before)
		case f.New:
			return v, IsNull
		}
		return v, Unknown
	}
}

// buildCommitted is the moment at which the source committed the change.
func buildCommitted(c *compiler, n *Node, _ []*Expr) *Expr {
	if problem := c.scope.Change(); problem != "" {
		return c.bad(n.pos, "committed() %s", problem)
	}
	return &Expr{Type: Instant, int: func(f *Frame) (int64, State) {
		if f.Commit.IsZero() {
			return 0, Unknown
		}
		return f.Commit.Truncate(time.Microsecond).UnixMicro(), Known
	}}
}

// calls reports whether a function is called in an expression.
func (n *Node) calls(name string) bool {
	if n.kind == nodeCall && n.text == name {
		return true
	}
	for _, a := range n.args {
		if a.calls(name) {
			return true
		}
	}
	return false
}
