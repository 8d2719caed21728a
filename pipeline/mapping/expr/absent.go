package expr

import "slices"

// absent is a null that fits every type: a column of a source that is optional
// and not configured.
func absent() *Expr {
	e := (&Expr{Type: Null}).nothing()
	e.Absent = true
	return e
}

// Never is a condition that is null, and so never true: what an absent one is.
func Never() *Expr { return &Expr{Type: Bool, Column: -1, bool: never[bool]} }

// withAbsent gives an operation some of whose operands are absent; nil means
// that it is like one with a written null.
func withAbsent(n *Node, args []*Expr) *Expr {
	switch n.kind {
	case nodeIsNull:
		return &Expr{Type: Bool, bool: constant(n.text == "is null")}
	case nodeTernary:
		switch {
		case args[0].Absent:
			return branch(args[2])
		case args[1].Type == Null && args[2].Type == Null:
			return absent()
		}
		return nil
	case nodeIn:
		return Never()
	case nodeUnary:
		if n.text == "not" {
			return Never()
		}
		return absent()
	}
	switch n.text {
	case "and", "or":
		for i := range args {
			if args[i].Absent {
				args[i] = Never()
			}
		}
		return nil
	case "+", "-", "*":
		return absent()
	}
	return Never()
}

// branch is an expression that is always taken.
func branch(e *Expr) *Expr {
	out := *e // reads notes the columns of all parts in it
	return &out
}

// callWithAbsent does the same for a call.
func (c *compiler) callWithAbsent(n *Node, args []*Expr) *Expr {
	switch n.text {
	case "coalesce":
		there := slices.DeleteFunc(slices.Clone(args), func(a *Expr) bool { return a.Absent })
		switch len(there) {
		case 0:
			return absent()
		case 1:
			return branch(there[0])
		}
		return buildCoalesce(c, n, there)
	case "join":
		for i := range args {
			if args[i].Absent {
				args[i] = &Expr{Type: Text, Column: -1, text: never[[]byte]}
			}
		}
		return nil
	case "choose":
		if !args[0].Absent {
			for i, a := range args {
				if a.Type != Null && (i > 0 && i%2 == 0 || i == len(args)-1) {
					return nil // a value that is absent is a null like any
				}
			}
			return absent()
		}
		if len(args)%2 == 0 {
			return branch(args[len(args)-1])
		}
		return absent()
	case "contains", "starts", "ends", "matches", "has":
		return Never()
	}
	return absent()
}
