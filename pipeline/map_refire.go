package pipeline

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"chartwire/pipeline/mapping"
	"chartwire/pipeline/state"
)

// refire gives what a firing made of a record again, as the row is now: what a
// rule made and the destination refused is not made by mapping the row, and the
// rule itself is not to fire. The number of the firing is the end of the
// record's key. It reports whether rule is one of the map's.
func (t *mapTerm) refire(ctx context.Context, m *mapping.Map, row *state.KeyedRow, rule, record string) (bool, error) {
	known := false
	for _, r := range m.Rules {
		known = known || r.RuleID() == rule
	}
	if !known {
		return false, nil
	}
	n := firing(record)
	w := t.workers[0]
	image, err := w.image(ctx, &row.Row)
	if err != nil {
		return true, err
	}
	in := mapping.Input{Key: row.Key, Schema: image.schema, After: image.row, Mapped: true, Seq: row.Seq, Commit: row.Commit, Reason: mapping.ReasonRetry,
		Today: t.day(m, row.Key)}
	out, err := w.evaluators[m].Eval(&in)
	if err != nil {
		return true, t.failures([]mapFailure{{m: m, key: row.Key, seq: row.Seq, err: err}})
	}
	return true, t.emitAgain(m, out, rule, record, n)
}

// emitAgain writes of what the n-th firing of a rule makes the one record.
func (t *mapTerm) emitAgain(m *mapping.Map, out *mapping.Output, rule, record string, n int64) error {
	var muts []mapMutation
	for i := range out.Verdicts {
		v := &out.Verdicts[i]
		if v.Rule.RuleID() != rule {
			continue
		}
		var l mapLatch
		if err := t.entry(latchKey(m, v.Rule.Name, v.Once), &l); err != nil {
			return err
		}
		for _, mu := range out.Fire(i, n) {
			// The row shows the last change of a value, and none before it: a
			// record that is numbered is of the change with that number.
			gone := v.Rule.Each && l.N != n && mu.Record.Key == fmt.Sprintf("%s:%s:%d", rule, v.Once, n)
			if mu.Record.ID() == record && !gone {
				mu.Reason = mapping.ReasonRetry
				muts = append(muts, mapMutation{Mutation: &mu, m: m})
			}
		}
	}
	if len(muts) == 0 {
		t.m.log.Warn("a record to be made again is none that the rule makes now", "rule", rule)
	}
	return t.emit(t.done[m.Source], muts)
}

// refire does the same for joined entities that were just evaluated.
func (j *mapJoins) refire(events []mapEvent, r *mapRequest) error {
	n := firing(r.record)
	for i := range events {
		e := &events[i]
		if e.rule.RuleID() != r.rule {
			continue
		}
		out, err := j.t.workers[0].evaluators[e.m].EvalEntity(e.entity)
		if err != nil {
			return err
		}
		if err := j.t.emitAgain(e.m, out, r.rule, r.record, n); err != nil {
			return err
		}
	}
	return nil
}

// firing reads the number of a firing at the end of a record's key. There is
// none, 0, where the map has an expression for the key.
func firing(record string) int64 {
	n, err := strconv.ParseInt(record[strings.LastIndexByte(record, ':')+1:], 10, 64)
	if err != nil {
		return 0
	}
	return n
}
