package pipeline

import (
	"context"
	"fmt"

	"chartwire/cdc"
	"chartwire/pipeline/audit"
	"chartwire/pipeline/cut"
)

// Reloadable gives a source's newest cut, with the position that [Reload] would
// give up and the tables that would be read again. A source of which nothing was
// captured is a halt.
func Reloadable(ctx context.Context, o AmendOptions) (*cut.Cut, error) {
	state, err := newest(ctx, o)
	if err == nil && (state == nil || len(state.Loads) == 0) {
		err = nothingToReload(o.Source)
	}
	return state, err
}

func nothingToReload(source string) error {
	return cdc.Haltf("reload-nothing", "nothing of %q was ever captured: its first capture reads every table anyway", source)
}

// Reload gives up a source's position, which its log no longer has or which is
// another log's: the next capture starts at the log's newest transaction and
// reads every table again, from then on as after a gap. The end of what is known
// to be whole is kept, so that rules with a freshness look back to it. The act is
// written to the audit in the same Kafka transaction.
//
// It gives the position that was given up, and fails with [ErrCaptured] while a
// process captures the source.
func Reload(ctx context.Context, o AmendOptions) (before cdc.Position, err error) {
	err = amend(ctx, o, func(_ context.Context, state *cut.Cut) (audit.Entry, error) {
		act := audit.New("reload", "source "+o.Source, o.Reason)
		if len(state.Loads) == 0 {
			return act, nothingToReload(o.Source)
		}
		if before = state.Checkpoint.Position; !before.IsZero() {
			act.Before = before.String()
			for id, l := range state.Loads {
				// A read that was not done knows nothing of the time after its start.
				if l.Phase == cdc.LoadDone {
					l.Since = state.Commit
				}
				state.Loads[id] = l
			}
		}
		state.Checkpoint, state.Halted = cdc.Checkpoint{}, nil
		return act, nil
	})
	if err != nil {
		return cdc.Position{}, fmt.Errorf("reloading %q: %w", o.Source, err)
	}
	return before, nil
}
