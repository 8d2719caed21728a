package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"chartwire/cdc"
	"chartwire/pipeline"
	"chartwire/pipeline/broker/brokertest"
	"chartwire/pipeline/holds"
	"chartwire/sinks/sinktest"
)

// TestTruncateIsHeld: a captured table of 2,000 rows is emptied by TRUNCATE. Its
// flow is held before its records are all gone, also over a restart; critical
// results and what other rules make go on; a release archives the rest.
func TestTruncateIsHeld(t *testing.T) {
	w := newMapWorld(t, brokertest.Start(t), "t")
	m := w.run(w.options(t.TempDir(), w.program(worldMaps, worldLabs)))
	sink := sinktest.NewMemory("hubspot")
	start := func() (d *pipeline.Deliver, stop func()) {
		d, err := pipeline.NewDeliver(pipeline.DeliverOptions{Sink: sink, Flows: []string{w.flow}, Connection: w.conn, Topics: w.topics,
			Dir: t.TempDir(), Fingerprint: "a", Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- d.Run(ctx) }()
		stop = func() {
			cancel()
			if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("Run ended with %v", err)
			}
			done <- nil
		}
		t.Cleanup(stop)
		return d, stop
	}
	count := func() (contacts, tickets int) {
		for _, r := range sink.Records() {
			switch {
			case r.Archived:
			case r.Record.Object == "contacts":
				contacts++
			default:
				tickets++
			}
		}
		return contacts, tickets
	}
	until := func(what string, ok func(contacts, tickets int) bool) {
		t.Helper()
		for begin := time.Now(); ; time.Sleep(10 * time.Millisecond) {
			contacts, tickets := count()
			if ok(contacts, tickets) {
				return
			}
			if time.Since(begin) > 60*time.Second {
				t.Fatalf("waited in vain until %s: %d contacts, %d tickets", what, contacts, tickets)
			}
		}
	}
	d, stop := start()
	const n = 2000
	var edits []edit
	for i := range n {
		edits = append(edits, edit{id: i, person: &person{"patient", fmt.Sprint("n", i), "Ulm", 20}})
	}
	w.edit(edits...)
	until("every patient is there", func(c, _ int) bool { return c == n })

	w.seq++
	clear(w.people)
	w.batch().commit(0, cdc.Epoch{Table: w.tables["people"].ID(), Kind: cdc.EpochTruncate, Seq: w.seq})
	held := func(d *pipeline.Deliver) func(int, int) bool {
		return func(int, int) bool { return strings.Contains(d.Status().Held[w.flow].Why, "more than") }
	}
	until("the flow is held", held(d))
	w.edit(edit{id: 1, labs: true, lab: &lab{true, time.Now()}})
	w.edit(edit{id: n, person: &person{"patient", "new", "Ulm", 600}})
	until("rules go on", func(_, tickets int) bool { return tickets == 2 })
	w.until(m)
	stop()
	d, _ = start()
	until("the flow is held after a restart too", held(d))
	w.edit(edit{id: 2, labs: true, lab: &lab{true, time.Now()}})
	until("rules go on then too", func(_, tickets int) bool { return tickets == 3 })
	if left, _ := count(); left < n-51-1 || left > n {
		t.Errorf("%d contacts are left of %d", left, n)
	}
	if _, err := holds.Ask(t.Context(), w.conn, w.topics, holds.Release, w.flow, "it was meant", ""); err != nil {
		t.Fatal(err)
	}
	until("what was held is done", func(contacts, _ int) bool { return contacts == 1 })
	until("nothing is held any more", func(int, int) bool { s := d.Status(); return s.Holding && len(s.Held) == 0 })
	if _, tickets := count(); tickets != 3 {
		t.Errorf("%d tickets", tickets)
	}
}
