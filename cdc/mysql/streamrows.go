package mysql

import (
	"slices"
	"strings"
	"time"

	"chartwire/cdc"
	"chartwire/cdc/mysql/image"
)

func (st *stream) begun() error {
	st.out.begin()
	return nil
}

// rows takes the images of one event.
func (st *stream) rows(t *table, r *rowsEvent) error {
	if st.f.g.prepared && !st.replaying {
		st.f.note(t)
		return nil
	}
	if t.selection == nil || st.out.skip > 0 {
		return st.count(t, r)
	}
	if r.partial {
		return cdc.Haltf(image.HaltPartial, "%s at %s: a JSON value came as a difference; run SET GLOBAL binlog_row_value_options='' at the source, and read the table again", t.id, st.f.at)
	}
	if t.enc == nil && !t.held() {
		if err := st.prepare(t); err != nil {
			return err
		}
	}
	if t.held() {
		return st.leave(t, r)
	}
	for images := r.images; len(images) > 0; {
		rest, err := st.out.row(t, r, images, st.f.g.rows, st.readTime)
		if err != nil {
			return st.inflated(t, err)
		}
		st.f.g.rows++
		if st.out.size() >= st.s.cfg.Piece {
			if err := st.piece(rowSum(images, rest)); err != nil {
				return err
			}
		}
		images = rest
	}
	return nil
}

// piece gives what there is of a transaction that is larger than memory should
// hold.
func (st *stream) piece(last uint64) error {
	st.touch()
	t := st.out.piece(st.f.id(), st.committed(), cdc.Checkpoint{Position: st.f.pos.cdc(), Rows: st.f.g.rows, Last: last})
	if err := st.give(t); err != nil {
		return err
	}
	st.out.clear()
	return nil
}

// committed is when the transaction at hand was committed, by our clock; where that
// is not known, or it never was, when it was written or is read.
func (st *stream) committed() time.Time {
	g := &st.f.g
	switch {
	case !g.commitTime.IsZero():
		return g.commitTime.Add(st.v.offset)
	case !g.stamp.IsZero():
		return g.stamp.Add(st.v.offset)
	}
	return st.readTime
}

// count passes rows that nobody selected, or that the consumer has.
func (st *stream) count(t *table, r *rowsEvent) error {
	for images := r.images; len(images) > 0; {
		rest, err := t.skip(r, images)
		if err != nil {
			return st.f.damaged(err)
		}
		st.f.g.rows++
		if st.out.skip > 0 {
			st.out.touched = st.out.touched || t.selection != nil
			if st.out.skip--; st.out.skip == 0 {
				if rowSum(images, rest) != st.out.skipLast {
					return cdc.Haltf(HaltResumeRow, "row %d of the transaction at %s is another than the one that was read there; read its tables again", st.f.g.rows, st.f.at)
				}
				r.images = rest
				return st.rows(t, r)
			}
		}
		images = rest
	}
	return nil
}

// prepare makes the encoder of a version of a table, when its first row comes.
func (st *stream) prepare(t *table) error {
	meta, err := t.m.describe(st.s.cfg.Name, st.v.maria)
	if err != nil {
		return st.f.damaged(err)
	}
	if !named(meta) {
		return cdc.Haltf(image.HaltMetadata, "the stream does not name the columns of %s at %s; run SET GLOBAL binlog_row_metadata=FULL at the source, and read the table again", t.id, st.f.at)
	}
	l := st.loads[t.id]
	if t.load = l; t.held() {
		return nil
	}
	if err := st.declare(meta, l); err != nil {
		return err
	}
	meta.Dates, meta.Most = st.s.cfg.Dates[t.id], st.s.cfg.maxEvent()
	enc, err := image.Compile(meta, t.selection.Columns)
	if err == nil {
		err = st.admit(enc.Table())
	}
	if h := alone(err); h != nil {
		st.hold(l, h)
		return nil
	}
	if err != nil {
		return err
	}
	t.enc, t.shape = enc, enc.Table()
	st.s.metrics.count(t.enc)
	for _, missing := range t.enc.Missing() {
		st.log.Warn("a selected column is not in the table", "source", st.s.cfg.Name, "table", t.name, "column", missing)
	}
	st.newShape(l, t.shape, &st.out.txn)
	return nil
}

// query acts on a statement in the log.
func (st *stream) query(q *query, text, database string) error {
	switch q.kind {
	case queryRows:
		if st.concerned(text, database) {
			return cdc.Haltf(HaltStatement, "the statement at %s changed rows, and the log has no rows of it; run SET GLOBAL binlog_format=ROW at the source, let its sessions reconnect, and read the tables again", st.f.at)
		}
	case querySave:
		st.out.save(q.name, st.f.g.rows)
	case queryBack:
		return st.out.back(q.name, st.f.at)
	case queryTable:
		st.rewritten(q)
		for _, e := range q.effects {
			if err := st.effect(e); err != nil {
				return err
			}
		}
		st.statement(q, text)
	}
	return nil
}

// concerned says whether a statement may have changed selected tables: it runs
// in one of their databases, or names one of them.
func (st *stream) concerned(text, database string) bool {
	if id, ok := emptied(text, database); ok {
		return st.selected[id] != nil
	}
	names := map[string]bool{}
	for id := range st.selected {
		if strings.EqualFold(id.Database, database) {
			return true
		}
		names[strings.ToLower(id.Database)] = true
		names[strings.ToLower(id.Name)] = true
	}
	return database == "" && text == "LOAD DATA" || mentions(text, names)
}

// rewritten reads a table again of which an ALTER defined a captured column: its
// rows may have other values, which no event says, and the table may look as it
// did before.
func (st *stream) rewritten(q *query) {
	for _, name := range q.columns {
		id := q.effects[0].table
		l := st.loads[id]
		if l == nil || l.state.IsHeld() {
			continue
		}
		selected := st.selected[id].Columns
		if name == "" || selected == nil || slices.ContainsFunc(selected, func(s string) bool { return strings.EqualFold(s, name) }) {
			st.reload(l)
		}
	}
}

// effect notes what a statement did to selected tables.
func (st *stream) effect(e effect) error {
	for id, l := range st.loads {
		if id != e.table && (e.table.Name != "" || id.Database != e.table.Database) {
			continue
		}
		st.f.tables.forget(id)
		l.parts = nil // whatever was read meanwhile may be of before
		l.version++
		l.unpin()
		switch e.kind {
		case effectTruncate:
			st.epoch(id, cdc.EpochTruncate)
		case effectDrop:
			st.epoch(id, cdc.EpochDrop)
			st.reload(l)
		case effectRename:
			st.epoch(id, cdc.EpochRename)
			st.reload(l)
		case effectPart:
			st.epoch(id, cdc.EpochReload)
			st.reload(l)
		case effectCreate:
			l.retry = time.Time{}
		case effectAlter:
		}
		if e.kind == effectAlter || l.state.IsHeld() && e.kind != effectTruncate {
			if err := st.lookBehind(l, &st.out.txn); err != nil {
				return err
			}
		}
	}
	return nil
}

func (st *stream) epoch(id cdc.TableID, kind cdc.EpochKind) {
	st.out.txn.Epochs = append(st.out.txn.Epochs, cdc.Epoch{Table: id, Kind: kind})
}

// tell puts a load's state into the transaction at hand.
func (st *stream) tell(l *load) { tellIn(&st.out.txn, l) }
