package pipeline_test

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"chartwire/pipeline"
	"chartwire/sinks"
	"chartwire/sinks/sinktest"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

func testRefusedProperty(t *testing.T, e *deliverEnv) {
	e.sink.RefuseProperty("email", "bad")
	for i := range 100 {
		email := "ok"
		if i == 42 {
			email = "bad"
		}
		e.send(e.mutation(key(i), sinks.Routine, "email", email, "name", "x"))
	}
	e.start()
	e.settle(soon)
	held := e.held()
	if len(held) != 100 {
		t.Errorf("%d records of 100", len(held))
	}
	bad := sinks.Record{Object: "contacts", Property: "patient_id", Key: key(42)}
	if got := held[bad.ID()]; !cmp.Equal(got, map[string]string{"name": "x"}) {
		t.Errorf("the refused record holds %v", got)
	}
	ls := e.letters()
	if len(ls) != 1 {
		t.Fatalf("%d dead letters", len(ls))
	}
	l := ls[0]
	if l.Property != "email" || l.Record != bad || l.Code != "INVALID_VALUE" || l.Correlation != "memory" || l.Message == "" ||
		len(l.Origin) != 1 || l.Origin[0].Row != key(42) || l.Flow != "om" || l.Map != "om/contacts" {
		t.Errorf("dead letter %+v", l)
	}
	n := len(e.writesOf(key(42)))
	e.send(e.mutation(key(42), sinks.Routine, "email", "bad", "name", "y"))
	e.settle(soon)
	if ws := e.writesOf(key(42)); len(ws) != n+1 || !slices.Equal(names(ws[n]), []string{"name"}) {
		t.Errorf("the refused value is sent again: %d writes more", len(ws)-n)
	}
	e.sink.Refuse(nil)
	m := e.mutation(key(42), sinks.Routine, "email", "bad", "name", "y")
	m.Reason = "retry"
	e.send(m)
	e.settle(soon)
	e.equal()
	if ls := e.letters(); len(ls) != 0 {
		t.Errorf("%d dead letters after the retry", len(ls))
	}
}

func testRefusedRecord(t *testing.T, e *deliverEnv) {
	e.sink.Refuse(func(w sinks.Write) *sinks.Rejected {
		if w.Record.Key != "p" {
			return nil
		}
		return &sinks.Rejected{Code: "CONFLICT", Class: "identity", Message: "it is there already", Existing: "77", Correlation: "c"}
	})
	for _, k := range []string{"o", "p", "q"} {
		e.send(e.mutation(k, sinks.Realtime, "a", "1"))
	}
	e.start()
	e.settle(soon)
	if ls := e.letters(); len(ls) != 1 || ls[0].Property != "" || ls[0].Existing != "77" || ls[0].Class != "identity" {
		t.Errorf("dead letters %+v", ls)
	}
	if n := len(e.held()); n != 2 {
		t.Errorf("%d records, want 2", n)
	}
	e.sink.Refuse(nil)
	e.send(e.mutation("p", sinks.Realtime, "a", "1"))
	e.settle(soon)
	e.equal()
	if ls := e.letters(); len(ls) != 0 {
		t.Errorf("%d dead letters after the record was taken", len(ls))
	}
}

// testNothingLeaks delivers values that must not be seen through everything
// that makes Deliver speak.
func testNothingLeaks(t *testing.T, e *deliverEnv) {
	const canary = "canary7731"
	var said strings.Builder
	registry := prometheus.NewPedanticRegistry()
	e.sink.RefuseProperty("email", canary+"bad")
	e.sink.Normalise(func(_, v string) string { return strings.ToUpper(v) })
	e.send(e.mutation(canary+"p", sinks.Realtime, "a", canary, "email", canary+"bad"), e.mutation(canary+"q", sinks.Safety, "s", canary))
	r := e.start(func(o *pipeline.DeliverOptions) {
		o.Log = slog.New(slog.NewJSONHandler(&said, &slog.HandlerOptions{Level: slog.LevelDebug}))
		o.Metrics = registry
	})
	e.settle(soon)
	e.eventually(soon, "it holds the sink", func() bool { return r.Status().Holding })
	e.sink.Fail(sinktest.Fault{Kind: sinktest.FaultLostAnswer}, sinktest.Fault{Kind: sinktest.FaultUnavailable}, sinktest.Fault{Kind: sinktest.FaultThrottle, Wait: time.Millisecond})
	for range 5 {
		e.send(e.mutation(canary+"p", sinks.Realtime, "a", canary+fmt.Sprint(e.next)))
		e.settle(soon)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, f := range families {
		seen[f.GetName()] = true
		if strings.Contains(f.String(), canary) {
			t.Errorf("metric %s holds a value", f.GetName())
		}
	}
	for _, name := range []string{"latency_seconds", "call_seconds", "writes_total", "retries_total", "dead_letters_total", "waiting_records", "stored_otherwise_total"} {
		if !seen["chartwire_deliver_"+name] {
			t.Errorf("no metric chartwire_deliver_%s", name)
		}
	}
	if st := r.Status().Lanes[sinks.Realtime]; st.Letters != 1 || st.Calls == 0 || st.Retries == 0 || st.P99 == 0 {
		t.Errorf("status %+v", st)
	}
	if text := fmt.Sprintf("%+v", r.Status()); strings.Contains(text, canary) {
		t.Errorf("the status holds a value: %s", text)
	}
	e.end(r)
	if !strings.Contains(said.String(), "dead letter") {
		t.Error("the dead letter is not in the log")
	}
	if strings.Contains(said.String(), canary) {
		t.Errorf("the log holds a value:\n%s", said.String())
	}
}
