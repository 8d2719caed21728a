package bench_test

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// BenchmarkBeside sets `chartwire capture`, exactly once into Avro, beside
// Debezium in Kafka Connect, at least once into JSON with its best settings
// known: each a process of its own, reading the same rows of the same server
// into the same broker, one after the other. Rates and processor time are of
// the second half of a drain, so that both are warm; Debezium's worker stays
// up between them, while a capture is launched anew for each.
func BenchmarkBeside(b *testing.B) {
	r := newRig(b)
	s := &sheet{title: "Chartwire beside Debezium"}
	ours, theirs := newChartwire(b, build(b), r, "beside", ""), newDebezium(b, r, "dbz")
	s.title += ", " + theirs.d.Java
	c := &comparison{rig: r, sheet: s, both: []engine{ours, theirs}}
	b.Run("snapshot", c.snapshot)
	b.Run("rows-per-transaction=5000", func(b *testing.B) { c.backlog(b, rows(), 5000, 6) })
	b.Run("rows-per-transaction=1", func(b *testing.B) { c.backlog(b, rows()/2, 1, 8) })
	b.Run("large", c.large)
	b.Run("start", c.start)
	b.Run("latency", c.latency)
	s.print()
}

// comparison is both engines on one rig.
type comparison struct {
	*rig
	sheet *sheet
	both  []engine
}

// begin runs an engine that has never run to where it follows the log, and
// stops it there.
func (c *comparison) begin(b *testing.B, e engine) {
	b.Helper()
	if c.end(b, e.topic()) > 0 {
		return
	}
	c.one(b) // a row to see
	e.run(b)
	for deadline := time.Now().Add(2 * time.Minute); c.end(b, e.topic()) == 0; time.Sleep(20 * time.Millisecond) {
		if err := e.alive(); err != nil {
			b.Fatal(err)
		}
		if time.Now().After(deadline) {
			b.Fatalf("%s has read nothing", e.name())
		}
	}
	c.settle(b, e)
	e.rest(b)
}

// level brings both to the same row, so that what is written next is all that
// each has to read.
func (c *comparison) level(b *testing.B) {
	b.Helper()
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	var seen []*sightings
	for _, e := range c.both {
		c.begin(b, e)
		seen = append(seen, c.watch(ctx, b, e))
	}
	id, _ := c.one(b)
	for i, e := range c.both {
		e.run(b)
		seen[i].wait(b, e, id)
		e.rest(b)
	}
}

// snapshot reads a table of rows that are there.
func (c *comparison) snapshot(b *testing.B) {
	if err := write(c.db, &c.next, rows(), 5000); err != nil {
		b.Fatal(err)
	}
	var got [2]drained
	for i, e := range c.both {
		e.run(b)
		got[i] = c.drain(b, e, 0, rows()+i) // and the row of the one before
		c.settle(b, e)                      // it is done, and follows
		e.rest(b)
	}
	forget(b, c.db)
	c.rates(b, fmt.Sprintf("snapshot of %d rows", rows()), got, 4)
}

// backlog drains rows that were written while nobody read, several times.
func (c *comparison) backlog(b *testing.B, n, each int, goal float64) {
	c.level(b)
	var rate, cpu [2][]float64
	for range size("CHARTWIRE_BENCH_ROUNDS", 3) {
		var from [2]int64
		for i, e := range c.both {
			from[i] = c.end(b, e.topic())
		}
		if err := write(c.db, &c.next, n, each); err != nil {
			b.Fatal(err)
		}
		for i, e := range c.both {
			e.run(b)
			d := c.drain(b, e, from[i], n)
			e.rest(b)
			rate[i], cpu[i] = append(rate[i], d.rate), append(cpu[i], d.cpu)
			fmt.Printf("# %s, %d rows a transaction: %.0f rows/s, from the first row %.0f, %.2f µs of CPU a row\n", e.name(), each, d.rate, d.whole, d.cpu)
		}
		forget(b, c.db)
	}
	c.rates(b, fmt.Sprintf("%d rows in transactions of %d, median", n, each),
		[2]drained{{rate: median(rate[0]), cpu: median(cpu[0])}, {rate: median(rate[1]), cpu: median(cpu[1])}}, goal)
}

