package broker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Identify gives the identity of a topic, by which it is known again.
// A topic that was made a moment ago may not be known to every broker yet: it
// is waited for a little.
func Identify(ctx context.Context, cl *kgo.Client, topic string) (string, error) {
	for tries := 0; ; tries++ {
		m, err := kadm.NewClient(cl).Metadata(ctx, topic)
		if err == nil {
			t := m.Topics[topic]
			if t.Err == nil {
				return fmt.Sprintf("%s %s %s", m.Cluster, topic, t.ID), nil
			}
			err = t.Err
		}
		if !errors.Is(err, kerr.UnknownTopicOrPartition) || tries == 20 {
			return "", fmt.Errorf("looking at topic %s: %w", topic, err)
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}
