package mysql

import (
	"fmt"

	"chartwire/cdc"
)

// position is a cdc.Position that is being moved: the place behind the last
// whole transaction.
type position struct {
	byID   bool // the set says where; otherwise the place does
	set    gtidSet
	at     place
	server string
	last   cdc.Fingerprint
	text   string // of the set
	// prepared are the XA transactions that are neither committed nor rolled back.
	prepared     []prepared
	preparedText string
	texts        texts
}

func (p *position) cdc() cdc.Position {
	return cdc.Position{GTID: p.text, File: p.at.file, Offset: p.at.offset, Server: p.server, Last: p.last, Prepared: p.preparedText}
}

// parsePosition reads a position back. That it is for this flavour of server is
// not known before.
func parsePosition(maria bool, c cdc.Position) (position, error) {
	p := position{byID: c.GTID != "", at: place{c.File, c.Offset}, server: c.Server, last: c.Last}
	var err error
	if p.set, err = parseGTIDs(maria, c.GTID); err != nil {
		return p, fmt.Errorf("reading the position %s: %w", c, err)
	}
	if !p.byID && p.at.isZero() {
		return p, fmt.Errorf("reading the position: it names neither ids nor a file")
	}
	p.text = p.set.String()
	p.setPrepared(nil)
	if p.prepared, err = parsePrepared(c.Prepared); err != nil {
		return p, err
	}
	p.preparedText = c.Prepared
	return p, nil
}

// commit moves the position behind a transaction that ends at.
func (p *position) commit(g *group, at place) {
	last := cdc.Fingerprint{Time: g.stamp, Table: g.table, Sum: g.checksum(), Start: g.start}
	if at.file != g.file {
		last.Start = 0
	}
	if p.byID {
		before := p.text
		p.set.add(g.id)
		p.text = p.texts.keep(p.set.append(p.texts.room()))
		last.GTID = p.text
		if !p.set.maria || len(p.set.domains) != 1 {
			last.GTID = p.name(g)
		}
		if p.set.maria {
			last.Before = before
		}
	}
	p.at, p.last = at, last
}

// name is the text of a transaction's own id.
func (p *position) name(g *group) string {
	return p.texts.keep(g.id.append(p.texts.room(), p.set.maria))
}

// advance moves the place where no transaction is open: behind events that
// change nothing, or into the next file.
func (p *position) advance(at place) {
	if at.file != p.at.file {
		p.last.Start = 0 // the offset was one of the older file
	}
	p.at = at
}

// sameTransaction compares what a replica keeps of a transaction. Start and
// Before are where it lies in one server's log.
func sameTransaction(a, b cdc.Fingerprint) bool {
	return a.GTID == b.GTID && a.Time.Equal(b.Time) && a.Table == b.Table && a.Sum == b.Sum
}

// texts holds the texts of ids, which are new with every transaction, many to an
// allocation. One that is kept keeps the others of it.
type texts struct{ b []byte }

const (
	textsSize = 16 << 10
	textsRoom = 256 // as much as most texts take
)

// room is where the next text is appended to; keep makes it a string.
func (t *texts) room() []byte {
	if cap(t.b)-len(t.b) < textsRoom {
		t.b = make([]byte, 0, textsSize)
	}
	return t.b[len(t.b):]
}

func (t *texts) keep(b []byte) string {
	if cap(b) == cap(t.b)-len(t.b) { // else it outgrew the room, and is on its own
		t.b = t.b[:len(t.b)+len(b)]
	}
	return view(b)
}
