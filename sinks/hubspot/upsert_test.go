package hubspot_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"chartwire/sinks"
	"chartwire/sinks/hubspot"
	"chartwire/sinks/hubspot/hubspottest"
)

func wantRejected(t *testing.T, err error) *sinks.Rejected {
	t.Helper()
	var r *sinks.Rejected
	if !errors.As(err, &r) {
		t.Fatalf("error %v, want *Rejected", err)
	}
	return r
}

func TestOneCallWritesABatch(t *testing.T) {
	for _, version := range hubspot.Versions {
		t.Run(version, func(t *testing.T) {
			a := newAccount(t, hubspottest.Options{Seed: 7}, func(c *hubspot.Config) { c.APIVersion = version })
			ws := contacts(0, 100)
			for i, r := range a.mustApply(t, ws...) {
				held := a.held(t, ws[i])
				if r.ID != held.ID || !r.New {
					t.Errorf("write %d: id %s new %v, HubSpot has %s", i, r.ID, r.New, held.ID)
				}
				if want := strings.ToLower(ws[i].Properties[1].Value); r.Stored["email"] != want {
					t.Errorf("write %d: stored e-mail %q, want it as HubSpot keeps it: %q", i, r.Stored["email"], want)
				}
			}
			if n := a.upserts("contacts"); n != 1 {
				t.Errorf("%d calls, want 1", n)
			}
		})
	}
}

func TestOneBadOfAHundredIsOneCall(t *testing.T) {
	a := newAccount(t, hubspottest.Options{Seed: 2}, nil)
	ws := contacts(0, 100)
	ws[41].Properties[1].Value = "ann@example.con"
	for i, r := range a.apply(t, ws...) {
		if i != 41 {
			if r.Err != nil {
				t.Errorf("write %d: %v", i, r.Err)
			}
			continue
		}
		got := wantRejected(t, r.Err)
		if got.Property != "email" || got.Code != "INVALID_EMAIL" || got.Class != "invalid_value" || got.Correlation == "" {
			t.Errorf("refusal %+v", got)
		}
		if got.Message != "Email address … is invalid" {
			t.Errorf("message %q: HubSpot's words without the value are wanted", got.Message)
		}
	}
	if n := a.upserts("contacts"); n != 1 {
		t.Errorf("%d calls, want 1: trace ids make the answer one per record", n)
	}
}

func TestWholeBatchRefusedIsHalved(t *testing.T) {
	a := newAccount(t, hubspottest.Options{Seed: 3, WholeBatchConflicts: true}, nil)
	first := contact(1000)
	first.Properties[1].Value = "family@clinic.example.org"
	a.mustApply(t, first)
	ws := contacts(0, 100)
	ws[77].Properties[1].Value = "Family@clinic.example.org"
	before := a.upserts("contacts")
	for i, r := range a.apply(t, ws...) {
		if i != 77 {
			if r.Err != nil {
				t.Errorf("write %d: %v", i, r.Err)
			}
			continue
		}
		got := wantRejected(t, r.Err)
		if got.Property != "email" || got.Class != "identity" || got.Existing != a.held(t, first).ID {
			t.Errorf("refusal %+v, in the way is %s", got, a.held(t, first).ID)
		}
	}
	if n := a.upserts("contacts") - before; n > 15 {
		t.Errorf("%d calls to find one of 100, want at most 15", n)
	}
}

func TestSharedAddressIsAnIdentityConflict(t *testing.T) {
	a := newAccount(t, hubspottest.Options{}, nil)
	a.mustApply(t, contact(1))
	w := contact(2)
	w.Properties[1].Value = strings.ToUpper(contact(1).Properties[1].Value)
	got := wantRejected(t, a.apply(t, w)[0].Err)
	if got.Property != "email" || got.Class != "identity" || got.Existing != a.held(t, contact(1)).ID {
		t.Errorf("refusal %+v", got)
	}
	w.Properties = w.Properties[:1]
	a.mustApply(t, w)
}

