package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"chartwire/cdc"
	"chartwire/integration/servers"
	"chartwire/pipeline"
	"chartwire/pipeline/broker"
	"chartwire/pipeline/broker/brokertest"
	"chartwire/pipeline/cut"
	"chartwire/schemas"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// What capture promises, on the broker in the process and on a real one.
var capturePromises = []struct {
	name string
	test func(t *testing.T, s *stand)
}{
	{"every change once and in order", testCaptureAll},
	{"commits lost and in doubt", testCaptureFaults},
	{"killed at any moment", testCaptureKilled},
	{"a transaction larger than memory", testCaptureLarge},
	{"a halt of the source", testCaptureHalt},
	{"heartbeats move the cut", testCaptureHeartbeats},
	{"partition numbers are fixed", testCapturePartitions},
	{"a clock that was ahead", testCaptureClock},
}

func TestCaptureInProcess(t *testing.T) {
	for _, p := range capturePromises {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			p.test(t, &stand{T: t, conn: brokertest.Start(t), topics: schemas.Topics{Prefix: "t"}, bank: newBank()})
		})
	}
}

func TestCaptureKafka(t *testing.T) {
	conn := broker.Config{Brokers: strings.Split(servers.Kafka(t).Addr, ",")}
	for i, p := range capturePromises {
		t.Run(p.name, func(t *testing.T) {
			p.test(t, &stand{T: t, conn: conn, topics: schemas.Topics{Prefix: fmt.Sprintf("t%d", i)}, bank: newBank()})
		})
	}
}

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

