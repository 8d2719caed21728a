package sinktest

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"chartwire/sinks"
)

func testName(t *testing.T, h *Harness) {
	name := h.Sink.Name()
	if !regexp.MustCompile(`^[a-z][a-z0-9-]*$`).MatchString(name) {
		t.Errorf("name %q is not lower-case letters, digits and -", name)
	}
	if again := h.Sink.Name(); again != name {
		t.Errorf("name is %q, then %q", name, again)
	}
}

func testOpenAgain(t *testing.T, h *Harness) {
	if err := h.Sink.Open(t.Context()); err != nil {
		t.Fatalf("second Open: %v", err)
	}
	must(t, h.apply(t, h.Write(1)))
}

func testBatch(t *testing.T, h *Harness) {
	if n := h.Sink.Batch(h.Write(0).Record.Object); n < 1 {
		t.Errorf("batch of %d", n)
	}
}

func testReserve(t *testing.T, h *Harness) {
	for _, lane := range sinks.Lanes {
		start := time.Now()
		if wait := h.Sink.Reserve(lane, start); wait != 0 {
			t.Errorf("lane %s waits %s on an idle sink", lane, wait)
		}
		if took := time.Since(start); took > 100*time.Millisecond {
			t.Errorf("lane %s: Reserve took %s", lane, took)
		}
	}
}

func testOrder(t *testing.T, h *Harness) {
	ws := h.writes(0, h.batch())
	first := must(t, h.apply(t, ws...))
	ids := map[string]int{}
	for i, r := range first {
		if r.ID == "" {
			t.Fatalf("write %d: no id", i)
		}
		if other, twice := ids[r.ID]; twice {
			t.Fatalf("writes %d and %d have one id", other, i)
		}
		ids[r.ID] = i
		h.there(t, ws[i], 1)
	}
	// In another order, each write still gets its own record's id.
	back := make([]sinks.Write, len(ws))
	for i := range ws {
		back[len(ws)-1-i] = ws[i]
	}
	for i, r := range must(t, h.apply(t, back...)) {
		if want := first[len(ws)-1-i].ID; r.ID != want {
			t.Errorf("write %d reversed: id %s, want %s", i, r.ID, want)
		}
	}
}

func testEmpty(t *testing.T, h *Harness) {
	if results := h.Sink.Apply(t.Context(), nil); len(results) != 0 {
		t.Errorf("%d results for no writes", len(results))
	}
}

func testIdempotent(t *testing.T, h *Harness) {
	w := h.Write(1)
	first := must(t, h.apply(t, w))[0]
	second := must(t, h.apply(t, w))[0]
	if !first.New {
		t.Error("the first write does not say that it created the record")
	}
	if second.ID != first.ID {
		t.Errorf("id %s, then %s", first.ID, second.ID)
	}
	if second.New && !h.Permanent {
		t.Error("the second write says that it created the record")
	}
	h.there(t, w, 1)
}

func testUpdate(t *testing.T, h *Harness) {
	w := h.Write(1)
	id := must(t, h.apply(t, w))[0].ID
	w.ID, w.Create, w.Trace = id, false, w.Trace+"-again"
	r := must(t, h.apply(t, w))[0]
	if r.ID != id || r.New && !h.Permanent {
		t.Errorf("id %s new %v, want %s and not new", r.ID, r.New, id)
	}
	h.there(t, w, 1)
}

func testClear(t *testing.T, h *Harness) {
	if h.Permanent {
		t.Skip("what was sent cannot be emptied")
	}
	w := h.Write(1)
	must(t, h.apply(t, w))
	p := w.Properties[len(w.Properties)-1]
	w.Properties = []sinks.Property{{Name: p.Name, State: sinks.Clear, Lane: p.Lane}}
	must(t, h.apply(t, w))
	if got := h.Holds(w, p.Name); got != "" {
		t.Errorf("%s holds %q after clearing", p.Name, got)
	}
}

func testAbsent(t *testing.T, h *Harness) {
	if h.Permanent {
		t.Skip("each notification stands alone")
	}
	w := h.Write(1)
	must(t, h.apply(t, w))
	p := w.Properties[len(w.Properties)-1]
	want := h.Holds(w, p.Name)
	if want == "" {
		t.Fatalf("%s is empty after writing it", p.Name)
	}
	w.Properties = w.Properties[:len(w.Properties)-1]
	must(t, h.apply(t, w))
	if got := h.Holds(w, p.Name); got != want {
		t.Errorf("%s holds %q, want %q as before", p.Name, got, want)
	}
}

