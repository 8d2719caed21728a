package bench_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-mysql-org/go-mysql/client"
	"github.com/go-mysql-org/go-mysql/mysql"
)

// BenchmarkSnapshot reads a table of rows into the broker with one worker and
// with two, each by a capture that has never run, and beside it sends the same
// SELECTs, taken from the server's log, on a bare connection that throws away
// what comes.
func BenchmarkSnapshot(b *testing.B) {
	r := newRig(b, "--log-output=TABLE")
	if err := write(r.db, &r.next, rows(), 5000); err != nil {
		b.Fatal(err)
	}
	bin := build(b)
	s := &sheet{title: "Snapshot"}
	var one, two, raw []float64
	var selects []string
	for round := range size("CHARTWIRE_BENCH_ROUNDS", 3) {
		if round == 0 {
			r.logged(b, true)
		}
		alone := r.snapshot(b, bin, fmt.Sprintf("one%d", round), 1)
		if round == 0 {
			r.logged(b, false)
			selects = r.selects(b)
		}
		both := r.snapshot(b, bin, fmt.Sprintf("two%d", round), 2)
		one, two, raw = append(one, alone.rate), append(two, both.rate), append(raw, r.raw(b, selects))
		fmt.Printf("# snapshot: %.0f rows/s (%.2f µs of CPU each), with 2 workers %.0f (%.2f µs), %d SELECTs drained raw %.0f\n",
			alone.rate, alone.cpu, both.rate, both.cpu, len(selects), raw[round])
	}
	w1, w2, bare := median(one), median(two), median(raw)
	s.put(fmt.Sprintf("snapshot of %d rows beside its SELECTs drained raw, median", rows()), perSec(w1), perSec(bare), times(w1, bare), "≥ 0.8")
	s.put("2 workers beside 1, median", perSec(w2), perSec(w1), times(w2, w1), "≥ 1.4")
	s.print()
	b.ReportMetric(w1, "rows/s")
	b.ReportMetric(w2, "two-workers-rows/s")
	b.ReportMetric(bare, "raw-rows/s")
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
func (r *rig) raw(b *testing.B, selects []string) (rate float64) {
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
	n, began := 0, time.Now()
	for _, text := range selects {
		got, err := drop(c, text)
		if err != nil {
			b.Fatal(err)
		}
		n += got
	}
	rate = float64(n) / time.Since(began).Seconds()
	if n < rows() {
		b.Fatalf("%d rows drained raw, want %d", n, rows())
	}
	return rate
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
