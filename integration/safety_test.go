package integration_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"chartwire/integration/faults"
	"chartwire/sinks/hubspot/hubspottest"
)

// alarms are critical results that are written one after the other, and how
// long each took from its commit to its ticket in HubSpot.
type alarms struct {
	r      *road
	mu     sync.Mutex
	open   map[int]time.Time // committed, and without a ticket
	took   []time.Duration
	next   int
	cancel context.CancelFunc
	done   sync.WaitGroup
}

const firstAlarm = 60_000_000

// newAlarms writes a critical result every tenth of a second until stop.
func newAlarms(r *road) *alarms {
	ctx, cancel := context.WithCancel(context.Background())
	a := &alarms{r: r, open: map[int]time.Time{}, next: firstAlarm, cancel: cancel}
	a.done.Go(func() {
		for id := firstAlarm; ctx.Err() == nil; id++ {
			if _, err := r.pool.Exec("INSERT INTO lab_result (test_id, patient_id, test_name, test_date, critical_flag) VALUES (?, 1, 'Potassium', ?, 1)",
				id, time.Now().In(zone).Format(time.DateTime)); err != nil {
				r.t.Errorf("writing a critical result: %v", err)
				return
			}
			a.mu.Lock()
			a.open[id] = time.Now()
			a.next = id + 1
			a.mu.Unlock()
			time.Sleep(100 * time.Millisecond)
		}
	})
	a.done.Go(func() {
		for ctx.Err() == nil || a.waiting() > 0 && !r.t.Failed() {
			a.look()
			time.Sleep(5 * time.Millisecond)
		}
	})
	r.t.Cleanup(cancel)
	return a
}

func (a *alarms) waiting() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.open)
}

func (a *alarms) look() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for id, at := range a.open {
		if _, ok := a.r.sim.Lookup("tickets", "chartwire_ticket_key", fmt.Sprintf("labs/lab_results/critical-result:%d:1", id)); ok {
			a.took = append(a.took, time.Since(at))
			delete(a.open, id)
		}
	}
}

// since gives how long those took whose tickets came since the last call, once
// none is left that was written before it.
func (a *alarms) since() []time.Duration {
	a.r.t.Helper()
	a.mu.Lock()
	last := a.next
	a.mu.Unlock()
	a.r.until(90*time.Second, "every critical result has its ticket", func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		for id := range a.open {
			if id < last {
				return false
			}
		}
		return true
	})
	a.mu.Lock()
	defer a.mu.Unlock()
	took := a.took
	a.took = nil
	slices.Sort(took)
	return took
}

func (a *alarms) stop() {
	a.cancel()
	a.r.until(90*time.Second, "every critical result has its ticket", func() bool { return a.waiting() == 0 })
	a.done.Wait()
}

// newAlarmed is a crew at rest, each stage held and warm behind its holder.
func newAlarmed(t testing.TB, patients int) (*crew, *alarms) {
	// The first load is not what is timed: a large one gets more calls than
	// HubSpot sells.
	r := newRoad(t, site{patients: patients, hubspot: hubspottest.Options{Limits: hubspottest.Limits{Burst: 190 + patients/100}}})
	r.provision()
	c := newCrew(r, nil)
	r.until(10*time.Minute+time.Duration(patients)*2*time.Millisecond, "every patient is a contact", func() bool { return r.sim.Totals("contacts").Created >= patients })
	for _, stage := range stages {
		c.holder(stage)
	}
	a := newAlarms(r)
	a.since()
	return c, a
}

// killUnder kills the holder of a stage under alarms, and gives how long those
// took that came until its standby had caught up. A standby on the same machine
// sees that a process has ended; with far it is as on another one, which hears
// nothing any more and can know no more than that.
func (c *crew) killUnder(a *alarms, stage string, far bool) []time.Duration {
	a.since()
	time.Sleep(500 * time.Millisecond)
	if far {
		p := c.holder(stage)
		p.signal(syscall.SIGSTOP)
		c.takenOver(p)
		p.kill()
		p.launch()
	} else {
		c.kill(stage, false)
	}
	time.Sleep(500 * time.Millisecond)
	return a.since()
}

// where is what a process is killed like.
func where(far bool) string {
	if far {
		return "on another machine"
	}
	return "on the standby's machine"
}

// TestSafetyThroughKill kills a process of each stage while critical results
// are written: each has its ticket and its page, once. How long the slowest took
// from its commit is printed.
func TestSafetyThroughKill(t *testing.T) {
	if testing.Short() {
		t.Skip("needs real servers: not under -short")
	}
	t.Parallel()
	faults.Shows(t, "critical-through-kill", "the standby went on where the killed process had committed: one ticket and one page for each result, the slowest about two seconds after its commit")
	c, a := newAlarmed(t, 100)
	for _, stage := range stages {
		for _, far := range []bool{false, true} {
			took := c.killUnder(a, stage, far)
			t.Logf("%s killed %s: %d critical results, the slowest after %s, half within %s", stage, where(far), len(took),
				took[len(took)-1].Round(time.Millisecond), took[len(took)/2].Round(time.Millisecond))
		}
	}
	a.stop()
	c.equal(60 * time.Second)
}

// BenchmarkSafetyThroughKill is the same over CHARTWIRE_KILLS kills of each
// stage, in an installation of CHARTWIRE_PATIENTS.
func BenchmarkSafetyThroughKill(b *testing.B) {
	patients := number(b, "CHARTWIRE_PATIENTS", 1000)
	c, a := newAlarmed(b, patients)
	for _, stage := range stages {
		for _, far := range []bool{false, true} {
			b.Run(stage+" "+where(far), func(b *testing.B) {
				for b.Loop() {
					var slowest []time.Duration
					for range number(b, "CHARTWIRE_KILLS", 10) {
						took := c.killUnder(a, stage, far)
						slowest = append(slowest, took[len(took)-1])
					}
					middle(b, slowest)
				}
			})
		}
	}
	a.stop()
	if patients <= 10_000 { // comparing holds every record in memory, several times
		c.equal(60 * time.Second)
	}
}
