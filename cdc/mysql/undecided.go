package mysql

import (
	"context"
	"fmt"
	"slices"
	"time"

	"chartwire/cdc"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"
)

// undecided asks at a first start for the transactions that are prepared: those
// that are so before and after the place at which the log is read from have
// their rows before it, and are looked for there. Whatever was decided meanwhile
// is seen by every read of the tables from now on.
func (st *stream) undecided(ctx context.Context, start place) error {
	list, err := st.recoverable()
	for wait := time.Now().Add(undecidedWait); err == nil && len(list) > 0 && time.Now().Before(wait); {
		select {
		case <-st.side.ctx.Done():
			return st.side.ctx.Err()
		case <-time.After(undecidedWait / 20):
		}
		var now []prepared
		now, err = st.recoverable()
		list = slices.DeleteFunc(list, func(p prepared) bool {
			return !slices.ContainsFunc(now, func(o prepared) bool { return o.XID == p.XID })
		})
	}
	switch serverCode(err) {
	case 0:
	case gomysql.ER_SPECIFIC_ACCESS_DENIED_ERROR, gomysql.ER_ACCESS_DENIED_ERROR, erXARecover:
		st.log.Warn("the user may not see prepared transactions (XA_RECOVER_ADMIN): one that is older than this and is committed later will stop the capture", "source", st.s.cfg.Name)
		list, err = []prepared{{XID: anyXID}}, nil
	}
	if err != nil {
		return fmt.Errorf("asking for prepared transactions: %w", err)
	}
	if err := st.search(ctx, list, start); err != nil {
		return fmt.Errorf("looking for prepared transactions in the log: %w", err)
	}
	st.f.pos.setPrepared(list)
	return nil
}

// search finds in the log before a place where transactions were prepared, the
// newest file first. What is not found stays unknown: if it is committed and the
// stream did not show where it was prepared, that stops the capture.
func (st *stream) search(ctx context.Context, list []prepared, before place) error {
	open := slices.DeleteFunc(slices.Clone(list), func(p prepared) bool { return p.XID == anyXID })
	if len(open) == 0 {
		return nil
	}
	inTime, cancel := context.WithTimeout(ctx, seekTimeout)
	defer cancel()
	ends, err := st.filesBefore(before)
	if err != nil {
		return err
	}
	for _, end := range ends {
		if len(open) == 0 {
			break
		}
		left, err := st.preparedIn(inTime, end, open, func(*prepared) {})
		if ctx.Err() == nil && inTime.Err() != nil || cdc.HaltCode(err) != "" {
			st.log.Warn("not all prepared transactions were found in the log: one that is committed later will stop the capture", "source", st.s.cfg.Name, "file", end.file, "err", err.Error())
			return nil
		}
		if err != nil {
			return err
		}
		open = nil // what is no longer there was decided: it is an older one of the same name
		for _, p := range left {
			at := slices.IndexFunc(list, func(o prepared) bool { return o.XID == p.XID })
			switch {
			case at < 0:
			case p.known():
				list[at] = p
			default:
				open = append(open, p)
			}
		}
	}
	return nil
}

// filesBefore gives the files of the log before a place, the newest first, each
// with where it ends or the place is.
func (st *stream) filesBefore(before place) ([]place, error) {
	files, err := logs(st.side)
	if err != nil {
		return nil, err
	}
	var ends []place
	for _, end := range slices.Backward(files) {
		if end.file == before.file {
			end = before
		}
		if end.compare(before) <= 0 {
			ends = append(ends, end)
		}
	}
	return ends, nil
}

// repeated is the commit of a transaction that is not prepared as the log has it.
// MariaDB that was killed amid a commit may have it in the log, and come up with
// the transaction as prepared as it was, for its coordinator to commit again.
// Only now are its rows in the tables: a chunk that was read in between has what
// they were before, so its tables are read again.
// It says whether it was committed before.
func (st *stream) repeated(ctx context.Context, xid string) (bool, error) {
	inTime, cancel := context.WithTimeout(ctx, seekTimeout)
	defer cancel()
	ends, err := st.filesBefore(place{st.f.g.file, st.f.g.start})
	if err != nil {
		return false, err
	}
	committed, known := false, prepared{}
	for _, end := range ends {
		left, err := st.preparedIn(inTime, end, []prepared{{XID: xid}}, func(p *prepared) {
			if p.XID == xid {
				committed, known = true, *p
			}
		})
		if ctx.Err() == nil && inTime.Err() != nil || cdc.HaltCode(err) != "" {
			st.log.Warn("a prepared transaction was committed that the log before it does not have: whether it was committed before could not be found out", "source", st.s.cfg.Name, "file", end.file, "err", err.Error())
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if i := slices.IndexFunc(left, func(p prepared) bool { return p.XID == xid && p.known() }); i >= 0 {
			known = left[i]
		}
		if known.known() {
			break
		}
	}
	if !committed {
		return false, nil
	}
	if !known.known() {
		return true, st.unknownPrepared(xid)
	}
	for id, l := range st.loads {
		if slices.Contains(known.Tables, id.String()) && !l.state.IsHeld() {
			st.log.Info("a prepared transaction was committed again, as after a server's end amid its commit; reading its table again", "source", st.s.cfg.Name, "table", id.String())
			st.reload(l)
		}
	}
	return true, nil
}

// preparedIn reads one file of the log, up to a place, and gives what was
// prepared in it, or before it as the caller says, and not decided; what was
// committed is told.
func (st *stream) preparedIn(ctx context.Context, end place, before []prepared, committed func(*prepared)) ([]prepared, error) {
	from := origin{at: place{end.file, 4}}
	pos := position{byID: st.f.pos.byID, server: st.v.identity, set: gtidSet{maria: st.v.maria}}
	pos.setPrepared(before)
	if st.v.maria {
		var err error
		if pos.set, err = st.idsAt(from.at); err != nil {
			return nil, err
		}
		pos.text = pos.set.String()
	}
	f := st.observer(from.at, pos)
	f.tables = newTables(st.selected)
	f.rows = func(t *table, _ *rowsEvent) error {
		if f.g.prepared {
			f.note(t)
		}
		return nil
	}
	f.decided = func(p *prepared, _ []event) error {
		committed(p)
		return nil
	}
	f.still = func() error {
		if f.at.compare(end) >= 0 {
			return errEnough
		}
		return nil
	}
	f.settled, f.ended = f.still, func(bool) error { return f.still() }
	err := st.pass(ctx, from, f.follow)
	return f.pos.prepared, err
}

const (
	// undecidedWait is how long a first start waits for prepared transactions to
	// be decided: those of a program that runs are within moments.
	undecidedWait = 2 * time.Second
	// erXARecover is MySQL's error for a user without XA_RECOVER_ADMIN.
	erXARecover = 1401
)

func (st *stream) recoverable() ([]prepared, error) {
	r, err := st.side.query("XA RECOVER")
	if err != nil {
		return nil, err
	}
	var list []prepared
	for _, row := range r {
		var format int32
		var n int
		if len(row) != 4 {
			return nil, errShort
		}
		if _, err := fmt.Sscan(row[0], &format); err != nil {
			return nil, err
		}
		if _, err := fmt.Sscan(row[1], &n); err != nil || n < 0 || n > len(row[3]) {
			return nil, errShort
		}
		list = append(list, prepared{XID: xidText([]byte(row[3][:n]), []byte(row[3][n:]), format)})
	}
	return list, nil
}
