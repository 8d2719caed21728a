package pipeline_test

import "testing"

const worldBest = `
map: test/people
source: clinic
entity: { root: people, where: kind == "patient" }
record: hubspot.contacts
key: { open_medical_patient_id: text(id) }
class: 5m
on_delete: archive
on_leave: { set: { patient_record_active: false } }
properties:
  firstname: { from: name }
  account_balance: { from: balance, write: lowest, goal: number(city) }
`

// The best value is that of every source transaction, is in every mutation, and
// lasts as long as the record, also after the folder is lost.
func testMapBest(t *testing.T, w *mapWorld) {
	dir := t.TempDir()
	m := w.run(w.options(dir, w.program(worldBest)))
	f := func(want string, people ...*person) {
		t.Helper()
		b := w.batch()
		for _, p := range people {
			b.transact(edit{id: 1, person: p})
		}
		b.commit(0)
		w.until(m)
		got := ""
		for _, p := range w.written().records["1"].Properties {
			if p.Name != "patient_record_active" && p.Name != "firstname" {
				got += p.Name + " " + string(p.State) + " " + p.Value
			}
		}
		if want != "" {
			want = "account_balance set " + want
		}
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	p := func(name, goal string, balance int64) *person { return &person{"patient", name, goal, balance} }
	gone := &person{"staff", "Ann", "", 0}
	f("100", p("Ann", "", 100))
	f("100", p("Ann", "", 120))
	f("80", p("Ann", "", 80), p("Ann", "", 120)) // within one cut, and back
	f("130", p("Bob", "200", 130))               // the goal lies above the first value
	f("130", gone)
	f("70", p("Bob", "50", 70), gone, p("Bob", "50", 110))
	if err := m.stop(); err != nil {
		t.Fatal(err)
	}
	m = w.run(w.options(t.TempDir(), w.program(worldBest)))
	f("70", p("Eve", "", 90))
	f("130", p("Eve", "101", 90))
	f("", nil) // archived
	f("90", p("Eve", "", 90))
	f("60", p("Eve", "", 60), nil, p("Eve", "", 60))
}
