package cli

import (
	"testing"
	"time"

	"chartwire/integration/faults"
)

// What says that a stage is ready is how old the newest thing is that it heard
// of, heartbeats included, not that its process runs.
func TestNotReady(t *testing.T) {
	faults.Shows(t, "liveness-always-up", "readyz is the age of the newest heartbeat: ten seconds without one, and the holder is not ready; a standby has nothing to move")
	f := func(holding bool, trouble string, heard time.Time, want string) {
		t.Helper()
		got := ""
		if err := notReady(holding, trouble, "source", heard); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	f(true, "", time.Now(), "")
	f(true, "", time.Now().Add(-stale/2), "")
	f(true, "", time.Now().Add(-time.Minute), "source is 1m0s old")
	f(true, "", time.Time{}, "no source yet")
	f(false, "", time.Now().Add(-time.Hour), "")
	f(false, "no broker answers", time.Time{}, "cannot even stand by: no broker answers")
}
