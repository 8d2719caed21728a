package pipeline_test

import (
	"errors"
	"testing"
	"time"

	"chartwire/cdc"
	"chartwire/integration/faults"
	"chartwire/pipeline"
	"chartwire/pipeline/audit"
	"chartwire/pipeline/broker"
	"chartwire/pipeline/broker/brokertest"
	"chartwire/pipeline/cut"
	"chartwire/schemas"

	"github.com/twmb/franz-go/pkg/kgo"
)

// testCaptureRewind sets a stopped capture back: what follows comes a second
// time, under sequence numbers that grow on.
func testCaptureRewind(t *testing.T, s *stand) {
	faults.Shows(t, "rewind", "what follows comes again under growing sequence numbers; while a process captures, and when the position moved meanwhile, it is refused")
	const back = 1900
	c := s.run(s.conn)
	s.until(c, s.bank.txns)
	o := pipeline.AmendOptions{Source: "bank", Connection: s.conn, Topics: s.topics, Fingerprint: "a", Reason: "to see"}
	now, tables, err := pipeline.Captured(t.Context(), o)
	if err != nil || now != s.bank.position(s.bank.txns) || len(tables) != 0 {
		t.Fatalf("captured: %s, %v, %v", now, tables, err)
	}
	if err := pipeline.Rewind(t.Context(), o, now, s.bank.position(back)); !errors.Is(err, pipeline.ErrCaptured) {
		t.Errorf("beside a capture: %v", err)
	}
	if err := c.stop(); err != nil {
		t.Fatal(err)
	}
	before, _, err := cut.Latest(t.Context(), s.conn, s.topics.Cuts("bank"))
	if err != nil {
		t.Fatal(err)
	}
	if err := pipeline.Rewind(t.Context(), o, s.bank.position(7), s.bank.position(back)); !errors.Is(err, pipeline.ErrMoved) {
		t.Errorf("from elsewhere: %v", err)
	}
	once := len(s.rows())
	if err := pipeline.Rewind(t.Context(), o, now, s.bank.position(back)); err != nil {
		t.Fatal(err)
	}
	if entries, err := audit.List(t.Context(), s.conn, s.topics); err != nil || len(entries) != 1 || entries[0].Act != "rewind" || entries[0].Reason != "to see" ||
		entries[0].Before != now.String() || entries[0].After != s.bank.position(back).String() {
		t.Errorf("the audit has %+v, %v", entries, err)
	}

	c = s.run(s.conn)
	s.until(c, s.bank.txns)
	got := s.rows()
	var want []cdc.Change
	for n := back; n < s.bank.txns; n++ {
		want = append(want, s.bank.changes(n)...)
	}
	if len(got) != once+len(want) {
		t.Fatalf("%d rows, then %d, want %d more", once, len(got), len(want))
	}
	for i, r := range got[once:] {
		if r.key != want[i].Key || r.op != want[i].Op || r.seq <= before.Seq {
			t.Fatalf("row %d of the second time: %+v, want %s %s behind seq %d", i, r, want[i].Op, want[i].Key, before.Seq)
		}
	}
}

// testCaptureFailover: that the stream goes on at another server is in the audit.
func testCaptureFailover(t *testing.T, s *stand) {
	faults.Shows(t, "gtid-failover", "the change of server is in the audit, in the Kafka transaction of the first cut that names it")
	s.bank.every.Store(int64(200 * time.Microsecond))
	s.bank.moved = 700
	c := s.run(s.conn)
	s.until(c, s.bank.txns)
	entries, err := audit.List(t.Context(), s.conn, s.topics)
	if err != nil || len(entries) != 1 || entries[0].Act != "failover" || entries[0].Before != "bank-1" || entries[0].After != "bank-2" {
		t.Errorf("the audit has %+v, %v", entries, err)
	}
}

// TestAmendInside: a transaction that the capture stands in the middle of, and does
// not go on with, ends: nobody waits for the rest of it.
func TestAmendInside(t *testing.T) {
	f := func(name string, amend func(pipeline.AmendOptions, cdc.Position) error) {
		t.Helper()
		conn, topics := brokertest.Start(t), schemas.Topics{Prefix: "t"}
		cl, err := conn.Client()
		if err != nil {
			t.Fatal(err)
		}
		defer cl.Close()
		if err := broker.EnsureTopics(t.Context(), cl, conn, broker.Cuts(topics.Cuts("bank"))); err != nil {
			t.Fatal(err)
		}
		at := cdc.Position{File: "log.000001", Offset: 4000}
		value, err := cut.Encode(&cut.Cut{Source: "bank", Seq: 70, Full: true, Time: time.Now(), Checkpoint: cdc.Checkpoint{Position: at, Rows: 9},
			Loads:       map[cdc.TableID]cdc.Load{{Database: "main", Name: "giro"}: {Phase: cdc.LoadDone}},
			Transaction: &cut.Transaction{ID: "0-1-7", Begin: 61}})
		if err != nil {
			t.Fatal(err)
		}
		if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: topics.Cuts("bank"), Key: cut.Key("bank", 0), Value: value}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := amend(pipeline.AmendOptions{Source: "bank", Connection: conn, Topics: topics, Fingerprint: "a"}, at); err != nil {
			t.Fatal(err)
		}
		c, _, err := cut.Latest(t.Context(), conn, topics.Cuts("bank"))
		if err != nil {
			t.Fatal(err)
		}
		if x := c.Transaction; c.Inside() || x == nil || x.ID != "0-1-7" || x.Begin != 61 || x.End != 70 {
			t.Errorf("%s left %+v", name, c)
		}
	}
	f("rewind", func(o pipeline.AmendOptions, at cdc.Position) error {
		return pipeline.Rewind(t.Context(), o, at, cdc.Position{File: "log.000001", Offset: 4})
	})
	f("reload", func(o pipeline.AmendOptions, _ cdc.Position) error {
		_, err := pipeline.Reload(t.Context(), o)
		return err
	})
}
