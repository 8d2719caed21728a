package pipeline_test

import (
	"fmt"
	"io"
	"log/slog"
	"testing"
	"time"

	"chartwire/pipeline"
	"chartwire/pipeline/broker/brokertest"
	"chartwire/pipeline/writes"
	"chartwire/sinks"

	"github.com/twmb/franz-go/pkg/kgo"
)

// BenchmarkDeliver brings a backlog of records with 40 properties from the
// broker in the process to a sink in memory; then the same again, of which
// nothing need be sent.
func BenchmarkDeliver(b *testing.B) {
	for _, again := range []bool{false, true} {
		name := "written"
		if again {
			name = "suppressed"
		}
		b.Run(name, func(b *testing.B) {
			e := newDeliverEnv(b, brokertest.Start(b), "t")
			if again {
				e.backlog(b.N)
				e.end(e.deliver(b))
			}
			e.backlog(b.N)
			b.ResetTimer()
			r := e.deliver(b)
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
			e.end(r)
		})
	}
}

// backlog sends n mutations of n records, in the backfill lane.
func (e *deliverEnv) backlog(n int) {
	props := make([]string, 0, 80)
	for i := range 40 {
		props = append(props, fmt.Sprintf("property_%02d", i), fmt.Sprint("value ", i))
	}
	var recs []*kgo.Record
	for i := range n {
		r, err := writes.Record(e.topics, e.mutation(key(i), sinks.Backfill, props...))
		if err != nil {
			e.t.Fatal(err)
		}
		if recs = append(recs, r); len(recs) == 500 {
			e.produce(recs...)
			recs = recs[:0]
		}
	}
	e.produce(recs...)
}

// deliver runs a Deliver until all is done.
func (e *deliverEnv) deliver(b *testing.B) *runner {
	r := e.start(func(o *pipeline.DeliverOptions) {
		o.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	})
	e.settle(5 * time.Minute)
	return r
}
