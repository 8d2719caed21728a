package pipeline

import (
	"chartwire/cdc"
	"chartwire/pipeline/cut"
	"chartwire/schemas"

	"github.com/twmb/franz-go/pkg/kgo"
)

// recordCost is what a record takes in memory beside its key and value.
const recordCost = 320

// batch is a part of what goes into one Kafka transaction: records, and what
// they change in the cut. It is used again when the brokers have its records,
// which live in slabs that stay.
type batch struct {
	recs  []*kgo.Record
	slabs slabs[kgo.Record]
	heads slabs[kgo.RecordHeader]
	arena arena

	cost    int // bytes in memory
	bytes   int // of keys and values
	touched []*captureTable
	rows    []tableRows // once it is sealed
	cut     cut.Cut     // what the batch changes
}

// tableRows is how many rows of a table there are.
type tableRows struct {
	table *captureTable
	rows  int
}

// reset empties the batch for use again.
func (b *batch) reset() {
	clear(b.recs)
	b.slabs.reset()
	b.heads.reset()
	b.arena.reset()
	*b = batch{recs: b.recs[:0], slabs: b.slabs, heads: b.heads, arena: b.arena, touched: b.touched[:0], rows: b.rows[:0]}
}

// seal notes in the cut what was written, and frees the tables for the next
// batch.
func (b *batch) seal() {
	for _, t := range b.touched {
		parts := map[int32]int64{}
		for p, seq := range t.marks {
			if seq != 0 {
				parts[int32(p)] = seq
			}
		}
		if b.cut.Marks == nil {
			b.cut.Marks = cut.Marks{}
		}
		for p, seq := range b.cut.Marks[t.topic] { // another version of the table
			parts[p] = max(parts[p], seq)
		}
		b.cut.Marks[t.topic] = parts
		b.rows = append(b.rows, tableRows{t, t.rows})
		t.rows = 0
		clear(t.marks)
	}
}

// add appends the records of a change.
func (b *batch) add(t *captureTable, c *cdc.Change, env *schemas.Envelope, seq int64) {
	key := b.arena.copy(c.Key)
	start := b.arena.open(len(c.Before) + len(c.After) + t.room)
	value := b.arena.close(schemas.AppendEnvelope(start, t.schema, env))
	head := b.arena.open(8)
	head = b.arena.close(schemas.AppendSeq(head, seq))

	p := partitionOf(key, t.partitions)
	headers := b.heads.take(2)
	headers[0] = kgo.RecordHeader{Key: schemas.HeaderSeq, Value: head}
	headers[1] = kgo.RecordHeader{Key: schemas.HeaderOp, Value: opValue[c.Op]}
	b.append(kgo.Record{Topic: t.topic, Partition: p, Key: key, Value: value, Headers: headers, Timestamp: c.ReadTime})
	if c.Op == cdc.Delete {
		// What compaction needs to forget the row; consumers have the delete.
		b.append(kgo.Record{Topic: t.topic, Partition: p, Key: key, Headers: headers, Timestamp: c.ReadTime})
	}
	if t.rows == 0 {
		b.touched = append(b.touched, t)
	}
	t.rows++
	t.marks[p] = seq
}

func (b *batch) append(r kgo.Record) {
	p := &b.slabs.take(1)[0]
	*p = r
	b.recs = append(b.recs, p)
	n := len(r.Key) + len(r.Value)
	b.bytes += n
	b.cost += n + recordCost
}

// opValue are the values of the op header.
var opValue = func() (v [256][]byte) {
	for _, op := range []cdc.Op{cdc.Create, cdc.Update, cdc.Delete, cdc.Read} {
		v[op] = []byte{byte(op)}
	}
	return v
}()

// slabs gives out elements that do not move.
type slabs[T any] struct {
	all  [][]T
	n    int // slabs in use
	free []T
}

const slabSize = 1024

func (s *slabs[T]) take(n int) []T {
	if len(s.free) < n {
		if s.n == len(s.all) {
			s.all = append(s.all, make([]T, slabSize))
		}
		s.free = s.all[s.n]
		s.n++
	}
	out := s.free[:n:n]
	s.free = s.free[n:]
	return out
}

func (s *slabs[T]) reset() {
	for _, slab := range s.all[:s.n] {
		clear(slab)
	}
	s.n, s.free = 0, nil
}

// arena gives out bytes that do not move.
type arena struct {
	all [][]byte
	n   int
	cur []byte // the chunk being filled; its length is what is used
}

const chunkSize = 1 << 20

// open gives an empty slice with room for n bytes; close takes it back filled.
// What outgrows its room moves elsewhere by append, and only wastes the room.
func (a *arena) open(n int) []byte {
	if cap(a.cur)-len(a.cur) < n {
		if n > chunkSize {
			return make([]byte, 0, n) // on its own, and not kept
		}
		if a.n == len(a.all) {
			a.all = append(a.all, make([]byte, 0, chunkSize))
		}
		a.cur = a.all[a.n][:0]
		a.n++
	}
	return a.cur[len(a.cur):]
}

func (a *arena) close(b []byte) []byte {
	if cap(b) > 0 && cap(b) == cap(a.cur)-len(a.cur) { // still the room it was given
		a.cur = a.cur[:len(a.cur)+len(b)]
	}
	return b[:len(b):len(b)]
}

func (a *arena) copy(s string) []byte { return a.close(append(a.open(len(s)), s...)) }

func (a *arena) reset() { a.n, a.cur = 0, nil }
