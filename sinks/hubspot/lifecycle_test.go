package hubspot_test

import (
	"errors"
	"testing"

	"chartwire/cdc"
	"chartwire/sinks"
	"chartwire/sinks/hubspot/hubspottest"
)

func stage(label string) sinks.Property {
	p := set("lifecyclestage", label)
	p.Backward = true
	return p
}

func TestLifecycleGoesBack(t *testing.T) {
	a := newAccount(t, hubspottest.Options{}, nil)
	a.mustApply(t, contact(1, stage("Customer")), contact(2, stage("Lead")))
	before := a.upserts("contacts")
	results := a.mustApply(t, contact(1, stage("marketing qualified LEAD ")), contact(2, stage("Customer")))
	if n := a.upserts("contacts") - before; n != 3 {
		t.Errorf("%d calls, want 3: write, clear, set", n)
	}
	for i, want := range []string{"marketingqualifiedlead", "customer"} {
		sent := []string{"marketing qualified LEAD ", "Customer"}[i]
		if got := results[i].Stored["lifecyclestage"]; got != sent {
			t.Errorf("write %d stored %q, want it as it was sent, %q", i, got, sent)
		}
		if got := a.held(t, contact(i+1)).Properties["lifecyclestage"]; got != want {
			t.Errorf("HubSpot holds %q, want %q", got, want)
		}
	}
	if results[0].Stored["firstname"] == "" {
		t.Error("the other stored values are lost")
	}
}

func TestLifecycleStaysWhereTheMapIsMonotonic(t *testing.T) {
	a := newAccount(t, hubspottest.Options{}, nil)
	a.mustApply(t, contact(1, stage("Customer")))
	p := stage("Lead")
	p.Backward = false
	before := a.upserts("contacts")
	r := a.mustApply(t, contact(1, p))[0]
	if got := r.Stored["lifecyclestage"]; got != "Customer" {
		t.Errorf("stored %q: HubSpot keeps the old one, and the answer says so by its label", got)
	}
	if n := a.upserts("contacts") - before; n != 1 {
		t.Errorf("%d calls, want 1", n)
	}
}

func TestLifecycleInterrupted(t *testing.T) {
	a := newAccount(t, hubspottest.Options{}, nil)
	a.mustApply(t, contact(1, stage("Customer")))
	// The third call, which sets the stage again, finds HubSpot broken.
	a.sim.Inject(hubspottest.Fault{Kind: hubspottest.InternalError, Path: "batch/upsert", Skip: 2, Count: 1})
	w := contact(1, stage("Lead"))
	if err := a.apply(t, w)[0].Err; err == nil {
		t.Fatal("the write succeeded although its last call did not")
	}
	a.mustApply(t, w)
	if got := a.held(t, w).Properties["lifecyclestage"]; got != "lead" {
		t.Errorf("HubSpot holds %q after the repetition, want lead", got)
	}
}

// TestLifecycleHalf has HubSpot say of a later call that it carried nothing out:
// of the write it holds the rest all the same.
func TestLifecycleHalf(t *testing.T) {
	for _, kind := range []hubspottest.FaultKind{hubspottest.TooManyBurst, hubspottest.Locked, hubspottest.BadToken, hubspottest.NoScope} {
		for _, skip := range []int{1, 2} {
			a := newAccount(t, hubspottest.Options{}, nil)
			a.mustApply(t, contact(1, stage("Customer")))
			a.sim.Inject(hubspottest.Fault{Kind: kind, Path: "batch/upsert", Skip: skip, Count: 1})
			w := contact(1, stage("Lead"), set("lastname", "Miller"))
			err := a.apply(t, w)[0].Err
			if got := a.held(t, w).Properties["lastname"]; got != "Miller" {
				t.Fatalf("%s, call %d: the first call wrote nothing", kind, skip+1)
			}
			var unavailable *sinks.Unavailable
			var throttled *sinks.Throttled
			if !errors.As(err, &unavailable) || !unavailable.Unknown || errors.As(err, &throttled) || cdc.HaltCode(err) != "" {
				t.Errorf("%s, call %d: %v, want an unknown outcome", kind, skip+1, err)
			}
		}
	}
}
