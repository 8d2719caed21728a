package pipeline_test

import (
	"flag"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"chartwire/integration/faults"
	"chartwire/pipeline/broker"
	"chartwire/schemas"
)

// captureChild makes a run of the tests a capture on the brokers it names.
const captureChild = "CHARTWIRE_TEST_CAPTURE"

var seed = flag.Uint64("seed", uint64(time.Now().UnixNano()), "of the random tests of capture")

// processStand has a bank that lasts about a quarter of a minute.
func processStand(t *testing.T, conn broker.Config) *stand {
	s := &stand{T: t, conn: conn, topics: schemas.Topics{Prefix: "processes"}, bank: newBank()}
	s.bank.txns, s.bank.large = 8_000, 300
	s.bank.every.Store(int64(time.Millisecond))
	return s
}

// TestCaptureChild is the process that TestCaptureProcesses starts.
func TestCaptureChild(t *testing.T) {
	brokers := os.Getenv(captureChild)
	if brokers == "" {
		t.Skip("no test: a process of TestCaptureProcesses")
	}
	s := processStand(t, broker.Config{Brokers: strings.Split(brokers, ",")})
	s.run(s.conn)
	time.Sleep(5 * time.Minute) // it is killed before
}

// TestCaptureProcesses runs three captures and kills one, or stops it for
// longer than its lease, at random moments.
func TestCaptureProcesses(t *testing.T) {
	faults.Shows(t, "takeover-killed", "a standby takes over: every change once and in order")
	faults.Shows(t, "split-brain", "one that was stopped longer than its lease is fenced when it wakes")
	s := processStand(t, sharedKafka(t))
	t.Logf("-seed %d", *seed)
	rng := rand.New(rand.NewPCG(*seed, 0))
	start := func() *exec.Cmd {
		cmd := exec.Command(os.Args[0], "-test.run=^TestCaptureChild$")
		cmd.Env = append(os.Environ(), captureChild+"="+strings.Join(s.conn.Brokers, ","))
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		})
		return cmd
	}
	children := []*exec.Cmd{start(), start(), start()}
	s.untilCut(1)
	for range 6 {
		time.Sleep(time.Duration(rng.IntN(1000)) * time.Millisecond)
		i := rng.IntN(len(children))
		if rng.IntN(2) == 0 {
			_ = children[i].Process.Kill()
			children[i] = start()
			continue
		}
		if err := children[i].Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second + time.Duration(rng.IntN(1500))*time.Millisecond)
		if err := children[i].Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
	}
	s.untilCut(s.bank.txns)
	s.verify(s.bank.txns)
}
