package integration_test

import (
	"strings"
	"testing"
	"time"

	"chartwire/integration/clinic"
)

// TestSchemasAccept walks the whole road with a column whose type changed: the
// maps that name it go on with the new one, once a person has accepted it, and
// nothing is started again for that.
func TestSchemasAccept(t *testing.T) {
	t.Parallel()
	r := newRoad(t, site{patients: 50})
	r.provision()
	p := r.start("run", []string{"run"})
	r.equal(60 * time.Second)
	table := clinic.Database + ".omaggregation"
	r.exec("ALTER TABLE omaggregation MODIFY BalTotal DECIMAL(12,2) NOT NULL DEFAULT 0")
	r.exec("UPDATE omaggregation SET BalTotal = 12.5, City = 'Athens' WHERE PatNum = 1")
	r.until(60*time.Second, "the table is held", func() bool {
		for id, l := range p.cut("om").Loads {
			if id.String() == table && l.Held.Rows == 1 {
				return true
			}
		}
		return false
	})
	run := func(wanted int, says string, args ...string) {
		t.Helper()
		if out, code := r.chartwire(args...); code != wanted || !strings.Contains(out, says) {
			t.Errorf("chartwire %v: exit code %d\n%s", args, code, out)
		}
	}
	run(0, "held since", "schemas", "list")
	run(0, "column BalTotal was double and is decimal", "schemas", "show", "om", table)
	run(2, "--reason is needed", "schemas", "accept", "om", table)
	run(0, "The values of BalTotal have the field BalTotal_v2 from then on", "schemas", "accept", "om", table, "--reason", "meant")
	run(1, "it is not held", "schemas", "accept", "om", table, "--reason", "twice")
	r.equal(90 * time.Second)
	run(0, "field BalTotal_v2", "schemas", "show", "om", table)
	run(0, "omaggregation", "schemas", "list", "om")
}
