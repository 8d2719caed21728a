package hubspot_test

import (
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"chartwire/sinks"
	"chartwire/sinks/hubspot"
	"chartwire/sinks/hubspot/hubspottest"
)

// virtual is an account in synthetic time: requests go to the portal without a
// socket.
func virtual(t *testing.T, opts hubspottest.Options, change func(*hubspot.Config)) *account {
	t.Helper()
	sim := hubspottest.New(opts)
	cfg := config("http://127.0.0.1:1")
	cfg.Transport, cfg.Needs = sim.Transport(), nil
	if change != nil {
		change(&cfg)
	}
	a := &account{sim: sim, cfg: cfg, Sink: mustNew(t, cfg)}
	provision(t, a.Sink)
	if err := a.Open(t.Context()); err != nil {
		t.Fatalf("Open: %v", err)
	}
	return a
}

// press makes calls in a lane as fast as Reserve gives room, with up to n at a
// time, until the end. It returns how many, and the longest wait of one.
func (a *account) press(t *testing.T, lane sinks.Lane, n int, end time.Time) (calls int64, longest time.Duration) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, n)
	var made atomic.Int64
	for key := 0; time.Now().Before(end); key++ {
		slots <- struct{}{}
		asked := time.Now()
		for wait := a.Reserve(lane, time.Now()); wait > 0; wait = a.Reserve(lane, time.Now()) {
			if time.Sleep(wait); !time.Now().Before(end) {
				wg.Wait()
				return made.Load(), longest
			}
		}
		longest = max(longest, time.Since(asked))
		w := contact(int(lane)*10000 + key%500)
		w.Lane = lane
		wg.Go(func() {
			a.Apply(t.Context(), []sinks.Write{w})
			made.Add(1)
			<-slots
		})
	}
	wg.Wait()
	return made.Load(), longest
}

// throttled counts the answers 429.
func (a *account) throttled() int {
	n := 0
	for kind, count := range a.sim.CallCounts() {
		if kind.Status == http.StatusTooManyRequests {
			n += count
		}
	}
	return n
}

func TestAllOfTheGrantAndNo429(t *testing.T) {
	for _, share := range []float64{1, 0.5} {
		for _, latency := range []time.Duration{20 * time.Millisecond, 150 * time.Millisecond} {
			synctest.Test(t, func(t *testing.T) {
				a := virtual(t, hubspottest.Options{Latency: hubspottest.Latency{Fixed: latency}}, func(c *hubspot.Config) { c.Share = share })
				time.Sleep(11 * time.Second)
				const windows = 6
				calls, _ := a.press(t, sinks.Backfill, 16, time.Now().Add(windows*10*time.Second))
				if n := a.throttled(); n > 0 {
					t.Errorf("share %v, latency %s: %d answers 429", share, latency, n)
				}
				granted := 190 * share * windows
				if used := float64(calls) / granted; used < 0.95 || used > 1.02 {
					t.Errorf("share %v, latency %s: %.1f%% of the grant used", share, latency, 100*used)
				} else {
					t.Logf("share %v, latency %s: %.1f%% of the grant used", share, latency, 100*used)
				}
			})
		}
	}
}

func TestSafetyBesideABackfill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := virtual(t, hubspottest.Options{Latency: hubspottest.Latency{Fixed: 100 * time.Millisecond}}, nil)
		time.Sleep(11 * time.Second)
		end := time.Now().Add(time.Minute)
		done := make(chan struct{})
		go func() {
			defer close(done)
			a.press(t, sinks.Backfill, 16, end)
		}()
		for time.Now().Before(end.Add(-time.Second)) {
			time.Sleep(2 * time.Second)
			if wait := a.Reserve(sinks.Safety, time.Now()); wait > 0 {
				t.Errorf("safety waits %s beside a backfill", wait)
				continue
			}
			w := contact(9)
			w.Lane = sinks.Safety
			if err := a.Apply(t.Context(), []sinks.Write{w})[0].Err; err != nil {
				t.Errorf("safety: %v", err)
			}
		}
		<-done
		if n := a.throttled(); n > 0 {
			t.Errorf("%d answers 429", n)
		}
	})
}

func TestOtherApplicationsAreMeasured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := virtual(t, hubspottest.Options{}, nil)
		time.Sleep(11 * time.Second)
		stop := time.Now().Add(2 * time.Minute)
		done := make(chan struct{})
		go func() { // another application with the same key, 8 calls a second
			defer close(done)
			for time.Now().Before(stop) {
				req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:1/account-info/2026-09/details", nil)
				req.Header.Set("Authorization", "Bearer "+hubspottest.DefaultToken)
				resp, err := a.sim.Transport().RoundTrip(req)
				if err == nil {
					resp.Body.Close()
				}
				time.Sleep(125 * time.Millisecond)
			}
		}()
		time.Sleep(10 * time.Second)
		a.press(t, sinks.Routine, 16, time.Now().Add(20*time.Second)) // learns
		st := a.Status()
		if st.Window.Others < 60 || st.Window.Others > 95 {
			t.Errorf("others measured as %d calls per window, they make 80", st.Window.Others)
		}
		before := a.throttled()
		calls, _ := a.press(t, sinks.Routine, 16, stop.Add(-time.Second))
		if n := a.throttled() - before; n > 3 {
			t.Errorf("%d answers 429 of %d calls after others were measured", n, calls)
		}
		if calls < 500 {
			t.Errorf("%d calls in 80 s: others take 80 of 190 per window, the rest is ours", calls)
		}
		<-done
	})
}

