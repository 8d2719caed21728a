package lease_test

import (
	"strings"
	"testing"

	"chartwire/integration/servers"
	"chartwire/pipeline/broker"
	"chartwire/pipeline/lease"
	"context"
)

// BenchmarkCommit is one small transaction after the other on a real broker:
// the least that a change waits for.
func BenchmarkCommit(b *testing.B) {
	c := broker.Config{Brokers: strings.Split(servers.Kafka(b).Addr, ",")}
	o := lease.Options{Connection: c, Stage: "bench", Name: "bench"}
	o.Topics.Prefix = "b"
	cl, err := c.Client()
	if err != nil {
		b.Fatal(err)
	}
	defer cl.Close()
	if err := broker.EnsureTopics(b.Context(), cl, c, broker.Topic{Name: "b.x"}, broker.Topic{Name: "b.y"}); err != nil {
		b.Fatal(err)
	}
	if err := lease.Run(b.Context(), o, func(ctx context.Context, p *lease.Producer) error {
		commit := func() error {
			p.Produce(record("b.x", "row"), record("b.y", "cut"))
			return p.Commit(ctx)
		}
		for range 50 {
			if err := commit(); err != nil {
				return err
			}
		}
		for b.Loop() {
			if err := commit(); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		b.Fatal(err)
	}
}
