package expr

import "strings"

type nodeKind uint8

const (
	nodeNull nodeKind = iota
	nodeBool
	nodeNumber
	nodeText
	nodePath // text: the path with dots
	nodeCall // text: the function
	nodeUnary
	nodeBinary
	nodeIn     // args[0] among args[1:]; text "in" or "not in"
	nodeIsNull // text "is null" or "is not null"
	nodeTernary
	nodeRows // rows of an alias that meet a condition: args[0] `where` args[1]
)

// Node is a parsed expression.
type Node struct {
	kind nodeKind
	pos  int
	text string
	args []*Node
}

// maxDepth bounds nesting: far more than a person writes, far less than a stack.
const maxDepth = 100

type parser struct {
	toks  []token
	i     int
	depth int
}

// Parse reads an expression, or rows with a condition. The error is an [*Error].
func Parse(src string) (*Node, error) {
	toks, err := lex(src)
	if err != nil {
		return nil, err
	}
	p := &parser{toks: toks}
	if p.peek().kind == tokEnd {
		return nil, errorf(0, "an expression is missing")
	}
	n, err := p.argument()
	if err == nil && p.peek().kind != tokEnd {
		err = errorf(p.peek().pos, "unexpected %s after the expression", p.peek())
	}
	if err != nil {
		return nil, err
	}
	return n, nil
}

func (p *parser) peek() token { return p.toks[p.i] }

func (p *parser) next() token {
	t := p.toks[p.i]
	if t.kind != tokEnd {
		p.i++
	}
	return t
}

// take goes on if the next token is one of the signs or words.
func (p *parser) take(texts ...string) (token, bool) {
	t := p.peek()
	if t.kind != tokSign && t.kind != tokName {
		return t, false
	}
	for _, s := range texts {
		if t.text == s {
			p.i++
			return t, true
		}
	}
	return t, false
}

func (p *parser) expect(sign string) *Error {
	if _, ok := p.take(sign); !ok {
		return errorf(p.peek().pos, "`%s` is expected, not %s", sign, p.peek())
	}
	return nil
}

func (p *parser) enter() *Error {
	if p.depth++; p.depth > maxDepth {
		return errorf(p.peek().pos, "the expression is nested too deeply")
	}
	return nil
}

func (p *parser) ternary() (*Node, *Error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	cond, err := p.left([]string{"or"}, func() (*Node, *Error) { return p.left([]string{"and"}, p.not) })
	if err != nil {
		return nil, err
	}
	t, ok := p.take("?")
	if !ok {
		return cond, nil
	}
	yes, err := p.ternary()
	if err != nil {
		return nil, err
	}
	if err := p.expect(":"); err != nil {
		return nil, err
	}
	no, err := p.ternary()
	if err != nil {
		return nil, err
	}
	return &Node{nodeTernary, t.pos, "?", []*Node{cond, yes, no}}, nil
}

// left parses operators that group to the left.
func (p *parser) left(ops []string, operand func() (*Node, *Error)) (*Node, *Error) {
	n, err := operand()
	if err != nil {
		return nil, err
	}
	for depth := 0; ; depth++ {
		t, ok := p.take(ops...)
		if !ok {
			return n, nil
		}
		if depth > maxDepth {
			return nil, errorf(t.pos, "the expression is too long")
		}
		m, err := operand()
		if err != nil {
			return nil, err
		}
		n = &Node{nodeBinary, t.pos, t.text, []*Node{n, m}}
	}
}

func (p *parser) not() (*Node, *Error) {
	t, ok := p.take("not")
	if !ok {
		return p.compare()
	}
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	n, err := p.not()
	if err != nil {
		return nil, err
	}
	return &Node{nodeUnary, t.pos, "not", []*Node{n}}, nil
}

func (p *parser) sum() (*Node, *Error) {
	return p.left([]string{"+", "-"}, func() (*Node, *Error) { return p.left([]string{"*"}, p.unary) })
}