// rates notes what two drains say of each other.
func (c *comparison) rates(b *testing.B, what string, got [2]drained, goal float64) {
	b.Helper()
	c.sheet.put(what, perSec(got[0].rate), perSec(got[1].rate), times(got[0].rate, got[1].rate), fmt.Sprintf("≥ %.0f", goal))
	c.sheet.put(what+", CPU a row", micros(got[0].cpu), micros(got[1].cpu), times(got[0].cpu, got[1].cpu), "≤ 0.1")
	b.ReportMetric(got[0].rate, "rows/s")
	b.ReportMetric(got[1].rate, "debezium-rows/s")
	b.ReportMetric(got[0].rate/got[1].rate, "of-debezium")
	b.ReportMetric(got[0].cpu, "cpu-µs/row")
	b.ReportMetric(0, "ns/op")
}

// large lets one transaction of a gibibyte pass, and says what memory both had
// at most, in all that was done up to now.
func (c *comparison) large(b *testing.B) {
	c.level(b)
	mb := size("CHARTWIRE_BENCH_TRANSACTION_MB", 1024)
	n := mb << 20 / 268 // bytes a row
	var from [2]int64
	for i, e := range c.both {
		from[i] = c.end(b, e.topic())
	}
	if err := writeOnce(c.db, &c.next, n); err != nil {
		b.Fatal(err)
	}
	var peak [2]int64
	var got [2]drained
	for i, e := range c.both {
		e.run(b)
		got[i] = c.drain(b, e, from[i], n)
		peak[i] = e.peak(b)
		e.rest(b)
	}
	forget(b, c.db)
	c.rates(b, fmt.Sprintf("one transaction of %d MiB", mb), got, 6)
	c.sheet.put("most memory, that transaction included", megabytes(peak[0]), megabytes(peak[1]), times(float64(peak[0]), float64(peak[1])), "≤ 0.1")
	b.ReportMetric(float64(peak[0])/1e6, "rss-MB")
	b.ReportMetric(float64(peak[1])/1e6, "debezium-rss-MB")
}

// start launches ours again and again, after an orderly end and after a crash.
func (c *comparison) start(b *testing.B) {
	for _, e := range c.both {
		c.begin(b, e)
	}
	ours, theirs := c.both[0], c.both[1].(*debezium)
	var orderly, crashed []time.Duration
	for range 5 {
		orderly = append(orderly, c.started(b, ours))
		time.Sleep(time.Second)
		ours.kill(b)
		crashed = append(crashed, c.started(b, ours))
		ours.rest(b)
	}
	theirs.prompt(b) // which ends it
	took := c.started(b, theirs)
	theirs.rest(b)
	c.sheet.put("launch to the first row, median of 5", secs(median(orderly)), secs(took), times(median(orderly).Seconds(), took.Seconds()), "≤ 1 s")
	c.sheet.put("SIGKILL and launch to the first row, median of 5", secs(median(crashed)), secs(took), times(median(crashed).Seconds(), took.Seconds()), "≤ 1 s")
	b.ReportMetric(median(orderly).Seconds(), "launch-s")
	b.ReportMetric(median(crashed).Seconds(), "killed-s")
	b.ReportMetric(0, "ns/op")
}

// settle waits until an engine that runs has carried a row written now.
func (c *comparison) settle(b *testing.B, e engine) {
	b.Helper()
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	seen := c.watch(ctx, b, e)
	id, _ := c.one(b)
	seen.wait(b, e, id)
}

// latency writes single rows at two rates.
func (c *comparison) latency(b *testing.B) {
	for _, e := range c.both {
		c.begin(b, e)
	}
	c.both[1].(*debezium).prompt(b)
	measured := time.Duration(size("CHARTWIRE_BENCH_SECONDS", 10)) * time.Second
	for _, rate := range []int{1000, 100} {
		var p50, p99 [2]time.Duration
		for i, e := range c.both {
			e.run(b)
			c.settle(b, e)
			took := c.rig.latency(b, e, rate, measured/3, measured)
			p50[i], p99[i] = quantile(took, 0.5), quantile(took, 0.99)
			e.rest(b)
		}
		for _, q := range []struct {
			name, goal string
			took       [2]time.Duration
		}{{"p50", "≤ 8 ms", p50}, {"p99", "≤ 25 ms", p99}} {
			c.sheet.put(fmt.Sprintf("commit to readable at %d transactions/s, %s", rate, q.name), ms(q.took[0]), ms(q.took[1]), times(q.took[0].Seconds(), q.took[1].Seconds()), q.goal)
			b.ReportMetric(float64(q.took[0].Microseconds())/1000, fmt.Sprintf("%d/s-%s-ms", rate, q.name))
		}
	}
	b.ReportMetric(0, "ns/op")
}
