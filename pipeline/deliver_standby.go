package pipeline

import (
	"context"
	"errors"
	"sync"
	"time"

	"chartwire/pipeline/broker"
	"chartwire/pipeline/lease"
	"chartwire/pipeline/shadow"
)

// deliverStandby keeps the local copy of the shadow: it follows the topic while
// another process holds the sink, so that taking over reads no more than what
// came last.
type deliverStandby struct {
	d      *Deliver
	store  *shadow.Store // nil: none is open
	topic  string        // the identity of the one that it is a copy of
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// start begins to follow, unless the lease is had soon.
func (w *deliverStandby) start(ctx context.Context) {
	ctx, w.cancel = context.WithCancel(ctx)
	w.done.Go(func() {
		for wait := 2 * lease.Term; ; {
			select {
			case <-ctx.Done():
				return
			case <-time.After(wait):
			}
			if err := w.follow(ctx); err != nil && ctx.Err() == nil {
				w.d.log.Warn("keeping the local copy of the shadow warm", "err", err, "retry_in", wait)
			}
		}
	})
}

// stop returns when the local copy is nobody's.
func (w *deliverStandby) stop() {
	w.cancel()
	w.done.Wait()
}

func (w *deliverStandby) follow(ctx context.Context) error {
	if err := w.open(ctx); err != nil {
		return err
	}
	return w.whole(w.store.Follow(ctx, w.d.o.Connection, w.d.o.Topics.Shadow(w.d.o.Sink.Name())))
}

// whole closes a copy that was not brought to a whole state: opened again, it
// is as it was last written.
func (w *deliverStandby) whole(err error) error {
	if err != nil {
		err = errors.Join(err, w.close())
	}
	return err
}

// open opens the copy of the topic that there is now.
func (w *deliverStandby) open(ctx context.Context) error {
	cl, err := w.d.o.Connection.Client()
	if err != nil {
		return err
	}
	defer cl.Close()
	id, err := broker.Identify(ctx, cl, w.d.o.Topics.Shadow(w.d.o.Sink.Name()))
	if err != nil {
		return err
	}
	if w.store != nil && w.topic == id {
		return nil
	}
	if err := w.close(); err != nil {
		return err
	}
	if w.store, err = shadow.Open(w.d.o.Dir, id); err != nil {
		return err
	}
	w.topic = id
	return nil
}

// take gives the copy, brought to the topic's end. It is the taker's until it
// calls start again.
func (w *deliverStandby) take(ctx context.Context) (*shadow.Store, error) {
	w.stop()
	if err := w.open(ctx); err != nil {
		return nil, err
	}
	err := w.whole(w.store.Refresh(ctx, w.d.o.Connection, w.d.o.Topics.Shadow(w.d.o.Sink.Name())))
	return w.store, err
}

func (w *deliverStandby) close() (err error) {
	if w.store != nil {
		err = w.store.Close()
		w.store = nil
	}
	return err
}

// end closes the copy, with what was learned of Run.
func (w *deliverStandby) end(err error) error {
	w.stop()
	return errors.Join(err, w.close())
}
