package pipeline_test

import (
	"testing"
	"time"

	"chartwire/pipeline/broker/brokertest"
	"chartwire/sinks"

	"github.com/twmb/franz-go/pkg/kmsg"
)

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

// A table is emptied and filled again with what it held, and the process that
// archived its records dies before its cut is done. Another, whose folder has the
// rows still, writes all of them again.
func testMapEmptiedHalf(t *testing.T, w *mapWorld) {
	m := w.run(w.options(t.TempDir(), w.program(worldMaps, worldLabs)))
	edits := []edit{{id: 1, person: &person{"patient", "n", "Ulm", 700}}, {id: 2, person: &person{"patient", "m", "", 5}},
		{id: 3, person: &person{"patient", "o", "Bonn", 0}}, {id: 4, person: &person{"patient", "p", "Bonn", 600}}}
	w.edit(edits...)
	w.until(m)
	ends, stopped := 0, make(chan struct{})
	w.road.On(kmsg.EndTxn.Int16(), func() brokertest.Passage {
		if ends++; ends == 1 {
			return brokertest.Pass
		}
		if ends == 2 {
			close(stopped)
		}
		return brokertest.Drop
	})
	b := w.batch()
	b.transact(edit{id: 9, person: &person{"patient", "q", "Ulm", 1}})
	e := b.empty("people")
	b.commit(0, e)
	select {
	case <-stopped:
	case <-time.After(time.Minute):
		t.Fatal("the table is not emptied")
	}
	w.kill(m)
	for key, r := range w.written().records {
		if r.Existence != sinks.Archived {
			t.Errorf("%s is not archived: killed too early", key)
		}
	}
	b = w.batch()
	b.transact(edits[0], edits[1])
	b.transact(edit{id: 3, person: &person{"staff", "o", "Bonn", 0}})
	b.transact(edits[3], edit{id: 4})
	b.commit(0)
	m = w.run(w.options(t.TempDir(), w.program(worldMaps, worldLabs)))
	w.until(m)
	w.verify()
}
