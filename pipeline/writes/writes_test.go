package writes_test

import (
	"encoding/json"
	"math/rand/v2"
	"testing"
	"time"

	"chartwire/pipeline/writes"
	"chartwire/schemas"
	"chartwire/sinks"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/twmb/franz-go/pkg/kgo"
)

var topics = schemas.Topics{Prefix: "t"}

func TestMutationRoundTrip(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
	m := &sinks.Mutation{
		Sink: "hubspot", Flow: "om-aggregation", Map: "om-aggregation/contacts",
		Record:  sinks.Record{Object: "contacts", Property: "patient_id", Key: "17"},
		Version: 1 << 60, Lane: sinks.Safety, Due: at, Commit: at, Reason: "change", Existence: sinks.Present,
		Properties: []sinks.Property{{Name: "a", State: sinks.Set, Value: "ä\x01", Lane: sinks.Routine, Changed: at, Backward: true, PHI: true}, {Name: "b", State: sinks.Clear, Lane: sinks.Safety}},
		Links:      []sinks.Link{{Name: "order", To: sinks.Record{Object: "deals", Property: "k", Key: "1"}, Label: "l", State: sinks.Set}},
		Origin:     []sinks.Origin{{Source: "s", Table: "d.t", Row: "17", Seq: 4, Position: "file:a:4"}},
	}
	r, err := writes.Record(topics, m)
	if err != nil {
		t.Fatal(err)
	}
	if want := topics.Writes("hubspot", "om-aggregation", "safety"); r.Topic != want {
		t.Errorf("topic %s, want %s", r.Topic, want)
	}
	got, _, err := writes.Decode(r)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(m, got); d != "" {
		t.Error(d)
	}
}

// The encoding is that of the standard library, byte for byte.
func TestEncodingIsJSON(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	texts := []string{"", "plain", "ä ö", "<a&b>", `q"\`, "\x00\n\u2028", "\xff"}
	some := func() string { return texts[r.IntN(len(texts))] }
	at := func() time.Time {
		switch r.IntN(4) {
		case 0:
			return time.Time{}
		case 1:
			return time.Unix(r.Int64N(1<<33), r.Int64N(1e9)).In(time.FixedZone("z", 5400))
		}
		return time.UnixMilli(r.Int64N(1 << 43)).UTC()
	}
	rec := func() sinks.Record { return sinks.Record{Object: some(), Property: some(), Key: some()} }
	for range 2000 {
		m := &sinks.Mutation{Sink: some(), Flow: some(), Map: some(), Record: rec(), Version: r.Int64(), Lane: sinks.Lane(r.IntN(5)),
			Due: at(), Commit: at(), Reason: some(), Existence: sinks.Existence(some())}
		for range r.IntN(3) {
			m.Properties = append(m.Properties, sinks.Property{Name: some(), State: sinks.State(some()), Value: some(), Lane: sinks.Lane(r.IntN(4)),
				Changed: at(), Backward: r.IntN(2) == 0, PHI: r.IntN(2) == 0})
		}
		for range r.IntN(3) {
			m.Links = append(m.Links, sinks.Link{Name: some(), To: rec(), Label: some(), State: sinks.State(some())})
			m.Origin = append(m.Origin, sinks.Origin{Source: some(), Table: some(), Row: some(), Seq: -r.Int64(), Position: some()})
		}
		want, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		got, err := writes.Record(topics, m)
		if err != nil {
			t.Fatal(err)
		}
		if string(got.Value) != string(want) {
			t.Fatalf("got  %s\nwant %s", got.Value, want)
		}
	}
	for _, year := range []int{-1, 10000} {
		if _, err := writes.Record(topics, &sinks.Mutation{Due: time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)}); err == nil {
			t.Errorf("the year %d was encoded", year)
		}
	}
}

func TestHeartbeatRoundTrip(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
	m, got, err := writes.Decode(writes.Heartbeat(topics, "hubspot", "f", sinks.Routine, at))
	if err != nil || m != nil || !got.Equal(at) {
		t.Errorf("%v %v %v, want a heartbeat of %v", m, got, err, at)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("k", []byte(`{"sink":"hubspot","lane":"safety","properties":[{"name":"a","state":"set"}]}`))
	f.Add("heartbeat", []byte("2026-01-02T03:04:05Z"))
	f.Fuzz(func(t *testing.T, key string, value []byte) {
		m, _, err := writes.Decode(&kgo.Record{Key: []byte(key), Value: value})
		if err != nil || m == nil {
			return
		}
		r, err := writes.Record(topics, m)
		if err != nil {
			t.Skip() // a year beyond RFC 3339
		}
		again, _, err := writes.Decode(r)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(m, again, cmpopts.EquateEmpty()); d != "" {
			t.Error(d)
		}
	})
}
