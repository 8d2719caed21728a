package hubspot_test

import (
	"net/http"
	"testing"

	"chartwire/sinks"
	"chartwire/sinks/hubspot/hubspottest"
)

// pipelineID is the id that the account gave to what a person calls label.
func (a *account) stageID(t *testing.T, pipeline, stage string) (string, string) {
	t.Helper()
	live, err := a.ReadSchema(t.Context(), "tickets")
	if err != nil {
		t.Fatal(err)
	}
	p := live.Object("tickets").Pipeline(pipeline)
	for _, s := range p.Stages {
		if s.Label == stage {
			return p.ID, s.ID
		}
	}
	t.Fatalf("no stage %s in %s", stage, pipeline)
	return "", ""
}

func (a *account) inStage(t *testing.T, w sinks.Write, pipeline, stage string) {
	t.Helper()
	p, s := a.stageID(t, pipeline, stage)
	held := a.held(t, w).Properties
	if held["hs_pipeline"] != p || held["hs_pipeline_stage"] != s {
		t.Errorf("ticket is in %s/%s, want %s/%s", held["hs_pipeline"], held["hs_pipeline_stage"], p, s)
	}
}

func TestStagesByLabel(t *testing.T) {
	a := newAccount(t, hubspottest.Options{}, nil)
	x := ticket("r1", set("subject", "Critical result"), set("hs_pipeline", "patient safety"), set("hs_pipeline_stage", " new"), set("hs_ticket_priority", "High"))
	y := ticket("r2", set("subject", "Balance"), set("hs_pipeline", "Collections"), set("hs_pipeline_stage", "New"))
	for i, r := range a.mustApply(t, x, y) {
		for _, p := range []sinks.Write{x, y}[i].Properties {
			if r.Stored[p.Name] != p.Value {
				t.Errorf("write %d stored %s as %q, want it in the write's words, %q", i, p.Name, r.Stored[p.Name], p.Value)
			}
		}
	}
	a.inStage(t, x, "Patient Safety", "New")
	a.inStage(t, y, "Collections", "New")
	if got := a.held(t, x).Properties["hs_ticket_priority"]; got != "HIGH" {
		t.Errorf("priority %q, want HIGH", got)
	}

	// A stage alone: one pipeline has it, or the record says which is meant.
	x.Properties = []sinks.Property{set("hs_pipeline_stage", "Acknowledged")}
	a.mustApply(t, x)
	a.inStage(t, x, "Patient Safety", "Acknowledged")
	x.Properties = []sinks.Property{set("hs_pipeline_stage", "Closed")} // the support pipeline has it too
	a.mustApply(t, x)
	a.inStage(t, x, "Patient Safety", "Closed")
}

func TestStageInSeveralPipelinesOfANewRecord(t *testing.T) {
	a := newAccount(t, hubspottest.Options{}, nil)
	got := wantRejected(t, a.apply(t, ticket("r1", set("subject", "x"), set("hs_pipeline_stage", "New")))[0].Err)
	if got.Property != "hs_pipeline_stage" || got.Code != "AMBIGUOUS_STAGE" {
		t.Errorf("refusal %+v", got)
	}
}

func TestUnknownStageIsRefusedInHubSpotsWords(t *testing.T) {
	a := newAccount(t, hubspottest.Options{}, nil)
	got := wantRejected(t, a.apply(t, ticket("r1", set("subject", "x"), set("hs_pipeline", "Collections"), set("hs_pipeline_stage", "Nowhere")))[0].Err)
	if got.Property != "hs_pipeline_stage" || got.Code != "INVALID_OPTION" {
		t.Errorf("refusal %+v", got)
	}
}

func TestOptionAddedSinceTheStart(t *testing.T) {
	a := newAccount(t, hubspottest.Options{}, nil)
	a.api(t, http.MethodPatch, "/crm/properties/2026-09/contacts/patient_status_om",
		`{"options":[{"label":"Current","value":"Current"},{"label":"On hold","value":"on_hold"}]}`, http.StatusOK)
	r := a.mustApply(t, contact(1, set("patient_status_om", "on HOLD")))[0]
	if got := r.Stored["patient_status_om"]; got != "on HOLD" {
		t.Errorf("stored %q, want it as sent", got)
	}
	if got := a.held(t, contact(1)).Properties["patient_status_om"]; got != "on_hold" {
		t.Errorf("HubSpot holds %q, want on_hold", got)
	}
}

func TestOwnerByAddress(t *testing.T) {
	a := newAccount(t, hubspottest.Options{}, nil)
	r := a.mustApply(t, contact(1, set("hubspot_owner_id", "Nora.Whitfield@clinic.example.com")))[0]
	if got := a.held(t, contact(1)).Properties["hubspot_owner_id"]; got != "74110201" || r.Stored["hubspot_owner_id"] == got {
		t.Errorf("owner %q, stored %q", got, r.Stored["hubspot_owner_id"])
	}
	got := wantRejected(t, a.apply(t, contact(2, set("hubspot_owner_id", "ada.okafor@clinic.example.com")))[0].Err)
	if got.Property != "hubspot_owner_id" || got.Class != "invalid_option" {
		t.Errorf("an owner who has left: %+v", got)
	}
}
