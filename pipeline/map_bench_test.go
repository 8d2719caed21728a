package pipeline_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"chartwire/pipeline/broker/brokertest"
)

// BenchmarkMap maps a backlog of one-table row changes from one topic, over the
// broker in the process: b.N is a change. The map is that of the tests; a field
// map of forty properties costs more (see package mapping's own benchmark).
func BenchmarkMap(b *testing.B) {
	w := newMapWorld(b, brokertest.Start(b), "t")
	name := strings.Repeat("x", 200)
	for done := 0; done < b.N; {
		batch := w.batch()
		n := min(b.N-done, 5000)
		for i := range n {
			id := done + i
			p := person{"patient", fmt.Sprint(name, id), "Ulm", int64(id % 500)}
			batch.txn(worldChange{table: "people", id: id, op: 'c', after: p.row(id)})
		}
		batch.commit(0)
		done += n
	}
	b.ResetTimer()
	start := time.Now()
	m := w.run(w.options(b.TempDir(), w.program(worldMaps)))
	w.until(m)
	b.ReportMetric(float64(b.N)/time.Since(start).Seconds(), "changes/s")
	b.StopTimer()
	if err := m.stop(); err != nil {
		b.Fatal(err)
	}
}
