package pipeline

import (
	"context"
	"fmt"
	"time"

	"chartwire/pipeline/cut"
	"chartwire/pipeline/lease"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	// fullEvery is how often the whole state is written again.
	fullEvery = time.Minute
	// progressEvery is how often a cut is written when nothing but the position
	// has moved.
	progressEvery = 500 * time.Millisecond

	// A batch of few bytes is committed at once. Of more, it is held the longer
	// the faster they come: up to lingerMost at lingerRate bytes a second. One
	// commit takes about four milliseconds, in which the next batch fills.
	lingerBytes = 64 << 10
	lingerMost  = 100 * time.Millisecond
	lingerRate  = 100e6
	lingerLeast = 5 * time.Millisecond // the age from which on a rate means something
)

// committer writes batch after batch, each with its cut, and keeps the state.
type committer struct {
	capture  *Capture
	producer *lease.Producer
	in       *collector
	state    *cut.Cut
	topic    string // of the cuts

	deltas int       // cuts since the last full one
	full   time.Time // when that was
	last   time.Time // when the last cut was written
}

// run commits until the collector has ended, and then what is left.
func (m *committer) run() error {
	b := &batch{}
	if err := m.commit(b, nil, true); err != nil {
		return err
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		wait, ended := m.due(time.Now())
		if ended {
			break
		}
		if wait > 0 {
			timer.Reset(wait)
			select {
			case <-m.in.wake:
			case <-timer.C:
			}
			continue
		}
		m.producer.Settle(context.Background())
		var rows map[*captureTable]int
		b, rows = m.in.swap(b)
		if err := m.commit(b, rows, false); err != nil {
			return err
		}
	}
	b, rows := m.in.swap(b)
	if err := m.commit(b, rows, true); err != nil {
		return err
	}
	if m.in.err != nil {
		return fmt.Errorf("reading the source: %w", m.in.err)
	}
	return nil
}

// due says how long the batch is still to be collected.
func (m *committer) due(now time.Time) (wait time.Duration, ended bool) {
	in := m.in
	in.mu.Lock()
	defer in.mu.Unlock()
	b := in.cur
	switch {
	case in.ended:
		return 0, true
	case in.full || b.cost >= batchBytes:
		return 0, false
	case b.content:
		return linger(b.bytes, now.Sub(b.began), b.inside), false
	case b.moved:
		return m.last.Add(progressEvery).Sub(now), false
	}
	return m.full.Add(fullEvery).Sub(now), false
}

// linger is how much longer a batch of that size and age is collected.
func linger(bytes int, age time.Duration, inside bool) time.Duration {
	switch {
	case inside:
		// Its end is on its way, and only then is it of use to anybody.
		return lingerMost - age
	case bytes < lingerBytes:
		return 0
	}
	rate := float64(bytes) / max(age, lingerLeast).Seconds()
	return min(lingerMost, time.Duration(rate/lingerRate*float64(lingerMost))) - age
}

// commit writes the batch and its cut in one Kafka transaction.
func (m *committer) commit(b *batch, rows map[*captureTable]int, full bool) error {
	now := time.Now()
	full = full || now.Sub(m.full) >= fullEvery || m.deltas >= cut.FullEvery
	rec, err := m.cut(b, full, now)
	if err != nil {
		return err
	}
	m.producer.Produce(b.recs...)
	m.producer.Produce(rec)
	// What ctx says is the collector's to hear: what it left is committed.
	if err := m.producer.Commit(context.Background()); err != nil {
		return err
	}
	m.last = now
	if full {
		m.full = now
	}
	m.capture.committed(b, rows, m.in.heardAt())
	return nil
}

// cut folds the batch into the state, and makes the record that says so.
func (m *committer) cut(b *batch, full bool, now time.Time) (*kgo.Record, error) {
	d := &b.cut
	d.Source, d.Time = m.state.Source, now
	if !b.moved {
		d.Seq, d.Checkpoint = m.state.Seq, m.state.Checkpoint
	}
	if d.Commit.IsZero() {
		d.Commit = m.state.Commit
	}
	m.state.Fold(d)
	m.deltas++
	if full {
		m.deltas = 0
		whole := *m.state
		whole.Full = true
		d = &whole
	}
	value, err := cut.Encode(d)
	if err != nil {
		return nil, err
	}
	return &kgo.Record{Topic: m.topic, Key: cut.Key(m.state.Source, m.deltas), Value: value, Timestamp: now}, nil
}
