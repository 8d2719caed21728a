package mysql

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"chartwire/cdc"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"
)

// chunk is what a worker says of a part: its end alone, when planned, and then
// its rows. They may be given once the stream has passed high: every change up
// to there that the read did not see has then touched the window.
type chunk struct {
	id      cdc.TableID
	part    *part
	window  *window
	planned bool
	until   []string // planned: the part's last key

	memory
	after []string // the last row's key, nil if there is no row
	end   bool     // no row of the part follows; planned: no part follows
	total int64
	info  *tableInfo
	shape *cdc.Table
	high  place
	at    time.Time
	err   error

	n, asked, size int // rows read and asked for, and their bytes
	took           time.Duration
}

// memory is what the rows of a chunk are in. It goes from a worker to the stream,
// and back when the consumer is done with them.
type memory struct {
	arena   []byte
	changes []cdc.Change
}

// chunkRequest asks for the rows of a part, as of p0 or later.
type chunkRequest struct {
	id           cdc.TableID
	part         *part
	window       *window
	columns      []string
	after, until []string
	key          []string // the columns that these are of, if that is known
	last         bool     // the part is the last one
	plan         bool     // find the part's end first
	where        string
	rows         int
	version      int
	p0           place
	p0ids        string // MySQL, where the server has ids
}

// snapshotter is the workers of a session.
type snapshotter struct {
	s        *Source
	v        *server
	workers  int
	free     int // of the stream's side: workers without work
	requests chan chunkRequest
	results  chan *chunk
	unused   chan memory
	pace     *pacer
}

func newSnapshotter(s *Source, v *server) *snapshotter {
	n := s.cfg.Snapshot.Workers
	return &snapshotter{s: s, v: v, workers: n, free: n, requests: make(chan chunkRequest, n), results: make(chan *chunk, n),
		unused: make(chan memory, partsEach*n), pace: &pacer{s: s, p: &s.cfg.Snapshot.Pace, every: lookEvery}}
}

// run starts the workers, which end with ctx.
func (w *snapshotter) run(ctx context.Context, running *sync.WaitGroup) {
	if w.pace.looks() {
		running.Go(func() { w.pace.run(ctx) })
	}
	for range w.workers {
		running.Go(func() {
			(&worker{s: w.s, v: w.v, busy: &w.pace.busy, unused: w.unused, tables: map[cdc.TableID]*snapshotTable{}}).run(ctx, w.requests, w.results)
		})
	}
}

// reuse takes a chunk's memory back, unless it is much larger than chunks are.
func (w *snapshotter) reuse(c *chunk) {
	if cap(c.arena) > 2*w.s.cfg.Piece {
		return
	}
	clear(c.changes)
	select {
	case w.unused <- c.memory:
	default:
	}
	c.memory = memory{}
}

// forget leaves the memory to others: nothing is to be read.
func (w *snapshotter) forget() {
	for {
		select {
		case <-w.unused:
		default:
			return
		}
	}
}

// worker reads parts on a connection of its own.
type worker struct {
	s      *Source
	v      *server
	c      *conn
	tables map[cdc.TableID]*snapshotTable
	busy   *atomic.Int32 // workers that read
	unused chan memory
	// hurried says that the connection waits for no lock longer than lockWait.
	hurried bool
}

// run reads what is asked for until its context ends.
func (w *worker) run(ctx context.Context, requests <-chan chunkRequest, results chan<- *chunk) {
	defer func() {
		if w.c != nil {
			w.c.close()
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return
		case q := <-requests:
			c := &chunk{id: q.id, part: q.part, window: q.window, asked: q.rows}
			select {
			case c.memory = <-w.unused:
			default:
			}
			if c.err = w.pause(ctx); c.err == nil {
				w.busy.Add(1)
				c.err = w.read(ctx, &q, c, results)
				w.busy.Add(-1)
			}
			if alone(c.err) != nil { // the stream holds the table once it is where the table is so
				c.high, _ = w.v.logEnd(w.c)
			}
			if c.err != nil && cdc.HaltCode(c.err) == "" && c.err != errNoTable && w.c != nil {
				w.drop() // whatever it was, the next one starts on a fresh connection
			}
			select {
			case results <- c:
			case <-ctx.Done():
				return
			}
		}
	}
}

func (w *worker) pause(ctx context.Context) error {
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

// drop closes the connection, and forgets what was seen on it.
func (w *worker) drop() {
	w.c.close()
	w.c, w.hurried = nil, false
	clear(w.tables)
}

var errChanged = errors.New("a statement changed the table since it was described")

// changed says what it means that a row does not read as its table was described:
// mostly that a statement has changed the table since, which the log comes to. The
// rest of the result is still on its way.
func (w *worker) changed(ctx context.Context, q *chunkRequest, t *snapshotTable, corrupt error) (err error) {
	w.drop()
	if w.c, err = w.s.dial(ctx); err != nil {
		return err
	}
	now, err := w.describeNow(q)
	switch {
	case err != nil:
		return err
	case sameShape(t.enc.Table(), now.enc.Table()):
		return corrupt
	}
	return errChanged
}

// unread says what is wrong without what the server says: its text may quote the
// statement, and so a key.
func (w *worker) unread(q *chunkRequest, err error) error {
	if err == errLarge {
		return err
	}
	code := serverCode(err)
	if code == gomysql.ER_LOCK_WAIT_TIMEOUT {
		return fmt.Errorf("reading rows of %s: some are locked, by a transaction that goes on or is prepared (XA RECOVER): %w", q.id, serverSays(code))
	}
	if code != 0 && cdc.HaltCode(w.s.explain(err)) == "" {
		return fmt.Errorf("reading rows of %s: %w", q.id, serverSays(code))
	}
	return w.s.explain(fmt.Errorf("reading rows of %s: %w", q.id, said(err)))
}

// serverSays is the number of a server's error.
type serverSays uint16

func (e serverSays) Error() string { return fmt.Sprintf("the server says %d", uint16(e)) }
