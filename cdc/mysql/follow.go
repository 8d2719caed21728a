package mysql

import (
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"chartwire/cdc"
	"chartwire/cdc/mysql/image"

	"github.com/go-mysql-org/go-mysql/replication"
)

// follower turns events into transactions: it knows where one starts and ends
// on both flavours, and where the log is. What is in them goes to its hooks.
type follower struct {
	maria       bool
	lower       bool // statements may name tables in other letters than the log does
	checksummed bool
	// exact says that at was given by the server for an event of the log's
	// own, not by the preamble of a dump, which may start further back.
	// A heartbeat counts from exactFrom on: before that, a server that looks for
	// a set of ids may be passing over what was read long ago.
	exact     bool
	exactFrom place
	at        place // behind the newest event
	pos       position
	g         group
	tables    tables
	payload   payload
	images    rowsEvent // of the event at hand
	most      int       // bytes of an event, and of what it unpacks to
	mapped    string    // the table that was described last
	held      held      // of XA transactions

	begun   func() error // a transaction starts
	rows    func(t *table, r *rowsEvent) error
	query   func(q *query, text, database string) error
	ended   func(committed bool) error // pos is behind it
	still   func() error               // the server has nothing to say
	settled func() error               // the place moved, with no transaction open
	// decided is the commit of an XA transaction, whose events may be at hand.
	decided func(p *prepared, events []event) error
	// repeated is one of a transaction that is not prepared as the log has it.
	repeated func(xid string) error
	broken   func() error // the file before this one was not closed

	closed bool // the server ended the file at hand
	torn   bool // it did not, and the next one begins
}

// follow takes one event as it came.
func (f *follower) follow(raw []byte) error {
	e, err := parseEvent(raw, f.checksummed)
	if err != nil {
		return f.damaged(err)
	}
	f.advance(&e)
	return f.event(&e)
}

// advance moves the place behind an event. The server's own number is modulo
// 2^32 and may be missing inside a transaction (MariaDB 11.4).
func (f *follower) advance(e *event) {
	switch {
	case e.kind == replication.HEARTBEAT_EVENT, e.flags&flagArtificial != 0, e.kind == replication.FORMAT_DESCRIPTION_EVENT && e.end == 0:
	case e.end != 0:
		f.at.offset = extend(f.at.offset, e.end)
	default:
		f.at.offset += uint64(e.size)
	}
}

// extend gives the place near the old one whose lower half is end.
func extend(old uint64, end uint32) uint64 {
	next := old&^0xffffffff | uint64(end)
	if next+1<<31 < old {
		next += 1 << 32
	}
	return next
}

func (f *follower) damaged(err error) error {
	var o *oversize
	if errors.As(err, &o) {
		return f.tooLarge(o)
	}
	return &cdc.Halt{Code: HaltDamaged, Text: fmt.Sprintf("an event near %s cannot be read; what follows it in its transaction would be lost", f.at), Err: err}
}

// preamble says which events a dump starts with, wherever it starts.
func preamble(kind byte) bool {
	switch replication.EventType(kind) {
	case replication.FORMAT_DESCRIPTION_EVENT, replication.ROTATE_EVENT, replication.PREVIOUS_GTIDS_EVENT,
		replication.MARIADB_GTID_LIST_EVENT, replication.MARIADB_START_ENCRYPTION_EVENT:
		return true
	}
	return false
}

