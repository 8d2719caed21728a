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
	rows       int64     // pairs of row images so far, of any table
	same
	saves []savepoint
	lost  bool // it is not known what a replica has of it
}

// same is what a replica preserves of a transaction.
type same struct {
	stamp   time.Time
	table   string // the last one that it changed
	sum     xxhash.Digest
	content bool // the sum is of something
}

// savepoint is what there was of a transaction at one. What came behind it, and
// was taken back, is in the log where a table without transactions was changed
// beside; a replica logs that change by itself, and leaves out the rest.
type savepoint struct {
	name string
	same same
}

// mostSavepoints bounds those of one transaction that are remembered.
const mostSavepoints = 1000

func (g *group) reset(b begin, file string, start uint64) {
	*g = group{open: true, begun: false, prepared: b.prepared, anonymous: b.anonymous, id: b.id, file: file, start: start,
		commitTime: b.time, same: same{stamp: b.time}}
	g.sum.Reset()
}

// images adds row images to what a replica preserves.
func (s *same) images(table string, b []byte) {
	s.table, s.content = table, true
	_, _ = s.sum.Write(b)
}

// said adds a statement that changed tables, or decided a prepared transaction, as
// far as replicas say it in the same words: MariaDB's log DROP TABLE with IF
// EXISTS, and MySQL's nothing of a DROP TRIGGER IF EXISTS of none.
func (s *same) said(q *query, body []byte) {
	switch q.kind {
	case queryTable:
	case queryXACommit, queryXARollback:
		body = []byte(q.name)
	default:
		return
	}
	s.content = true
	if q.kind != queryTable || slices.ContainsFunc(q.effects, func(e effect) bool { return e.kind != effectDrop }) {
		_, _ = s.sum.Write(body)
		return
	}
	for _, e := range q.effects {
		_, _ = s.sum.WriteString("drop " + e.table.Database + "\x00" + e.table.Name + "\x00")
	}
}

// checksum is 0 for nothing, which need not be in a replica's log, and where it is
// not known what a replica has.
func (g *group) checksum() uint64 {
	if g.lost || !g.content {
		return 0
	}
	return max(1, g.sum.Sum64())
}

func (g *group) save(name string) {
	g.saves = slices.DeleteFunc(g.saves, func(s savepoint) bool { return s.name == name })
	if g.lost = g.lost || len(g.saves) >= mostSavepoints; !g.lost {
		g.saves = append(g.saves, savepoint{name, g.same})
	}
}

func (g *group) back(name string) {
	if i := slices.IndexFunc(g.saves, func(s savepoint) bool { return s.name == name }); i >= 0 {
		g.same, g.saves = g.saves[i].same, g.saves[:i+1]
	}
}
