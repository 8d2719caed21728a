package mysql

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"chartwire/cdc"
	"chartwire/cdc/mysql/image"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"
)

// A table that cannot be written as it is now is held alone: its rows are
// counted and left out, and the others flow. Because rows are missing from then
// on, it is read again under an epoch once it can be written: when a statement
// changed it back, or a person accepted it ([cdc.Load.Fields]).

// alone gives the halt in err's chain if it concerns one table only.
func alone(err error) *cdc.Halt {
	if h := cdc.Alone(err); h != nil {
		return h
	}
	var h *cdc.Halt
	if errors.As(err, &h) {
		switch h.Code {
		case image.HaltType, image.HaltCharset, image.HaltNoKey, HaltVersioned, HaltTable:
			return h
		}
	}
	return nil
}

// held says that the rows of the table are left out.
func (t *table) held() bool { return t.load != nil && t.load.state.IsHeld() }

// hold leaves a table out from now on. The caller tells.
func (st *stream) hold(l *load, h *cdc.Halt) {
	st.restart(l)
	since := st.readTime
	if since.IsZero() {
		since = time.Now()
	}
	l.state.Held = cdc.Held{Code: h.Code, Text: h.Text, Columns: h.Columns, Since: since}
	if h.Err != nil {
		l.state.Held.Text += ": " + h.Err.Error()
	}
	st.s.metrics.hold(l.id, true)
	st.log.Error("a table is held, the others go on", "source", st.s.cfg.Name, "table", l.id.String(), "code", h.Code, "err", l.state.Held.Text)
}

// holdNow holds a table that a chunk showed to be unreadable, and tells.
func (st *stream) holdNow(l *load, h *cdc.Halt) error {
	if l.state.IsHeld() {
		return nil
	}
	st.hold(l, h)
	if st.inside() {
		st.tell(l)
		return nil
	}
	return st.give(&cdc.Txn{Begin: true, End: true, Checkpoint: cdc.Checkpoint{Position: st.f.pos.cdc()}, Loads: map[cdc.TableID]cdc.Load{l.id: l.state}})
}

// release reads a held table again; what it is told in is behind an epoch.
func (st *stream) release(l *load, t *cdc.Txn) {
	st.log.Info("a table that was held is read again", "source", st.s.cfg.Name, "table", l.id.String(), "rows", l.state.Held.Rows)
	l.state.Held = cdc.Held{}
	st.s.metrics.hold(l.id, false)
	st.restart(l)
	st.f.tables.forget(l.id)
	t.Epochs = append(t.Epochs, cdc.Epoch{Table: l.id, Kind: cdc.EpochReload})
	tellIn(t, l)
}

// accept takes a held table as it is from now on, as a person decided by what was
// wrong with it then. What still is wrong holds it again, for another reason.
func (st *stream) accept(o *cdc.Order, t *cdc.Txn) {
	l := st.loads[o.Table]
	switch {
	case l == nil:
		t.Refused = "the source captures no such table"
	case !l.state.IsHeld():
		t.Refused = "it is not held"
	case !slices.Equal(slices.Sorted(maps.Keys(o.Fields)), slices.Sorted(slices.Values(l.state.Held.Columns))):
		t.Refused = "it is held for other columns than those that were accepted; look at it and accept it again"
	}
	if t.Refused != "" {
		st.refused(o, t)
		return
	}
	fields := maps.Clone(o.Fields)
	for column, field := range l.state.Fields {
		if fields[column] == "" {
			fields[column] = field
		}
	}
	l.state.Fields = fields
	st.release(l, t)
}

// leave counts the rows of a held table.
func (st *stream) leave(t *table, r *rowsEvent) error {
	before := st.f.g.rows
	if err := st.count(t, r); err != nil {
		return err
	}
	n := st.f.g.rows - before
	t.load.state.Held.Rows += n
	st.s.metrics.heldRows.WithLabelValues(t.name).Add(float64(n))
	st.tell(t.load) // with the position behind them, or they would be forgotten
	return nil
}

