package hubspot_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	schema "chartwire/schemas/hubspot"
	"chartwire/sinks"
	"chartwire/sinks/hubspot"
	"chartwire/sinks/hubspot/hubspottest"
)

func TestOpenInAnotherAccount(t *testing.T) {
	sim := hubspottest.New(hubspottest.Options{PortalID: 777})
	s := mustNew(t, config(sim.Start(t)))
	wantHalt(t, s.Open(t.Context()), "hubspot-wrong-account")
	if n := len(sim.Records("contacts")); n != 0 {
		t.Errorf("%d records were written", n)
	}
}

func TestOpenSaysEverythingAtOnce(t *testing.T) {
	sim := hubspottest.New(hubspottest.Options{})
	cfg := config(sim.Start(t))
	cfg.Needs = []hubspot.Need{{
		Map: "bad/contacts", Object: "contacts", Unique: "firstname",
		Properties: []hubspot.NeedProperty{
			{Name: "patient_glow"},
			{Name: "hs_analytics_source"},
			{Name: "num_associated_deals"},
			{Name: "date_of_birth", Type: "date"},
			{Name: "lastname", Type: "string", PHI: true},
			{Name: "city", Type: "string", PHI: true, Waived: true},
			{Name: "hs_lead_status", Type: "enumeration", Options: []string{"New", "Sleeping"}},
		},
	}, {
		Map: "bad/mail", Object: "contacts", Unique: "email",
	}, {
		Map: "bad/tickets", Object: "tickets", Unique: "chartwire_ticket_key",
		Properties: []hubspot.NeedProperty{{Name: "hs_pipeline"}, {Name: "hs_pipeline_stage"}},
		Pipelines:  []hubspot.NeedPipeline{{Label: "Moon"}, {Label: "support pipeline", Stages: []string{"New", "Orbit"}}},
	}, {
		Map: "bad/visits", Object: "appointments", Unique: "open_medical_appointment_id",
	}}
	err := mustNew(t, cfg).Open(t.Context())
	wantHalt(t, err, "hubspot-schema-mismatch")
	for _, want := range []string{
		"bad/contacts: contacts.firstname: the key property is not unique",
		"bad/contacts: contacts.patient_glow: the property does not exist",
		"bad/contacts: contacts.hs_analytics_source: the property is read-only",
		"bad/contacts: contacts.num_associated_deals: the property is read-only",
		"bad/contacts: contacts.date_of_birth: the map writes date, the property is string",
		"bad/contacts: contacts.lastname: patient data into a property that everybody sees",
		"bad/contacts: contacts.hs_lead_status: options missing: Sleeping",
		"bad/mail: contacts.email: e-mail cannot be the key",
		"bad/tickets: tickets.chartwire_ticket_key: the key property does not exist",
		`bad/tickets: tickets.hs_pipeline: no pipeline "Moon"; there are: Support Pipeline`,
		`bad/tickets: tickets.hs_pipeline_stage: pipeline "support pipeline" lacks the stages Orbit`,
		"bad/tickets: tickets.subject: HubSpot creates no record without it",
		"bad/visits: appointments: the account does not have this object",
		"13 problems",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("missing: %s", want)
		}
	}
	if strings.Contains(err.Error(), "contacts.city") {
		t.Error("a waived property is a problem")
	}
	if t.Failed() {
		t.Log(err)
	}
}

func TestOpenAgainstATroubledHubSpot(t *testing.T) {
	sim := hubspottest.New(hubspottest.Options{})
	s := mustNew(t, config(sim.Start(t)))
	for _, kind := range []hubspottest.FaultKind{hubspottest.Unavailable, hubspottest.TooManyBurst, hubspottest.ConnectionReset, hubspottest.BadGateway} {
		id := sim.Inject(hubspottest.Fault{Kind: kind})
		err := s.Open(t.Context())
		var down *sinks.Unavailable
		var throttled *sinks.Throttled
		if !errors.As(err, &down) && !errors.As(err, &throttled) {
			t.Errorf("%s: %v, want a fault that passes", kind, err)
		}
		sim.Clear(id)
	}
}

func TestMissingScope(t *testing.T) {
	sim := hubspottest.New(hubspottest.Options{Tokens: map[string][]string{
		hubspottest.DefaultToken: {"crm.objects.contacts.read", "crm.schemas.contacts.read"},
	}})
	cfg := config(sim.Start(t))
	cfg.Needs = nil
	s := mustNew(t, cfg)
	if err := s.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	ws := contacts(0, 3)
	for _, r := range s.Apply(t.Context(), ws) {
		wantHalt(t, r.Err, "hubspot-scopes")
		if !strings.Contains(r.Err.Error(), "crm.objects.contacts.write") {
			t.Errorf("the scope is not named: %v", r.Err)
		}
	}
	calls := len(sim.Calls())
	for _, r := range s.Apply(t.Context(), ws) {
		wantHalt(t, r.Err, "hubspot-scopes")
	}
	if s.Reserve(sinks.Safety, time.Now()) == 0 {
		t.Error("room is given although every call would be refused")
	}
	if n := len(sim.Calls()) - calls; n != 0 {
		t.Errorf("%d calls after the refusal", n)
	}
	if got := s.Status().Halted; got != "hubspot-scopes" {
		t.Errorf("status halted %q", got)
	}
}

