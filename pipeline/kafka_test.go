package pipeline_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"chartwire/integration/servers"
	"chartwire/pipeline/broker"
)

// endings are what is left to do after all tests.
var endings []func()

func TestMain(m *testing.M) {
	code := m.Run()
	for _, f := range endings {
		f()
	}
	os.Exit(code)
}

var kafkaOnce = sync.OnceValues(func() (*servers.Cluster, error) {
	dir, err := os.MkdirTemp("", "chartwire-pipeline-")
	if err != nil {
		return nil, fmt.Errorf("making its folder: %w", err)
	}
	endings = append(endings, func() { os.RemoveAll(dir) })
	c, err := servers.StartKafka(filepath.Join(dir, "kafka"), servers.ClusterOptions{})
	if err == nil {
		endings = append([]func(){c.Close}, endings...) // before its folder is removed
	}
	return c, err
})

// sharedKafka is the broker of the tests that do not break it: each has names
// of its own for its topics, which begin with its prefix.
func sharedKafka(t testing.TB) broker.Config {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a real server: not under -short")
	}
	c, err := kafkaOnce()
	if err != nil {
		t.Fatalf("starting kafka: %v", err)
	}
	return broker.Config{Brokers: strings.Split(c.Addr, ",")}
}
