package mapping

import (
	"bytes"
	"iter"
	"slices"

	"chartwire/schemas"
	"chartwire/sinks"
)

// exampleRow is a row of an example of a joined map.
type exampleRow struct {
	Row
	source string
	table  string
}

// store holds the rows of one side of an example.
type store []exampleRow

// rows makes the rows of one side.
func (r *exampleRun) store(files []rowFile) (store, bool) {
	var out store
	ok := true
	count := map[string]int{}
	for i := range files {
		f := &files[i]
		n := slices.IndexFunc(r.m.plan.nodes, func(n *nodePlan) bool {
			return !n.absent() && (n.table.Name == f.table.text || n.table.ID().String() == f.table.text)
		})
		if n < 0 {
			var names []string
			for _, n := range r.m.plan.nodes {
				if !n.absent() && !slices.Contains(names, n.table.Name) {
					names = append(names, n.table.Name)
				}
			}
			r.fail(f.table.place, "the entity has no table `%s`; %s", f.table.text, suggest(f.table.text, names, "it has "))
			return nil, false
		}
		node := r.m.plan.nodes[n]
		count[f.table.text]++
		number := count[f.table.text]
		if n == 0 {
			number = 0
		}
		schema, row, made := r.make(node.table, f, number)
		if !made {
			ok = false
			continue
		}
		key, err := schemas.AppendKey(nil, schema.Table, row)
		if err != nil {
			r.fail(f.place, "%v", err)
			ok = false
			continue
		}
		out = append(out, exampleRow{Row{Key: string(key), Schema: schema, Data: row, Seq: int64(i + 1)}, node.source.Name, node.table.ID().String()})
	}
	return out, ok
}

// of are the rows of a node's table.
func (s store) of(n *Node) iter.Seq[*exampleRow] {
	return func(yield func(*exampleRow) bool) {
		for i := range s {
			if s[i].source == n.Source && s[i].table == n.Table.String() && !yield(&s[i]) {
				return
			}
		}
	}
}

// find is Entity.Rows over a store.
func (s store) find(m *Map) func(node int, text []byte) iter.Seq2[Row, error] {
	keyers := make([]*Keyer, len(m.Nodes))
	for i := range m.Nodes {
		if ix := m.Nodes[i].Find; ix != nil {
			keyers[i] = ix.Keyer()
		}
	}
	return func(node int, text []byte) iter.Seq2[Row, error] {
		return func(yield func(Row, error) bool) {
			for r := range s.of(&m.Nodes[node]) {
				found, err := r.Key == string(text), error(nil)
				if k := keyers[node]; k != nil {
					var is []byte
					var ok bool
					is, ok, err = k.Text(nil, r.Schema, r.Data)
					found = ok && bytes.Equal(is, text)
				}
				if (found || err != nil) && !yield(r.Row, err) {
					return
				}
			}
		}
	}
}

// entity is the key of the entity that the first row of the root is of.
func (r *exampleRun) entity(s store) (string, bool) {
	root := &r.m.Nodes[0]
	for row := range s.of(root) {
		if root.Find == nil {
			return row.Key, true
		}
		text, ok, err := root.Find.Keyer().Text(nil, row.Schema, row.Data)
		if err == nil && ok {
			return string(text), true
		}
	}
	return "", false
}

// touched are the nodes of which a row differs between the two sides.
func touched(e *Evaluator, before, now store) (bits uint64) {
	for n := range e.m.Nodes {
		node := &e.m.Nodes[n]
		rows := map[string]*exampleRow{}
		for r := range before.of(node) {
			rows[r.Key] = r
		}
		for r := range now.of(node) {
			was := rows[r.Key]
			delete(rows, r.Key)
			if was == nil {
				was = &exampleRow{}
			}
			if e.Touches(n, was.Schema, was.Data, r.Schema, r.Data) {
				bits |= 1 << n
			}
		}
		for _, r := range rows {
			if e.Touches(n, r.Schema, r.Data, nil, nil) {
				bits |= 1 << n
			}
		}
	}
	return bits
}

