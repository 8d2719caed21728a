package pipeline

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"chartwire/cdc"
	"chartwire/pipeline/mapping"
	"chartwire/pipeline/state"
	"chartwire/schemas"
	"chartwire/sinks"
)

// mapGroup is an entity and everything that happened to its row up to a cut.
type mapGroup struct {
	table   *mapTable
	key     string
	changes []mapChange // in the order of seq
	// mapped is the change before them that an earlier transaction of the cut
	// mapped; nil: none did.
	mapped *mapChange
	// open says that the stream of the table is not whole (it is being loaded,
	// or has a gap): what was mapped last is in the state and not in the before
	// images, which may show what was never seen.
	open bool
	// gap says that rows are in the state that the stream said nothing of since
	// they changed or went.
	gap   bool
	since time.Time // from when on the stream is whole
}

// mapResult is what became of an entity.
type mapResult struct {
	mutations []mapMutation
	events    []mapEvent
	failed    []mapFailure
	refused   []mapRefused
	reason    string
}

// mapMutation is a mutation without flow and version.
type mapMutation struct {
	*sinks.Mutation
	m *mapping.Map
	// once names the properties that are written only the first time.
	once []string
	best []mapping.Best
}

// mapStep is a source transaction's effect on one row.
type mapStep struct {
	op            cdc.Op
	seq           int64
	before, after mapImage
	commit, read  time.Time
	gtid, file    string
	pos           int64
	bare          bool // a deletion without an envelope
}

type mapImage struct {
	id     uint32
	schema *schemas.RowSchema
	row    cdc.Row
}

func (i mapImage) equal(j mapImage) bool {
	return (i.row == nil) == (j.row == nil) && i.id == j.id && bytes.Equal(i.row, j.row)
}

// mapWorker evaluates entities, one at a time.
type mapWorker struct {
	t          *mapTerm
	evaluators map[*mapping.Map]*mapping.Evaluator
}

func (t *mapTerm) newWorker() *mapWorker {
	w := &mapWorker{t: t, evaluators: map[*mapping.Map]*mapping.Evaluator{}}
	for _, m := range t.m.o.Program.Maps {
		w.evaluators[m] = m.Evaluator()
	}
	return w
}

// parallel calls do for 0 to n-1, each on one of the workers, and gives the
// first error.
func (t *mapTerm) parallel(n int, do func(w *mapWorker, i int) error) error {
	const batch = 32 // small enough to share evenly, large enough not to contend
	var next atomic.Int64
	var first atomic.Pointer[error]
	work := func(w *mapWorker) {
		for first.Load() == nil {
			end := int(next.Add(batch))
			for i := end - batch; i < min(end, n); i++ {
				if err := do(w, i); err != nil {
					first.CompareAndSwap(nil, &err)
					return
				}
			}
			if end >= n {
				return
			}
		}
	}
	var wg sync.WaitGroup
	for _, w := range t.workers[1:min(len(t.workers), n/batch+1)] {
		wg.Go(func() { work(w) })
	}
	work(t.workers[0])
	wg.Wait()
	if err := first.Load(); err != nil {
		return *err
	}
	return nil
}

// group evaluates an entity at its cut: its maps once, from what was mapped
// last to what is now; its rules once for each source transaction.
func (w *mapWorker) group(ctx context.Context, g *mapGroup) (*mapResult, error) {
	steps, err := w.steps(ctx, g)
	if err != nil {
		return nil, err
	}
	base, err := w.base(ctx, g, &steps[0])
	if err != nil {
		return nil, err
	}
	for i := range steps {
		switch s := &steps[i]; {
		case !s.bare:
		case i == 0:
			s.before = base
		default:
			s.before = steps[i-1].after
		}
	}
	if s := &steps[0]; s.before.row == nil && s.after.row == nil {
		s.before = base // it came and went; what was there before a gap has gone too
	}
	last := &steps[len(steps)-1]
	if w.torn(g, last) {
		base = mapImage{} // it is written whole, or taken away once more
	}
	res := &mapResult{reason: mapping.ReasonSnapshot}
	for i := range steps {
		if steps[i].op != cdc.Read {
			res.reason = mapping.ReasonChange
		}
	}
	for _, m := range g.table.maps {
		if w.t.rests(m) {
			continue
		}
		if err := w.entity(res, g, m, steps, base); err != nil {
			res.failed = append(res.failed, mapFailure{m: m, key: g.key, seq: last.seq, err: err})
		}
	}
	return res, nil
}

// torn says that the record of an entity that is there may be gone, whatever was
// mapped last.
func (w *mapWorker) torn(g *mapGroup, last *mapStep) bool {
	return w.t.torn[g.table.text] && last.after.row != nil
}

// rests reports whether a map maps nothing now, by its `while` or `unless`.
func (t *mapTerm) rests(m *mapping.Map) bool {
	return m.While != nil && t.progress.Maps[mapID(m)].Off
}

// entity evaluates one map and its rules.
func (w *mapWorker) entity(res *mapResult, g *mapGroup, m *mapping.Map, steps []mapStep, base mapImage) error {
	last := &steps[len(steps)-1]
	in := last.input(g.key, base, res.reason)
	in.Mapped = w.torn(g, last)
	in.Today = w.t.day(m, g.key)
	out, err := w.evaluators[m].Eval(&in)
	if err != nil {
		return err
	}
	w.refused(res, m, out, &in)
	if len(steps) == 1 || !m.WritesBest() {
		res.take(m, out)
	} else if err := w.everyStep(res, g, m, steps, base); err != nil {
		return err
	}
	if len(m.Rules) == 0 {
		return nil
	}
	if len(steps) == 1 && (base.equal(last.before) || last.op == cdc.Read) {
		res.takeVerdicts(m, out, g, last, in)
		return nil
	}
	for i := range steps {
		s := &steps[i]
		in := s.input(g.key, s.before, s.reason())
		in.Today = w.t.day(m, g.key)
		if out, err = w.evaluators[m].Eval(&in); err != nil {
			return err
		}
		res.takeVerdicts(m, out, g, s, in)
	}
	return nil
}

