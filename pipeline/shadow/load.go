package shadow

import (
	"context"
	"errors"
	"fmt"
	"time"

	"chartwire/pipeline/broker"

	"github.com/cockroachdb/pebble/v2"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Identify gives the identity of a topic, by which a copy of it is known again.
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

// Refresh reads the topic from where the copy ends to its committed end. Only
// then the copy may be used; whatever was put before is forgotten.
func (s *Store) Refresh(ctx context.Context, c broker.Config, topic string) error {
	s.dirty, s.taken = map[string]*Entry{}, nil
	l := loader{s: s, batch: s.db.NewBatch(), linked: map[string]*Entry{}}
	defer func() { l.batch.Close() }()
	from := broker.Offsets{topic: {0: s.next}}
	ends, err := broker.ScanFrom(ctx, c, from, l.add)
	if err != nil {
		return fmt.Errorf("reading the shadow: %w", err)
	}
	if end := ends[topic][0]; end > s.next {
		return l.flush(end)
	}
	return nil
}

// loader gathers records into batches.
type loader struct {
	s        *Store
	batch    *pebble.Batch
	linked   map[string]*Entry // those in the batch that have links
	progress []byte
}

// batchBytes is how much is gathered before it is written.
const batchBytes = 1 << 20

func (l *loader) add(r *kgo.Record) error {
	if string(r.Key) == ProgressKey {
		p, err := DecodeProgress(r.Value)
		if err != nil {
			return err
		}
		l.s.progress, l.progress = p, r.Value
		return nil
	}
	e, err := Decode(r.Value)
	if err == nil && len(e.Links) > 0 {
		err = l.index(string(r.Key), e)
	}
	if err != nil {
		return fmt.Errorf("offset %d: %w", r.Offset, err)
	}
	if err := l.batch.Set(append([]byte("r "), r.Key...), r.Value, nil); err != nil {
		return err
	}
	if l.batch.Len() >= batchBytes {
		return l.flush(r.Offset + 1)
	}
	return nil
}

func (l *loader) index(id string, e *Entry) error {
	old := l.linked[id]
	if old == nil {
		var err error
		if old, err = l.s.read(id); err != nil {
			return err
		}
	}
	l.linked[id] = e
	return l.s.index(l.batch, id, old, e)
}

func (l *loader) flush(next int64) error {
	if err := l.s.finish(l.batch, l.progress, next); err != nil {
		return err
	}
	l.batch.Close()
	l.batch, l.progress = l.s.db.NewBatch(), nil
	clear(l.linked)
	return nil
}
