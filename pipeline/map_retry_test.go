package pipeline_test

import (
	"testing"
	"time"

	"chartwire/sinks"

	"github.com/twmb/franz-go/pkg/kgo"
)

func testMapRetry(t *testing.T, w *mapWorld) {
	m := w.run(w.options(t.TempDir(), w.program(worldMaps, worldLabs)))
	w.edit(edit{id: 1, person: &person{"patient", "Ann", "Ulm", 20}})
	w.until(m)
	origin := w.written().of("1")[0].Origin[0]
	ask := func(table, row string, more ...kgo.RecordHeader) {
		rec := &kgo.Record{Topic: w.topics.Retry(w.flow), Key: []byte(table + "\x00" + row),
			Headers: append(more, kgo.RecordHeader{Key: "source", Value: []byte(origin.Source)})}
		cl, err := w.conn.Client()
		if err != nil {
			t.Fatal(err)
		}
		defer cl.Close()
		if err := cl.ProduceSync(t.Context(), rec).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	ask("main.nowhere", "1")
	ask(origin.Table, "77")
	ask(origin.Table, origin.Row)
	for start := time.Now(); len(w.written().of("1")) < 2; time.Sleep(10 * time.Millisecond) {
		if time.Since(start) > time.Minute {
			t.Fatal("the record was not mapped again")
		}
	}
	got := w.written().of("1")[1]
	if got.Reason != "retry" || got.Lane != sinks.Realtime || len(got.Properties) != 3 {
		t.Errorf("got %+v", got)
	}
	if err := m.stop(); err != nil {
		t.Fatal(err)
	}
	m = w.run(w.options(t.TempDir(), w.program(worldMaps, worldLabs)))
	w.edit(edit{id: 2, person: &person{"patient", "Eve", "Ulm", 20}})
	w.until(m)
	if n := len(w.written().of("1")); n != 2 {
		t.Errorf("%d mutations after a restart: the requests were done again", n)
	}
	// What a rule made is made again, and nothing else is.
	w.edit(edit{id: 2, person: &person{"patient", "Eve", "Ulm", 600}})
	w.edit(edit{id: 2, person: &person{"patient", "Eve", "Ulm", 610}})
	w.until(m)
	ticket := func() (found []*sinks.Mutation) {
		for _, mu := range w.written().all {
			if mu.Record.Key == "test/people/balance-over:2:1" {
				found = append(found, mu)
			}
		}
		return found
	}
	first := ticket()
	if len(first) != 1 {
		t.Fatalf("%d tickets, want 1", len(first))
	}
	before := len(w.written().of("2"))
	ask(origin.Table, "2", kgo.RecordHeader{Key: "map", Value: []byte(first[0].Map)}, kgo.RecordHeader{Key: "record", Value: []byte(first[0].Record.ID())})
	for start := time.Now(); len(ticket()) < 2; time.Sleep(10 * time.Millisecond) {
		if time.Since(start) > time.Minute {
			t.Fatal("the ticket was not made again")
		}
	}
	if again := ticket()[1]; again.Reason != "retry" || again.Lane != first[0].Lane || len(again.Properties) != len(first[0].Properties) {
		t.Errorf("made again: %+v", again)
	}
	if n := len(w.written().of("2")); n != before {
		t.Errorf("%d mutations of the row's own record for a ticket's retry", n-before)
	}
}
