package pipeline

import (
	"cmp"
	"context"
	"iter"
	"slices"

	"chartwire/cdc"
	"chartwire/pipeline/state"
)

// startRows makes the local rows those of the committed progress: what waits on
// disk and was mapped goes into the rows, and rows from before an epoch that was
// carried out go.
func (t *mapTerm) startRows(ctx context.Context) error {
	for table, seq := range t.db.Meta().Gone {
		t.gone[table] = seq
	}
	if t.joins != nil {
		if err := t.joins.load(); err != nil {
			return err
		}
		if err := t.joins.startIndexes(ctx); err != nil {
			return err
		}
	}
	for _, s := range t.r.sources {
		if len(s.queue) == 0 {
			continue
		}
		if err := t.forgetTo(ctx, s, s.queue[0].Epochs); err != nil {
			return err
		}
	}
	for _, s := range t.r.sources {
		if err := t.applyWaiting(ctx, s, t.done[s.name]); err != nil {
			return err
		}
	}
	return nil
}

// forgetTo deletes the rows from before epochs that were carried out, by the
// committed progress.
func (t *mapTerm) forgetTo(ctx context.Context, s *mapSource, epochs []cdc.Epoch) error {
	for id, table := range t.m.tables {
		if id.Source != s.name {
			continue
		}
		gone := t.progress.Swept[table.text]
		for _, e := range epochs {
			if e.Table == id.TableID && e.Kind == cdc.EpochTruncate && e.Seq <= t.done[s.name] {
				gone = max(gone, e.Seq)
			}
		}
		if gone <= t.gone[table.text] {
			continue
		}
		if err := t.forget(ctx, table, gone); err != nil {
			return err
		}
	}
	return nil
}

// forget deletes the rows from before an epoch, without mapping them by the maps
// of their table alone.
func (t *mapTerm) forget(ctx context.Context, table *mapTable, epoch int64) error {
	for r, err := range t.db.Rows(table.id, "") {
		if err != nil {
			return err
		}
		if r.Seq < epoch {
			if err := t.removeRow(ctx, table, r.Key, max(epoch, t.progress.SweptAt[table.text])); err != nil {
				return err
			}
		}
	}
	t.gone[table.text] = epoch
	return t.flushApply()
}

// removeRow takes a row out of the state that an epoch took, at a seq.
func (t *mapTerm) removeRow(ctx context.Context, table *mapTable, key string, seq int64) error {
	if table.joined() {
		if err := t.joins.remove(ctx, table, key, seq); err != nil {
			return err
		}
	} else {
		t.batch().DeleteRow(table.id, key)
	}
	return t.flushFull()
}

// applyWaiting moves what waits on disk and is mapped up to seq into the rows,
// and counts what goes on waiting.
func (t *mapTerm) applyWaiting(ctx context.Context, s *mapSource, seq int64) error {
	s.disk = 0
	for w, err := range t.db.Waiting(s.name) {
		if err != nil {
			return err
		}
		if w.Seq > seq {
			s.disk++
			continue
		}
		b := t.batch()
		if table := t.m.tables[w.Table]; table != nil {
			c := waitingChange(table, &w)
			if err := t.applyTo(ctx, b, &c); err != nil {
				return err
			}
		}
		b.Done(w.Table, w.Key, w.Seq)
		if err := t.flushFull(); err != nil {
			return err
		}
	}
	return t.flushApply()
}

func waitingChange(table *mapTable, w *state.Waiting) mapChange {
	c := mapChange{table: table, key: w.Key, seq: w.Seq, op: w.Op, read: w.Read}
	if len(w.Value) > 0 {
		c.value = slices.Clone(w.Value)
	}
	return c
}

