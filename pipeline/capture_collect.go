package pipeline

import (
	"context"
	"errors"
	"sync"
	"time"

	"chartwire/cdc"
	"chartwire/schemas"
)

// batchBytes bounds the memory of a batch: on a backlog about what a tenth of a
// second brings.
const batchBytes = 24 << 20

// collector takes transactions from the stream and fills the current batch,
// until the committer swaps it.
type collector struct {
	capture *Capture
	tables  *captureTables
	seq     int64 // the last one given
	env     schemas.Envelope

	mu    sync.Mutex
	room  *sync.Cond    // the batch was swapped, or the end has come
	wake  chan struct{} // something for the committer to look at
	cur   *batch
	full  bool  // the batch takes no more
	ended bool  // nothing more will come
	err   error // why; nil when ctx ended
	heard time.Time
}

func newCollector(c *Capture, t *captureTables, seq int64) *collector {
	in := &collector{capture: c, tables: t, seq: seq, wake: make(chan struct{}, 1), cur: &batch{}}
	in.room = sync.NewCond(&in.mu)
	return in
}

// run reads the stream until it or ctx ends.
func (in *collector) run(ctx context.Context, r cdc.Resume) {
	// The wait for room ends with ctx.
	defer context.AfterFunc(ctx, func() {
		in.mu.Lock()
		defer in.mu.Unlock()
		in.room.Broadcast()
	})()
	err := errors.New("the stream ended by itself")
	for t, serr := range in.capture.o.Stream(ctx, r) {
		if err = serr; err != nil {
			break
		}
		if err = in.take(ctx, t); err != nil {
			break
		}
		err = errors.New("the stream ended by itself")
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
	if err := in.describe(ctx, t); err != nil {
		return err
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.heard = now
	// A transaction in pieces begins a batch of its own: the end of those
	// before it is a cut, and should not wait for its end.
	if t.Begin && !t.End && in.cur.content {
		in.full = true
		in.notify()
	}
	for (in.full || in.cur.cost >= batchBytes) && ctx.Err() == nil {
		in.room.Wait()
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	in.add(t, now)
	b := in.cur
	if b.content && b.began.IsZero() {
		b.began = now
		in.notify()
	}
	if b.cost >= batchBytes || b.txns == 1 {
		in.notify()
	}
	return nil
}

// describe makes sure that the tables of the changes are known, without the
// lock: the registry may be slow.
func (in *collector) describe(ctx context.Context, t *cdc.Txn) error {
	var last *cdc.Table
	for i := range t.Changes {
		if table := t.Changes[i].Table; table != last {
			if _, err := in.tables.of(ctx, table); err != nil {
				return err
			}
			last = table
		}
	}
	return nil
}

func (in *collector) add(t *cdc.Txn, now time.Time) {
	b := in.cur
	in.seq = max(in.seq, now.UnixMicro()-1) // the next is at least now
	for _, e := range t.Epochs {
		in.seq++
		e.Seq = in.seq
		b.cut.Epochs = append(b.cut.Epochs, e)
		b.content = true
	}
	in.rows(t)
	for id, l := range t.Loads {
		if b.cut.Loads == nil {
			b.cut.Loads = map[cdc.TableID]cdc.Load{}
		}
		b.cut.Loads[id] = l
		b.content = true
	}
	b.cut.Seq, b.cut.Checkpoint = in.seq, t.Checkpoint
	if t.CommitTime.After(b.cut.Commit) {
		b.cut.Commit = t.CommitTime
	}
	b.moved, b.inside = true, !t.End
	if t.End {
		b.txns++
	}
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
	in.cur.content = in.cur.content || len(t.Changes) > 0
}

func (in *collector) heardAt() time.Time {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.heard
}

// swap gives the batch to be committed, and takes one whose commit is done.
func (in *collector) swap(done *batch) (b *batch, rows map[*captureTable]int) {
	done.reset()
	in.mu.Lock()
	defer in.mu.Unlock()
	b = in.cur
	rows = b.seal()
	in.cur, in.full = done, false
	in.room.Broadcast()
	return b, rows
}
