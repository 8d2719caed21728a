package bench_test

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"chartwire/integration/servers"
	"chartwire/pipeline/broker"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// rig is what is measured on: one source, one broker, one schema registry, and
// whoever reads from the one into the other.
type rig struct {
	db       *servers.DB
	pool     *sql.DB
	kafka    string
	broker   *servers.Broker
	registry string
	conn     broker.Config
	client   *kgo.Client
	next     int // the number of the next row
}

func newRig(b *testing.B, args ...string) *rig {
	b.Helper()
	args = append([]string{"--innodb-buffer-pool-size=512M", "--innodb-log-file-size=256M"}, args...)
	r := &rig{db: servers.MariaDB(b, args...), registry: servers.Registry(b)}
	cluster := servers.KafkaWith(b, servers.ClusterOptions{HeapMB: 1024})
	r.kafka, r.broker = cluster.Addr, cluster.Brokers[0]
	r.conn = broker.Config{Brokers: []string{r.kafka}}
	table(b, r.db)
	var err error
	if r.pool, err = r.db.Open("bench"); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { r.pool.Close() })
	r.pool.SetMaxIdleConns(8) // as many as write at once
	if r.client, err = r.conn.Client(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(r.client.Close)
	return r
}

// end is the offset up to which a read-committed consumer can read the topic; 0
// before there is one.
func (r *rig) end(b *testing.B, topic string) int64 {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), 30*time.Second)
	defer cancel()
	listed, err := kadm.NewClient(r.client).ListCommittedOffsets(ctx, topic)
	if err != nil {
		b.Fatal(err)
	}
	o, _ := listed.Lookup(topic, 0)
	if o.Err != nil {
		return 0
	}
	return o.Offset
}

// sample is how far an engine was at a moment, and what processor time it, the
// database and the broker had used.
type sample struct {
	at  time.Time
	end int64
	cpu [3]time.Duration
}

// sample takes one of a process.
func (r *rig) sample(b *testing.B, pid int, end int64) sample {
	b.Helper()
	s := sample{at: time.Now(), end: end}
	for i, pid := range []int{pid, r.db.PID(), r.broker.PID()} {
		var err error
		if s.cpu[i], err = cpuOf(pid); err != nil {
			b.Fatal(err)
		}
	}
	return s
}

// drained is what carrying rows into a topic took.
type drained struct {
	rate  float64 // rows/s in the second half: warm
	whole float64 // rows/s from the first rows to the last
	cpu   float64 // µs a row in the second half
	// database and broker are what these used at the same time.
	database, broker float64
}

// between is what the rows between two samples took.
func between(from, to sample) drained {
	cpu := func(i int) float64 {
		return float64((to.cpu[i] - from.cpu[i]).Nanoseconds()) / 1e3 / float64(to.end-from.end)
	}
	return drained{rate: perSecond(from, to), whole: perSecond(from, to), cpu: cpu(0), database: cpu(1), broker: cpu(2)}
}

// sum is µs of processor time a row, of all three.
func (d drained) sum() float64 { return d.cpu + d.database + d.broker }

// drain waits until the topic has n rows more than from, the committed end
// before the engine ran, and then counts them.
func (r *rig) drain(b *testing.B, e engine, from int64, n int) drained {
	b.Helper()
	began := time.Now()
	var first, half, last sample
	launch := sample{at: began, end: from}
	for last.end-from < int64(n) {
		time.Sleep(5 * time.Millisecond)
		if err := e.alive(); err != nil {
			b.Fatal(err)
		}
		last = r.sample(b, e.pid(), r.end(b, e.topic()))
		if first.at.IsZero() && last.end > from {
			first = last
		}
		if half.at.IsZero() && last.end-from >= int64(n)/2 {
			half = last
		}
		if launch.cpu[0] == 0 {
			launch.cpu = last.cpu
		}
		if time.Since(began) > 10*time.Minute {
			b.Fatalf("%s: %d of %d rows", e.name(), last.end-from, n)
		}
	}
	if got := r.count(b, e.topic(), from); got < n {
		b.Fatalf("%s: %d of %d rows in the topic", e.name(), got, n)
	} else if got > n {
		fmt.Printf("# %s wrote %d rows for %d\n", e.name(), got, n)
	}
	// Few rows may come all at once, or nearly.
	switch {
	case first.end == last.end:
		first, half = launch, launch
	case half.end == last.end:
		half = first
	}
	d := between(half, last)
	d.whole = perSecond(first, last)
	return d
}

