package mysql

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"chartwire/cdc"
	"chartwire/cdc/mysql/image"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"
)

// load is how far the reading of a table has come, and what is needed to carry
// it on.
type load struct {
	id    cdc.TableID
	state cdc.Load
	// shape is the newest version of the table that the stream showed.
	shape *cdc.Table
	// parts are being read, or are still to be given, in the order of their keys.
	parts []*part
	rows  int       // of the next part
	retry time.Time // not before
	// expected is how many rows the next read has, as the server or the last read
	// say; 0 if nobody does.
	expected int64
	fails    int // in a row, to read it
	// pinned is state.Types before the table's last change.
	pinned map[string]string
	// unseen says that the table has changed, and that the server did not say
	// yet to what.
	unseen bool
	// version grows with every change of the table's definition.
	version int
}

// touch tells the parts that are being read which keys the changes at hand are
// of, when it is sure that they are given: what a transaction took back left the
// rows as the parts have them.
func (st *stream) touch() {
	if len(st.reading) == 0 {
		return
	}
	var table *cdc.Table
	var l *load
	for i := range st.out.txn.Changes {
		c := &st.out.txn.Changes[i]
		if c.Table != table {
			table, l = c.Table, st.loads[c.Table.ID()]
		}
		if l == nil {
			continue
		}
		for _, p := range l.parts {
			if p.window != nil {
				p.window.touch(c.Key)
			}
		}
	}
}

// task says which read of the table is at hand: firstRead, or an index in its
// Again.
func (l *load) task() (again int, open bool) {
	if l.state.Phase != cdc.LoadDone {
		return firstRead, true
	}
	for i := range l.state.Again {
		if l.state.Again[i].Open() {
			return i, true
		}
	}
	return firstRead, false
}

const firstRead = -1

// where is the condition of the read at hand; "" for none.
func (l *load) where() string {
	if again, _ := l.task(); again >= 0 {
		return l.state.Again[again].Where
	}
	return ""
}

// planLoads decides from the resume point which tables are to be read.
func (st *stream) planLoads(r cdc.Resume) {
	lost := r.Checkpoint.Position.IsZero() && len(r.Loads) > 0
	opening := &cdc.Txn{Loads: map[cdc.TableID]cdc.Load{}}
	st.left = map[cdc.TableID]cdc.Load{}
	for id, old := range r.Loads {
		if len(old.Wanted) > 0 {
			st.selected[id] = widened(st.selected[id], id, old.Wanted)
		}
	}
	for _, id := range st.ids(r) {
		l := &load{id: id, rows: st.s.cfg.Snapshot.ChunkRows}
		old, known := r.Loads[id]
		switch {
		case old.Phase == cdc.LoadLeft:
			known = false
			l.state = comeBack(old)
		case lost && known:
			l.state = old
			st.restart(l)
			l.state.Paused = false
			opening.Epochs = append(opening.Epochs, cdc.Epoch{Table: id, Kind: cdc.EpochReload})
		case known && old.Phase != "":
			l.state = old
		default:
			l.state = cdc.Load{Phase: cdc.LoadWaiting, Since: time.Now()}
		}
		if !known || lost {
			opening.Loads[id] = l.state
		}
		st.loads[id] = l
		st.order = append(st.order, l)
	}
	st.unselect(r, opening)
	st.replan = true
	if len(opening.Loads) > 0 || r.Checkpoint.Position.IsZero() {
		st.opening = opening
	}
}

// unselect notes which tables are no longer selected. Whatever changes in them from
// here on is not read: the epoch takes away what is not written again, should
// they be selected once more.
func (st *stream) unselect(r cdc.Resume, opening *cdc.Txn) {
	for id, old := range r.Loads {
		if st.selected[id] != nil {
			continue
		}
		st.left[id] = old
		if old.Phase != cdc.LoadLeft {
			opening.Loads[id] = cdc.Load{Phase: cdc.LoadLeft, Fields: old.Fields, Key: old.Key}
			opening.Epochs = append(opening.Epochs, cdc.Epoch{Table: id, Kind: cdc.EpochReload})
		}
	}
}

// comeBack is the state of a table that is captured from now on, and perhaps was
// once: its topic has the fields and the keys of then.
func comeBack(old cdc.Load) cdc.Load {
	return cdc.Load{Phase: cdc.LoadWaiting, Since: time.Now(), Fields: old.Fields, Key: old.Key}
}

