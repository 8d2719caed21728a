package pipeline

import (
	"context"
	"time"

	"chartwire/cdc"
	"chartwire/pipeline/state"
)

// mapOpen is what a cut says of a table whose stream is not whole.
type mapOpen struct {
	// before and after say whether it was not whole at the cut before, and at
	// this one: because it loads, or because rows from before an epoch are
	// still there.
	before, after bool
	// truncate is the seq of the epoch at which the table was emptied, since
	// the cut before.
	truncate int64
	// gap says that rows from before an epoch are still there.
	gap   bool
	since time.Time
}

// openTables gives the tables of a source whose stream is not whole at its cut.
func (t *mapTerm) openTables(s *mapSource) map[state.Table]*mapOpen {
	out := map[state.Table]*mapOpen{}
	at := func(id state.Table) *mapOpen {
		if out[id] == nil {
			out[id] = &mapOpen{since: s.cut.Loads[id.TableID].Since}
		}
		return out[id]
	}
	was := t.progress.Sources[s.name]
	for id, table := range t.m.tables {
		if id.Source != s.name {
			continue
		}
		if was.Seq == 0 {
			at(id).before = true // nothing of it was mapped
		}
		for _, text := range was.Open {
			if text == table.text {
				at(id).before = true
			}
		}
		if load, ok := s.cut.Loads[id.TableID]; ok && load.Phase != cdc.LoadDone {
			at(id).after = true
		}
	}
	for _, e := range s.cut.Epochs {
		id := state.Table{Source: s.name, TableID: e.Table}
		table := t.m.tables[id]
		switch {
		case table == nil || e.Seq > s.cut.Seq || e.Seq <= t.gone[table.text]:
		case e.Kind == cdc.EpochTruncate:
			o := at(id)
			o.truncate = max(o.truncate, e.Seq)
		default:
			at(id).after, at(id).gap = true, true
		}
	}
	return out
}

// truncate takes away the rows of tables that were emptied since the cut before
// and that nothing wrote again.
func (c *mapCutting) truncate(ctx context.Context) error {
	for id, o := range c.open {
		if o.truncate == 0 {
			continue
		}
		keys := map[string]bool{}
		for i := range c.changes {
			if c.changes[i].table.id == id {
				keys[c.changes[i].key] = true
			}
		}
		if err := c.t.sweep(ctx, c.s, id, o.truncate, o.truncate, keys); err != nil {
			return err
		}
	}
	return nil
}

// mapSweep bounds how many rows are taken away at once.
const mapSweep = 1 << 16

// sweep deletes the rows from before an epoch through their maps, but for keys
// that have changes of their own: those given, and those that wait on disk. It
// is safe to begin again: rows go after their mutations are committed. For joined
// maps the deletions have the seq at.
func (t *mapTerm) sweep(ctx context.Context, s *mapSource, id state.Table, epoch, at int64, keys map[string]bool) error {
	table := t.m.tables[id]
	var chunk []*mapGroup
	var gone []string
	flush := func(force bool) error {
		if len(table.maps) > 0 && len(chunk) > 0 {
			t.progress.Sweeping[table.text] = true
			if err := t.mapGroups(ctx, s.cut.Seq, chunk); err != nil {
				return err
			}
		}
		for _, g := range chunk {
			gone = append(gone, g.key)
		}
		chunk = chunk[:0]
		if !force && t.p.Buffered() < t.m.o.Transaction && len(gone) < mapSweep || len(gone) == 0 {
			return nil
		}
		if err := t.commit(ctx); err != nil {
			return err
		}
		for _, key := range gone {
			if err := t.removeRow(ctx, table, key, at); err != nil {
				return err
			}
		}
		gone = gone[:0]
		return t.flushApply()
	}
	for r, err := range t.db.Rows(id, "") {
		if err != nil {
			return err
		}
		if r.Seq >= epoch || keys[r.Key] {
			continue
		}
		if s.disk > 0 {
			waits, err := t.db.Waits(id, r.Key)
			if err != nil {
				return err
			}
			if waits {
				continue
			}
		}
		chunk = append(chunk, &mapGroup{table: table, key: r.Key, open: true, gap: true,
			changes: []mapChange{{table: table, key: r.Key, seq: epoch, op: cdc.Delete, read: s.cut.Time}}})
		if len(chunk) == mapChunk {
			if err := flush(false); err != nil {
				return err
			}
		}
	}
	return flush(true)
}

// sweptAll notes that no row of a table is left that a sweep would take away.
func (t *mapTerm) sweptAll(text string) {
	delete(t.progress.Sweeping, text)
	delete(t.torn, text)
}

// sweepStep looks for tables whose refill after an epoch is complete and quiet,
// and takes away what was not written again.
func (t *mapTerm) sweepStep(ctx context.Context) (busy bool, err error) {
	for _, s := range t.r.sources {
		if s.cut == nil {
			continue
		}
		due := map[state.Table]int64{}
		for _, e := range s.cut.Epochs {
			id := state.Table{Source: s.name, TableID: e.Table}
			if t.m.tables[id] != nil && e.Kind != cdc.EpochTruncate && e.Seq > t.progress.Swept[id.Text()] {
				due[id] = max(due[id], e.Seq)
			}
		}
		for id, epoch := range due {
			if !t.quiet(s, id, epoch) {
				continue
			}
			t.m.log.Info("refill complete, rows that were not written again are deleted", "table", id.String())
			keys := map[string]bool{}
			for i := range s.mem {
				keys[s.mem[i].key] = true
			}
			text, at := id.Text(), s.cut.Seq+1 // nothing at or below it is left to be mapped but these
			if err := t.sweep(ctx, s, id, epoch, at, keys); err != nil {
				return false, err
			}
			if t.m.tables[id].joined() {
				t.progress.SweptAt[text] = at
			}
			delete(t.progress.Filled, text)
			t.progress.Swept[text] = epoch
			t.gone[text] = max(t.gone[text], epoch)
			t.sweptAll(text)
			return true, t.commit(ctx)
		}
	}
	return false, nil
}

// quiet reports whether the refill after an epoch has been complete for long
// enough.
func (t *mapTerm) quiet(s *mapSource, id state.Table, epoch int64) bool {
	text := id.Text()
	load, ok := s.cut.Loads[id.TableID]
	f := t.progress.Filled[text]
	switch {
	case ok && load.Phase != cdc.LoadDone:
		if f.Epoch != 0 {
			delete(t.progress.Filled, text)
			t.dirty = true
		}
		return false
	case f.Epoch != epoch:
		t.progress.Filled[text] = mapFilled{Epoch: epoch, Since: time.Now().UTC()}
		t.dirty = true
		return false
	}
	return time.Since(f.Since) >= t.m.o.Quiet
}