func TestBurst429(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := virtual(t, hubspottest.Options{}, nil)
		time.Sleep(11 * time.Second)
		granted := a.Status().Window.Granted
		a.sim.Inject(hubspottest.Fault{Kind: hubspottest.TooManyBurst, Path: "batch/upsert", Count: 1, RetryAfter: 3 * time.Second})
		err := a.Apply(t.Context(), contacts(1, 1))[0].Err
		var throttled *sinks.Throttled
		if !errors.As(err, &throttled) || throttled.Wait != 3*time.Second || throttled.Policy != "TEN_SECONDLY_ROLLING" {
			t.Fatalf("%v, want the wait that HubSpot asks for", err)
		}
		if wait := a.Reserve(sinks.Safety, time.Now()); wait != 3*time.Second {
			t.Errorf("safety waits %s, want 3s: HubSpot refuses everything", wait)
		}
		if now := a.Status().Window.Granted; now >= granted {
			t.Errorf("grant %d, was %d: it should shrink", now, granted)
		}
		time.Sleep(3 * time.Second)
		a.mustApply(t, contact(1))
		time.Sleep(20 * time.Second)
		if now := a.Status().Window.Granted; now != granted {
			t.Errorf("grant %d after two quiet windows, want %d again", now, granted)
		}
	})
}

func TestDailyLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := virtual(t, hubspottest.Options{TimeZone: "US/Eastern", Limits: hubspottest.Limits{Daily: 10_000}}, func(c *hubspot.Config) { c.DailyReserve = 500 })
		if d := a.Status().Daily; d.Limit != 10_000 || d.Reserve != 500 || d.Resets.IsZero() {
			t.Fatalf("daily %+v", d)
		}
		a.sim.SpendDaily(9600 - a.Status().Daily.Used) // others
		a.mustApply(t, contact(1))                     // a header tells
		for _, lane := range []sinks.Lane{sinks.Realtime, sinks.Routine, sinks.Backfill} {
			if wait := a.Reserve(lane, time.Now()); wait < time.Minute {
				t.Errorf("lane %s waits %s with only the reserve left", lane, wait)
			}
		}
		safety := contact(2)
		safety.Lane = sinks.Safety
		a.mustApply(t, safety)
		if !a.Status().Daily.Paused {
			t.Error("the status does not say that only safety goes on")
		}

		a.sim.SpendDaily(400)
		err := a.Apply(t.Context(), []sinks.Write{safety})[0].Err
		var throttled *sinks.Throttled
		if !errors.As(err, &throttled) || throttled.Policy != "DAILY" || throttled.Wait != 30*time.Second {
			t.Fatalf("%v, want DAILY and another try in 30 s", err)
		}
		if wait := a.Reserve(sinks.Safety, time.Now()); wait != 30*time.Second {
			t.Errorf("safety waits %s", wait)
		}

		time.Sleep(time.Until(a.Status().Daily.Resets) + time.Second)
		for _, lane := range sinks.Lanes {
			if wait := a.Reserve(lane, time.Now()); wait > 0 {
				t.Errorf("lane %s waits %s after the account's midnight", lane, wait)
			}
		}
	})
}

// TestDailyLimitRaised: who buys more calls need not wait for midnight, nor who
// was told DAILY when the day was not over.
func TestDailyLimitRaised(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := virtual(t, hubspottest.Options{}, nil)
		a.sim.Inject(hubspottest.Fault{Kind: hubspottest.TooManyDaily, Count: 1})
		safety := contact(1)
		safety.Lane = sinks.Safety
		a.apply(t, safety)
		if wait := a.Reserve(sinks.Routine, time.Now()); wait != time.Minute {
			t.Errorf("routine waits %s after DAILY", wait)
		}
		time.Sleep(30 * time.Second)
		a.mustApply(t, safety) // its headers tell
		if wait := a.Reserve(sinks.Routine, time.Now()); wait != 0 {
			t.Errorf("routine waits %s although there is room", wait)
		}
	})
}

func TestUnclaimedRoomComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := virtual(t, hubspottest.Options{}, func(c *hubspot.Config) { c.MaxInFlight = 2 })
		time.Sleep(11 * time.Second)
		for range 2 {
			if wait := a.Reserve(sinks.Routine, time.Now()); wait != 0 {
				t.Fatalf("waits %s", wait)
			}
		}
		if a.Reserve(sinks.Routine, time.Now()) == 0 {
			t.Error("a third call although two are in the air")
		}
		if a.Reserve(sinks.Safety, time.Now()) != 0 {
			t.Error("safety has no room although two are its own")
		}
		time.Sleep(3 * time.Second)
		if wait := a.Reserve(sinks.Routine, time.Now()); wait != 0 {
			t.Errorf("waits %s: room that nobody took is lost", wait)
		}
		if st := a.Status(); st.Waits["routine"].Reason != "" {
			t.Errorf("status waits %+v", st.Waits)
		}
	})
}
