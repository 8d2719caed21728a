package hubspot_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"chartwire/cdc"
	schema "chartwire/schemas/hubspot"
	"chartwire/sinks"
	"chartwire/sinks/hubspot"
	"chartwire/sinks/hubspot/hubspottest"
)

// linkedAccount is an account whose maps link tickets with contacts, also by
// the labels.
func linkedAccount(t *testing.T, opts hubspottest.Options, labels ...string) *account {
	t.Helper()
	a := newAccount(t, opts, nil)
	need := needs()
	need[1].Links = []hubspot.NeedLink{{To: "contacts"}}
	for _, l := range labels {
		a.label(t, "tickets", "contacts", l)
		need[1].Links = append(need[1].Links, hubspot.NeedLink{To: "contacts", Label: l})
	}
	a.Require(need...)
	if err := a.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	return a
}

// tickets makes n tickets and n contacts, and returns their writes with ids.
func (a *account) ends(t *testing.T, n int) (from, to []sinks.Write) {
	t.Helper()
	for i := range n {
		from = append(from, ticket(fmt.Sprint("T-", i), set("subject", "Alert"), set("hs_pipeline", "Patient Safety"), set("hs_pipeline_stage", "New")))
		to = append(to, contact(i))
	}
	for _, ws := range [][]sinks.Write{from, to} {
		for start := 0; start < n; start += hubspot.MaxBatch {
			some := ws[start:min(start+hubspot.MaxBatch, n)]
			for i, r := range a.mustApply(t, some...) {
				some[i].ID = r.ID
			}
		}
	}
	return from, to
}

func linkWrite(from sinks.Write, links ...sinks.Link) sinks.Write {
	return sinks.Write{Record: from.Record, ID: from.ID, Trace: "l-" + from.Trace, Lane: from.Lane, Links: links}
}

func toward(to sinks.Write, label string, state sinks.State) sinks.Link {
	return sinks.Link{To: to.Record, ToID: to.ID, Label: label, State: state}
}

// linkCalls are the routes of the calls about associations since the first n.
func (a *account) linkCalls(n int) (routes []string) {
	for _, c := range a.sim.Calls()[n:] {
		if _, verb, ok := strings.Cut(c.Route, "batch/"); ok && strings.Contains(c.Route, "associations") {
			routes = append(routes, verb)
		}
	}
	return routes
}

func TestLinksInOneCall(t *testing.T) {
	a := linkedAccount(t, hubspottest.Options{Limits: hubspottest.Limits{Burst: 10_000}}, "Patient")
	const n = 300
	from, to := a.ends(t, n)
	var ws []sinks.Write
	for i := range from {
		ws = append(ws, linkWrite(from[i], toward(to[i], "", sinks.Set), toward(to[(i+1)%n], "Patient", sinks.Set)))
	}
	before := len(a.sim.Calls())
	for i, r := range a.mustApply(t, ws...) {
		if r.Links != nil || r.ID != from[i].ID {
			t.Fatalf("write %d: %+v", i, r)
		}
	}
	if got := a.linkCalls(before); !slices.Equal(got, []string{"create"}) {
		t.Errorf("%d links took the calls %v, want one", 2*n, got)
	}
	ws = ws[:0]
	for i := range from { // one moves, one loses its label and stays, one goes
		ws = append(ws, linkWrite(from[i], toward(to[(i+2)%n], "", sinks.Set), toward(to[i], "", sinks.Clear),
			toward(to[(i+1)%n], "", sinks.Set), toward(to[(i+1)%n], "Patient", sinks.Clear)))
	}
	before = len(a.sim.Calls())
	a.mustApply(t, ws...)
	if got := a.linkCalls(before); !slices.Equal(got, []string{"create", "labels/archive", "archive"}) {
		t.Errorf("calls %v", got)
	}
	for i := range from {
		if a.linked(t, from[i], to[i].Record, "") || a.linked(t, from[i], to[(i+1)%n].Record, "Patient") ||
			!a.linked(t, from[i], to[(i+1)%n].Record, "") || !a.linked(t, from[i], to[(i+2)%n].Record, "") {
			t.Fatalf("ticket %d: %+v", i, a.held(t, from[i]).Links)
		}
	}
	if !slices.ContainsFunc(a.Status().Breakers, func(b hubspot.BreakerStatus) bool { return b.Kind == "link" }) {
		t.Error("calls for links have no breaker")
	}
}

