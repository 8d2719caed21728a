package cut_test

import (
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"

	"chartwire/cdc"
	"chartwire/integration/servers"
	"chartwire/pipeline/broker"
	"chartwire/pipeline/broker/brokertest"
	"chartwire/pipeline/cut"

	"github.com/twmb/franz-go/pkg/kgo"
)

func at(n int) cdc.Checkpoint {
	return cdc.Checkpoint{Position: cdc.Position{File: "f", Offset: uint64(n)}}
}

func TestFold(t *testing.T) {
	people, visits := cdc.TableID{Database: "d", Name: "people"}, cdc.TableID{Database: "d.x", Name: "visits"}
	when := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	got := cut.Cut{}
	for _, d := range []*cut.Cut{
		{Source: "s", Seq: 5, Checkpoint: at(1), Full: true, Marks: cut.Marks{"old": {0: 5}}},
		{Source: "s", Seq: 10, Checkpoint: at(2), Commit: when, Full: true, Marks: cut.Marks{"a": {0: 9, 1: 10}}, Partitions: map[string]int{"a": 2},
			Loads: map[cdc.TableID]cdc.Load{people: {Phase: cdc.LoadWaiting}}},
		{Source: "s", Seq: 20, Checkpoint: at(3), Commit: when.Add(-time.Second), Marks: cut.Marks{"a": {1: 20}, "b": {0: 18}},
			Loads: map[cdc.TableID]cdc.Load{visits: {Phase: cdc.LoadReading, After: []string{"7"}, Rows: 7}}, Epochs: []cdc.Epoch{{Table: visits, Kind: cdc.EpochDrop, Seq: 11}}},
	} {
		value, err := cut.Encode(d)
		if err != nil {
			t.Fatal(err)
		}
		if d, err = cut.Decode(value); err != nil {
			t.Fatal(err)
		}
		got.Fold(d)
	}
	want := cut.Cut{Source: "s", Seq: 20, Checkpoint: at(3), Commit: when, Full: true, Partitions: map[string]int{"a": 2},
		Marks:  cut.Marks{"a": {0: 9, 1: 20}, "b": {0: 18}},
		Loads:  map[cdc.TableID]cdc.Load{people: {Phase: cdc.LoadWaiting}, visits: {Phase: cdc.LoadReading, After: []string{"7"}, Rows: 7}},
		Epochs: []cdc.Epoch{{Table: visits, Kind: cdc.EpochDrop, Seq: 11}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"source":"s","seq":3,"loads":{"a%2Eb.c":{"phase":"done"}},"marks":{"t":{"0":3}}}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		c, err := cut.Decode(value)
		if err != nil {
			return
		}
		again, err := cut.Encode(c)
		if err != nil {
			return // a year that JSON cannot say
		}
		d, err := cut.Decode(again)
		if err != nil {
			t.Fatalf("decoding what was encoded: %v", err)
		}
		if last, err := cut.Encode(d); err != nil || string(last) != string(again) {
			t.Errorf("%s became %s (%v)", again, last, err)
		}
	})
}

// writer writes cuts as capture does, and folds them itself.
type writer struct {
	*testing.T
	conn  broker.Config
	cl    *kgo.Client
	topic broker.Topic
	state cut.Cut
	n     int // transactions
	since int // the last full cut
}

func newWriter(t *testing.T, c broker.Config, topic broker.Topic) *writer {
	w := &writer{T: t, conn: c, topic: topic, state: cut.Cut{Source: "s"}}
	var err error
	if w.cl, err = c.Client(kgo.TransactionalID("w"), kgo.MaxBufferedRecords(100_000)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.cl.Close)
	if err := broker.EnsureTopics(t.Context(), w.cl, c, topic); err != nil {
		t.Fatal(err)
	}
	return w
}

