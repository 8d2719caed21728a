package integration_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"chartwire/integration/faults"
	"chartwire/integration/servers"
	"chartwire/pipeline/audit"
	"chartwire/pipeline/broker"
	"chartwire/pipeline/cut"
	"chartwire/schemas"
)

// flavors are the database products that roads are held on.
var flavors = []servers.Flavor{servers.MariaDB1011, servers.MySQLNew}

// cut is how far a process has captured a source.
func (p *process) cut(source string) (c cut.Cut) {
	for _, r := range p.status() {
		if r.Stage != "capture" || r.Name != source {
			continue
		}
		var s struct{ Cut cut.Cut }
		if err := json.Unmarshal(r.Status, &s); err != nil {
			p.t.Error(err)
		}
		return s.Cut
	}
	return c
}

// read gives the phase of the first read of a source's table, and its rows.
func (p *process) read(source string) (phase string, rows int64) {
	for _, l := range p.cut(source).Loads {
		return string(l.Phase), l.Rows
	}
	return "", 0
}

// TestCriticalDuringFirstLoad: results that turn critical while their table is
// read for the first time, before and behind the place that has been read, are
// each told once; those that were critical long before are not.
func TestCriticalDuringFirstLoad(t *testing.T) {
	t.Parallel()
	for _, flavor := range flavors {
		t.Run(flavor.Name, func(t *testing.T) {
			t.Parallel()
			r := newRoad(t, site{flavor: flavor, snapshot: ", snapshot: {chunk_rows: 20, pause: 200ms}"})
			for range 4 {
				r.exec(r.gen.Results(250, 400, true))
			}
			// What the triggers counted of these is long ago.
			r.exec("DELETE FROM expected_tickets")
			r.provision()
			p := r.start("run", []string{"run"})
			var n int64
			phase := ""
			t.Cleanup(func() { t.Logf("the results were %s, with %d rows, when it was looked at first", phase, n) })
			r.until(60*time.Second, "results are being read", func() bool {
				phase, n = p.read("labs")
				return phase == "reading" && n >= 100 || phase == "done"
			})
			fresh := "UPDATE lab_result SET critical_flag = 1, test_date = '" + time.Now().In(zone).Format(time.DateTime) + "' WHERE test_id = %d"
			var old int64
			if err := r.pool.QueryRow("SELECT MIN(test_id) FROM lab_result WHERE critical_flag = 0").Scan(&old); err != nil {
				t.Fatal(err)
			}
			r.exec(fmt.Sprintf(fresh, old)) // read already
			r.critical()                    // behind the end
			var last int64
			if err := r.pool.QueryRow("SELECT MAX(test_id) FROM lab_result WHERE critical_flag = 0").Scan(&last); err != nil {
				t.Fatal(err)
			}
			r.exec(fmt.Sprintf(fresh, last)) // not read yet
			if phase, rows := p.read("labs"); phase != "reading" {
				t.Errorf("the load was %s with %d rows (%d before): the test tests nothing", phase, rows, n)
			}
			r.until(60*time.Second, "everything is read", func() bool {
				labs, _ := p.read("labs")
				om, _ := p.read("om")
				return labs == "done" && om == "done"
			})
			if want := len(r.expected("critical-result")); want != 3 {
				t.Fatalf("the database counted %d critical results", want)
			}
			r.equal(60 * time.Second)
		})
	}
}

// expected gives the keys of the tickets of a rule that the database counted.
func (r *road) expected(rule string) (keys []int64) {
	r.t.Helper()
	rows, err := r.pool.Query("SELECT record FROM expected_tickets WHERE rule = ?", rule)
	if err != nil {
		r.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			r.t.Fatal(err)
		}
		keys = append(keys, id)
	}
	return keys
}

// purge makes the server forget its log up to now.
func (r *road) purge() {
	r.t.Helper()
	r.exec("FLUSH BINARY LOGS")
	rows, err := r.pool.Query("SHOW BINARY LOGS")
	if err != nil {
		r.t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		r.t.Fatal(err)
	}
	var newest string
	for rows.Next() {
		into := []any{&newest}
		for range columns[1:] {
			into = append(into, new(string))
		}
		if err := rows.Scan(into...); err != nil {
			r.t.Fatal(err)
		}
	}
	rows.Close()
	// A server may hold on to a file that a reader has just left.
	r.until(60*time.Second, "the old log is purged", func() bool {
		r.exec("PURGE BINARY LOGS TO '" + newest + "'")
		var first string
		into := []any{&first}
		for range columns[1:] {
			into = append(into, new(string))
		}
		return r.pool.QueryRow("SHOW BINARY LOGS").Scan(into...) == nil && first == newest
	})
}