// event acts on one event, whether it came by itself or inside a payload.
func (f *follower) event(e *event) error {
	if f.g.prepared && f.g.open && e.kind != replication.TRANSACTION_PAYLOAD_EVENT && e.kind != replication.XA_PREPARE_LOG_EVENT {
		f.held.add(e)
	}
	if k, ok := rowsKindOf(e.kind); ok {
		return f.rowsEvent(k, e)
	}
	switch e.kind {
	case replication.TABLE_MAP_EVENT:
		if f.maria && f.g.stamp.IsZero() {
			f.g.stamp = time.Unix(int64(e.time), 0)
		}
		t, err := f.tables.learn(e.body)
		if err != nil {
			return f.damaged(err)
		}
		f.mapped = t.name
	case replication.GTID_EVENT, replication.ANONYMOUS_GTID_EVENT, replication.GTID_TAGGED_LOG_EVENT, replication.MARIADB_GTID_EVENT:
		return f.begin(e)
	case replication.QUERY_EVENT, replication.MARIADB_QUERY_COMPRESSED_EVENT:
		return f.queryEvent(e)
	case replication.XID_EVENT:
		return f.end(e, true)
	case replication.XA_PREPARE_LOG_EVENT:
		return f.prepareEvent(e)
	case replication.TRANSACTION_PAYLOAD_EVENT:
		return f.payload.each(e, func(inner *event) error { return f.event(inner) }, f.damaged)
	case replication.HEARTBEAT_EVENT:
		return f.heartbeat(e)
	case replication.FORMAT_DESCRIPTION_EVENT:
		f.checksummed = e.checksums
		clear(f.tables.byNumber)
		return f.opened(e)
	case replication.STOP_EVENT: // the position stays in front of it, so that a reconnect sees it too
		f.closed = true
	case replication.ROTATE_EVENT:
		return f.rotate(e)
	case replication.INCIDENT_EVENT:
		return cdc.Haltf(HaltIncident, "the server wrote at %s that its log may lack changes; read the tables again from here", f.at)
	case replication.BEGIN_LOAD_QUERY_EVENT, replication.EXECUTE_LOAD_QUERY_EVENT, replication.LOAD_EVENT, replication.NEW_LOAD_EVENT:
		return f.statement("LOAD DATA", "")
	default:
		if !passable(e) {
			return cdc.Haltf(HaltUnknownEvent, "the event at %s is of kind %d, which this version does not know", f.at, e.kind)
		}
		return f.settle()
	}
	return nil
}

// passable are the events that say nothing about rows.
func passable(e *event) bool {
	switch e.kind {
	case replication.INTVAR_EVENT, replication.RAND_EVENT, replication.USER_VAR_EVENT,
		replication.IGNORABLE_EVENT, replication.ROWS_QUERY_EVENT, replication.PREVIOUS_GTIDS_EVENT,
		replication.TRANSACTION_CONTEXT_EVENT, replication.VIEW_CHANGE_EVENT, replication.HEARTBEAT_LOG_EVENT_V2,
		replication.MARIADB_ANNOTATE_ROWS_EVENT, replication.MARIADB_BINLOG_CHECKPOINT_EVENT,
		replication.MARIADB_GTID_LIST_EVENT, replication.MARIADB_START_ENCRYPTION_EVENT,
		replication.APPEND_BLOCK_EVENT, replication.DELETE_FILE_EVENT:
		return true
	}
	return e.flags&flagIgnorable != 0
}

func (f *follower) begin(e *event) error {
	b, err := parseBegin(e)
	if err != nil {
		return f.damaged(err)
	}
	if err := f.boundary(e); err != nil {
		return err
	}
	f.g.reset(b, f.at.file, f.at.offset-uint64(e.size))
	f.g.begun = f.maria && !b.standalone
	f.held.reset()
	f.tables.bound()
	return f.begun()
}

// boundary is where no transaction may be open. A server that crashed while it
// wrote one leaves it without an end, and it never happened.
func (f *follower) boundary(e *event) error {
	if !f.g.open || e.flags&flagArtificial != 0 {
		return nil
	}
	f.g.open = false
	return f.ended(false)
}

func (f *follower) end(e *event, committed bool) error {
	if !f.g.open {
		return f.outside()
	}
	if f.g.commitTime.IsZero() {
		f.g.commitTime = time.Unix(int64(e.time), 0)
	}
	f.g.open, f.exact = false, true
	f.g.lost = f.g.lost || !committed
	f.pos.commit(&f.g, f.at)
	return f.ended(committed)
}

// id is the text of the open transaction's id; empty where the source runs
// without.
func (f *follower) id() string {
	if !f.pos.byID || f.g.anonymous {
		return ""
	}
	return f.pos.name(&f.g)
}

func (f *follower) outside() error {
	return cdc.Haltf(HaltForeign, "the log at %s is inside a transaction whose start is not known: the position is of another log", f.at)
}

func (f *follower) rotate(e *event) error {
	c := cursor{b: e.body}
	offset := c.uint(8)
	if c.bad {
		return f.damaged(errShort)
	}
	if err := f.boundary(e); err != nil {
		return err
	}
	name, told := string(c.b), e.flags&flagArtificial != 0
	// What the log itself says of the next file closes this one. The server tells
	// the name once more, and where that is the only time, nobody closed it.
	f.torn = told && !f.closed && name != f.at.file && !f.at.isZero()
	f.closed = !told
	if name != f.at.file || offset > f.at.offset {
		f.at = place{name, offset}
	}
	if f.torn {
		return nil // its last transaction may have no end: the new file's first event says so
	}
	return f.settle()
}

