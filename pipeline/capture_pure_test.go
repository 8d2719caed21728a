package pipeline

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"chartwire/cdc"
	"chartwire/pipeline/cut"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TestPartitionOf holds the hash against the one of Kafka's clients.
func TestPartitionOf(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	kafka := kgo.StickyKeyPartitioner(nil).ForTopic("t")
	for range 10_000 {
		key := make([]byte, 1+rng.IntN(30))
		for i := range key {
			key[i] = byte(rng.Uint32())
		}
		n := 2 + rng.IntN(50)
		if got, want := partitionOf(key, n), kafka.Partition(&kgo.Record{Key: key}, n); int(got) != want {
			t.Fatalf("key %x of %d partitions: got %d, want %d", key, n, got, want)
		}
	}
	if partitionOf([]byte("any"), 1) != 0 {
		t.Error("one partition has another number than 0")
	}
}

func TestLinger(t *testing.T) {
	f := func(bytes int, age time.Duration, inside bool, least, most time.Duration) {
		t.Helper()
		if got := linger(bytes, age, inside); got < least || got > most {
			t.Errorf("%d bytes of age %s, inside %v: %s, want %s to %s", bytes, age, inside, got, least, most)
		}
	}
	const ms = time.Millisecond
	f(300, 0, false, 0, 0) // one row, caught up: at once
	f(300, time.Hour, false, 0, 0)
	f(60_000, 4*ms, false, 0, 0)          // a few hundred while the last commit was on its way
	f(1<<20, 4*ms, false, 145*ms, 146*ms) // a backlog: 150 ms in all
	f(1<<20, 40*ms, false, -ms, 0)
	f(10<<20, 95*ms, false, 55*ms, 55*ms)
	f(15<<20, 151*ms, false, -ms, 0)
	f(300, ms, true, 149*ms, 149*ms) // inside a transaction there is no hurry
	f(300, 150*ms, true, 0, 0)
}

// TestDue wants a backlog to be collected until it is old enough, or at its end.
func TestDue(t *testing.T) {
	now := time.Now()
	const ms = time.Millisecond
	f := func(name string, since gathered, stuck, full bool, least, most time.Duration) {
		t.Helper()
		in := newCollector(&Capture{}, nil, &cut.Cut{})
		in.since, in.stuck, in.full = since, stuck, full
		if _, got, ended := (&committer{in: in}).due(now); got < least || got > most || ended {
			t.Errorf("%s: %s, ended %v, want %s to %s", name, got, ended, least, most)
		}
	}
	g := gathered{began: now.Add(-60 * ms), last: now.Add(-2 * ms), bytes: 30 << 20, content: true, moved: true}
	f("a backlog", g, false, false, 20*ms, 23*ms) // unless more comes
	f("full", g, false, true, 0, 0)
	g.last = now.Add(-26 * ms)
	f("its end", g, false, false, -ms, 0)
	f("brokers that are slow", g, true, false, 85*ms, 90*ms)
	g.inside = true
	f("inside a transaction", g, false, false, 85*ms, 90*ms)
}

// TestArena wants bytes and elements to stay where and what they were.
func TestArena(t *testing.T) {
	var a arena
	var s slabs[int]
	rng := rand.New(rand.NewPCG(2, 2))
	for range 3 {
		var texts [][]byte
		var want []string
		var numbers [][]int
		for i := range 5000 {
			text := strings.Repeat(fmt.Sprint(i), 1+rng.IntN(200))
			want = append(want, text)
			switch rng.IntN(3) {
			case 0:
				texts = append(texts, a.copy(text))
			case 1: // too little room was asked for
				texts = append(texts, a.close(append(a.open(len(text)/2), text...)))
			default:
				texts = append(texts, a.close(append(a.open(2*len(text)), text...)))
			}
			n := s.take(1 + rng.IntN(3))
			for j := range n {
				if n[j] != 0 {
					t.Fatal("an element is not new")
				}
				n[j] = i
			}
			numbers = append(numbers, n)
		}
		texts, want = append(texts, a.copy(strings.Repeat("large", chunkSize))), append(want, strings.Repeat("large", chunkSize))
		for i := range texts {
			if string(texts[i]) != want[i] {
				t.Fatalf("text %d changed", i)
			}
		}
		for i, n := range numbers {
			for _, got := range n {
				if got != i {
					t.Fatalf("element of %d became %d", i, got)
				}
			}
		}
		a.reset()
		s.reset()
	}
}

// TestCollectorEnds: what ends while it waits for a batch to fill leaves no
// empty one behind, whose cut would be taken for the newest.
func TestCollectorEnds(t *testing.T) {
	in := newCollector(&Capture{o: CaptureOptions{Memory: DefaultCaptureMemory}}, &captureTables{}, &cut.Cut{Seq: 7})
	ctx, cancel := context.WithCancel(t.Context())
	want := cdc.Checkpoint{Position: cdc.Position{File: "bin.000002", Offset: 40}, Rows: 3}
	if err := in.take(ctx, &cdc.Txn{Begin: true, Checkpoint: want}); err != nil {
		t.Fatal(err)
	}
	in.hand() // it was full
	cancel()
	if err := in.take(ctx, &cdc.Txn{}); !errors.Is(err, context.Canceled) {
		t.Fatalf("taking after the end: %v", err)
	}
	var state cut.Cut
	batches, since := in.swap()
	for _, b := range batches {
		state.Fold(&b.cut)
	}
	if !since.moved || !reflect.DeepEqual(state.Checkpoint, want) {
		t.Errorf("the last checkpoint is %+v", state.Checkpoint)
	}
}

// TestCaptureHeard: a source that said nothing at all since the capture began is
// not one that was heard just now.
func TestCaptureHeard(t *testing.T) {
	reg := prometheus.NewRegistry()
	c := &Capture{o: CaptureOptions{Source: "om", Metrics: reg}}
	c.metrics = newCaptureMetrics(c)
	f := func(s CaptureStatus, least, most float64) {
		t.Helper()
		c.update(func(status *CaptureStatus) { *status = s })
		all, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range all {
			if got := m.GetMetric()[0].GetGauge().GetValue(); m.GetName() == "chartwire_capture_heard_seconds" && (got < least || got > most) {
				t.Errorf("%g seconds, want %g to %g", got, least, most)
			}
		}
	}
	ago := func(d time.Duration) time.Time { return time.Now().Add(-d) }
	f(CaptureStatus{Holding: true, Since: ago(time.Hour)}, 3600, 3660)
	f(CaptureStatus{Holding: true, Since: ago(time.Hour), Heard: ago(time.Minute)}, 60, 120)
	f(CaptureStatus{Since: ago(time.Hour)}, 0, 0)
}

// TestCaptureStatusTellsNoRow: how far a table is read is a row's key.
func TestCaptureStatusTellsNoRow(t *testing.T) {
	c := &Capture{}
	id := cdc.TableID{Database: "main", Name: "people"}
	c.update(func(s *CaptureStatus) {
		s.Cut = cut.Cut{Loads: map[cdc.TableID]cdc.Load{id: {Phase: cdc.LoadReading, Rows: 7, After: []string{"canary"},
			Again: []cdc.Reread{{Order: 2, Where: "mail = 'canary'", After: []string{"canary"}, Rows: 9}}}}}
	})
	text, err := json.Marshal(c.Status())
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(text, []byte("canary")) || !bytes.Contains(text, []byte(`"rows":9`)) {
		t.Errorf("the status is %s", text)
	}
	if l := c.status.Cut.Loads[id]; l.After == nil || l.Again[0].Where == "" {
		t.Errorf("looking at it changed it: %+v", l)
	}
}
