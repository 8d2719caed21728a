package pipeline

import (
	"context"
	"fmt"
	"time"

	"chartwire/pipeline/audit"
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

	// Few bytes are committed at once. More are held the longer the faster they
	// come: up to lingerMost at lingerRate bytes a second. One commit takes about
	// four milliseconds, in which the next batch fills.
	lingerBytes = 64 << 10
	lingerMost  = 150 * time.Millisecond
	lingerRate  = 100e6
	lingerLeast = 5 * time.Millisecond // the age from which on a rate means something
	// lingerPause is how long nothing comes before the backlog is taken to be at
	// its end: a large transaction takes some of it to be decoded.
	lingerPause = 25 * time.Millisecond
)

// committer writes batch after batch, a cut behind some of them, and keeps the
// state. What is more than a batch is sent while more is collected; a commit
// waits for the rest alone.
type committer struct {
	capture  *Capture
	producer *lease.Producer
	in       *collector
	state    *cut.Cut
	topic    string // of the cuts

	rows []tableRows // of what was sent since the last commit
	next cut.Cut     // and what it changes in the state

	deltas int       // cuts since the last full one
	full   time.Time // when that was
	last   time.Time // when the last cut was written
}

// run commits until the collector has ended, and then what is left.
func (m *committer) run() error {
	if err := m.commit(gathered{}, true); err != nil {
		return err
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		ready, wait, ended := m.due(time.Now())
		if ended {
			break
		}
		if err := m.send(ready); err != nil {
			return err
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
		if err := m.swap(false); err != nil {
			return err
		}
	}
	m.state.Halted = haltedAt(m.in.err)
	if err := m.swap(true); err != nil {
		return err
	}
	if m.in.err != nil {
		return fmt.Errorf("reading the source: %w", m.in.err)
	}
	return nil
}

// due gives what is to be sent, and says how long it is until the next commit.
func (m *committer) due(now time.Time) (ready []*batch, wait time.Duration, ended bool) {
	in := m.in
	in.mu.Lock()
	defer in.mu.Unlock()
	switch since := in.since; {
	case in.ended:
		return nil, 0, true
	case in.full:
	case since.content:
		wait = linger(since.bytes, now.Sub(since.began), since.inside)
		if !since.inside && !in.stuck {
			wait = min(wait, since.last.Add(lingerPause).Sub(now))
		}
	case since.moved:
		wait = m.last.Add(progressEvery).Sub(now)
	default:
		wait = m.full.Add(fullEvery).Sub(now)
	}
	return in.taken(), wait, false
}

// send hands batches to the brokers.
func (m *committer) send(batches []*batch) error {
	for _, b := range batches {
		m.rows = append(m.rows, b.rows...)
		m.next.Fold(&b.cut)
		if err := m.producer.Send(b.recs, func() { m.in.release(b) }); err != nil {
			return err
		}
	}
	return nil
}

// swap commits all that is there.
func (m *committer) swap(full bool) error {
	batches, since := m.in.swap()
	if err := m.send(batches); err != nil {
		return err
	}
	return m.commit(since, full)
}

// linger is how much longer a transaction of that size and age is collected.
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

// commit ends the Kafka transaction of what was sent with its cut.
func (m *committer) commit(since gathered, full bool) error {
	now := time.Now()
	full = full || now.Sub(m.full) >= fullEvery || m.deltas >= cut.FullEvery
	was := m.state.Checkpoint.Position.Server
	rec, err := m.cut(since.moved, full, now)
	if err != nil {
		return err
	}
	if is := m.state.Checkpoint.Position.Server; was != "" && is != "" && is != was {
		act := audit.New("failover", "source "+m.state.Source, "the capture goes on at another server, whose log holds what was read")
		act.Before, act.After = was, is
		m.producer.Produce(act.Record(m.capture.o.Topics))
	}
	m.producer.Produce(rec)
	// What ctx says is the collector's to hear: what it left is committed.
	if err := m.producer.Commit(context.Background()); err != nil {
		return err
	}
	m.last = now
	if full {
		m.full = now
	}
	m.capture.committed(&m.next, m.rows, since, m.in.heardAt())
	m.next, m.rows = cut.Cut{}, m.rows[:0]
	return nil
}

// cut folds what was sent into the state, and makes the record that says so.
func (m *committer) cut(moved, full bool, now time.Time) (*kgo.Record, error) {
	d := &m.next
	d.Source, d.Time = m.state.Source, now
	if !moved {
		d.Seq, d.Checkpoint = m.state.Seq, m.state.Checkpoint
		if m.state.Inside() {
			d.Transaction = m.state.Transaction
		}
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
