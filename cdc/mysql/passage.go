package mysql

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"chartwire/cdc"

	"github.com/go-mysql-org/go-mysql/replication"
)

// HaltPassage says that a transaction cannot be passed over.
const HaltPassage = "skip-impossible"

// Passage describes the transaction that follows a position and finds its end,
// as far as that needs no understanding of it: by the announcement of the next
// one, or the end of the log. Nothing is changed.
func (s *Source) Passage(ctx context.Context, at cdc.Position) (*cdc.Passage, error) {
	ctx, cancel := context.WithTimeout(ctx, seekTimeout)
	defer cancel()
	st := &stream{s: s, log: s.cfg.Log, done: cdc.Checkpoint{Position: at}, loads: map[cdc.TableID]*load{}, selected: s.selected,
		anySize: true} // that may be why it cannot be read
	if at.IsZero() {
		return nil, fmt.Errorf("passing over a transaction of %s: nothing of it was read", s.cfg.Name)
	}
	k := &passer{st: st, out: cdc.Passage{From: at, Events: map[string]int{}}}
	from, err := st.reach(ctx)
	if err == nil {
		defer st.side.close()
		err = k.pass(ctx, from)
	}
	if err != nil {
		return nil, fmt.Errorf("passing over the transaction of %s behind %s: %w", s.cfg.Name, at, s.explain(err))
	}
	return &k.out, nil
}

// passer walks over one transaction.
type passer struct {
	st    *stream
	f     *follower // knows ids and tables, and is not asked for an end
	end   place     // of the log
	began bool
	named bool   // its id is known
	xid   string // of one that is prepared by it
	out   cdc.Passage
}

// pass reads the log from a place to the end of the transaction there.
func (k *passer) pass(ctx context.Context, from origin) (err error) {
	st := k.st
	if k.end, err = st.v.logEnd(st.side); err != nil {
		return err
	}
	pos := st.f.pos
	pos.set = pos.set.clone()
	k.f = st.observer(from.at, pos)
	k.f.tables = newTables(st.selected)
	k.f.query, k.f.decided = k.query, k.decided
	return st.pass(ctx, from, k.event)
}

// event takes one event, whole or not.
func (k *passer) event(raw []byte) error {
	f := k.f
	e, err := parseEvent(raw, f.checksummed)
	damaged := err != nil
	if damaged {
		e = event{size: uint32(len(raw))}
		if len(raw) >= headerSize {
			e.kind, e.flags, e.time = replication.EventType(raw[4]), binary.LittleEndian.Uint16(raw[17:]), binary.LittleEndian.Uint32(raw)
		}
	}
	if !damaged && (e.flags&flagArtificial != 0 || preamble(byte(e.kind))) {
		return k.between(&e)
	}
	switch e.kind {
	case replication.HEARTBEAT_EVENT:
		if err := f.heartbeat(&e); err != nil { // it tells how far a server came that passes over what was read
			return err
		}
		if k.began || f.at.compare(k.end) >= 0 {
			return k.done()
		}
		return nil
	case replication.GTID_EVENT, replication.ANONYMOUS_GTID_EVENT, replication.GTID_TAGGED_LOG_EVENT, replication.MARIADB_GTID_EVENT:
		if k.began {
			return k.done()
		}
		return k.begin(&e, damaged)
	}
	f.advance(&e)
	k.note(&e)
	switch {
	case !k.began && damaged:
		return k.nameless()
	case !k.began && !passable(&e): // an event that belongs to no transaction
		k.out.Unknown = true
		f.g.file, k.began = f.at.file, true
		return k.done()
	case damaged:
		k.unread()
	case k.began:
		k.content(&e)
	}
	return nil
}

// between is an event that belongs to the file, not to a transaction.
func (k *passer) between(e *event) error {
	f := k.f
	if e.kind == replication.ROTATE_EVENT || e.kind == replication.FORMAT_DESCRIPTION_EVENT {
		if k.began && e.flags&flagArtificial == 0 {
			return k.done()
		}
	}
	f.advance(e)
	if e.kind == replication.ROTATE_EVENT || e.kind == replication.FORMAT_DESCRIPTION_EVENT {
		return f.event(e)
	}
	return nil
}

func (k *passer) begin(e *event, damaged bool) error {
	k.f.advance(e)
	k.note(e)
	if damaged {
		return k.nameless()
	}
	if err := k.f.event(e); err != nil {
		return err
	}
	k.began, k.named = true, true
	if k.f.pos.byID {
		k.out.ID = string(k.f.g.id.append(nil, k.f.maria))
	}
	return nil
}

// nameless begins a transaction whose announcement may be what is damaged. Where
// a position is a file and an offset nothing of it is needed; MariaDB says the ids
// up to a place.
func (k *passer) nameless() error {
	if k.f.pos.byID && !k.f.maria {
		return cdc.Haltf(HaltPassage, "the transaction at %s cannot be passed over: the event that announces it is damaged, so that its id is not known; "+
			"load the tables again from the end of the log", k.f.at)
	}
	k.f.g.file, k.began, k.named, k.out.Unknown = k.f.at.file, true, false, true
	return nil
}

