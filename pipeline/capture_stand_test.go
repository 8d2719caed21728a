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
	"chartwire/pipeline/broker"
	"chartwire/pipeline/cut"
	"chartwire/schemas"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// stand is where a capture is tried.
type stand struct {
	*testing.T
	conn       broker.Config
	topics     schemas.Topics
	bank       *bank
	partitions map[cdc.TableID]int
}

func (s *stand) options(conn broker.Config) pipeline.CaptureOptions {
	return pipeline.CaptureOptions{
		Source: "bank", Stream: s.bank.Stream, Connection: conn, Topics: s.topics, Tables: s.bank.ids(), Partitions: s.partitions,
		Register:    func(context.Context, string, *schemas.RowSchema) (int, error) { return 7, nil },
		Fingerprint: "a", Metrics: prometheus.NewRegistry(), Log: slog.New(slog.NewTextHandler(s.Output(), nil)),
	}
}

// running is a capture that runs.
type running struct {
	*pipeline.Capture
	cancel context.CancelFunc
	done   chan error
}

// stop ends it, and gives what Run gave.
func (r *running) stop() error {
	r.cancel()
	return r.end()
}

// end waits until it ends by itself.
func (r *running) end() error {
	select {
	case err := <-r.done:
		r.done <- err
		return err
	case <-time.After(120 * time.Second):
		return errors.New("Run did not end")
	}
}

func (s *stand) run(conn broker.Config) *running {
	s.Helper()
	return s.runWith(s.options(conn))
}

func (s *stand) runWith(o pipeline.CaptureOptions) *running {
	s.Helper()
	c, err := pipeline.NewCapture(o)
	if err != nil {
		s.Fatal(err)
	}
	ctx, cancel := context.WithCancel(s.Context())
	r := &running{Capture: c, cancel: cancel, done: make(chan error, 1)}
	go func() { r.done <- c.Run(ctx) }()
	s.Cleanup(func() { _ = r.stop() })
	return r
}

