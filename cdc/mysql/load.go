package mysql

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"chartwire/cdc"
	"chartwire/cdc/mysql/image"
)

// load is how far the first read of a table has come, and what is needed to
// carry it on.
type load struct {
	id    cdc.TableID
	state cdc.Load
	// shape is the newest version of the table that the stream showed.
	shape *cdc.Table
	// window is open from the request of a chunk until its rows are given.
	window *window
	retry  time.Time // not before
	// version grows with every change of the table's definition.
	version int
}

// window collects the keys that the stream changes while a chunk is read. A
// chunk whose window was replaced is discarded.
type window struct {
	keys  map[string]struct{}
	chunk *chunk // once read
	over  bool   // there were too many keys: the chunk is worth nothing
}

// maxKeys bounds a window. A stream that is so far behind, or a statement that
// changes so many rows, makes the chunk wait for a better moment.
const maxKeys = 1_000_000

func (w *window) touch(key string) {
	if _, ok := w.keys[key]; ok || w.over {
		return
	}
	if len(w.keys) >= maxKeys {
		w.keys, w.over = nil, true
		return
	}
	w.keys[strings.Clone(key)] = struct{}{}
}

// planLoads decides from the resume point which tables are to be read.
func (st *stream) planLoads(r cdc.Resume) {
	lost := r.Checkpoint.Position.IsZero() && len(r.Loads) > 0
	opening := &cdc.Txn{Loads: map[cdc.TableID]cdc.Load{}}
	for id := range st.s.selected {
		l := &load{id: id}
		old, known := r.Loads[id]
		switch {
		case lost && known:
			l.state = cdc.Load{Phase: cdc.LoadWaiting, Types: old.Types, Since: old.Since}
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
	}
	if len(opening.Loads) > 0 || r.Checkpoint.Position.IsZero() {
		st.opening = opening
	}
}

// checkColumns reads tables again of which more columns are selected now than
// were read. It asks the server, because a selected column that the table does
// not have is none that was left out.
func (st *stream) checkColumns() error {
	for id, l := range st.loads {
		if l.state.Phase == cdc.LoadWaiting || l.state.Columns == nil {
			continue
		}
		info, err := describeTable(st.side, st.s.cfg.Name, st.v.maria, id)
		if err == errNoTable {
			continue
		}
		if err != nil {
			return err
		}
		selected := st.s.selected[id].Columns
		for i := range info.meta.Columns {
			name := info.meta.Columns[i].Name
			if (selected == nil || slices.Contains(selected, name)) && !slices.Contains(l.state.Columns, name) {
				st.restart(l)
				if st.opening == nil {
					st.opening = &cdc.Txn{Loads: map[cdc.TableID]cdc.Load{}}
				}
				st.opening.Loads[id] = l.state
				break
			}
		}
	}
	return nil
}

// restart begins a table's read anew.
func (st *stream) restart(l *load) {
	l.state = cdc.Load{Phase: cdc.LoadWaiting, Types: l.state.Types, Since: l.state.Since}
	l.window, l.retry = nil, time.Time{}
	l.version++
}

// reload begins it anew and says so in the transaction at hand.
func (st *stream) reload(l *load) {
	st.restart(l)
	st.tell(l)
}

// newShape notes another version of a table. Rows written before it have no
// value for a column that is new, and perhaps another one where a type changed:
// the table is read again.
func (st *stream) newShape(l *load, shape *cdc.Table) {
	old := l.shape
	l.shape = shape
	if old == nil {
		if l.state.Phase == cdc.LoadWaiting || l.state.Columns == nil {
			return
		}
		for _, c := range shape.Columns {
			if !slices.Contains(l.state.Columns, c.Name) {
				st.reload(l)
				return
			}
		}
		return
	}
	if sameShape(old, shape) {
		return
	}
	l.version++
	l.window = nil
	for _, c := range shape.Columns {
		i := old.Column(c.Name)
		if i < 0 || !sameType(old.Columns[i].Type, c.Type) {
			st.log.Info("the table's columns changed; reading it again", "source", st.s.cfg.Name, "table", l.id.String(), "column", c.Name)
			st.reload(l)
			return
		}
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
	info, err := describeTable(st.side, st.s.cfg.Name, true, l.id)
	if err == errNoTable {
		return nil // it is gone; the last rows of it read as what they look like
	}
	if err != nil {
		return fmt.Errorf("asking for the types of %s: %w", l.id, err)
	}
	if st.pin(l, info.meta, open...) {
		st.tell(l)
	}
	for i := range meta.Columns {
		if m := &meta.Columns[i]; unsaid(m) {
			m.Declared = l.state.Types[m.Name]
		}
	}
	return nil
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