// write writes cuts in one Kafka transaction; full says which of them is full.
func (w *writer) write(commit bool, cuts int, full func(i int) bool) {
	w.Helper()
	if err := w.cl.BeginTransaction(); err != nil {
		w.Fatal(err)
	}
	before, since := w.state, w.since
	for i := range cuts {
		w.n++
		d := &cut.Cut{Source: "s", Seq: int64(w.n), Checkpoint: at(w.n), Marks: cut.Marks{fmt.Sprintf("rows.%d", w.n%7): {int32(w.n % 3): int64(w.n)}}}
		if w.n%5 == 0 {
			d.Checkpoint.Rows = 3
		}
		var next cut.Cut
		next.Fold(&w.state)
		next.Fold(d)
		w.state = next
		if w.since++; full(i) {
			w.since = 0
			whole := next
			whole.Full = true
			d = &whole
		}
		value, err := cut.Encode(d)
		if err != nil {
			w.Fatal(err)
		}
		w.cl.Produce(w.Context(), &kgo.Record{Topic: w.topic.Name, Key: cut.Key("s", w.since), Value: value}, func(_ *kgo.Record, err error) {
			if err != nil {
				w.Error(err)
			}
		})
	}
	if err := w.cl.Flush(w.Context()); err != nil {
		w.Fatal(err)
	}
	if err := w.cl.EndTransaction(w.Context(), kgo.TransactionEndTry(commit)); err != nil {
		w.Fatal(err)
	}
	if !commit {
		w.state, w.since = before, since
	}
}

// verify holds the newest state against what was written. The markers of the
// last transaction may still be on their way.
func (w *writer) verify() {
	w.Helper()
	for start := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		got, _, err := cut.Latest(w.Context(), w.conn, w.topic.Name)
		if err != nil {
			w.Fatal(err)
		}
		if got != nil && got.Seq == w.state.Seq || time.Since(start) > time.Minute {
			if got == nil || !reflect.DeepEqual(got.Marks, w.state.Marks) || got.Checkpoint != w.state.Checkpoint {
				w.Errorf("newest is %+v, not %+v", got, w.state)
			}
			return
		}
	}
}

func never(int) bool { return false }

func TestLatest(t *testing.T) { testLatest(t, brokertest.Start(t)) }

func TestLatestKafka(t *testing.T) {
	testLatest(t, broker.Config{Brokers: strings.Split(servers.Kafka(t).Addr, ",")})
}

func testLatest(t *testing.T, c broker.Config) {
	w := newWriter(t, c, broker.Cuts("cuts"))
	if got, end, err := cut.Latest(t.Context(), c, "cuts"); got != nil || end != 0 || err != nil {
		t.Errorf("of an empty topic: %+v, %d, %v", got, end, err)
	}
	w.write(true, 1, func(int) bool { return true })
	w.verify()
	w.write(false, 3, func(i int) bool { return i == 1 })
	w.write(true, 10, func(i int) bool { return i == 6 })
	w.verify()
	w.write(true, 20*cut.FullEvery, never) // no full one near the end
	w.write(false, 10, never)
	w.verify()
}

// TestLatestCompacted wants nothing lost by compaction, whenever it happens.
func TestLatestCompacted(t *testing.T) {
	c := broker.Config{Brokers: strings.Split(servers.Kafka(t).Addr, ",")}
	topic := broker.Cuts("cuts")
	maps.Copy(topic.Settings, map[string]string{"min.compaction.lag.ms": "0", "max.compaction.lag.ms": "1000", "segment.ms": "300",
		"min.cleanable.dirty.ratio": "0.001", "delete.retention.ms": "0"})
	w := newWriter(t, c, topic)
	for round := range 12 {
		w.write(true, 200+round, func(i int) bool { return i == 20*round })
		w.write(round%3 > 0, 5, never)
		time.Sleep(400 * time.Millisecond)
		w.verify()
	}
	for start := time.Now(); ; time.Sleep(300 * time.Millisecond) {
		w.write(true, 1, never) // rolls the segment
		n := 0
		if _, err := broker.Scan(t.Context(), c, func(*kgo.Record) error { n++; return nil }, "cuts"); err != nil {
			t.Fatal(err)
		}
		if n < w.n/3 {
			t.Logf("%d of %d records are left", n, w.n)
			break
		}
		if time.Since(start) > time.Minute {
			t.Fatalf("%d of %d records are left: nothing was compacted", n, w.n)
		}
	}
	w.verify()
}
