package shadow

import (
	"context"
	"errors"
	"fmt"
	"time"

	"chartwire/pipeline/broker"

	"github.com/cockroachdb/pebble/v2"
	"github.com/twmb/franz-go/pkg/kgo"
)

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

// Follow reads the topic from where the copy ends, and goes on with what comes,
// until ctx ends or something fails. Before the copy is used it has to be
// brought to the end that there is then ([Store.Refresh]).
func (s *Store) Follow(ctx context.Context, c broker.Config, topic string) (err error) {
	cl, err := c.Client(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().At(s.next)}}),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxBytes(4<<20), kgo.FetchMaxWait(followEvery))
	if err != nil {
		return err
	}
	defer cl.Close()
	s.dirty, s.taken = map[string]*Entry{}, nil
	l := loader{s: s, batch: s.db.NewBatch(), linked: map[string]*Entry{}}
	defer func() { l.batch.Close() }()
	next := s.next
	for flushed := time.Now(); ; {
		poll, cancel := context.WithDeadline(ctx, flushed.Add(followEvery))
		fetches := cl.PollRecords(poll, 1000)
		cancel()
		for _, e := range fetches.Errors() {
			if !errors.Is(e.Err, context.DeadlineExceeded) && ctx.Err() == nil {
				return fmt.Errorf("following the shadow: %w", e.Err)
			}
		}
		for it := fetches.RecordIter(); !it.Done(); {
			r := it.Next()
			if err := l.add(r); err != nil {
				return fmt.Errorf("following the shadow: %w", err)
			}
			next = r.Offset + 1
		}
		if ctx.Err() == nil && time.Since(flushed) < followEvery {
			continue
		}
		if next > s.next {
			if err := l.flush(next); err != nil {
				return err
			}
		}
		if ctx.Err() != nil {
			return nil
		}
		flushed = time.Now()
	}
}

// followEvery is how often what was followed is written: so much of it is read
// again at most.
const followEvery = 500 * time.Millisecond

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
