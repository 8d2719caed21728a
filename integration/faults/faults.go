// Package faults names the faults that a capture must come through. A test that
// shows one says so by Shows, and integration/FAULTS.md is made of what they say.
package faults

import (
	"strings"
	"testing"
)

// Fault is one way in which captures have lost rows, lied or stood still.
type Fault struct {
	ID      string
	Section string // of Sections
	What    string // the fault in one line
}

// Shows says that the running test shows the fault and what the capture did
// about it. Both are literals at the call, because FAULTS.md is read from the
// sources of the tests: the report does not depend on who ran which test.
func Shows(t testing.TB, id, did string) {
	t.Helper()
	if _, ok := Find(id); !ok {
		t.Errorf("the fault %q has no line in integration/faults/list.go", id)
	}
	if strings.TrimSpace(did) == "" || strings.ContainsAny(did, "|\n") {
		t.Errorf("the fault %q: what the capture did is one line without a bar, not %q", id, did)
	}
}

// Find is the fault of an id.
func Find(id string) (Fault, bool) {
	for _, f := range List {
		if f.ID == id {
			return f, true
		}
	}
	return Fault{}, false
}