// unread is a part of the transaction that is not known: any table may be in it,
// and that it is prepared.
func (k *passer) unread() {
	k.out.Unknown = true
	if k.f.g.prepared && k.xid == "" {
		k.xid = anyXID
	}
}

// note counts an event.
func (k *passer) note(e *event) {
	k.out.Events[kindName(e.kind)]++
	k.out.Bytes += int64(e.size)
	if e.time != 0 {
		k.out.Time = time.Unix(int64(e.time), 0).Add(k.st.v.offset).UTC()
	}
}

func kindName(k replication.EventType) string {
	if k == 0 {
		return "damaged"
	}
	if name := k.String(); name != "UnknownEvent" {
		return name
	}
	return fmt.Sprintf("kind %d", k)
}

// content learns from an event of the transaction which tables it is about. What
// it does not understand may be about any.
func (k *passer) content(e *event) {
	f := k.f
	switch e.kind {
	case replication.TABLE_MAP_EVENT:
		t, err := f.tables.learn(e.body)
		k.out.Unknown = k.out.Unknown || err != nil
		if err == nil && t.selection != nil {
			k.changes(t.id)
		}
	case replication.XID_EVENT:
	case replication.XA_PREPARE_LOG_EVENT:
		if err := f.prepareEvent(e); err != nil || f.g.xid == "" {
			k.xid = anyXID
		} else if len(e.body) > 0 && e.body[0] == 0 {
			k.xid = f.g.xid
		}
	case replication.TRANSACTION_PAYLOAD_EVENT:
		err := f.payload.each(e, func(inner *event) error {
			k.out.Events[kindName(inner.kind)]++
			k.content(inner)
			return nil
		}, f.damaged)
		if err != nil {
			k.unread()
		}
	default:
		rows, isRows := rowsKindOf(e.kind)
		switch {
		case isRows:
			rows.most = f.most
			r, err := parseRows(rows, e.body)
			t := f.tables.byNumber[r.table]
			if err == nil && t != nil {
				var n int64
				n, err = t.count(&r)
				k.out.Rows += n
			}
			k.out.Unknown = k.out.Unknown || err != nil && (t == nil || t.selection != nil) || t == nil && len(r.images) > 0
		case e.kind == replication.QUERY_EVENT || e.kind == replication.MARIADB_QUERY_COMPRESSED_EVENT:
			f.g.open = true // whatever it says, it ends nothing here
			if f.queryEvent(e) != nil {
				k.out.Unknown = true
			}
		case !passable(e):
			k.out.Unknown = true
		}
	}
}

// decided is the commit of a prepared transaction.
func (k *passer) decided(p *prepared, _ []event) error {
	if !p.known() {
		k.out.Unknown = true
	}
	for id := range k.st.s.selected {
		if slices.Contains(p.Tables, id.String()) {
			k.changes(id)
		}
	}
	return nil
}

// query takes what a statement did to tables.
func (k *passer) query(q *query, text, database string) error {
	if q.kind == queryRows && k.st.concerned(text, database) {
		k.out.Unknown = true
	}
	for _, e := range q.effects {
		for id := range k.st.s.selected {
			if id == e.table || e.table.Name == "" && id.Database == e.table.Database {
				k.changes(id)
			}
		}
	}
	return nil
}

func (k *passer) changes(id cdc.TableID) {
	if !slices.Contains(k.out.Tables, id) {
		k.out.Tables = append(k.out.Tables, id)
	}
}

// errNothing says that the log ends at the position.
var errNothing = errors.New("the log holds nothing behind it")

// done is the end of the transaction: in front of the next one.
func (k *passer) done() error {
	if !k.began {
		return errNothing
	}
	st, f := k.st, k.f
	p := st.f.pos
	g := f.g
	if g.id != (gtid{}) || g.anonymous {
		p.commit(&g, f.at)
	}
	p.at = f.at
	if p.byID && !k.named {
		var err error
		if p.set, err = st.idsAt(p.at); err != nil {
			return &cdc.Halt{Code: HaltPassage, Text: fmt.Sprintf("the transaction before %s cannot be passed over: its announcement is damaged, and the server cannot say its id; "+
				"load the tables again from the end of the log", p.at), Err: err}
		}
		p.text = p.set.String()
	}
	// It was not read, so there is nothing to compare with when it is looked for.
	p.last = cdc.Fingerprint{GTID: p.last.GTID, Time: k.out.Time}
	p.setPrepared(f.pos.prepared)
	if k.xid != "" {
		p.prepare(prepared{XID: k.xid})
	}
	k.out.Behind = p.cdc()
	return errEnough
}
