package pipeline_test

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"testing"
	"time"

	"chartwire/cdc"
	"chartwire/pipeline/broker"
	"chartwire/pipeline/cut"
	"chartwire/pipeline/orders"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// testCaptureOrders: orders are carried out once through restarts, and where their
// topic was made anew, whose offsets begin again: then what was given before the
// newest cut is not carried out again, and what was given since is not passed over.
func testCaptureOrders(t *testing.T, s *stand) {
	s.bank.txns = 20
	resumed := make(chan int64, 10)
	o := s.options(s.conn)
	o.Stream = func(ctx context.Context, r cdc.Resume) iter.Seq2[*cdc.Txn, error] {
		return func(yield func(*cdc.Txn, error) bool) {
			resumed <- r.Asked
			for txn, err := range s.bank.Stream(ctx, r) {
				if !yield(txn, err) {
					return
				}
				select {
				case order := <-r.Orders:
					if !yield(&cdc.Txn{Begin: true, End: true, CommitTime: time.Now(), Checkpoint: txn.Checkpoint, Asked: order.ID}, nil) {
						return
					}
				default:
				}
			}
		}
	}
	cl, err := s.conn.Client()
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	give := func() int64 {
		t.Helper()
		id, err := orders.Give(t.Context(), s.conn, s.topics, "bank", cdc.Order{Act: cdc.ActPause}, "to see")
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	topic := func() string {
		t.Helper()
		id, err := orders.Identify(t.Context(), cl, s.topics)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	answered := func(id int64) *cut.Cut {
		t.Helper()
		for end := time.Now().Add(60 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			c, _, err := cut.Latest(t.Context(), s.conn, s.topics.Cuts("bank"))
			if err != nil && !errors.Is(err, kerr.UnknownTopicOrPartition) || time.Now().After(end) {
				t.Fatalf("the order %d is not carried out: %v", id, err)
			}
			if orders.Answered(c, topic(), id) {
				return c
			}
		}
	}
	term := func(id int64) (*cut.Cut, int64) {
		t.Helper()
		c := s.runWith(o)
		from := <-resumed
		at := answered(id)
		if err := c.stop(); err != nil {
			t.Fatal(err)
		}
		return at, from
	}

	before := time.Now()
	give()
	last := give()
	first, from := term(last)
	if from != 0 || first.Asked != last {
		t.Errorf("began behind %d, and carried out up to %d of %d", from, first.Asked, last)
	}
	if _, from := term(last); from != last {
		t.Errorf("a restart goes on behind %d, want %d", from, last)
	}

	adm := kadm.NewClient(cl)
	if _, err := adm.DeleteTopics(t.Context(), s.topics.Orders()); err != nil {
		t.Fatal(err)
	}
	old, err := json.Marshal(&orders.Order{Source: "bank", Order: cdc.Order{Act: cdc.ActStart, Time: before}})
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(60 * time.Second); ; time.Sleep(50 * time.Millisecond) { // until it is gone everywhere
		err := broker.EnsureTopics(t.Context(), cl, s.conn, orders.Topic(s.topics))
		if err == nil && topic() != first.Orders {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the topic is not made anew: %v", err)
		}
	}
	// As a backup that was put back has it.
	if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: s.topics.Orders(), Key: []byte("old"), Value: old}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	again := give()
	if again > last || orders.Answered(first, topic(), again) {
		t.Fatalf("the order %d of the new topic counts as carried out, as the %d of the old was", again, last)
	}
	anew, from := term(again)
	if from != 1 || anew.Asked != again || anew.Orders == first.Orders {
		t.Errorf("began behind %d, want the old order behind it; carried out up to %d of %d, in %q", from, anew.Asked, again, anew.Orders)
	}
}
