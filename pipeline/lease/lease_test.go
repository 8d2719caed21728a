package lease_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"chartwire/cdc"
	"chartwire/integration/faults"
	"chartwire/integration/servers"
	"chartwire/pipeline/broker"
	"chartwire/pipeline/broker/brokertest"
	"chartwire/pipeline/lease"
	"chartwire/schemas"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// What a lease promises, on the broker in the process and on a real one.
var promises = []struct {
	name string
	test func(t *testing.T, c broker.Config)
}{
	{"commit is all or nothing", testCommit},
	{"renewals keep coming", testRenewals},
	{"a standby takes what was given back", testGivenBack},
	{"all that start at once stand by in peace", testAtOnce},
	{"a stopped holder is fenced", testStoppedHolder},
	{"another configuration is refused", testRefused},
	{"a commit that never arrived is done again", func(t *testing.T, c broker.Config) { testDoubt(t, c, brokertest.Drop) }},
	{"a commit without an answer is done once", func(t *testing.T, c broker.Config) { testDoubt(t, c, brokertest.Silent) }},
	{"a failing work is called again", testFailingWork},
	{"a record too large is named", testTooLarge},
	{"what is sent is seen with its commit", testSend},
	{"a transaction that work left is nothing", testAbandoned},
}

func TestLeaseInProcess(t *testing.T) {
	for _, p := range promises {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			p.test(t, brokertest.Start(t))
		})
	}
}

func TestLeaseKafka(t *testing.T) {
	c := broker.Config{Brokers: strings.Split(servers.Kafka(t).Addr, ",")}
	for i, p := range promises {
		t.Run(p.name, func(t *testing.T) {
			prefix = func() string { return fmt.Sprintf("t%d", i) }
			p.test(t, c)
		})
	}
}

// prefix is another one for each test that shares a cluster.
var prefix = func() string { return "t" }

const data = "data"

func topic(t *testing.T, c broker.Config) string {
	t.Helper()
	cl, err := c.Client()
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	name := prefix() + "." + data
	if err := broker.EnsureTopics(t.Context(), cl, c, broker.Topic{Name: name}); err != nil {
		t.Fatal(err)
	}
	return name
}

func record(topic, value string) *kgo.Record { return &kgo.Record{Topic: topic, Value: []byte(value)} }

// read gives the values of the committed records of a topic.
func read(t *testing.T, c broker.Config, topic string) []string {
	t.Helper()
	var got []string
	if _, err := broker.Scan(t.Context(), c, func(r *kgo.Record) error {
		got = append(got, string(r.Value))
		return nil
	}, topic); err != nil {
		t.Fatal(err)
	}
	return got
}

// holder is one process that wants the lease.
type holder struct {
	stop context.CancelFunc
	done chan error
	got  chan *lease.Producer // each time work is called
}

