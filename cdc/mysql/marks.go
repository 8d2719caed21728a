package mysql

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// mark is the way to make a read contain everything up to a place in the log.
// The log moves on before a commit becomes visible, so that reading after a
// place was seen is not enough: a row that is read too old would be kept over
// its newer version for good.
type mark uint8

const (
	// markWait: MySQL with ids. The server says when all of a set is done.
	markWait mark = iota
	// markShare: MySQL without ids. A locking read waits for the rows that a
	// commit under way still holds, and sees what it wrote.
	markShare
	// markSnapshot: InnoDB on MariaDB. A consistent snapshot says of itself
	// which place in the log it stands for.
	markSnapshot
	// markAfter: engines without transactions. A row is changed before its
	// event is written, and a read that begins later sees it.
	markAfter
)

func markFor(v *server, engine string, ids bool) mark {
	switch {
	case !strings.EqualFold(engine, "InnoDB"):
		return markAfter
	case v.maria:
		return markSnapshot
	case ids:
		return markWait
	}
	return markShare
}

// lockWait is how many seconds a locking read waits for a row: meanwhile those
// before it are locked too, against the source's own programs.
const lockWait = 2

// ready returns when a read that starts now contains everything up to p0.
func (w *worker) ready(ctx context.Context, m mark, q *chunkRequest) error {
	wait := time.Millisecond
	for {
		ok, err := w.tryReady(m, q)
		if err != nil || ok {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
			wait = min(2*wait, 50*time.Millisecond)
		}
	}
}

func (w *worker) tryReady(m mark, q *chunkRequest) (bool, error) {
	switch m {
	case markWait:
		done, err := w.c.value("SELECT WAIT_FOR_EXECUTED_GTID_SET(" + text(q.p0ids) + ", 5)")
		if err != nil {
			return false, fmt.Errorf("waiting for transactions to become visible: %w", err)
		}
		return done == "0", nil
	case markSnapshot:
		if _, err := w.c.query("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"); err != nil {
			return false, fmt.Errorf("beginning a snapshot: %w", err)
		}
		at, err := snapshotPlace(w.c)
		if err != nil {
			return false, err
		}
		if at.compare(q.p0) >= 0 {
			return true, nil
		}
		_, err = w.c.query("ROLLBACK")
		return false, err
	case markShare:
		if w.hurried {
			return true, nil
		}
		_, err := w.c.query(fmt.Sprintf("SET SESSION innodb_lock_wait_timeout = %d", lockWait))
		w.hurried = err == nil
		return true, err
	default:
		return true, nil
	}
}

// snapshotPlace is the place in the log that the open snapshot stands for.
func snapshotPlace(c *conn) (place, error) {
	r, err := c.query("SHOW STATUS LIKE 'Binlog\\_snapshot\\_%'")
	if err != nil {
		return place{}, fmt.Errorf("asking for the snapshot's place: %w", err)
	}
	var p place
	for _, row := range r {
		switch strings.ToLower(row[0]) {
		case "binlog_snapshot_file":
			p.file = strings.Clone(row[1])
		case "binlog_snapshot_position":
			p.offset, err = strconv.ParseUint(row[1], 10, 64)
		}
	}
	if p.isZero() || err != nil {
		return place{}, fmt.Errorf("asking for the snapshot's place: the server does not say it")
	}
	return p, nil
}
