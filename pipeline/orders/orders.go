// Package orders is what people ask of captures that run: to read a table again,
// to pause, to capture more. The orders stand in one small compacted topic, so
// that a command reaches the process that captures wherever it is, or will be;
// the source's cuts say what was done about them.
package orders

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"chartwire/cdc"
	"chartwire/pipeline/audit"
	"chartwire/pipeline/broker"
	"chartwire/pipeline/cut"
	"chartwire/schemas"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Order is one that a person gave to a source.
type Order struct {
	Source string `json:"source"`
	Who    string `json:"who"`
	Reason string `json:"reason,omitempty"`
	cdc.Order
}

// Topic is the topic as it should be.
func Topic(t schemas.Topics) broker.Topic { return broker.Compacted(t.Orders()) }

// key is what an order shares with those that it replaces: nobody who was away
// must carry out each of ten pauses.
func (o *Order) key() []byte {
	return []byte(strings.Join(append([]string{o.Source, string(o.Act), o.Table.Database, o.Table.Name, o.Where}, o.Columns...), "\x00"))
}

// Decode reads a record of the topic; nil for one without a value.
func Decode(r *kgo.Record) (*Order, error) {
	if r.Value == nil {
		return nil, nil
	}
	o := new(Order)
	if err := json.Unmarshal(r.Value, o); err != nil {
		return nil, fmt.Errorf("decoding %s offset %d: %w", r.Topic, r.Offset, err)
	}
	o.ID = r.Offset + 1
	return o, nil
}

// Give gives an order, and writes it into the audit. It returns the order's ID:
// the source's cut says by Asked that it was carried out.
func Give(ctx context.Context, c broker.Config, t schemas.Topics, source string, order cdc.Order, reason string) (int64, error) {
	cl, err := c.Client()
	if err != nil {
		return 0, err
	}
	defer cl.Close()
	if err := broker.EnsureTopics(ctx, cl, c, Topic(t), broker.Log(t.Audit())); err != nil {
		return 0, broker.Denied(err)
	}
	subject := "source " + source
	if order.Table != (cdc.TableID{}) {
		subject += " table " + order.Table.String()
	}
	if len(order.Columns) > 0 {
		subject += " columns " + strings.Join(order.Columns, ",")
	}
	if order.Where != "" {
		subject += " where " + order.Where
	}
	act := audit.New("snapshot "+string(order.Act), subject, reason)
	if order.Act == cdc.ActTable || order.Act == cdc.ActColumn {
		act.Act = "capture " + string(order.Act)
	}
	if order.Act == cdc.ActAccept {
		act.Act = "schemas accept"
		for _, column := range slices.Sorted(maps.Keys(order.Fields)) {
			act.After = strings.TrimPrefix(act.After+"; "+column+" is "+order.Fields[column], "; ")
		}
	}
	order.Time = act.Time
	o := Order{Source: source, Who: act.Who, Reason: reason, Order: order}
	value, err := json.Marshal(&o)
	if err != nil {
		return 0, fmt.Errorf("encoding an order: %w", err)
	}
	rec := &kgo.Record{Topic: t.Orders(), Key: o.key(), Value: value}
	if err := act.Do(ctx, cl, t, rec); err != nil {
		return 0, fmt.Errorf("giving an order to source %s: %w", source, err)
	}
	return rec.Offset + 1, nil
}

// Identify gives the identity of the topic: what [cut.Cut.Orders] holds.
func Identify(ctx context.Context, cl *kgo.Client, t schemas.Topics) (string, error) {
	return broker.Identify(ctx, cl, t.Orders())
}

// Until gives the ID of the last order that was given until then, 0 if there is
// none.
func Until(ctx context.Context, c broker.Config, t schemas.Topics, then time.Time) (last int64, err error) {
	_, err = broker.Scan(ctx, c, func(r *kgo.Record) error {
		if o, err := Decode(r); err == nil && o != nil && !o.Time.After(then) {
			last = o.ID
		}
		return nil
	}, t.Orders())
	if err != nil {
		return 0, fmt.Errorf("reading the orders: %w", err)
	}
	return last, nil
}

// Answered says whether a cut tells what became of an order that was given to this
// topic: a source that goes on from an older topic's count has not seen it.
func Answered(c *cut.Cut, topic string, id int64) bool {
	return c != nil && c.Orders == topic && c.Asked >= id
}

// Follow hands the orders of a source behind the one with the ID after to out,
// until ctx ends.
func Follow(ctx context.Context, c broker.Config, t schemas.Topics, source string, after int64, log *slog.Logger, out chan<- cdc.Order) error {
	cl, err := c.Client(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{t.Orders(): {0: kgo.NewOffset().At(after)}}))
	if err != nil {
		return err
	}
	defer cl.Close()
	for {
		fetches := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			return nil
		}
		for _, e := range fetches.Errors() {
			// The client tries again; what runs goes on without orders meanwhile.
			log.Warn("orders cannot be read now", "err", e.Err)
		}
		for it := fetches.RecordIter(); !it.Done(); {
			o, err := Decode(it.Next())
			switch {
			case err != nil:
				log.Error("an order cannot be read", "err", err)
				continue
			case o == nil || o.Source != source || o.ID <= after:
				continue
			}
			select {
			case out <- o.Order:
			case <-ctx.Done():
				return nil
			}
		}
	}
}
