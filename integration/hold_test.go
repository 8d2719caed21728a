package integration_test

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestMassChangeHeld: a table that somebody empties, with the binary and its
// verbs, on a cluster and on the embedded broker.
func TestMassChangeHeld(t *testing.T) {
	t.Parallel()
	for _, kafka := range []string{"", "embedded"} {
		t.Run(kafka, func(t *testing.T) {
			t.Parallel()
			r := newRoad(t, site{patients: 400, kafka: kafka, hold: "{share: 1%, at_least: 20}"})
			r.provision()
			p := r.start("run", []string{"run"})
			there := func() (active, gone int) {
				for _, c := range r.sim.Records("contacts") {
					if c.Properties["patient_record_active"] == "false" {
						gone++
					} else {
						active++
					}
				}
				return active, gone
			}
			r.until(60*time.Second, "every patient is a contact", func() bool { n, _ := there(); return n >= 400 })
			if out, code := p.flow("release", "patients", "--reason", "none"); code != 1 || !strings.Contains(out, "is not held") {
				t.Errorf("a release of what is not held: exit code %d\n%s", code, out)
			}
			r.exec("TRUNCATE omaggregation")
			r.until(60*time.Second, "it is held", func() bool { out, _ := p.flow("status"); return strings.Contains(out, "held at hubspot") })
			r.critical()
			r.until(60*time.Second, "a critical result has its ticket and page", func() bool { return r.alarms() == 1 && len(r.pager.Pages()) == 1 })
			if _, gone := there(); gone > 21 {
				t.Errorf("%d contacts are marked as gone", gone)
			}
			p.stop()
			p.launch()
			r.until(60*time.Second, "it runs, and holds the flow still", func() bool {
				return strings.Contains(fmt.Sprint(p.get("/status")), `"held":{"patients"`)
			})
			if out, code := p.flow("release", "patients"); code != 2 || !strings.Contains(out, "--reason") {
				t.Errorf("a release without a reason: exit code %d\n%s", code, out)
			}
			if out, code := p.flow("release", "patients", "--reason", "the clinic has moved"); code != 0 || !strings.Contains(out, "carried out") {
				t.Errorf("exit code %d\n%s", code, out)
			}
			r.until(60*time.Second, "all are marked as gone", func() bool { n, gone := there(); return n == 0 && gone >= 400 })
			if out, code := p.flow("status"); code != 0 || strings.Contains(out, "held at") {
				t.Errorf("exit code %d\n%s", code, out)
			}
			if out, code := p.flow("hold", "labs", "--reason", "maintenance"); code != 0 || !strings.Contains(out, "carried out") {
				t.Errorf("exit code %d\n%s", code, out)
			}
			r.critical()
			r.until(60*time.Second, "a held flow's rules go on", func() bool { return r.alarms() == 2 && len(r.pager.Pages()) == 2 })
		})
	}
}

// flow runs a verb where the process runs: that is where an embedded broker is.
func (p *process) flow(args ...string) (string, int) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.bin, append([]string{"flow", "--config", filepath.Join(filepath.Dir(p.dir), configName)}, args...)...)
	cmd.Dir, cmd.Env = p.dir, p.env
	b, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		p.t.Fatalf("running chartwire flow: %v", err)
	}
	return string(b), cmd.ProcessState.ExitCode()
}
