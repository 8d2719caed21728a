package bench_test

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/go-mysql-org/go-mysql/client"
	"github.com/go-mysql-org/go-mysql/mysql"
)

// BenchmarkSnapshot reads a table of rows into the broker with one worker and
// with two, each by a capture that has never run, and beside it sends the same
// SELECTs, taken from the server's log, on a bare connection that throws away
// what comes. Where all processors are busy, what a row costs the database, the
// capture and the broker together is the bound, whatever the number of workers.
// A first snapshot is not counted: it makes the broker warm and the SELECTs known.
func BenchmarkSnapshot(b *testing.B) {
	r := newRig(b, "--log-output=TABLE")
	if err := write(r.db, &r.next, rows(), 5000); err != nil {
		b.Fatal(err)
	}
	bin := build(b)
	r.logged(b, true)
	r.snapshot(b, bin, "first", 1)
	r.logged(b, false)
	selects := r.selects(b)
	var rate, cost [3][]float64 // one worker, two, and raw
	note := func(i int, what string, d drained) {
		rate[i], cost[i] = append(rate[i], d.rate), append(cost[i], d.sum())
		fmt.Printf("# snapshot, %s: %.0f rows/s; µs of CPU a row: reader %.2f, database %.2f, broker %.2f; %.2f of %d processors\n",
			what, d.rate, d.cpu, d.database, d.broker, d.sum()*d.rate/1e6, runtime.NumCPU())
	}
	for round := range size("CHARTWIRE_BENCH_ROUNDS", 3) {
		for i, what := range []string{"1 worker", "2 workers"} {
			note(i, what, r.snapshot(b, bin, fmt.Sprintf("workers%d-%d", i+1, round), i+1))
		}
		note(2, fmt.Sprintf("its %d SELECTs raw", len(selects)), r.raw(b, selects))
	}
	s := &sheet{title: "Snapshot"}
	one, two, raw := median(rate[0]), median(rate[1]), median(rate[2])
	s.put(fmt.Sprintf("snapshot of %d rows beside its SELECTs drained raw, median", rows()), perSec(one), perSec(raw), times(one, raw), "≥ 0.8")
	s.put("2 workers beside 1, median", perSec(two), perSec(one), times(two, one), "≥ 1.4")
	// What all processors would do if they did nothing else, and nobody waited.
	most := float64(runtime.NumCPU()) * 1e6 / median(cost[0])
	s.put(fmt.Sprintf("1 worker beside what %d processors can do: CPU of capture, database and broker, median", runtime.NumCPU()), perSec(one), perSec(most), times(one, most), "")
	s.put("CPU a row of the three beside that of the SELECTs drained raw, median", micros(median(cost[0])), micros(median(cost[2])), times(median(cost[0]), median(cost[2])), "")
	s.print()
	b.ReportMetric(one, "rows/s")
	b.ReportMetric(two, "two-workers-rows/s")
	b.ReportMetric(raw, "raw-rows/s")
	b.ReportMetric(most, "cpu-bound-rows/s")
	b.ReportMetric(0, "ns/op")
}

// snapshot runs a capture that has nothing yet, until the table is read.
func (r *rig) snapshot(b *testing.B, bin, prefix string, workers int) drained {
	b.Helper()
	c := newChartwire(b, bin, r, prefix, fmt.Sprintf(", snapshot: {workers: %d}", workers))
	c.run(b)
	got := r.drain(b, c, 0, rows())
	for deadline := time.Now().Add(30 * time.Second); !c.loaded(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.Fatalf("all rows are there and the table is not loaded: %s", c.said())
		}
	}
	c.rest(b)
	return got
}

// logged makes the server note all statements, or end that.
func (r *rig) logged(b *testing.B, on bool) {
	b.Helper()
	if err := r.db.Exec(fmt.Sprintf("set global general_log = %v", on)); err != nil {
		b.Fatal(err)
	}
}

// selects gives the statements that read the table, as they were sent.
func (r *rig) selects(b *testing.B) (list []string) {
	b.Helper()
	rows, err := r.pool.QueryContext(b.Context(), "select argument from mysql.general_log where command_type = 'Query' and argument like 'SELECT%FROM `bench`.`reference`%LIMIT%' order by event_time")
	if err != nil {
		b.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			b.Fatal(err)
		}
		list = append(list, strings.Clone(text))
	}
	if err := rows.Err(); err != nil || len(list) == 0 {
		b.Fatalf("%d statements in the server's log: %v", len(list), err)
	}
	return list
}

// raw sends the statements and drops the packets of their results.
func (r *rig) raw(b *testing.B, selects []string) drained {
	b.Helper()
	c, err := client.Connect(r.db.Addr, r.db.User, r.db.Password, "bench", func(c *client.Conn) error {
		c.UnsetCapability(mysql.CLIENT_QUERY_ATTRIBUTES)
		c.UnsetCapability(mysql.CLIENT_DEPRECATE_EOF)
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Execute("SET NAMES utf8mb4, character_set_results = NULL, time_zone = '+00:00', sql_mode = ''"); err != nil {
		b.Fatal(err)
	}
	n, began := 0, r.sample(b, os.Getpid(), 0)
	for _, text := range selects {
		got, err := drop(c, text)
		if err != nil {
			b.Fatal(err)
		}
		n += got
	}
	d := between(began, r.sample(b, os.Getpid(), int64(n)))
	if n < rows() {
		b.Fatalf("%d rows drained raw, want %d", n, rows())
	}
	return d
}

// drop sends a statement and counts the rows of its result.
func drop(c *client.Conn, text string) (rows int, err error) {
	c.ResetSequence()
	if err := c.WritePacket(append(append(make([]byte, 4), mysql.COM_QUERY), text...)); err != nil {
		return 0, err
	}
	var p bytes.Buffer
	for ends := 0; ends < 2; { // of the columns, and of the rows
		p.Reset()
		if err := c.ReadPacketTo(&p); err != nil {
			return 0, err
		}
		switch head := p.Bytes(); {
		case head[0] == mysql.ERR_HEADER:
			return 0, c.HandleErrorPacket(append([]byte(nil), head...))
		case head[0] == mysql.EOF_HEADER && len(head) < 9:
			ends++
		case ends == 1:
			rows++
		}
	}
	return rows, nil
}
