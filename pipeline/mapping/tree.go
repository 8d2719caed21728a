package mapping

import (
	"bytes"
	"cmp"
	"fmt"
	"time"

	"chartwire/cdc"
	"chartwire/pipeline/mapping/expr"
	"chartwire/schemas"
)

// tree holds the rows of one entity as far as they were asked for. What is not
// read is not looked up. Everything in it is used again for the next entity.
type tree struct {
	m        *Map
	nodes    []*nodePlan
	refs     []ref
	ups      []*Keyer // by node, for the parent's row
	bindings []map[*schemas.RowSchema][]int
	watch    []map[*schemas.RowSchema][]int
	frame    *expr.Frame // the evaluator's
	in       *Entity
	err      error
	take     func(Row, error) bool // takeRow, made once
	reading  int                   // the node that is being read
	found    expr.State

	rows []treeRow
	n    int     // rows in use
	data []byte  // their bytes
	ids  []int32 // the rows of all sets
	sets []rowSet
	kids []int32 // by row and node: the set of its children plus one
	held []int32 // rows that are being sorted into sets: a stack
	root []int32 // the rows of the entity's root: one, or the group's
	cur  []int32 // by node: the row that was entered; -1: none
	text []byte
	a, b []byte // for comparing keys
	flag []Flag
}

type treeRow struct {
	key      string
	schema   *schemas.RowSchema
	columns  []int // the node's columns in the schema
	fields   schemas.Fields
	seq      int64
	commit   time.Time
	position string
}

// rowSet are the rows of a node under one row of its parent: ids[start:end] in
// the order of their keys, or of a pivot ids[start+slot], -1 for none.
type rowSet struct {
	start, end int32
	state      expr.State
}

// keepRows is how many rows a tree holds room for between entities.
const keepRows = 4096

func newTree(m *Map, f *expr.Frame) *tree {
	p := m.plan
	t := &tree{m: m, frame: f, nodes: p.nodes, refs: p.refs, cur: make([]int32, len(p.nodes))}
	for _, n := range p.nodes {
		var up *Keyer
		if n.up != nil {
			up = n.up.Keyer()
		}
		t.ups = append(t.ups, up)
		t.bindings, t.watch = append(t.bindings, map[*schemas.RowSchema][]int{}), append(t.watch, map[*schemas.RowSchema][]int{})
	}
	f.Value, f.Rows, f.Enter, t.take = t.value, t.many, t.enter, t.takeRow
	return t
}

// reset forgets the rows of the entity before.
func (t *tree) reset(in *Entity) {
	if cap(t.rows) > keepRows {
		t.rows, t.data, t.ids, t.sets, t.kids = nil, nil, nil, nil, nil
	}
	t.in, t.err, t.n = in, nil, 0
	t.data, t.ids, t.sets, t.kids, t.flag = t.data[:0], t.ids[:0], t.sets[:0], t.kids[:0], t.flag[:0]
	t.held, t.root = t.held[:0], t.root[:0]
	for i := range t.cur {
		t.cur[i] = -1
	}
}

// add takes a row of a node in.
func (t *tree) add(n int, r *Row) (int32, error) {
	if t.n == len(t.rows) {
		t.rows = append(t.rows, treeRow{})
	}
	row := &t.rows[t.n]
	start := len(t.data)
	t.data = append(t.data, r.Data...)
	if err := row.fields.Read(r.Schema, cdc.Row(t.data[start:len(t.data):len(t.data)])); err != nil {
		return -1, fmt.Errorf("reading a row of %s: %w", t.nodes[n].table.ID(), err)
	}
	b, ok := t.bindings[n][r.Schema]
	if !ok {
		b = bindColumns(r.Schema, t.nodes[n].columns, t.nodes[n].types)
		t.bindings[n][r.Schema] = b
	}
	row.key, row.schema, row.columns, row.seq, row.commit, row.position = r.Key, r.Schema, b, r.Seq, r.Commit, r.Position
	for range t.nodes {
		t.kids = append(t.kids, 0)
	}
	t.n++
	return int32(t.n - 1), nil
}

// drop takes the row out that was added last.
func (t *tree) drop() {
	t.n--
	t.kids = t.kids[:t.n*len(t.nodes)]
}

