package lease_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"chartwire/pipeline/broker/brokertest"
	"chartwire/pipeline/lease"

	"github.com/twmb/franz-go/pkg/kgo"
)

// TestHolderGone has a holder whose claim is renewed without end, so that
// silence says nothing: a standby takes the lease when the holder's process has
// ended, and not before.
func TestHolderGone(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("a process that is gone is known on Linux alone")
	}
	c := brokertest.Start(t)
	o := options(t, c, "a")
	topic := o.Topics.Lease(o.Stage, o.Name)
	cl := leaseTopic(t, c, topic)
	cmd := exec.Command("sleep", "600")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill() }()
	claim, err := json.Marshal(map[string]string{"holder": "other", "host": "here", "fingerprint": "a", "state": "held", "process": lease.ProcessOf(cmd.Process.Pid)})
	if err != nil {
		t.Fatal(err)
	}
	renew := func() {
		t.Helper()
		if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Key: []byte("k"), Value: claim}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	renew()
	standby := run(t, o, nil)
	for range 10 {
		renew()
		select {
		case <-standby.got:
			t.Fatal("taken from a process that is there")
		case <-time.After(lease.Renewal):
		}
	}
	if err := cmd.Process.Kill(); err != nil { // not waited for: its number is still taken
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); ; {
		renew()
		select {
		case <-standby.got:
			return
		case <-time.After(lease.Renewal / 5):
		}
		if time.Now().After(deadline) {
			t.Fatal("never taken")
		}
	}
}

func TestProcessGone(t *testing.T) {
	t.Parallel()
	me := lease.ProcessOf(os.Getpid())
	if me == "" {
		t.Skip("processes have no names here")
	}
	part := strings.Split(me, "/")
	name := func(at int, value string) string {
		p := append([]string{}, part...)
		p[at] = value
		return strings.Join(p, "/")
	}
	f := func(name string, want bool) {
		t.Helper()
		if got := lease.Gone(name); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
	f(me, false)
	f("", false)
	f("a/b", false)
	f(name(2, "-1"), false)
	f(name(3, "1"), true)                                    // its number belongs to another
	f(name(2, "1073741824"), true)                           // more than any kernel gives
	f(strings.Replace(name(3, "1"), part[0], "x", 1), false) // another machine, or start of it
	f(strings.Replace(name(3, "1"), part[1], "pid:[1]", 1), false)
}
