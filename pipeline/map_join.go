package pipeline

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"chartwire/cdc"
	"chartwire/pipeline/mapping"
	"chartwire/pipeline/state"
)

// mapJoin is a joined map and the tables of its nodes.
//
// How its entities are found and mapped: a row is put into the local state with
// its index entries, and in the same batch the entities that it belongs or
// belonged to become pending: at once where the row itself names them, else the
// row is noted as touched and its entities are found afterwards by climbing from
// row to parent through the indexes. A pending entity is mapped when it was
// quiet for the map's settle time, or has waited for its hold time, and leaves
// the state after its mutation is committed in Kafka.
//
// Climbing after all rows are in place finds every entity whose rows changed, in
// whatever order the tables came: of the rows on a way from the root to the
// changed row, those above the topmost that changed are as they were, so that
// one's own climb ends at the root, with one of the images it had.
//
// What is pending can be lost with the folder, so the progress in Kafka has for
// each source a low mark: every change at or below it is mapped. A rebuild makes
// the entities of all later changes pending again.
type mapJoin struct {
	m     *mapping.Map
	id    string
	nodes []mapNode
}

// mapNode is one node of a joined map.
type mapNode struct {
	*mapping.Node
	table *mapTable // nil: there is no such source, and no rows
	// direct says that a row's own text names the entity.
	direct bool
}

// mapRole is a table's part in a joined map.
type mapRole struct {
	join *mapJoin
	node int
}

// join binds a joined map to the tables of its nodes.
func (m *Map) join(mp *mapping.Map) {
	j := &mapJoin{m: mp, id: mapID(mp)}
	m.joins = append(m.joins, j)
	for i := range mp.Nodes {
		n := mapNode{Node: &mp.Nodes[i]}
		n.direct = i == 0 || n.Parent == 0 && mp.Nodes[0].Find == nil && n.Up.Primary
		if n.Source != "" {
			n.table = m.table(n.Source, n.Table)
			n.table.roles = append(n.table.roles, mapRole{j, i})
		}
		j.nodes = append(j.nodes, n)
	}
}

// joined reports whether joined maps or the conditions of maps read the table.
func (t *mapTable) joined() bool { return len(t.roles) > 0 || len(t.whiles) > 0 }

// mapJoins is what a term knows of joined maps.
type mapJoins struct {
	t          *mapTerm
	keyers     map[string]*mapping.Keyer
	evaluators map[*mapping.Map]*mapping.Evaluator // to ask what touches
	switches   map[*mapping.Map]*mapping.Switch
	byID       map[string]*mapJoin

	// low are the marks up to which changes are known to be mapped, by source;
	// they are those of the progress that was loaded or followed.
	low map[string]int64
	// applied says up to which seq rows are in the state, with what they
	// touched.
	applied map[string]int64
	// loading are the tables that are not whole at the newest cut.
	loading map[*mapTable]bool
	// first are the sources whose very first cut is being mapped.
	first map[string]bool
	// decide are the maps whose condition has to be looked at.
	decide map[*mapping.Map]bool

	pending *mapPendings
	touched mapTouched
	// mapped are the entities that leave when the open transaction is committed.
	mapped []*mapPending
	lowAt  time.Time // when low marks were last looked for
	// followed says that a standby saw new low marks.
	followed bool
	buf      []byte
}

// newJoins takes up the joined maps of the flow, nil if it has none and no map
// has a condition.
func (t *mapTerm) newJoins() *mapJoins {
	any := len(t.m.joins) > 0
	for _, table := range t.m.tables {
		any = any || len(table.whiles) > 0
	}
	if !any {
		return nil
	}
	j := &mapJoins{t: t, keyers: map[string]*mapping.Keyer{}, evaluators: map[*mapping.Map]*mapping.Evaluator{}, switches: map[*mapping.Map]*mapping.Switch{},
		byID: map[string]*mapJoin{}, low: map[string]int64{}, applied: map[string]int64{}, loading: map[*mapTable]bool{},
		first: map[string]bool{}, decide: map[*mapping.Map]bool{}}
	for _, jn := range t.m.joins {
		j.byID[jn.id] = jn
		j.evaluators[jn.m] = jn.m.Evaluator()
		for i := range jn.nodes {
			for _, ix := range []*mapping.Index{jn.nodes[i].Find, jn.nodes[i].Up} {
				if ix != nil && j.keyers[ix.ID] == nil {
					j.keyers[ix.ID] = ix.Keyer()
				}
			}
		}
	}
	for _, m := range t.m.o.Program.Maps {
		if m.While != nil {
			j.switches[m], j.decide[m] = m.While.Switch(), true
		}
	}
	return j
}

