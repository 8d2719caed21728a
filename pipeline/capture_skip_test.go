package pipeline_test

import (
	"errors"
	"strings"
	"testing"

	"chartwire/cdc"
	"chartwire/integration/faults"
	"chartwire/pipeline"
	"chartwire/pipeline/audit"
)

// testCaptureSkip passes over the one transaction that a capture halted at.
func testCaptureSkip(t *testing.T, s *stand) {
	faults.Shows(t, "skip", "passes over exactly the transaction that it halted at, in one Kafka transaction with the audit; while a process captures, and elsewhere, it is refused")
	const at = 700
	o := pipeline.AmendOptions{Source: "bank", Connection: s.conn, Topics: s.topics, Fingerprint: "a", Reason: "to see"}
	all := s.bank.txns
	s.bank.txns = 300
	c := s.run(s.conn)
	s.until(c, 5)
	w := &cdc.Passage{From: s.bank.position(at), Behind: s.bank.position(at + 1), ID: "701", Rows: 2}
	if err := pipeline.Skip(t.Context(), o, w, nil); !errors.Is(err, pipeline.ErrCaptured) {
		t.Errorf("beside a capture: %v", err)
	}
	if err := c.stop(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := pipeline.Halted(t.Context(), o); cdc.HaltCode(err) != "skip-nothing" {
		t.Errorf("of a capture that did not halt: %v", err)
	}
	if err := pipeline.Skip(t.Context(), o, w, nil); !errors.Is(err, pipeline.ErrMoved) {
		t.Errorf("of a capture that did not halt: %v", err)
	}
	s.bank.txns = all
	s.bank.fail = map[int]error{at: &cdc.Halt{Code: "statement-event", Text: "no rows", At: s.bank.position(at)}}
	if err := s.run(s.conn).end(); cdc.HaltCode(err) != "statement-event" {
		t.Fatalf("Run: %v", err)
	}
	h, _, err := pipeline.Halted(t.Context(), o)
	if err != nil || h.Code != "statement-event" || !h.At.Equal(s.bank.position(at)) || !strings.Contains(h.Text, "no rows") {
		t.Fatalf("halted: %+v, %v", h, err)
	}
	elsewhere := *w
	elsewhere.From = s.bank.position(at - 1)
	if err := pipeline.Skip(t.Context(), o, &elsewhere, nil); !errors.Is(err, pipeline.ErrMoved) {
		t.Errorf("elsewhere: %v", err)
	}
	if err := pipeline.Skip(t.Context(), o, w, []cdc.TableID{{Database: "main", Name: "nobodys"}}); err == nil || !strings.Contains(err.Error(), "main.nobodys") {
		t.Errorf("with a table of nobody's: %v", err)
	}
	s.verify(at)
	before := len(s.rows())
	if err := pipeline.Skip(t.Context(), o, w, nil); err != nil {
		t.Fatal(err)
	}
	if entries, err := audit.List(t.Context(), s.conn, s.topics); err != nil || len(entries) != 1 || entries[0].Act != "skip" ||
		entries[0].Before != w.From.String() || entries[0].After != w.Behind.String() || !strings.Contains(entries[0].What, "statement-event: transaction 701") {
		t.Errorf("the audit has %+v, %v", entries, err)
	}
	c = s.run(s.conn)
	s.until(c, s.bank.txns)
	var want []cdc.Change
	for n := at + 1; n < s.bank.txns; n++ {
		want = append(want, s.bank.changes(n)...)
	}
	got := s.rows()[before:]
	if len(got) != len(want) {
		t.Fatalf("%d rows behind it, want %d", len(got), len(want))
	}
	for i, r := range got {
		if r.key != want[i].Key || r.op != want[i].Op {
			t.Fatalf("row %d behind it is %+v, want %s %s", i, r, want[i].Op, want[i].Key)
		}
	}
}
