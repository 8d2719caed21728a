package mapping

import (
	"regexp"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// joinsFile is what makes an entity of more than one row.
type joinsFile struct {
	with   []*nodeFile
	group  *formula
	latest []*formula
	settle scalar
	// quiet and hold are what settle says.
	quiet, hold time.Duration
	said        bool // settle is there
}

// nodeFile is one table that `with` names.
type nodeFile struct {
	alias    scalar
	source   scalar
	table    scalar
	optional bool
	many     bool
	where    *formula
	pivot    []scalar
	short    *formula // by: the child's column that holds the root's key
	by       []byFile
	byAt     place
}

// byFile is one pair of `by`: an expression over the child's row, and the one
// over its parent's that it equals.
type byFile struct{ child, parent *formula }

// whileFile is `while`, or `unless`.
type whileFile struct {
	place
	unless bool
	source scalar
	table  scalar
	where  *formula
	is     *formula
}

type linkFile struct {
	name    scalar
	to      scalar
	keyName scalar
	key     *formula
	each    *formula // one link for each of these rows
	label   scalar
}

// The waits of a joined entity for which nothing else is said.
const (
	defaultSettle = 500 * time.Millisecond
	defaultHold   = 5 * time.Second
	maxHold       = 10 * time.Minute
)

var aliasName = regexp.MustCompile(`^[a-z][a-zA-Z0-9_]*$`)

func (m *mapFile) readJoins(e *object) {
	if with, ok := e.object("with"); ok {
		for _, k := range with.keys {
			if body, ok := m.object(k.node); ok {
				m.joins.with = append(m.joins.with, m.readNode(k.scalar, body))
			}
		}
	}
	m.joins.group = m.formula(e, "group")
	for _, s := range e.texts("latest") {
		if f := m.parseFormula(s); f != nil {
			m.joins.latest = append(m.joins.latest, f)
		}
	}
	if m.joins.group == nil && len(m.joins.latest) > 0 {
		m.bad(m.joins.latest[0].place, "`latest` says which row of a group is the root's; without `group` there is one")
	}
	if s, ok := e.text("settle"); ok {
		m.joins.settle, m.joins.said = s, true
		quiet, hold, found := strings.Cut(s.text, " up to ")
		var err1, err2 error
		m.joins.quiet, err1 = time.ParseDuration(strings.TrimSpace(quiet))
		m.joins.hold, err2 = time.ParseDuration(strings.TrimSpace(hold))
		if !found || err1 != nil || err2 != nil || m.joins.quiet < 0 || m.joins.hold < m.joins.quiet || m.joins.hold > maxHold {
			m.bad(s.place, "`settle` says how long an entity has to be quiet, and how long it waits for that at most: 500ms up to 5s")
		}
	} else if m.joins.with != nil || m.joins.group != nil {
		m.joins.quiet, m.joins.hold = defaultSettle, defaultHold
	}
}

func (m *mapFile) readNode(alias scalar, o *object) *nodeFile {
	n := &nodeFile{alias: alias}
	if !aliasName.MatchString(alias.text) || alias.text == "root" || alias.text == "rows" || alias.text == "record" {
		m.bad(alias.place, "an alias is a name such as `items`: a small letter, then letters, digits and `_`; root, rows and record mean something already")
	}
	var ok bool
	if n.table, ok = o.text("table"); !ok {
		o.need("table", "table: wp_wc_order_addresses")
	}
	n.source, _ = o.text("source")
	m.choice(o, "optional", []string{"true", "false"}, func(s string) { n.optional = s == "true" })
	if n.optional && n.source.text == "" {
		m.bad(alias.place, "`optional` is said of another source, which may be not there; name it in `source`")
	}
	m.choice(o, "many", []string{"true", "false"}, func(s string) { n.many = s == "true" })
	n.where = m.formula(o, "where")
	if o.has("pivot") {
		if n.pivot = o.texts("pivot"); len(n.pivot) != 2 {
			m.bad(alias.place, "`pivot` names two columns, of the key and of the value: [meta_key, meta_value]")
			n.pivot = nil
		}
		if n.many {
			m.bad(alias.place, "a pivot has one row for each key; leave out `many` or `pivot`")
		}
	}
	m.readBy(n, o)
	o.done()
	return n
}

func (m *mapFile) readBy(n *nodeFile, o *object) {
	body, at, ok := o.take("by")
	if !ok {
		o.need("by", "by: order_id, the column that holds the root's key; or by: { its column: its parent's column }")
		return
	}
	n.byAt = at
	switch body.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
	default:
		n.short = m.formula(o, "by")
		return
	}
	pairs, ok := m.object(body)
	if !ok {
		return
	}
	for _, k := range pairs.keys {
		child, parent := m.parseFormula(k.scalar), m.formula(pairs, k.text)
		if child != nil && parent != nil {
			n.by = append(n.by, byFile{child, parent})
		}
	}
	if len(pairs.keys) == 0 {
		m.bad(at, "`by` is empty; write by: { its column: its parent's column }")
	}
}

// readWhile reads the condition under which the map is at work.
func (m *mapFile) readWhile(o *object) {
	for _, key := range []string{"while", "unless"} {
		body, ok := o.object(key)
		if !ok {
			continue
		}
		if m.while != nil {
			m.bad(body.place, "a map has `while` or `unless`, not both")
		}
		w := &whileFile{place: body.place, unless: key == "unless"}
		w.source, _ = body.text("source")
		if w.table, ok = body.text("table"); !ok {
			body.need("table", "table: wp_options")
		}
		if w.where = m.formula(body, "where"); w.where == nil && !body.has("where") {
			body.need("where", `where: option_name == "the_switch"`)
		}
		if w.is = m.formula(body, "is"); w.is == nil && !body.has("is") {
			body.need("is", `is: option_value == "yes"`)
		}
		body.done()
		m.while = w
	}
}

func (m *mapFile) readLinks(o *object) {
	links, ok := o.object("links")
	if !ok {
		return
	}
	for _, k := range links.keys {
		body, ok := m.object(k.node)
		if !ok {
			continue
		}
		l := &linkFile{name: k.scalar}
		if !aliasName.MatchString(k.text) {
			m.bad(k.place, "a link's name is a name such as `contact`: a small letter, then letters, digits and `_`")
		}
		if l.to, ok = body.text("to"); !ok {
			body.need("to", "to: hubspot.contacts")
		}
		l.label, _ = body.text("label")
		l.each = m.formula(body, "each")
		key, ok := body.object("key")
		switch {
		case !ok:
			body.need("key", "key: { woocommerce_customer_id: text(customer_id) }")
		case len(key.keys) != 1:
			m.bad(key.place, "the other record has one key: `unique_property: expression`")
		default:
			l.keyName = key.keys[0].scalar
			l.key = m.formula(key, l.keyName.text)
		}
		body.done()
		m.links = append(m.links, l)
	}
}
