package broker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"

	"chartwire/cdc"
	"chartwire/schemas"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Topic is a topic as it should be.
type Topic struct {
	Name       string
	Partitions int // 0 means 1
	// Settings are Kafka's own topic settings. An embedded broker gets none of
	// those that compact or delete.
	Settings map[string]string
}

// Compacted gives the topic of a state that is read whole: the newest record of
// each key stays for ever.
func Compacted(name string) Topic {
	return Topic{Name: name, Partitions: 1, Settings: map[string]string{
		"cleanup.policy": "compact",
		// Small segments: only closed ones are compacted, and a restart reads
		// the rest.
		"segment.bytes":             strconv.Itoa(64 << 20),
		"min.cleanable.dirty.ratio": "0.2",
	}}
}

// Rows gives a row topic: compacted, but nothing younger than the replay window
// is, so that a consumer that was away no longer than that misses nothing.
func Rows(name string, partitions int, window time.Duration) Topic {
	ms := strconv.FormatInt(window.Milliseconds(), 10)
	return Topic{Name: name, Partitions: partitions, Settings: map[string]string{
		"cleanup.policy":        "compact",
		"min.compaction.lag.ms": ms,
		"delete.retention.ms":   ms,
	}}
}

// Cuts gives the topic of a source's cuts: it keeps an hour, and what is needed
// to know the newest cut. (Deleting by time would forget the position of a
// capture that was down longer.)
func Cuts(name string) Topic {
	return Topic{Name: name, Partitions: 1, Settings: map[string]string{
		"cleanup.policy":            "compact",
		"min.compaction.lag.ms":     strconv.Itoa(int(time.Hour.Milliseconds())),
		"segment.ms":                strconv.Itoa(int((10 * time.Minute).Milliseconds())),
		"min.cleanable.dirty.ratio": "0.1",
	}}
}

// Lease gives the topic of a lease: one key, renewed all the time.
func Lease(name string) Topic {
	return Topic{Name: name, Partitions: 1, Settings: map[string]string{
		"cleanup.policy":            "compact",
		"segment.bytes":             strconv.Itoa(1 << 20),
		"min.cleanable.dirty.ratio": "0.01",
	}}
}

// Log gives a topic whose records all stay.
func Log(name string) Topic { return Topic{Name: name, Partitions: 1, Settings: kept} }

// kept are the settings that keep everything; an embedded broker gets no others.
var kept = map[string]string{"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}

// maxMessage is the setting of a topic that says how large a batch may be.
const maxMessage = "max.message.bytes"

func (c Config) maxMessage() string { return strconv.Itoa(c.maxRecord() + 1<<16) }

func (t Topic) settings(c Config) map[string]*string {
	all := maps.Clone(t.Settings)
	if c.Embedded {
		all = maps.Clone(kept)
	}
	if all == nil {
		all = map[string]string{}
	}
	all[maxMessage] = c.maxMessage()
	out := make(map[string]*string, len(all))
	for k, v := range all {
		out[k] = &v
	}
	return out
}

func (t Topic) partitions() int { return max(t.Partitions, 1) }

// EnsureTopics creates the topics that are missing. A topic that exists with
// another number of partitions is a [cdc.Halt] "topic-partitions"; one that
// exists otherwise is left as it is, but takes larger records from now on if the
// configuration says so.
func EnsureTopics(ctx context.Context, cl *kgo.Client, c Config, topics ...Topic) error {
	if len(topics) == 0 {
		return nil
	}
	adm := kadm.NewClient(cl)
	names := make([]string, len(topics))
	for i, t := range topics {
		if err := schemas.CheckTopic(t.Name); err != nil {
			return cdc.Haltf("topic-name", "%v", err)
		}
		names[i] = t.Name
	}
	have, err := adm.ListTopics(ctx, names...)
	if err != nil {
		return fmt.Errorf("listing topics: %w", err)
	}
	replication := int16(-1)
	if c.Replication > 0 {
		replication = int16(c.Replication)
	}
	var errs []error
	if c.larger() {
		errs = append(errs, enlarge(ctx, adm, c, have))
	}
	for _, t := range topics {
		if d, ok := have[t.Name]; ok && !errors.Is(d.Err, kerr.UnknownTopicOrPartition) {
			errs = append(errs, check(t, d))
			continue
		}
		_, err := adm.CreateTopic(ctx, int32(t.partitions()), replication, t.settings(c), t.Name)
		if err == nil || errors.Is(err, kerr.TopicAlreadyExists) { // another process was faster
			err = await(ctx, adm, t)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("creating topic %s: %w", t.Name, err))
		}
	}
	return errors.Join(errs...)
}

// enlarge lets topics that exist take records as large as the configuration
// says.
func enlarge(ctx context.Context, adm *kadm.Client, c Config, have kadm.TopicDetails) error {
	var small []string
	configs, err := adm.DescribeTopicConfigs(ctx, have.TopicsSet().Topics()...)
	if err != nil {
		return fmt.Errorf("looking at the settings of topics: %w", err)
	}
	for _, t := range configs {
		if t.Err != nil {
			return fmt.Errorf("looking at the settings of topic %s: %w", t.Name, t.Err)
		}
		for _, s := range t.Configs {
			if n, err := strconv.Atoi(s.MaybeValue()); s.Key == maxMessage && err == nil && n < c.maxRecord()+1<<16 {
				small = append(small, t.Name)
			}
		}
	}
	if len(small) == 0 {
		return nil
	}
	value := c.maxMessage()
	done, err := adm.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: maxMessage, Value: &value}}, small...)
	for _, r := range done {
		err = errors.Join(err, r.Err)
	}
	if err != nil {
		return fmt.Errorf("letting topics take larger records (%s): %w", maxMessage, err)
	}
	return nil
}

// await waits until the brokers know a topic that was made a moment ago: they
// hear of it one after the other.
func await(ctx context.Context, adm *kadm.Client, t Topic) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		have, err := adm.ListTopics(ctx, t.Name)
		if err != nil {
			return err
		}
		d := have[t.Name]
		if !errors.Is(d.Err, kerr.UnknownTopicOrPartition) && !errors.Is(d.Err, kerr.LeaderNotAvailable) {
			return check(t, d)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for the brokers to know it: %w", d.Err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func check(t Topic, d kadm.TopicDetail) error {
	if d.Err != nil {
		return fmt.Errorf("looking at topic %s: %w", t.Name, d.Err)
	}
	if n := len(d.Partitions); n != t.partitions() {
		return cdc.Haltf("topic-partitions", "topic %s has %d partitions and the configuration says %d: "+
			"the number is fixed when the topic is created, because a row's partition depends on it; "+
			"say %d, or use another prefix and load again", t.Name, n, t.partitions(), n)
	}
	return nil
}
