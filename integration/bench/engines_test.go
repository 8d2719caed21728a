package bench_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"chartwire/cdc"
	"chartwire/integration/servers"
	"chartwire/pipeline"
	"chartwire/schemas"
	"chartwire/sinks/hubspot/hubspottest"

	"github.com/twmb/franz-go/pkg/kgo"
)

// engine is a process that carries the table reference into a topic: ours, or
// the one beside it.
type engine interface {
	name() string
	topic() string
	// run goes on where it stopped, or begins; rest stops it so that the next
	// run goes on there, kill as a crash would.
	run(*testing.B)
	rest(*testing.B)
	kill(*testing.B)
	// pid is that of its process while it runs, alive why it does not.
	pid() int
	alive() error
	// peak is the most memory that its processes ever had.
	peak(*testing.B) int64
	id(*kgo.Record) int
}

// chartwire is `chartwire capture` in a process of its own.
type chartwire struct {
	bin, dir, prefix string
	http             string // where it says how it stands
	env, args        []string
	cmd              *exec.Cmd
	log              *os.File
	done             chan struct{}
	high             int64
}

// build compiles the binary once for all benchmarks of this run.
func build(b *testing.B) string {
	b.Helper()
	dir, err := os.MkdirTemp("", "chartwire-bench")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = os.RemoveAll(dir) })
	bin := filepath.Join(dir, "chartwire")
	if out, err := exec.Command("go", "build", "-o", bin, "chartwire/cmd/chartwire").CombinedOutput(); err != nil {
		b.Fatalf("building: %v\n%s", err, out)
	}
	return bin
}

// newChartwire configures a capture of the table. more is what the source's
// section has beside, such as ", snapshot: {…}".
func newChartwire(b *testing.B, bin string, r *rig, prefix, more string) *chartwire {
	b.Helper()
	c := &chartwire{bin: bin, dir: b.TempDir(), prefix: prefix}
	maps, err := filepath.Abs("testdata/maps")
	if err != nil {
		b.Fatal(err)
	}
	c.http = fmt.Sprintf("127.0.0.1:%d", port(b))
	file := filepath.Join(c.dir, "chartwire.yaml")
	text := fmt.Sprintf(`installation: %s
data: %s
http: {address: "%s"}
kafka: {brokers: ["%s"]}
registry: %s
maps: %s
sources:
  src: {kind: bench, address: "%s", database: bench, user: %s, password: "${DB}", zone: UTC%s}
sinks:
  hubspot: {url: "http://127.0.0.1:9", token: "${TOKEN}", portal: 24117000, share: 100%%}
flows:
  bench: {maps: [bench/reference]}
`, prefix, filepath.Join(c.dir, "data"), c.http, r.kafka, r.registry, maps, r.db.Addr, r.db.User, more)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	c.env = append(os.Environ(), "DB="+r.db.Password, "TOKEN="+hubspottest.DefaultToken)
	c.args = []string{"capture", "-c", file}
	if c.log, err = os.Create(filepath.Join(c.dir, "log")); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if c.cmd != nil && c.alive() == nil {
			c.kill(b)
		}
		_ = c.log.Close()
	})
	return c
}

func (c *chartwire) name() string { return "Chartwire" }

func (c *chartwire) topic() string {
	topics := schemas.Topics{Prefix: c.prefix}
	return topics.Rows("src", cdc.TableID{Database: "bench", Name: "reference"})
}

func (c *chartwire) run(b *testing.B) {
	b.Helper()
	c.cmd = exec.Command(c.bin, c.args...)
	c.cmd.Env, c.cmd.Stdout, c.cmd.Stderr = c.env, c.log, c.log
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := c.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	c.done = make(chan struct{})
	go func(cmd *exec.Cmd, done chan struct{}) {
		_ = cmd.Wait()
		close(done)
	}(c.cmd, c.done)
}

func (c *chartwire) rest(b *testing.B) { c.end(b, syscall.SIGTERM) }
func (c *chartwire) kill(b *testing.B) { c.end(b, syscall.SIGKILL) }

