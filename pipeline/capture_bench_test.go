package pipeline_test

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"chartwire/cdc"
	"chartwire/integration/servers"
	"chartwire/pipeline"
	"chartwire/pipeline/broker"
	"chartwire/schemas"

	"github.com/twmb/franz-go/pkg/kgo"
)

// loud is a source of one table of 24 columns whose rows are there already: what
// is measured is capture.
type loud struct {
	table *cdc.Table
	row   cdc.Row
	rows  int // in all
	each  int // in a transaction
	every time.Duration
	began time.Time
}

func newLoud(rows, each int) *loud {
	l := &loud{rows: rows, each: each, table: &cdc.Table{Source: "loud", Database: "main", Name: "lab_result", Key: []int{0}}}
	for i := range 24 {
		typ := cdc.Type{Kind: cdc.KindText, Charset: "utf8mb4"}
		if i%3 == 0 {
			typ = cdc.Type{Kind: cdc.KindInt, Bits: 64}
		}
		l.table.Columns = append(l.table.Columns, cdc.Column{Name: fmt.Sprintf("column_%d", i), Type: typ})
		l.row = append(l.row, 2)
		if i%3 == 0 {
			l.row = schemas.AppendLong(l.row, 1_000_000+int64(i)*77_777)
		} else {
			l.row = schemas.AppendBytes(l.row, fmt.Sprintf("value %d of it", i))
		}
	}
	return l
}

func (l *loud) Stream(ctx context.Context, r cdc.Resume) iter.Seq2[*cdc.Txn, error] {
	return func(yield func(*cdc.Txn, error) bool) {
		l.began = time.Now()
		changes := make([]cdc.Change, l.each)
		for n := int(r.Checkpoint.Position.Offset); n < l.rows && ctx.Err() == nil; n += l.each {
			now := time.Now()
			for i := range changes {
				changes[i] = cdc.Change{Table: l.table, Op: cdc.Create, Key: fmt.Sprint(1_000_000 + n + i), After: l.row, Index: int64(i), ReadTime: now}
			}
			t := &cdc.Txn{Begin: true, End: true, Changes: changes, CommitTime: now, Checkpoint: cdc.Checkpoint{
				Position: cdc.Position{GTID: fmt.Sprintf("0-1-%d", n), File: "mariadb-bin.000001", Offset: uint64(n + l.each), Server: "1"}}}
			if !yield(t, nil) {
				return
			}
			if l.every > 0 {
				time.Sleep(time.Until(l.began.Add(time.Duration(n+1) * l.every)))
			}
		}
		<-ctx.Done()
	}
}

func (l *loud) capture(b *testing.B, conn broker.Config, topics schemas.Topics) *pipeline.Capture {
	c, err := pipeline.NewCapture(pipeline.CaptureOptions{
		Source: "loud", Stream: l.Stream, Connection: conn, Topics: topics, Tables: []cdc.TableID{l.table.ID()},
		Register: func(context.Context, string, *schemas.RowSchema) (int, error) { return 1, nil },
		Log:      slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	b.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			b.Error(err)
		}
	})
	return c
}

// BenchmarkCapture is a backlog written by capture, exactly once, and the same
// records written by the same client from memory, in the same run.
func BenchmarkCapture(b *testing.B) {
	conn := broker.Config{Brokers: strings.Split(servers.KafkaWith(b, servers.ClusterOptions{HeapMB: 512}).Addr, ",")}
	const rows = 400_000
	run := 0
	for _, each := range []int{5000, 1} {
		b.Run(fmt.Sprintf("transactions of %d", each), func(b *testing.B) {
			for b.Loop() {
				run++
				l := newLoud(rows, each)
				topics := schemas.Topics{Prefix: fmt.Sprintf("b%d", run)}
				c := l.capture(b, conn, topics)
				for c.Status().Cut.Checkpoint.Position.Offset < rows {
					time.Sleep(time.Millisecond)
				}
				b.ReportMetric(rows/time.Since(l.began).Seconds(), "rows/s")
				var mem runtime.MemStats
				runtime.ReadMemStats(&mem)
				b.ReportMetric(float64(mem.HeapSys-mem.HeapReleased)/(1<<20), "heap-MB")
				took := alone(b, conn, topics.Rows("loud", l.table.ID()))
				b.ReportMetric(rows/took.Seconds(), "alone-rows/s")
			}
		})
	}
}

// alone writes the records of a topic again, from memory.
func alone(b *testing.B, conn broker.Config, topic string) time.Duration {
	cl, err := conn.Client(kgo.ProducerLinger(10*time.Millisecond), kgo.MaxBufferedRecords(100_000))
	if err != nil {
		b.Fatal(err)
	}
	defer cl.Close()
	if err := broker.EnsureTopics(b.Context(), cl, conn, broker.Rows(topic+".alone", 1, time.Hour)); err != nil {
		b.Fatal(err)
	}
	var recs []*kgo.Record
	if _, err := broker.Scan(b.Context(), conn, func(r *kgo.Record) error {
		recs = append(recs, &kgo.Record{Topic: topic + ".alone", Key: r.Key, Value: r.Value, Headers: r.Headers, Timestamp: r.Timestamp})
		return nil
	}, topic); err != nil {
		b.Fatal(err)
	}
	start := time.Now()
	for _, r := range recs {
		cl.Produce(b.Context(), r, nil)
	}
	if err := cl.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
	return time.Since(start)
}

// BenchmarkCaptureLatency is the time from a change to its reading by a
// consumer of committed records, at a thousand transactions a second.
func BenchmarkCaptureLatency(b *testing.B) {
	conn := broker.Config{Brokers: strings.Split(servers.KafkaWith(b, servers.ClusterOptions{HeapMB: 512}).Addr, ",")}
	run := 0
	for b.Loop() {
		run++
		l := newLoud(3000, 1)
		l.every = time.Millisecond
		topics := schemas.Topics{Prefix: fmt.Sprintf("l%d", run)}
		l.capture(b, conn, topics)
		cl, err := conn.Client(kgo.ConsumeTopics(topics.Rows("loud", l.table.ID())))
		if err != nil {
			b.Fatal(err)
		}
		var took []time.Duration
		for len(took) < l.rows {
			fetches := cl.PollFetches(b.Context())
			fetches.EachRecord(func(r *kgo.Record) { took = append(took, time.Since(r.Timestamp)) })
		}
		cl.Close()
		took = took[l.rows/10:] // the first transactions create Kafka's own state
		slices.Sort(took)
		b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
		b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	}
}
