package mysql

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
)

// errEnough ends a pass from inside.
var errEnough = errors.New("that is enough")

// pass reads the server's log from a place on, beside the stream, until event
// has had enough.
func (st *stream) pass(ctx context.Context, from origin, event func(raw []byte) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// Under an id of its own: a server ends the older of two readers with one.
	r, err := st.s.dump(ctx, st.v, from, 1<<31|rand.Uint32())
	if err != nil {
		return err
	}
	if st.anySize {
		r.most = maxEvent
	}
	var running sync.WaitGroup
	running.Go(r.run)
	defer running.Wait()
	defer cancel()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case b := <-r.out:
			if err := b.each(event); err != nil {
				if errors.Is(err, errEnough) {
					return nil
				}
				return err
			}
			if b.err != nil {
				return st.lost(b.err)
			}
			r.release(b)
		}
	}
}

// observer is a follower that hands nothing on: what is to be seen is hooked
// into it.
func (st *stream) observer(at place, pos position) *follower {
	f := &follower{maria: st.v.maria, lower: st.v.lower, checksummed: st.v.sums, tables: newTables(nil), at: at, pos: pos, most: maxEvent, payload: payload{most: maxEvent}}
	f.begun = func() error { return nil }
	f.settled, f.still = f.begun, f.begun
	f.ended = func(bool) error { return nil }
	f.rows = func(*table, *rowsEvent) error { return nil }
	f.query = func(*query, string, string) error { return nil }
	f.decided = func(*prepared, []event) error { return nil }
	f.repeated = func(string) error { return nil }
	return f
}
