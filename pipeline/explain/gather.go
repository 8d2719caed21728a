package explain

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"chartwire/cdc"
	"chartwire/pipeline/cut"
	"chartwire/pipeline/mapping"
	"chartwire/pipeline/state"
	"chartwire/schemas"

	"github.com/twmb/franz-go/pkg/kgo"
)

// gathering collects the rows of one entity from the row topics. A pass reads
// the tables of one step away from the root, and keeps the newest image of the
// rows that are wanted: the state of the whole flow is not built.
type gathering struct {
	o      *Options
	nodes  []mapping.Node
	find   []*mapping.Keyer // nil: by the row's key
	wanted []map[string]bool
	match  func(*mapping.Row) (by string, ok bool, err error) // for the root's row, while it is looked for
	rows   []map[string]row                                   // by node and row key
	key    string                                             // of the entity
	gone   map[state.Table]int64
	open   map[state.Table]bool
	env    schemas.Envelope
	text   []byte
}

type row struct {
	mapping.Row
	text string // under which it was wanted
}

func newGathering(o *Options) *gathering {
	g := &gathering{o: o, nodes: o.Map.Nodes, gone: map[state.Table]int64{}, open: map[state.Table]bool{}}
	if g.nodes == nil {
		g.nodes = []mapping.Node{{Alias: "root", Source: o.Map.Source, Table: o.Map.Table, Parent: -1}}
	}
	for _, n := range g.nodes {
		var k *mapping.Keyer
		if n.Find != nil && !n.Find.Primary {
			k = n.Find.Keyer()
		}
		g.find, g.wanted, g.rows = append(g.find, k), append(g.wanted, map[string]bool{}), append(g.rows, map[string]row{})
	}
	return g
}

// table is a node's, ok is false of one whose source is not there.
func (g *gathering) table(n int) (t state.Table, ok bool) {
	t = state.Table{Source: g.nodes[n].Source, TableID: g.nodes[n].Table}
	return t, t.Source != "" && t.Name != ""
}

// run gathers the rows of the entity whose record has the key, or whose root
// has the row.
func (g *gathering) run(ctx context.Context, e *mapping.Evaluator, record, root string) error {
	if err := g.breaks(ctx); err != nil {
		return err
	}
	g.match = func(r *mapping.Row) (by string, ok bool, err error) {
		if key, ok, err := e.RecordKey(r); err != nil || ok && key == record {
			return byRecord, true, err
		}
		return byRow, r.Key == root, nil
	}
	if err := g.pass(ctx, []int{0}); err != nil {
		return err
	}
	g.match = nil
	if err := g.group(ctx); err != nil {
		return err
	}
	for level := []int{0}; len(level) > 0; {
		var next []int
		for n := range g.nodes {
			if n == 0 || !slices.Contains(level, g.nodes[n].Parent) {
				continue
			}
			next = append(next, n)
			if err := g.want(n); err != nil {
				return err
			}
		}
		if err := g.pass(ctx, next); err != nil {
			return err
		}
		level = next
	}
	return nil
}

// group says which entity the root's row names, and gathers the other rows of a
// group. Of several rows with one record the newest is meant.
func (g *gathering) group(ctx context.Context) error {
	root, ok := g.root()
	if !ok {
		return nil
	}
	g.key = root.Key
	g.rows[0] = map[string]row{root.Key: {root.Row, root.Key}}
	if g.find[0] == nil {
		return nil
	}
	text, ok, err := g.find[0].Text(nil, root.Schema, root.Data)
	if err != nil || !ok {
		return err
	}
	g.key, g.rows[0] = string(text), map[string]row{}
	g.wanted[0][g.key] = true
	return g.pass(ctx, []int{0})
}

// How the root's row was found: its record has the key, or only a mutation named
// it.
const (
	byRecord = "record"
	byRow    = "row"
)

// root is the newest row of the root; a row that was only named counts if there
// is no other.
func (g *gathering) root() (newest row, ok bool) {
	for _, r := range g.rows[0] {
		named, before := r.text == byRow, newest.text == byRow
		if !ok || before && !named || before == named && r.Seq > newest.Seq {
			newest, ok = r, true
		}
	}
	return newest, ok
}

// want notes under which texts the rows of a node are found, from the rows that
// they belong to.
func (g *gathering) want(n int) error {
	node := g.nodes[n]
	if _, ok := g.table(n); !ok {
		return nil
	}
	up := node.Up.Keyer()
	for _, parent := range g.rows[node.Parent] {
		text, ok, err := up.Text(g.text[:0], parent.Schema, parent.Data)
		g.text = text
		if err != nil {
			return err
		}
		if ok {
			g.wanted[n][string(text)] = true
		}
	}
	return nil
}

// pass reads the tables of nodes.
func (g *gathering) pass(ctx context.Context, nodes []int) error {
	by := map[string][]int{}
	for _, n := range nodes {
		if t, ok := g.table(n); ok && (g.match != nil || len(g.wanted[n]) > 0) {
			topic := g.o.Topics.Rows(t.Source, t.TableID)
			by[topic] = append(by[topic], n)
		}
	}
	return g.o.scan(ctx, func(r *kgo.Record) error { return g.take(ctx, r, by[r.Topic]) }, slices.Sorted(maps.Keys(by))...)
}

