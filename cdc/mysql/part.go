package mysql

import (
	"slices"
	"strings"
	"time"

	"chartwire/cdc"
)

// part is a run of a table's keys that is read at once, beside the stream, and
// given as one chunk. Parts are given in the order of their keys, so that one
// key says how far a read has come, however many workers read.
type part struct {
	task  int64    // the order that asked for the read; 0: the first one
	after []string // the key before it; nil is the table's start
	// until is its last key: nil for the part behind which nothing follows, and
	// until that is known.
	until  []string
	last   bool
	window *window // from the request on
	chunk  *chunk  // once it is read
}

// known says whether the place is known where the next part begins.
func (p *part) known() bool { return p.last || p.until != nil }

// window collects the keys that the stream changes while a part is read.
type window struct {
	keys map[string]struct{}
	room int  // bytes that further keys may take
	over bool // there were too many: what was read is worth nothing
}

// keysShare is the part of the memory that the windows of all workers may take.
// A stream that is so far behind, or a statement that changes so many rows, makes
// parts wait for a better moment.
const keysShare = 4

// keyCost is what a key takes in a window besides its text.
const keyCost = 64

func (w *window) touch(key string) {
	if _, ok := w.keys[key]; ok || w.over {
		return
	}
	if w.room -= len(key) + keyCost; w.room < 0 {
		w.keys, w.over = nil, true
		return
	}
	w.keys[strings.Clone(key)] = struct{}{}
}

// between is what happens between two transactions: orders are carried out, what
// is ripe is given, and further parts are asked for.
func (st *stream) between() error {
	if err := st.open(); err != nil || st.out.skip > 0 || !st.f.exact {
		return err
	}
	if len(st.told) > 0 {
		if err := st.obey(); err != nil {
			return err
		}
	}
	if st.replan {
		st.plan()
	}
	if len(st.reading) == 0 {
		return nil
	}
	st.request() // before what is read is given: its consumer may take its time
	for _, l := range st.reading {
		if err := st.ripe(l); err != nil {
			return err
		}
	}
	if st.replan {
		st.plan()
	}
	st.request()
	return nil
}

// plan notes which tables have anything to read.
func (st *stream) plan() {
	st.replan, st.reading = false, nil
	for _, l := range st.order {
		_, open := l.task()
		if open {
			st.reading = append(st.reading, l)
		}
		if !open || l.state.IsHeld() {
			st.failing(l, nil)
		}
	}
	if len(st.reading) == 0 {
		st.snap.forget()
		st.say(wait{})
	}
	st.estimate()
}

// ripe gives what the stream has passed of a table, in the order of the keys.
func (st *stream) ripe(l *load) error {
	for len(l.parts) > 0 {
		p := l.parts[0]
		if p.chunk == nil || st.f.pos.at.compare(p.chunk.high) < 0 {
			return nil
		}
		if p.window.over {
			st.log.Warn("a chunk waited too long for the stream and is read again", "source", st.s.cfg.Name, "table", l.id.String())
			p.window, p.chunk, l.retry = nil, nil, time.Now().Add(retryFailed)
			return nil
		}
		if err := st.giveChunk(l, p); err != nil {
			return err
		}
	}
	return nil
}

// request keeps the workers busy.
func (st *stream) request() {
	for st.snap.free > 0 {
		if st.waits() {
			return
		}
		l, p := st.nextPart()
		if p == nil {
			return
		}
		p.window = &window{keys: map[string]struct{}{}, room: st.s.cfg.Memory / keysShare / (partsEach * st.snap.workers)}
		st.snap.free--
		q := chunkRequest{id: l.id, part: p, window: p.window, columns: st.selected[l.id].Columns, after: p.after, until: p.until, last: p.last, key: l.state.Key,
			rows: st.snap.pace.most(l.rows), version: l.version, p0: st.f.pos.at}
		q.where = l.where()
		// One worker alone finds the end of a part while it reads it, unless it
		// may look through many rows for one.
		q.plan = !p.known() && (st.snap.workers > 1 || q.where != "")
		if !st.v.maria && st.v.gtid && st.f.pos.byID {
			q.p0ids = st.f.pos.text
		}
		st.snap.requests <- q
	}
}

// partsEach bounds what is read and not given yet, for each worker: one part is
// read while another waits for the stream.
const partsEach = 2

// nextPart finds what to read next: of the first table that has anything.
func (st *stream) nextPart() (*load, *part) {
	waiting := 0
	for _, l := range st.reading {
		waiting += len(l.parts)
	}
	for _, l := range st.reading {
		if l.state.Paused || l.state.IsHeld() || !l.retry.IsZero() && time.Now().Before(l.retry) {
			continue
		}
		for _, p := range l.parts {
			if p.window == nil {
				return l, p
			}
		}
		if waiting >= partsEach*st.snap.workers {
			continue
		}
		again, open := l.task()
		if !open {
			continue
		}
		p := &part{after: l.state.After}
		if again >= 0 {
			p.task, p.after = l.state.Again[again].Order, l.state.Again[again].After
		}
		if n := len(l.parts); n > 0 {
			before := l.parts[n-1]
			if before.last || before.until == nil {
				continue
			}
			p.after = before.until
		}
		l.parts = append(l.parts, p)
		return l, p
	}
	return nil, nil
}

