package mysql

import (
	"fmt"
	"slices"
	"time"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"
)

// undecided asks at a first start for the transactions that are prepared: those
// that are so before and after the place at which the log is read from have
// their rows before it. Whatever was decided meanwhile is seen by every read of
// the tables from now on.
func (st *stream) undecided() error {
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
	st.f.pos.setPrepared(list)
	return nil
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