// take keeps a record for the nodes that want its row.
func (g *gathering) take(ctx context.Context, r *kgo.Record, nodes []int) error {
	key := string(r.Key)
	forget := func() error {
		for _, n := range nodes {
			delete(g.rows[n], key)
		}
		return nil
	}
	if r.Value == nil {
		return forget()
	}
	id, body, err := schemas.SchemaID(r.Value)
	if err != nil {
		return err
	}
	schema, err := g.o.Schema(ctx, id)
	if err != nil {
		return err
	}
	if err := schema.Split(&g.env, body); err != nil {
		return err
	}
	table, _ := g.table(nodes[0])
	if g.env.After == nil || g.env.Source.Seq < g.gone[table] {
		return forget()
	}
	s := &g.env.Source
	now := mapping.Row{Key: key, Schema: schema, Data: g.env.After, Seq: s.Seq, Commit: time.UnixMilli(s.CommitMs).UTC(),
		Position: cdc.Position{GTID: s.GTID, File: s.File, Offset: uint64(s.Pos)}.String()}
	for _, n := range nodes {
		text, ok, err := g.under(n, &now)
		if err != nil {
			return fmt.Errorf("offset %d: %w", r.Offset, err)
		}
		if ok {
			g.rows[n][key] = row{now, text}
		} else {
			delete(g.rows[n], key)
		}
	}
	return nil
}

// under gives the text under which a row is wanted, if it is.
func (g *gathering) under(n int, r *mapping.Row) (text string, ok bool, err error) {
	switch k := g.find[n]; {
	case g.match != nil:
		return g.match(r)
	case k != nil:
		g.text, ok, err = k.Text(g.text[:0], r.Schema, r.Data)
		if err != nil || !ok {
			return "", false, err
		}
		text = string(g.text)
	default:
		text = r.Key
	}
	return text, g.wanted[n][text], nil
}

// breaks notes which rows of before an epoch are gone: those of emptied tables
// at once, others when Map has swept them; and which tables are still loading.
func (g *gathering) breaks(ctx context.Context) error {
	sources := map[string]bool{}
	for n := range g.nodes {
		if t, ok := g.table(n); ok {
			sources[t.Source] = true
		}
	}
	for source := range sources {
		c, _, err := cut.Latest(ctx, g.o.Connection, g.o.Topics.Cuts(source))
		if err != nil {
			return fmt.Errorf("reading the cuts of %s: %w", source, err)
		}
		if c == nil {
			continue
		}
		for _, e := range c.Epochs {
			if t := (state.Table{Source: source, TableID: e.Table}); e.Kind == cdc.EpochTruncate {
				g.gone[t] = max(g.gone[t], e.Seq)
			}
		}
		for id, l := range c.Loads {
			g.open[state.Table{Source: source, TableID: id}] = l.Phase != cdc.LoadDone
		}
	}
	return g.o.scan(ctx, func(r *kgo.Record) error {
		if string(r.Key) != "progress" || r.Value == nil {
			return nil
		}
		var progress struct {
			Swept map[string]int64 `json:"swept"`
		}
		if err := json.Unmarshal(r.Value, &progress); err != nil {
			return fmt.Errorf("decoding the flow's progress: %w", err)
		}
		for text, seq := range progress.Swept {
			t, _, err := state.ParseTable(text)
			if err != nil {
				return err
			}
			g.gone[t] = max(g.gone[t], seq)
		}
		return nil
	}, g.o.Topics.State(g.o.Flow))
}

// eval evaluates the map on the rows; nil: the root has none.
func (g *gathering) eval(e *mapping.Evaluator) (*mapping.Output, error) {
	newest, ok := g.root()
	if !ok {
		return nil, nil
	}
	if !g.o.Map.Joined() {
		return e.Eval(&mapping.Input{Key: newest.Key, Schema: newest.Schema, After: newest.Data, Seq: newest.Seq, Position: newest.Position,
			Commit: newest.Commit, Reason: mapping.ReasonRetry, Today: g.o.Map.Day(time.Now())})
	}
	return e.EvalEntity(&mapping.Entity{Key: g.key, Rows: g.yield, Seq: newest.Seq, Commit: newest.Commit, Reason: mapping.ReasonRetry, Today: g.o.Map.Day(time.Now()),
		Loading: func(n int) bool { t, _ := g.table(n); return g.open[t] }})
}

func (g *gathering) yield(n int, text []byte) iter.Seq2[mapping.Row, error] {
	want := string(text)
	return func(yield func(mapping.Row, error) bool) {
		for _, key := range slices.Sorted(maps.Keys(g.rows[n])) {
			if r := g.rows[n][key]; r.text == want && !yield(r.Row, nil) {
				return
			}
		}
	}
}
