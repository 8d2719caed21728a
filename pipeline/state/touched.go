package state

import (
	"encoding/binary"
	"fmt"
	"iter"
	"time"

	"chartwire/sinks"

	"github.com/cockroachdb/pebble/v2"
)

// Touched is a row that changed and whose entities are found only by way of
// other rows. It is kept until all of them are pending.
type Touched struct {
	Commit, Read time.Time
	Live         bool // it came from the stream, not from a snapshot
	Origin       sinks.Origin
	Nodes        []TouchedNode
}

// TouchedNode is a map's node of which the row is one, and a text under which
// it is or was found there.
type TouchedNode struct {
	Map  string // id
	Node int
	Text []byte
}

func touchedKey(dst []byte, place uint64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, areaTouched), place)
}

// PutTouched keeps a touched row at a place: those are gone through in order.
func (b *Batch) PutTouched(place uint64, t *Touched) {
	b.buf = touchedKey(b.buf[:0], place)
	b.val = appendTouched(b.val[:0], t)
	b.set(b.buf, b.val)
}

// DeleteTouched forgets a touched row whose entities are pending.
func (b *Batch) DeleteTouched(place uint64) {
	b.buf = touchedKey(b.buf[:0], place)
	b.delete(b.buf)
}

// PlacedTouched is a touched row with its place.
type PlacedTouched struct {
	Place uint64
	Touched
}

// TouchedFrom yields the touched rows from a place on.
func (d *DB) TouchedFrom(place uint64) iter.Seq2[PlacedTouched, error] {
	return func(yield func(PlacedTouched, error) bool) {
		for k, v := range d.scan(touchedKey(nil, place), []byte{areaTouched + 1}, yieldErr[PlacedTouched](yield)) {
			t, err := parseTouched(v)
			if err == nil && len(k) != 9 {
				err = fmt.Errorf("reading a touched row: its key has %d bytes", len(k))
			}
			if err != nil {
				yield(PlacedTouched{}, err)
				return
			}
			if !yield(PlacedTouched{binary.BigEndian.Uint64(k[1:]), t}, nil) {
				return
			}
		}
	}
}

func appendTouched(dst []byte, t *Touched) []byte {
	dst = appendTime(appendTime(dst, t.Commit), t.Read)
	live := byte(0)
	if t.Live {
		live = 1
	}
	dst = appendOrigins(append(dst, live), []sinks.Origin{t.Origin})
	dst = binary.AppendUvarint(dst, uint64(len(t.Nodes)))
	for i := range t.Nodes {
		n := &t.Nodes[i]
		dst = binary.AppendUvarint(appendText(dst, n.Map), uint64(n.Node))
		dst = appendText(dst, string(n.Text))
	}
	return dst
}

func parseTouched(b []byte) (Touched, error) {
	in := reader{b: b}
	t := Touched{Commit: in.time(), Read: in.time(), Live: in.byte() == 1}
	if o := in.origins(); len(o) == 1 {
		t.Origin = o[0]
	} else {
		in.fail()
	}
	for range in.count() {
		t.Nodes = append(t.Nodes, TouchedNode{Map: in.text(), Node: int(in.uvarint()), Text: []byte(in.text())})
	}
	return t, in.end("a touched row")
}

// TouchedPlaces gives the place of the first touched row and the place after the
// last; the same when there are none.
func (d *DB) TouchedPlaces() (first, end uint64, err error) {
	it, err := d.db.NewIter(&pebble.IterOptions{LowerBound: []byte{areaTouched}, UpperBound: []byte{areaTouched + 1}})
	if err != nil {
		return 0, 0, fmt.Errorf("reading the local state: %w", err)
	}
	defer it.Close()
	if it.First() && len(it.Key()) == 9 {
		first = binary.BigEndian.Uint64(it.Key()[1:])
	}
	if it.Last() && len(it.Key()) == 9 {
		end = binary.BigEndian.Uint64(it.Key()[1:]) + 1
	}
	if err := it.Error(); err != nil {
		return 0, 0, fmt.Errorf("reading the local state: %w", err)
	}
	return first, end, nil
}
