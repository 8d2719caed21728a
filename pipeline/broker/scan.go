package broker

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Offsets are offsets by topic and partition.
type Offsets map[string]map[int32]int64

func (o Offsets) set(topic string, partition int32, offset int64) {
	if o[topic] == nil {
		o[topic] = map[int32]int64{}
	}
	o[topic][partition] = offset
}

// Scan reads topics from their start to their committed end as it is when Scan
// is called, and gives that end: where a consumer goes on. The records of a
// partition come in order, those of several interleaved.
func Scan(ctx context.Context, c Config, fn func(*kgo.Record) error, topics ...string) (Offsets, error) {
	cl, err := c.Client()
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	starts, err := kadm.NewClient(cl).ListStartOffsets(ctx, topics...)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("listing start offsets: %w", err)
	}
	from := Offsets{}
	starts.Each(func(o kadm.ListedOffset) { from.set(o.Topic, o.Partition, o.Offset) })
	return ScanFrom(ctx, c, from, fn)
}

// ScanFrom is [Scan] from given offsets on.
func ScanFrom(ctx context.Context, c Config, from Offsets, fn func(*kgo.Record) error) (Offsets, error) {
	left, consume := Offsets{}, map[string]map[int32]kgo.Offset{}
	ends, err := Ends(ctx, c, topicsOf(from)...)
	if err != nil {
		return nil, err
	}
	for topic, parts := range from {
		for p, offset := range parts {
			if offset >= ends[topic][p] {
				continue
			}
			left.set(topic, p, ends[topic][p])
			if consume[topic] == nil {
				consume[topic] = map[int32]kgo.Offset{}
			}
			consume[topic][p] = kgo.NewOffset().At(offset)
		}
	}
	if len(left) == 0 {
		return ends, nil
	}
	// The last offset before the end may be a transaction's marker, which only
	// KeepControlRecords shows. It cannot have been compacted away: the segment
	// that is being written is never compacted.
	cl, err := c.Client(kgo.ConsumePartitions(consume), kgo.KeepControlRecords(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	err = readTo(ctx, cl, left, func(r *kgo.Record) error {
		if r.Attrs.IsControl() {
			return nil
		}
		return fn(r)
	})
	if err != nil {
		return nil, err
	}
	return ends, nil
}

// readTo polls a client until everything before the ends in left was handed on,
// control records too if the client keeps them. It empties left.
func readTo(ctx context.Context, cl *kgo.Client, left Offsets, fn func(*kgo.Record) error) error {
	for len(left) > 0 {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			return fmt.Errorf("reading %v: %w", topicsOf(left), err)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := deliver(fetches, left, fn); err != nil {
			return err
		}
	}
	return nil
}

// deliver hands on the records before the ends in left, and removes from left
// what has been read to its end.
func deliver(fetches kgo.Fetches, left Offsets, fn func(*kgo.Record) error) error {
	for _, e := range fetches.Errors() {
		return fmt.Errorf("reading %s/%d: %w", e.Topic, e.Partition, e.Err)
	}
	for it := fetches.RecordIter(); !it.Done(); {
		r := it.Next()
		end, ok := left[r.Topic][r.Partition]
		if !ok {
			continue
		}
		if r.Offset < end {
			if err := fn(r); err != nil {
				return err
			}
		}
		if r.Offset >= end-1 {
			delete(left[r.Topic], r.Partition)
			if len(left[r.Topic]) == 0 {
				delete(left, r.Topic)
			}
		}
	}
	return nil
}

// Ends gives the committed end of every partition of the topics: the offset
// before which everything is decided.
func Ends(ctx context.Context, c Config, topics ...string) (Offsets, error) {
	cl, err := c.Client()
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	listed, err := kadm.NewClient(cl).ListCommittedOffsets(ctx, topics...)
	if err == nil {
		err = listed.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("listing end offsets: %w", err)
	}
	ends := Offsets{}
	listed.Each(func(o kadm.ListedOffset) { ends.set(o.Topic, o.Partition, o.Offset) })
	return ends, nil
}

func topicsOf(o Offsets) []string {
	out := make([]string, 0, len(o))
	for t := range o {
		out = append(out, t)
	}
	return out
}
