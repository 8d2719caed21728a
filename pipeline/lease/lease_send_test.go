package lease_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"chartwire/cdc"
	"chartwire/pipeline/broker"
	"chartwire/pipeline/lease"

	"github.com/twmb/franz-go/pkg/kgo"
)

// testSend sends before the commit, and wants nothing of it seen before, all of
// it after, and the records given back in between.
func testSend(t *testing.T, c broker.Config) {
	topic := topic(t, c)
	p := run(t, options(t, c, "a"), nil).wait(t, time.Minute)
	var taken atomic.Int32
	for _, v := range []string{"1", "2"} {
		if err := p.Send([]*kgo.Record{record(topic, v), record(topic, v+"'")}, func() { taken.Add(1) }); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Send(nil, func() { taken.Add(1) }); err != nil {
		t.Fatal(err)
	}
	p.Settle(t.Context()) // has nothing to wait for inside a transaction
	for start := time.Now(); taken.Load() < 3; time.Sleep(time.Millisecond) {
		if time.Since(start) > time.Minute {
			t.Fatalf("%d of 3 taken before the commit", taken.Load())
		}
	}
	if got := read(t, c, topic); len(got) != 0 {
		t.Errorf("before the commit: %q", got)
	}
	p.Produce(record(topic, "cut"))
	if err := p.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := read(t, c, topic); !slices.Equal(got, []string{"1", "1'", "2", "2'", "cut"}) {
		t.Errorf("got %q", got)
	}
	large := &kgo.Record{Topic: topic, Value: make([]byte, broker.MaxRecordBytes)}
	if err := p.Send([]*kgo.Record{large}, func() { t.Error("taken") }); cdc.HaltCode(err) != "record-too-large" {
		t.Errorf("a record too large: %v", err)
	}
	if left := time.Until(p.Until()); left < 0 {
		t.Errorf("the lease was over for %s", -left)
	}
}

// testAbandoned lets work return inside a transaction: nothing of it is ever
// seen, and the next holder waits for nobody.
func testAbandoned(t *testing.T, c broker.Config) {
	topic := topic(t, c)
	calls := 0
	h := run(t, options(t, c, "a"), func(ctx context.Context, p *lease.Producer) error {
		if calls++; calls == 1 {
			if err := p.Send([]*kgo.Record{record(topic, "never")}, func() {}); err != nil {
				return err
			}
			return errors.New("the source is away")
		}
		p.Produce(record(topic, "1"))
		if err := p.Commit(ctx); err != nil {
			return err
		}
		return cdc.Haltf("stopped", "for a person")
	})
	err := <-h.done
	h.done <- err
	if cdc.HaltCode(err) != "stopped" || calls != 2 {
		t.Errorf("got %v after %d calls", err, calls)
	}
	if got := read(t, c, topic); !slices.Equal(got, []string{"1"}) {
		t.Errorf("got %q", got)
	}
}
