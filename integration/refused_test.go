package integration_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"chartwire/sinks/hubspot/hubspottest"
)

// TestOneRefusedOfAHundred: one dead letter, with the row's position, the
// property and HubSpot's words; the others of the batch are written, and the
// rest of its own record. A retry closes it once the cause is gone.
func TestOneRefusedOfAHundred(t *testing.T) {
	r := newRoad(t, site{patients: 150})
	r.provision()
	p := r.start("run", []string{"run"})
	r.until(60*time.Second, "every patient is a contact", func() bool { return len(r.sim.Records("contacts")) >= 150 })
	r.sim.SetValidation("contacts", "city", hubspottest.Validation{RuleType: "MAX_LENGTH", RuleArguments: []string{"30"}})
	const long = "Llanfairpwllgwyngyllgogerychwyrndrobwll"
	r.exec(fmt.Sprintf("UPDATE omaggregation SET LName = 'Batch', City = IF(PatNum = 42, '%s', 'Batchtown') WHERE PatNum <= 100", long))
	held := func() (batch int) {
		for _, c := range r.sim.Records("contacts") {
			if c.Properties["lastname"] == "Batch" && (c.Properties["city"] == "Batchtown") == (c.Properties["open_medical_patient_id"] != "42") {
				batch++
			}
		}
		return batch
	}
	r.until(60*time.Second, "all but one property are written", func() bool { return held() == 100 })

	var out string
	var code int
	r.until(60*time.Second, "the dead letter is there", func() bool {
		out, code = r.chartwire("dlq", "list")
		return code == 0 && out != "no dead letters\n"
	})
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != 2 || !strings.Contains(lines[1], "city") || !strings.Contains(lines[1], "omaggregation") {
		t.Fatalf("chartwire dlq list:\n%s", out)
	}
	id, _, _ := strings.Cut(lines[1], " ")
	out, code = r.chartwire("dlq", "show", id)
	for _, want := range []string{"city", "contacts 42", "omaggregation", "row 42", "seq ", "in its words", "30", "dlq retry"} {
		if !strings.Contains(out, want) {
			t.Errorf("chartwire dlq show does not say %q:\n%s", want, out)
		}
	}
	if code != 0 || strings.Contains(out, long) || strings.Contains(p.log(), long) {
		t.Errorf("exit code %d, or the value is told:\n%s", code, out)
	}

	r.sim.SetValidation("contacts", "city")
	if out, code := r.chartwire("dlq", "retry", id); code != 0 {
		t.Fatalf("chartwire dlq retry: exit code %d\n%s", code, out)
	}
	r.until(60*time.Second, "the dead letter is closed", func() bool {
		out, code := r.chartwire("dlq", "list")
		return code == 0 && out == "no dead letters\n"
	})
	r.equal(30 * time.Second)

	// A unique value that another contact has: 409 or its like, for that
	// property of that record alone.
	r.exec("UPDATE omaggregation SET AggregationKeyID = 'AGG-0000007', LName = 'Conflict' WHERE PatNum = 8")
	r.until(60*time.Second, "the conflict is a dead letter", func() bool {
		out, code = r.chartwire("dlq", "list", "--property", "aggregation_key_id")
		return code == 0 && strings.Contains(out, "aggregation_key_id")
	})
	r.until(60*time.Second, "the rest of the record is written", func() bool {
		c, ok := r.sim.Lookup("contacts", "open_medical_patient_id", "8")
		return ok && c.Properties["lastname"] == "Conflict"
	})
	// Mending the row is a way out too: it closes the letter by itself.
	r.exec("UPDATE omaggregation SET AggregationKeyID = 'AGG-0000008' WHERE PatNum = 8")
	r.until(60*time.Second, "the dead letter closes by itself", func() bool {
		out, code = r.chartwire("dlq", "list")
		return code == 0 && out == "no dead letters\n"
	})
	r.equal(30 * time.Second)
}

