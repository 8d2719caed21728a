package brokertest

import (
	"testing"

	"chartwire/pipeline/broker"

	"github.com/twmb/franz-go/pkg/kfake"
)

// Start starts a broker in the process that keeps everything in memory.
func Start(t testing.TB, opts ...kfake.Opt) broker.Config {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return broker.Config{Brokers: c.ListenAddrs(), Embedded: true}
}
