package bench_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"chartwire/integration/faults"
)

// A clinic's day at the table: so many statements a second of each kind.
const (
	pointReads = 200
	rangeReads = 50
	updates    = 50
)

// BenchmarkSource measures what the database feels: the p95 of a fixed mix of
// queries, open loop (a statement that waits for its turn has waited), the
// server's processor time, memory, connections and what it sends, without
// anything beside it, with a capture that follows, and with a capture that
// follows and reads the table at one of two paces. They take turns, and medians
// are compared. Where there are two processors the database and who asks it have one
// for themselves, since capture and broker are on other machines in life.
func BenchmarkSource(b *testing.B) {
	faults.Shows(b, "source-cost", "p95 of the database's own queries is measured beside the capture and a paced snapshot")
	r := newRig(b)
	if err := write(r.db, &r.next, rows(), 5000); err != nil {
		b.Fatal(err)
	}
	bin := build(b)
	apart := r.apart(b)
	follow := newChartwire(b, bin, r, "follow", "")
	follow.run(b)
	r.drain(b, follow, 0, rows())
	follow.rest(b)

	modes := []string{"nothing", "a capture", "a snapshot of 1,000 rows/s", "a snapshot of 5,000 rows/s"}
	paced := func(most int) func(round int) engine {
		return func(round int) engine {
			return newChartwire(b, bin, r, fmt.Sprintf("paced%d-%d", most, round), pace(most))
		}
	}
	beside := []func(round int) engine{
		func(int) engine { return nil },
		func(int) engine { return follow },
		paced(1000), paced(5000),
	}
	felt := make([]feelings, len(modes))
	r.mix(b, 2*time.Second) // warm
	for round := range size("CHARTWIRE_BENCH_ROUNDS", 3) + 2 {
		order := []int{0, 1, 2, 3}
		if round%2 == 1 { // what comes later is not always the same
			slices.Reverse(order)
		}
		for _, m := range order {
			f := r.feel(b, beside[m](round), apart)
			felt[m].add(f)
			fmt.Printf("# beside %s: p50 %s, p95 %s, p99 %s, server %.1f %% of a CPU, %s, sends %.0f kB/s, writes %.0f kB/s of log\n",
				modes[m], ms(f.p50), ms(f.p95), ms(f.p99), 100*f.cpu, megabytes(f.rss), f.sent/1e3, f.logged/1e3)
		}
	}
	s := &sheet{title: fmt.Sprintf("What the source feels, medians of %d phases (%d point reads, %d range reads, %d updates a second), a processor of its own: %v",
		len(felt[0].p95), pointReads, rangeReads, updates, apart)}
	for m := 1; m < len(modes); m++ {
		felt[m].put(s, modes[m], &felt[0])
	}
	s.print()
	b.ReportMetric(float64(median(felt[0].p95).Microseconds()), "p95-µs")
	b.ReportMetric(float64(median(felt[1].p95).Microseconds()), "capture-p95-µs")
	b.ReportMetric(float64(median(felt[2].p95).Microseconds()), "slow-snapshot-p95-µs")
	b.ReportMetric(float64(median(felt[3].p95).Microseconds()), "snapshot-p95-µs")
	b.ReportMetric(0, "ns/op")
}

// pace is a first read that nobody should notice: short statements, far apart,
// and none while the server is busy.
func pace(most int) string {
	return fmt.Sprintf(", snapshot: {chunk_rows: 50, max_rows: %d, max_threads: 16}", most)
}

// apart gives the database and this process the first processor, and the broker
// the second. It reports whether that was possible.
func (r *rig) apart(b *testing.B) bool {
	b.Helper()
	if runtime.NumCPU() < 2 || exec.Command("taskset", "--version").Run() != nil {
		return false
	}
	pin(b, r.db.PID(), 0)
	pin(b, os.Getpid(), 0)
	pin(b, r.broker.PID(), 1)
	all := fmt.Sprintf("0-%d", runtime.NumCPU()-1)
	b.Cleanup(func() { _ = exec.Command("taskset", "-a", "-c", "-p", all, strconv.Itoa(os.Getpid())).Run() })
	return true
}

// pin keeps a process, with all its threads, on one processor.
func pin(b *testing.B, pid, processor int) {
	b.Helper()
	if out, err := exec.Command("taskset", "-a", "-c", "-p", strconv.Itoa(processor), strconv.Itoa(pid)).CombinedOutput(); err != nil {
		b.Fatalf("keeping a process on a processor: %v: %s", err, out)
	}
}

// feeling is what one phase was like.
type feeling struct {
	p50, p95, p99 time.Duration
	cpu           float64 // processors that the server used
	rss           int64
	sent, logged  float64 // bytes a second: to clients, into the binlog
	connections   int     // beside the mix's own
}

// feelings are those of the phases of one kind.
type feelings struct {
	p95         []time.Duration
	cpu         []float64
	rss         []float64
	sent        []float64
	logged      []float64
	connections int
}

func (l *feelings) add(f feeling) {
	l.p95, l.cpu, l.rss = append(l.p95, f.p95), append(l.cpu, f.cpu), append(l.rss, float64(f.rss))
	l.sent, l.logged = append(l.sent, f.sent), append(l.logged, f.logged)
	l.connections = max(l.connections, f.connections)
}