// run runs a capture until stop, which gives what Run gave.
func (s *stand) run(conn broker.Config) (c *pipeline.Capture, stop func() error) {
	s.Helper()
	c, err := pipeline.NewCapture(s.options(conn))
	if err != nil {
		s.Fatal(err)
	}
	ctx, cancel := context.WithCancel(s.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	stop = func() error {
		cancel()
		select {
		case err := <-done:
			done <- err
			return err
		case <-time.After(40 * time.Second):
			return errors.New("Run did not end")
		}
	}
	s.Cleanup(func() { _ = stop() })
	return c, stop
}

// until waits for the capture's committed position.
func (s *stand) until(c *pipeline.Capture, txn int) {
	s.Helper()
	for start := time.Now(); c.Status().Cut.Checkpoint.Position.Offset < uint64(txn); {
		if time.Since(start) > 60*time.Second {
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
		if time.Since(start) > 120*time.Second {
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
	last := int64(0)
	for n := range txns {
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
		next := int64(1 << 62)
		if i < len(got) {
			next = got[i].seq
		}
		ends[uint64(n+1)] = [2]int64{last, next}
	}
	if i != len(got) {
		s.Errorf("%d changes too many", len(got)-i)
	}
	s.verifyCuts(ends)
}

func (s *stand) verifyCuts(ends map[uint64][2]int64) {
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
	got.note = f.Value(2).Text()
	return got, nil
}

func testCaptureAll(t *testing.T, s *stand) { testAll(s) }

func testAll(s *stand) {
	c, stop := s.run(s.conn)
	s.until(c, s.bank.txns)
	if st := c.Status(); !st.Holding || st.Rows == 0 || st.Txns < int64(s.bank.txns) || st.Heard.IsZero() {
		s.Errorf("status %+v", st)
	}
	if err := stop(); err != nil {
		s.Errorf("Run: %v", err)
	}
	s.verify(s.bank.txns)
	latest, _, err := cut.Latest(s.Context(), s.conn, s.topics.Cuts("bank"))
	if err != nil || latest == nil || len(latest.Marks) != 2 || len(latest.Partitions) != 2 {
		s.Errorf("newest state %+v, %v", latest, err)
	}
}

// testCaptureFaults loses ends of transactions, and answers to them.
func testCaptureFaults(t *testing.T, s *stand) {
	s.bank.every.Store(int64(500 * time.Microsecond))
	road, conn := brokertest.NewRoad(s.conn)
	rng := rand.New(rand.NewPCG(1, 2))
	var faults atomic.Int32
	road.On(kmsg.EndTxn.Int16(), func() brokertest.Passage {
		if rng.IntN(30) == 0 && faults.Add(1) <= 6 {
			return brokertest.Passage(1 + rng.IntN(2))
		}
		return brokertest.Pass
	})
	c, _ := s.run(conn)
	s.until(c, s.bank.txns)
	if faults.Load() == 0 {
		t.Error("no fault happened")
	}
	s.verify(s.bank.txns)
}

// testCaptureKilled takes the network from one capture after another, for good.
func testCaptureKilled(t *testing.T, s *stand) {
	s.bank.every.Store(int64(time.Millisecond))
	rng := rand.New(rand.NewPCG(3, 4))
	var roads []*brokertest.Road
	for range 4 {
		road, conn := brokertest.NewRoad(s.conn)
		roads = append(roads, road)
		c, stop := s.run(conn)
		at := int(c.Status().Cut.Checkpoint.Position.Offset)
		s.until(c, at+1)
		after := int32(rng.IntN(40))
		killed := make(chan struct{})
		var ends atomic.Int32
		road.On(kmsg.EndTxn.Int16(), func() brokertest.Passage {
			if ends.Add(1) == after+1 {
				road.Block()
				close(killed)
				return brokertest.Drop
			}
			return brokertest.Pass
		})
		<-killed
		go func() { _ = stop() }()
	}
	c, _ := s.run(s.conn)
	s.until(c, s.bank.txns)
	for _, road := range roads { // the dead wake up, and find themselves fenced
		road.Unblock()
	}
	time.Sleep(300 * time.Millisecond)
	s.verify(s.bank.txns)
}

// testCaptureLarge stops in the middle of a transaction that takes several
// Kafka transactions, and goes on inside it.
func testCaptureLarge(t *testing.T, s *stand) {
	s.bank.txns, s.bank.large, s.bank.piece, s.bank.pieceEvery = 120, 50_000, 1000, 5*time.Millisecond
	c, stop := s.run(s.conn)
	for start := time.Now(); c.Status().Cut.Checkpoint.Rows == 0; time.Sleep(time.Millisecond) {
		if time.Since(start) > 30*time.Second {
			t.Fatal("no checkpoint inside the transaction")
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if st := c.Status().Cut; st.Checkpoint.Rows == 0 || st.Checkpoint.Position.Offset != 99 {
		t.Errorf("stopped at %+v, which is not inside the large transaction", st.Checkpoint)
	}
	c, _ = s.run(s.conn)
	s.until(c, s.bank.txns)
	s.verify(s.bank.txns)
}

func testCaptureHalt(t *testing.T, s *stand) {
	s.bank.fail = map[int]error{700: cdc.Haltf("binlog-purged", "gone")}
	_, stop := s.run(s.conn)
	c, done := s.run(s.conn) // a standby, which halts too
	time.Sleep(3 * time.Second)
	for _, stop := range []func() error{stop, done} {
		if err := stop(); cdc.HaltCode(err) != "binlog-purged" {
			t.Errorf("Run: %v", err)
		}
	}
	if at := c.Status().Cut.Checkpoint.Position.Offset; at != 700 {
		t.Errorf("the standby resumed at %d", at)
	}
	s.verify(700)
	s.bank.fail = nil
	c, _ = s.run(s.conn)
	s.until(c, s.bank.txns)
	s.verify(s.bank.txns)
}

func testCaptureHeartbeats(t *testing.T, s *stand) {
	s.bank.txns = 1
	c, stop := s.run(s.conn)
	s.until(c, 1)
	before := c.Status().Cut.Commit
	time.Sleep(2 * time.Second)
	if moved := c.Status().Cut.Commit.Sub(before); moved < time.Second {
		t.Errorf("the newest commit time moved by %s in two seconds of heartbeats", moved)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	n := 0
	if _, err := broker.Scan(t.Context(), s.conn, func(*kgo.Record) error { n++; return nil }, s.topics.Cuts("bank")); err != nil {
		t.Fatal(err)
	}
	if n > 10 {
		t.Errorf("%d cuts in two seconds without a change", n)
	}
}

func testCapturePartitions(t *testing.T, s *stand) {
	s.bank.txns = 300
	s.partitions = map[cdc.TableID]int{s.bank.ids()[0]: 3}
	c, stop := s.run(s.conn)
	s.until(c, s.bank.txns)
	if err := stop(); err != nil {
		t.Error(err)
	}
	where := map[string]int32{}
	if _, err := broker.Scan(t.Context(), s.conn, func(r *kgo.Record) error {
		if p, ok := where[string(r.Key)]; ok && p != r.Partition {
			return fmt.Errorf("key %s in partitions %d and %d", r.Key, p, r.Partition)
		}
		where[string(r.Key)] = r.Partition
		return nil
	}, s.topics.Rows("bank", s.bank.ids()[0])); err != nil {
		t.Error(err)
	}
	s.partitions = map[cdc.TableID]int{s.bank.ids()[0]: 4}
	_, stop = s.run(s.conn)
	time.Sleep(time.Second)
	if err := stop(); cdc.HaltCode(err) != "topic-partitions" {
		t.Errorf("another number: %v", err)
	}
}

// testCaptureClock begins with a seq that the wall clock has not reached.
func testCaptureClock(t *testing.T, s *stand) {
	s.bank.txns = 100
	c, stop := s.run(s.conn)
	s.until(c, 100)
	if err := stop(); err != nil {
		t.Error(err)
	}
	ahead := c.Status().Cut
	ahead.Full, ahead.Seq = true, time.Now().Add(time.Hour).UnixMicro()
	s.writeCut(&ahead)
	s.bank.txns = 200
	c, _ = s.run(s.conn)
	s.until(c, 200)
	if seq := c.Status().Cut.Seq; seq <= ahead.Seq || seq > ahead.Seq+10_000 {
		t.Errorf("seq went from %d to %d", ahead.Seq, seq)
	}
	if rows := s.rows(); rows[len(rows)-1].seq <= ahead.Seq {
		t.Errorf("last seq %d is not after %d", rows[len(rows)-1].seq, ahead.Seq)
	}
}

func (s *stand) writeCut(c *cut.Cut) {
	s.Helper()
	cl, err := s.conn.Client()
	if err != nil {
		s.Fatal(err)
	}
	defer cl.Close()
	value, err := cut.Encode(c)
	if err != nil {
		s.Fatal(err)
	}
	rec := &kgo.Record{Topic: s.topics.Cuts("bank"), Key: []byte("bank"), Value: value}
	if err := cl.ProduceSync(s.Context(), rec).FirstErr(); err != nil {
		s.Fatal(err)
	}
}
