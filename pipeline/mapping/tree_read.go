package mapping

import (
	"cmp"
	"slices"

	"chartwire/pipeline/mapping/expr"
	"chartwire/schemas"
)

// load looks the rows of a node up.
func (t *tree) load(n int, parent int32) (start, end int32, state expr.State) {
	node := t.nodes[n]
	if t.in.Loading != nil && t.in.Loading(n) {
		return 0, 0, expr.Unknown
	}
	row := &t.rows[parent]
	t.text, state = t.ups[n].of(t.text[:0], row.schema, &row.fields)
	if state != expr.Known {
		if state == expr.IsNull { // it belongs to nothing
			state = expr.Known
		}
		return 0, 0, state
	}
	held := len(t.held)
	if state = t.find(n, t.text); state == expr.Unknown {
		t.held = t.held[:held]
		return 0, 0, state
	}
	found := t.held[held:]
	start = int32(len(t.ids))
	switch {
	case len(found) == 0:
	case node.pivot:
		for range node.slots {
			t.ids = append(t.ids, -1)
		}
		for _, id := range found {
			slot := &t.ids[start+t.slotOf(n, id)]
			if *slot >= 0 {
				t.flagged(node, "two rows hold one key; the one with the higher primary key is taken")
			}
			if *slot < 0 || t.compareKeys(id, *slot) > 0 {
				*slot = id
			}
		}
	default:
		if len(found) > 1 {
			slices.SortFunc(found, t.compareKeys)
			if !node.many {
				t.flagged(node, "several rows where one is expected; the one with the highest primary key is taken")
			}
		}
		t.ids = append(t.ids, found...)
	}
	t.held = t.held[:held]
	return start, int32(len(t.ids)), expr.Known
}

// find puts on top of held the rows that are found under a text and meet the
// node's condition. All are read before the first is looked at: a condition may
// look up others.
func (t *tree) find(n int, text []byte) expr.State {
	first := t.n
	if t.read(n, text) == expr.Unknown {
		return expr.Unknown
	}
	last := t.n
	state := expr.Known
	for id := int32(first); id < int32(last); id++ {
		switch t.meets(n, id) {
		case True:
			t.held = append(t.held, id)
		case Unknown:
			state = expr.Unknown
		}
	}
	return state
}

// read takes in the rows that are found under a text. It is never within
// another read.
func (t *tree) read(n int, text []byte) expr.State {
	t.reading, t.found = n, expr.Known
	t.in.Rows(n, text)(t.take)
	return t.found
}

// takeRow takes in one row that read has found. A pivot's rows whose key nobody
// reads are left out.
func (t *tree) takeRow(r Row, err error) bool {
	n := t.reading
	if err == nil {
		_, err = t.add(n, &r)
	}
	if err != nil {
		t.err, t.found = cmp.Or(t.err, err), expr.Unknown
		return false
	}
	if !t.nodes[n].pivot {
		return true
	}
	switch t.slotOf(n, int32(t.n-1)) {
	case unknownSlot:
		t.found = expr.Unknown
		return false
	case noSlot:
		t.drop()
	}
	return true
}

// What slotOf gives of a row that holds no key, or nobody knows which.
const (
	noSlot      = -1
	unknownSlot = -2
)

// slotOf is the slot of a pivot that a row holds.
func (t *tree) slotOf(n int, id int32) int32 {
	node, row := t.nodes[n], &t.rows[id]
	c := row.columns[node.key]
	if c < 0 {
		return unknownSlot
	}
	if slot, ok := node.slots[string(row.fields.Value(c).Bytes())]; ok {
		return int32(slot)
	}
	return noSlot
}

// watched gives the columns of a schema whose change concerns the map.
func (t *tree) watched(n int, s *schemas.RowSchema) []int {
	w, ok := t.watch[n][s]
	if !ok {
		w = bindColumns(s, t.nodes[n].watch, nil)
		t.watch[n][s] = w
	}
	return w
}
