package registry

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// FromTopic makes a server that keeps its log in a Kafka topic of one
// partition, which exists; client reads and writes it and stays the caller's.
// One process at a time may run such a server: its memory is the truth between
// two starts.
func FromTopic(ctx context.Context, client *kgo.Client, topic string) (*Server, error) {
	s := NewServer(func(ctx context.Context, r Record) error {
		return client.ProduceSync(ctx, &kgo.Record{Topic: topic, Key: r.Key, Value: r.Value}).FirstErr()
	})
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("reading the schemas in %s: %w", topic, err)
	}
	end, _ := ends.Lookup(topic, 0)
	client.AddConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}})
	defer client.RemoveConsumePartitions(map[string][]int32{topic: {0}})
	for next := int64(0); next < end.Offset; {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, fmt.Errorf("reading the schemas in %s: %w", topic, err)
		}
		var bad error
		fetches.EachRecord(func(r *kgo.Record) {
			next = r.Offset + 1
			if err := s.Load(Record{r.Key, r.Value}); err != nil && bad == nil {
				bad = err
			}
		})
		if bad != nil {
			return nil, bad
		}
	}
	return s, nil
}