func options(t *testing.T, c broker.Config, fingerprint string) lease.Options {
	return lease.Options{Connection: c, Topics: schemas.Topics{Prefix: prefix()}, Stage: "capture", Name: "shop", Fingerprint: fingerprint,
		Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
}

func run(t *testing.T, o lease.Options, work func(context.Context, *lease.Producer) error) *holder {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	h := &holder{stop: cancel, done: make(chan error, 1), got: make(chan *lease.Producer, 10)}
	if work == nil {
		work = func(ctx context.Context, _ *lease.Producer) error {
			<-ctx.Done()
			return context.Cause(ctx)
		}
	}
	go func() {
		h.done <- lease.Run(ctx, o, func(ctx context.Context, p *lease.Producer) error {
			h.got <- p
			return work(ctx, p)
		})
	}()
	t.Cleanup(func() {
		cancel()
		select {
		case <-h.done:
		case <-time.After(30 * time.Second):
			t.Error("Run did not end")
		}
	})
	return h
}

func (h *holder) wait(t *testing.T, d time.Duration) *lease.Producer {
	t.Helper()
	select {
	case p := <-h.got:
		return p
	case err := <-h.done:
		h.done <- err
		t.Fatalf("Run ended: %v", err)
	case <-time.After(d):
		t.Fatalf("no lease within %s", d)
	}
	return nil
}

func testCommit(t *testing.T, c broker.Config) {
	topic := topic(t, c)
	p := run(t, options(t, c, "a"), nil).wait(t, time.Minute)
	p.Produce(record(topic, "1"), record(topic, "2"))
	if err := p.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.Produce(record(topic, "never"))
	if got := read(t, c, topic); !slices.Equal(got, []string{"1", "2"}) {
		t.Errorf("before a commit: %q", got)
	}
	p.Abort()
	if p.Buffered() != 0 {
		t.Errorf("Abort left %d bytes", p.Buffered())
	}
	p.Produce(record(topic, "3"))
	if err := p.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := p.Commit(t.Context()); err != nil {
		t.Errorf("an empty commit: %v", err)
	}
	if got := read(t, c, topic); !slices.Equal(got, []string{"1", "2", "3"}) {
		t.Errorf("got %q", got)
	}
}

// testRenewals looks at an idle holder and at one that commits all the time.
func testRenewals(t *testing.T, c broker.Config) {
	topic := topic(t, c)
	o := options(t, c, "a")
	p := run(t, o, nil).wait(t, time.Minute)
	claims := func() int { return len(read(t, c, o.Topics.Lease(o.Stage, o.Name))) }
	span := func(f func()) (perSecond float64) {
		before, start := claims(), time.Now()
		for time.Since(start) < 2*time.Second {
			f()
			if left := time.Until(p.Until()); left < 0 {
				t.Errorf("the lease was over for %s", -left)
			}
		}
		return float64(claims()-before) / time.Since(start).Seconds()
	}
	if n := span(func() { time.Sleep(10 * time.Millisecond) }); n < 1.5 {
		t.Errorf("idle: %.1f renewals a second", n)
	}
	commits := 0
	n := span(func() {
		commits++
		p.Produce(record(topic, "x"))
		if err := p.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	if n < 1.5 || n > 10 {
		t.Errorf("busy: %.1f renewals a second", n)
	}
	if got := len(read(t, c, topic)); got != commits {
		t.Errorf("%d records of %d commits", got, commits)
	}
}

func testGivenBack(t *testing.T, c broker.Config) {
	a := run(t, options(t, c, "a"), nil)
	a.wait(t, time.Minute)
	b := run(t, options(t, c, "a"), nil)
	select {
	case <-b.got:
		t.Fatal("two holders")
	case <-time.After(lease.Term + lease.Term/2):
	}
	a.stop()
	if err := <-a.done; err != nil {
		t.Errorf("Run: %v", err)
	}
	a.done <- nil
	b.wait(t, time.Minute)
}

func testStoppedHolder(t *testing.T, c broker.Config) {
	topic := topic(t, c)
	road, ac := brokertest.NewRoad(c)
	failed := make(chan error, 10)
	a := run(t, options(t, ac, "a"), func(ctx context.Context, p *lease.Producer) error {
		for n := 0; ; n++ {
			p.Produce(record(topic, "old"))
			if err := p.Commit(ctx); err != nil {
				failed <- err
				return err
			}
			time.Sleep(5 * time.Millisecond)
		}
	})
	pa := a.wait(t, time.Minute)
	b := run(t, options(t, c, "a"), nil)
	time.Sleep(lease.Term)
	road.Block()
	blocked := time.Now()
	pb := b.wait(t, time.Minute)
	if took := time.Since(blocked); took < lease.Term-lease.Renewal {
		t.Errorf("taken over after %s", took)
	}
	if until := pa.Until(); time.Now().Before(until) {
		t.Errorf("taken over %s before the old holder's end", time.Until(until))
	}
	before := read(t, c, topic)
	road.Unblock()
	if err := <-failed; !errors.Is(err, lease.ErrLost) {
		t.Errorf("the old holder's commit: %v", err)
	}
	pb.Produce(record(topic, "new"))
	if err := pb.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := read(t, c, topic); !slices.Equal(got, append(before, "new")) {
		t.Errorf("the old holder wrote %d records after it was fenced", len(got)-len(before)-1)
	}
	select {
	case <-a.got:
		t.Error("the old holder fenced back")
	case <-time.After(lease.Term + lease.Term/2):
	}
	b.stop()
	a.wait(t, time.Minute)
}

func testRefused(t *testing.T, c broker.Config) {
	faults.Shows(t, "lease-refused", "is refused with the name of who is there")
	a := run(t, options(t, c, "production"), nil)
	a.wait(t, time.Minute)
	b := run(t, options(t, c, "test"), nil)
	err := <-b.done
	b.done <- err
	if cdc.HaltCode(err) != "lease-refused" {
		t.Fatalf("got %v", err)
	}
	a.stop()
	<-a.done
	a.done <- nil
	run(t, options(t, c, "test"), nil).wait(t, time.Minute)
}

// testDoubt loses the end of a transaction, or its answer. Whatever Commit
// says of it, the next work sees what was committed, and nothing is lost or
// written twice by one that looks first.
func testDoubt(t *testing.T, c broker.Config, what brokertest.Passage) {
	topic := topic(t, c)
	road, rc := brokertest.NewRoad(c)
	var armed, hit atomic.Bool
	road.On(kmsg.EndTxn.Int16(), func() brokertest.Passage {
		if armed.CompareAndSwap(true, false) {
			hit.Store(true)
			return what
		}
		return brokertest.Pass
	})
	var want []string
	for n := range 20 {
		want = append(want, fmt.Sprint(n))
	}
	done := make(chan struct{})
	h := run(t, options(t, rc, "a"), func(ctx context.Context, p *lease.Producer) error {
		for n := len(read(t, c, topic)); n < len(want); n++ {
			if n == 10 && !hit.Load() {
				armed.Store(true)
			}
			p.Produce(record(topic, want[n]))
			if err := p.Commit(ctx); err != nil {
				return err
			}
		}
		close(done)
		return nil
	})
	select {
	case <-done:
	case <-time.After(40 * time.Second):
		t.Fatal("not done")
	}
	if !hit.Load() {
		t.Fatal("no end of a transaction was lost")
	}
	if err := <-h.done; err != nil {
		t.Errorf("Run: %v", err)
	}
	h.done <- nil
	if got := read(t, c, topic); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func testFailingWork(t *testing.T, c broker.Config) {
	calls := 0
	h := run(t, options(t, c, "a"), func(ctx context.Context, p *lease.Producer) error {
		switch calls++; calls {
		case 1:
			return errors.New("the source is away")
		case 2:
			return cdc.Haltf("stopped", "for a person")
		}
		return nil
	})
	err := <-h.done
	h.done <- err
	if cdc.HaltCode(err) != "stopped" || calls != 2 {
		t.Errorf("got %v after %d calls", err, calls)
	}
}

func testTooLarge(t *testing.T, c broker.Config) {
	topic := topic(t, c)
	p := run(t, options(t, c, "a"), nil).wait(t, time.Minute)
	p.Produce(&kgo.Record{Topic: topic, Value: make([]byte, broker.MaxRecordBytes)})
	if err := p.Commit(t.Context()); cdc.HaltCode(err) != "record-too-large" {
		t.Errorf("got %v", err)
	}
	p.Abort()
	large := make([]byte, broker.MaxRecordBytes-(32<<10))
	for i := range large { // nothing that compresses
		large[i] = byte(i*i>>3 ^ i>>11)
	}
	p.Produce(&kgo.Record{Topic: topic, Value: large})
	if err := p.Commit(t.Context()); err != nil {
		t.Errorf("a record of %d bytes: %v", len(large), err)
	}
}
