package state

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"chartwire/cdc"

	"github.com/cockroachdb/pebble/v2"
)

func opOf(v []byte) cdc.Op { return cdc.Op(v[0]) }

// Batch is a set of changes that take effect together, with the meta.
type Batch struct {
	d   *DB
	b   *pebble.Batch
	buf []byte
	val []byte
	err error
	// Meta is a copy of the state's, for the caller to change.
	Meta Meta
}

// Batch begins a batch. Its Meta shares maps with nothing.
func (d *DB) Batch() *Batch {
	return d.batch(d.db.NewBatch())
}

// IndexedBatch begins a batch that can be read before it is carried out, at a
// price for each change.
func (d *DB) IndexedBatch() *Batch { return d.batch(d.db.NewIndexedBatch()) }

func (d *DB) batch(p *pebble.Batch) *Batch {
	b := &Batch{d: d, b: p, Meta: d.meta}
	b.Meta.Offsets = nil
	for topic, parts := range d.meta.Offsets {
		for p, o := range parts {
			b.Meta.SetOffset(topic, p, o)
		}
	}
	b.Meta.Gone, b.Meta.Seqs = map[string]int64{}, map[string]int64{}
	maps.Copy(b.Meta.Gone, d.meta.Gone)
	maps.Copy(b.Meta.Seqs, d.meta.Seqs)
	b.Meta.Indexes = slices.Clone(d.meta.Indexes)
	return b
}

// Row returns the row of a key as an indexed batch leaves it, false if there is
// none. It is the caller's.
func (b *Batch) Row(t Table, key string) (Row, bool, error) {
	b.buf = rowKey(b.buf[:0], t, key)
	v, err := copied(b.b.Get(b.buf))
	if v == nil || err != nil {
		return Row{}, false, err
	}
	r, err := parseRow(v)
	return r, err == nil, err
}

func (b *Batch) set(key, value []byte) {
	if b.err == nil {
		b.err = b.b.Set(key, value, nil)
	}
}

func (b *Batch) delete(key []byte) {
	if b.err == nil {
		b.err = b.b.Delete(key, nil)
	}
}

// PutRow sets the newest state of a row.
func (b *Batch) PutRow(t Table, key string, r *Row) {
	b.buf = rowKey(b.buf[:0], t, key)
	b.val = appendRow(b.val[:0], r)
	b.set(b.buf, b.val)
}

// DeleteRow forgets a row.
func (b *Batch) DeleteRow(t Table, key string) {
	b.buf = rowKey(b.buf[:0], t, key)
	b.delete(b.buf)
}

// Wait keeps a change until its cut has been mapped.
func (b *Batch) Wait(w *Waiting) {
	b.buf = waitingKey(b.buf[:0], w.Table, w.Key, w.Seq)
	b.val = appendWaiting(b.val[:0], w)
	b.set(b.buf, b.val)
}

// Done forgets a change that waited.
func (b *Batch) Done(t Table, key string, seq int64) {
	b.buf = waitingKey(b.buf[:0], t, key, seq)
	b.delete(b.buf)
}

// PutEntry sets an entry of the changelog; a nil value deletes it.
func (b *Batch) PutEntry(key string, value []byte) {
	b.buf = append(append(b.buf[:0], areaEntry), key...)
	if value == nil {
		b.delete(b.buf)
		return
	}
	b.set(b.buf, value)
}

// Bytes is the size of the batch so far.
func (b *Batch) Bytes() int { return b.b.Len() }

// Commit carries the batch out and saves its Meta.
func (b *Batch) Commit() error {
	defer b.b.Close()
	b.Meta.Flow = b.d.o.Flow
	b.Meta.Time = time.Now().UTC()
	meta, err := json.Marshal(&b.Meta)
	if err != nil {
		return fmt.Errorf("writing the local state: %w", err)
	}
	b.set([]byte{areaMeta, 'm'}, meta)
	if b.err == nil {
		b.err = b.b.Commit(pebble.NoSync)
	}
	if b.err != nil {
		return fmt.Errorf("writing the local state: %w", b.err)
	}
	b.d.meta = b.Meta
	return nil
}

// Discard drops the batch.
func (b *Batch) Discard() { b.b.Close() }
