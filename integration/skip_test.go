package integration_test

import (
	"strings"
	"testing"
	"time"

	"chartwire/integration/faults"
	"chartwire/integration/servers"
)

// TestSkipVerb: a session writes row images that lack columns, and the capture
// halts. An operator sees which transaction that is and passes over it; its table
// is read again, so that afterwards every record is what its row says.
func TestSkipVerb(t *testing.T) {
	t.Parallel()
	faults.Shows(t, "skip", "chartwire skip shows the transaction first; with --yes the capture goes on behind it, its table is read again, and the records come to be what their rows say")
	faults.Shows(t, "minimal-image", "nothing of it is lost: after chartwire skip the table is read again")
	for _, flavor := range []servers.Flavor{servers.MariaDB1011, servers.MySQLNew} {
		t.Run(flavor.Name, func(t *testing.T) {
			t.Parallel()
			r := newRoad(t, site{flavor: flavor, patients: 40})
			r.provision()
			p := r.start("run", []string{"run"})
			r.until(60*time.Second, "every patient is a contact", func() bool { return len(r.sim.Records("contacts")) >= 40 })
			if out, code := r.chartwire("skip", "om", "--reason", "why not"); code != 1 || !strings.Contains(out, "skip-nothing") {
				t.Errorf("beside a capture that runs: exit code %d\n%s", code, out)
			}
			r.exec("SET SESSION binlog_row_image = minimal; UPDATE omaggregation SET City = 'Half' WHERE PatNum % 4 = 0; SET SESSION binlog_row_image = full")
			r.until(60*time.Second, "the capture halted", func() bool {
				for _, rep := range p.status() {
					if rep.Stage == "capture" && rep.Name == "om" && rep.Halted == "row-image-partial" {
						return true
					}
				}
				return false
			})
			r.exec("UPDATE omaggregation SET City = 'Behind' WHERE PatNum % 7 = 0")
			p.stop()
			out, code := r.chartwire("skip", "om", "--reason", "a session's setting")
			for _, want := range []string{"row-image-partial", "changes ", ".omaggregation", "10 row images", "read again: ", "say --yes"} {
				if code != 0 || !strings.Contains(out, want) {
					t.Errorf("looking does not say %q: exit code %d\n%s", want, code, out)
				}
			}
			if out, code := r.chartwire("skip", "om", "--yes"); code != 2 || !strings.Contains(out, "--reason") {
				t.Errorf("without a reason: exit code %d\n%s", code, out)
			}
			if out, code := r.chartwire("skip", "om", "--yes", "--reason", "x", "--reread", "nobodys"); code != 2 || !strings.Contains(out, "nobodys") {
				t.Errorf("with a table of nobody's: exit code %d\n%s", code, out)
			}
			if out, code := r.chartwire("skip", "om", "--yes", "--reason", "a session's setting"); code != 0 {
				t.Fatalf("exit code %d\n%s", code, out)
			}
			p.launch()
			r.equal(90 * time.Second)
			r.audited("skip", "source om")
		})
	}
}
