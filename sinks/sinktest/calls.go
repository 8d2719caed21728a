package sinktest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"chartwire/cdc"
	"chartwire/sinks"
)

func testThrottled(t *testing.T, h *Harness) {
	ws := h.writes(0, min(3, h.batch()))
	h.Fail(Fault{Kind: FaultThrottle, Wait: time.Second})
	for i, r := range h.apply(t, ws...) {
		var throttled *sinks.Throttled
		if !errors.As(r.Err, &throttled) {
			t.Fatalf("write %d: %v, want *Throttled", i, r.Err)
		}
		if throttled.Wait <= 0 || throttled.Policy == "" {
			t.Errorf("wait %s, policy %q: neither may be empty", throttled.Wait, throttled.Policy)
		}
	}
	h.passes(t, ws)
}

func testUnavailable(t *testing.T, h *Harness) {
	ws := h.writes(0, min(3, h.batch()))
	h.Fail(Fault{Kind: FaultUnavailable})
	for i, r := range h.apply(t, ws...) {
		var unavailable *sinks.Unavailable
		if !errors.As(r.Err, &unavailable) {
			t.Fatalf("write %d: %v, want *Unavailable", i, r.Err)
		}
	}
	h.passes(t, ws)
}

func testLostAnswer(t *testing.T, h *Harness) {
	ws := h.writes(0, min(3, h.batch()))
	h.Fail(Fault{Kind: FaultLostAnswer})
	for i, r := range h.apply(t, ws...) {
		h.unknown(t, i, r.Err)
	}
	h.passes(t, ws)
}

func testTimeout(t *testing.T, h *Harness) {
	ws := h.writes(0, min(3, h.batch()))
	h.Fail(Fault{Kind: FaultSlow, Wait: 3 * h.Timeout})
	h.reserve(t, ws[0].Lane)
	start := time.Now()
	results := h.Sink.Apply(t.Context(), ws)
	if took := time.Since(start); took > h.Timeout+h.Timeout/2 {
		t.Errorf("took %s, call timeout %s", took, h.Timeout)
	}
	for i, r := range results {
		h.unknown(t, i, r.Err)
	}
	h.passes(t, ws)
}

func testContext(t *testing.T, h *Harness) {
	w := h.Write(1)
	h.Fail(Fault{Kind: FaultSlow, Wait: 3 * h.Timeout})
	h.reserve(t, w.Lane)
	ctx, cancel := context.WithCancel(t.Context())
	stop := time.AfterFunc(h.Timeout/8, cancel)
	defer stop.Stop()
	start := time.Now()
	results := h.Sink.Apply(ctx, []sinks.Write{w})
	if took := time.Since(start); took > h.Timeout*3/4 {
		t.Errorf("took %s although its context ended after %s", took, h.Timeout/8)
	}
	h.unknown(t, 0, results[0].Err)
}

func testHalt(t *testing.T, h *Harness) {
	ws := h.writes(0, min(3, h.batch()))
	h.Fail(Fault{Kind: FaultHalt})
	for i, r := range h.apply(t, ws...) {
		if cdc.HaltCode(r.Err) == "" {
			t.Errorf("write %d: %v, want a halt", i, r.Err)
		}
		var refused *sinks.Rejected
		if errors.As(r.Err, &refused) {
			t.Errorf("write %d is refused too, and would be a dead letter", i)
		}
	}
}

func testConcurrent(t *testing.T, h *Harness) {
	const callers = 4
	n := h.batch()
	var wg sync.WaitGroup
	for c := range callers {
		ws := h.writes(c*n, n)
		for i := range ws {
			ws[i].Lane = sinks.Lanes[c%len(sinks.Lanes)]
		}
		h.reserve(t, ws[0].Lane)
		wg.Go(func() {
			for i, r := range h.Sink.Apply(t.Context(), ws) {
				if r.Err != nil {
					t.Errorf("caller %d, write %d: %v", c, i, r.Err)
				}
			}
		})
	}
	wg.Wait()
	for i := range callers * n {
		h.there(t, h.Write(i), 1)
	}
}

// passes says that the fault has passed: the same writes succeed, once.
func (h *Harness) passes(t *testing.T, ws []sinks.Write) {
	t.Helper()
	must(t, h.apply(t, ws...))
	for _, w := range ws {
		h.there(t, w, 1)
	}
}

// unknown says that the destination may have carried the write out.
func (h *Harness) unknown(t *testing.T, i int, err error) {
	t.Helper()
	var unavailable *sinks.Unavailable
	if !errors.As(err, &unavailable) || !unavailable.Unknown {
		t.Fatalf("write %d: %v, want *Unavailable with Unknown", i, err)
	}
}
