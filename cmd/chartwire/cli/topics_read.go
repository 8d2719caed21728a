package cli

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"chartwire/pipeline/broker"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// topicQuery says which records of a topic to show.
type topicQuery struct {
	topic     string
	partition int32 // -1: all
	forward   bool  // from the offset on; else the newest
	from      int64
	limit     int
	key       string // "": any
}

// matches reports whether a record's key is the one asked for, or has it as
// one of its parts: keys of several parts have a NUL between them.
func (q *topicQuery) matches(r *kgo.Record) bool {
	return q.key == "" || string(r.Key) == q.key ||
		slices.ContainsFunc(bytes.Split(r.Key, []byte{0}), func(part []byte) bool { return string(part) == q.key })
}

// read hands the records to show, at most limit of them, in the order of their
// partition.
func (q *topicQuery) read(ctx context.Context, c broker.Config, show func(*kgo.Record) error) error {
	starts, ends, err := q.bounds(ctx, c)
	if err != nil {
		return err
	}
	if q.forward {
		return q.readForward(ctx, c, starts, ends, show)
	}
	back := int64(q.limit) * 4 // each transaction takes an offset for its marker
	if q.key != "" {
		back = 1 << 40 // the key may be anywhere
	}
	for {
		newest, whole, err := q.tail(ctx, c, starts, ends, back)
		if err != nil {
			return err
		}
		if !whole {
			back *= 8
			continue
		}
		for _, r := range newest {
			if err := show(r); err != nil {
				return err
			}
		}
		return nil
	}
}

// bounds gives the first and the end offset of the partitions asked for.
func (q *topicQuery) bounds(ctx context.Context, c broker.Config) (starts, ends map[int32]int64, err error) {
	cl, err := c.Client()
	if err != nil {
		return nil, nil, err
	}
	defer cl.Close()
	listed, err := kadm.NewClient(cl).ListStartOffsets(ctx, q.topic)
	if err == nil {
		err = listed.Error()
	}
	if err != nil {
		return nil, nil, fmt.Errorf("listing start offsets: %w", err)
	}
	all, err := broker.Ends(ctx, c, q.topic)
	if err != nil {
		return nil, nil, err
	}
	starts, ends = map[int32]int64{}, all[q.topic]
	listed.Each(func(o kadm.ListedOffset) {
		if q.partition < 0 || o.Partition == q.partition {
			starts[o.Partition] = o.Offset
		}
	})
	if len(starts) == 0 {
		return nil, nil, fmt.Errorf("%s has no partition %d: there are %d", q.topic, q.partition, len(ends))
	}
	return starts, ends, nil
}

var errEnough = errors.New("enough records")

func (q *topicQuery) readForward(ctx context.Context, c broker.Config, starts, ends map[int32]int64, show func(*kgo.Record) error) error {
	begin := map[int32]int64{}
	for p, start := range starts {
		at := q.from
		if at < 0 {
			at += ends[p]
		}
		begin[p] = max(start, at)
	}
	n := 0
	_, err := broker.ScanFrom(ctx, c, broker.Offsets{q.topic: begin}, func(r *kgo.Record) error {
		if !q.matches(r) {
			return nil
		}
		if err := show(r); err != nil {
			return err
		}
		if n++; n == q.limit {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// tail reads the last offsets of each partition and gives the newest records in
// them. whole is false if there may be newer ones of some partition before
// those offsets.
func (q *topicQuery) tail(ctx context.Context, c broker.Config, starts, ends map[int32]int64, back int64) (newest []*kgo.Record, whole bool, err error) {
	begin, found := map[int32]int64{}, map[int32][]*kgo.Record{}
	for p, start := range starts {
		begin[p] = max(start, ends[p]-back)
	}
	_, err = broker.ScanFrom(ctx, c, broker.Offsets{q.topic: begin}, func(r *kgo.Record) error {
		if !q.matches(r) {
			return nil
		}
		if l := found[r.Partition]; len(l) == q.limit {
			found[r.Partition] = append(l[:0], l[1:]...)
		}
		found[r.Partition] = append(found[r.Partition], r)
		return nil
	})
	if err != nil {
		return nil, false, err
	}
	for p, start := range starts {
		if len(found[p]) < q.limit && begin[p] > start {
			return nil, false, nil
		}
		newest = append(newest, found[p]...)
	}
	slices.SortStableFunc(newest, func(x, y *kgo.Record) int {
		if x.Partition == y.Partition {
			return cmp.Compare(x.Offset, y.Offset)
		}
		return x.Timestamp.Compare(y.Timestamp)
	})
	return newest[max(0, len(newest)-q.limit):], true, nil
}
