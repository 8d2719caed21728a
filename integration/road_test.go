package integration_test

import (
	"testing"
	"time"

	"chartwire/schemas/maps/generate"
)

// TestRoad is the whole way from rows to contacts, tickets and pages, in one
// process, from both database products.
func TestRoad(t *testing.T) {
	t.Parallel()
	for _, flavor := range flavors {
		t.Run(flavor.Name, func(t *testing.T) {
			t.Parallel()
			r := newRoad(t, site{flavor: flavor, patients: 600})
			r.provision()
			p := r.start("run", []string{"run"})
			r.until(60*time.Second, "every patient is a contact", func() bool { return len(r.sim.Records("contacts")) >= 600 })
			if n := len(r.sim.Records("tickets")) + len(r.pager.Pages()); n > 0 {
				t.Errorf("%d tickets and pages of what was there before", n)
			}
			stop := r.traffic(5*time.Millisecond, r.gen.Change)
			time.Sleep(2 * time.Second)
			r.alarm()
			time.Sleep(2 * time.Second)
			t.Logf("%d statements", stop())
			r.equal(60 * time.Second)
			if ready := p.get("/readyz"); ready == "" {
				t.Error("/readyz does not answer")
			}
			if took := p.stop(); took > 30*time.Second || p.err != nil {
				t.Errorf("it took %s to end, with %v", took, p.err)
			}
		})
	}
}

// alarm writes a critical result while the tables change, and waits for its
// page and its ticket.
func (r *road) alarm() {
	r.t.Helper()
	pages, tickets := len(r.pager.Pages()), r.alarms()
	other := generate.New(seed(r.t)+1, time.Now().In(zone))
	statement, _ := other.Critical(time.Now())
	// The traffic's generator is not ours to use while it runs.
	began := time.Now()
	r.exec(replaceID(statement, 5_000_000+began.UnixNano()%1_000_000))
	r.until(60*time.Second, "the page and the ticket are there", func() bool {
		return len(r.pager.Pages()) > pages && r.alarms() > tickets
	})
	r.t.Logf("the page and the ticket came after %s", time.Since(began).Round(time.Millisecond))
}
