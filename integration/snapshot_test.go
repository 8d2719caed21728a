package integration_test

import (
	"strings"
	"testing"
	"time"

	"chartwire/integration/faults"
	"chartwire/pipeline/audit"
	"chartwire/pipeline/broker"
	"chartwire/schemas"
)

// TestSnapshotVerbs: an operator has rows and a table read again, pauses, and
// captures more, while everything goes on.
func TestSnapshotVerbs(t *testing.T) {
	t.Parallel()
	faults.Shows(t, "ddl-table-add", "chartwire tables add and columns add: captured at once and read beside the stream, without a restart, and through one")
	r := newRoad(t, site{})
	r.provision()
	p := r.start("run", []string{"run"})
	r.until(60*time.Second, "every patient is a contact", func() bool { return len(r.sim.Records("contacts")) >= 200 })
	say := func(code int, want string, args ...string) string {
		t.Helper()
		out, got := r.chartwire(args...)
		if got != code || !strings.Contains(out, want) {
			t.Errorf("chartwire %s: exit code %d, and %q is not in\n%s", strings.Join(args, " "), got, want, out)
		}
		return out
	}
	say(0, "carried out", "snapshot", "start", "om", "omaggregation", "--where", "PatNum % 10 = 3", "--reason", "a person asked")
	r.until(60*time.Second, "the rows are read again", func() bool {
		out, _ := r.chartwire("snapshot", "status", "om")
		return strings.Contains(out, "where PatNum % 10 = 3: 20 rows, done")
	})
	say(2, "closes a parenthesis", "snapshot", "start", "om", "omaggregation", "--where", "1) or (1")
	say(2, "no source", "snapshot", "status", "nothere")
	say(1, "no such table", "snapshot", "start", "om", "nothere")
	say(0, "carried out", "snapshot", "pause", "om")
	say(0, "paused", "snapshot", "status", "om")
	say(0, "carried out", "snapshot", "resume", "om")

	r.exec("CREATE TABLE later (id INT PRIMARY KEY, note VARCHAR(9))")
	r.exec("INSERT INTO later VALUES (1, 'a')")
	say(2, "name the columns", "tables", "add", "om", "later")
	say(0, "carried out", "tables", "add", "om", "later", "--columns", "*", "--reason", "for a map to come")
	loaded := func() bool {
		out, _ := r.chartwire("snapshot", "status", "om", "later")
		return strings.Contains(out, "done") && strings.Contains(out, "1 rows")
	}
	r.until(60*time.Second, "the table is read", loaded)
	say(1, "captures no such table", "columns", "add", "om", "nothere", "a")
	p.stop()
	p.launch()
	r.until(60*time.Second, "it is known after a restart", loaded)
	r.exec("UPDATE omaggregation SET City = 'Again' WHERE PatNum % 3 = 0")
	r.equal(60 * time.Second)
	list, err := audit.List(t.Context(), broker.Config{Brokers: []string{r.brokers}}, schemas.Topics{Prefix: r.name})
	if err != nil {
		t.Fatal(err)
	}
	acts := map[string]string{}
	for _, e := range list {
		if e.Who != "" && e.Reason != "" {
			acts[e.Act] = e.Reason
		}
	}
	if acts["snapshot start"] != "a person asked" || acts["capture table"] != "for a map to come" {
		t.Errorf("the audit has %+v", list)
	}
}
