package pipeline

import (
	"context"
	"errors"
	"sync"
	"time"

	"chartwire/cdc"
	"chartwire/pipeline/cut"
	"chartwire/schemas"
)

// batches is among how many the memory of a capture is divided, each with at most
// one piece of a source transaction more. Those that the brokers have not taken
// yet are not filled again. More than these hold the brokers take while the next
// one fills; eight brought nothing but their memory. By default one is a little
// larger than the largest of Kafka's batches.
const batches = 5

// collector takes transactions from the stream and fills batches, which the
// committer takes one by one when they are full, and all at a commit.
type collector struct {
	capture *Capture
	tables  *captureTables
	seq     int64            // the last one given
	large   *cut.Transaction // in pieces, of this commit: never changed, but replaced
	env     schemas.Envelope
	largest int // record, in bytes

	mu    sync.Mutex
	room  *sync.Cond    // a batch is free, all were taken, or the end has come
	wake  chan struct{} // something for the committer to look at
	cur   *batch        // being filled; nil until there is one to fill
	ready []*batch      // full and sealed
	free  []*batch
	since gathered
	full  bool  // nothing more is taken before a commit
	stuck bool  // what came waits for a batch to fill
	ended bool  // nothing more will come
	err   error // why; nil when ctx ended
	heard time.Time
}

// gathered is what came since the last commit.
type gathered struct {
	began   time.Time // the first content
	last    time.Time // when anything came last
	bytes   int       // of keys and values
	txns    int
	content bool // there is more than progress
	inside  bool // the last piece did not end its transaction
	moved   bool // a checkpoint was reached
}

func newCollector(c *Capture, t *captureTables, state *cut.Cut) *collector {
	in := &collector{capture: c, tables: t, seq: state.Seq, largest: c.o.Connection.Largest(), wake: make(chan struct{}, 1)}
	if state.Inside() {
		in.large = state.Transaction
	}
	for range batches {
		in.free = append(in.free, &batch{})
	}
	in.room = sync.NewCond(&in.mu)
	return in
}

var errStreamEnded = errors.New("the stream ended by itself")

