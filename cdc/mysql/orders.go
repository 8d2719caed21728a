package mysql

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"chartwire/cdc"
	"chartwire/cdc/mysql/image"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"
)

// mostAgain bounds the reads of one table that wait, and mostEnded those that
// are remembered when they have ended: all of them are in every cut.
const (
	mostAgain = 20
	mostEnded = 5
)

// stopped is the Problem of a read that an order ended.
const stopped = "stopped"

// obey carries out the orders that came, each in a Txn of its own that says so.
func (st *stream) obey() error {
	for len(st.told) > 0 {
		o := &st.told[0]
		if o.ID > st.asked {
			t := &cdc.Txn{Begin: true, End: true, CommitTime: time.Now(), Checkpoint: cdc.Checkpoint{Position: st.f.pos.cdc()},
				Loads: map[cdc.TableID]cdc.Load{}, Asked: o.ID}
			if err := st.carryOut(o, t); err != nil {
				return err // the order stays, for the next session
			}
			st.asked = o.ID
			if err := st.give(t); err != nil {
				return err
			}
		}
		st.told = st.told[1:]
	}
	return nil
}

func (st *stream) carryOut(o *cdc.Order, t *cdc.Txn) error {
	st.log.Info("an order came", "source", st.s.cfg.Name, "act", string(o.Act), "table", tableOf(o), "order", o.ID)
	switch o.Act {
	case cdc.ActTable, cdc.ActColumn:
		return st.widen(o, t)
	case cdc.ActAccept:
		st.accept(o, t)
		return nil
	}
	if err := st.permit(o); err != nil {
		t.Refused = err.Error()
		st.refused(o, t)
		return nil
	}
	known := false
	for _, l := range st.order {
		if o.Names(l.id) {
			known = true
			if err := l.order(o); err != nil {
				t.Refused = err.Error()
			}
			t.Loads[l.id] = l.state
		}
	}
	if !known {
		t.Refused = "the source captures no such table"
	}
	if t.Refused != "" {
		st.refused(o, t)
	}
	st.replan = true
	return nil
}

func (st *stream) refused(o *cdc.Order, t *cdc.Txn) {
	st.log.Warn("an order was refused", "source", st.s.cfg.Name, "table", tableOf(o), "order", o.ID, "why", t.Refused)
}

// tableOf is the table of an order as people read it.
func tableOf(o *cdc.Order) string {
	if o.Table == (cdc.TableID{}) {
		return "all"
	}
	return o.Table.String()
}

// order changes a table's state as an order says.
func (l *load) order(o *cdc.Order) error {
	s := &l.state
	s.Again = slices.Clone(s.Again)
	switch o.Act {
	case cdc.ActPause:
		s.Paused = true
	case cdc.ActResume:
		s.Paused = false
	case cdc.ActStop:
		l.stop(o)
	case cdc.ActStart:
		s.Paused = false
		if s.Phase != cdc.LoadDone && o.Where == "" {
			return nil // it is being read anyway
		}
		open := 0
		for i := range s.Again {
			if r := &s.Again[i]; r.Open() {
				if open++; r.Where == o.Where {
					return nil
				}
			}
		}
		if open >= mostAgain {
			return fmt.Errorf("%d reads of the table wait already", open)
		}
		if o.Where != "" {
			if err := CheckWhere(o.Where); err != nil {
				return err
			}
		}
		s.Again = append(s.Again, cdc.Reread{Order: o.ID, Where: o.Where, Phase: cdc.LoadWaiting})
	default:
		return errors.New("this version does not know such an order")
	}
	return nil
}

// stop gives up what is read again. The first read of a table cannot be given
// up, because its rows are unknown until then: it goes back to its start, and
// waits there.
func (l *load) stop(o *cdc.Order) {
	s := &l.state
	if s.Phase != cdc.LoadDone && o.Where == "" {
		l.parts = nil
		s.Phase, s.After, s.Rows, s.Total, s.Started, s.Paused = cdc.LoadWaiting, nil, 0, 0, time.Time{}, true
	}
	for i := range s.Again {
		if r := &s.Again[i]; r.Open() && (o.Where == "" || o.Where == r.Where) {
			l.end(i, stopped)
		}
	}
}

// end ends a read again before its end. Its list is the caller's own.
func (l *load) end(again int, problem string) {
	r := &l.state.Again[again]
	l.parts = slices.DeleteFunc(l.parts, func(p *part) bool { return p.task == r.Order })
	r.Phase, r.After, r.Ended, r.Problem = cdc.LoadDone, nil, time.Now(), problem
	l.forget()
}

// forget keeps the last few of the reads that have ended.
func (l *load) forget() {
	ended := 0
	for _, r := range l.state.Again {
		if !r.Open() {
			ended++
		}
	}
	for i := 0; ended > mostEnded; {
		if l.state.Again[i].Open() {
			i++
			continue
		}
		l.state.Again = slices.Delete(l.state.Again, i, i+1)
		ended--
	}
}