// everyStep takes the record as each source transaction left it: the best value
// may be one that the last does not show.
func (w *mapWorker) everyStep(res *mapResult, g *mapGroup, m *mapping.Map, steps []mapStep, base mapImage) error {
	for i := range steps {
		if i > 0 {
			base = steps[i].before
		}
		in := steps[i].input(g.key, base, steps[i].reason())
		in.Today = w.t.day(m, g.key)
		out, err := w.evaluators[m].Eval(&in)
		if err != nil {
			return err
		}
		res.take(m, out)
	}
	return nil
}

func (s *mapStep) reason() string {
	if s.op == cdc.Read {
		return mapping.ReasonSnapshot
	}
	return mapping.ReasonChange
}

// steps decodes the changes of an entity. Those of one source transaction
// become one: nobody but it saw what was in between.
func (w *mapWorker) steps(ctx context.Context, g *mapGroup) ([]mapStep, error) {
	steps := make([]mapStep, 0, len(g.changes))
	for i := range g.changes {
		c := &g.changes[i]
		s := mapStep{op: c.op, seq: c.seq, read: c.read, commit: c.read, bare: c.value == nil}
		if c.value != nil {
			id, schema, env, err := w.t.schemas.split(ctx, c.value)
			if err != nil {
				return nil, fmt.Errorf("row of %s with seq %d: %w", g.table.id, c.seq, err)
			}
			s.before, s.after = mapImage{id, schema, env.Before}, mapImage{id, schema, env.After}
			s.commit = msTime(env.Source.CommitMs)
			s.gtid, s.file, s.pos = env.Source.GTID, env.Source.File, env.Source.Pos
		}
		if n := len(steps); n > 0 && steps[n-1].sameTxn(&s) {
			s.before = steps[n-1].before
			steps[n-1] = s
			continue
		}
		steps = append(steps, s)
	}
	return steps, nil
}

// msTime reads a time of an envelope. A row that a snapshot read has no commit
// time.
func msTime(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

func (s *mapStep) sameTxn(o *mapStep) bool {
	if s.op == cdc.Read || o.op == cdc.Read || s.bare || o.bare {
		return false
	}
	if s.gtid != "" || o.gtid != "" {
		return s.gtid == o.gtid
	}
	return s.file != "" && s.file == o.file && s.pos == o.pos
}

// base gives the row as it was last mapped. The state is asked for it only
// where the before image may be something else: what the stream creates, or a
// snapshot reads, was not there or is there as it was, unless there is a gap.
func (w *mapWorker) base(ctx context.Context, g *mapGroup, first *mapStep) (mapImage, error) {
	old := first.bare || first.op == cdc.Update || first.op == cdc.Delete
	if !g.gap && !first.bare && (!g.open || !old) {
		return first.before, nil
	}
	if c := g.mapped; c != nil { // the state has it not yet
		if c.op == cdc.Delete || c.value == nil {
			return mapImage{}, nil
		}
		id, schema, env, err := w.t.schemas.split(ctx, c.value)
		if err != nil {
			return mapImage{}, fmt.Errorf("row of %s with seq %d: %w", g.table.id, c.seq, err)
		}
		return mapImage{id, schema, env.After}, nil
	}
	r, ok, err := w.t.db.Row(g.table.id, g.key)
	if err != nil || !ok {
		return mapImage{}, err
	}
	return w.image(ctx, &r)
}

func (w *mapWorker) image(ctx context.Context, r *state.Row) (mapImage, error) {
	schema, err := w.t.schemas.byID(ctx, r.Schema)
	return mapImage{r.Schema, schema, r.Data}, err
}

func (s *mapStep) input(key string, before mapImage, reason string) mapping.Input {
	return mapping.Input{
		Key: key, Schema: s.after.schema, After: s.after.row, BeforeSchema: before.schema, Before: before.row,
		Seq: s.seq, Position: s.position(), Commit: s.commit, Reason: reason,
	}
}

func (s *mapStep) position() string {
	return positionText(s.gtid, s.file, s.pos)
}

func positionText(gtid, file string, pos int64) string {
	if gtid != "" {
		return "gtid:" + gtid
	}
	if file != "" {
		return fmt.Sprintf("file:%s:%d", file, pos)
	}
	return ""
}

// take keeps the mutation of an output.
func (r *mapResult) take(m *mapping.Map, out *mapping.Output) {
	if out.Mutation == nil {
		return
	}
	mu := mapMutation{Mutation: out.Mutation, m: m, best: slices.Clone(out.Best)}
	for _, i := range out.Once {
		mu.once = append(mu.once, out.Mutation.Properties[i].Name)
	}
	r.mutations = append(r.mutations, mu)
}

// compareChanges orders changes by table, key and seq, as they wait on disk.
func compareChanges(a, b mapChange) int {
	if a.table != b.table {
		return cmp.Compare(a.table.text, b.table.text)
	}
	return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.seq, b.seq))
}
