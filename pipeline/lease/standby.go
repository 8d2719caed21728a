package lease

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"chartwire/cdc"
	"chartwire/pipeline/broker"

	"github.com/twmb/franz-go/pkg/kgo"
)

// states of a claim.
const (
	held     = "held"
	released = "released"
)

// claim is the value of a record of a lease topic.
type claim struct {
	Holder      string `json:"holder"` // random, another one for each run
	Host        string `json:"host"`   // for people
	Fingerprint string `json:"fingerprint"`
	State       string `json:"state"`
	// Process names the holder's process: see processOf.
	Process string `json:"process,omitempty"`
}

func (l *lease) renewal(state string) *kgo.Record {
	c := l.me
	c.State = state
	value, err := json.Marshal(c)
	if err != nil {
		panic(err) // strings alone
	}
	return &kgo.Record{Topic: l.topic, Key: []byte(l.Stage + "." + l.Name), Value: value}
}

// lookBack is how many offsets before the end the newest claim is searched: a
// renewal takes two, and no more than a few of those before were aborted.
const lookBack = 32

// last reads the lease topic from an offset on and gives the newest claim in it
// (zero if there is none) and the offset after it.
func (l *lease) last(ctx context.Context, from int64) (claim, int64, error) {
	var c claim
	ends, err := broker.ScanFrom(ctx, l.Connection, broker.Offsets{l.topic: {0: from}}, func(r *kgo.Record) error {
		return c.read(r)
	})
	if err != nil {
		return c, 0, broker.Denied(fmt.Errorf("reading the lease: %w", err))
	}
	return c, ends[l.topic][0], nil
}

func (c *claim) read(r *kgo.Record) error {
	*c = claim{}
	if err := json.Unmarshal(r.Value, c); err != nil {
		return fmt.Errorf("decoding the lease at offset %d: %w", r.Offset, err)
	}
	return nil
}

// standBy returns when the lease is free, with the offset up to which it was
// read. It is free when it was given back, when it was ours (our work has
// returned), when the holder's process is seen to have ended, or when no renewal
// came for a term.
func (l *lease) standBy(ctx context.Context) (int64, error) {
	look, cancel := context.WithTimeout(ctx, initTimeout)
	defer cancel()
	ends, err := broker.Ends(look, l.Connection, l.topic)
	if err != nil {
		return 0, broker.Denied(fmt.Errorf("reading the lease: %w", err))
	}
	c, end, err := l.last(look, max(0, ends[l.topic][0]-lookBack))
	if err == nil {
		l.Trouble(nil)
	}
	if err != nil || c.free(l.me) && (c.State != "" || end == 0) {
		return end, err
	}
	l.log.Info("standing by", "holder", c.Host)
	l.metrics.standby.Set(1)
	defer l.metrics.standby.Set(0)
	return l.watch(ctx, c, end)
}

// free reports whether the claim leaves the lease to me.
func (c claim) free(me claim) bool {
	return c.State != held || c.Holder == me.Holder || gone(c.Process)
}

// watch follows the lease topic behind a claim until it is free.
func (l *lease) watch(ctx context.Context, c claim, from int64) (int64, error) {
	cl, err := l.Connection.Client(kgo.KeepControlRecords(), kgo.FetchMaxWait(500*time.Millisecond),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{l.topic: {0: kgo.NewOffset().At(from)}}))
	if err != nil {
		return 0, err
	}
	defer cl.Close()
	seen := time.Now()
	for {
		until := seen.Add(Term)
		if look := time.Now().Add(Renewal); look.Before(until) {
			until = look
		}
		poll, cancel := context.WithDeadline(ctx, until)
		fetches := cl.PollFetches(poll)
		cancel()
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		claimed := false
		for it := fetches.RecordIter(); !it.Done(); {
			r := it.Next()
			from = r.Offset + 1
			if r.Attrs.IsControl() {
				continue
			}
			if err := c.read(r); err != nil {
				return 0, err
			}
			seen, claimed = time.Now(), true
		}
		if claimed && (c.State != held || c.Holder == l.me.Holder) {
			return from, nil
		}
		if !gone(c.Process) {
			if claimed {
				if err := l.refuse(c); err != nil {
					return 0, err
				}
			}
			if time.Since(seen) < Term {
				continue
			}
		}
		// Seeing nothing is not the same as nothing being there: ask.
		newest, end, err := l.last(ctx, from)
		if err != nil {
			return 0, err
		}
		if c, from = newest, end; c.free(l.me) {
			return end, nil
		}
		if err := l.refuse(c); err != nil {
			return 0, err
		}
		seen = time.Now()
	}
}

// refuse gives the halt if a living holder has another configuration.
func (l *lease) refuse(c claim) error {
	if c.Fingerprint == l.Fingerprint {
		return nil
	}
	return cdc.Haltf("lease-refused", "%s %q under the prefix %q is run by %s with another configuration. "+
		"Stop it first if this configuration is to replace it; give this installation another prefix if both are meant to run",
		l.Stage, l.Name, l.Topics.Prefix, c.Host)
}