func perSecond(from, to sample) float64 {
	return float64(to.end-from.end) / to.at.Sub(from.at).Seconds()
}

// count reads the topic from an offset on to its end, once that is quiet.
func (r *rig) count(b *testing.B, topic string, from int64) (n int) {
	b.Helper()
	for before := int64(-1); before != r.end(b, topic); time.Sleep(700 * time.Millisecond) {
		before = r.end(b, topic)
	}
	_, err := broker.ScanFrom(b.Context(), r.conn, broker.Offsets{topic: {0: from}}, func(rec *kgo.Record) error {
		if len(rec.Value) > 0 {
			n++
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// watch reports each row of the topic as a read-committed consumer sees it, by
// its number, from its present end on.
func (r *rig) watch(ctx context.Context, b *testing.B, e engine) *sightings {
	b.Helper()
	s := &sightings{at: map[int]time.Time{}}
	client, err := r.conn.Client(kgo.FetchMaxWait(500*time.Millisecond),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{e.topic(): {0: kgo.NewOffset().At(r.end(b, e.topic()))}}))
	if err != nil {
		b.Fatal(err)
	}
	s.done.Go(func() {
		defer client.Close()
		for ctx.Err() == nil {
			client.PollFetches(ctx).EachRecord(func(rec *kgo.Record) { s.see(e.id(rec), time.Now()) })
		}
	})
	return s
}

// sightings is when rows were seen first.
type sightings struct {
	mu   sync.Mutex
	at   map[int]time.Time
	done sync.WaitGroup
}

func (s *sightings) see(id int, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.at[id].IsZero() {
		s.at[id] = at
	}
}

func (s *sightings) of(id int) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at[id]
}

// wait waits for a row.
func (s *sightings) wait(b *testing.B, e engine, id int) time.Time {
	b.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(time.Millisecond) {
		if at := s.of(id); !at.IsZero() {
			return at
		}
		if err := e.alive(); err != nil {
			b.Fatal(err)
		}
		if time.Now().After(deadline) {
			b.Fatalf("%s: row %d was never seen", e.name(), id)
		}
	}
}

// one inserts a row and gives its number, and when its commit had returned.
func (r *rig) one(b *testing.B) (id int, at time.Time) {
	b.Helper()
	r.next++
	if _, err := r.pool.ExecContext(b.Context(), fillOne(r.next)); err != nil {
		b.Fatal(err)
	}
	return r.next, time.Now()
}

// started is how long a launch takes to its first row, which is written while
// nothing runs.
func (r *rig) started(b *testing.B, e engine) time.Duration {
	b.Helper()
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	seen := r.watch(ctx, b, e)
	id, _ := r.one(b)
	began := time.Now()
	e.run(b)
	return seen.wait(b, e, id).Sub(began)
}

// latency writes single rows at a rate, warm and then for so long, and gives
// what each took from the client's return of its commit to being readable.
func (r *rig) latency(b *testing.B, e engine, rate int, warm, measured time.Duration) []time.Duration {
	b.Helper()
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	seen := r.watch(ctx, b, e)
	n := int(float64(rate) * (warm + measured).Seconds())
	first := r.next + 1
	r.next += n
	committed := make([]time.Time, n)
	errs := make([]error, n)
	due := make(chan int, n)
	var writers sync.WaitGroup
	for range 8 {
		writers.Go(func() {
			for i := range due {
				_, errs[i] = r.pool.ExecContext(b.Context(), fillOne(first+i))
				committed[i] = time.Now()
			}
		})
	}
	for i, began := 0, time.Now(); i < n; i++ {
		time.Sleep(time.Until(began.Add(time.Duration(i) * time.Second / time.Duration(rate))))
		due <- i
	}
	close(due)
	writers.Wait()
	var took []time.Duration
	for i := range n {
		if errs[i] != nil {
			b.Fatal(errs[i])
		}
		at := seen.wait(b, e, first+i)
		if i >= int(float64(rate)*warm.Seconds()) {
			took = append(took, at.Sub(committed[i]))
		}
	}
	slices.Sort(took)
	return took
}

// quantile is of a sorted list.
func quantile(list []time.Duration, q float64) time.Duration {
	return list[min(len(list)-1, int(float64(len(list))*q))]
}

// median of a list that it sorts.
func median[T float64 | time.Duration](list []T) T {
	slices.Sort(list)
	return list[len(list)/2]
}
