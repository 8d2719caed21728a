package mysql

import (
	"time"

	"github.com/cespare/xxhash/v2"
)

// group is the source transaction that is being read.
type group struct {
	open       bool // announced, and not ended
	begun      bool // ends with a commit; otherwise with its only statement
	prepared   bool // an XA transaction: its rows wait for what becomes of it
	xid        string
	tables     []string // the selected ones that a prepared transaction changes
	anonymous  bool
	id         gtid
	file       string
	start      uint64    // where it starts in its file
	commitTime time.Time // as announced; zero where the commit says it
	stamp      time.Time // the time that every replica keeps
	table      string    // the last one that it changed
	rows       int64     // pairs of row images so far, of any table
	sum        xxhash.Digest
}

func (g *group) reset(b begin, file string, start uint64) {
	*g = group{open: true, begun: false, prepared: b.prepared, anonymous: b.anonymous, id: b.id, file: file, start: start,
		commitTime: b.time, stamp: b.time}
	g.sum.Reset()
}
