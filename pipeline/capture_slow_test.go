package pipeline_test

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chartwire/cdc"
	"chartwire/integration/faults"
	"chartwire/pipeline/broker/brokertest"
	"chartwire/schemas"
)

// TestCaptureSlowKafka lets Kafka take nothing while the source has much more
// than the capture may hold: what is asked of the source stays within the bound,
// and every row is there in the end.
func TestCaptureSlowKafka(t *testing.T) {
	faults.Shows(t, "queue-bytes", "asks the source for no more than its memory holds, and goes on when Kafka takes it: every row once")
	const memory = 5 << 20
	s := &stand{T: t, conn: brokertest.Start(t), topics: schemas.Topics{Prefix: "t"}, bank: newBank()}
	s.bank.txns, s.bank.fat = 300, map[int]int{}
	for n := range s.bank.txns {
		s.bank.fat[n] = 20 << 10
	}
	road, conn := brokertest.NewRoad(s.conn)
	o := s.options(conn)
	o.Memory = memory
	var asked, total atomic.Int64 // bytes of rows; asked since the road was blocked
	stream, holding := o.Stream, make(chan struct{})
	block := sync.OnceFunc(func() {
		road.Block()
		asked.Store(0)
		close(holding)
	})
	o.Stream = func(ctx context.Context, r cdc.Resume) iter.Seq2[*cdc.Txn, error] {
		return func(yield func(*cdc.Txn, error) bool) {
			for txn, err := range stream(ctx, r) {
				if txn.Checkpoint.Position.Offset == 5 {
					block()
				}
				for _, c := range txn.Changes {
					asked.Add(int64(len(c.Before) + len(c.After)))
					total.Add(int64(len(c.Before) + len(c.After)))
				}
				if !yield(txn, err) {
					return
				}
			}
		}
	}
	c := s.runWith(o)
	<-holding
	for last, since := int64(-1), time.Now(); last < memory/4 || time.Since(since) < 500*time.Millisecond; time.Sleep(10 * time.Millisecond) {
		if n := asked.Load(); n != last {
			last, since = n, time.Now()
		}
		if time.Since(since) > 60*time.Second {
			t.Fatalf("no more than %d bytes were asked for while nothing was taken, the memory is %d", last, memory)
		}
	}
	if n := asked.Load(); n > memory+memory/2 {
		t.Errorf("%d bytes were asked for while nothing was taken, the memory is %d", n, memory)
	}
	road.Unblock()
	s.until(c, s.bank.txns)
	if n := total.Load(); n < 4*memory {
		t.Errorf("the source has %d bytes: too little for this test", n)
	}
	s.verify(s.bank.txns)
}

// TestCaptureManyVersions has a source describe its tables again and again, as
// one does that breaks off and is reached again, and name their fields otherwise
// amid rows: what is forgotten of old versions is nothing that the rows need.
func TestCaptureManyVersions(t *testing.T) {
	s := &stand{T: t, conn: brokertest.Start(t), topics: schemas.Topics{Prefix: "t"}, bank: newBank()}
	s.bank.txns, s.bank.large = 400, 600
	o := s.options(s.conn)
	o.Stream = func(ctx context.Context, r cdc.Resume) iter.Seq2[*cdc.Txn, error] {
		return func(yield func(*cdc.Txn, error) bool) {
			n := 0
			for txn, err := range s.bank.Stream(ctx, r) {
				if n++; n%50 == 0 && len(txn.Changes) > 0 { // a person accepted another name for a field
					txn.Loads = map[cdc.TableID]cdc.Load{txn.Changes[0].Table.ID(): {Phase: cdc.LoadDone, Fields: map[string]string{"note": fmt.Sprint("note", n)}}}
				}
				for i := range txn.Changes {
					again := *txn.Changes[i].Table
					txn.Changes[i].Table = &again
				}
				if !yield(txn, err) {
					return
				}
			}
		}
	}
	s.until(s.runWith(o), s.bank.txns)
	s.verify(s.bank.txns)
}
