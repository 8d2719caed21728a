package pipeline

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"chartwire/cdc"
	"chartwire/pipeline/audit"
	"chartwire/pipeline/cut"
)

// haltedAt is what a cut keeps of why the stream ended: nil unless it stands
// before a transaction that it cannot read.
func haltedAt(err error) *cut.Halted {
	var h *cdc.Halt
	if !errors.As(err, &h) || h.At.IsZero() {
		return nil
	}
	return &cut.Halted{Code: h.Code, Text: h.Error(), At: h.At}
}

// Halted gives what a source's capture halted at, and its captured tables. A
// source that did not halt at a transaction is a halt of its own.
func Halted(ctx context.Context, o AmendOptions) (*cut.Halted, []cdc.TableID, error) {
	state, err := newest(ctx, o)
	if err != nil {
		return nil, nil, err
	}
	if state == nil || state.Halted == nil {
		return nil, nil, cdc.Haltf("skip-nothing", "the capture of %q did not halt at a transaction: there is none to pass over", o.Source)
	}
	return state.Halted, slices.Collect(maps.Keys(state.Loads)), nil
}

// Skip passes over the one transaction at which a source's capture halted, which
// the source described: the next capture goes on behind it. What it changed is
// not written; the tables to read again are, as after a gap. The act is written
// to the audit in the same Kafka transaction.
//
// It fails with [ErrCaptured] while a process captures the source, and with
// [ErrMoved] if it no longer stands before that transaction.
func Skip(ctx context.Context, o AmendOptions, w *cdc.Passage, reread []cdc.TableID) error {
	err := amend(ctx, o, func(_ context.Context, state *cut.Cut) (audit.Entry, error) {
		act := audit.New("skip", "source "+o.Source, o.Reason)
		act.Before, act.After, act.What = w.From.String(), w.Behind.String(), passed(state.Halted, w, reread)
		if state.Halted == nil || !state.Halted.At.Equal(w.From) || !state.Checkpoint.Position.Equal(w.From) {
			return act, ErrMoved
		}
		state.Seq = max(state.Seq, time.Now().UnixMicro())
		for _, id := range reread {
			l, ok := state.Loads[id]
			if !ok {
				return act, fmt.Errorf("the table %s is not captured", id)
			}
			if l.Phase == cdc.LoadDone {
				l.Since = state.Commit
			}
			l.Restart()
			state.Loads[id] = l
			state.Seq++
			state.Epochs = append(state.Epochs, cdc.Epoch{Table: id, Kind: cdc.EpochReload, Seq: state.Seq})
		}
		state.Checkpoint, state.Halted = cdc.Checkpoint{Position: w.Behind}, nil
		return act, nil
	})
	if err != nil {
		return fmt.Errorf("skipping a transaction of %q: %w", o.Source, err)
	}
	return nil
}

// passed says in the audit what was passed over.
func passed(h *cut.Halted, w *cdc.Passage, reread []cdc.TableID) string {
	code := ""
	if h != nil {
		code = h.Code + ": "
	}
	ids := func(list []cdc.TableID) string {
		texts := make([]string, len(list))
		for i, id := range list {
			texts[i] = id.String()
		}
		slices.Sort(texts)
		return strings.Join(texts, ", ")
	}
	changed := "changed " + ids(w.Tables)
	if w.Unknown {
		changed = "may have changed any table"
	}
	again := "nothing is read again"
	if len(reread) > 0 {
		again = "read again: " + ids(reread)
	}
	return fmt.Sprintf("%stransaction %s of %s with %d row images, %s; %s", code, w.ID, w.Time.Format(time.RFC3339), w.Rows, changed, again)
}
