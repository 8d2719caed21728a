package integration_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"chartwire/integration/faults"
)

// TestRewindVerb: an operator reads the last minutes again. He sees what that is
// before it happens, and afterwards every record is what its row says.
func TestRewindVerb(t *testing.T) {
	t.Parallel()
	faults.Shows(t, "rewind", "chartwire rewind shows files, bytes, transactions and tables first; with --yes the records come to be what their rows say, and the act is in the audit")
	r := newRoad(t, site{})
	r.provision()
	p := r.start("run", []string{"run"})
	r.until(60*time.Second, "every patient is a contact", func() bool { return len(r.sim.Records("contacts")) >= 200 })
	time.Sleep(1100 * time.Millisecond) // the log's times are whole seconds
	from := time.Now().UTC()
	for i := range 5 {
		r.exec(fmt.Sprintf("UPDATE omaggregation SET City = 'Rewound %d' WHERE PatNum %% 5 = %d", i, i))
	}
	r.equal(60 * time.Second)

	at := from.Format(time.RFC3339)
	if out, code := r.chartwire("rewind", "om", "--to", at, "--yes"); code != 1 || !strings.Contains(out, "is being captured") {
		t.Errorf("beside a capture: exit code %d\n%s", code, out)
	}
	p.stop()
	out, code := r.chartwire("rewind", "om", "--to", at)
	if code != 0 || !strings.Contains(out, ".omaggregation: 200 row changes") || !strings.Contains(out, "say --yes") {
		t.Errorf("looking: exit code %d\n%s", code, out)
	}
	if out, code := r.chartwire("rewind", "om", "--to", "yesterday"); code != 2 || !strings.Contains(out, "no transaction id") {
		t.Errorf("to what is no place: exit code %d\n%s", code, out)
	}
	if out, code := r.chartwire("rewind", "om", "--to", "2001-01-01T00:00:00Z"); code != 1 || !strings.Contains(out, "binlog-purged") {
		t.Errorf("to what is gone: exit code %d\n%s", code, out)
	}
	r.exec("UPDATE omaggregation SET City = 'Meanwhile' WHERE PatNum % 7 = 0")
	if out, code := r.chartwire("rewind", "om", "--to", at, "--yes", "--reason", "a destination lost a day"); code != 0 {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	p.launch()
	r.equal(90 * time.Second)
	r.audited("rewind", "source om")
}
