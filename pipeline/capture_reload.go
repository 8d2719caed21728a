package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"chartwire/cdc"
	"chartwire/pipeline/audit"
	"chartwire/pipeline/broker"
	"chartwire/pipeline/cut"
	"chartwire/pipeline/lease"
	"chartwire/schemas"

	"github.com/twmb/franz-go/pkg/kgo"
)

// ReloadOptions name the source whose tables are to be read again.
type ReloadOptions struct {
	Source      string
	Connection  broker.Config
	Topics      schemas.Topics
	Fingerprint string // of the configuration, as in CaptureOptions
	Reason      string // for the audit
	Log         *slog.Logger
}

// ErrCaptured says that a process captures the source: it would not notice.
var ErrCaptured = errors.New("the source is being captured")

// reloadPatience is how long a reload waits for the lease: longer than a holder
// that died keeps it.
const reloadPatience = 3 * lease.Term

// Reload gives up a source's position, which its log no longer has or which is
// another log's: the next capture starts at the log's newest transaction and
// reads every table again, from then on as after a gap. The end of what is known
// to be whole is kept, so that rules with a freshness look back to it. The act is
// written to the audit in the same Kafka transaction.
//
// It gives the position that was given up, and fails with [ErrCaptured] while a
// process captures the source.
func Reload(ctx context.Context, o ReloadOptions) (before cdc.Position, err error) {
	wait, cancel := context.WithTimeout(ctx, reloadPatience)
	defer cancel()
	failed := ErrCaptured // by somebody else, if our turn never comes
	err = lease.Run(wait, lease.Options{
		Connection: o.Connection, Topics: o.Topics, Stage: "capture", Name: o.Source, Fingerprint: o.Fingerprint, Log: o.Log,
	}, func(_ context.Context, p *lease.Producer) error {
		// It is ours now: what the wait was bounded by no longer counts.
		before, failed = reload(ctx, o, p)
		return failed
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		return cdc.Position{}, fmt.Errorf("reloading %q: %w", o.Source, err)
	}
	return before, nil
}

func reload(ctx context.Context, o ReloadOptions, p *lease.Producer) (cdc.Position, error) {
	var given cdc.Position
	cl, err := o.Connection.Client()
	if err != nil {
		return given, err
	}
	defer cl.Close()
	topic := o.Topics.Cuts(o.Source)
	if err := broker.EnsureTopics(ctx, cl, o.Connection, broker.Cuts(topic), broker.Log(o.Topics.Audit())); err != nil {
		return given, broker.Denied(err)
	}
	state, _, err := cut.Latest(ctx, o.Connection, topic)
	if err != nil {
		return given, broker.Denied(fmt.Errorf("reading the newest cut: %w", err))
	}
	if state == nil || len(state.Loads) == 0 {
		return given, cdc.Haltf("reload-nothing", "nothing of %q was ever captured: its first capture reads every table anyway", o.Source)
	}
	act := audit.New("reload", "source "+o.Source, o.Reason)
	if before := state.Checkpoint.Position; !before.IsZero() {
		given, act.Before = before, before.String()
		whole := state.Commit
		for id, l := range state.Loads {
			// A read that was not done knows nothing of the time after its start.
			if l.Phase == cdc.LoadDone {
				l.Since = whole
			}
			state.Loads[id] = l
		}
	}
	state.Checkpoint, state.Time, state.Full = cdc.Checkpoint{}, time.Now(), true
	value, err := cut.Encode(state)
	if err != nil {
		return given, err
	}
	rec := act.Record(o.Topics)
	p.Produce(&kgo.Record{Topic: topic, Key: cut.Key(o.Source, 0), Value: value, Timestamp: state.Time}, rec)
	return given, p.Commit(ctx)
}