// until waits for the capture's committed position.
func (s *stand) until(c *running, txn int) {
	s.Helper()
	for start := time.Now(); c.Status().Cut.Checkpoint.Position.Offset < uint64(txn); {
		if time.Since(start) > 180*time.Second {
			s.Fatalf("only at %s", c.Status().Cut.Checkpoint.Position)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// untilCut waits for a position in Kafka, whoever captures.
func (s *stand) untilCut(txn int) {
	s.Helper()
	for start := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		got, _, err := cut.Latest(s.Context(), s.conn, s.topics.Cuts("bank"))
		if err == nil && got != nil && got.Checkpoint.Position.Offset >= uint64(txn) {
			return
		}
		if time.Since(start) > 180*time.Second {
			s.Fatalf("the newest cut is %+v, %v", got, err)
		}
	}
}

// row is a record as it was written.
type row struct {
	table, key string
	op         cdc.Op
	note       string
	amount     int64
	tombstone  bool
	seq        int64
}

// verify holds the topics against the bank: every change up to txns once, in
// order of seq, and each cut's seq between the transactions it says.
func (s *stand) verify(txns int) {
	s.Helper()
	got := s.rows()
	i := 0
	ends := map[uint64][2]int64{} // first and last seq allowed for a cut at a transaction
	whole := map[string]cut.Transaction{}
	last := int64(0)
	for n := range txns {
		first := i
		for _, want := range s.bank.changes(n) {
			if i == len(got) {
				s.Fatalf("transaction %d is missing", n)
			}
			r := got[i]
			i++
			if note := fmt.Sprintf("txn %d", n); r.note != note || r.table != want.Table.Name || r.key != want.Key || r.op != want.Op {
				s.Fatalf("change %d of transaction %d: got %+v", want.Index, n, r)
			}
			last = r.seq
		}
		id := fmt.Sprint(n + 1)
		whole[id] = cut.Transaction{ID: id, Begin: got[first].seq, End: last}
		next := int64(1 << 62)
		if i < len(got) {
			next = got[i].seq
		}
		ends[uint64(n+1)] = [2]int64{last, next}
	}
	if i != len(got) {
		s.Errorf("%d changes too many", len(got)-i)
	}
	s.verifyCuts(ends, whole)
}

func (s *stand) verifyCuts(ends map[uint64][2]int64, whole map[string]cut.Transaction) {
	s.Helper()
	at, rows, cuts := uint64(0), int64(0), 0
	if _, err := broker.Scan(s.Context(), s.conn, func(r *kgo.Record) error {
		c, err := cut.Decode(r.Value)
		if err != nil {
			return err
		}
		cuts++
		pos := c.Checkpoint.Position.Offset
		if pos < at || pos == at && c.Checkpoint.Rows < rows {
			return fmt.Errorf("position fell from %d+%d to %d+%d", at, rows, pos, c.Checkpoint.Rows)
		}
		at, rows = pos, c.Checkpoint.Rows
		switch large := c.Transaction; {
		case c.Inside() && (large == nil || large.ID != fmt.Sprint(pos+1)):
			return fmt.Errorf("a cut inside transaction %d says %+v of it", pos+1, large)
		case large == nil:
		case large.Begin != whole[large.ID].Begin || c.Inside() != (large.End == 0) || !c.Inside() && *large != whole[large.ID]:
			return fmt.Errorf("a cut says %+v, inside %v, of the transaction %+v", large, c.Inside(), whole[large.ID])
		}
		if end, ok := ends[pos]; ok && !c.Inside() && (c.Seq < end[0] || c.Seq >= end[1]) {
			return fmt.Errorf("cut after transaction %d has seq %d, which is not in [%d, %d)", pos, c.Seq, end[0], end[1])
		}
		return nil
	}, s.topics.Cuts("bank")); err != nil {
		s.Error(err)
	}
	s.Logf("%d cuts", cuts)
}

// rows reads the row topics in order of seq, checking tombstones and order on
// the way.
func (s *stand) rows() []row {
	s.Helper()
	var per [2][]row
	for i, table := range s.bank.tables {
		schema, err := schemas.NewRowSchema(table)
		if err != nil {
			s.Fatal(err)
		}
		topic := s.topics.Rows("bank", table.ID())
		s.ended(topic)
		if _, err := broker.Scan(s.Context(), s.conn, func(r *kgo.Record) error {
			got, err := decodeRow(schema, r)
			if err != nil {
				return fmt.Errorf("%s offset %d: %w", topic, r.Offset, err)
			}
			if n := len(per[i]); got.tombstone {
				if n == 0 || per[i][n-1].op != cdc.Delete || per[i][n-1].seq != got.seq || per[i][n-1].key != got.key {
					return fmt.Errorf("a tombstone without its delete: %+v", got)
				}
				return nil
			} else if n > 0 && per[i][n-1].seq >= got.seq && len(s.partitions) == 0 {
				return fmt.Errorf("seq %d after %d", got.seq, per[i][n-1].seq)
			}
			per[i] = append(per[i], got)
			return nil
		}, topic); err != nil {
			s.Fatal(err)
		}
	}
	var out []row
	for a, b := per[0], per[1]; len(a)+len(b) > 0; {
		if len(b) == 0 || len(a) > 0 && a[0].seq < b[0].seq {
			out, a = append(out, a[0]), a[1:]
		} else {
			out, b = append(out, b[0]), b[1:]
		}
	}
	return out
}

// ended waits until no transaction is open in a topic, as a broker answers that one
// is committed before it has written so into every partition; but not for one that
// somebody left open.
func (s *stand) ended(topic string) {
	s.Helper()
	cl, err := s.conn.Client()
	if err != nil {
		s.Fatal(err)
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	for start := time.Now(); time.Since(start) < 10*time.Second; time.Sleep(5 * time.Millisecond) {
		all, err := adm.ListEndOffsets(s.Context(), topic)
		committed, cerr := adm.ListCommittedOffsets(s.Context(), topic)
		if err := errors.Join(err, cerr, all.Error(), committed.Error()); err != nil {
			s.Fatal(err)
		}
		open := false
		all.Each(func(o kadm.ListedOffset) {
			c, _ := committed.Lookup(o.Topic, o.Partition)
			open = open || c.Offset < o.Offset
		})
		if !open {
			return
		}
	}
}

func decodeRow(schema *schemas.RowSchema, r *kgo.Record) (got row, err error) {
	got = row{table: schema.Table.Name, key: string(r.Key), tombstone: r.Value == nil}
	if len(r.Headers) != 2 || r.Headers[0].Key != schemas.HeaderSeq || r.Headers[1].Key != schemas.HeaderOp {
		return got, fmt.Errorf("headers %v", r.Headers)
	}
	if got.seq, err = schemas.ParseSeq(r.Headers[0].Value); err != nil {
		return got, err
	}
	if got.op, err = schemas.ParseOp(r.Headers[1].Value); err != nil {
		return got, err
	}
	if got.tombstone {
		return got, nil
	}
	id, body, err := schemas.SchemaID(r.Value)
	if err != nil || id != 7 {
		return got, fmt.Errorf("schema %d: %v", id, err)
	}
	var env schemas.Envelope
	if err := schema.Split(&env, body); err != nil {
		return got, err
	}
	if env.Op != got.op || env.Source.Seq != got.seq || env.Source.Name != "bank" || env.Source.Server != "bank-1" {
		return got, fmt.Errorf("envelope %+v and header %+v disagree", env.Source, got)
	}
	image := env.After
	if image == nil {
		image = env.Before
	}
	var f schemas.Fields
	if err := f.Read(schema, image); err != nil {
		return got, err
	}
	got.amount = f.Value(1).Int()
	got.note = strings.TrimRight(f.Value(2).Text(), fat)
	if n := 0; true {
		if _, err := fmt.Sscanf(got.note, "txn %d", &n); err != nil || env.Source.GTID != fmt.Sprint(n+1) {
			return got, fmt.Errorf("%q has the id %q", got.note, env.Source.GTID)
		}
	}
	return got, nil
}
