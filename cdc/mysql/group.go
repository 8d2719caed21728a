package mysql

import (
	"slices"
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

// said adds a statement that changed tables to the sum, as far as replicas say it
// in the same words: MariaDB's log DROP TABLE with IF EXISTS, and MySQL's nothing
// of a DROP TRIGGER IF EXISTS of none.
func (g *group) said(q *query, body []byte) {
	switch {
	case q.kind != queryTable:
	case slices.ContainsFunc(q.effects, func(e effect) bool { return e.kind != effectDrop }):
		_, _ = g.sum.Write(body)
	default:
		for _, e := range q.effects {
			_, _ = g.sum.WriteString("drop " + e.table.Database + "\x00" + e.table.Name + "\x00")
		}
	}
}
