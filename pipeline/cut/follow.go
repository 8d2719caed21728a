package cut

import (
	"context"
	"fmt"
	"iter"

	"chartwire/pipeline/broker"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Follow yields the newest cut of a source as it is now, whole, and then each
// cut that follows, with what it changes, until ctx ends. Records inside a
// source transaction are folded into the cut at its end. Where capture has
// never run it waits. An error is the last thing that it yields.
func Follow(ctx context.Context, c broker.Config, topic string) iter.Seq2[*Cut, error] {
	return func(yield func(*Cut, error) bool) {
		first, end, err := Latest(ctx, c, topic)
		if err != nil {
			yield(nil, err)
			return
		}
		f := follower{}
		if first != nil {
			first.Full = true
			if d := f.fold(first); d != nil && !yield(d, nil) {
				return
			}
		}
		cl, err := c.Client(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().At(end)}}))
		if err != nil {
			yield(nil, err)
			return
		}
		defer cl.Close()
		for ctx.Err() == nil {
			fetches := cl.PollFetches(ctx)
			if ctx.Err() != nil {
				return
			}
			for _, e := range fetches.Errors() {
				yield(nil, broker.Denied(fmt.Errorf("reading cuts from %s: %w", topic, e.Err)))
				return
			}
			for it := fetches.RecordIter(); !it.Done(); {
				d, err := Decode(it.Next().Value)
				if err != nil {
					yield(nil, err)
					return
				}
				if d = f.fold(d); d != nil && !yield(d, nil) {
					return
				}
			}
		}
	}
}

// follower keeps what records inside a transaction changed until its end.
type follower struct{ inside *Cut }

// fold gives the cut that d makes, nil if it is none.
func (f *follower) fold(d *Cut) *Cut {
	if f.inside != nil {
		whole := f.inside.Full || d.Full
		f.inside.Fold(d)
		d = f.inside
		d.Full = whole
	}
	if d.Inside() {
		f.inside = d
		return nil
	}
	f.inside = nil
	return d
}
