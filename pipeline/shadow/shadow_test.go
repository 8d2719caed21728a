package shadow_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"chartwire/pipeline/broker"
	"chartwire/pipeline/broker/brokertest"
	"chartwire/pipeline/shadow"
	"chartwire/sinks"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"
)

var t0 = time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)

func full() *shadow.Entry {
	e := &shadow.Entry{ID: "101", Version: 1 << 50, Archived: true, Refused: true}
	e.Put(shadow.Property{Name: "b", Held: true, Value: "Ä", Stored: "ä", Other: true, Version: 1<<50 - 3, Changed: t0})
	e.Put(shadow.Property{Name: "a", Version: 7, Refused: shadow.Sum("x")})
	e.Put(shadow.Property{Name: "c", Held: true})
	to := sinks.Record{Object: "deals", Property: "k", Key: "1/2"}
	e.Links = []shadow.LinkSet{{Name: "order", Version: 9, Flow: "f", Map: "m", Lane: sinks.Routine, Row: sinks.Origin{Source: "s", Table: "d.t", Row: "7"}, Links: []shadow.Link{
		{To: to, Label: "l", Wanted: true, Since: t0}, {To: to, Wanted: true, Held: true, ToID: "9"}, {To: to, Missing: true, ToID: "9", Refused: true},
	}}, {Name: "none"}}
	return e
}

func TestEntryRoundTrip(t *testing.T) {
	for _, e := range []*shadow.Entry{full(), {}} {
		got, err := shadow.Decode(e.Append(nil))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(e, got); d != "" {
			t.Error(d)
		}
	}
}

func TestEntryCutShort(t *testing.T) {
	b := full().Append(nil)
	for n := range len(b) {
		if _, err := shadow.Decode(b[:n]); err == nil {
			t.Errorf("%d of %d bytes are an entry", n, len(b))
		}
	}
	if _, err := shadow.Decode(append(b, 0)); err == nil {
		t.Error("a byte too many is taken")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(full().Append(nil))
	f.Add((&shadow.Entry{}).Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := shadow.Decode(b)
		if err != nil {
			return
		}
		again, err := shadow.Decode(e.Append(nil))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(e, again); d != "" {
			t.Error(d)
		}
	})
}

