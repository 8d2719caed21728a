package pipeline_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"chartwire/cdc"
	"chartwire/integration/faults"
	"chartwire/pipeline/broker"
	"chartwire/pipeline/broker/brokertest"
	"chartwire/pipeline/cut"
	"chartwire/schemas"

	"github.com/twmb/franz-go/pkg/kadm"
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
	{"a row larger than a record", testCaptureTooLarge},
	{"heartbeats move the cut", testCaptureHeartbeats},
	{"partition numbers are fixed", testCapturePartitions},
	{"cuts that were lost", testCaptureCutsLost},
	{"a clock that was ahead", testCaptureClock},
	{"a position that is set back", testCaptureRewind},
	{"another server", testCaptureFailover},
	{"a transaction that is passed over", testCaptureSkip},
	{"orders in a topic made anew", testCaptureOrders},
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
	conn := sharedKafka(t)
	for i, p := range capturePromises {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			p.test(t, &stand{T: t, conn: conn, topics: schemas.Topics{Prefix: fmt.Sprintf("c%d", i)}, bank: newBank()})
		})
	}
}

func testCaptureAll(t *testing.T, s *stand) { testAll(s) }

func testAll(s *stand) {
	c := s.run(s.conn)
	s.until(c, s.bank.txns)
	if st := c.Status(); !st.Holding || st.Rows == 0 || st.Txns < int64(s.bank.txns) || st.Heard.IsZero() {
		s.Errorf("status %+v", st)
	}
	if err := c.stop(); err != nil {
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
	faults.Shows(t, "kafka-cut", "an end of a transaction that was lost, or its answer, is looked up: every change once and in order")
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
	c := s.run(conn)
	s.until(c, s.bank.txns)
	if faults.Load() == 0 {
		t.Error("no fault happened")
	}
	s.verify(s.bank.txns)
}

// testCaptureKilled takes the network from one capture after another, for good.
func testCaptureKilled(t *testing.T, s *stand) {
	faults.Shows(t, "takeover-partitioned", "is fenced: what it wakes up with is refused, every change is there once")
	faults.Shows(t, "duplicates", "none: position and rows are in one Kafka transaction")
	s.bank.every.Store(int64(time.Millisecond))
	rng := rand.New(rand.NewPCG(3, 4))
	var roads []*brokertest.Road
	for range 4 {
		road, conn := brokertest.NewRoad(s.conn)
		roads = append(roads, road)
		c := s.run(conn)
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
		go func() { _ = c.stop() }()
	}
	c := s.run(s.conn)
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
	faults.Shows(t, "transaction-huge-killed", "goes on inside the transaction, every row once")
	s.bank.txns, s.bank.large, s.bank.piece, s.bank.pieceEvery = 120, 50_000, 1000, 5*time.Millisecond
	c := s.run(s.conn)
	for start := time.Now(); c.Status().Cut.Checkpoint.Rows == 0; time.Sleep(time.Millisecond) {
		if time.Since(start) > time.Minute {
			t.Fatal("no checkpoint inside the transaction")
		}
	}
	if err := c.stop(); err != nil {
		t.Error(err)
	}
	if st := c.Status().Cut; st.Checkpoint.Rows == 0 || st.Checkpoint.Position.Offset != 99 {
		t.Errorf("stopped at %+v, which is not inside the large transaction", st.Checkpoint)
	}
	c = s.run(s.conn)
	s.until(c, s.bank.txns)
	s.verify(s.bank.txns)
}

func testCaptureHalt(t *testing.T, s *stand) {
	s.bank.fail = map[int]error{700: cdc.Haltf("binlog-purged", "gone")}
	first := s.run(s.conn)
	c := s.run(s.conn) // a standby, which halts too
	for _, r := range []*running{first, c} {
		if err := r.end(); cdc.HaltCode(err) != "binlog-purged" {
			t.Errorf("Run: %v", err)
		}
	}
	if at := c.Status().Cut.Checkpoint.Position.Offset; at != 700 {
		t.Errorf("the standby resumed at %d", at)
	}
	s.verify(700)
	s.bank.fail = nil
	c = s.run(s.conn)
	s.until(c, s.bank.txns)
	s.verify(s.bank.txns)
}

// testCaptureTooLarge stops before a row that no record takes, with everything
// before it written, and goes on when records may be larger.
func testCaptureTooLarge(t *testing.T, s *stand) {
	faults.Shows(t, "row-too-large", "halted as record-too-large before the row, with its table, transaction and size; went on when kafka.max_record was raised")
	s.bank.txns, s.bank.fat = 200, map[int]int{60: 3 << 20, 120: 5 << 20}
	err := s.run(s.conn).end()
	if cdc.HaltCode(err) != "record-too-large" {
		t.Fatalf("Run: %v", err)
	}
	for _, want := range []string{"main.", "5242", "kafka.max_record"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
	s.verify(120)
	s.conn.MaxRecord = 16 << 20
	s.until(s.run(s.conn), 200)
	s.verify(200)
}

func testCaptureHeartbeats(t *testing.T, s *stand) {
	s.bank.txns = 1
	c := s.run(s.conn)
	s.until(c, 1)
	before := c.Status().Cut.Commit
	began := time.Now()
	s.await("heartbeats move the newest commit's time", func() bool { return c.Status().Cut.Commit.Sub(before) > 2*time.Second })
	if err := c.stop(); err != nil {
		t.Error(err)
	}
	n := 0
	if _, err := broker.Scan(t.Context(), s.conn, func(*kgo.Record) error { n++; return nil }, s.topics.Cuts("bank")); err != nil {
		t.Fatal(err)
	}
	if most := 6 + 2*int(time.Since(began)/time.Second); n > most {
		t.Errorf("%d cuts in %s without a change", n, time.Since(began))
	}
}

func testCapturePartitions(t *testing.T, s *stand) {
	s.bank.txns = 300
	s.partitions = map[cdc.TableID]int{s.bank.ids()[0]: 3}
	c := s.run(s.conn)
	s.until(c, s.bank.txns)
	if err := c.stop(); err != nil {
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
	c = s.run(s.conn)
	if err := c.end(); cdc.HaltCode(err) != "topic-partitions" {
		t.Errorf("another number: %v", err)
	}
}

// testCaptureClock begins with a seq that the wall clock has not reached.
func testCaptureClock(t *testing.T, s *stand) {
	s.bank.txns = 100
	c := s.run(s.conn)
	s.until(c, 100)
	if err := c.stop(); err != nil {
		t.Error(err)
	}
	ahead := c.Status().Cut
	ahead.Full, ahead.Seq = true, time.Now().Add(time.Hour).UnixMicro()
	s.writeCut(&ahead)
	s.bank.txns = 200
	c = s.run(s.conn)
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

// testCaptureCutsLost deletes the topic of the cuts: that is no first start.
func testCaptureCutsLost(t *testing.T, s *stand) {
	faults.Shows(t, "snapshot-again", "without its cuts a source that was captured before halts (cuts-lost), and reads nothing")
	s.bank.txns = 100
	c := s.run(s.conn)
	s.until(c, s.bank.txns)
	if err := c.stop(); err != nil {
		t.Error(err)
	}
	cl, err := s.conn.Client()
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	topic := s.topics.Cuts("bank")
	if _, err := kadm.NewClient(cl).DeleteTopics(t.Context(), topic); err != nil {
		t.Fatal(err)
	}
	if err := s.run(s.conn).end(); cdc.HaltCode(err) != "cuts-lost" {
		t.Errorf("Run: %v", err)
	}
	if latest, _, err := cut.Latest(t.Context(), s.conn, topic); err != nil || latest != nil {
		t.Errorf("it wrote %+v, %v", latest, err)
	}
}
