package state

import (
	"fmt"
	"iter"

	"github.com/cockroachdb/pebble/v2"
)

// Row returns the row of a key, false if there is none.
func (d *DB) Row(t Table, key string) (Row, bool, error) {
	b, err := d.get(rowKey(nil, t, key))
	if b == nil || err != nil {
		return Row{}, false, err
	}
	r, err := parseRow(b)
	return r, err == nil, err
}

// KeyedRow is a row and its key.
type KeyedRow struct {
	Key string
	Row
}

// Rows yields the rows of a table in the order of their keys, those with keys
// after the given one ("" for all). A row is valid until the next one.
func (d *DB) Rows(t Table, afterKey string) iter.Seq2[KeyedRow, error] {
	prefix := rowKey(nil, t, "")
	lower := prefix
	if afterKey != "" {
		lower = append(rowKey(nil, t, afterKey), 0)
	}
	return func(yield func(KeyedRow, error) bool) {
		for k, v := range d.scan(lower, after(prefix), yieldErr[KeyedRow](yield)) {
			r, err := parseRow(v)
			if !yield(KeyedRow{string(k[len(prefix):]), r}, err) || err != nil {
				return
			}
		}
	}
}

// Waiting yields the changes of a source that wait, ordered by table, key and
// seq. A change is valid until the next one.
func (d *DB) Waiting(source string) iter.Seq2[Waiting, error] {
	prefix := append([]byte{areaWaiting}, source+"\x00"...)
	return func(yield func(Waiting, error) bool) {
		for k, v := range d.scan(prefix, after(prefix), yieldErr[Waiting](yield)) {
			w, err := parseWaiting(k, v)
			if !yield(w, err) || err != nil {
				return
			}
		}
	}
}

// Waits reports whether a change of the key waits.
func (d *DB) Waits(t Table, key string) (waits bool, err error) {
	prefix := waitingKey(nil, t, key, 0)
	prefix = prefix[:len(prefix)-8]
	for range d.scan(prefix, after(prefix), func(e error) { err = e }) {
		return true, nil
	}
	return false, err
}

func parseWaiting(k, v []byte) (Waiting, error) {
	t, key, seq, err := parseWaitingKey(k)
	if err != nil {
		return Waiting{}, err
	}
	if len(v) < waitingHead {
		return Waiting{}, fmt.Errorf("reading a waiting change of %s: %d bytes", t, len(v))
	}
	return Waiting{Table: t, Key: key, Seq: seq, Op: opOf(v), Read: parseTime(v[1:]), Value: v[waitingHead:]}, nil
}

// Entry returns a copy of the value of the changelog's key, nil if there is
// none.
func (d *DB) Entry(key string) ([]byte, error) {
	return d.get(append([]byte{areaEntry}, key...))
}

// Entries yields the changelog's entries whose keys have the prefix, in order.
// A value is valid until the next one.
func (d *DB) Entries(prefix string) iter.Seq2[Entry, error] {
	return d.EntriesAfter(prefix, "")
}

// EntriesAfter yields those of them with keys after the given one.
func (d *DB) EntriesAfter(prefix, key string) iter.Seq2[Entry, error] {
	p := append([]byte{areaEntry}, prefix...)
	lower := p
	if key > prefix {
		lower = append(append([]byte{areaEntry}, key...), 0)
	}
	return func(yield func(Entry, error) bool) {
		for k, v := range d.scan(lower, after(p), yieldErr[Entry](yield)) {
			if !yield(Entry{string(k[1:]), v}, nil) {
				return
			}
		}
	}
}

// Entry is one record of the flow's changelog.
type Entry struct {
	Key   string
	Value []byte
}

func yieldErr[T any](yield func(T, error) bool) func(error) {
	return func(err error) {
		var zero T
		yield(zero, fmt.Errorf("reading the local state: %w", err))
	}
}

// scan yields the pairs of a key range as they are when it begins. An error is
// given to fail, after the last pair.
func (d *DB) scan(lower, upper []byte, fail func(error)) iter.Seq2[[]byte, []byte] {
	return func(yield func(k, v []byte) bool) {
		it, err := d.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
		if err != nil {
			fail(err)
			return
		}
		defer it.Close()
		for ok := it.First(); ok; ok = it.Next() {
			v, err := it.ValueAndErr()
			if err != nil {
				fail(err)
				return
			}
			if !yield(it.Key(), v) {
				return
			}
		}
		if err := it.Error(); err != nil {
			fail(err)
		}
	}
}
