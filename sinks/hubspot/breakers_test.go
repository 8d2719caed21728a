package hubspot_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"chartwire/sinks"
	"chartwire/sinks/hubspot"
	"chartwire/sinks/hubspot/hubspottest"
)

func (a *account) breaker(kind, lanes string) hubspot.BreakerStatus {
	for _, b := range a.Status().Breakers {
		if b.Kind == kind && b.Lanes == lanes {
			return b
		}
	}
	return hubspot.BreakerStatus{}
}

// fail makes n calls of a lane that find HubSpot broken.
func (a *account) fail(t *testing.T, lane sinks.Lane, n int) {
	t.Helper()
	for range n {
		w := contact(int(lane))
		w.Lane = lane
		var down *sinks.Unavailable
		if err := a.Apply(t.Context(), []sinks.Write{w})[0].Err; !errors.As(err, &down) {
			t.Fatalf("%v, want *Unavailable", err)
		}
	}
}

func TestBackfillFailuresDoNotShutOutOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := virtual(t, hubspottest.Options{}, nil)
		id := a.sim.Inject(hubspottest.Fault{Kind: hubspottest.InternalError, Path: "batch/upsert"})
		a.fail(t, sinks.Backfill, 5)
		if b := a.breaker("upsert", "backfill"); b.State != "open" {
			t.Fatalf("breaker %+v after five failures", b)
		}
		if wait := a.Reserve(sinks.Backfill, time.Now()); wait != 15*time.Second {
			t.Errorf("backfill waits %s, want 15s", wait)
		}
		calls := len(a.sim.Calls())
		w := contact(1)
		w.Lane = sinks.Backfill
		if err := a.Apply(t.Context(), []sinks.Write{w})[0].Err; err == nil {
			t.Error("a call behind an open breaker succeeded")
		}
		if len(a.sim.Calls()) != calls {
			t.Error("a call was made behind an open breaker")
		}
		a.sim.Clear(id)
		for _, lane := range []sinks.Lane{sinks.Safety, sinks.Realtime, sinks.Routine} {
			if wait := a.Reserve(lane, time.Now()); wait > 0 {
				t.Errorf("lane %s waits %s for the backfill's failures", lane, wait)
			}
		}
		time.Sleep(15*time.Second + time.Millisecond)
		if wait := a.Reserve(sinks.Backfill, time.Now()); wait != 0 {
			t.Fatalf("the probe waits %s", wait)
		}
		if err := a.Apply(t.Context(), []sinks.Write{w})[0].Err; err != nil {
			t.Fatalf("the probe: %v", err)
		}
		if b := a.breaker("upsert", "backfill"); b.State != "closed" {
			t.Errorf("breaker %+v after a good probe", b)
		}
	})
}

func TestProbeIsASafetyCallIfOneWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := virtual(t, hubspottest.Options{}, nil)
		id := a.sim.Inject(hubspottest.Fault{Kind: hubspottest.Unavailable})
		a.fail(t, sinks.Routine, 5)
		a.fail(t, sinks.Safety, 5)
		if wait := a.Reserve(sinks.Safety, time.Now()); wait <= 0 || wait > 2*time.Second {
			t.Errorf("safety waits %s, want at most 2s", wait)
		}
		time.Sleep(5 * time.Second) // both may probe now
		// Safety's probe fails, and a safety call goes on waiting: the others
		// stay behind it although their own time has come.
		a.Reserve(sinks.Safety, time.Now())
		a.fail(t, sinks.Safety, 1)
		if a.Reserve(sinks.Safety, time.Now()) == 0 {
			t.Fatal("safety is let out behind a breaker that has opened again")
		}
		if wait := a.Reserve(sinks.Routine, time.Now()); wait == 0 {
			t.Error("a routine call may probe although a safety call waits")
		}
		a.sim.Clear(id)
		time.Sleep(2 * time.Second)
		safety := contact(1)
		safety.Lane = sinks.Safety
		a.mustApply(t, safety)
		if wait := a.Reserve(sinks.Routine, time.Now()); wait != 0 {
			t.Errorf("routine waits %s after safety's probe succeeded", wait)
		}
	})
}

func TestWhatHubSpotAnswersIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := virtual(t, hubspottest.Options{}, nil)
		bad := contact(1, set("account_balance", "much"))
		for range 30 {
			wantRejected(t, a.apply(t, bad)[0].Err)
		}
		if b := a.breaker("upsert", "fresh"); b.State != "closed" || b.Failures != 0 {
			t.Errorf("breaker %+v after refusals", b)
		}
	})
}