// mapCut maps everything up to the source's newest complete cut. first says
// that it is the one that was the newest at the start.
func (t *mapTerm) mapCut(ctx context.Context, s *mapSource, first bool) error {
	if first {
		for _, parts := range s.parts {
			for _, p := range parts {
				p.seq = max(p.seq, p.mark) // compacted away, if it was not seen
			}
		}
		t.m.log.Info("mapping", "source", s.name, "seq", s.cut.Seq, "waiting", int64(len(s.mem))+s.disk)
	}
	// Rows that were mapped before are read from now on.
	if err := t.flushApply(); err != nil {
		return err
	}
	changes, err := t.due(s)
	if err != nil {
		return err
	}
	c := &mapCutting{t: t, s: s, seq: s.cut.Seq, changes: changes, open: t.openTables(s)}
	if err := c.truncate(ctx); err != nil {
		return err
	}
	if err := c.run(ctx); err != nil {
		return err
	}
	done := mapSourceProgress{Seq: s.cut.Seq, Commit: s.cut.Commit, Cut: s.cut.Time, Low: t.progress.Sources[s.name].Low}
	if t.joins != nil {
		done.Loading = t.joins.atCut(s)
	}
	for id, o := range c.open {
		if o.after {
			done.Open = append(done.Open, id.Text())
		}
		if o.truncate > 0 {
			t.gone[id.Text()] = o.truncate
			t.sweptAll(id.Text())
		}
	}
	slices.Sort(done.Open)
	t.progress.Sources[s.name], t.dirty = done, true
	if len(changes) == 0 && s.disk == 0 && t.p.Buffered() == 0 && len(t.entries) == 0 {
		if t.joins != nil {
			t.joins.cutApplied(s)
		}
		return nil // nothing hangs on it: it is committed with what comes, or soon
	}
	if err := t.commit(ctx); err != nil {
		return err
	}
	t.m.lag(s)
	if err := t.applyCut(ctx, s, changes); err != nil {
		return err
	}
	if t.joins != nil {
		t.joins.cutApplied(s)
	}
	return nil
}

// due gives the changes up to the cut in the order of table, key and seq, if
// they are all in memory. If some wait on disk all do, and it gives none.
func (t *mapTerm) due(s *mapSource) ([]mapChange, error) {
	if s.disk > 0 {
		return nil, t.spill(s)
	}
	var due []mapChange
	for i := range s.mem {
		if s.mem[i].seq <= s.cut.Seq {
			due = append(due, s.mem[i])
		}
	}
	slices.SortFunc(due, compareChanges)
	return due, nil
}

// applyCut puts what was mapped into the rows.
func (t *mapTerm) applyCut(ctx context.Context, s *mapSource, changes []mapChange) error {
	if s.disk > 0 {
		return t.applyWaiting(ctx, s, s.cut.Seq)
	}
	for i := range changes {
		c := &changes[i]
		if i+1 < len(changes) && changes[i+1].table == c.table && changes[i+1].key == c.key {
			continue
		}
		if err := t.applyTo(ctx, t.batch(), c); err != nil {
			return err
		}
		if err := t.flushFull(); err != nil {
			return err
		}
	}
	s.drop(s.cut.Seq)
	return t.flushApply()
}

// drop forgets what waits in memory up to seq.
func (s *mapSource) drop(seq int64) {
	rest := s.mem[:0]
	s.bytes = 0
	for i := range s.mem {
		if s.mem[i].seq > seq {
			rest = append(rest, s.mem[i])
			s.bytes += s.mem[i].bytes()
		}
	}
	clear(s.mem[len(rest):])
	s.mem = rest
}

// mapCutting is the mapping of one cut of one source.
type mapCutting struct {
	t       *mapTerm
	s       *mapSource
	seq     int64
	changes []mapChange
	open    map[state.Table]*mapOpen
}