// opened is the first event of a file.
func (f *follower) opened(e *event) error {
	f.closed = false
	if err := f.boundary(e); err != nil || !f.torn {
		return err
	}
	f.torn = false
	if err := f.settle(); err != nil || f.broken == nil {
		return err
	}
	return f.broken()
}

// settle moves the position along where the log holds nothing but itself.
func (f *follower) settle() error {
	if f.g.open || f.at.isZero() {
		return nil
	}
	f.pos.advance(f.at)
	return f.settled()
}

func (f *follower) heartbeat(e *event) error {
	if !f.g.open && !f.closed && string(e.body) == f.at.file && e.end != 0 {
		if next := extend(f.at.offset, e.end); next > f.at.offset {
			f.at.offset = next
		}
		f.pos.advance(f.at)
		f.exact = f.exact || f.at.compare(f.exactFrom) >= 0
	}
	return f.still()
}

func (f *follower) rowsEvent(k rowsKind, e *event) error {
	var err error
	k.most = f.most
	if f.images, err = parseRows(k, e.body); err != nil {
		return f.damaged(err)
	}
	r := &f.images
	if !f.g.open {
		return f.outside()
	}
	t := f.tables.byNumber[r.table]
	if t == nil {
		if len(r.images) == 0 { // the end of a statement that changed nothing
			return nil
		}
		return f.damaged(fmt.Errorf("rows of table %d, which no event described", r.table))
	}
	if int(r.columns) != len(t.m.types) {
		return f.damaged(fmt.Errorf("rows of %d columns for %s, which has %d", r.columns, t.name, len(t.m.types)))
	}
	f.g.images(t.name, r.images)
	return f.rows(t, r)
}

func (f *follower) queryEvent(e *event) error {
	c := cursor{b: e.body}
	c.take(8)
	databaseLen := int(c.uint(1))
	c.take(2)
	status := c.take(int(c.uint(2)))
	database := c.take(databaseLen)
	c.take(1)
	if c.bad {
		return f.damaged(errShort)
	}
	body := c.b
	if e.kind == replication.MARIADB_QUERY_COMPRESSED_EVENT {
		var err error
		if body, err = unpackMaria(body, f.most); err != nil {
			return f.damaged(err)
		}
	}
	switch string(body) { // nearly all
	case "BEGIN":
		f.g.begun = true
		return nil
	case "COMMIT":
		return f.end(e, true)
	}
	return f.statementEvent(e, body, readable(body, status), string(database))
}

// readable is a statement's text, which is in the charset that its session spoke.
func readable(body, status []byte) string {
	if utf8.Valid(body) {
		return string(body)
	}
	s := cursor{b: status}
	for !s.bad {
		switch s.uint(1) {
		case 0, 3: // flags, auto-increments
			s.take(4)
		case 1: // sql_mode
			s.take(8)
		case 2: // catalog, with an end
			s.take(int(s.uint(1)) + 1)
		case 6: // catalog
			s.take(int(s.uint(1)))
		case 4:
			return image.Text(s.uint(2), body)
		default:
			return string(body)
		}
	}
	return string(body)
}

func (f *follower) statementEvent(e *event, body []byte, text, database string) error {
	q := classify(text, database)
	if f.lower {
		q.lower()
	}
	switch q.kind {
	case queryBegin:
		f.g.begun = true
		return nil
	case queryCommit:
		return f.end(e, true)
	case queryXAStart: // MySQL; MariaDB says it when it announces the transaction
		f.g.begun, f.g.prepared, f.g.xid = true, true, q.name
		return nil
	case queryXACommit, queryXARollback:
		return f.decision(e, &q)
	case queryRollback:
		return f.end(e, false)
	case queryRows:
		if err := f.statement(text, database); err != nil {
			return err
		}
	}
	if !f.g.open {
		return f.outside()
	}
	switch {
	case q.kind == querySave:
		f.g.save(q.name)
	case q.kind == queryBack:
		f.g.back(q.name)
	case f.g.stamp.IsZero():
		f.g.stamp = time.Unix(int64(e.time), 0)
	}
	if !f.g.begun {
		f.g.said(&q, body)
	}
	if err := f.query(&q, text, database); err != nil || f.g.begun {
		return err
	}
	return f.end(e, true)
}

// statement hands on a statement that changed rows without logging them.
func (f *follower) statement(text, database string) error {
	return f.query(&query{kind: queryRows}, text, database)
}