// runJoined runs an example of a joined map: first what there was before, so
// that it is known what was written, and then what there is.
func (r *exampleRun) runJoined() {
	now, ok1 := r.store(r.ex.rows)
	files := r.ex.before
	if r.ex.yesterday != 0 && len(files) == 0 {
		files = r.ex.rows
	}
	before, ok2 := r.store(files)
	if !ok1 || !ok2 {
		return
	}
	key, ok := r.entity(now)
	if !ok {
		if key, ok = r.entity(before); !ok {
			r.fail(r.ex.place, "neither `rows` nor `before` has a row of %s that makes an entity", r.m.plan.table().Name)
			return
		}
	}
	e := r.m.Evaluator()
	in := &Entity{Key: key, Rows: before.find(r.m), Reason: ReasonChange, Touched: touched(e, before, now), Today: r.ex.today}
	held := make([]Truth, len(r.m.Rules)) // the latches
	if len(before) > 0 {
		if r.ex.yesterday != 0 {
			in.Today = r.ex.yesterday
		}
		out, err := e.EvalEntity(in)
		if err != nil {
			r.fail(r.ex.place, "%v", err)
			return
		}
		r.keep(out)
		if out.Presence == Present {
			in.Was = &Was{Record: out.Record}
		}
		for i := range out.Verdicts {
			held[i] = out.Verdicts[i].Now
		}
	}
	in.Rows = now.find(r.m)
	if in.Today = r.ex.today; r.ex.yesterday != 0 && len(r.ex.before) == 0 {
		in.Yesterday, in.Reason = r.ex.yesterday, ReasonDay
	}
	if r.ex.reason.text != "" {
		in.Reason = r.ex.reason.text
	}
	out, err := e.EvalEntity(in)
	if err != nil {
		r.fail(r.ex.place, "%v", err)
		return
	}
	for i := range out.Verdicts {
		out.Verdicts[i].Before = held[i]
	}
	r.judge(out)
	r.old(out)
	r.flags(out)
}

func (r *exampleRun) old(out *Output) {
	switch want := r.ex.old.text; {
	case out.Old == nil && want != "":
		r.fail(r.ex.old.place, "the entity leaves no record")
	case out.Old != nil && out.Old.Record.Key != want:
		r.fail(r.ex.place, "the entity leaves the record %s, and `old` is not that", out.Old.Record.Key)
	}
}

func (r *exampleRun) flags(out *Output) {
	if !r.ex.flat {
		return
	}
	var got, want []string
	for _, f := range out.Flagged {
		got = append(got, f.Alias)
	}
	for _, s := range r.ex.flags {
		want = append(want, s.text)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		r.fail(r.ex.place, "flagged are %q, and not %q", got, want)
	}
}

// links holds a record's links to what the example says: exactly these.
func (r *exampleRun) links(g *givesFile, links []sinks.Link) {
	got := map[string][]string{}
	for _, l := range links {
		keys := got[l.Name]
		if l.State == sinks.Set {
			keys = append(keys, l.To.Key)
		}
		got[l.Name] = keys
	}
	for _, w := range g.links {
		keys, known := got[w.name.text]
		delete(got, w.name.text)
		var want []string
		for _, s := range w.keys {
			want = append(want, s.text)
		}
		slices.Sort(keys)
		slices.Sort(want)
		switch {
		case !known:
			r.fail(w.name.place, "the link %s is not known", w.name.text)
		case !slices.Equal(keys, want):
			r.fail(w.name.place, "the link %s goes to %q, and not %q", w.name.text, keys, want)
		}
	}
	for _, name := range sortedKeys(got) {
		r.fail(g.place, "the link %s goes to %q, and the example does not have it", name, got[name])
	}
}
