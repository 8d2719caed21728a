package mysql

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"chartwire/cdc"
)

// The rows of an XA transaction are in the log where it is prepared. What became
// of it is there later, perhaps behind others, from another connection, after a
// restart. Until then nothing of it may leave and nothing of it is kept but where
// it lies; when it is committed its rows are read again from there. The few that
// are small and recent are remembered, which saves asking for the log.

// prepared is a transaction whose outcome is not known yet.
type prepared struct {
	XID string `json:"xid"`
	// File and Offset are where it lies in the log of Server, GTID is its id, and
	// Before the ids before it (MariaDB). None of them: it is older than what was
	// read, and its rows are not known.
	File   string `json:"file,omitempty"`
	Offset uint64 `json:"offset,omitempty"`
	Server string `json:"server,omitempty"`
	GTID   string `json:"gtid,omitempty"`
	Before string `json:"before,omitempty"`
	// Tables are the selected ones that it changed.
	Tables []string `json:"tables,omitempty"`
}

// anyXID stands for transactions that may have been prepared before what was
// read, where the server does not say which.
const anyXID = "*"

func (p *prepared) known() bool { return p.GTID != "" || p.File != "" }

// parsePrepared reads a position's list of prepared transactions.
func parsePrepared(text string) ([]prepared, error) {
	if text == "" {
		return nil, nil
	}
	var list []prepared
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return nil, fmt.Errorf("reading the position's prepared transactions: %w", err)
	}
	return list, nil
}

func (p *position) setPrepared(list []prepared) {
	p.prepared, p.preparedText = list, ""
	if len(list) > 0 {
		b, err := json.Marshal(list)
		if err != nil {
			panic(err) // texts and numbers
		}
		p.preparedText = string(b)
	}
}

// prepare adds a transaction. One of the same name was decided where the log
// did not say so, or before what was read.
func (p *position) prepare(one prepared) {
	p.setPrepared(append(p.without(one.XID), one))
}

func (p *position) without(xid string) []prepared {
	return slices.DeleteFunc(slices.Clone(p.prepared), func(o prepared) bool { return o.XID == xid })
}

func (p *position) find(xid string) *prepared {
	var other *prepared
	for i := range p.prepared {
		switch p.prepared[i].XID {
		case xid:
			return &p.prepared[i]
		case anyXID:
			other = &p.prepared[i]
		}
	}
	return other
}

// prepared is the transaction at hand as it is to be found again.
func (f *follower) asPrepared() prepared {
	p := prepared{XID: f.g.xid, File: f.g.file, Offset: f.g.start, Server: f.pos.server, Tables: f.g.tables}
	if f.pos.byID {
		p.GTID = string(f.g.id.append(nil, f.maria))
		if f.maria {
			p.Before = f.pos.text
		}
	}
	return p
}

// prepareEvent is the end of an XA transaction in the log: prepared, or on MySQL
// committed in one phase.
func (f *follower) prepareEvent(e *event) error {
	c := cursor{b: e.body}
	onePhase := c.uint(1) == 1
	format, gtrid, bqual := int32(c.uint(4)), int(c.uint(4)), int(c.uint(4))
	g, b := c.take(gtrid), c.take(bqual)
	if c.bad {
		return f.damaged(errShort)
	}
	if !f.g.open {
		return f.outside()
	}
	f.g.xid = xidText(g, b, format)
	one := f.asPrepared()
	if onePhase {
		if err := f.decided(&one, f.held.take()); err != nil {
			return err
		}
		return f.end(e, true)
	}
	f.held.keep(one.XID)
	f.pos.prepare(one)
	return f.end(e, true)
}

// note keeps which selected tables a prepared transaction changes.
func (f *follower) note(t *table) {
	if t.selection != nil && !slices.Contains(f.g.tables, t.name) {
		f.g.tables = append(f.g.tables, t.name)
	}
}

// decision is XA COMMIT or XA ROLLBACK of what was prepared before.
func (f *follower) decision(e *event, q *query) error {
	if !f.g.open {
		return f.outside()
	}
	if q.name == "" {
		return f.damaged(errors.New("an XA statement whose transaction cannot be read"))
	}
	f.g.said(q, nil)
	if one := f.pos.find(q.name); one != nil {
		if one.XID == anyXID {
			one = &prepared{XID: q.name}
		}
		if q.kind == queryXACommit {
			if err := f.decided(one, f.held.of(q.name)); err != nil {
				return err
			}
		}
		f.pos.setPrepared(f.pos.without(q.name))
	} else if q.kind == queryXACommit {
		if err := f.repeated(q.name); err != nil {
			return err
		}
	}
	f.held.forget(q.name)
	return f.end(e, true)
}

// xidText is one spelling of a transaction's name: both parts in hexadecimal,
// and the format.
func xidText(gtrid, bqual []byte, format int32) string {
	return fmt.Sprintf("%x,%x,%d", gtrid, bqual, format)
}

// xid reads a transaction's name as servers write it: X'67',X'62',1.
func (s *scanner) xid() string {
	var parts [2][]byte
	format := int32(1)
	for i := range parts {
		b, ok := s.bytes()
		if !ok {
			return ""
		}
		parts[i] = b
		if !s.punct(',') {
			return xidText(parts[0], parts[1], format)
		}
	}
	minus := s.punct('-')
	if _, err := fmt.Sscan(s.bare(), &format); err != nil {
		return ""
	}
	if minus {
		format = -format
	}
	return xidText(parts[0], parts[1], format)
}

