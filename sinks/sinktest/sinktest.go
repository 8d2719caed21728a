package sinktest

import (
	"context"
	"testing"
	"time"

	"chartwire/sinks"
)

// Harness is one fresh destination with the sink under test in front of it.
// The destination must be reached as in production, at a socket.
type Harness struct {
	Sink sinks.Sink

	// Timeout is the sink's call timeout: short, so that the suite is quick.
	Timeout time.Duration

	// Write makes the n-th valid write for a new record: the same n gives the
	// same write, another n another record. It sets at least one property.
	Write func(n int) sinks.Write

	// Spoil gives a property of the write a value that the destination
	// refuses, and returns both. Nil: nothing is ever refused for one property.
	Spoil func(w *sinks.Write) (property, value string)

	// Count says how often the write's record is there; more than one is a
	// duplicate. Archived records do not count.
	Count func(w sinks.Write) int

	// Holds returns the value that the destination holds.
	Holds func(w sinks.Write, property string) string

	// End makes the n-th valid write for a new record that those of Write can be
	// linked with, and Linked says whether one is, by a label or by none. Labels
	// are two that the destination has. All are nil where Links() is zero.
	End    func(n int) sinks.Write
	Linked func(w sinks.Write, to sinks.Record, label string) bool
	Labels []string

	// Fail makes the next call meet the fault.
	Fail func(Fault)

	// Permanent says that the destination cannot take a record back (a page
	// that was sent): archiving succeeds and does nothing.
	Permanent bool
}

// Run holds a sink to the contract. It calls fresh once per subtest.
func Run(t *testing.T, fresh func(t *testing.T) Harness) {
	for _, c := range contract {
		t.Run(c.sentence, func(t *testing.T) {
			h := fresh(t)
			if err := h.Sink.Open(t.Context()); err != nil && !c.closed {
				t.Fatalf("Open: %v", err)
			}
			c.test(t, &h)
		})
	}
}

var contract = []struct {
	sentence string
	closed   bool // the test expects Open's own failure
	test     func(*testing.T, *Harness)
}{
	{"the name is constant and fit for a topic", false, testName},
	{"Open can be called again", false, testOpenAgain},
	{"a batch is at least one write", false, testBatch},
	{"Reserve grants an idle lane and never blocks", false, testReserve},
	{"one result per write in the order of the writes", false, testOrder},
	{"no writes give no results and no fault", false, testEmpty},
	{"applying twice equals applying once", false, testIdempotent},
	{"a known record is not created again", false, testUpdate},
	{"a cleared property is empty", false, testClear},
	{"what is absent from a write is left alone", false, testAbsent},
	{"one refused write does not fail the others", false, testOneBad},
	{"a refusal names the property and never its value", false, testRefusalNames},
	{"the write repeated without the refused property succeeds", false, testRepeatWithout},
	{"archiving what is there removes it", false, testArchive},
	{"archiving what is not there succeeds", false, testArchiveAbsent},
	{"an archived record that is written is there again", false, testUnarchive},
	{"what is for an existing record makes none", false, testExisting},
	{"throttling is the error of every result and passes", false, testThrottled},
	{"a server error is the error of every result and passes", false, testUnavailable},
	{"a lost answer is unknown and repeating it doubles nothing", false, testLostAnswer},
	{"a slow answer ends with the call timeout", false, testTimeout},
	{"Apply ends with its context", false, testContext},
	{"a fault of the credentials is a halt, not a dead letter", false, testHalt},
	{"calls for different records run at once", false, testConcurrent},
	{"a sink that knows no links says so", false, testLinksSaid},
	{"a link asked for twice is there once", false, linked(testLinkTwice)},
	{"a link moves to another record", false, linked(testLinkMoves)},
	{"of two labels one goes and one stays", false, linked(testLinkLabels)},
	{"a link that is not there can be removed", false, linked(testUnlinkAbsent)},
	{"a missing end is one link's refusal", false, linked(testLinkMissing)},
	{"a fault of a call for links passes", false, linked(testLinkFault)},
	{"many records are linked in one call", false, linked(testLinkMany)},
}

// writes makes n valid writes with traces of their own, starting at from.
func (h *Harness) writes(from, n int) []sinks.Write {
	ws := make([]sinks.Write, n)
	for i := range ws {
		ws[i] = h.Write(from + i)
	}
	return ws
}

// batch is how many writes the suite sends at once.
func (h *Harness) batch() int { return min(h.Sink.Batch(h.Write(0).Record.Object), 100) }

// apply reserves and applies, as Deliver does.
func (h *Harness) apply(t *testing.T, ws ...sinks.Write) []sinks.Result {
	t.Helper()
	if len(ws) > 0 {
		h.reserve(t, ws[0].Lane)
	}
	results := h.Sink.Apply(t.Context(), ws)
	if len(results) != len(ws) {
		t.Fatalf("%d results for %d writes", len(results), len(ws))
	}
	return results
}

// reserve waits for room as Deliver does, at most a few seconds.
func (h *Harness) reserve(t *testing.T, lane sinks.Lane) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		wait := h.Sink.Reserve(lane, time.Now())
		if wait <= 0 {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("no room in lane %s after 20 s", lane)
		case <-time.After(wait):
		}
	}
}

// must fails unless every result is a success.
func must(t *testing.T, results []sinks.Result) []sinks.Result {
	t.Helper()
	for i, r := range results {
		if r.Err != nil {
			t.Fatalf("write %d: %v", i, r.Err)
		}
	}
	return results
}

func (h *Harness) there(t *testing.T, w sinks.Write, want int) {
	t.Helper()
	if got := h.Count(w); got != want {
		t.Errorf("record is there %d times, want %d", got, want)
	}
}
