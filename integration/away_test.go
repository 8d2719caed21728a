package integration_test

import (
	"strings"
	"testing"
	"time"
)

// TestDatabaseAway: map and deliver start while the database is away, with its
// tables as the registry knows them; a first start, which knows nothing, waits
// for it.
func TestDatabaseAway(t *testing.T) {
	t.Parallel()
	r := newRoad(t, site{args: []string{"--max-connections=50"}, patients: 50})
	r.provision()
	if r.db == nil {
		t.Skip("needs a database that can be stopped")
	}
	r.db.Stop(20 * time.Second)
	p := r.start("run", []string{"run"})
	r.until(60*time.Second, "it says that it waits", func() bool { return strings.Contains(p.log(), "waiting for databases") })
	for path, says := range map[string]string{"/readyz": "process start: waiting for the databases of [", "/metrics": "chartwire_starting 1", "/healthz": "ok", "/status": "waiting for the databases"} {
		if body := p.get(path); !strings.Contains(body, says) {
			t.Errorf("%s says %q meanwhile", path, body)
		}
	}
	again := func() {
		t.Helper()
		if err := r.db.Start(); err != nil {
			t.Fatal(err)
		}
	}
	again()
	r.until(60*time.Second, "every patient is a contact", func() bool { return len(r.sim.Records("contacts")) >= 50 })
	if !strings.Contains(p.get("/metrics"), "chartwire_starting 0") {
		t.Error("it still starts")
	}
	p.stop()
	r.exec("UPDATE omaggregation SET City = 'Athens' WHERE PatNum = 1")
	r.db.Stop(20 * time.Second)
	late := r.start("later", []string{"run"})
	r.until(60*time.Second, "map and deliver hold", func() bool {
		holding := 0
		for _, s := range late.status() {
			if s.Stage != "capture" && s.holding() {
				holding++
			}
		}
		return holding == 4
	})
	if !strings.Contains(late.log(), "schema registry") {
		t.Error("it does not say where its tables are from")
	}
	again()
	r.equal(60 * time.Second)
}