// load takes up the committed progress.
func (j *mapJoins) load() error {
	t := j.t
	j.pending = newPendings(j, t.m.o.Memory/4)
	j.follow()
	for _, name := range t.m.sources() {
		j.applied[name] = t.progress.Sources[name].Seq
		j.pending.outside[name] = j.low[name] + 1 // whatever an earlier term left
	}
	return j.touched.load(j)
}

// lowMark is the seq up to which joined maps have mapped every change. Progress
// from before the flow had any has none, and needs none: what is new maps all.
func (p *mapSourceProgress) lowMark() int64 {
	if p.Low == 0 {
		return p.Seq
	}
	return p.Low
}

// ready reports whether every source has been read up to a cut. Before that a
// row that is missing may only not have come yet.
func (j *mapJoins) ready() bool {
	for _, s := range j.t.r.sources {
		if s.cut == nil || s.cut.Seq < j.t.done[s.name] {
			return false
		}
	}
	return true
}

// text gives the text of a row under an index, false if it has none.
func (j *mapJoins) text(ix *mapping.Index, image *mapImage, key string) ([]byte, bool, error) {
	if ix.Primary {
		return []byte(key), true, nil
	}
	text, ok, err := j.keyers[ix.ID].Text(j.buf[:0], image.schema, image.row)
	j.buf = text[:0]
	if err != nil {
		return nil, false, fmt.Errorf("finding the rows of %s: %w", ix.Table, err)
	}
	return text, ok, nil
}

// lows puts the low marks into the progress that is about to be committed. With
// many entities pending it looks at them once a second: a mark that is lower
// than it could be makes a rebuild do more, nothing else.
func (j *mapJoins) lows() {
	if !j.ready() || len(j.pending.order) > 1000 && time.Since(j.lowAt) < mapIdle {
		return
	}
	j.lowAt = time.Now()
	firsts := maps.Clone(j.touched.low)
	j.pending.first(firsts)
	for _, name := range j.t.m.sources() {
		p, had := j.t.progress.Sources[name]
		if !had {
			continue
		}
		low := j.applied[name]
		if first, ok := firsts[name]; ok {
			low = min(low, first-1)
		}
		p.Low = max(p.Low, low, 1) // 0 is that of a flow without joined maps
		j.t.progress.Sources[name] = p
	}
}

// startIndexes builds the indexes that the state has not, and drops those that
// no map needs any more.
func (j *mapJoins) startIndexes(ctx context.Context) error {
	t := j.t
	had := t.db.Meta().Indexes
	var want []string
	for _, table := range t.m.tables {
		for _, ix := range table.indexes {
			want = append(want, ix.ID)
			if slices.Contains(had, ix.ID) {
				continue
			}
			if err := j.build(ctx, table, ix); err != nil {
				return err
			}
		}
	}
	slices.Sort(want)
	if slices.Equal(want, had) {
		return nil
	}
	b := t.batch()
	for _, id := range had {
		if !slices.Contains(want, id) {
			b.DropIndex(id)
		}
	}
	b.Meta.Indexes = want
	return t.flushApply()
}

func (j *mapJoins) build(ctx context.Context, table *mapTable, ix *mapping.Index) error {
	t := j.t
	t.batch().DropIndex(ix.ID) // what was begun
	if err := t.flushApply(); err != nil {
		return err
	}
	keyer := ix.Keyer()
	for r, err := range t.db.Rows(table.id, "") {
		if err != nil {
			return err
		}
		schema, err := t.schemas.byID(ctx, r.Schema)
		if err != nil {
			return err
		}
		text, ok, err := keyer.Text(j.buf[:0], schema, r.Data)
		if j.buf = text[:0]; err != nil || !ok {
			continue // a row that cannot be read is found by nobody, and told when it changes
		}
		t.batch().PutIndex(ix.ID, text, r.Key)
		if err := t.flushFull(); err != nil {
			return err
		}
	}
	return t.flushApply()
}

// wholeTables says which tables of a source are not whole at its cut.
func (j *mapJoins) wholeTables(s *mapSource) map[*mapTable]bool {
	out := map[*mapTable]bool{}
	for id, table := range j.t.m.tables {
		if id.Source != s.name || !table.joined() {
			continue
		}
		load, told := s.cut.Loads[id.TableID]
		_, topic := s.cut.Partitions[table.topic]
		if told && load.Phase != cdc.LoadDone || !told && (len(s.cut.Loads) > 0 || !topic) {
			out[table] = true
		}
	}
	return out
}

// rowImage reads a stored row.
func (j *mapJoins) rowImage(ctx context.Context, r *state.Row) (mapImage, error) {
	schema, err := j.t.schemas.byID(ctx, r.Schema)
	return mapImage{r.Schema, schema, r.Data}, err
}