// partRead takes what a worker says. What is of a part that was given up may be
// of before a change of the table, and is dropped.
func (st *stream) partRead(c *chunk) error {
	if !c.planned {
		st.snap.free++
	}
	l, p := st.loads[c.id], c.part
	i := slices.Index(l.parts, p)
	if i < 0 || p.window != c.window {
		return nil
	}
	switch {
	case c.err != nil:
		p.window = nil
		return st.unread(l, p, c)
	case c.planned:
		p.until, p.last = c.until, c.end
		return nil
	case c.end: // everything up to the part's end, if it has one
		p.last = p.until == nil
	default: // there is more of it
		if p.known() {
			l.parts = slices.Insert(l.parts, i+1, &part{task: p.task, after: c.after, until: p.until, last: p.last})
		}
		p.until, p.last = c.after, false
	}
	p.chunk = c
	st.failing(l, nil)
	looked := c.n
	if l.where() != "" { // at all the rows of the part, however few were taken
		looked = max(c.n, c.asked)
	}
	st.snap.pace.read(time.Now(), looked)
	st.measured(c, looked)
	st.adapt(l, c)
	return nil
}

// adapt sizes the next part: half a second at most, and no more bytes than a
// piece of a transaction.
func (st *stream) adapt(l *load, c *chunk) {
	switch piece, most := st.s.cfg.Piece, 10*st.s.cfg.Snapshot.ChunkRows; {
	case c.size > piece || c.took > 500*time.Millisecond:
		l.rows = max(1, c.asked/2)
	case c.n >= c.asked && c.size < piece/2 && c.took < 100*time.Millisecond && l.rows < most:
		l.rows = min(2*c.asked, most)
	}
}

// The waits before a part that could not be read is asked for again.
const (
	retryMissing = 5 * time.Second
	retryFailed  = time.Second
)

// unread says why a part could not be read, and when it is tried again.
func (st *stream) unread(l *load, p *part, c *chunk) error {
	switch {
	case c.err == errLarge:
		l.rows = max(1, min(l.rows, c.n/largeChunk))
	case c.err == errNoTable:
		if l.fails == 0 {
			st.log.Warn("a selected table is not there, or the user may not see it; waiting for it", "source", st.s.cfg.Name, "table", l.id.String())
		}
		st.failing(l, c.err)
		l.retry = time.Now().Add(retryMissing)
	case l.where() != "" && wrongCondition(c.err) && l.fails > 0:
		// Once alone it may be for a statement that changed the table since.
		again, _ := l.task()
		return st.refuse(l, again, c.err)
	case alone(c.err) != nil && st.f.pos.at.compare(c.high) < 0:
		l.retry = time.Now().Add(retryFailed)
	case alone(c.err) != nil:
		return st.holdNow(l, alone(c.err))
	case cdc.HaltCode(c.err) != "":
		return c.err
	default:
		st.log.Warn("a chunk could not be read; again in a moment", "source", st.s.cfg.Name, "table", l.id.String(), "err", c.err.Error())
		st.failing(l, c.err)
		l.retry = time.Now().Add(retryFailed)
	}
	return nil
}

// giveChunk gives the rows that nothing changed since the window opened.
func (st *stream) giveChunk(l *load, p *part) error {
	c := p.chunk
	switch err := st.admit(c.shape); {
	case alone(err) != nil:
		return st.holdNow(l, alone(err))
	case err != nil:
		return err
	}
	t := &cdc.Txn{Begin: true, End: true, CommitTime: c.at, Checkpoint: cdc.Checkpoint{Position: st.f.pos.cdc()}}
	if key := c.shape.KeyNames(); l.state.Key != nil && !slices.Equal(l.state.Key, key) {
		t.Epochs = append(t.Epochs, cdc.Epoch{Table: l.id, Kind: cdc.EpochReload})
		l.state.Key = key
	}
	kept := c.changes[:0]
	for _, r := range c.changes {
		if _, changed := p.window.keys[r.Key]; !changed {
			kept = append(kept, r)
		}
	}
	if st.v.maria {
		st.pin(l, c.info.meta)
	}
	st.advance(l, p, int64(len(kept)))
	l.parts = l.parts[1:]
	if p.last {
		l.parts, st.replan = nil, true
	}
	st.s.metrics.loaded.Add(float64(len(kept)))
	st.estimate()
	t.Changes = kept
	tellIn(t, l)
	err := st.give(t)
	st.snap.reuse(c)
	return err
}

// advance notes in the table's state how far the read has come.
func (st *stream) advance(l *load, p *part, rows int64) {
	s, now := &l.state, time.Now()
	if again, _ := l.task(); again >= 0 {
		s.Again = slices.Clone(s.Again) // what was given before stays as it is
		r := &s.Again[again]
		if r.Phase == cdc.LoadWaiting {
			r.Phase, r.Total, r.Started = cdc.LoadReading, p.chunk.total, now
		}
		r.Rows, r.After = r.Rows+rows, p.until
		if p.last {
			r.Phase, r.After, r.Ended = cdc.LoadDone, nil, now
		}
		return
	}
	if s.Phase == cdc.LoadWaiting {
		s.Phase, s.Rows, s.Total, s.Started = cdc.LoadReading, 0, p.chunk.total, now
		l.describe(p.chunk.shape)
	} else if len(p.chunk.shape.Columns) < len(s.Columns) { // one is selected no more
		l.describe(p.chunk.shape)
	}
	s.Rows, s.After = s.Rows+rows, p.until
	if p.last {
		s.Phase, s.After, s.Ended = cdc.LoadDone, nil, now
	}
}
