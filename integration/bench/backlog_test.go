package bench_test

import (
	"context"
	"fmt"
	"runtime"
	"syscall"
	"testing"
	"time"

	"chartwire/cdc"
	"chartwire/cdc/mysql"
	"chartwire/integration/servers"
	"chartwire/pipeline"
	"chartwire/pipeline/broker"
	"chartwire/schemas"
	"chartwire/schemas/registry"

	"github.com/twmb/franz-go/pkg/kgo"
)

// BenchmarkBacklog drains a backlog of rows in transactions of 5,000 and of
// one from a real server into a real broker, exactly once, and beside it lets
// the same client produce the same records from memory, as they are and in
// transactions of about as many as the capture's. All are done before on
// a fifth of the rows, which are not counted: a broker that has just started
// takes three times as long for the first of them, whoever that is.
func BenchmarkBacklog(b *testing.B) {
	db := servers.MariaDB(b)
	table(b, db)
	kafka := servers.KafkaWith(b, servers.ClusterOptions{HeapMB: 1024})
	conn := broker.Config{Brokers: []string{kafka.Addr}}
	reg, err := registry.New(registry.Options{URLs: []string{servers.Registry(b)}})
	if err != nil {
		b.Fatal(err)
	}
	bl := &backlog{db: db, conn: conn, reg: reg}
	for _, c := range []struct {
		name string
		rows int
		each int
	}{{"rows-per-transaction=5000", rows(), 5000}, {"rows-per-transaction=1", rows() / 5, 1}} {
		b.Run(c.name, func(b *testing.B) {
			bl.drain(b, max(c.rows/5/c.each, 1)*c.each, c.each)
			for b.Loop() {
				captured, alone, once := bl.drain(b, c.rows, c.each)
				b.ReportMetric(captured.rate(), "rows/s")
				b.ReportMetric(alone.rate(), "producer-rows/s")
				b.ReportMetric(captured.rate()/alone.rate(), "of-producer")
				b.ReportMetric(captured.rate()/once.rate(), "of-exactly-once-producer")
				b.ReportMetric(captured.cpuPerRow(), "cpu-µs/row")
				b.ReportMetric(alone.cpuPerRow(), "producer-cpu-µs/row")
				b.ReportMetric(captured.allocs/float64(c.rows), "allocs/row")
				b.ReportMetric(0, "ns/op")
			}
		})
	}
}

// figures are what moving so many rows took.
type figures struct {
	rows   int
	took   time.Duration
	cpu    time.Duration // of this process
	allocs float64
}

func (f figures) rate() float64      { return float64(f.rows) / f.took.Seconds() }
func (f figures) cpuPerRow() float64 { return float64(f.cpu.Nanoseconds()) / 1e3 / float64(f.rows) }

// gauge reads what this process has used up to now.
func gauge(b *testing.B) figures {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return figures{cpu: time.Duration(u.Utime.Nano() + u.Stime.Nano()), allocs: float64(m.Mallocs)}
}

// since gives what was used since an earlier look.
func (f figures) since(rows int, took time.Duration, before figures) figures {
	return figures{rows: rows, took: took, cpu: f.cpu - before.cpu, allocs: f.allocs - before.allocs}
}

// backlog is where rows are written and drained.
type backlog struct {
	db   *servers.DB
	conn broker.Config
	reg  *registry.Client
	next int // the next row's number
}

// drain writes n rows and captures them, and then produces them again alone,
// without transactions and exactly once.
func (bl *backlog) drain(b *testing.B, n, each int) (captured, alone, once figures) {
	b.Helper()
	topics := schemas.Topics{Prefix: fmt.Sprintf("bench%d", bl.next)}
	// One row is there before, so that its schema is registered.
	if err := write(bl.db, &bl.next, 1, 1); err != nil {
		b.Fatal(err)
	}
	run := capture(b, bl.db, bl.conn, bl.reg, topics)
	run.until(b, 1) // loaded: what follows is stream alone
	run.stop()
	if err := write(bl.db, &bl.next, n, each); err != nil {
		b.Fatal(err)
	}
	before := gauge(b)
	run = capture(b, bl.db, bl.conn, bl.reg, topics)
	run.until(b, int64(n))
	// From the moment it holds the lease: taking over is measured elsewhere,
	// and a backlog is longer in real life.
	took := time.Since(run.c.Status().Since)
	captured = gauge(b).since(n, took, before)
	run.stop()
	topic := topics.Rows("src", cdc.TableID{Database: "bench", Name: "reference"})
	alone = produceAlone(b, bl.conn, topic, n, 0)
	once = produceAlone(b, bl.conn, topic, n, 100_000)
	forget(b, bl.db)
	return captured, alone, once
}

