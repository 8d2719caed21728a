package writes_test

import (
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
		Links:      []sinks.Link{{To: sinks.Record{Object: "deals", Property: "k", Key: "1"}, Label: "l", State: sinks.Set}},
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
