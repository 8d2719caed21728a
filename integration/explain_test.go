package integration_test

import (
	"strings"
	"testing"
	"time"
)

// TestExplain asks of a running installation where a contact comes from, as
// `chartwire maps explain` and `chartwire topics show` tell it, before and after
// its row changes.
func TestExplain(t *testing.T) {
	r := newRoad(t, site{patients: 30})
	r.provision()
	r.start("run", []string{"run"})
	r.until(60*time.Second, "every patient is a contact", func() bool { return len(r.sim.Records("contacts")) >= 30 })
	key := r.sim.Records("contacts")[7].Properties["open_medical_patient_id"]
	tell := func(want ...string) string {
		t.Helper()
		out, code := r.chartwire("maps", "explain", "om-aggregation/contacts", key)
		for _, w := range want {
			if code != 0 || !strings.Contains(out, w) {
				t.Errorf("exit code %d, lacks %q:\n%s", code, w, out)
			}
		}
		return out
	}
	tell("hubspot.contacts open_medical_patient_id = \""+key+"\", by om-aggregation/contacts of flow patients", "reason snapshot", "city = ", "  from    ", "row \""+key+"\", seq ")

	r.exec("update omaggregation set City = 'Nowhere \"an der\" Elbe' where PatNum = " + key)
	r.until(30*time.Second, "the city is there", func() bool {
		c, ok := r.sim.Lookup("contacts", "open_medical_patient_id", key)
		return ok && strings.HasPrefix(c.Properties["city"], "Nowhere")
	})
	const city = `"Nowhere \"an der\" Elbe"`
	told := ""
	r.until(15*time.Second, "the shadow has it", func() bool {
		told, _ = r.chartwire("maps", "explain", "om-aggregation/contacts", key)
		return strings.Contains(told, "  held    "+city)
	})
	tell("reason change", "city = "+city, "  read    City = "+city+" in om clinic.omaggregation row \""+key+"\", seq ", "there       as record ")
	if strings.Contains(told, "waits") || strings.Contains(told, "refused") {
		t.Errorf("something is open:\n%s", told)
	}
	if out, code := r.chartwire("topics", "show", "omaggregation", "--key", key, "--limit", "1"); code != 0 || !strings.Contains(out, `"City": `+city) {
		t.Errorf("topics show: exit code %d:\n%s", code, out)
	}
	if out, code := r.chartwire("maps", "explain", "om-aggregation/contacts", "nobody"); code != 1 || !strings.Contains(out, "has written no record") {
		t.Errorf("of nobody: exit code %d:\n%s", code, out)
	}
	if out, code := r.chartwire("maps", "explain", "none/such", key); code != 1 || !strings.Contains(out, "om-aggregation/contacts") {
		t.Errorf("of no map: exit code %d:\n%s", code, out)
	}
	t.Logf("%.3000s", told)
}