// refuse ends a read whose condition the server does not take.
func (st *stream) refuse(l *load, again int, err error) error {
	l.state.Again = slices.Clone(l.state.Again)
	l.end(again, fmt.Sprintf("the server does not take its condition (error %d)", conditionCode(err)))
	st.log.Warn("a table is not read again: the server does not take the condition", "source", st.s.cfg.Name, "table", l.id.String(), "err", err.Error())
	st.replan = true
	if st.inside() {
		st.tell(l)
		return nil
	}
	return st.give(&cdc.Txn{Begin: true, End: true, CommitTime: time.Now(), Checkpoint: cdc.Checkpoint{Position: st.f.pos.cdc()},
		Loads: map[cdc.TableID]cdc.Load{l.id: l.state}})
}

// conditionCode is the number of the server's error under err.
func conditionCode(err error) uint16 {
	var says serverSays
	if errors.As(err, &says) {
		return uint16(says)
	}
	return serverCode(err)
}

// wrongCondition says whether the server refuses a statement for what stands in
// it, and not for a reason that passes.
func wrongCondition(err error) bool {
	switch conditionCode(err) {
	case 0, gomysql.ER_LOCK_WAIT_TIMEOUT, gomysql.ER_LOCK_DEADLOCK, gomysql.ER_QUERY_INTERRUPTED, gomysql.ER_SERVER_SHUTDOWN, gomysql.ER_CON_COUNT_ERROR,
		gomysql.ER_TOO_MANY_USER_CONNECTIONS, gomysql.ER_USER_LIMIT_REACHED, gomysql.ER_TABLE_DEF_CHANGED, gomysql.ER_NET_READ_ERROR, gomysql.ER_NET_WRITE_INTERRUPTED,
		1927: // the connection was killed (MariaDB)
		return false
	}
	return true
}

// widen captures a table, or more columns of one, from here on. What cannot be
// captured is refused, because it would stop everything else.
func (st *stream) widen(o *cdc.Order, t *cdc.Txn) error {
	before := st.selected[o.Table]
	switch {
	case o.Act == cdc.ActColumn && before == nil:
		t.Refused = "the source captures no such table; add the table"
	case len(o.Columns) == 0:
		t.Refused = "no column is named"
	}
	sel := widened(before, o.Table, o.Columns)
	var read *snapshotTable
	if t.Refused == "" {
		var err error
		read, err = st.s.prepareTable(st.side, st.v, o.Table, sel.Columns)
		switch {
		case err == nil:
			// A map may name a column before it is there; a person who does has mistyped it.
			if none := read.lacks(o.Columns); len(none) > 0 {
				t.Refused = fmt.Sprintf("%s has no column %s", o.Table, strings.Join(none, ", "))
			}
		case errors.Is(err, errNoTable):
			t.Refused = err.Error()
		case cdc.HaltCode(err) != "":
			t.Refused = err.Error()
		case err != nil:
			return err
		}
	}
	if t.Refused != "" {
		st.refused(o, t)
		return nil
	}
	l := st.loads[o.Table]
	if l == nil {
		l = &load{id: o.Table, rows: st.s.cfg.Snapshot.ChunkRows, state: comeBack(st.left[o.Table])}
		l.expected = read.info.rows
		st.loads[o.Table] = l
		st.order = append(st.order, l)
	}
	st.selected[o.Table] = sel
	l.state.Wanted = slices.Compact(slices.Sorted(slices.Values(slices.Concat(l.state.Wanted, o.Columns))))
	more, err := st.lacks(l)
	if err != nil {
		return err
	}
	st.f.tables.forget(o.Table)
	l.shape, l.parts = nil, nil
	l.version++
	if more {
		st.restart(l)
	}
	t.Loads[o.Table] = l.state
	st.replan = true
	return nil
}

// lacks gives those of the columns that the table does not have.
func (t *snapshotTable) lacks(columns []string) (none []string) {
	for _, name := range columns {
		if name != "*" && !slices.ContainsFunc(t.info.meta.Columns, func(c image.ColumnMeta) bool { return c.Name == name }) {
			none = append(none, name)
		}
	}
	return none
}

// widened is a selection with more columns.
func widened(s *cdc.Selection, id cdc.TableID, columns []string) *cdc.Selection {
	out := &cdc.Selection{Table: id}
	if s != nil && s.Columns == nil || slices.Contains(columns, "*") {
		return out
	}
	out.Columns = slices.Clone(columns)
	if s != nil {
		out.Columns = append(out.Columns, s.Columns...)
	}
	slices.Sort(out.Columns)
	out.Columns = slices.Compact(out.Columns)
	return out
}