func TestOpenNamesLabelsThatAreNotThere(t *testing.T) {
	a := newAccount(t, hubspottest.Options{}, nil)
	a.label(t, "tickets", "contacts", "Patient")
	need := needs()
	need[0].Links = []hubspot.NeedLink{{To: "products"}, {To: "tickets", Label: "Critical"}}
	need[1].Links = []hubspot.NeedLink{{To: "contacts", Label: "patient"}, {To: "contacts"}, {To: "contacts", Label: "Payer"}}
	a.Require(need...)
	err := a.Open(t.Context())
	wantHalt(t, err, "hubspot-schema-mismatch")
	for _, want := range []string{
		"test/contacts: contacts.links to products: HubSpot does not associate contacts with products",
		`test/contacts: contacts.links to tickets: no association label "Critical"`,
		`test/tickets: tickets.links to contacts: no association label "Payer"; there are: Patient`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("missing %q in:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), `"patient"`) || strings.Contains(err.Error(), "3 problems") == false {
		t.Errorf("more than is wrong is said:\n%v", err)
	}
}

func TestLabelThatVanishes(t *testing.T) {
	a := linkedAccount(t, hubspottest.Options{}, "Patient")
	from, to := a.ends(t, 3)
	o, err := a.ReadSchema(t.Context(), "tickets")
	if err != nil || o.Object("tickets") == nil {
		t.Fatal(err)
	}
	a.dropLabel(t, "Patient")
	results := a.apply(t, linkWrite(from[0], toward(to[0], "Patient", sinks.Set)), linkWrite(from[1], toward(to[1], "", sinks.Set)),
		linkWrite(from[2], toward(to[2], "Patient", sinks.Clear)))
	if cdc.HaltCode(results[0].Err) != "hubspot-schema-drift" || !strings.Contains(results[0].Err.Error(), `"Patient"`) {
		t.Errorf("a link by a label that is gone: %v, want a halt that names it", results[0].Err)
	}
	for i, r := range results[1:] {
		if r.Err != nil || r.Links != nil {
			t.Errorf("write %d: %+v", i+1, r)
		}
	}
	if !a.linked(t, from[1], to[1].Record, "") {
		t.Error("a label that is gone kept others from being linked")
	}
}

// dropLabel takes an association label of tickets with contacts away, as an
// administrator.
func (a *account) dropLabel(t *testing.T, label string) {
	t.Helper()
	id := 0
	from, to := a.held(t, ticket("T-0")), a.held(t, contact(0))
	a.api(t, http.MethodPut, "/crm/objects/2026-09/tickets/"+from.ID+"/associations/default/contacts/"+to.ID, "", http.StatusOK)
	for try := 1; try < 200 && id == 0; try++ {
		body := fmt.Sprintf(`[{"associationCategory":"USER_DEFINED","associationTypeId":%d}]`, try)
		if a.status(t, http.MethodPut, "/crm/objects/2026-09/tickets/"+from.ID+"/associations/contacts/"+to.ID, body) < 300 {
			id = try
		}
	}
	a.api(t, http.MethodDelete, fmt.Sprintf("/crm/associations/2026-09/tickets/contacts/labels/%d", id), "", http.StatusNoContent)
}

func TestLinkLimitIsOneRecords(t *testing.T) {
	a := linkedAccount(t, hubspottest.Options{Limits: hubspottest.Limits{Associations: 2}})
	from, to := a.ends(t, 4)
	var all []sinks.Link
	for i := range to {
		all = append(all, toward(to[i], "", sinks.Set))
	}
	results := a.mustApply(t, linkWrite(from[0], all...), linkWrite(from[1], all[0]))
	refused := 0
	for _, r := range results[0].Links {
		if r == nil {
			continue
		}
		if refused++; r.Code != "LIMIT_EXCEEDED" || r.Class != "capacity" || !strings.Contains(r.Message, "limit of 2 associations") || r.Correlation == "" {
			t.Errorf("refused: %+v", r)
		}
	}
	if refused != 2 || results[1].Links != nil {
		t.Errorf("%d links refused, the other record's %v; want 2 and none", refused, results[1].Links)
	}
}

func TestProvisionLabels(t *testing.T) {
	a := newAccount(t, hubspottest.Options{}, nil)
	want := &schema.Schema{Objects: []*schema.Object{{Name: "deals", Associations: []*schema.Association{
		{To: "contacts", Labels: []schema.AssociationLabel{{Label: "Payer", Inverse: "Pays for", Name: "payer"}, {Label: "Recipient", Name: "recipient"}}}, {To: "nothing", Labels: []schema.AssociationLabel{{Label: "X", Name: "x"}}},
	}}}}
	plan, err := a.Plan(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.Steps) != 2 || plan.Steps[0].Text != `deals: association label "Payer" with contacts` || len(plan.Conflicts) != 1 {
		t.Errorf("plan:\n%s", plan)
	}
	if err := a.Provision(t.Context(), plan); err != nil {
		t.Fatal(err)
	}
	if plan, err = a.Plan(t.Context(), want); err != nil || len(plan.Steps) != 0 {
		t.Errorf("once created there is still (%v):\n%s", err, plan)
	}
	a.Require(hubspot.Need{Map: "test/contacts", Object: "contacts", Unique: "open_medical_patient_id", Links: []hubspot.NeedLink{{To: "deals", Label: "Pays for"}}})
	if err := a.Open(t.Context()); err != nil {
		t.Errorf("the label of the other direction: %v", err)
	}
}

// What the shop's deals and products need can be created, and is then there.
func TestProvisionTheShop(t *testing.T) {
	a := newAccount(t, hubspottest.Options{}, nil)
	live, err := a.ReadSchema(t.Context(), "deals", "products")
	if err != nil {
		t.Fatal(err)
	}
	want, err := schema.Default()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"deals", "products"} {
		for _, p := range want.Object(name).Properties {
			if h := live.Object(name).Property(p.Name); h == nil || h.Type != p.Type || p.Unique && !h.Unique {
				t.Errorf("%s.%s is %+v", name, p.Name, h)
			}
		}
		for _, p := range want.Object(name).Pipelines {
			h := live.Object(name).Pipeline(p.Label)
			if h == nil || len(h.Stages) != len(p.Stages) || h.Stages[0].Probability != p.Stages[0].Probability {
				t.Errorf("%s: pipeline %q is %+v", name, p.Label, h)
			}
		}
	}
}
