package state

import (
	"encoding/binary"
	"fmt"
	"iter"
	"strings"
	"time"

	"chartwire/sinks"
)

// Pending is an entity that was touched and not mapped since.
type Pending struct {
	// First and Last are when the first and the last of the changes came, to the
	// millisecond; Commit is the newest commit time among them.
	First, Last, Commit time.Time
	// Touched has bit n set if a row of the map's node n changed.
	Touched uint64
	// Live says that a change came from the stream, not only from snapshots.
	Live bool
	// Seqs are the first and the last seq of the changes, by source.
	Seqs []SeqRange
	// Origin holds the newest of the rows that changed.
	Origin []sinks.Origin
}

// SeqRange are the seqs of one source's changes.
type SeqRange struct {
	Source      string
	First, Last int64
}

func pendingKey(dst []byte, mapID, entity string) []byte {
	return append(append(append(append(dst, areaPending), mapID...), 0), entity...)
}

// PutPending keeps an entity until it is mapped. mapID is two names with a NUL
// between them.
func (b *Batch) PutPending(mapID, entity string, p *Pending) {
	b.buf = pendingKey(b.buf[:0], mapID, entity)
	b.val = appendPending(b.val[:0], p)
	b.set(b.buf, b.val)
}

// DeletePending forgets an entity that was mapped.
func (b *Batch) DeletePending(mapID, entity string) {
	b.buf = pendingKey(b.buf[:0], mapID, entity)
	b.delete(b.buf)
}

// DropPending forgets all entities of a map.
func (b *Batch) DropPending(mapID string) {
	prefix := pendingKey(nil, mapID, "")
	if b.err == nil {
		b.err = b.b.DeleteRange(prefix, after(prefix), nil)
	}
}

// Pending returns what is kept of an entity, false if nothing is.
func (d *DB) Pending(mapID, entity string) (Pending, bool, error) {
	b, err := d.get(pendingKey(nil, mapID, entity))
	if b == nil || err != nil {
		return Pending{}, false, err
	}
	p, err := parsePending(b)
	return p, err == nil, err
}

// KeyedPending is a pending entity with its key.
type KeyedPending struct {
	Map, Entity string
	Pending
}

// AllPending yields the pending entities in the order of map and entity, those
// after the given one (two empty texts for all).
func (d *DB) AllPending(afterMap, afterEntity string) iter.Seq2[KeyedPending, error] {
	lower := []byte{areaPending}
	if afterMap != "" {
		lower = append(pendingKey(nil, afterMap, afterEntity), 0)
	}
	return func(yield func(KeyedPending, error) bool) {
		for k, v := range d.scan(lower, []byte{areaPending + 1}, yieldErr[KeyedPending](yield)) {
			parts := strings.SplitN(string(k[1:]), "\x00", 3)
			p, err := parsePending(v)
			if err == nil && len(parts) != 3 {
				err = fmt.Errorf("reading a pending entity: its key has %d parts of 3", len(parts))
			}
			if err != nil {
				yield(KeyedPending{}, err)
				return
			}
			if !yield(KeyedPending{parts[0] + "\x00" + parts[1], parts[2], p}, nil) {
				return
			}
		}
	}
}

func appendPending(dst []byte, p *Pending) []byte {
	dst = appendTime(appendTime(appendTime(dst, p.First), p.Last), p.Commit)
	dst = binary.AppendUvarint(dst, p.Touched)
	live := byte(0)
	if p.Live {
		live = 1
	}
	dst = binary.AppendUvarint(append(dst, live), uint64(len(p.Seqs)))
	for _, s := range p.Seqs {
		dst = binary.AppendVarint(binary.AppendVarint(appendText(dst, s.Source), s.First), s.Last)
	}
	return appendOrigins(dst, p.Origin)
}

func appendOrigins(dst []byte, origin []sinks.Origin) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(origin)))
	for i := range origin {
		o := &origin[i]
		dst = binary.AppendVarint(appendText(appendText(appendText(dst, o.Source), o.Table), o.Row), o.Seq)
		dst = appendText(dst, o.Position)
	}
	return dst
}

func parsePending(b []byte) (Pending, error) {
	in := reader{b: b}
	p := Pending{First: in.time(), Last: in.time(), Commit: in.time(), Touched: in.uvarint(), Live: in.byte() == 1}
	for range in.count() {
		p.Seqs = append(p.Seqs, SeqRange{Source: in.text(), First: in.varint(), Last: in.varint()})
	}
	p.Origin = in.origins()
	return p, in.end("a pending entity")
}

// reader takes values from a slice. When it is too short, everything that
// follows is zero.
type reader struct {
	b     []byte
	short bool
}

func (r *reader) fail() {
	r.b, r.short = nil, true
}

func (r *reader) end(what string) error {
	if r.short || len(r.b) > 0 {
		return fmt.Errorf("reading %s: it is cut short, or goes on after its end", what)
	}
	return nil
}

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.fail()
		return 0
	}
	v := r.b[0]
	r.b = r.b[1:]
	return v
}

func (r *reader) time() time.Time {
	if len(r.b) < 8 {
		r.fail()
		return time.Time{}
	}
	v := parseTime(r.b)
	r.b = r.b[8:]
	return v
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

// count reads a number of things of which each takes a byte at least.
func (r *reader) count() int {
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		r.fail()
		return 0
	}
	return int(n)
}

func (r *reader) text() string {
	n := r.count()
	v := string(r.b[:n])
	r.b = r.b[n:]
	return v
}

func (r *reader) origins() []sinks.Origin {
	var out []sinks.Origin
	for range r.count() {
		out = append(out, sinks.Origin{Source: r.text(), Table: r.text(), Row: r.text(), Seq: r.varint(), Position: r.text()})
	}
	return out
}

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}