// ids are the tables to capture: the configuration's in its order, then those
// that orders added.
func (st *stream) ids(r cdc.Resume) (ids []cdc.TableID) {
	for i := range st.s.cfg.Selections {
		ids = append(ids, st.s.cfg.Selections[i].Table)
	}
	n := len(ids)
	for id := range r.Loads {
		if st.selected[id] != nil && !slices.Contains(ids[:n], id) {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids[n:], func(a, b cdc.TableID) int { return strings.Compare(a.String(), b.String()) })
	return ids
}

// lacks says whether a column is selected, and in the table, that was not read.
func (st *stream) lacks(l *load) (bool, error) {
	if l.state.Phase == cdc.LoadWaiting || l.state.Columns == nil {
		return false, nil
	}
	info, err := describeTable(st.side, st.s.cfg.Name, st.v.maria, l.id)
	if err == errNoTable {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	selected := st.selected[l.id].Columns
	for i := range info.meta.Columns {
		name := info.meta.Columns[i].Name
		if (selected == nil || slices.Contains(selected, name)) && !slices.Contains(l.state.Columns, name) {
			return true, nil
		}
		if st.s.cfg.Dates[l.id][name] == image.DateRaw && info.meta.Columns[i].Dated() && slices.Contains(l.state.Columns, name) && !slices.Contains(l.state.Columns, name+image.RawSuffix) {
			return true, nil
		}
	}
	return false, nil
}

// restart begins a table's read anew.
func (st *stream) restart(l *load) {
	l.expected = max(l.expected, l.state.Total, l.state.Rows)
	l.state.Restart()
	l.parts, l.retry = nil, time.Time{}
	l.version++
	st.replan = true
}

// reload begins it anew and says so in the transaction at hand.
func (st *stream) reload(l *load) {
	st.restart(l)
	st.tell(l)
}

// newShape notes another version of a table. Rows written before it have no
// value for a column that is new, and perhaps another one where a type changed:
// the table is read again. Under another primary key its rows are other rows: it
// is read again behind an epoch, which takes away those that nobody wrote again.
func (st *stream) newShape(l *load, shape *cdc.Table, t *cdc.Txn) {
	old := l.shape
	l.shape = shape
	if old != nil {
		if sameShape(old, shape) {
			return
		}
		l.version++
		l.parts = nil
	}
	if key := shape.KeyNames(); l.state.Key != nil && !slices.Equal(l.state.Key, key) {
		st.log.Info("the table has another primary key; reading it again", "source", st.s.cfg.Name, "table", l.id.String(), "key", key)
		st.restart(l)
		l.state.Key = key
		t.Epochs = append(t.Epochs, cdc.Epoch{Table: l.id, Kind: cdc.EpochReload})
		tellIn(t, l)
		return
	}
	if l.state.Phase == cdc.LoadWaiting || l.state.Columns == nil {
		return
	}
	sums := shapeSums(shape)
	if column := changed(&l.state, shape, sums); column != "" {
		st.log.Info("the table's columns changed; reading it again", "source", st.s.cfg.Name, "table", l.id.String(), "column", column)
		st.restart(l)
		tellIn(t, l)
		return
	}
	if !slices.Equal(l.state.Sums, sums) { // columns went, or an older version left this open
		l.describe(shape)
		tellIn(t, l)
	}
}

// changed is a column of the shape that is new, or another than was read.
func changed(s *cdc.Load, shape *cdc.Table, sums []uint32) string {
	for i, c := range shape.Columns {
		k := slices.Index(s.Columns, c.Name)
		if k < 0 || len(s.Sums) == len(s.Columns) && s.Sums[k] != sums[i] {
			return c.Name
		}
	}
	return ""
}

// describe keeps what the table looks like.
func (l *load) describe(shape *cdc.Table) {
	l.state.Columns = nil
	for i := range shape.Columns {
		l.state.Columns = append(l.state.Columns, shape.Columns[i].Name)
	}
	l.state.Sums, l.state.Key = shapeSums(shape), shape.KeyNames()
}

// shapeSums stand for the types of the columns.
func shapeSums(t *cdc.Table) []uint32 {
	sums := make([]uint32, len(t.Columns))
	for i := range t.Columns {
		sums[i] = t.Columns[i].Type.Sum()
	}
	return sums
}

// unpin forgets what the stream left open of columns, but as the answer for
// columns that the server no longer has by the time it is asked.
func (l *load) unpin() {
	if l.state.Types != nil {
		l.pinned, l.state.Types = l.state.Types, nil
	}
}

// declare adds what the stream does not say of columns: from the load's pinned
// types, or else from the server, once.
func (st *stream) declare(meta *image.TableMeta, l *load) error {
	if !st.v.maria {
		return nil
	}
	var open []string
	for i := range meta.Columns {
		m := &meta.Columns[i]
		if unsaid(m) {
			if m.Declared = l.state.Types[m.Name]; m.Declared == "" {
				open = append(open, m.Name)
			}
		}
	}
	if open == nil {
		return nil
	}
	if _, err := settled(st.side, l.id); err != nil {
		return err
	}
	info, err := describeTable(st.side, st.s.cfg.Name, true, l.id)
	switch {
	case err == errNoTable: // it is gone; the last rows of it read as they did, or as what they look like
	case err != nil:
		return fmt.Errorf("asking for the types of %s: %w", l.id, err)
	default:
		if st.pin(l, info.meta, stillThere(info.meta, meta, open)...) {
			st.tell(l)
		}
	}
	for i := range meta.Columns {
		if m := &meta.Columns[i]; unsaid(m) {
			if m.Declared = l.state.Types[m.Name]; m.Declared == "" {
				m.Declared = l.pinned[m.Name]
			}
		}
	}
	return nil
}

// stillThere are those of the columns that the server has as the log has them:
// it may be several statements further.
func stillThere(now, then *image.TableMeta, names []string) (same []string) {
	for i := range then.Columns {
		m := &then.Columns[i]
		k := slices.IndexFunc(now.Columns, func(c image.ColumnMeta) bool { return c.Name == m.Name })
		if k < 0 || !slices.Contains(names, m.Name) {
			continue
		}
		if n := &now.Columns[k]; n.Type == m.Type && n.Meta == m.Meta || m.Type != gomysql.MYSQL_TYPE_STRING && m.Type != gomysql.MYSQL_TYPE_BLOB {
			same = append(same, m.Name)
		}
	}
	return same
}

// pin keeps the types that the stream does not say, and those of the columns
// that it asks for by name.
func (st *stream) pin(l *load, meta *image.TableMeta, names ...string) (changed bool) {
	types := maps.Clone(l.state.Types)
	for i := range meta.Columns {
		if m := &meta.Columns[i]; (unsaid(m) || slices.Contains(names, m.Name)) && types[m.Name] == "" {
			if types == nil {
				types = map[string]string{}
			}
			types[m.Name] = m.Declared
			changed = true
		}
	}
	l.state.Types = types
	return changed
}
