package mysql

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"chartwire/cdc"
)

// errStop says that the consumer wants no more.
var errStop = errors.New("the consumer stopped")

// stream is one call of Stream: it lives as long as its consumer iterates, and
// over any number of connections, each a session.
type stream struct {
	s     *Source
	log   *slog.Logger
	yield func(*cdc.Txn, error) bool

	v    *server
	side *conn // for the few questions that the log leaves open
	f    follower
	snap *snapshotter

	done     cdc.Checkpoint // behind what was yielded
	selected map[cdc.TableID]*cdc.Selection
	loads    map[cdc.TableID]*load
	order    []*load // all of them, in the order in which they are read
	reading  []*load // those with something to read, if replan does not say otherwise
	replan   bool
	left     map[cdc.TableID]cdc.Load // tables that were captured once
	asked    int64                    // the newest order that was carried out
	orders   <-chan cdc.Order
	told     []cdc.Order // that came and are not carried out yet
	wake     *time.Timer // when what is waited for may have come
	waitsFor string
	speed    float64 // rows a second that all workers read, lately
	admit    func(*cdc.Table) error
	opening  *cdc.Txn // what to say before the first event: new loads, epochs
	out      builder
	heard    time.Time    // of the server, last
	late     time.Time    // since when it lacks what was read
	kicks    [2]time.Time // the first and the last time that another reader took its id
	yielded  time.Time    // what was newest then
	unsaid   bool         // the position moved since
	readTime time.Time
	// keeps is how long the server keeps what it writes now, as it said at keepsAt.
	keeps   time.Duration
	keepsAt time.Time
	// elsewhere says that the position is of another server than this one.
	elsewhere bool
	// replaying says that the rows at hand are of an XA transaction that is
	// committed now.
	replaying bool
	// anySize says that an event may be larger than the memory for one.
	anySize   bool
	damaged   int // so often the event behind damagedAt
	damagedAt cdc.Position
	stuck     stuck
}

// Stream yields the server's transactions from r on, and the rows of tables
// that are not loaded yet between them. See [cdc.Stream].
//
// The zero Resume starts at the server's newest transaction and loads every
// selected table. A Resume with loads but no position says that the log was
// lost since: it also starts at the newest transaction, loads every table
// again, and says so with an epoch per table.
func (s *Source) Stream(ctx context.Context, r cdc.Resume) iter.Seq2[*cdc.Txn, error] {
	return func(yield func(*cdc.Txn, error) bool) {
		st := &stream{s: s, log: s.cfg.Log, yield: yield, done: r.Checkpoint, loads: map[cdc.TableID]*load{}, selected: maps.Clone(s.selected),
			asked: r.Asked, orders: r.Orders, heard: time.Now(), admit: admitBy(ctx, &r)}
		st.planLoads(r)
		err := st.run(ctx)
		s.metrics.behind.Set(0)
		switch {
		case err == nil, errors.Is(err, errStop), ctx.Err() != nil:
			s.left()
		default:
			yield(nil, fmt.Errorf("source %s: %w", s.cfg.Name, err))
		}
	}
}

const (
	backoffMin = 100 * time.Millisecond
	backoffMax = 5 * time.Second
)

