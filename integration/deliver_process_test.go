package integration_test

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"chartwire/integration/servers"
	"chartwire/pipeline"
	"chartwire/pipeline/broker"
	"chartwire/schemas"
	"chartwire/sinks/hubspot/hubspottest"
)

// A run of the tests with these in its environment is a Deliver.
const (
	childBrokers = "CHARTWIRE_TEST_DELIVER_BROKERS"
	childHubSpot = "CHARTWIRE_TEST_DELIVER_HUBSPOT"
	childFolder  = "CHARTWIRE_TEST_DELIVER_FOLDER"
)

// childTimeout is longer than a lease lasts: an answer may come when another
// holds the sink.
const childTimeout = 3 * time.Second

// TestDeliverChild is the process that TestDeliverProcesses starts.
func TestDeliverChild(t *testing.T) {
	brokers := os.Getenv(childBrokers)
	if brokers == "" {
		t.Skip("no test: a process of TestDeliverProcesses")
	}
	d, err := pipeline.NewDeliver(pipeline.DeliverOptions{Sink: deliverySink(t, os.Getenv(childHubSpot), childTimeout), Flows: []string{deliverFlow},
		Connection: broker.Config{Brokers: strings.Split(brokers, ",")}, Topics: schemas.Topics{Prefix: "t"},
		Dir: os.Getenv(childFolder), Fingerprint: "a", CallTimeout: childTimeout})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Run(t.Context()); err != nil { // it is killed before
		t.Fatal(err)
	}
}

// TestDeliverProcesses runs three Delivers that share a folder, and kills one,
// or stops it for longer than its lease, at random moments, while patients flip
// between values and HubSpot answers slowly or not at all.
func TestDeliverProcesses(t *testing.T) {
	d := newDelivery(t, broker.Config{Brokers: strings.Split(servers.Kafka(t).Addr, ",")}, hubspottest.Options{})
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for _, f := range []hubspottest.Fault{
		{Kind: hubspottest.AnswerLost, Probability: 0.05},
		{Kind: hubspottest.SlowAnswer, Probability: 0.05, Latency: hubspottest.Latency{Fixed: 2500 * time.Millisecond}},
		{Kind: hubspottest.Slow, Probability: 0.05, Latency: hubspottest.Latency{Fixed: 2500 * time.Millisecond}},
	} {
		f.Path = "/contacts/batch/"
		d.sim.Inject(f)
	}
	folder := t.TempDir()
	start := func() *exec.Cmd {
		cmd := exec.Command(os.Args[0], "-test.run=^TestDeliverChild$")
		cmd.Env = append(os.Environ(), childBrokers+"="+strings.Join(d.c.Brokers, ","), childHubSpot+"="+d.url, childFolder+"="+folder)
		cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
		d.must(cmd.Start())
		t.Cleanup(func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		})
		return cmd
	}
	children := []*exec.Cmd{start(), start(), start()}
	for range 10 {
		for range 30 {
			d.anything(r)
			time.Sleep(time.Duration(r.IntN(60)) * time.Millisecond)
		}
		i := r.IntN(len(children))
		if r.IntN(2) == 0 {
			_ = children[i].Process.Kill()
			children[i] = start()
			continue
		}
		stopped := children[i].Process
		d.must(stopped.Signal(syscall.SIGSTOP))
		time.AfterFunc(time.Second+time.Duration(r.IntN(4000))*time.Millisecond, func() { _ = stopped.Signal(syscall.SIGCONT) })
	}
	d.sim.Clear()
	d.settle(2 * time.Minute)
	time.Sleep(childTimeout) // what is still in the air lands
	d.equal()
}
