package bench_test

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"chartwire/cdc"
	"chartwire/integration/servers"
	"chartwire/pipeline/broker"
	"chartwire/schemas"
	"chartwire/schemas/maps"
	"chartwire/schemas/maps/generate"
	"chartwire/sinks/hubspot/hubspottest"
	"chartwire/sinks/notify/notifytest"

	"github.com/twmb/franz-go/pkg/kgo"
)

// BenchmarkLatency writes critical results one by one, each when the one before
// has arrived, and measures from the client's return of the commit to the row
// being readable by a read-committed consumer, and to the ticket at HubSpot's
// stand-in, whose answers take 0 or 150 ms.
func BenchmarkLatency(b *testing.B) {
	for _, latency := range []time.Duration{0, 150 * time.Millisecond} {
		b.Run("hubspot="+latency.String(), func(b *testing.B) {
			for b.Loop() {
				r := newRoad(b, latency)
				readable, answered := r.measure(b, 200)
				report(b, "readable", readable)
				report(b, "answered", answered)
				b.ReportMetric(0, "ns/op")
			}
		})
	}
}

func report(b *testing.B, name string, took []time.Duration) {
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, name+"-p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, name+"-p99-ms")
}

// road is the binary with real servers around it.
type road struct {
	pool  *sql.DB
	sim   *hubspottest.Server
	kafka string
	labs  *generate.Generator
}

func newRoad(b *testing.B, latency time.Duration) *road {
	b.Helper()
	db := servers.MariaDB(b)
	ddl := "create database clinic; use clinic;\n"
	for _, pack := range []string{"om-aggregation", "labs"} {
		text, err := maps.Files.ReadFile(pack + "/reference.sql")
		if err != nil {
			b.Fatal(err)
		}
		ddl += string(text)
	}
	if err := db.Exec(ddl); err != nil {
		b.Fatal(err)
	}
	r := &road{kafka: servers.Kafka(b).Addr, labs: generate.New(1, time.Now().UTC())}
	var err error
	if r.pool, err = db.Open("clinic"); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { r.pool.Close() })
	r.sim = hubspottest.New(hubspottest.Options{}) // with the limits of an account
	const key = "a-key-for-the-benchmark"
	sim, pages := serve(b, r.sim), serve(b, notifytest.New(key))
	start(b, r.sim, latency, []string{"DB=" + db.Password, "KEY=" + key}, fmt.Sprintf(`kafka: {brokers: ["%s"]}
registry: %s
sources:
  labs: {kind: labs, address: "%s", database: clinic, user: test, password: "${DB}", zone: UTC}
sinks:
  hubspot: {url: "%s", token: "${TOKEN}", portal: 24117000, share: 100%%}
  notify: {key: "${KEY}", link: "https://example.com", routes: {default: {url: "%s/d"}, critical-results: {url: "%s/c"}}}
flows:
  labs: {maps: [labs/lab_results]}
`, r.kafka, servers.Registry(b), db.Addr, sim, pages, pages))
	return r
}

// start provisions the account, gives its answers their latency and runs
// everything until the benchmark's end.
func start(b *testing.B, sim *hubspottest.Server, latency time.Duration, env []string, config string) {
	b.Helper()
	dir := b.TempDir()
	file := filepath.Join(dir, "chartwire.yaml")
	config = fmt.Sprintf("installation: bench\ndata: %s\nhttp: {address: \"127.0.0.1:%d\"}\n", filepath.Join(dir, "data"), port(b)) + config
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		b.Fatal(err)
	}
	env = append(append(os.Environ(), "TOKEN="+hubspottest.DefaultToken), env...)
	bin := filepath.Join(dir, "chartwire")
	for _, cmd := range []*exec.Cmd{
		exec.Command("go", "build", "-o", bin, "chartwire/cmd/chartwire"),
		exec.Command(bin, "check", "--create-properties", "-c", file),
	} {
		cmd.Env = env
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("%s: %v\n%s", cmd, err, out)
		}
	}
	sim.SetLatency(hubspottest.Latency{Fixed: latency})
	run := exec.Command(bin, "run", "-c", file)
	run.Env, run.SysProcAttr = env, &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := run.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = run.Process.Signal(syscall.SIGTERM)
		_ = run.Wait()
	})
}

func serve(b *testing.B, h http.Handler) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = srv.Serve(l) }()
	b.Cleanup(func() { _ = srv.Close() })
	return "http://" + l.Addr().String()
}

func port(b *testing.B) int {
	p, err := servers.Port()
	if err != nil {
		b.Fatal(err)
	}
	return p
}

// measure writes n critical results after some that are not counted.
func (r *road) measure(b *testing.B, n int) (readable, answered []time.Duration) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), 3*time.Minute)
	defer cancel()
	seen := r.consume(ctx, b)
	const warm = 20
	for i := range n + warm {
		statement, id := r.labs.Critical(time.Now())
		if _, err := r.pool.ExecContext(ctx, statement); err != nil {
			b.Fatal(err)
		}
		committed := time.Now()
		key := fmt.Sprintf("labs/lab_results/critical-result:%d:1", id)
		var read time.Time
		for read.IsZero() {
			select {
			case got := <-seen:
				if got.key == strconv.FormatInt(id, 10) {
					read = got.at
				}
			case <-ctx.Done():
				b.Fatalf("result %d of %d never became readable", i, n)
			}
		}
		for {
			if _, ok := r.sim.Lookup("tickets", "chartwire_ticket_key", key); ok {
				break
			}
			if ctx.Err() != nil {
				b.Fatalf("result %d of %d never became a ticket", i, n)
			}
			time.Sleep(200 * time.Microsecond)
		}
		done := time.Now()
		if i >= warm {
			readable, answered = append(readable, read.Sub(committed)), append(answered, done.Sub(committed))
		}
		// Out of step with every clock, and below the 19 calls a second that
		// HubSpot takes: what is measured is the road, not the budget.
		time.Sleep(time.Duration(60+i%23) * time.Millisecond)
	}
	return readable, answered
}

type sighting struct {
	key string
	at  time.Time
}

// consume reads the row topic as any consumer would.
func (r *road) consume(ctx context.Context, b *testing.B) <-chan sighting {
	b.Helper()
	topics := schemas.Topics{Prefix: "bench"}
	topic := topics.Rows("labs", cdc.TableID{Database: "clinic", Name: "lab_result"})
	conn := broker.Config{Brokers: []string{r.kafka}}
	client, err := conn.Client(kgo.ConsumeTopics(topic), kgo.FetchMaxWait(500*time.Millisecond), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		b.Fatal(err)
	}
	out := make(chan sighting, 1000)
	go func() {
		defer client.Close()
		for ctx.Err() == nil {
			client.PollFetches(ctx).EachRecord(func(rec *kgo.Record) { out <- sighting{string(rec.Key), time.Now()} })
		}
	}()
	return out
}
