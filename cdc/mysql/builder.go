package mysql

import (
	"cmp"
	"slices"
	"time"
	"unsafe"

	"chartwire/cdc"
	"chartwire/cdc/mysql/image"

	"github.com/cespare/xxhash/v2"
)

// builder makes Txns of the rows of one source transaction. What it holds is
// used again for the next: a Txn is valid until the next one is asked for.
type builder struct {
	txn     cdc.Txn
	arena   []byte
	pieces  bool // a part of the transaction left already
	touched bool // it has rows of selected tables
	// skip is how many row images the consumer has already; the last of them
	// must have this checksum.
	skip     int64
	skipLast uint64
	// given is how many of its row images left with its pieces, or were counted
	// with them; saves, how many there were at each savepoint.
	given int64
	saves map[string]int64
}

// restart begins where the consumer stands, perhaps inside a transaction.
func (b *builder) restart(c cdc.Checkpoint) {
	*b = builder{arena: b.arena[:0], txn: cdc.Txn{Changes: b.txn.Changes[:0]}, skip: c.Rows, skipLast: c.Last, pieces: c.Rows > 0, given: c.Rows}
}

// begin empties it for the next transaction.
func (b *builder) begin() {
	b.clear()
	b.touched = false
	b.pieces, b.given = b.skip > 0, b.skip
	clear(b.saves)
}

func (b *builder) clear() {
	clear(b.txn.Changes)
	b.txn = cdc.Txn{Changes: b.txn.Changes[:0]}
	b.arena = b.arena[:0]
}

// drop forgets the transaction: it was rolled back, or never ended.
func (b *builder) drop(at place) error {
	if b.pieces {
		return cdc.Haltf(HaltCut, "the transaction before %s was not committed, and a part of it has left already; read its tables again", at)
	}
	b.clear()
	b.touched = false
	return nil
}

// complete checks that a transaction that was resumed inside had as many rows.
func (b *builder) complete() error {
	if b.skip > 0 {
		return cdc.Haltf(HaltResumeRow, "the transaction to go on in is shorter than what was read of it: the log is another than it was")
	}
	return nil
}

// quiet says that the transaction says nothing but that it happened.
func (b *builder) quiet() bool {
	return len(b.txn.Changes) == 0 && !b.pieces && b.txn.Loads == nil && b.txn.Epochs == nil && b.txn.Statements == nil
}

// last is the end of the transaction.
func (b *builder) last(commit time.Time, c cdc.Checkpoint) *cdc.Txn {
	b.txn.Begin, b.txn.End, b.txn.ID = !b.pieces, true, c.Position.Last.GTID
	b.txn.CommitTime, b.txn.Checkpoint = commit, c
	return &b.txn
}

// piece is what there is so far of the transaction of that id.
func (b *builder) piece(id string, commit time.Time, c cdc.Checkpoint) *cdc.Txn {
	b.txn.Begin, b.txn.End, b.txn.ID = !b.pieces, false, id
	b.txn.CommitTime, b.txn.Checkpoint = commit, c
	b.pieces, b.given = true, c.Rows
	return &b.txn
}

// size is how many bytes the next Txn holds.
func (b *builder) size() int {
	return len(b.arena) + len(b.txn.Changes)*int(unsafe.Sizeof(cdc.Change{}))
}

// save and back follow savepoints: what came after one may still be undone. One
// is where so many row images of the transaction were.
func (b *builder) save(name string, rows int64) {
	if b.saves == nil {
		b.saves = map[string]int64{}
	}
	b.saves[name] = rows
}

func (b *builder) back(name string, at place) error {
	rows, ok := b.saves[name]
	if !ok && len(b.txn.Changes) == 0 && !b.pieces {
		return nil
	}
	if !ok || rows < b.given {
		return cdc.Haltf(HaltSavepoint, "the transaction at %s goes back to a savepoint, and rows after it have left already; read its tables again", at)
	}
	i, _ := slices.BinarySearchFunc(b.txn.Changes, rows, func(c cdc.Change, rows int64) int { return cmp.Compare(c.Index, rows) })
	b.txn.Changes = b.txn.Changes[:i]
	return nil
}

// row appends one row's change. The images follow in after, the ordinal is n.
// It returns what follows the row.
func (b *builder) row(t *table, r *rowsEvent, images []byte, n int64, read time.Time) (rest []byte, err error) {
	var before, after cdc.Row
	var keyBefore, keyAfter string
	rest = images
	if r.before != nil {
		if before, keyBefore, rest, err = b.image(t.enc, rest, r.before); err != nil {
			return nil, err
		}
	}
	if r.after != nil {
		if after, keyAfter, rest, err = b.image(t.enc, rest, r.after); err != nil {
			return nil, err
		}
	}
	b.touched = true
	c := cdc.Change{Table: t.shape, Key: keyAfter, Before: before, After: after, Index: n, ReadTime: read}
	switch {
	case r.before == nil:
		c.Op = cdc.Create
	case r.after == nil:
		c.Op, c.Key = cdc.Delete, keyBefore
	case keyBefore == keyAfter:
		c.Op = cdc.Update
	default: // another key is another row
		b.txn.Changes = append(b.txn.Changes, cdc.Change{Table: t.shape, Op: cdc.Delete, Key: keyBefore, Before: before, Index: n, ReadTime: read})
		c.Op, c.Before = cdc.Create, nil
	}
	b.txn.Changes = append(b.txn.Changes, c)
	return rest, nil
}

// image encodes one image, and its key behind it.
func (b *builder) image(enc *image.Encoder, in, present []byte) (cdc.Row, string, []byte, error) {
	start := len(b.arena)
	out, rest, err := enc.Append(b.arena, in, present)
	if err != nil {
		return nil, "", nil, err
	}
	end := len(out)
	row := cdc.Row(out[start:end:end])
	if out, err = enc.AppendKey(out, row); err != nil {
		return nil, "", nil, err
	}
	b.arena = out
	return row, view(out[end:]), rest, nil
}

// view is the bytes as a string that shares them: as valid as the arena is.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// rowSum is the checksum of the images of one row.
func rowSum(images, rest []byte) uint64 { return xxhash.Sum64(images[:len(images)-len(rest)]) }