// TestCriticalInAGap: capture was down, what it needs next is purged, and a
// critical result came meanwhile. The capture halts and says what to do; after
// that, the result is told once, and all records are right again.
func TestCriticalInAGap(t *testing.T) {
	t.Parallel()
	faults.Shows(t, "binlog-purged", "halts in words; after chartwire reload every record is right and every alarm was told once")
	for _, flavor := range flavors {
		t.Run(flavor.Name, func(t *testing.T) {
			t.Parallel()
			r := newRoad(t, site{flavor: flavor, args: []string{"--max-binlog-size=1M"}})
			r.exec("DELETE FROM expected_tickets")
			r.provision()
			p := r.start("run", []string{"run"})
			r.until(60*time.Second, "every patient is a contact", func() bool { return len(r.sim.Records("contacts")) >= 200 })
			r.critical()
			r.equal(60 * time.Second)
			p.stop()

			r.critical()
			// Results of last year that were entered meanwhile are nobody's alarm,
			// and a balance is not an alarm that looks back.
			var top int64
			if err := r.pool.QueryRow("SELECT MAX(id) FROM expected_tickets").Scan(&top); err != nil {
				t.Fatal(err)
			}
			r.exec(r.gen.Results(200, 400, true))
			r.exec(r.gen.Patients(20))
			r.exec("UPDATE omaggregation SET City = 'Gap', StatusOM = 'Former' WHERE PatNum % 3 = 0")
			r.exec(fmt.Sprintf("DELETE FROM expected_tickets WHERE id > %d", top))
			r.purge()
			r.exec("UPDATE omaggregation SET City = 'After' WHERE PatNum % 7 = 0")

			p.launch()
			r.until(60*time.Second, "both captures halted", func() bool {
				n := 0
				for _, rep := range p.status() {
					if rep.Stage == "capture" && rep.Halted == "binlog-purged" {
						n++
					}
				}
				return n == 2
			})
			if out, code := r.chartwire("status", "--address", p.http); code != 1 || !strings.Contains(out, "chartwire explain binlog-purged") {
				t.Errorf("chartwire status: exit code %d\n%s", code, out)
			}
			if out, code := r.chartwire("explain", "binlog-purged"); code != 0 || !strings.Contains(out, "chartwire reload") {
				t.Errorf("chartwire explain: exit code %d\n%s", code, out)
			}
			p.stop()
			for _, source := range []string{"om", "labs"} {
				if out, code := r.chartwire("reload", source); code != 0 || !strings.Contains(out, "read again: ") || !strings.Contains(out, "say --yes") {
					t.Errorf("looking at a reload of %s: exit code %d\n%s", source, code, out)
				}
				if out, code := r.chartwire("reload", source, "--yes", "--reason", "the log was purged"); code != 0 {
					t.Fatalf("chartwire reload %s: exit code %d\n%s", source, code, out)
				}
			}
			p.launch()
			r.equal(90 * time.Second)
			if n := len(r.expected("critical-result")); n != 2 {
				t.Errorf("the database counted %d critical results", n)
			}
			r.audited("reload", "source om", "source labs")
			if out, code := r.chartwire("reload", "om", "--yes"); code != 1 || !strings.Contains(out, "is being captured") {
				t.Errorf("chartwire reload beside a capture: exit code %d\n%s", code, out)
			}
			r.critical()
			r.equal(60 * time.Second)
		})
	}
}

// audited holds that the acts are in the audit, with the reason.
func (r *road) audited(act string, subjects ...string) {
	r.t.Helper()
	list, err := audit.List(r.t.Context(), broker.Config{Brokers: []string{r.brokers}}, schemas.Topics{Prefix: r.name})
	if err != nil {
		r.t.Fatal(err)
	}
	var got []string
	for _, e := range list {
		if e.Act == act && e.Reason != "" && e.Before != "" && e.Who != "" {
			got = append(got, e.Subject)
		}
	}
	if strings.Join(got, ",") != strings.Join(subjects, ",") {
		r.t.Errorf("the audit has %+v", list)
	}
}
