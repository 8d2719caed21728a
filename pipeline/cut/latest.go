package cut

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"

	"chartwire/pipeline/broker"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Fold applies a later record to the cut. A full one replaces it.
func (c *Cut) Fold(d *Cut) {
	if d.Full {
		*c = *d
		return
	}
	c.Source, c.Seq, c.Checkpoint, c.Time, c.Transaction = d.Source, d.Seq, d.Checkpoint, d.Time, d.Transaction
	if d.Commit.After(c.Commit) {
		c.Commit = d.Commit
	}
	if d.Asked != 0 {
		c.Asked, c.Refused = d.Asked, d.Refused
	}
	if d.Orders != "" {
		c.Orders = d.Orders
	}
	c.Marks = c.Marks.with(d.Marks)
	c.Partitions = Merged(c.Partitions, d.Partitions)
	c.Loads = Merged(c.Loads, d.Loads)
	c.Epochs = append(c.Epochs[:len(c.Epochs):len(c.Epochs)], d.Epochs...)
}

// Merged is into with what is in from, made where there is none.
func Merged[K comparable, V any](into, from map[K]V) map[K]V {
	if len(from) == 0 {
		return into
	}
	if into == nil {
		into = make(map[K]V, len(from))
	}
	maps.Copy(into, from)
	return into
}

func (m Marks) with(d Marks) Marks {
	for topic, parts := range d {
		if m == nil {
			m = Marks{}
		}
		m[topic] = Merged(m[topic], parts)
	}
	return m
}

// Key gives the key of the nth record since the last full one, of the full one
// itself for 0.
func Key(source string, n int) []byte {
	if n == 0 {
		return []byte(source)
	}
	return fmt.Appendf(nil, "%s#%d", source, n)
}

// Encode gives the value of a record of a cuts topic.
func Encode(c *Cut) ([]byte, error) {
	value, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("encoding a cut: %w", err)
	}
	return value, nil
}

// Decode reads the value of a record of a cuts topic.
func Decode(value []byte) (*Cut, error) {
	c := new(Cut)
	if err := json.Unmarshal(value, c); err != nil {
		return nil, fmt.Errorf("decoding a cut: %w", err)
	}
	return c, nil
}

// Latest gives the newest state of a source, whole, and the offset after it in
// the cuts topic; nil when nothing was ever captured.
func Latest(ctx context.Context, c broker.Config, topic string) (*Cut, int64, error) {
	ends, err := broker.Ends(ctx, c, topic)
	if err != nil {
		return nil, 0, err
	}
	end := ends[topic][0]
	// A full record comes at least every FullEvery records, and each takes two
	// offsets, one of them its transaction's marker. What was compacted only
	// makes it fewer.
	for back := int64(4 * FullEvery); ; back *= 4 {
		start := max(0, end-back)
		got, err := fold(ctx, c, topic, start)
		if err != nil {
			return nil, 0, err
		}
		if got != nil || start == 0 {
			return got, end, nil
		}
	}
}

// FullEvery is the number of records after which a full one is written, even
// within the minute.
const FullEvery = 200

func fold(ctx context.Context, c broker.Config, topic string, start int64) (*Cut, error) {
	var got *Cut
	_, err := broker.ScanFrom(ctx, c, broker.Offsets{topic: {0: start}}, func(r *kgo.Record) error {
		d, err := Decode(r.Value)
		if err != nil {
			return fmt.Errorf("%s at offset %d: %w", topic, r.Offset, err)
		}
		switch {
		case got != nil:
			got.Fold(d)
		case d.Full:
			got = d
		}
		return nil
	})
	return got, err
}