// run maps the entities that changed, a chunk at a time.
func (c *mapCutting) run(ctx context.Context) error {
	var chunk []*mapGroup
	size := 0
	flush := func() error {
		if len(chunk) == 0 {
			return nil
		}
		last := chunk[len(chunk)-1]
		if err := c.t.mapGroups(ctx, c.seq, chunk); err != nil {
			return err
		}
		chunk, size = chunk[:0], 0
		if c.t.p.Buffered() < c.t.m.o.Transaction {
			return nil
		}
		p := c.t.progress.Sources[c.s.name]
		p.Part = &mapPartDone{Seq: c.seq, Table: last.table.text, Key: last.key}
		c.t.progress.Sources[c.s.name] = p
		return c.t.commit(ctx)
	}
	for g, err := range c.groups() {
		if err != nil {
			return err
		}
		chunk = append(chunk, g)
		for i := range g.changes {
			size += len(g.changes[i].value)
		}
		if len(chunk) >= mapChunk || size >= c.t.m.o.Transaction/2 {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

// groups yields the entities that changed and are not done.
func (c *mapCutting) groups() iter.Seq2[*mapGroup, error] {
	done := c.t.progress.Sources[c.s.name].Part
	before := func(ch *mapChange) bool { return done != nil && ch.seq <= done.Seq }
	return func(yield func(*mapGroup, error) bool) {
		var g *mapGroup
		end := func() bool {
			if g == nil {
				return true
			}
			full := g
			g = nil
			c.finish(full)
			c.skip(full, done)
			return len(full.changes) == 0 || yield(full, nil)
		}
		for ch, err := range c.each() {
			if err != nil {
				yield(nil, err)
				return
			}
			if g != nil && (g.table != ch.table || g.key != ch.key) && !end() {
				return
			}
			if g == nil {
				g = &mapGroup{table: ch.table, key: ch.key}
			}
			if n := len(g.changes); n > 1 && !g.table.every && before(&g.changes[n-2]) == before(&ch) {
				g.changes[n-1] = ch // only the first and the last count, of what may be done and of what is not
				continue
			}
			g.changes = append(g.changes, ch)
		}
		end()
	}
}

// each yields the changes up to the cut, from memory or disk.
func (c *mapCutting) each() iter.Seq2[mapChange, error] {
	return func(yield func(mapChange, error) bool) {
		for i := range c.changes {
			if len(c.changes[i].table.maps) > 0 && !yield(c.changes[i], nil) {
				return
			}
		}
		if c.s.disk == 0 {
			return
		}
		for w, err := range c.t.db.Waiting(c.s.name) {
			if err != nil {
				yield(mapChange{}, err)
				return
			}
			table := c.t.m.tables[w.Table]
			if table == nil || len(table.maps) == 0 || w.Seq > c.seq {
				continue
			}
			if !yield(waitingChange(table, &w), nil) {
				return
			}
		}
	}
}

// skip takes out what an earlier transaction of the cut has done.
func (c *mapCutting) skip(g *mapGroup, done *mapPartDone) {
	if done == nil || cmp.Or(cmp.Compare(g.table.text, done.Table), cmp.Compare(g.key, done.Key)) > 0 {
		return
	}
	n := 0
	for n < len(g.changes) && g.changes[n].seq <= done.Seq {
		n++
	}
	if n > 0 {
		g.mapped = &g.changes[n-1]
	}
	g.changes = g.changes[n:]
}

// finish completes a group with what the cut says of its table.
func (c *mapCutting) finish(g *mapGroup) {
	o := c.open[g.table.id]
	if o == nil {
		return
	}
	g.open, g.gap, g.since = o.before || o.after || o.truncate > 0, o.gap || o.truncate > 0, o.since
	if o.truncate == 0 || g.changes[0].seq > o.truncate {
		return
	}
	// The row was there, and the table was emptied after that.
	i := slices.IndexFunc(g.changes, func(ch mapChange) bool { return ch.seq > o.truncate })
	if i < 0 {
		i = len(g.changes)
	}
	g.changes = slices.Insert(g.changes, i, mapChange{table: g.table, key: g.key, seq: o.truncate, op: cdc.Delete, read: c.s.cut.Time})
}