// set gives the rows of a node under a row of its parent.
func (t *tree) set(n int, parent int32) *rowSet {
	if id := t.kids[int(parent)*len(t.nodes)+n]; id > 0 {
		return &t.sets[id-1]
	}
	t.sets = append(t.sets, rowSet{state: expr.Known})
	id := len(t.sets)
	t.kids[int(parent)*len(t.nodes)+n] = int32(id)
	start, end, state := t.load(n, parent)
	t.sets[id-1] = rowSet{start, end, state}
	return &t.sets[id-1]
}

// meets says whether a row meets the condition of its node.
func (t *tree) meets(n int, id int32) Truth {
	cond := t.nodes[n].where
	if n == 0 {
		cond = t.m.plan.where
	}
	if cond == nil {
		return True
	}
	was := t.enter(n, id)
	out := holds(cond, t.frame)
	t.enter(n, was)
	return out
}

func (t *tree) flagged(n *nodePlan, why string) {
	for _, f := range t.flag {
		if f.Alias == n.alias {
			return
		}
	}
	t.flag = append(t.flag, Flag{n.alias, why})
}

// compareKeys orders rows by their primary key.
func (t *tree) compareKeys(a, b int32) int {
	x, y := &t.rows[a], &t.rows[b]
	for i, k := range x.schema.Table.Key {
		if i >= len(y.schema.Table.Key) {
			break
		}
		v, w := x.fields.Value(k), y.fields.Value(y.schema.Table.Key[i])
		if typ := v.Type(); typ.Kind == cdc.KindInt && w.Type().Kind == cdc.KindInt {
			if typ.Unsigned {
				if c := cmp.Compare(v.Uint(), w.Uint()); c != 0 {
					return c
				}
			} else if c := cmp.Compare(v.Int(), w.Int()); c != 0 {
				return c
			}
			continue
		}
		t.a, t.b = v.AppendText(t.a[:0]), w.AppendText(t.b[:0])
		if c := bytes.Compare(t.a, t.b); c != 0 {
			return c
		}
	}
	return cmp.Compare(x.key, y.key)
}

// at gives the one row of a node that is meant where the expression stands; -1
// if there is none.
func (t *tree) at(n int) (int32, expr.State) {
	if t.cur[n] >= 0 || n == 0 {
		return t.cur[n], expr.Known
	}
	parent, s := t.above(n)
	if s == expr.Unknown || parent < 0 {
		return -1, s
	}
	set := t.set(n, parent)
	if set.state == expr.Unknown || set.start == set.end {
		return -1, set.state
	}
	return t.ids[set.end-1], expr.Known
}

// above gives the row that a node's rows belong to.
func (t *tree) above(n int) (int32, expr.State) {
	node := t.nodes[n]
	if node.parentSlot < 0 {
		return t.at(node.parent)
	}
	return t.slot(node.parent, node.parentSlot)
}

// slot gives the row of a pivot that holds a key.
func (t *tree) slot(n, slot int) (int32, expr.State) {
	parent, s := t.above(n)
	if s == expr.Unknown || parent < 0 {
		return -1, s
	}
	set := t.set(n, parent)
	if set.state == expr.Unknown || set.start == set.end {
		return -1, set.state
	}
	return t.ids[set.start+int32(slot)], expr.Known
}

// value is expr.Frame.Value.
func (t *tree) value(i int) (v schemas.Value, s expr.State) {
	r := &t.refs[i]
	var id int32
	column := r.n
	if r.kind == refPivot {
		column = t.nodes[r.node].val
		id, s = t.slot(r.node, r.n)
	} else {
		id, s = t.at(r.node)
	}
	if s == expr.Unknown {
		return v, s
	}
	if id < 0 {
		return v, expr.IsNull
	}
	row := &t.rows[id]
	c := row.columns[column]
	if c < 0 {
		return v, expr.Unknown
	}
	if v = row.fields.Value(c); v.Null() {
		return v, expr.IsNull
	}
	return v, expr.Known
}

// many is expr.Frame.Rows.
func (t *tree) many(n int) ([]int32, expr.State) {
	if n == 0 {
		return t.root, expr.Known
	}
	parent, s := t.above(n)
	if s == expr.Unknown || parent < 0 {
		return nil, s
	}
	set := t.set(n, parent)
	return t.ids[set.start:set.end:set.end], set.state
}

// enter is expr.Frame.Enter.
func (t *tree) enter(n int, row int32) int32 {
	was := t.cur[n]
	t.cur[n] = row
	return was
}