func open(t *testing.T, dir, topic string) *shadow.Store {
	t.Helper()
	s, err := shadow.Open(dir, topic)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func get(t *testing.T, s *shadow.Store, id string) *shadow.Entry {
	t.Helper()
	e, err := s.Get(id)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func version(t *testing.T, s *shadow.Store, id string) int64 {
	t.Helper()
	if e := get(t, s, id); e != nil {
		return e.Version
	}
	return -1
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestStoreForgetsWhatWasNotCommitted(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, "topic")
	s.Put("a", &shadow.Entry{Version: 1})
	s.Put("b", &shadow.Entry{Version: 1})
	if len(s.Take()) != 2 {
		t.Fatal("not all that was put is taken")
	}
	s.Put("a", &shadow.Entry{Version: 2})
	if a, b := version(t, s, "a"), version(t, s, "b"); a != 2 || b != 1 {
		t.Errorf("while a transaction is in the air: a %d, b %d, want 2 and 1", a, b)
	}
	must(t, s.Committed(shadow.Progress{Clean: true, Time: t0, Offsets: map[string]map[int32]int64{"w": {0: 3}}}, 17))
	if a, b := version(t, s, "a"), version(t, s, "b"); a != 2 || b != 1 {
		t.Errorf("after it: a %d, b %d, want 2 and 1", a, b)
	}
	must(t, s.Close())
	s = open(t, dir, "topic")
	defer s.Close()
	if a, b := version(t, s, "a"), version(t, s, "b"); a != 1 || b != 1 {
		t.Errorf("opened again: a %d, b %d, want 1 and 1", a, b)
	}
	if s.Next() != 17 || !s.Progress().Clean || s.Progress().Offsets["w"][0] != 3 {
		t.Errorf("next %d, progress %+v", s.Next(), s.Progress())
	}
}

func TestStoreOfAnotherTopicIsDiscarded(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, "topic")
	s.Put("a", &shadow.Entry{Version: 1})
	s.Take()
	must(t, s.Committed(shadow.Progress{}, 5))
	must(t, s.Close())
	s = open(t, dir, "other")
	defer s.Close()
	if got := version(t, s, "a"); got != -1 || s.Next() != 0 {
		t.Errorf("a has version %d, next %d", got, s.Next())
	}
}

func TestStoresShareAFolder(t *testing.T) {
	dir := t.TempDir()
	one, two := open(t, dir, "topic"), open(t, dir, "topic")
	one.Put("a", &shadow.Entry{Version: 1})
	if got := version(t, two, "a"); got != -1 {
		t.Errorf("the other one sees version %d", got)
	}
	must(t, one.Close())
	must(t, two.Close())
}

func TestRefreshReadsTheTopic(t *testing.T) {
	c := brokertest.Start(t)
	cl, err := c.Client()
	must(t, err)
	defer cl.Close()
	const topic = "t.shadow.x"
	must(t, broker.EnsureTopics(t.Context(), cl, c, broker.Compacted(topic)))
	id, err := broker.Identify(t.Context(), cl, topic)
	must(t, err)
	r := rand.New(rand.NewPCG(1, 1))
	want := map[string]int64{}
	fill := func(n int) {
		var recs []*kgo.Record
		for v := range n {
			key := fmt.Sprint("contacts/id/", r.IntN(200))
			want[key] = int64(v)
			e := shadow.Entry{Version: int64(v), Properties: []shadow.Property{{Name: "p", Held: true, Value: string(make([]byte, 500))}}}
			recs = append(recs, &kgo.Record{Topic: topic, Key: []byte(key), Value: e.Append(nil)})
		}
		p := shadow.Progress{Time: t0, Offsets: map[string]map[int32]int64{"w": {0: int64(n)}}}
		v, err := p.Append(nil)
		must(t, err)
		must(t, cl.ProduceSync(t.Context(), append(recs, &kgo.Record{Topic: topic, Key: []byte(shadow.ProgressKey), Value: v})...).FirstErr())
	}
	check := func(s *shadow.Store, n int) {
		t.Helper()
		for key, v := range want {
			if got := version(t, s, key); got != v {
				t.Fatalf("%s: version %d, want %d", key, got, v)
			}
		}
		if got := s.Progress().Offsets["w"][0]; got != int64(n) {
			t.Errorf("progress %d, want %d", got, n)
		}
	}
	dir := t.TempDir()
	s := open(t, dir, id)
	fill(5000) // more than a batch
	must(t, s.Refresh(t.Context(), c, topic))
	check(s, 5000)
	s.Put("contacts/id/0", &shadow.Entry{Version: -5})
	fill(10)
	must(t, s.Refresh(t.Context(), c, topic))
	check(s, 10)
	must(t, s.Close())
	s = open(t, dir, id)
	before := s.Next()
	must(t, s.Refresh(t.Context(), c, topic))
	check(s, 10)
	if before == 0 || s.Next() != before {
		t.Errorf("next %d, then %d: the copy was read again", before, s.Next())
	}
	// A standby follows instead, and stops at any moment.
	fill(3000)
	ends, err := broker.Ends(t.Context(), c, topic)
	must(t, err)
	for start := time.Now(); s.Next() < ends[topic][0]; {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		must(t, s.Follow(ctx, c, topic))
		cancel()
		if time.Since(start) > time.Minute {
			t.Fatalf("followed to %d of %d", s.Next(), ends[topic][0])
		}
	}
	check(s, 3000)
	fill(20)
	must(t, s.Refresh(t.Context(), c, topic))
	check(s, 20)
	must(t, s.Close())
}
