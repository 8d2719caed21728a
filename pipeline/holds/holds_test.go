package holds_test

import (
	"testing"
	"time"

	"chartwire/pipeline/audit"
	"chartwire/pipeline/broker/brokertest"
	"chartwire/pipeline/holds"
	"chartwire/schemas"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/twmb/franz-go/pkg/kgo"
)

var at = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func full() holds.State {
	return holds.State{Sink: "hubspot", Flow: "patients", Held: true, Since: at, Why: "too much", Who: "chartwire", Back: 3,
		From: holds.Offsets{"t": {0: -1, 1: 7}}, Until: holds.Offsets{"t": {1: 9}}, Doubt: true,
		Taken: []holds.Taken{{Minute: at, Records: 4, Archived: 1}}, Kinds: []string{"contacts/id/"}, Asked: 5}
}

func TestStateRoundTrip(t *testing.T) {
	want := full()
	req, got, err := holds.Decode(want.Record(schemas.Topics{Prefix: "t"}))
	if err != nil || req != nil {
		t.Fatal(req, err)
	}
	if d := cmp.Diff(want, *got); d != "" {
		t.Error(d)
	}
}

// TestAsk: a request is in the topic and in the audit, the newest of a flow
// counts, and it is done when every sink that has the flow has taken it in.
func TestAsk(t *testing.T) {
	c, topics := brokertest.Start(t), schemas.Topics{Prefix: "t"}
	ctx := t.Context()
	if b, err := holds.Read(ctx, c, topics); err != nil || len(b.Requests)+len(b.States) > 0 {
		t.Fatalf("a topic that is not there: %+v, %v", b, err)
	}
	if _, err := holds.Ask(ctx, c, topics, holds.Hold, "patients", "why not", ""); err != nil {
		t.Fatal(err)
	}
	last, err := holds.Ask(ctx, c, topics, holds.Release, "patients", "enough", "held")
	if err != nil {
		t.Fatal(err)
	}
	cl, err := c.Client()
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	say := func(s holds.State) *holds.Board {
		t.Helper()
		if err := cl.ProduceSync(ctx, s.Record(topics)).FirstErr(); err != nil {
			t.Fatal(err)
		}
		b, err := holds.Read(ctx, c, topics)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	one, other := holds.State{Sink: "hubspot", Flow: "patients", Asked: last}, holds.State{Sink: "notify", Flow: "patients", Asked: last - 1, Held: true}
	b := say(one)
	r := b.Requests["patients"]
	if r.Act != holds.Release || r.Reason != "enough" || r.Offset != last || r.Who == "" || !b.Done(r) {
		t.Errorf("got %+v, done %v", r, b.Done(r))
	}
	if b = say(other); b.Done(r) {
		t.Error("done, although a sink has not taken it in")
	}
	other.Asked, other.Held = last, false
	if b = say(other); !b.Done(r) {
		t.Error("not done, although both sinks have taken it in")
	}
	if s, ok := b.State("notify", "patients"); !ok || s.Asked != last {
		t.Errorf("got %+v", s)
	}
	acts, err := audit.List(ctx, c, topics)
	if err != nil || len(acts) != 2 || acts[1].Act != "release" || acts[1].Subject != "flow patients" || acts[1].Before != "held" {
		t.Errorf("audit %+v, %v", acts, err)
	}
}

func FuzzDecode(f *testing.F) {
	s := full()
	r := s.Record(schemas.Topics{Prefix: "t"})
	f.Add(string(r.Key), r.Value)
	f.Add("request\x00patients", []byte(`{"flow":"patients","act":"hold"}`))
	f.Add("other", []byte("{"))
	f.Fuzz(func(t *testing.T, key string, value []byte) {
		_, s, err := holds.Decode(&kgo.Record{Key: []byte(key), Value: value})
		if err != nil || s == nil {
			return
		}
		if _, y := s.Since.Zone(); y != 0 || s.Since.Year() > 9999 || s.Since.Year() < 0 {
			return // JSON takes no such time back
		}
		for _, m := range s.Taken {
			if _, y := m.Minute.Zone(); y != 0 {
				return
			}
		}
		_, again, err := holds.Decode(s.Record(schemas.Topics{Prefix: "t"}))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(s, again, cmpopts.EquateEmpty()); d != "" {
			t.Error(d)
		}
	})
}
