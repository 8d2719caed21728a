package mysql

import (
	"strconv"
	"strings"

	"chartwire/cdc"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"
)

// A server that ended without closing its log was killed, or its machine was.
// Tables of engines without transactions may then hold changes that the log does
// not have, and lack some that it has: they are read again, and what is no longer
// in them goes.

// broken is told when the log goes on in another file than the one that was not
// closed.
func (st *stream) broken() error {
	if !st.f.exact && st.elsewhere {
		return nil // of another server's past, before what is read of it
	}
	if err := st.unclean(); err != nil {
		return err
	}
	return st.open()
}

// unclean plans the read of every table that may differ from the log.
func (st *stream) unclean() error {
	for id, l := range st.loads {
		info, err := describeTable(st.side, st.s.cfg.Name, st.v.maria, id)
		if err == errNoTable {
			continue
		}
		if err != nil {
			return err
		}
		if strings.EqualFold(info.engine, "InnoDB") || strings.EqualFold(info.engine, "ROCKSDB") {
			continue
		}
		st.log.Warn("the server ended uncleanly, or how it did is no longer in its log, and this table has no transactions; reading it again", "source", st.s.cfg.Name,
			"table", id.String(), "engine", info.engine)
		st.restart(l)
		// What changed since is not known to have come.
		if at := st.f.pos.last.Time; l.state.Since.Before(at) {
			l.state.Since = at.Add(st.v.offset)
		}
		if st.opening == nil {
			st.opening = &cdc.Txn{}
		}
		if st.opening.Loads == nil {
			st.opening.Loads = map[cdc.TableID]cdc.Load{}
		}
		st.opening.Loads[id] = l.state
		st.opening.Epochs = append(st.opening.Epochs, cdc.Epoch{Table: id, Kind: cdc.EpochReload})
	}
	return nil
}

// ends looks at how the files were ended that a start by ids passes over,
// because all transactions in them were read: from the one of the position on.
// How one was ended that is gone is not known.
func (st *stream) ends() error {
	at := st.f.pos.at
	if !st.f.pos.byID || at.isZero() || st.done.Rows > 0 {
		return nil
	}
	files, err := logs(st.side)
	if err != nil || len(files) == 0 {
		return err
	}
	torn, last := false, at
	if at.compare(place{files[0].file, 0}) < 0 {
		torn, last = true, place{files[0].file, 4}
	} else if st.v.maria {
		return nil // it is read from its place on
	}
	for i, f := range files[:max(0, len(files)-1)] {
		if f.compare(place{at.file, 0}) < 0 {
			continue
		}
		from := "4"
		if f.file == at.file {
			from = strconv.FormatUint(at.offset, 10)
		}
		events, err := st.side.query("SHOW BINLOG EVENTS IN " + text(f.file) + " FROM " + from + " LIMIT 8")
		if serverCode(err) == gomysql.ER_ERROR_WHEN_EXECUTING_COMMAND {
			return nil // it cannot read its own file: the stream gets there, and says so
		}
		if err != nil {
			return err
		}
		closed := false
		for _, e := range events {
			switch e[2] {
			case "Rotate", "Stop":
				closed = true
			case "Format_desc", "Previous_gtids":
			default: // the stream starts here, and sees for itself
				return nil
			}
		}
		torn, last = torn || !closed, place{files[i+1].file, 4}
	}
	if !torn {
		return nil
	}
	if err := st.unclean(); err != nil {
		return err
	}
	st.f.pos.advance(last) // so that it is told once
	return nil
}
