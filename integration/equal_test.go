package integration_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"chartwire/cdc"
	"chartwire/schemas/maps/generate"
)

// seed is what random tests draw from: CHARTWIRE_SEED to have a run again.
func seed(t *testing.T) uint64 {
	t.Helper()
	if s := os.Getenv("CHARTWIRE_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatalf("CHARTWIRE_SEED: %v", err)
		}
		return n
	}
	return runSeed
}

var runSeed = uint64(time.Now().UnixNano()) % 1_000_000

// number is a setting from the environment.
func number(t *testing.T, name string, def int) int {
	t.Helper()
	s := os.Getenv(name)
	if s == "" {
		return def
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// differences compares what HubSpot and the pager hold with what the database
// says they should: every contact and ticket there once, every page told.
func (r *road) differences() (out []string) {
	r.t.Helper()
	want, err := generate.Contacts(r.pool, zone)
	if err != nil {
		r.t.Fatal(err)
	}
	got := map[string]map[string]string{}
	for _, c := range r.sim.Records("contacts") {
		key := c.Properties["open_medical_patient_id"]
		if got[key] != nil {
			out = append(out, fmt.Sprintf("contact %s is there twice", key))
		}
		got[key] = c.Properties
	}
	for _, line := range generate.Differences(want, got, 10) {
		out = append(out, "contact "+line)
	}
	tickets, err := generate.Tickets(r.pool)
	if err != nil {
		r.t.Fatal(err)
	}
	return append(out, r.ticketDifferences(tickets)...)
}

func (r *road) ticketDifferences(want map[string]bool) (out []string) {
	have := map[string]bool{}
	for _, k := range r.sim.Records("tickets") {
		key := k.Properties["chartwire_ticket_key"]
		if have[key] {
			out = append(out, fmt.Sprintf("ticket %s is there twice", key))
		}
		have[key] = true
		if !want[key] {
			out = append(out, fmt.Sprintf("ticket %s should not be there", key))
		}
	}
	critical := 0
	for key := range want {
		if !have[key] {
			out = append(out, fmt.Sprintf("ticket %s is missing", key))
		}
		if strings.Contains(key, "/critical-result:") {
			critical++
		}
	}
	pages := map[string]int{}
	for _, p := range r.pager.Pages() {
		if pages[p.ID]++; pages[p.ID] == 2 {
			out = append(out, fmt.Sprintf("page %s came on two ways", p.ID))
		}
	}
	if len(pages) != critical {
		out = append(out, fmt.Sprintf("%d critical results, %d pages", critical, len(pages)))
	}
	return out
}

// equal waits until there are no differences, and that it stays so for a while:
// a record written twice, or an old value written late, would come after.
func (r *road) equal(patience time.Duration) {
	r.t.Helper()
	deadline := time.Now().Add(patience)
	calm := 0
	for {
		diff := r.differences()
		if calm++; len(diff) > 0 {
			calm = 0
		}
		if calm == 5 {
			break
		}
		for _, p := range r.procs {
			if !p.running() && !p.wanted {
				r.t.Fatalf("%s ended by itself (%v); differences: %d", p.name, p.err, len(diff))
			}
		}
		if time.Now().After(deadline) {
			n := len(diff)
			r.t.Fatalf("after %s, seed %d, %d differences:\n  %s", patience, seed(r.t), n, strings.Join(diff[:min(n, 20)], "\n  "))
		}
		time.Sleep(300 * time.Millisecond)
	}
	r.once()
}

// once holds that nothing was created twice, archived or merged: the records
// that there ever were are those that there are.
func (r *road) once() {
	r.t.Helper()
	for _, object := range []string{"contacts", "tickets"} {
		if n, made := len(r.sim.Records(object)), r.sim.Totals(object); made.Created != n || made.Archived+made.Merged+made.Deleted > 0 {
			r.t.Errorf("%s: %d there, but %+v", object, n, made)
		}
	}
	if n := r.pager.Forged(); n > 0 {
		r.t.Errorf("%d pages were not signed", n)
	}
}

// traffic changes the tables until stop is called, which gives the number of
// statements.
func (r *road) traffic(pause time.Duration, statements ...func() string) (stop func() int) {
	r.t.Helper()
	end, done := make(chan struct{}), make(chan int)
	draw := rand.New(rand.NewPCG(seed(r.t), 7))
	go func() {
		n := 0
		defer func() { done <- n }()
		for {
			select {
			case <-end:
				return
			case <-time.After(time.Duration(draw.Int64N(int64(2 * pause)))):
			}
			statement := statements[draw.IntN(len(statements))]()
			if _, err := r.pool.Exec(statement); err != nil {
				r.t.Errorf("executing %.60q: %v", statement, err)
				return
			}
			n++
		}
	}()
	var n int
	var stopped bool
	stop = func() int {
		if !stopped {
			stopped = true
			close(end)
			n = <-done
		}
		return n
	}
	r.t.Cleanup(func() { stop() })
	return stop
}

// critical writes a critical result of now.
func (r *road) critical() int64 {
	r.t.Helper()
	statement, id := r.gen.Critical(time.Now())
	r.exec(statement)
	return id
}

// alarms counts the tickets of critical results.
func (r *road) alarms() int {
	n := 0
	for _, k := range r.sim.Records("tickets") {
		if strings.HasPrefix(k.Properties["chartwire_ticket_key"], "labs/") {
			n++
		}
	}
	return n
}

// replaceID gives the statement of a result another number.
func replaceID(statement string, id int64) string {
	head, rest, _ := strings.Cut(statement, "VALUES (")
	_, rest, _ = strings.Cut(rest, ",")
	return fmt.Sprintf("%sVALUES (%d,%s", head, id, rest)
}

func tableID(name string) cdc.TableID { return cdc.TableID{Database: clinic, Name: name} }
