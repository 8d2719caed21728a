package integration_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"chartwire/integration/servers"
)

// What one run of the tests makes once: the binary, and the servers that tests
// share, each under an installation name of its own.
var (
	scratch string

	binaryOnce = sync.OnceValues(buildBinary)
	kafkaOnce  = sync.OnceValues(func() (*servers.Cluster, error) {
		c, err := servers.StartKafka(filepath.Join(scratch, "kafka"), servers.ClusterOptions{})
		if err == nil {
			atEnd(c.Close) // before its folder is removed
		}
		return c, err
	})
	registryOnce = sync.OnceValues(func() (string, error) {
		url, p, err := servers.StartRegistry()
		if err == nil {
			atEnd(p.Kill)
		}
		return url, err
	})

	endings   []func()
	endingsMu sync.Mutex
)

func atEnd(f func()) {
	endingsMu.Lock()
	defer endingsMu.Unlock()
	endings = append(endings, f)
}

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if scratch, err = os.MkdirTemp("", "chartwire-roads-"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(scratch)
		defer func() {
			for _, f := range endings {
				f()
			}
		}()
		return m.Run()
	}())
}

// buildBinary builds chartwire, with the race detector when the tests have it.
func buildBinary() (string, error) {
	out := filepath.Join(scratch, "chartwire")
	args := []string{"build", "-o", out}
	if raceDetector {
		args = append(args, "-race")
	}
	if text, err := exec.Command("go", append(args, "chartwire/cmd/chartwire")...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("building chartwire: %w: %s", err, text)
	}
	return out, nil
}

func binary(t testing.TB) string {
	t.Helper()
	path, err := binaryOnce()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// sharedKafka is the broker of the tests that do not break it.
func sharedKafka(t testing.TB) string {
	t.Helper()
	c, err := kafkaOnce()
	if err != nil {
		t.Fatalf("starting kafka: %v", err)
	}
	return c.Addr
}

func sharedRegistry(t testing.TB) string {
	t.Helper()
	url, err := registryOnce()
	if err != nil {
		t.Fatalf("starting the schema registry: %v", err)
	}
	return url
}