// put notes what these phases were like beside those without anything.
func (l *feelings) put(s *sheet, beside string, without *feelings) {
	with, alone := median(l.p95), median(without.p95)
	s.put("p95 of the queries beside "+beside, ms(with), ms(alone)+" without", times(with.Seconds(), alone.Seconds()), "≤ 1.05")
	s.put("the server's CPU", fmt.Sprintf("%.1f %%", 100*median(l.cpu)), fmt.Sprintf("%.1f %%", 100*median(without.cpu)), times(median(l.cpu), median(without.cpu)), "")
	s.put("the server's memory", megabytes(int64(median(l.rss))), megabytes(int64(median(without.rss))), times(median(l.rss), median(without.rss)), "")
	sent, written := median(l.sent)-median(without.sent), median(l.logged)
	s.put("bytes that it sends more, beside bytes of log that it writes", fmt.Sprintf("%.0f kB/s", sent/1e3), fmt.Sprintf("%.0f kB/s", written/1e3), times(sent, written), "")
	s.put("connections, each a thread of the server", fmt.Sprint(l.connections), fmt.Sprint(without.connections), "", "")
}

// feel runs the mix beside an engine, or nothing.
func (r *rig) feel(b *testing.B, e engine, apart bool) (f feeling) {
	b.Helper()
	if e != nil {
		from := r.end(b, e.topic())
		id, _ := r.one(b)
		e.run(b)
		defer e.rest(b)
		if apart {
			pin(b, e.pid(), 1)
		}
		for deadline := time.Now().Add(30 * time.Second); r.end(b, e.topic()) == from; time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				b.Fatalf("row %d was never captured", id)
			}
		}
	}
	time.Sleep(time.Second) // what starts settles, what ended is gone
	measured := time.Duration(size("CHARTWIRE_BENCH_SECONDS", 6)) * time.Second
	cpu, sent, logged, began := r.server(b), r.status(b, "Bytes_sent"), r.status(b, "Binlog_bytes_written"), time.Now()
	took := r.mix(b, measured)
	span := time.Since(began).Seconds()
	f = feeling{p50: quantile(took, 0.5), p95: quantile(took, 0.95), p99: quantile(took, 0.99),
		cpu: (r.server(b) - cpu).Seconds() / span, sent: float64(r.status(b, "Bytes_sent")-sent) / span, logged: float64(r.status(b, "Binlog_bytes_written")-logged) / span}
	var err error
	if f.rss, err = memoryOf(r.db.PID(), "VmRSS"); err != nil {
		b.Fatal(err)
	}
	f.connections = r.connections(b)
	if c, ok := e.(*chartwire); ok && strings.HasPrefix(c.prefix, "paced") && c.loaded() {
		b.Fatalf("the snapshot was over before the phase was: more rows are needed (CHARTWIRE_BENCH_ROWS), or a shorter phase (CHARTWIRE_BENCH_SECONDS)")
	}
	return f
}

// server is the processor time that the database has used.
func (r *rig) server(b *testing.B) time.Duration {
	b.Helper()
	d, err := cpuOf(r.db.PID())
	if err != nil {
		b.Fatal(err)
	}
	return d
}

func (r *rig) status(b *testing.B, name string) (n int64) {
	b.Helper()
	if err := r.pool.QueryRow("show global status like '"+name+"'").Scan(&name, &n); err != nil {
		b.Fatal(err)
	}
	return n
}

// connections counts those of capture, which names itself, and of its log reader.
func (r *rig) connections(b *testing.B) (n int) {
	b.Helper()
	const q = "select count(*) from information_schema.processlist where user = ? and (command = 'Binlog Dump' or db is null)"
	if err := r.pool.QueryRow(q, r.db.User).Scan(&n); err != nil {
		b.Fatal(err)
	}
	return n
}

// mix runs the clinic's queries for so long and gives what each took, sorted.
func (r *rig) mix(b *testing.B, measured time.Duration) []time.Duration {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), measured+time.Minute)
	defer cancel()
	const rate = pointReads + rangeReads + updates
	n := int(measured.Seconds() * rate)
	took, errs := make([]time.Duration, n), make([]error, n)
	type call struct {
		i  int
		at time.Time
	}
	calls := make(chan call, n)
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			for c := range calls {
				errs[c.i] = r.query(ctx, c.i%rate, rand.IntN(r.next)+1)
				took[c.i] = time.Since(c.at)
			}
		})
	}
	for i, began := 0, time.Now(); i < n; i++ {
		at := began.Add(time.Duration(i) * time.Second / rate)
		time.Sleep(time.Until(at))
		calls <- call{i, at}
	}
	close(calls)
	workers.Wait()
	for _, err := range errs {
		if err != nil {
			b.Fatal(err)
		}
	}
	slices.Sort(took)
	return took
}

// query is one of the mix, at a row: the kinds are spread over each second.
func (r *rig) query(ctx context.Context, n, id int) error {
	if n%6 == 5 {
		_, err := r.pool.ExecContext(ctx, fmt.Sprintf("update reference set version = version + 1, comment_text = 'seen again' where id = %d", id))
		return err
	}
	text := fmt.Sprintf("select * from reference where id = %d", id)
	if n%6 == 2 {
		text = fmt.Sprintf("select * from reference where id between %d and %d", id, id+25)
	}
	rows, err := r.pool.QueryContext(ctx, text)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
	}
	return rows.Err()
}