// look asks what a table is now: behind an ALTER, which may have given every row
// a value without an event, and for a held table, which may be readable again.
// The server may be further than the log, which then shows the shapes between.
func (st *stream) look(l *load, t *cdc.Txn) error {
	read, err := st.s.prepareTable(st.side, st.v, l.id, st.selected[l.id].Columns)
	switch h := alone(err); {
	case err == errNoTable:
		return nil
	case h != nil && h.Code == HaltVersioned && !l.state.IsHeld(): // its rows would be written with their history
		st.hold(l, h)
		tellIn(t, l)
		return nil
	case h != nil:
		return nil // the log, or the next chunk, comes to it
	case err != nil:
		return fmt.Errorf("looking at %s: %w", l.id, err)
	}
	shape := read.enc.Table()
	if !l.state.IsHeld() {
		st.newShape(l, shape, t)
		return nil
	}
	switch err := st.admit(shape); {
	case err == nil:
		st.release(l, t)
	case alone(err) == nil:
		return err
	}
	return nil
}

// lookBehind looks at a table behind a statement in the log. The log has it
// before it can be seen: the end of it is waited for, and if that takes long the
// table is looked at later.
func (st *stream) lookBehind(l *load, t *cdc.Txn) error {
	done, err := settled(st.side, l.id)
	if l.unseen = !done; err != nil || l.unseen {
		return err
	}
	return st.look(l, t)
}

// settled waits until no statement changes the definition of a table, for a
// second at most, and says whether it is so.
func settled(c *conn, id cdc.TableID) (bool, error) {
	if _, err := c.query("SET SESSION lock_wait_timeout = 1"); err != nil {
		return false, err
	}
	_, asked := c.query("SELECT 1 FROM " + ident(id.Database) + "." + ident(id.Name) + " LIMIT 0")
	if asked != nil && serverCode(asked) == 0 {
		return false, asked
	}
	_, err := c.query("SET SESSION lock_wait_timeout = DEFAULT")
	return serverCode(asked) != gomysql.ER_LOCK_WAIT_TIMEOUT, err // any other answer is a matter of whoever reads the table
}

// lookLater looks at the tables that could not be seen, between transactions.
func (st *stream) lookLater() error {
	for _, l := range st.loads {
		if !l.unseen {
			continue
		}
		t := &cdc.Txn{Begin: true, End: true, CommitTime: st.readTime, Checkpoint: cdc.Checkpoint{Position: st.f.pos.cdc()}}
		if err := st.lookBehind(l, t); err != nil {
			return err
		}
		if t.Loads != nil {
			if err := st.give(t); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkTables looks at tables before a session reads the log: at those that are
// held, and at those of which more columns may be selected now than were read.
func (st *stream) checkTables() error {
	for _, l := range st.loads {
		t := st.opening
		if t == nil {
			t = &cdc.Txn{}
		}
		var err error
		if h := misnamed(st.v, l.id); h != nil && !l.state.IsHeld() {
			st.hold(l, h)
			tellIn(t, l)
		} else if l.state.IsHeld() {
			st.s.metrics.hold(l.id, true)
			err = st.look(l, t)
		} else {
			var more bool
			if more, err = st.lacks(l); more {
				st.restart(l)
				tellIn(t, l)
			}
		}
		if err != nil {
			return err
		}
		if t.Loads != nil {
			st.opening = t
		}
	}
	return st.expect()
}

// admitBy is how a stream asks its consumer about a version of a table.
func admitBy(ctx context.Context, r *cdc.Resume) func(*cdc.Table) error {
	if r.Admit == nil {
		return func(*cdc.Table) error { return nil }
	}
	return func(t *cdc.Table) error {
		err := r.Admit(ctx, t)
		if err != nil && cdc.HaltCode(err) == "" {
			err = &consumers{err}
		}
		return err
	}
}

// tellIn puts a load's state into a transaction.
func tellIn(t *cdc.Txn, l *load) {
	if t.Loads == nil {
		t.Loads = map[cdc.TableID]cdc.Load{}
	}
	t.Loads[l.id] = l.state
}