// run goes from session to session until a person must decide, the consumer
// stops, or the server stays away too long.
func (st *stream) run(ctx context.Context) error {
	backoff := backoffMin
	var pass round
	for {
		before := st.heard
		err := st.session(ctx)
		if ctx.Err() != nil || errors.Is(err, errStop) {
			return err
		}
		if cdc.HaltCode(err) == HaltServerID && st.kicked(time.Now()) {
			err = fmt.Errorf("%v", err) // no halt yet
		}
		if _, ok := haltOf(err); cdc.HaltCode(err) != "" && !ok {
			if !st.onTheWay(err) {
				return err // of the data: every server has it
			}
			err = fmt.Errorf("it is read again, as it may have been damaged on its way: %s", err.Error())
		}
		if st.heard != before {
			st.late = time.Time{}
			if err = st.again(err, time.Now()); st.stuck.times == 1 {
				backoff, pass = backoffMin, round{}
			}
		}
		// One that was read until now is tried once more before the others.
		if st.heard == before || cdc.HaltCode(err) != "" {
			if !st.failed(&pass, err) {
				continue
			}
			if err := st.verdict(&pass, time.Now()); err != nil {
				return err
			}
			pass = round{}
		}
		wait := backoff/2 + rand.N(backoff/2)
		backoff = min(2*backoff, backoffMax)
		st.s.metrics.reconnects.Inc()
		st.log.Warn("the source broke off; connecting again", "source", st.s.cfg.Name, "address", st.s.addr(), "err", err.Error(), "wait", wait.Round(time.Millisecond))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

// onTheWay says that an event may have been damaged between the server and here:
// then it is whole when it is read again.
func (st *stream) onTheWay(err error) bool {
	if cdc.HaltCode(err) != HaltDamaged {
		return false
	}
	if at := st.f.pos.cdc(); !at.Equal(st.damagedAt) {
		st.damagedAt, st.damaged = at, 0
	}
	st.damaged++
	return st.damaged < damagedMost
}

// damagedMost is how often an event is found damaged before it is taken to be so
// in the log.
const damagedMost = 3

// session connects, makes sure that the server's log is the one that the
// position is of, and reads it until something breaks.
func (st *stream) session(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var err error
	if st.side, err = st.s.dial(ctx); err != nil {
		cancel()
		return err
	}
	defer func() { st.side.close() }()
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()

	if st.v, err = ask(st.side); err != nil {
		return st.s.explain(err)
	}
	from, err := st.locate(ctx)
	if err != nil {
		return st.s.explain(err)
	}
	st.s.metrics.behind.Set(0)
	if err := st.askKept(ctx); err != nil {
		return st.s.explain(err)
	}
	st.hook()
	st.f.decided = func(p *prepared, events []event) error { return st.decided(ctx, p, events) }
	st.f.repeated = func(xid string) error {
		_, err := st.repeated(ctx, xid)
		return err
	}
	st.out.restart(st.done)
	st.snap = newSnapshotter(st.s, st.v)
	st.wake = time.NewTimer(time.Hour)
	defer st.wake.Stop()
	for _, l := range st.order {
		l.parts = nil // marks are of one connection's server
	}
	st.snap.run(ctx, &running)
	if err := st.open(); err != nil {
		return err
	}
	r, err := st.s.dump(ctx, st.v, from, st.s.cfg.ServerID)
	if err != nil {
		return err
	}
	running.Go(r.run)
	return st.read(ctx, r)
}

// read is the loop of a session.
func (st *stream) read(ctx context.Context, r *reader) error {
	for {
		orders := st.orders
		if st.inside() {
			orders = nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case o := <-orders:
			st.told = append(st.told, o)
			if err := st.between(); err != nil {
				return err
			}
		case b := <-r.out:
			st.readTime = b.at
			if err := st.slab(b); err != nil {
				return st.stopped(err)
			}
			if b.err != nil {
				return st.stopped(st.lost(b.err))
			}
			r.release(b)
		case <-st.wake.C:
			if !st.inside() {
				if err := st.between(); err != nil {
					return err
				}
			}
		case c := <-st.snap.results:
			if err := st.partRead(c); err != nil {
				return err
			}
			if !st.inside() {
				if err := st.between(); err != nil {
					return err
				}
			}
		}
	}
}

func (st *stream) slab(b *slab) error {
	if len(b.events) > 0 {
		st.heard = b.at
	}
	st.s.metrics.bytes.Add(float64(len(b.buf)))
	return b.each(st.f.follow)
}

// inside says that the consumer, or the log, stands inside a transaction.
func (st *stream) inside() bool { return st.f.g.open || st.out.skip > 0 }

// logHalts are the halts that are about an event where no transaction is open.
var logHalts = []string{HaltDamaged, HaltIncident, HaltUnknownEvent, HaltCut, HaltResumeRow}

// stopped gives a halt the position of the transaction that it is about, and
// takes the consumer there: what is passed over is then this transaction alone.
func (st *stream) stopped(err error) error {
	var h *cdc.Halt
	if !errors.As(err, &h) || !st.f.g.open && !slices.Contains(logHalts, h.Code) {
		return err
	}
	h.At = st.f.pos.cdc()
	if st.done.Rows == 0 && !st.done.Position.Equal(h.At) {
		if err := st.heartbeat(); err != nil {
			return err
		}
	}
	return err
}

// hook connects the follower to the stream.
func (st *stream) hook() {
	st.f.begun = st.begun
	st.f.rows = st.rows
	st.f.query = st.query
	st.f.broken = st.broken
	st.f.ended = st.ended
	st.f.settled = func() error { st.unsaid = true; return nil }
	st.f.still = func() error {
		if st.inside() {
			return nil
		}
		if st.f.at.compare(st.f.exactFrom) >= 0 { // there is nothing left to break off at
			st.unstuck()
		}
		if err := st.askAgain(); err != nil {
			return err
		}
		if err := st.heartbeat(); err != nil {
			return err
		}
		if err := st.lookLater(); err != nil {
			return err
		}
		return st.between()
	}
}

// open says what the loads are before anything else happens, so that a start
// that was interrupted is known as one. A consumer that stands inside a
// transaction hears it behind that.
func (st *stream) open() error {
	if st.opening == nil || st.out.skip > 0 {
		return nil
	}
	t := st.opening
	t.Begin, t.End = true, true
	t.CommitTime = time.Now()
	t.Checkpoint = cdc.Checkpoint{Position: st.f.pos.cdc()}
	st.opening = nil
	return st.give(t)
}

// give yields one Txn and notes how far that takes the consumer.
func (st *stream) give(t *cdc.Txn) error {
	if !st.yield(t, nil) {
		return errStop
	}
	if st.done = t.Checkpoint; st.stuck.times > 0 && !st.stuck.stands(&st.done) {
		st.unstuck()
	}
	st.yielded = st.readTime
	if t.Checkpoint.Rows == 0 {
		st.unsaid = false
	}
	return nil
}

// heartbeat says that everything up to now is known.
func (st *stream) heartbeat() error {
	st.s.metrics.heartbeat.SetToCurrentTime()
	st.lasting(st.readTime)
	return st.give(&cdc.Txn{Begin: true, End: true, CommitTime: st.readTime, Checkpoint: cdc.Checkpoint{Position: st.f.pos.cdc()}})
}

// quiet is how often transactions that touch nothing captured are told.
const quiet = 20 * time.Millisecond

// ended is a whole transaction.
func (st *stream) ended(committed bool) error {
	if !committed {
		if err := st.out.drop(st.f.at); err != nil {
			return err
		}
	}
	if err := st.out.complete(); err != nil {
		return err
	}
	st.s.metrics.transactions.Inc()
	if err := st.askAgain(); err != nil {
		return err
	}
	if st.out.quiet() && st.readTime.Sub(st.yielded) < quiet {
		st.unsaid = true
		return st.between()
	}
	st.touch()
	t := st.out.last(st.committed(), cdc.Checkpoint{Position: st.f.pos.cdc()})
	st.lasting(t.CommitTime)
	if err := st.give(t); err != nil {
		return err
	}
	return st.between()
}
