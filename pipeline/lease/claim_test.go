package lease_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"chartwire/pipeline/broker"
	"chartwire/pipeline/broker/brokertest"
	"chartwire/pipeline/lease"

	"github.com/twmb/franz-go/pkg/kgo"
)

// journal keeps what is logged, a line each, with its level first.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) Enabled(context.Context, slog.Level) bool { return true }
func (j *journal) WithAttrs([]slog.Attr) slog.Handler       { return j }
func (j *journal) WithGroup(string) slog.Handler            { return j }
func (j *journal) Handle(_ context.Context, r slog.Record) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, r.Level.String()+" "+r.Message)
	return nil
}

// having gives the lines that begin so.
func (j *journal) having(prefix string) (found []string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, line := range j.lines {
		if strings.HasPrefix(line, prefix) {
			found = append(found, line)
		}
	}
	return found
}

// testAtOnce starts processes together, as a deployment does: one holds the
// lease, the others stand by, and nobody is alarmed.
func testAtOnce(t *testing.T, c broker.Config) {
	const n = 5
	held := make(chan int, 10*n)
	journals := make([]*journal, n)
	for i := range n {
		journals[i] = &journal{}
		o := options(t, c, "a")
		o.Log = slog.New(journals[i])
		run(t, o, func(ctx context.Context, _ *lease.Producer) error {
			held <- i
			<-ctx.Done()
			return context.Cause(ctx)
		})
	}
	stand := func() (standing, holding int) {
		for _, j := range journals {
			j.mu.Lock()
			switch last := j.lines; {
			case len(last) == 0:
			case last[len(last)-1] == "INFO standing by":
				standing++
			case last[len(last)-1] == "INFO lease taken":
				holding++
			}
			j.mu.Unlock()
		}
		return standing, holding
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		standing, holding := stand()
		if standing == n-1 && holding == 1 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d stand by, %d hold the lease", standing, holding)
		}
	}
	for i, j := range journals {
		if alarms := append(j.having("WARN"), j.having("ERROR")...); len(alarms) > 0 {
			t.Errorf("process %d: %q", i, alarms)
		}
	}
}

// TestClaimBeforeTheEnd has a process take the lease from one that owns the stage
// for a term more. If it ends meanwhile, that is not the end of the stage's owner:
// its claim does not name its process before.
func TestClaimBeforeTheEnd(t *testing.T) {
	t.Parallel()
	if lease.ProcessOf(os.Getpid()) == "" {
		t.Skip("processes have no names here")
	}
	c := brokertest.Start(t)
	o := options(t, c, "a")
	topic := o.Topics.Lease(o.Stage, o.Name)
	cl := leaseTopic(t, c, topic)
	owner := `{"holder":"other","host":"there","fingerprint":"a","state":"held"}`
	if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Key: []byte("k"), Value: []byte(owner)}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	own, err := c.Client(kgo.TransactionalID("t." + o.Stage + "." + o.Name))
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	start := time.Now()
	if err := lease.Take(t.Context(), o, own, 0); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took < lease.Term {
		t.Errorf("taken after %s, in the owner's term", took)
	}
	claims := read(t, c, topic)[1:]
	for i, text := range claims {
		var claim struct{ State, Process string }
		if err := json.Unmarshal([]byte(text), &claim); err != nil {
			t.Fatal(err)
		}
		if last := i == len(claims)-1; claim.State != "held" || (claim.Process != "") != last {
			t.Errorf("claim %d of %d: %s", i+1, len(claims), text)
		}
	}
}

// leaseTopic makes a topic of leases, and gives a client that writes to it.
func leaseTopic(t *testing.T, c broker.Config, topic string) *kgo.Client {
	t.Helper()
	cl, err := c.Client()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	if err := broker.EnsureTopics(t.Context(), cl, c, broker.Lease(topic)); err != nil {
		t.Fatal(err)
	}
	return cl
}