func TestKeyExchangedWithoutARestart(t *testing.T) {
	var token atomic.Value
	token.Store(hubspottest.DefaultToken)
	a := newAccount(t, hubspottest.Options{}, func(c *hubspot.Config) {
		c.Token = func() (string, error) { return token.Load().(string) + "\n", nil }
	})
	a.mustApply(t, contact(1))
	a.sim.SetToken("pat-na1-new")
	a.sim.RevokeToken(hubspottest.DefaultToken)
	token.Store("pat-na1-new")
	a.mustApply(t, contact(2))
	a.sim.RevokeToken("pat-na1-new")
	wantHalt(t, a.Apply(t.Context(), contacts(3, 1))[0].Err, "hubspot-credentials")
}

func TestOneRefusalOfTheTokenIsAskedAbout(t *testing.T) {
	a := newAccount(t, hubspottest.Options{}, nil)
	a.sim.Inject(hubspottest.Fault{Kind: hubspottest.BadToken, Path: "batch/upsert", Count: 1})
	var down *sinks.Unavailable
	if err := a.apply(t, contact(1))[0].Err; !errors.As(err, &down) || down.Unknown {
		t.Fatalf("%v, want *Unavailable: HubSpot takes the token for another call", err)
	}
	a.mustApply(t, contact(1))
	a.sim.RevokeToken(hubspottest.DefaultToken)
	wantHalt(t, a.apply(t, contact(2))[0].Err, "hubspot-credentials")
	if wait := a.Reserve(sinks.Safety, time.Now()); wait <= 0 {
		t.Error("room is given although every call would be refused")
	}
}

func TestProvisionOnlyWhatIsMissing(t *testing.T) {
	a := newAccount(t, hubspottest.Options{}, nil)
	want, err := schema.Default()
	if err != nil {
		t.Fatal(err)
	}
	shipped := &schema.Schema{Objects: []*schema.Object{want.Object("contacts"), want.Object("tickets")}}
	plan, err := a.Plan(t.Context(), shipped)
	if err != nil {
		t.Fatal(err)
	}
	if !plan.Empty() || len(plan.Conflicts) > 0 {
		t.Errorf("after provisioning there is still:\n%s", plan)
	}
	contacts := shipped.Object("contacts")
	contacts.Properties = append(contacts.Properties,
		&schema.Property{Name: "gender", Type: schema.Enumeration, Label: "Gender"},
		&schema.Property{Name: "city", Type: schema.String, Unique: true},
		&schema.Property{Name: "zip", Type: schema.String, Sensitivity: schema.Sensitive},
		&schema.Property{Name: "hs_nothing", Type: schema.String, Defined: true},
		&schema.Property{Name: "patient_glow", Label: "Glow", Type: schema.Number, Field: "number", Group: contacts.Groups[0].Name, Sensitivity: schema.Sensitive})
	if plan, err = a.Plan(t.Context(), shipped); err != nil {
		t.Fatal(err)
	}
	if len(plan.Steps) != 1 || !strings.Contains(plan.Steps[0].Text, "contacts.patient_glow, number, sensitive") {
		t.Errorf("plan:\n%s", plan)
	}
	for _, want := range []string{"contacts.gender: is string, wanted enumeration", "contacts.city: is not unique", "contacts.zip: is not protected", "contacts.hs_nothing: HubSpot's own"} {
		if !strings.Contains(plan.String(), want) {
			t.Errorf("missing: %s\n%s", want, plan)
		}
	}
	if err := a.Provision(t.Context(), plan); err != nil {
		t.Fatal(err)
	}
	live, err := a.ReadSchema(t.Context(), "contacts")
	if err != nil {
		t.Fatal(err)
	}
	if p := live.Object("contacts").Property("patient_glow"); p == nil || p.Plain() {
		t.Errorf("created as %+v, want it sensitive", p)
	}
}

func TestRunNoticesDrift(t *testing.T) {
	a := newAccount(t, hubspottest.Options{}, func(c *hubspot.Config) { c.Recheck = 20 * time.Millisecond })
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	a.archiveProperty(t, "contacts", "firstname_of_nobody_yet", http.StatusNotFound)
	a.archiveProperty(t, "contacts", "open_medical_patient_id", http.StatusNoContent)
	for end := time.Now().Add(time.Minute); len(a.Status().Problems) == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the drift is not in the status after a minute")
		}
	}
	if got := a.Status().Problems; len(got) != 1 || !strings.Contains(got[0], "contacts.open_medical_patient_id: the key property does not exist") {
		t.Errorf("problems %q", got)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run: %v", err)
	}
	wantHalt(t, a.Apply(t.Context(), contacts(0, 1))[0].Err, "hubspot-schema-drift")
}

func TestConfigSaysEverythingAtOnce(t *testing.T) {
	_, err := hubspot.New(hubspot.Config{BaseURL: "http://api.hubapi.com", APIVersion: "v1", Share: 1.5, SafetyReserve: 2, DailyReserve: -1, CallTimeout: time.Hour, MaxInFlight: 1000})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"only https", "no token", "no portal id", `unknown API version "v1"`, "share 1.5", "safety reserve 2", "daily reserve -1", "call timeout 1h", "1000 calls"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("missing %q in: %v", want, err)
		}
	}
}
