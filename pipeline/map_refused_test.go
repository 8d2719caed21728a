package pipeline_test

import (
	"strings"
	"testing"
	"time"

	"chartwire/pipeline/deadletter"
)

// A value that a map refuses is a dead letter with property, row and reason but
// without the value; the rest of the record goes on. It closes when the map
// takes the value, whatever made it do so, and when the row is gone.
func testMapRefused(t *testing.T, w *mapWorld) {
	status := "properties:\n  patient_status_om: { from: city, values: { Ulm: Lead, Bonn: Prospect }, otherwise: reject }\n"
	file := strings.Replace(worldMaps, "properties:\n", status, 1)
	letters := func() []*deadletter.Letter {
		t.Helper()
		all, err := deadletter.List(t.Context(), w.conn, w.topics, "hubspot", deadletter.Filter{})
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	open := func(want ...string) []*deadletter.Letter {
		t.Helper()
		all := letters()
		got := map[string]bool{}
		for _, l := range all {
			got[l.Record.Key] = true
		}
		for _, key := range want {
			if !got[key] {
				t.Errorf("no letter of record %s", key)
			}
		}
		if len(all) != len(want) {
			t.Errorf("%d letters are open, want those of %v: %+v", len(all), want, all)
		}
		return all
	}
	m := w.run(w.options(t.TempDir(), w.program(file, worldLabs)))
	ann := func(city string) *person { return &person{"patient", "Ann", city, 20} }
	w.edit(edit{id: 1, person: ann("Atlantis")}, edit{id: 2, person: ann("Ulm")}, edit{id: 3, person: ann("Atlantis")}, edit{id: 4, person: ann("Atlantis")})
	w.until(m)
	for _, l := range open("1", "3", "4") {
		o := l.Origin[0]
		if l.Property != "patient_status_om" || l.Record.Object != "contacts" || l.By != "test/people" || l.Flow != w.flow || o.Row != l.Record.Key ||
			o.Seq == 0 || !strings.HasPrefix(o.Position, "gtid:") || l.Message == "" || strings.Contains(l.Message, "Atlantis") || l.Lane.String() != "routine" {
			t.Errorf("got %+v", l)
		}
	}
	if got := w.written().of("1"); len(got) != 1 || len(got[0].Properties) != 3 {
		t.Errorf("the rest of the record: %+v", got)
	}
	w.edit(edit{id: 1, person: &person{"patient", "Anna", "Atlantis", 20}}) // still refused
	w.edit(edit{id: 3, person: ann("Bonn")}, edit{id: 4})
	w.until(m)
	open("1")
	// A process that never saw the refusals closes them all the same.
	if err := m.stop(); err != nil {
		t.Fatal(err)
	}
	m = w.run(w.options(t.TempDir(), w.program(file, worldLabs)))
	w.edit(edit{id: 3, person: ann("Eldorado")}, edit{id: 5, person: ann("Eldorado")})
	w.until(m)
	all := open("1", "3", "5")
	for _, l := range all {
		if l.Record.Key == "5" {
			if err := deadletter.Retry(t.Context(), w.conn, w.topics, l); err != nil {
				t.Fatal(err)
			}
		}
	}
	for start := time.Now(); len(w.written().of("5")) < 2; time.Sleep(10 * time.Millisecond) {
		if time.Since(start) > time.Minute {
			t.Fatal("the record was not mapped again")
		}
	}
	open("1", "3", "5")
	// The map learns a city.
	if err := m.stop(); err != nil {
		t.Fatal(err)
	}
	m = w.run(w.options(t.TempDir(), w.program(strings.Replace(file, "Bonn: Prospect", "Bonn: Prospect, Eldorado: Current", 1), worldLabs)))
	w.edit(edit{id: 2, person: ann("Bonn")})
	w.until(m)
	open("1")
	w.edit(edit{id: 1, person: &person{"staff", "Anna", "Atlantis", 20}}) // leaves the map
	w.until(m)
	open()
}
