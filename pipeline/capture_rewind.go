package pipeline

import (
	"context"
	"errors"
	"fmt"

	"chartwire/cdc"
	"chartwire/pipeline/audit"
	"chartwire/pipeline/cut"
)

// Captured gives the position and the tables of a source's newest cut, whether a
// process captures it or not: none if nothing of it was ever captured.
func Captured(ctx context.Context, o AmendOptions) (now cdc.Position, tables []cdc.TableID, err error) {
	state, err := newest(ctx, o)
	if err != nil || state == nil {
		return now, nil, err
	}
	for id := range state.Loads {
		tables = append(tables, id)
	}
	return state.Checkpoint.Position, tables, nil
}

// ErrMoved says that a source was captured on meanwhile.
var ErrMoved = errors.New("the position has moved since it was looked at")

// Rewind sets a source's position back to an earlier one, which the source found
// in its log: what follows it is read again. Sequence numbers grow on, so that
// what comes a second time is newer to everybody than what came the first time;
// at the end of it the topics are what they were. The act is written to the
// audit in the same Kafka transaction.
//
// It fails with [ErrCaptured] while a process captures the source, and with
// [ErrMoved] if the position is no longer now.
func Rewind(ctx context.Context, o AmendOptions, now, to cdc.Position) error {
	err := amend(ctx, o, func(_ context.Context, state *cut.Cut) (audit.Entry, error) {
		act := audit.New("rewind", "source "+o.Source, o.Reason)
		act.Before, act.After = state.Checkpoint.Position.String(), to.String()
		if !state.Checkpoint.Position.Equal(now) {
			return act, ErrMoved
		}
		state.Checkpoint, state.Halted = cdc.Checkpoint{Position: to}, nil
		return act, nil
	})
	if err != nil {
		return fmt.Errorf("rewinding %q: %w", o.Source, err)
	}
	return nil
}
