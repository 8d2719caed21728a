package cut_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"chartwire/cdc"
	"chartwire/integration/servers"
	"chartwire/pipeline/broker"
	"chartwire/pipeline/broker/brokertest"
	"chartwire/pipeline/cut"
	"chartwire/schemas"

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

// writer writes rows and cuts as capture does: transactions, some of them
// aborted, cuts that are inside a source transaction, and full ones.
type writer struct {
	t      *testing.T
	cl     *kgo.Client
	topics []string
	cuts   string
	seq    int64
	state  cut.Cut
	n      int
}

func newWriter(t *testing.T, c broker.Config) *writer {
	w := &writer{t: t, topics: []string{"r.a", "r.b"}, cuts: "r.cuts", state: cut.Cut{Source: "s"}}
	var err error
	if w.cl, err = c.Client(kgo.TransactionalID("w")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.cl.Close)
	if err := broker.EnsureTopics(t.Context(), w.cl, c, broker.Cuts(w.cuts), broker.Rows(w.topics[0], 1, time.Hour), broker.Rows(w.topics[1], 2, time.Hour)); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *writer) produced(_ *kgo.Record, err error) {
	if err != nil {
		w.t.Error(err)
	}
}

// write writes one Kafka transaction: the value of each row is its seq's
// transaction number, so that a reader knows which rows a cut must have.
func (w *writer) write(rng *rand.Rand, inside, full, commit bool) {
	w.t.Helper()
	if err := w.cl.BeginTransaction(); err != nil {
		w.t.Fatal(err)
	}
	w.n++
	seq := w.seq
	d := &cut.Cut{Source: "s", Checkpoint: at(w.n), Marks: cut.Marks{}}
	if inside {
		d.Checkpoint.Rows = 1
	}
	for range rng.IntN(5) {
		seq++
		i := rng.IntN(3)
		topic, p := w.topics[min(i, 1)], int32(max(i-1, 0))
		w.cl.Produce(w.t.Context(), &kgo.Record{Topic: topic, Partition: p, Key: []byte(fmt.Sprint(seq)), Value: []byte(fmt.Sprint(seq)),
			Headers: []kgo.RecordHeader{{Key: schemas.HeaderSeq, Value: schemas.AppendSeq(nil, seq)}}}, w.produced)
		if d.Marks[topic] == nil {
			d.Marks[topic] = map[int32]int64{}
		}
		d.Marks[topic][p] = seq
	}
	d.Seq = seq
	if commit {
		w.seq = seq
		w.state.Fold(d)
	}
	if full {
		whole := w.state
		whole.Full = true
		d = &whole
	}
	value, err := cut.Encode(d)
	if err != nil {
		w.t.Fatal(err)
	}
	w.cl.Produce(w.t.Context(), &kgo.Record{Topic: w.cuts, Key: []byte("s"), Value: value}, w.produced)
	if err := w.cl.Flush(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	if err := w.cl.EndTransaction(w.t.Context(), kgo.TransactionEndTry(commit)); err != nil {
		w.t.Fatal(err)
	}
}

func TestFollowInProcess(t *testing.T) { testFollow(t, brokertest.Start(t)) }

func TestFollowKafka(t *testing.T) {
	testFollow(t, broker.Config{Brokers: strings.Split(servers.Kafka(t).Addr, ",")})
}

// testFollow reads rows and cuts while they are written, and at each cut that
// is reached holds the rows read up to it against those written.
func testFollow(t *testing.T, c broker.Config) {
	w := newWriter(t, c)
	rng := rand.New(rand.NewPCG(5, 6))
	w.write(rng, false, true, true)
	for range 30 {
		w.write(rng, rng.IntN(4) == 0, false, rng.IntN(4) > 0)
	}
	w.write(rng, false, false, true)
	if got, end, err := cut.Latest(t.Context(), c, w.cuts); err != nil || got == nil || got.Seq != w.seq || !reflect.DeepEqual(got.Marks, w.state.Marks) {
		t.Fatalf("newest before %d is %+v (%v), not %+v", end, got, err, w.state)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	const later = 60
	go func() {
		rng := rand.New(rand.NewPCG(7, 8))
		for n := range later {
			w.write(rng, n < later-1 && rng.IntN(4) == 0, rng.IntN(10) == 0, n == later-1 || rng.IntN(4) > 0)
		}
	}()
	r := &reader{t: t, c: c, topics: w.topics}
	defer r.close()
	cuts := 0
	for got, err := range cut.Follow(ctx, c, w.cuts) {
		if err != nil {
			t.Fatal(err)
		}
		if got.Inside() {
			t.Fatalf("a cut inside a transaction: %+v", got)
		}
		if cuts++; cuts == 1 && !got.Full {
			t.Error("the first cut is not whole")
		}
		r.read(ctx, got)
		if rows := r.upTo(got.Seq); rows != got.Seq { // every seq is one row
			t.Fatalf("cut at seq %d reached with %d rows", got.Seq, rows)
		}
		if got.Checkpoint.Position.Offset == uint64(32+later) {
			t.Logf("%d cuts reached, seq %d", cuts, got.Seq)
			return
		}
	}
	t.Fatal("the last cut did not come")
}

// reader reads rows up to cuts, as Map does.
type reader struct {
	t      *testing.T
	c      broker.Config
	topics []string
	cl     *kgo.Client
	reach  *cut.Reach
	seqs   map[int64]bool
}

func (r *reader) close() {
	if r.cl != nil {
		r.cl.Close()
	}
}

func (r *reader) read(ctx context.Context, c *cut.Cut) {
	r.t.Helper()
	if r.cl == nil {
		ends, err := broker.Ends(ctx, r.c, r.topics...)
		if err != nil {
			r.t.Fatal(err)
		}
		r.reach, r.seqs = cut.NewReach(nil, ends), map[int64]bool{}
		if r.cl, err = r.c.Client(kgo.ConsumeTopics(r.topics...), kgo.KeepControlRecords(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())); err != nil {
			r.t.Fatal(err)
		}
	} else {
		r.reach.Want(c, func(string) bool { return true })
	}
	for !r.reach.Reached() {
		fetches := r.cl.PollRecords(ctx, 3) // few, so that cuts are reached within what was read
		if err := fetches.Err(); err != nil {
			r.t.Fatal(err)
		}
		for it := fetches.RecordIter(); !it.Done(); {
			seq, err := r.reach.Saw(it.Next())
			if err != nil {
				r.t.Fatal(err)
			}
			if seq > 0 {
				r.seqs[seq] = true
			}
		}
	}
}

func (r *reader) upTo(seq int64) (n int64) {
	for s := range maps.Keys(r.seqs) {
		if s <= seq {
			n++
		}
	}
	return n
}

func TestReach(t *testing.T) {
	rec := func(topic string, offset, seq int64) *kgo.Record {
		return &kgo.Record{Topic: topic, Offset: offset, Headers: []kgo.RecordHeader{{Key: schemas.HeaderSeq, Value: schemas.AppendSeq(nil, seq)}}}
	}
	r := cut.NewReach(broker.Offsets{"a": {0: 5}}, broker.Offsets{"a": {0: 5}, "b": {0: 3}, "empty": {0: 0}})
	saw := func(rec *kgo.Record, want bool) {
		t.Helper()
		if _, err := r.Saw(rec); err != nil {
			t.Fatal(err)
		}
		if got := r.Reached(); got != want {
			t.Errorf("after %s offset %d: reached %v", rec.Topic, rec.Offset, got)
		}
	}
	saw(rec("b", 1, 10), false)
	marker := &kgo.Record{Topic: "b", Offset: 2}
	marker.Attrs = controlAttrs(t)
	saw(marker, true)
	all := func(string) bool { return true }
	r.Want(&cut.Cut{Marks: cut.Marks{"a": {0: 20}, "b": {0: 10}, "other": {0: 7}}}, func(topic string) bool { return topic != "other" })
	saw(rec("b", 3, 21), false)
	saw(rec("a", 5, 19), false)
	saw(rec("a", 6, 22), true) // the record of seq 20 was compacted away
	r.Want(&cut.Cut{Marks: cut.Marks{"a": {0: 22}, "b": {0: 21}}}, all)
	if !r.Reached() {
		t.Error("a cut that was read is not reached")
	}
	if _, err := r.Saw(&kgo.Record{Topic: "a"}); err == nil {
		t.Error("a record without seq is taken")
	}
}

// controlAttrs gives the attributes of a transaction's marker, which only a
// broker makes.
func controlAttrs(t *testing.T) kgo.RecordAttrs {
	t.Helper()
	c := brokertest.Start(t)
	w := newWriter(t, c)
	w.write(rand.New(rand.NewPCG(1, 1)), false, true, true)
	cl, err := c.Client(kgo.ConsumeTopics(w.cuts), kgo.KeepControlRecords(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for {
		for it := cl.PollFetches(t.Context()).RecordIter(); !it.Done(); {
			if r := it.Next(); r.Attrs.IsControl() {
				return r.Attrs
			}
		}
	}
}
