package hubspot_test

import (
	"testing"

	"chartwire/sinks"
	"chartwire/sinks/hubspot/hubspottest"
)

func archive(w sinks.Write, id string) sinks.Write {
	return sinks.Write{Record: w.Record, ID: id, Trace: w.Trace + "-archive", Lane: w.Lane, Archive: true}
}

func TestArchiveSparesTheSurvivorOfAMerge(t *testing.T) {
	a := newAccount(t, hubspottest.Options{}, nil)
	results := a.mustApply(t, contact(1), contact(2))
	// Somebody merges the first patient's contact into the second's: the old
	// id now leads there.
	if _, err := a.sim.Merge("contacts", results[1].ID, results[0].ID); err != nil {
		t.Fatal(err)
	}
	a.mustApply(t, archive(contact(1), results[0].ID))
	survivor, ok := a.sim.Lookup("contacts", "open_medical_patient_id", contact(2).Record.Key)
	if !ok || survivor.Archived {
		t.Fatal("the surviving contact, another patient's, was archived")
	}
}

func TestArchiveAndWriteInOneBatch(t *testing.T) {
	a := newAccount(t, hubspottest.Options{}, nil)
	id := a.mustApply(t, contact(1))[0].ID
	a.mustApply(t, contact(2), archive(contact(1), id), contact(3))
	if r := a.held(t, contact(1)); !r.Archived {
		t.Error("the contact is not archived")
	}
	for _, n := range []int{2, 3} {
		if r := a.held(t, contact(n)); r.Archived {
			t.Errorf("contact %d is archived", n)
		}
	}
}
