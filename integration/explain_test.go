package integration_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestExplain asks of a running installation where a contact comes from, as
// `chartwire maps explain` and `chartwire topics show` tell it, before and after
// its row changes.
func TestExplain(t *testing.T) {
	t.Parallel()
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
	r.until(60*time.Second, "the city is there", func() bool {
		c, ok := r.sim.Lookup("contacts", "open_medical_patient_id", key)
		return ok && strings.HasPrefix(c.Properties["city"], "Nowhere")
	})
	const city = `"Nowhere \"an der\" Elbe"`
	told := ""
	r.until(60*time.Second, "the shadow has it", func() bool {
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

// resultsMap makes a deal of a patient and their results, which are another
// source's.
const resultsMap = `map: om-aggregation/results
source: om-aggregation
entity:
  root: omaggregation
  with:
    results: { source: labs, table: lab_result, by: { patient_id: PatNum }, where: critical_flag == 0, many: true }
  settle: 100ms up to 1s
record: hubspot.deals
key: { woocommerce_order_id: text(PatNum) }
class: realtime
on_delete: archive
properties:
  dealname:  { from: '"Results of " + text(PatNum)' }
  pipeline:  { is: ENNU Program Enrollment }
  dealstage: { is: Enrollment Pending }
  woo_item_count: { from: count(results) }
  woo_items: { from: 'join(", ", results, .test_name)', on_null: clear }
links:
  contact: { to: hubspot.contacts, key: { open_medical_patient_id: text(PatNum) } }
`

// TestExplainJoined asks where a record of two tables and its link come from,
// while the database is away too.
func TestExplainJoined(t *testing.T) {
	t.Parallel()
	r := newRoad(t, site{patients: 10})
	path := filepath.Join(r.dir, configName)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	pack := filepath.Join(r.dir, "maps", "om-aggregation")
	if err := os.MkdirAll(pack, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(pack, "results.yaml"), []byte(resultsMap), 0o600); err != nil {
		t.Fatal(err)
	}
	r.configure("maps: " + filepath.Join(r.dir, "maps") + "\n" + strings.Replace(string(text), "maps: [om-aggregation/contacts]", "maps: [om-aggregation/contacts, om-aggregation/results]", 1))
	r.exec("delete from lab_result where patient_id = 3; insert into lab_result (test_id, patient_id, test_name, test_date) values (70001, 3, 'Iron', now()), (70002, 3, 'Zinc', now()), (70003, 4, 'Lead', now())")
	r.provision()
	r.start("run", []string{"run"})
	deal := func() (items string, links int) {
		d, _ := r.sim.Lookup("deals", "woocommerce_order_id", "3")
		return d.Properties["woo_items"], len(d.Links)
	}
	r.until(60*time.Second, "the deal is there, and linked", func() bool { items, links := deal(); return items == "Iron, Zinc" && links == 1 })
	r.exec("update lab_result set patient_id = 3 where test_id = 70003")
	r.until(60*time.Second, "the result has moved", func() bool { items, _ := deal(); return items == "Iron, Zinc, Lead" })
	tell := func(want ...string) {
		t.Helper()
		var out string
		var code int
		lacks := func() string {
			out, code = r.chartwire("maps", "explain", "om-aggregation/results", "3")
			for _, w := range want {
				if code != 0 || !strings.Contains(out, w) {
					return w
				}
			}
			return ""
		}
		for end := time.Now().Add(60 * time.Second); lacks() != "" && time.Now().Before(end); { // the shadow is written after HubSpot's answer
			time.Sleep(200 * time.Millisecond)
		}
		if w := lacks(); w != "" {
			t.Errorf("exit code %d, lacks %q:\n%s", code, w, out)
		}
	}
	all := []string{
		"hubspot.deals woocommerce_order_id = \"3\", by om-aggregation/results of flow patients",
		"woo_items = \"Iron, Zinc, Lead\"", "  held    \"Iron, Zinc, Lead\" since ",
		"  read    results: test_name = \"Lead\" in labs clinic.lab_result row \"70003\", seq ",
		"woo_item_count = \"3\"", "  read    results: labs clinic.lab_result row \"70001\", seq ",
		"link contact = \"contacts 3\"\n  from    text(PatNum)\n  read    PatNum = \"3\" in om clinic.omaggregation row \"3\"", "  held    contacts \"3\": held, version ",
	}
	tell(all...)
	if r.db != nil {
		r.db.Stop(20 * time.Second)
		tell(all...)
	}
}
