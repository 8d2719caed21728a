package integration_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"chartwire/cdc"
	"chartwire/integration/clinic"
	"chartwire/integration/faults"
	"chartwire/integration/servers"
	"chartwire/schemas"

	"github.com/twmb/franz-go/pkg/kgo"
)

// watched is a table that is written row by row, and what a consumer of
// committed records sees of it.
type watched struct {
	r  *road
	mu sync.Mutex
	// begun is when the writing of each row began, seen when it was read: row n
	// has the key firstWatched+n.
	begun, seen []time.Time
	wrong       []string
}

const firstWatched = 40_000_000

// watch begins to write and to read, until the test ends or stop is called,
// which waits until all that was written is read.
func watch(r *road) (w *watched, stop func()) {
	w = &watched{r: r}
	topic := schemas.Topics{Prefix: r.name}.Rows("labs", cdc.TableID{Database: clinic.Database, Name: "lab_result"})
	cl, err := kgo.NewClient(kgo.SeedBrokers(r.brokers), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxWait(100*time.Millisecond),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}))
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	writing, end := context.WithCancel(ctx)
	var reader, writer sync.WaitGroup
	reader.Go(func() { w.read(ctx, cl) })
	writer.Go(func() { w.write(writing) })
	r.t.Cleanup(func() {
		cancel()
		reader.Wait()
		writer.Wait()
		cl.Close()
	})
	return w, func() {
		end()
		writer.Wait()
		for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			w.mu.Lock()
			begun, seen, wrong := len(w.begun), len(w.seen), w.wrong
			w.mu.Unlock()
			if seen >= begun || len(wrong) > 0 || time.Now().After(deadline) {
				if seen != begun || len(wrong) > 0 {
					r.t.Errorf("%d rows written, %d read: %q", begun, seen, wrong)
				}
				return
			}
		}
	}
}