// TestHubSpotAnswers: what HubSpot can answer, each time the right one of wait,
// retry and stop; nothing lost, nothing doubled, no dead letter.
func TestHubSpotAnswers(t *testing.T) {
	r := newRoad(t, site{patients: 60})
	r.provision()
	p := r.start("run", []string{"run"})
	r.until(60*time.Second, "every patient is a contact", func() bool { return len(r.sim.Records("contacts")) >= 60 })
	change := func(i int) {
		r.exec(fmt.Sprintf("UPDATE omaggregation SET City = 'Town %d', StatusOM = IF(PatNum %% 2 = %d %% 2, 'Lead', 'Current'), BalTotal = IF(BalTotal > 500, 1, 800) WHERE PatNum <= 20", i, i))
		r.critical()
	}
	for i, f := range []hubspottest.Fault{
		{Kind: hubspottest.TooManyBurst, Count: 4},
		{Kind: hubspottest.TooManyBurst, Count: 3, RetryAfter: 2 * time.Second},
		{Kind: hubspottest.TooManySearch, Count: 4},
		{Kind: hubspottest.TooManyDaily, Count: 1, RetryAfter: 2 * time.Second},
		{Kind: hubspottest.Locked, Count: 3},
		{Kind: hubspottest.Migration, Count: 1, RetryAfter: 2 * time.Second},
		{Kind: hubspottest.InternalError, Count: 4},
		{Kind: hubspottest.InternalError, Count: 2, After: true},
		{Kind: hubspottest.GatewayTimeout, Count: 2, After: true},
		{Kind: hubspottest.AnswerLost, Count: 3},
		{Kind: hubspottest.ConnectionReset, Count: 4},
		{Kind: hubspottest.SlowAnswer, Count: 2, Latency: hubspottest.Latency{Fixed: 9 * time.Second}}, // beyond the timeout
	} {
		began := time.Now()
		f.Path = "batch/upsert"
		id := r.sim.Inject(f)
		change(i)
		if f.Kind == hubspottest.TooManyDaily {
			// All but safety waits for midnight, or for a safety call whose answer
			// says that there is room: one that begins after the refusal.
			r.until(60*time.Second, "refused for the day", func() bool { return len(r.sim.Faults()) == 0 })
			r.critical()
		}
		r.equal(90 * time.Second)
		r.sim.Clear(id)
		t.Logf("%s %+v: equal after %s", f.Kind, f.RetryAfter, time.Since(began).Round(100*time.Millisecond))
		if code := p.halted(); code != "" {
			t.Errorf("%s: halted with %s", f.Kind, code)
		}
	}
	if out, code := r.chartwire("dlq", "list"); out != "no dead letters\n" || code != 0 {
		t.Errorf("chartwire dlq list: exit code %d\n%s", code, out)
	}
	// Faults that would fail every record stop HubSpot's deliver and fill no
	// dead letters; pages go on.
	for i, f := range []struct {
		kind hubspottest.FaultKind
		code string
	}{{hubspottest.BadToken, "hubspot-credentials"}, {hubspottest.NoScope, "hubspot-scopes"}} {
		id := r.sim.Inject(hubspottest.Fault{Kind: f.kind})
		pages := len(r.pager.Pages())
		change(i)
		r.until(60*time.Second, string(f.kind)+" stops it: "+f.code, func() bool { return p.stopped(f.code) })
		r.critical()
		r.until(60*time.Second, "the page is there although HubSpot is not", func() bool { return len(r.pager.Pages()) >= pages+2 })
		r.sim.Clear(id)
		r.equal(90 * time.Second) // nobody starts it again: it asks whether it may go on
	}
	if out, code := r.chartwire("dlq", "list"); out != "no dead letters\n" || code != 0 {
		t.Errorf("chartwire dlq list: exit code %d\n%s", code, out)
	}
}

// stopped reports whether HubSpot's deliver says that it stopped with the code.
func (p *process) stopped(code string) bool {
	for _, r := range p.status() {
		if r.Stage == "deliver" && r.Name == "hubspot" {
			return r.Halted == code || strings.Contains(string(r.Status), code)
		}
	}
	return false
}