// run reads the stream until it or ctx ends.
func (in *collector) run(ctx context.Context, r cdc.Resume) {
	// The wait for room ends with ctx.
	defer context.AfterFunc(ctx, func() {
		in.mu.Lock()
		defer in.mu.Unlock()
		in.room.Broadcast()
	})()
	err := errStreamEnded
	for t, serr := range in.capture.o.Stream(ctx, r) {
		if err = serr; err != nil {
			break
		}
		if err = in.take(ctx, t); err != nil {
			break
		}
		err = errStreamEnded
	}
	if ctx.Err() != nil {
		err = nil
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.ended, in.err = true, err
	in.notify()
}

func (in *collector) notify() {
	select {
	case in.wake <- struct{}{}:
	default:
	}
}

// take adds a transaction, or a piece of one, to the batch when there is room.
func (in *collector) take(ctx context.Context, t *cdc.Txn) error {
	now := time.Now()
	in.tables.forget()
	added, err := in.tables.add(ctx, t.Loads) // first: it may name fields of the rows otherwise
	if err != nil {
		return err
	}
	if err := in.describe(ctx, t); err != nil {
		return err
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.heard = now
	// A transaction in pieces begins a commit of its own: the end of those
	// before it is a cut, and should not wait for its end.
	if t.Begin && !t.End && in.since.content {
		in.full = true
		in.notify()
	}
	for (in.full || !in.space()) && ctx.Err() == nil {
		in.stuck = true
		in.room.Wait()
	}
	in.stuck = false
	if err := ctx.Err(); err != nil {
		return err
	}
	bytes := in.cur.bytes
	in.add(t, now)
	in.cur.cut.Partitions = cut.Merged(in.cur.cut.Partitions, added)
	in.since.bytes += in.cur.bytes - bytes
	first := in.since.content && in.since.began.IsZero()
	if first {
		in.since.began = now
	}
	in.since.last = now
	if in.cur.cost >= in.capture.o.Memory/batches {
		in.hand()
		in.notify()
	}
	if first || in.since.txns == 1 {
		in.notify()
	}
	return nil
}

// space makes sure that there is a batch to fill, and says whether there is.
func (in *collector) space() bool {
	if n := len(in.free); in.cur == nil && n > 0 {
		in.cur, in.free = in.free[n-1], in.free[:n-1]
	}
	return in.cur != nil
}

// hand puts the current batch with those that the committer takes.
func (in *collector) hand() {
	in.cur.seal()
	in.ready, in.cur = append(in.ready, in.cur), nil
}

// describe makes sure that the tables of the changes are known, without the
// lock: the registry may be slow. And that each change fits into a record, before
// any of them is taken.
func (in *collector) describe(ctx context.Context, t *cdc.Txn) error {
	var last *cdc.Table
	room := 0
	for i := range t.Changes {
		c := &t.Changes[i]
		if c.Table != last {
			table, err := in.tables.of(ctx, c.Table)
			if err != nil {
				return err
			}
			last, room = c.Table, in.largest-table.room-len(t.ID)-len(t.Checkpoint.Position.File)-len(t.Checkpoint.Position.Last.GTID)
		}
		if n := len(c.Before) + len(c.After) + len(c.Key); n > room {
			return tooLarge(t, c, n, room)
		}
	}
	return nil
}

func tooLarge(t *cdc.Txn, c *cdc.Change, n, room int) error {
	id := t.ID
	if id == "" {
		id = "near " + t.Checkpoint.Position.String()
	}
	return cdc.Haltf("record-too-large", "a row of %s in the transaction %s (row %d of it, committed %s) has %d bytes before and after the change, "+
		"and a record takes %d: let records be larger (kafka.max_record), take the large column out of the maps, or make the row smaller; "+
		"nothing was lost, and nothing after it is read",
		c.Table.ID(), id, c.Index+1, t.CommitTime.UTC().Format(time.RFC3339), n, room)
}

func (in *collector) add(t *cdc.Txn, now time.Time) {
	b := in.cur
	in.seq = max(in.seq, now.UnixMicro()-1) // the next is at least now
	for _, e := range t.Epochs {
		in.seq++
		e.Seq = in.seq
		b.cut.Epochs = append(b.cut.Epochs, e)
		in.since.content = true
	}
	first := in.seq + 1
	in.statements(t)
	in.rows(t)
	if !t.Begin || !t.End {
		in.piece(t, first)
	}
	for id, l := range t.Loads {
		if b.cut.Loads == nil {
			b.cut.Loads = map[cdc.TableID]cdc.Load{}
		}
		b.cut.Loads[id] = l
		in.since.content = true
	}
	if t.Asked != 0 {
		b.cut.Asked, b.cut.Refused = t.Asked, t.Refused
		in.since.content = true
	}
	b.cut.Seq, b.cut.Checkpoint, b.cut.Transaction = in.seq, t.Checkpoint, in.large
	if t.CommitTime.After(b.cut.Commit) {
		b.cut.Commit = t.CommitTime
	}
	in.since.moved, in.since.inside = true, !t.End
	if t.End {
		in.since.txns++
	}
}

// piece notes which transaction in pieces it is that t begins, goes on with or
// ends.
func (in *collector) piece(t *cdc.Txn, first int64) {
	large := cut.Transaction{ID: t.ID}
	switch {
	case t.Begin:
		large.Begin = first
	case in.large != nil:
		large.Begin = in.large.Begin
	}
	if t.End {
		large.End = in.seq
	}
	in.large = &large
}

// rows makes the records of the changes of t.
func (in *collector) rows(t *cdc.Txn) {
	var last *cdc.Table
	var table *captureTable
	pos, env := &t.Checkpoint.Position, &in.env
	for i := range t.Changes {
		c := &t.Changes[i]
		if c.Table != last {
			last, table = c.Table, in.tables.byTable[c.Table]
			env.Source = table.source
			env.Source.GTID, env.Source.File, env.Source.Pos = pos.Last.GTID, pos.File, int64(pos.Offset)
			if t.ID != "" || !t.End { // the position of a piece is that of the transaction before
				env.Source.GTID = t.ID
			}
			env.Source.Server = pos.Server
			if !t.CommitTime.IsZero() {
				env.Source.CommitMs = t.CommitTime.UnixMilli()
			}
		}
		in.seq++
		env.Source.Seq, env.Source.Row, env.Source.Snapshot = in.seq, c.Index, c.Op == cdc.Read
		env.Before, env.After, env.Op, env.ReadMs = c.Before, c.After, c.Op, c.ReadTime.UnixMilli()
		in.cur.add(table, c, env, in.seq)
	}
	in.since.content = in.since.content || len(t.Changes) > 0
}

func (in *collector) heardAt() time.Time {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.heard
}

// swap gives all that is there to be committed.
func (in *collector) swap() ([]*batch, gathered) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.cur != nil && in.cur.cut.Seq > 0 { // an empty one has no checkpoint
		in.hand()
	}
	since := in.since
	in.since, in.full = gathered{}, false
	if in.large != nil && in.large.End != 0 {
		in.large = nil
	}
	in.room.Broadcast()
	return in.taken(), since
}

// taken gives the batches that wait. The caller holds mu.
func (in *collector) taken() []*batch {
	out := in.ready
	in.ready = nil
	return out
}

// release takes a batch back whose records the brokers have.
func (in *collector) release(b *batch) {
	b.reset()
	in.mu.Lock()
	defer in.mu.Unlock()
	in.free = append(in.free, b)
	in.room.Broadcast()
}
