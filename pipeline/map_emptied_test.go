package pipeline_test

import "testing"

// A row of a table that was emptied came again and went in one transaction, whose
// images tell of no row at all: its rule fires when it comes once more.
func testMapEmptied(t *testing.T, w *mapWorld) {
	m := w.run(w.options(t.TempDir(), w.program(worldMaps, worldLabs)))
	owes := &person{"patient", "n", "Ulm", 700}
	w.edit(edit{id: 1, person: owes}, edit{id: 2, person: owes})
	w.until(m)
	b := w.batch()
	e := b.empty("people")
	b.transact(edit{id: 1, person: owes}, edit{id: 1})
	b.transact(edit{id: 2, person: &person{"patient", "n", "Ulm", 0}}, edit{id: 2})
	b.commit(0, e)
	w.until(m)
	w.edit(edit{id: 1, person: owes}, edit{id: 2, person: owes})
	w.until(m)
	w.verify()
}