func (c *chartwire) end(b *testing.B, s syscall.Signal) {
	b.Helper()
	c.peak(b)
	if err := c.cmd.Process.Signal(s); err != nil {
		b.Fatalf("ending capture: %v: %s", err, c.said())
	}
	select {
	case <-c.done:
	case <-time.After(30 * time.Second):
		b.Fatalf("capture does not end: %s", c.said())
	}
}

func (c *chartwire) pid() int { return c.cmd.Process.Pid }

func (c *chartwire) alive() error {
	select {
	case <-c.done:
		return fmt.Errorf("capture ended by itself: %s", c.said())
	default:
		return nil
	}
}

// said is the end of its log.
func (c *chartwire) said() string {
	text, err := os.ReadFile(c.log.Name())
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-2000):])
}

func (c *chartwire) peak(b *testing.B) int64 {
	b.Helper()
	if c.alive() == nil {
		c.high = max(c.high, peakOf(b, c.pid()))
	}
	return c.high
}

func (c *chartwire) id(r *kgo.Record) int {
	n, _ := strconv.Atoi(string(r.Key))
	return n
}

// debezium is the connector beside it.
type debezium struct {
	d       *servers.Debezium
	prefix  string
	running bool // the worker
	prompts bool
	high    int64
}

func newDebezium(b *testing.B, r *rig, prefix string) *debezium {
	b.Helper()
	d, err := servers.NewDebezium(b.TempDir(), servers.DebeziumOptions{DB: r.db, Kafka: r.kafka, Prefix: prefix, Table: "bench.reference", Name: "bench"})
	if err != nil {
		b.Fatal(err)
	}
	e := &debezium{d: d, prefix: prefix}
	b.Cleanup(func() {
		if e.running {
			d.Kill()
		}
	})
	return e
}

func (e *debezium) name() string  { return "Debezium" }
func (e *debezium) topic() string { return e.prefix + ".bench.reference" }

func (e *debezium) run(b *testing.B) {
	b.Helper()
	start := e.d.Resume
	if !e.running {
		start = e.d.Start
	}
	if err := start(); err != nil {
		b.Fatalf("starting Debezium: %v", err)
	}
	e.running = true
}

func (e *debezium) rest(b *testing.B) {
	b.Helper()
	if err := e.d.Pause(); err != nil {
		b.Fatalf("stopping Debezium's connector: %v", err)
	}
}

func (e *debezium) kill(b *testing.B) {
	b.Helper()
	e.peak(b)
	e.d.Kill()
	e.running = false
}

func (e *debezium) pid() int { return e.d.PID() }

// prompt ends it, unless it has been told to send each change at once.
func (e *debezium) prompt(b *testing.B) {
	b.Helper()
	if e.prompts {
		return
	}
	if e.running {
		e.kill(b)
	}
	if err := e.d.Prompt(); err != nil {
		b.Fatal(err)
	}
	e.prompts = true
}

func (e *debezium) alive() error {
	if _, err := cpuOf(e.pid()); err != nil {
		return fmt.Errorf("Debezium ended by itself: %s", e.d.Log())
	}
	return nil
}

func (e *debezium) peak(b *testing.B) int64 {
	b.Helper()
	if e.running {
		e.high = max(e.high, peakOf(b, e.pid()))
	}
	return e.high
}

func (e *debezium) id(r *kgo.Record) int {
	var key struct{ ID int }
	_ = json.Unmarshal(r.Key, &key)
	return key.ID
}

func peakOf(b *testing.B, pid int) int64 {
	b.Helper()
	n, err := memoryOf(pid, "VmHWM")
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// loaded reports whether the first read of the table is done.
func (c *chartwire) loaded() bool {
	client := &http.Client{Timeout: 2 * time.Second}
	resp, err := client.Get("http://" + c.http + "/status")
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	var reports []struct{ Status pipeline.CaptureStatus }
	if err := json.NewDecoder(resp.Body).Decode(&reports); err != nil || len(reports) != 1 || len(reports[0].Status.Cut.Loads) == 0 {
		return false
	}
	for _, l := range reports[0].Status.Cut.Loads {
		if l.Phase != cdc.LoadDone {
			return false
		}
	}
	return true
}