// bytes reads a text, plain or in hexadecimal.
func (s *scanner) bytes() ([]byte, bool) {
	hexadecimal := s.accept("X")
	s.space()
	if s.at >= len(s.text) || s.text[s.at] != '\'' {
		return nil, false
	}
	text := s.quoted('\'')
	if !hexadecimal {
		return []byte(text), true
	}
	b, err := hex.DecodeString(text)
	return b, err == nil
}

// held remembers the events of prepared transactions that are small.
type held struct {
	events []event // of the one at hand
	size   int
	over   bool // it is not small
	byXID  map[string][]event
}

const (
	heldEvents = 256 << 10 // bytes of one transaction
	heldMany   = 16        // so many transactions
)

func (h *held) reset() { h.events, h.size, h.over = nil, 0, false }

func (h *held) add(e *event) {
	if h.size += len(e.body); h.size > heldEvents {
		h.events, h.over = nil, true
	}
	if !h.over {
		c := *e
		c.body, c.end = append([]byte(nil), e.body...), 0
		h.events = append(h.events, c)
	}
}

// take gives the events of the transaction at hand, nil if they are not there.
func (h *held) take() []event {
	if h.over {
		return nil
	}
	return h.events
}

func (h *held) keep(xid string) {
	if h.byXID == nil || len(h.byXID) >= heldMany {
		h.byXID = map[string][]event{}
	}
	if events := h.take(); events != nil {
		h.byXID[xid] = events
	} else {
		h.forget(xid) // those of an older one of the name
	}
	h.reset()
}

func (h *held) of(xid string) []event { return h.byXID[xid] }
func (h *held) forget(xid string)     { delete(h.byXID, xid) }

// decided gives the rows of a prepared transaction that was committed now.
func (st *stream) decided(ctx context.Context, p *prepared, events []event) error {
	if !p.known() { // from before what was read: behind a rewind, or the server did not say which there are
		found := []prepared{*p}
		if err := st.search(ctx, found, place{st.f.g.file, st.f.g.start}); err != nil {
			return fmt.Errorf("looking for where a transaction was prepared: %w", err)
		}
		p = &found[0]
	}
	if !p.known() {
		if before, err := st.repeated(ctx, p.XID); before || err != nil {
			return err
		}
		return st.unknownPrepared(p.XID)
	}
	st.replaying = true
	defer func() { st.replaying = false }()
	tables := newTables(st.selected)
	if events == nil {
		return st.readPrepared(ctx, p, tables)
	}
	f := st.observer(st.f.at, position{})
	f.tables, f.rows, f.query = tables, st.rows, st.query
	f.g = group{open: true, begun: true}
	for i := range events {
		if err := f.event(&events[i]); err != nil {
			return err
		}
	}
	return nil
}

// readPrepared reads a prepared transaction's rows again from the log.
func (st *stream) readPrepared(ctx context.Context, p *prepared, tables tables) error {
	from, err := st.originOf(p)
	if err != nil {
		return err
	}
	mine := false
	f := st.observer(from.at, position{byID: st.f.pos.byID, set: gtidSet{maria: st.v.maria}})
	f.tables = tables
	f.begun = func() error {
		mine = p.GTID == string(f.g.id.append(nil, f.maria)) || p.GTID == "" // then its name is compared before its first row
		if !mine && !from.at.isZero() {
			return st.lostPrepared(p, nil)
		}
		return nil
	}
	f.rows = func(t *table, e *rowsEvent) error {
		if !mine {
			return nil
		}
		if f.g.xid != "" && f.g.xid != p.XID {
			return st.lostPrepared(p, nil)
		}
		return st.rows(t, e)
	}
	f.query = func(q *query, text, database string) error {
		if !mine {
			return nil
		}
		return st.query(q, text, database)
	}
	f.ended = func(bool) error {
		if mine {
			return errEnough
		}
		return nil
	}
	f.still = func() error { // it would lie before the commit
		if f.at.compare(st.f.at) >= 0 {
			return st.lostPrepared(p, nil)
		}
		return nil
	}
	return st.gone(p, st.pass(ctx, from, f.follow))
}

// originOf is where a prepared transaction is to be read.
func (st *stream) originOf(p *prepared) (origin, error) {
	if p.Server == st.v.identity && p.File != "" {
		files, err := logs(st.side)
		if err != nil {
			return origin{}, err
		}
		if at := (place{p.File, p.Offset}); findPlace(files, at) == nil {
			return origin{at: at}, nil
		}
	}
	id, err := parseGTID(st.v.maria, p.GTID)
	if err != nil || p.GTID == "" || st.v.purged.has(id) {
		return origin{}, st.lostPrepared(p, nil)
	}
	if st.v.maria {
		set, err := parseGTIDs(true, p.Before)
		return origin{set: set}, err
	}
	set := st.v.executed.clone()
	set.remove(id)
	return origin{set: set}, nil
}

// gone says that the log no longer has a prepared transaction, if err does;
// other errors are the connection's.
func (st *stream) gone(p *prepared, err error) error {
	if code := cdc.HaltCode(err); code != HaltPurged && code != HaltForeign {
		return err
	}
	return st.lostPrepared(p, err)
}

func (st *stream) unknownPrepared(xid string) error {
	return cdc.Haltf(HaltXA, "at %s the transaction %s is committed, which was prepared before the capture began, and not found in the log: its rows are not known; "+
		"skip it, which reads the tables again", st.f.at, xid)
}

func (st *stream) lostPrepared(p *prepared, err error) error {
	return &cdc.Halt{Code: HaltXA, Err: err, Text: fmt.Sprintf("at %s the transaction %s is committed, which was prepared at %s:%d (%s) and changed %s: the log no longer holds it; "+
		"skip it, which reads those tables again", st.f.at, p.XID, p.File, p.Offset, p.GTID, strings.Join(p.Tables, ", "))}
}
