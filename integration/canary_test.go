package integration_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"chartwire/integration/faults"
	"chartwire/schemas/maps/generate"
	"chartwire/sinks/hubspot/hubspottest"
)

// canaries are values that no log, metric, status, address, error or
// notification may ever hold: one in every text column of a patient and of a
// result, in numbers and dates too.
var canaries = map[string]string{
	"AggregationKeyID": "cnryaggregation", "FName": "Cnryfirst", "LName": "Cnrylast", "MiddleI": "Cnrymiddle", "Preferred": "Cnrypreferred",
	"Email": "cnrymail@example.com", "HmPhone": "(404) 555-7319", "WirelessPhone": "(404) 555-7321", "WkPhone": "(404) 555-7323",
	"Address": "Cnrystreet", "Address2": "Cnryflat", "City": "Cnrycity", "State": "CNRYSTATE", "Zip": "CNRYZIP", "Birthdate": "1911-07-13",
	"Gender": "Cnrygender", "SubStatusOM": "Cnrysub", "PatStatus": "Cnrystatus", "FeeSched": "Cnryfee", "ImageFolder": "Cnryfolder",
	"BalTotal": "73195.37",
}

var labCanaries = map[string]string{
	"test_name": "Cnrytest", "test_result": "Cnryresult", "test_units": "Cnryunit", "reference_range": "Cnryrange", "ordering_provider": "Cnrydoctor",
	"reference_range_low": "73195.3701", "reference_range_high": "73195.3702",
}

// needles are what is looked for: the values, and other forms of them.
func needles() (list []string) {
	list = append(list, "cnry", "5557319", "5557321", "5557323", "555-73", "19110713")
	for _, m := range []map[string]string{canaries, labCanaries} {
		for _, v := range m {
			list = append(list, strings.ToLower(v))
		}
	}
	return list
}

// watcher keeps what of requests others than the receiver see: addresses and
// headers; and, of pages, the body.
type watcher struct {
	mu   sync.Mutex
	seen bytes.Buffer
}

func (w *watcher) wrap(h http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		w.mu.Lock()
		fmt.Fprintf(&w.seen, "%s %s %v\n", req.Method, req.URL, req.Header)
		w.mu.Unlock()
		h.ServeHTTP(rw, req)
	})
}

func (w *watcher) pages(h http.Handler) http.Handler {
	return w.wrap(http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		w.mu.Lock()
		w.seen.Write(body)
		w.mu.Unlock()
		req.Body = io.NopCloser(bytes.NewReader(body))
		h.ServeHTTP(rw, req)
	}))
}

// search fails for every needle that a text holds, without showing it.
func search(t *testing.T, what, text string) {
	t.Helper()
	text = strings.ToLower(text)
	for _, n := range needles() {
		if i := strings.Index(text, n); i >= 0 {
			t.Errorf("%s: %q is in it, after %q", what, n, text[max(0, i-120):i])
		}
	}
}

func assignments(values map[string]string) string {
	var list []string
	for column, v := range values {
		list = append(list, column+" = "+generate.Quote(v))
	}
	return strings.Join(list, ", ")
}