func (p *parser) compare() (*Node, *Error) {
	n, err := p.sum()
	if err != nil {
		return nil, err
	}
	if t, ok := p.take("==", "!=", "<=", ">=", "<", ">"); ok {
		m, err := p.sum()
		if err != nil {
			return nil, err
		}
		if m.kind == nodeNull || n.kind == nodeNull {
			return nil, errorf(t.pos, "a comparison with null is never true; write `is null` or `is not null`")
		}
		if t, ok := p.take("==", "!=", "<=", ">=", "<", ">"); ok {
			return nil, errorf(t.pos, "comparisons do not chain; join them with `and`")
		}
		return &Node{nodeBinary, t.pos, t.text, []*Node{n, m}}, nil
	}
	if t, ok := p.take("is"); ok {
		text := "is null"
		if _, ok := p.take("not"); ok {
			text = "is not null"
		}
		if err := p.expect("null"); err != nil {
			return nil, err
		}
		return &Node{nodeIsNull, t.pos, text, []*Node{n}}, nil
	}
	t, text := p.peek(), "in"
	if _, ok := p.take("not"); ok {
		text = "not in"
		if err := p.expect("in"); err != nil {
			return nil, err
		}
	} else if _, ok := p.take("in"); !ok {
		return n, nil
	}
	items, err := p.list()
	if err != nil {
		return nil, err
	}
	return &Node{nodeIn, t.pos, text, append([]*Node{n}, items...)}, nil
}

func (p *parser) list() (items []*Node, err *Error) {
	if err := p.expect("["); err != nil {
		return nil, err
	}
	for {
		n, err := p.unary()
		if err != nil {
			return nil, err
		}
		lit := n
		if n.kind == nodeUnary {
			lit = n.args[0]
		}
		if lit.kind != nodeNumber && lit.kind != nodeText {
			return nil, errorf(n.pos, "a list holds numbers and texts only")
		}
		items = append(items, n)
		if _, ok := p.take(","); !ok {
			return items, p.expect("]")
		}
	}
}

func (p *parser) unary() (*Node, *Error) {
	t, ok := p.take("-")
	if !ok {
		return p.primary()
	}
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	n, err := p.unary()
	if err != nil {
		return nil, err
	}
	return &Node{nodeUnary, t.pos, "-", []*Node{n}}, nil
}

var reserved = map[string]bool{"and": true, "or": true, "not": true, "in": true, "is": true}

func (p *parser) primary() (*Node, *Error) {
	t := p.next()
	switch {
	case t.kind == tokNumber:
		return &Node{nodeNumber, t.pos, t.text, nil}, nil
	case t.kind == tokText:
		return &Node{nodeText, t.pos, t.text, nil}, nil
	case t.kind == tokName && (t.text == "true" || t.text == "false"):
		return &Node{nodeBool, t.pos, t.text, nil}, nil
	case t.kind == tokName && t.text == "null":
		return &Node{nodeNull, t.pos, t.text, nil}, nil
	case t.kind == tokName && !reserved[t.text]:
		return p.path(t)
	case t.kind == tokSign && t.text == ".": // a column of the row that an aggregate is at
		part := p.next()
		if part.kind != tokName {
			return nil, errorf(part.pos, "after the point comes a name, not %s", part)
		}
		return &Node{nodePath, t.pos, "." + part.text, nil}, nil
	case t.kind == tokSign && t.text == "(":
		n, err := p.ternary()
		if err != nil {
			return nil, err
		}
		return n, p.expect(")")
	}
	return nil, errorf(t.pos, "a value is expected, not %s", t)
}

// argument is an expression, or an alias with a condition on its rows.
func (p *parser) argument() (*Node, *Error) {
	n, err := p.ternary()
	if err != nil || n.kind != nodePath {
		return n, err
	}
	t, ok := p.take("where")
	if !ok {
		return n, nil
	}
	cond, err := p.ternary()
	if err != nil {
		return nil, err
	}
	return &Node{nodeRows, t.pos, "where", []*Node{n, cond}}, nil
}

func (p *parser) path(t token) (*Node, *Error) {
	if _, ok := p.take("("); ok && !strings.HasPrefix(t.text, "`") {
		n := &Node{nodeCall, t.pos, t.text, nil}
		if _, ok := p.take(")"); ok {
			return n, nil
		}
		for {
			a, err := p.argument()
			if err != nil {
				return nil, err
			}
			n.args = append(n.args, a)
			if _, ok := p.take(","); !ok {
				return n, p.expect(")")
			}
		}
	}
	parts := []string{t.text}
	for {
		if _, ok := p.take("."); !ok {
			return &Node{nodePath, t.pos, strings.Join(parts, "."), nil}, nil
		}
		part := p.next()
		if part.kind != tokName {
			return nil, errorf(part.pos, "after the point comes a name, not %s", part)
		}
		parts = append(parts, part.text)
	}
}