func TestOtherUniqueValueTaken(t *testing.T) {
	for _, whole := range []bool{false, true} {
		t.Run(fmt.Sprint("whole batch refused ", whole), func(t *testing.T) {
			a := newAccount(t, hubspottest.Options{WholeBatchConflicts: whole}, nil)
			a.mustApply(t, contact(1, set("aggregation_key_id", "AGG-1")))
			ws := contacts(5, 3)
			ws[1].Properties = append(ws[1].Properties, set("aggregation_key_id", "AGG-1"))
			results := a.apply(t, ws...)
			got := wantRejected(t, results[1].Err)
			if got.Property != "aggregation_key_id" || got.Class != "identity" || got.Existing != a.held(t, contact(1)).ID {
				t.Errorf("refusal %+v", got)
			}
			if strings.Contains(got.Message, "AGG-1") {
				t.Errorf("the message holds the value: %s", got.Message)
			}
			if results[0].Err != nil || results[2].Err != nil {
				t.Errorf("the others: %v, %v", results[0].Err, results[2].Err)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	f := func(name string, p sinks.Property, code, class string) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			a := newAccount(t, hubspottest.Options{}, nil)
			w := contact(1, p)
			got := wantRejected(t, a.apply(t, w)[0].Err)
			if got.Property != p.Name || got.Code != code || got.Class != class {
				t.Errorf("refusal of %q as %s (%s), want %q %s (%s)", got.Property, got.Code, got.Class, p.Name, code, class)
			}
			if strings.Contains(strings.ToLower(got.Error()), strings.ToLower(p.Value)) {
				t.Errorf("the error holds the value: %v", got)
			}
		})
	}
	f("number", set("account_balance", "12,50 Euro"), "INVALID_NUMBER", "invalid_value")
	f("date", set("patient_birth_date", "1980-02-30"), "INVALID_LONG", "invalid_value")
	f("option", set("lifecyclestage", "Sleeping"), "INVALID_OPTION", "invalid_option")
	f("too long", set("lastname", strings.Repeat("Wolfeschlegel", 6000)), "PROPERTY_VALUE_TOO_LONG", "invalid_value")
}

func TestRequiredByTheAccount(t *testing.T) {
	a := newAccount(t, hubspottest.Options{}, nil)
	a.sim.SetRequired("contacts", "lastname")
	got := wantRejected(t, a.apply(t, contact(1))[0].Err)
	if got.Class != "portal_rule" || got.Property != "" || !strings.Contains(got.Message, "lastname") {
		t.Errorf("refusal %+v, want the record's, naming lastname", got)
	}
	a.mustApply(t, contact(2, set("lastname", "Lee")))
}

func TestArchivedPropertyStopsTheFlow(t *testing.T) {
	a := newAccount(t, hubspottest.Options{}, nil)
	a.archiveProperty(t, "contacts", "patient_status_om", http.StatusNoContent)
	results := a.apply(t, contact(1, set("patient_status_om", "Current")), contact(2))
	wantHalt(t, results[0].Err, "hubspot-schema-drift")
	if !strings.Contains(results[0].Err.Error(), "patient_status_om") {
		t.Errorf("the halt does not name the property: %v", results[0].Err)
	}
	if results[1].Err != nil {
		t.Errorf("the other record: %v", results[1].Err)
	}
}

func TestFullAccountStopsTheFlow(t *testing.T) {
	a := newAccount(t, hubspottest.Options{Limits: hubspottest.Limits{Records: 2}}, nil)
	results := a.apply(t, contacts(0, 3)...)
	full := 0
	for _, r := range results {
		if r.Err != nil {
			wantHalt(t, r.Err, "hubspot-capacity")
			full++
		}
	}
	if full != 1 {
		t.Errorf("%d writes halted, want 1", full)
	}
}

func TestWritesThatCannotBe(t *testing.T) {
	a := newAccount(t, hubspottest.Options{}, nil)
	byMail := contact(1)
	byMail.Record.Property, byMail.Record.Key = "email", "ann@clinic.example.org"
	noKey := contact(2)
	noKey.Record.Key = ""
	linked := contact(3)
	linked.Links = []sinks.Link{{To: contact(1).Record, State: sinks.Set}}
	results := a.apply(t, byMail, noKey, linked, contact(4))
	for i, code := range []string{"EMAIL_KEY", "EMPTY_KEY", "EMPTY_KEY"} {
		if got := wantRejected(t, results[i].Err); got.Code != code {
			t.Errorf("write %d: %s, want %s", i, got.Code, code)
		}
	}
	if results[3].Err != nil {
		t.Errorf("the good write: %v", results[3].Err)
	}
}

func TestKeysThatDifferInCaseOnly(t *testing.T) {
	a := newAccount(t, hubspottest.Options{}, nil)
	x, y := contact(1), contact(2)
	x.Record.Key, y.Record.Key = "guest:ab", "guest:AB"
	results := a.mustApply(t, x, y)
	if results[0].ID == results[1].ID {
		t.Fatal("two keys, one record")
	}
	for i, w := range []sinks.Write{x, y} {
		if a.held(t, w).ID != results[i].ID {
			t.Errorf("write %d got another record's id", i)
		}
	}
}
