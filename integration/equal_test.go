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
	"chartwire/integration/clinic"
)

// seed is what random tests draw from: CHARTWIRE_SEED to have a run again.
func seed(t testing.TB) uint64 {
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
func number(t testing.TB, name string, def int) int {
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

// differences compares HubSpot and the pager with the database.
func (r *road) differences() []string {
	r.t.Helper()
	diff, err := clinic.Differences(r.pool, zone, r.sim, r.pager)
	if err != nil {
		r.t.Fatal(err)
	}
	return diff
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

func tableID(name string) cdc.TableID { return cdc.TableID{Database: clinic.Database, Name: name} }
