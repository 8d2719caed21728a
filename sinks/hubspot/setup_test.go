package hubspot_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"chartwire/cdc"
	schema "chartwire/schemas/hubspot"
	"chartwire/sinks"
	"chartwire/sinks/hubspot"
	"chartwire/sinks/hubspot/hubspottest"
)

const portalID = 24117000

// account is a portal over real HTTP with the repository's own definitions in
// it, and a sink before it.
type account struct {
	*hubspot.Sink
	sim *hubspottest.Server
	cfg hubspot.Config
}

// newAccount provisions a fresh portal with the object definitions that
// Chartwire ships, as a person would, and opens the sink.
func newAccount(t *testing.T, opts hubspottest.Options, change func(*hubspot.Config)) *account {
	t.Helper()
	sim := hubspottest.New(opts)
	cfg := config(sim.Start(t))
	if change != nil {
		change(&cfg)
	}
	a := &account{sim: sim, cfg: cfg}
	a.Sink = mustNew(t, cfg)
	provision(t, a.Sink)
	if err := a.Open(t.Context()); err != nil {
		t.Fatalf("Open: %v", err)
	}
	return a
}

func config(url string) hubspot.Config {
	return hubspot.Config{
		BaseURL: url, PortalID: portalID, Needs: needs(),
		Token: func() (string, error) { return hubspottest.DefaultToken, nil },
	}
}

func mustNew(t *testing.T, cfg hubspot.Config) *hubspot.Sink {
	t.Helper()
	s, err := hubspot.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func provision(t *testing.T, s *hubspot.Sink) {
	t.Helper()
	want, err := schema.Default()
	if err != nil {
		t.Fatal(err)
	}
	plan, err := s.Plan(t.Context(), want)
	if err != nil {
		t.Fatalf("Plan: %v", err)
	}
	if len(plan.Conflicts) > 0 {
		t.Fatalf("conflicts:\n%s", plan)
	}
	if err := s.Provision(t.Context(), plan); err != nil {
		t.Fatalf("Provision: %v", err)
	}
}

// needs is what small maps over the shipped definitions need.
func needs() []hubspot.Need {
	return []hubspot.Need{{
		Map: "test/contacts", Object: "contacts", Unique: "open_medical_patient_id",
		Properties: []hubspot.NeedProperty{
			{Name: "open_medical_patient_id", Type: "string"}, {Name: "firstname", Type: "string"}, {Name: "email", Type: "string"},
			{Name: "lifecyclestage", Type: "enumeration", Options: []string{"lead", "Customer", "Marketing qualified lead"}},
		},
	}, {
		Map: "test/tickets", Object: "tickets", Unique: "chartwire_ticket_key",
		Properties: []hubspot.NeedProperty{{Name: "subject", Type: "string"}, {Name: "hs_pipeline"}, {Name: "hs_pipeline_stage"}, {Name: "hs_ticket_priority", Options: []string{"High"}}},
		Pipelines:  []hubspot.NeedPipeline{{Label: "Patient Safety", Stages: []string{"New", "Closed"}}, {Label: "Collections", Stages: []string{"New"}}},
	}}
}

func set(name, value string) sinks.Property {
	return sinks.Property{Name: name, State: sinks.Set, Value: value, Lane: sinks.Realtime}
}

// contact is the n-th patient's write.
func contact(n int, more ...sinks.Property) sinks.Write {
	return sinks.Write{
		Record: sinks.Record{Object: "contacts", Property: "open_medical_patient_id", Key: fmt.Sprintf("P-%05d", n)},
		Trace:  fmt.Sprint("t", n), Lane: sinks.Realtime, Create: true,
		Properties: append([]sinks.Property{
			set("firstname", fmt.Sprintf("Annabel%d", n)), set("email", fmt.Sprintf("Annabel%d@clinic.example.org", n)),
		}, more...),
	}
}

func contacts(from, n int) []sinks.Write {
	ws := make([]sinks.Write, n)
	for i := range ws {
		ws[i] = contact(from + i)
	}
	return ws
}

// ticket is a write of a rule's ticket.
func ticket(key string, props ...sinks.Property) sinks.Write {
	return sinks.Write{
		Record: sinks.Record{Object: "tickets", Property: "chartwire_ticket_key", Key: key},
		Trace:  key, Lane: sinks.Safety, Create: true, Properties: props,
	}
}

// apply reserves and applies as Deliver does, and waits for room.
func (a *account) apply(t *testing.T, ws ...sinks.Write) []sinks.Result {
	t.Helper()
	for wait := time.Duration(1); wait > 0; time.Sleep(wait) {
		wait = a.Reserve(ws[0].Lane, time.Now())
	}
	return a.Apply(t.Context(), ws)
}

func (a *account) mustApply(t *testing.T, ws ...sinks.Write) []sinks.Result {
	t.Helper()
	results := a.apply(t, ws...)
	for i, r := range results {
		if r.Err != nil {
			t.Fatalf("write %d: %v", i, r.Err)
		}
	}
	return results
}

// held is the record that a write is about.
func (a *account) held(t *testing.T, w sinks.Write) hubspottest.Record {
	t.Helper()
	found := a.sim.Find(w.Record.Object, w.Record.Property, w.Record.Key)
	if len(found) != 1 {
		t.Fatalf("%d records with the key, want 1", len(found))
	}
	return found[0]
}

// calls counts the calls to a part of a path since the first n calls.
func (a *account) upserts(object string) int {
	n := 0
	for _, c := range a.sim.Calls() {
		if c.Method == http.MethodPost && c.Object == object && c.Route[len(c.Route)-len("upsert"):] == "upsert" {
			n++
		}
	}
	return n
}

func wantHalt(t *testing.T, err error, code string) {
	t.Helper()
	if got := cdc.HaltCode(err); got != code {
		t.Fatalf("error %v, want the halt %s", err, code)
	}
}

// api makes a call as an administrator would, around the sink.
func (a *account) api(t *testing.T, method, path, body string, want int) {
	t.Helper()
	if got := a.status(t, method, path, body); got != want {
		t.Fatalf("%s %s: status %d, want %d", method, path, got, want)
	}
}

func (a *account) status(t *testing.T, method, path, body string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, a.cfg.BaseURL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+hubspottest.DefaultToken)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

func (a *account) archiveProperty(t *testing.T, object, name string, want int) {
	t.Helper()
	a.api(t, http.MethodDelete, "/crm/properties/2026-09/"+object+"/"+name, "", want)
}

// label makes an association label between two objects, as an administrator.
func (a *account) label(t *testing.T, from, to, label string) {
	t.Helper()
	a.api(t, http.MethodPost, "/crm/associations/2026-09/"+from+"/"+to+"/labels", fmt.Sprintf(`{"label":%q,"name":%q}`, label, strings.ToLower(label)), http.StatusOK)
}

// linked reports whether the record of a write is associated with another.
func (a *account) linked(t *testing.T, w sinks.Write, to sinks.Record, label string) bool {
	t.Helper()
	ends := a.sim.Find(to.Object, to.Property, to.Key)
	for _, l := range a.held(t, w).Links {
		for _, ty := range l.Types {
			if ty.Label == label && slices.ContainsFunc(ends, func(r hubspottest.Record) bool { return r.ID == l.ID && r.Object == l.Object }) {
				return true
			}
		}
	}
	return false
}
