package mapping

import (
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// place is where something stands in a map file.
type place struct {
	line, column int
	block        bool // a text of several lines that starts on the next one
}

// at is the place of the pos-th byte of a text that starts at p.
func (p place) at(text string, pos int) place {
	pos = min(pos, len(text))
	if n := strings.Count(text[:pos], "\n"); p.block || n > 0 {
		last := strings.LastIndexByte(text[:pos], '\n') + 1
		return place{line: p.line + n, column: 1 + utf8.RuneCountInString(text[last:pos])}
	}
	return place{line: p.line, column: p.column + utf8.RuneCountInString(text[:pos])}
}

// scalar is a written value with its place.
type scalar struct {
	place
	text  string
	null  bool
	plain bool // written without quotes
}

// reader reads one file and notes everything that is wrong with it.
type reader struct {
	file     string
	problems *Problems
}

func (r *reader) bad(p place, text string) {
	*r.problems = append(*r.problems, Problem{r.file, p.line, p.column, text})
}

// parse reads the text as one YAML mapping.
func (r *reader) parse(text []byte) (*object, bool) {
	f, err := parser.ParseBytes(text, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		p, msg := place{line: 1, column: 1}, err.Error()
		var syntax interface {
			GetToken() *token.Token
			GetMessage() string
		}
		if errors.As(err, &syntax) {
			msg = syntax.GetMessage()
			if t := syntax.GetToken(); t != nil && t.Position != nil {
				p = place{line: t.Position.Line, column: t.Position.Column}
			}
		}
		r.bad(p, "not YAML: "+msg)
		return nil, false
	}
	var bodies []ast.Node
	for _, d := range f.Docs {
		if d.Body != nil {
			bodies = append(bodies, d.Body)
		}
	}
	if len(bodies) != 1 {
		r.bad(place{line: 1, column: 1}, "a map file holds one map: `map: folder/name` and so on")
		return nil, false
	}
	return r.object(bodies[0])
}

// object is a YAML mapping with its keys in order. Keys are taken out as they
// are read; what is left at the end is unknown.
type object struct {
	place
	r    *reader
	keys []entry
	// taken are the keys that were asked for: what would be right.
	taken []string
}

type entry struct {
	scalar
	node ast.Node
	used bool
}

func placeOf(n ast.Node) place {
	t := n.GetToken()
	return place{line: t.Position.Line, column: t.Position.Column}
}

func (r *reader) object(n ast.Node) (*object, bool) {
	var values []*ast.MappingValueNode
	switch m := n.(type) {
	case *ast.MappingNode:
		values = m.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{m}
	default:
		r.bad(placeOf(n), "expected `key: value` pairs")
		return nil, false
	}
	o := &object{place: placeOf(n), r: r}
	if len(values) > 0 {
		o.place = placeOf(values[0].Key)
	}
	for _, v := range values {
		key, ok := r.scalar(v.Key)
		if !ok {
			continue
		}
		if slices.ContainsFunc(o.keys, func(e entry) bool { return e.text == key.text }) {
			r.bad(key.place, "`"+key.text+"` is here twice; keep one")
			continue
		}
		o.keys = append(o.keys, entry{scalar: key, node: v.Value})
	}
	return o, true
}

// take returns the value of a key.
func (o *object) take(key string) (ast.Node, place, bool) {
	o.taken = append(o.taken, key)
	for i := range o.keys {
		if o.keys[i].text == key {
			o.keys[i].used = true
			return o.keys[i].node, o.keys[i].place, true
		}
	}
	return nil, place{}, false
}

// text returns the scalar under a key.
func (o *object) text(key string) (scalar, bool) {
	n, _, ok := o.take(key)
	if !ok {
		return scalar{}, false
	}
	s, ok := o.r.scalar(n)
	if ok && s.null {
		o.r.bad(s.place, "`"+key+"` has no value")
		return s, false
	}
	return s, ok
}

// texts returns one scalar or a list of them.
func (o *object) texts(key string) []scalar {
	n, _, ok := o.take(key)
	if !ok {
		return nil
	}
	if list, ok := n.(*ast.SequenceNode); ok {
		var out []scalar
		for _, v := range list.Values {
			if s, ok := o.r.scalar(v); ok {
				out = append(out, s)
			}
		}
		return out
	}
	if s, ok := o.r.scalar(n); ok {
		return []scalar{s}
	}
	return nil
}

// object returns the mapping under a key.
func (o *object) object(key string) (*object, bool) {
	n, p, ok := o.take(key)
	if !ok {
		return nil, false
	}
	if n.Type() == ast.NullType {
		o.r.bad(p, "`"+key+"` has no content")
		return nil, false
	}
	return o.r.object(n)
}

// list returns the elements under a key.
func (o *object) list(key string) []ast.Node {
	n, p, ok := o.take(key)
	if !ok {
		return nil
	}
	list, ok := n.(*ast.SequenceNode)
	if !ok {
		o.r.bad(p, "`"+key+"` is a list; write each element after `- `")
		return nil
	}
	return list.Values
}

// need notes that a key is missing.
func (o *object) need(key, example string) {
	o.r.bad(o.place, "`"+key+"` is missing; for example `"+example+"`")
}

// done notes keys that nobody asked for.
func (o *object) done() {
	for _, e := range o.keys {
		if !e.used {
			o.r.bad(e.place, "unknown key `"+e.text+"`; "+suggest(e.text, o.taken, "here may stand "))
		}
	}
}

func (r *reader) scalar(n ast.Node) (scalar, bool) {
	s := scalar{place: placeOf(n)}
	switch v := n.(type) {
	case *ast.NullNode:
		s.null = true
		return s, true
	case *ast.LiteralNode:
		s.line, s.column, s.block = s.line+1, 1, true
		s.text = strings.TrimRight(v.Value.Value, "\n")
		return s, true
	case *ast.StringNode:
		s.text = v.Value
		if t := v.GetToken().Type; t == token.SingleQuoteType || t == token.DoubleQuoteType {
			s.column++
		} else {
			s.plain = true
		}
		return s, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		s.text, s.plain = n.GetToken().Value, true
		return s, true
	}
	r.bad(s.place, "expected a single value")
	return s, false
}

// suggest names what was probably meant, or everything that could be.
func suggest(word string, among []string, all string) string {
	best, most := "", max(2, len(word)/3)+1
	for _, a := range among {
		if d := distance(strings.ToLower(word), strings.ToLower(a)); d < most {
			best, most = a, d
		}
	}
	if best != "" {
		return "did you mean `" + best + "`?"
	}
	if len(among) == 0 {
		return "none are known"
	}
	if len(among) > 24 {
		return all + strings.Join(among[:24], ", ") + " and others"
	}
	return all + strings.Join(among, ", ")
}

// distance is the number of letters to insert, delete, replace or swap.
func distance(a, b string) int {
	prev2, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], prev2[j-2]+1)
			}
		}
		prev2, prev, cur = prev, cur, prev2
	}
	return prev[len(b)]
}