func testOneBad(t *testing.T, h *Harness) {
	if h.Spoil == nil {
		t.Skip("nothing is refused for one property")
	}
	ws := h.writes(0, h.batch())
	bad := len(ws) / 2
	h.Spoil(&ws[bad])
	for i, r := range h.apply(t, ws...) {
		if i == bad {
			var refused *sinks.Rejected
			if !errors.As(r.Err, &refused) {
				t.Errorf("the bad write: %v, want *Rejected", r.Err)
			}
			h.there(t, ws[i], 0)
			continue
		}
		if r.Err != nil {
			t.Errorf("write %d of %d: %v", i, len(ws), r.Err)
		}
		h.there(t, ws[i], 1)
	}
}

func testRefusalNames(t *testing.T, h *Harness) {
	if h.Spoil == nil {
		t.Skip("nothing is refused for one property")
	}
	w := h.Write(1)
	property, value := h.Spoil(&w)
	err := h.apply(t, w)[0].Err
	var refused *sinks.Rejected
	if !errors.As(err, &refused) {
		t.Fatalf("%v, want *Rejected", err)
	}
	if refused.Property != property {
		t.Errorf("property %q, want %q", refused.Property, property)
	}
	if refused.Code == "" || refused.Message == "" {
		t.Errorf("code %q, message %q: neither may be empty", refused.Code, refused.Message)
	}
	if strings.Contains(strings.ToLower(err.Error()), strings.ToLower(value)) {
		t.Errorf("the error holds the value: %v", err)
	}
	if strings.Contains(err.Error(), w.Record.Key) {
		t.Errorf("the error holds the key: %v", err)
	}
}

func testRepeatWithout(t *testing.T, h *Harness) {
	if h.Spoil == nil {
		t.Skip("nothing is refused for one property")
	}
	w := h.Write(1)
	property, _ := h.Spoil(&w)
	if err := h.apply(t, w)[0].Err; err == nil {
		t.Fatal("the spoilt write succeeded")
	}
	kept := w.Properties[:0]
	for _, p := range w.Properties {
		if p.Name != property {
			kept = append(kept, p)
		}
	}
	w.Properties = kept
	must(t, h.apply(t, w))
	h.there(t, w, 1)
}

func testArchive(t *testing.T, h *Harness) {
	w := h.Write(1)
	id := must(t, h.apply(t, w))[0].ID
	for _, known := range []string{id, ""} { // by id, then again, id unknown
		must(t, h.apply(t, sinks.Write{Record: w.Record, ID: known, Trace: "archive" + known, Lane: w.Lane, Archive: true}))
		if h.Permanent {
			h.there(t, w, 1)
		} else {
			h.there(t, w, 0)
		}
	}
}

func testArchiveAbsent(t *testing.T, h *Harness) {
	w := h.Write(1)
	must(t, h.apply(t, sinks.Write{Record: w.Record, Trace: "archive", Lane: w.Lane, Archive: true}))
	h.there(t, w, 0)
}

func testUnarchive(t *testing.T, h *Harness) {
	if h.Permanent {
		t.Skip("what was sent is there for good")
	}
	w := h.Write(1)
	id := must(t, h.apply(t, w))[0].ID
	must(t, h.apply(t, sinks.Write{Record: w.Record, ID: id, Trace: "archive", Lane: w.Lane, Archive: true}))
	w.Create = true
	must(t, h.apply(t, w))
	h.there(t, w, 1)
}

func testExisting(t *testing.T, h *Harness) {
	w := h.Write(1)
	absent := w
	absent.Existing = true
	if r := must(t, h.apply(t, absent))[0]; r.ID != "" || r.New {
		t.Errorf("a record that is not there: id %q, new %v", r.ID, r.New)
	}
	h.there(t, w, 0)
	if h.Permanent {
		return
	}
	id := must(t, h.apply(t, w))[0].ID
	there, other := w, h.Write(2)
	p := w.Properties[len(w.Properties)-1]
	there.Properties = []sinks.Property{{Name: p.Name, State: sinks.Clear, Lane: p.Lane}}
	there.ID, there.Trace, there.Create, there.Existing, other.Existing = id, "existing", false, true, true
	rs := must(t, h.apply(t, there, other))
	if rs[0].ID != id || rs[1].ID != "" {
		t.Errorf("ids %q and %q, want %q and none", rs[0].ID, rs[1].ID, id)
	}
	if got := h.Holds(w, p.Name); got != "" {
		t.Errorf("%s of a record that is there holds %q after clearing", p.Name, got)
	}
	h.there(t, other, 0)
	must(t, h.apply(t, sinks.Write{Record: w.Record, ID: id, Trace: "archive", Lane: w.Lane, Archive: true}))
	there.Trace = "archived"
	if r := must(t, h.apply(t, there))[0]; r.ID != "" {
		t.Errorf("an archived record: id %q", r.ID)
	}
	h.there(t, w, 0)
}