// TestCanary runs the road with such values in it, at the most talkative level,
// through loads, changes, refusals that quote values, faults and crashes, and
// then looks everywhere where people look.
func TestCanary(t *testing.T) {
	t.Parallel()
	faults.Shows(t, "row-content-in-errors", "no value of a row in any log, metric or error, through loads, faults and crashes")
	calls, pages := &watcher{}, &watcher{}
	r := newRoad(t, site{patients: 40, level: "debug", wrap: calls.wrap, wrapPages: pages.pages})
	r.exec("INSERT INTO omaggregation SET PatNum = 777001, StatusOM = 'Current', " + assignments(canaries))
	r.exec("INSERT INTO lab_result SET test_id = 777002, patient_id = 777001, critical_flag = 1, test_date = NOW(), " + assignments(labCanaries))
	r.provision()
	c := newCrew(r, nil)
	there := func(patient int) func() bool {
		return func() bool {
			_, ok := r.sim.Lookup("contacts", "open_medical_patient_id", fmt.Sprint(patient))
			return ok
		}
	}
	r.until(90*time.Second, "the patient is a contact", there(777001))

	// Another with the same unique value, refused in HubSpot's words that quote
	// it; values that rules of the account refuse; values that no map takes.
	r.sim.SetValidation("contacts", "city", hubspottest.Validation{RuleType: "MAX_LENGTH", RuleArguments: []string{"3"}})
	r.exec("INSERT INTO omaggregation SET PatNum = 777003, StatusOM = 'Cnrystage', " + assignments(canaries))
	r.until(60*time.Second, "the second patient is a contact", there(777003))
	for i, f := range []hubspottest.FaultKind{hubspottest.InternalError, hubspottest.AnswerLost, hubspottest.Locked} {
		id := r.sim.Inject(hubspottest.Fault{Kind: f, Count: 3})
		r.exec(fmt.Sprintf("UPDATE omaggregation SET LName = 'Cnrylast%d', Zip = 'CNRYZIP%d' WHERE PatNum >= 777001", i, i))
		r.exec(fmt.Sprintf("UPDATE lab_result SET test_result = 'Cnryresult%d', critical_flag = %d WHERE test_id = 777002", i, i%2))
		time.Sleep(time.Second)
		r.sim.Clear(id)
	}
	for _, stage := range stages {
		c.kill(stage, stage == "map")
	}
	r.exec("UPDATE omaggregation SET FName = 'Cnryfirst9' WHERE PatNum = 777001")
	r.exec("DELETE FROM omaggregation WHERE PatNum = 777003")
	r.until(60*time.Second, "the last change is there", func() bool {
		got, _ := r.sim.Lookup("contacts", "open_medical_patient_id", "777001")
		return got.Properties["firstname"] == "Cnryfirst9"
	})
	r.until(60*time.Second, "the page is there", func() bool { return len(r.pager.Pages()) > 0 })

	// What a person asks for may name such values too.
	for _, args := range [][]string{{"snapshot", "start", "om", "omaggregation", "--where", "LName like 'Cnrylast%' or Email = 'cnrymail@example.com'"},
		{"snapshot", "start", "om", "omaggregation", "--where", "Cnrylast = 1"}, {"columns", "add", "om", "omaggregation", "LName"}} {
		r.say(t, args...)
	}
	letters := r.say(t, "dlq", "list")
	if !strings.Contains(letters, "city") {
		t.Errorf("the refusals were to be dead letters:\n%s", letters)
	}
	for _, line := range strings.Split(strings.TrimSpace(letters), "\n")[1:] {
		id, _, _ := strings.Cut(line, " ")
		r.say(t, "dlq", "show", id)
	}
	r.say(t, "check")
	for _, p := range r.procs {
		for _, path := range []string{"/metrics", "/status", "/readyz", "/healthz"} {
			text := p.get(path)
			if text == "" {
				t.Errorf("%s%s is empty", p.name, path)
			}
			search(t, p.name+path, text)
		}
		r.say(t, "status", "--address", p.http)
		search(t, "the log of "+p.name, p.log())
	}
	search(t, "HubSpot's addresses and headers", calls.seen.String())
	search(t, "the pages", pages.seen.String())
	if calls.seen.Len() == 0 || pages.seen.Len() == 0 {
		t.Error("nothing was watched")
	}

	// Names of files are seen by whoever lists the folder.
	if err := filepath.WalkDir(r.dir, func(path string, _ os.DirEntry, err error) error {
		search(t, "the name of a file", path)
		return err
	}); err != nil {
		t.Log(err) // a file that a running process removed meanwhile
	}
}

// say runs a command, and holds that its output tells no canary either.
func (r *road) say(t *testing.T, args ...string) string {
	t.Helper()
	out, _ := r.chartwire(args...)
	search(t, "chartwire "+strings.Join(args, " "), out)
	return out
}
