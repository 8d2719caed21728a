package shop

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The event types that carry something to replay.
const (
	eventQuery    = 2
	eventFormat   = 15
	eventXID      = 16
	eventTableMap = 19
	eventWrite    = 23
	eventUpdate   = 24
	eventDelete   = 25
	eventGTID     = 162 // MariaDB's
)

// standalone is the flag of a GTID event whose one statement is not ended by
// an XID: DDL.
const standalone = 1

var errShort = errors.New("the event ends early")

// Change is one row as it was and as it became; nil for an insert's before and
// a delete's after.
type Change struct {
	Table         *Table
	Before, After []Value
}

// Txn is one recorded transaction: DDL, or row changes.
type Txn struct {
	Scenario int // the number of its file
	DDL      string
	Changes  []Change
}

// read takes a binlog file apart.
func read(file []byte) ([]Txn, error) {
	if len(file) < 4 || string(file[:4]) != "\xfebin" {
		return nil, errors.New("not a binlog")
	}
	r := reader{tables: map[uint64]*Table{}}
	for at := 4; at < len(file); {
		if len(file)-at < 19 {
			return nil, fmt.Errorf("reading the event at %d: %w", at, errShort)
		}
		kind, size := file[at+4], int(binary.LittleEndian.Uint32(file[at+9:]))
		if size < 19 || size > len(file)-at {
			return nil, fmt.Errorf("reading the event at %d: %w", at, errShort)
		}
		if err := r.event(kind, file[at+19:at+size]); err != nil {
			return nil, fmt.Errorf("reading the event of type %d at %d: %w", kind, at, err)
		}
		at += size
	}
	return r.txns, nil
}

type reader struct {
	checksum int // bytes at the end of each event
	alone    bool
	tables   map[uint64]*Table
	open     []Change
	txns     []Txn
}

func (r *reader) event(kind byte, body []byte) error {
	if kind == eventFormat {
		// Its own checksum is always there, the byte before it says of the others.
		if len(body) < 5 {
			return errShort
		}
		if body[len(body)-5] != 0 {
			r.checksum = 4
		}
		return nil
	}
	if len(body) < r.checksum {
		return errShort
	}
	b := &buffer{rest: body[:len(body)-r.checksum]}
	switch kind {
	case eventGTID:
		b.skip(12)
		r.alone = b.byte()&standalone != 0
	case eventQuery:
		r.query(b)
	case eventXID:
		r.end()
	case eventTableMap:
		id := b.little(6)
		r.tables[id] = tableMap(b)
	case eventWrite, eventUpdate, eventDelete:
		return r.rows(kind, b)
	}
	return b.err
}

func (r *reader) query(b *buffer) {
	b.skip(8)
	schema := int(b.byte())
	b.skip(2)
	b.skip(int(b.little(2)))
	b.skip(schema + 1)
	if b.err != nil {
		return
	}
	switch text := string(b.rest); {
	case text == "COMMIT":
		r.end()
	case r.alone:
		r.txns = append(r.txns, Txn{DDL: text})
	}
}

func (r *reader) end() {
	if len(r.open) > 0 {
		r.txns = append(r.txns, Txn{Changes: r.open})
	}
	r.open = nil
}

func (r *reader) rows(kind byte, b *buffer) error {
	id := b.little(6)
	t := r.tables[id]
	if t == nil {
		return fmt.Errorf("rows of table %d, which no event described", id)
	}
	b.skip(2)
	if n := int(b.length()); n != len(t.Columns) {
		return fmt.Errorf("rows of %d columns of a table of %d", n, len(t.Columns))
	}
	images := 1
	if kind == eventUpdate {
		images = 2
	}
	for range images {
		for _, set := range b.take((len(t.Columns) + 7) / 8) {
			if set == 0 {
				return errors.New("a row image that is not full")
			}
		}
	}
	for len(b.rest) > 0 && b.err == nil {
		c := Change{Table: t}
		first, err := t.row(b)
		if err != nil {
			return err
		}
		switch kind {
		case eventWrite:
			c.After = first
		case eventDelete:
			c.Before = first
		default:
			c.Before = first
			if c.After, err = t.row(b); err != nil {
				return err
			}
		}
		r.open = append(r.open, c)
	}
	return b.err
}

// buffer is read from its front; the first error stays.
type buffer struct {
	rest []byte
	err  error
}

func (b *buffer) take(n int) []byte {
	if n < 0 || n > len(b.rest) {
		b.err, b.rest = errShort, nil
		return nil
	}
	out := b.rest[:n]
	b.rest = b.rest[n:]
	return out
}

func (b *buffer) skip(n int) { b.take(n) }

func (b *buffer) byte() byte {
	if p := b.take(1); len(p) == 1 {
		return p[0]
	}
	return 0
}

func (b *buffer) little(n int) (v uint64) {
	for i, c := range b.take(n) {
		v |= uint64(c) << (8 * i)
	}
	return v
}

func (b *buffer) big(n int) (v uint64) {
	for _, c := range b.take(n) {
		v = v<<8 | uint64(c)
	}
	return v
}

// length reads an integer of one, three, four or nine bytes.
func (b *buffer) length() uint64 {
	switch c := b.byte(); c {
	case 252:
		return b.little(2)
	case 253:
		return b.little(3)
	case 254:
		return b.little(8)
	default:
		return uint64(c)
	}
}