func (w *watched) write(ctx context.Context) {
	for n := 0; ctx.Err() == nil; n++ {
		w.mu.Lock()
		w.begun = append(w.begun, time.Now())
		w.mu.Unlock()
		if _, err := w.r.pool.Exec("INSERT INTO lab_result (test_id, patient_id, test_name, test_date) VALUES (?, 1, 'Potassium', NOW())", firstWatched+n); err != nil {
			w.r.t.Errorf("writing a row: %v", err)
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// read wants each row once and in order.
func (w *watched) read(ctx context.Context, cl *kgo.Client) {
	for ctx.Err() == nil {
		fetches := cl.PollFetches(ctx)
		now := time.Now()
		w.mu.Lock()
		for it := fetches.RecordIter(); !it.Done(); {
			key, err := strconv.Atoi(string(it.Next().Key))
			if err != nil || key < firstWatched {
				continue // there before
			}
			if key -= firstWatched; key != len(w.seen) && len(w.wrong) < 10 {
				w.wrong = append(w.wrong, fmt.Sprintf("row %d came where %d was due", key, len(w.seen)))
			}
			w.seen = append(w.seen, now)
		}
		w.mu.Unlock()
	}
}

// first is when the first row was seen whose writing began after a moment; false
// if none was yet.
func (w *watched) first(moment time.Time) (time.Time, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, _ := slices.BinarySearchFunc(w.begun, moment, time.Time.Compare)
	if n >= len(w.seen) {
		return time.Time{}, false
	}
	return w.seen[n], true
}

// captures are two processes that capture one source, each with its own way to
// Kafka.
type captures struct {
	*road
	procs [2]*process
	links []*link
}

func newCaptures(t testing.TB) *captures {
	toKafka, listeners := links(t, 2)
	kafka := servers.KafkaWith(t, servers.ClusterOptions{Listeners: listeners})
	c := &captures{road: newRoad(t, site{brokers: kafka.Addr, patients: 10}), links: toKafka}
	for i := range c.procs {
		c.procs[i] = c.start(fmt.Sprintf("capture-%d", i+1), []string{"capture", "labs"}, "KAFKA="+toKafka[i].addr())
	}
	// While a table loads, rows of the stream come before older ones of it.
	c.until(60*time.Second, "the table is loaded", func() bool {
		return strings.Contains(c.procs[0].get("/status")+c.procs[1].get("/status"), `"phase":"done"`)
	})
	return c
}

// holder gives the one of the processes that captures, when the other stands by.
func (c *captures) holder() (i int) {
	c.t.Helper()
	c.until(60*time.Second, "one captures and the other stands by", func() bool {
		a, b := c.procs[0].holds(), c.procs[1].holds()
		if i = 0; b > 0 {
			i = 1
		}
		return a+b == 1 && c.procs[0].get("/healthz") != "" && c.procs[1].get("/healthz") != ""
	})
	time.Sleep(300 * time.Millisecond) // the standby has looked
	return i
}

// strike does something to the holder and gives how long it was until the
// first row came through the other; heal undoes it.
func (c *captures) strike(w *watched, do func(i int) (heal func())) time.Duration {
	c.t.Helper()
	i := c.holder()
	moment := time.Now()
	heal := do(i)
	done := time.Now()
	var seen time.Time
	c.until(60*time.Second, "the other takes over", func() (ok bool) {
		seen, ok = w.first(done)
		return ok && c.procs[1-i].holds() == 1
	})
	heal()
	return seen.Sub(moment)
}

func (c *captures) killed(i int) (heal func()) {
	c.procs[i].kill()
	return c.procs[i].launch
}

func (c *captures) stopped(i int) (heal func()) {
	c.procs[i].signal(syscall.SIGSTOP)
	return func() { c.procs[i].signal(syscall.SIGCONT) }
}

func (c *captures) partitioned(i int) (heal func()) { return c.links[i].silence() }

// TestTakeover takes the holder of a capture away in three ways, while rows are
// written: another goes on, and a consumer of committed records sees each row
// once and in order. How long that took is printed.
func TestTakeover(t *testing.T) {
	t.Parallel()
	faults.Shows(t, "takeover-killed", "a standby took the lease and went on behind the last committed cut: no row twice, none missing")
	faults.Shows(t, "takeover-partitioned", "a standby took the lease; the old holder's transaction was fenced, and it stood by when it was back")
	c := newCaptures(t)
	w, stop := watch(c.road)
	c.until(60*time.Second, "rows come", func() bool { _, ok := w.first(time.Time{}); return ok })
	for _, s := range []struct {
		what string
		do   func(int) func()
	}{{"SIGKILL", c.killed}, {"SIGSTOP", c.stopped}, {"no way to Kafka", c.partitioned}, {"SIGKILL", c.killed}} {
		t.Logf("%s: rows came again after %s", s.what, c.strike(w, s.do).Round(time.Millisecond))
	}
	stop()
	t.Logf("%d rows", len(w.seen))
}

// BenchmarkTakeover kills the holder of a capture CHARTWIRE_KILLS times.
func BenchmarkTakeover(b *testing.B) {
	c := newCaptures(b)
	w, stop := watch(c.road)
	c.until(60*time.Second, "rows come", func() bool { _, ok := w.first(time.Time{}); return ok })
	for _, s := range []struct {
		what string
		do   func(int) func()
	}{{"SIGKILL", c.killed}, {"SIGSTOP", c.stopped}, {"partition", c.partitioned}} {
		b.Run("capture/"+s.what, func(b *testing.B) {
			for b.Loop() {
				var took []time.Duration
				for range number(b, "CHARTWIRE_KILLS", 10) {
					took = append(took, c.strike(w, s.do))
				}
				middle(b, took)
			}
		})
	}
	stop()
}

// middle reports the middle and the longest of times.
func middle(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Milliseconds()), "p50-ms")
	b.ReportMetric(float64(took[len(took)-1].Milliseconds()), "max-ms")
	b.ReportMetric(float64(len(took)), "kills")
	b.ReportMetric(0, "ns/op")
}
