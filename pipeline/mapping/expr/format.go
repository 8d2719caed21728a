package expr

import "strings"

// level is how tightly a node binds: the order of the grammar in doc.go.
func (n *Node) level() int {
	switch n.kind {
	case nodeTernary:
		return 0
	case nodeIn, nodeIsNull:
		return 4
	case nodeUnary:
		if n.text == "not" {
			return 3
		}
		return 7
	case nodeBinary:
		switch n.text {
		case "or":
			return 1
		case "and":
			return 2
		case "+", "-":
			return 5
		case "*":
			return 6
		}
		return 4
	}
	return 8
}

// String writes the expression in its one canonical form, with parentheses
// only where they are needed.
func (n *Node) String() string {
	var b strings.Builder
	n.format(&b)
	return b.String()
}

// AsText is the call text(n).
func AsText(n *Node) *Node { return &Node{nodeCall, n.pos, "text", []*Node{n}} }

// within writes n, in parentheses if it binds less tightly than min.
func (n *Node) within(b *strings.Builder, min int) {
	if n.level() >= min {
		n.format(b)
		return
	}
	b.WriteByte('(')
	n.format(b)
	b.WriteByte(')')
}

func (n *Node) format(b *strings.Builder) {
	level := n.level()
	switch n.kind {
	case nodeText:
		b.WriteString(quote(n.text))
	case nodeTernary:
		n.args[0].within(b, 1)
		b.WriteString(" ? ")
		n.args[1].within(b, 0)
		b.WriteString(" : ")
		n.args[2].within(b, 0)
	case nodeUnary:
		b.WriteString(n.text)
		if n.text == "not" {
			b.WriteByte(' ')
		}
		n.args[0].within(b, level)
	case nodeBinary:
		left := level
		if level == 4 {
			left = 5
		}
		n.args[0].within(b, left)
		b.WriteString(" " + n.text + " ")
		n.args[1].within(b, level+1)
	case nodeIsNull:
		n.args[0].within(b, 5)
		b.WriteString(" " + n.text)
	case nodeRows:
		n.args[0].within(b, 8)
		b.WriteString(" where ")
		n.args[1].within(b, 0)
	case nodeIn:
		n.args[0].within(b, 5)
		b.WriteString(" " + n.text + " ")
		list(b, "[", n.args[1:], "]")
	case nodeCall:
		b.WriteString(n.text)
		list(b, "(", n.args, ")")
	default:
		b.WriteString(n.text)
	}
}

func list(b *strings.Builder, open string, items []*Node, end string) {
	b.WriteString(open)
	for i, a := range items {
		if i > 0 {
			b.WriteString(", ")
		}
		a.within(b, 0)
	}
	b.WriteString(end)
}

// Rename is String with the paths named anew.
func (n *Node) Rename(name func(path string) string) string {
	return n.renamed(name).String()
}

func (n *Node) renamed(name func(path string) string) *Node {
	out := *n
	if n.kind == nodePath {
		out.text = name(strings.ReplaceAll(n.text, "`", ""))
	}
	out.args = make([]*Node, len(n.args))
	for i, a := range n.args {
		out.args[i] = a.renamed(name)
	}
	return &out
}

// Paths are the columns that the expression names.
func (n *Node) Paths() []string {
	if n.kind == nodePath {
		return []string{strings.ReplaceAll(n.text, "`", "")}
	}
	var out []string
	for _, a := range n.args {
		out = append(out, a.Paths()...)
	}
	return out
}
