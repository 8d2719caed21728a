package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"chartwire/pipeline/audit"
	"chartwire/pipeline/broker"
	"chartwire/pipeline/cut"
	"chartwire/pipeline/lease"
	"chartwire/schemas"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// AmendOptions name the source whose state a person changes while nothing
// captures it.
type AmendOptions struct {
	Source      string
	Connection  broker.Config
	Topics      schemas.Topics
	Fingerprint string // of the configuration, as in CaptureOptions
	Reason      string // for the audit
	Log         *slog.Logger
}

// ErrCaptured says that a process captures the source: it would not notice.
var ErrCaptured = errors.New("the source is being captured")

// amendPatience is how long an amendment waits for the lease: longer than a
// holder that died keeps it.
const amendPatience = 3 * lease.Term

// amend changes a source's state as a person decided: it takes the capture's
// lease, gives f the newest cut (one without loads if nothing was ever captured)
// and writes what f made of it together with f's entry for the audit, in one
// Kafka transaction. If f fails, nothing is written. It fails with [ErrCaptured]
// while a process captures the source.
func amend(ctx context.Context, o AmendOptions, f func(ctx context.Context, state *cut.Cut) (audit.Entry, error)) error {
	wait, cancel := context.WithTimeout(ctx, amendPatience)
	defer cancel()
	failed := ErrCaptured // by somebody else, if our turn never comes
	err := lease.Run(wait, lease.Options{
		Connection: o.Connection, Topics: o.Topics, Stage: "capture", Name: o.Source, Fingerprint: o.Fingerprint, Log: o.Log,
		Trouble: func(err error) {
			if failed = ErrCaptured; err != nil {
				failed = err // whether anybody captures it is not known
			}
		},
	}, func(_ context.Context, p *lease.Producer) error {
		// It is ours now: what the wait was bounded by no longer counts.
		// Whatever came of it is for the caller to hear: it is not tried again.
		failed = amendHeld(ctx, o, p, f)
		return nil
	})
	if err == nil {
		err = failed
	}
	return err
}

// newest is a source's newest cut, for a look at it: nil where nothing was
// captured and not even the topic is there.
func newest(ctx context.Context, o AmendOptions) (*cut.Cut, error) {
	state, _, err := cut.Latest(ctx, o.Connection, o.Topics.Cuts(o.Source))
	if errors.Is(err, kerr.UnknownTopicOrPartition) {
		return nil, nil
	}
	if err != nil {
		return nil, broker.Denied(fmt.Errorf("reading the newest cut of %q: %w", o.Source, err))
	}
	return state, nil
}

func amendHeld(ctx context.Context, o AmendOptions, p *lease.Producer, f func(context.Context, *cut.Cut) (audit.Entry, error)) error {
	cl, err := o.Connection.Client()
	if err != nil {
		return err
	}
	defer cl.Close()
	topic := o.Topics.Cuts(o.Source)
	if err := broker.EnsureTopics(ctx, cl, o.Connection, broker.Cuts(topic), broker.Log(o.Topics.Audit())); err != nil {
		return broker.Denied(err)
	}
	state, _, err := cut.Latest(ctx, o.Connection, topic)
	if err != nil {
		return broker.Denied(fmt.Errorf("reading the newest cut: %w", err))
	}
	if state == nil {
		state = &cut.Cut{Source: o.Source}
	}
	act, err := f(ctx, state)
	if err != nil {
		return err
	}
	if t := state.Transaction; t != nil && t.End == 0 && !state.Inside() {
		t.End = state.Seq // it is not gone on with: what is there of it is all that comes under its id
	}
	state.Time, state.Full = time.Now(), true
	value, err := cut.Encode(state)
	if err != nil {
		return err
	}
	p.Produce(&kgo.Record{Topic: topic, Key: cut.Key(o.Source, 0), Value: value, Timestamp: state.Time}, act.Record(o.Topics))
	return p.Commit(ctx)
}
