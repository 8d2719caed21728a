package mysql

import (
	"context"
	"errors"
	"time"

	"chartwire/cdc"
)

// chunk is some rows of a table in key order, read beside the stream. It may be
// given once the stream has passed high: every change up to there that the read
// did not see has then touched the window.
type chunk struct {
	id      cdc.TableID
	window  *window
	changes []cdc.Change
	after   []string // the last row's key, nil if there is no row
	end     bool     // no row follows
	total   int64
	info    *tableInfo
	high    place
	at      time.Time
	err     error
}

// chunkRequest asks for the rows after a key, as of p0 or later.
type chunkRequest struct {
	id      cdc.TableID
	columns []string
	after   []string
	window  *window
	version int
	p0      place
	p0ids   string // MySQL, where the server has ids
}

// snapshotter reads chunks, one at a time, on a connection of its own.
type snapshotter struct {
	s        *Source
	v        *server
	requests chan chunkRequest
	results  chan *chunk
	busy     cdc.TableID // of the stream's side: the table that is being read

	c       *conn
	table   *snapshotTable
	version int
	rows    int // of the next chunk
	rowsOf  cdc.TableID
}

func newSnapshotter(s *Source, v *server) *snapshotter {
	return &snapshotter{s: s, v: v, requests: make(chan chunkRequest, 1), results: make(chan *chunk, 1), rows: s.cfg.Snapshot.ChunkRows}
}

// run reads what is asked for until its context ends.
func (w *snapshotter) run(ctx context.Context) {
	defer func() {
		if w.c != nil {
			w.c.close()
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return
		case q := <-w.requests:
			c := &chunk{id: q.id, window: q.window}
			if c.err = w.pause(ctx); c.err == nil {
				c.err = w.read(ctx, &q, c)
			}
			if c.err != nil && cdc.HaltCode(c.err) == "" && c.err != errNoTable && w.c != nil {
				w.c.close() // whatever it was, the next one starts on a fresh connection
				w.c, w.table = nil, nil
			}
			select {
			case w.results <- c:
			case <-ctx.Done():
				return
			}
		}
	}
}

func (w *snapshotter) pause(ctx context.Context) error {
	if w.s.cfg.Snapshot.Pause == 0 {
		return nil
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(w.s.cfg.Snapshot.Pause):
		return nil
	}
}

// The waits before a chunk that could not be read is asked for again.
const (
	retryMissing = 5 * time.Second
	retryFailed  = time.Second
)

// between is what happens between two transactions: a chunk that is ripe is
// given, and the next one asked for.
func (st *stream) between() error {
	if err := st.open(); err != nil || st.out.skip > 0 || !st.f.exact {
		return err
	}
	for {
		w := st.snap
		if w.busy != (cdc.TableID{}) {
			l := st.loads[w.busy]
			if l.window == nil || l.window.chunk == nil || st.f.pos.at.compare(l.window.chunk.high) < 0 {
				return nil
			}
			if l.window.over {
				st.log.Warn("a chunk waited too long for the stream and is read again", "source", st.s.cfg.Name, "table", l.id.String())
				l.window, w.busy, l.retry = nil, cdc.TableID{}, time.Now().Add(retryFailed)
			} else if err := st.giveChunk(l); err != nil {
				return err
			}
		}
		l := st.nextLoad()
		if l == nil {
			return nil
		}
		l.window = &window{keys: map[string]struct{}{}}
		w.busy = l.id
		q := chunkRequest{id: l.id, columns: st.s.selected[l.id].Columns, after: l.state.After, window: l.window,
			version: l.version, p0: st.f.pos.at}
		if !st.v.maria && st.v.gtid && st.f.pos.byID {
			q.p0ids = st.f.pos.text
		}
		w.requests <- q
		return nil
	}
}

// nextLoad is the first table, in the configuration's order, with rows to read.
func (st *stream) nextLoad() *load {
	for i := range st.s.cfg.Selections {
		l := st.loads[st.s.cfg.Selections[i].Table]
		if l.state.Phase != cdc.LoadDone && (l.retry.IsZero() || time.Now().After(l.retry)) {
			return l
		}
	}
	return nil
}

// chunkRead takes what the snapshotter read. If its window was replaced
// meanwhile, the rows may be of before a change of the table, and are dropped.
func (st *stream) chunkRead(c *chunk) error {
	l := st.loads[c.id]
	if c.err != nil || l.window != c.window {
		st.snap.busy = cdc.TableID{}
		if l.window == c.window {
			l.window = nil
		}
		switch {
		case errors.Is(c.err, errNoTable):
			if l.retry.IsZero() {
				st.log.Warn("a selected table is not there, or the user may not see it; waiting for it", "source", st.s.cfg.Name, "table", c.id.String())
			}
			l.retry = time.Now().Add(retryMissing)
		case cdc.HaltCode(c.err) != "":
			return c.err
		case c.err != nil:
			st.log.Warn("a chunk could not be read; again in a moment", "source", st.s.cfg.Name, "table", c.id.String(), "err", c.err.Error())
			l.retry = time.Now().Add(retryFailed)
		}
	} else {
		l.window.chunk = c
	}
	if st.f.g.open {
		return nil
	}
	return st.between()
}

// giveChunk gives the rows that nothing changed since the window opened.
func (st *stream) giveChunk(l *load) error {
	c := l.window.chunk
	kept := c.changes[:0]
	for _, r := range c.changes {
		if _, changed := l.window.keys[r.Key]; !changed {
			kept = append(kept, r)
		}
	}
	if l.state.Phase == cdc.LoadWaiting {
		l.state.Phase, l.state.Rows, l.state.Total = cdc.LoadReading, 0, c.total
		l.state.Columns = nil
		for _, col := range c.info.columns {
			l.state.Columns = append(l.state.Columns, col)
		}
	}
	if st.v.maria {
		st.pin(l, c.info.meta)
	}
	l.state.Rows += int64(len(kept))
	if c.after != nil {
		l.state.After = c.after
	}
	if c.end {
		l.state.Phase, l.state.After = cdc.LoadDone, nil
	}
	st.s.metrics.loaded.Add(float64(len(kept)))
	l.window, st.snap.busy = nil, cdc.TableID{}
	return st.give(&cdc.Txn{Begin: true, End: true, Changes: kept, CommitTime: c.at,
		Checkpoint: cdc.Checkpoint{Position: st.f.pos.cdc()}, Loads: map[cdc.TableID]cdc.Load{l.id: l.state}})
}