// running is a capture in this process.
type running struct {
	c      *pipeline.Capture
	cancel context.CancelFunc
	done   chan error
}

func capture(b *testing.B, db *servers.DB, conn broker.Config, reg *registry.Client, topics schemas.Topics) *running {
	b.Helper()
	id := cdc.TableID{Database: "bench", Name: "reference"}
	tables, err := mysql.Tables(b.Context(), mysql.Config{Name: "src", Addr: db.Addr, User: db.User, Password: db.Password}, "bench")
	if err != nil {
		b.Fatal(err)
	}
	sel := cdc.Selection{Table: id}
	for _, c := range tables[0].Columns {
		sel.Columns = append(sel.Columns, c.Name)
	}
	src, err := mysql.New(mysql.Config{Name: "src", Addr: db.Addr, User: db.User, Password: db.Password, Selections: []cdc.Selection{sel}})
	if err != nil {
		b.Fatal(err)
	}
	c, err := pipeline.NewCapture(pipeline.CaptureOptions{Source: "src", Stream: src.Stream, Connection: conn, Topics: topics,
		Register: reg.Register, Tables: []cdc.TableID{id}})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{c: c, cancel: cancel, done: make(chan error, 1)}
	go func() { r.done <- c.Run(ctx) }()
	b.Cleanup(r.stop)
	return r
}

func (r *running) stop() {
	r.cancel()
	<-r.done
	r.done <- nil
}

// until waits until so many rows are committed, and every table is loaded.
func (r *running) until(b *testing.B, rows int64) {
	b.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(2 * time.Millisecond) {
		st := r.c.Status()
		loaded := len(st.Cut.Loads) > 0
		for _, l := range st.Cut.Loads {
			loaded = loaded && l.Phase == cdc.LoadDone
		}
		if loaded && st.Rows >= rows && !st.Committed.IsZero() {
			return
		}
		select {
		case err := <-r.done:
			r.done <- err
			b.Fatalf("capture ended: %v", err)
		default:
		}
		if time.Now().After(deadline) {
			b.Fatalf("%d of %d rows: %+v", st.Rows, rows, st)
		}
	}
}

// produceAlone reads the last n records of the topic into memory, whole, and
// produces them again: the same keys, values, headers and timestamps. With each
// it does so in transactions of so many.
func produceAlone(b *testing.B, conn broker.Config, topic string, n, each int) figures {
	b.Helper()
	again := fmt.Sprintf("%s.again%d", topic, each)
	recs := make([]*kgo.Record, 0, n+1)
	_, err := broker.Scan(b.Context(), conn, func(r *kgo.Record) error {
		recs = append(recs, &kgo.Record{Topic: again, Key: r.Key, Value: r.Value, Headers: r.Headers, Timestamp: r.Timestamp})
		return nil
	}, topic)
	if err != nil {
		b.Fatal(err)
	}
	if len(recs) != n+1 { // and the one before
		b.Fatalf("%d records in the topic, want %d", len(recs), n+1)
	}
	recs = recs[1:]
	opts := []kgo.Opt{kgo.MaxBufferedRecords(n)}
	if each > 0 {
		opts = append(opts, kgo.TransactionalID(again))
	}
	client, err := conn.Client(opts...)
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	if err := broker.EnsureTopics(b.Context(), client, conn, broker.Topic{Name: again}); err != nil {
		b.Fatal(err)
	}
	if each > 0 { // as capture holds its lease before the clock runs
		if _, _, err := client.ProducerID(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	runtime.GC() // reading them is not what is measured
	before, began := gauge(b), time.Now()
	for len(recs) > 0 {
		part := recs
		if each > 0 {
			part = recs[:min(each, len(recs))]
			if err := client.BeginTransaction(); err != nil {
				b.Fatal(err)
			}
		}
		for _, r := range part {
			client.Produce(b.Context(), r, nil)
		}
		if err := client.Flush(b.Context()); err != nil {
			b.Fatal(err)
		}
		if each > 0 {
			if err := client.EndTransaction(b.Context(), kgo.TryCommit); err != nil {
				b.Fatal(err)
			}
		}
		recs = recs[len(part):]
	}
	took := time.Since(began)
	return gauge(b).since(n, took, before)
}
