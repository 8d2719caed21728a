package pipeline

import (
	"context"
	"strings"

	"chartwire/pipeline/mapping"
	"chartwire/pipeline/state"

	"github.com/twmb/franz-go/pkg/kgo"
)

// startMaps compares the maps with those that the records were written by. A
// map that changed maps all its entities again.
func (t *mapTerm) startMaps() {
	known := map[string]bool{}
	for _, m := range t.m.o.Program.Maps {
		id := mapID(m)
		known[id] = true
		now := mapMapProgress{Fingerprint: m.Fingerprint, Rules: map[string]string{}}
		for _, r := range m.Rules {
			now.Rules[r.Name] = r.Fingerprint
		}
		was, had := t.progress.Maps[id]
		fresh := t.progress.Sources[m.Source].Seq == 0
		changed := was.Fingerprint != now.Fingerprint
		now.Off = m.While != nil && (was.Off || !had) // until its condition is looked at
		var silent []string
		for _, r := range m.Rules {
			if was.Rules[r.Name] != r.Fingerprint {
				silent = append(silent, r.Name)
			}
		}
		switch {
		case !had && fresh: // every entity is about to be mapped for the first time
			if m.Joined() {
				now.Remap, now.Write, now.First = true, true, true
			}
		case changed || len(silent) > 0:
			now.Remap, now.Write = true, changed || was.Remap && was.Write
			now.First = was.Remap && was.First
			now.Silent = append(silent, was.Silent...)
			t.m.log.Info("map changed, its entities are mapped again", "map", m.Name, "write", now.Write)
		default:
			continue
		}
		t.progress.Maps[id], t.dirty = now, true
	}
	for id := range t.progress.Maps {
		if !known[id] {
			delete(t.progress.Maps, id)
			t.dirty = true
		}
	}
}

// mapRemap is how many entities a step of a re-map takes: few, because changes
// wait for it.
const mapRemap = 256

// remapStep maps some entities of a changed map again, from the local state. It
// reports whether there are more.
func (t *mapTerm) remapStep(ctx context.Context) (more bool, err error) {
	for _, m := range t.m.o.Program.Maps {
		id := mapID(m)
		p, s := t.progress.Maps[id], t.r.sources[m.Source]
		if !p.Remap || p.Off || s.cut == nil {
			continue
		}
		if m.Joined() {
			if more, err := t.joins.remapStep(ctx, t.joins.byID[id]); more || err != nil {
				return more, err
			}
			continue
		}
		table := state.Table{Source: m.Source, TableID: m.Table}
		rows, err := t.rowsAfter(table, p.After)
		if err != nil {
			return false, err
		}
		if len(rows) == 0 {
			t.progress.Maps[id] = mapMapProgress{Fingerprint: p.Fingerprint, Rules: p.Rules, Off: p.Off}
			t.m.log.Info("all entities of a changed map are mapped again", "map", m.Name)
			return true, t.commit(ctx)
		}
		if err := t.again(ctx, m, rows, mapping.ReasonRemap, &p); err != nil {
			return false, err
		}
		p.After = rows[len(rows)-1].Key
		t.progress.Maps[id] = p
		return true, t.commit(ctx)
	}
	return false, nil
}

func (t *mapTerm) rowsAfter(table state.Table, key string) ([]state.KeyedRow, error) {
	var rows []state.KeyedRow
	size := 0
	for r, err := range t.db.Rows(table, key) {
		if err != nil {
			return nil, err
		}
		r.Data = append([]byte(nil), r.Data...)
		size += len(r.Data)
		if rows = append(rows, r); len(rows) == mapRemap || size >= mapBatchBytes {
			break
		}
	}
	return rows, nil
}

// again evaluates rows of the local state as if nothing were known of their
// records. With p it sets latches and writes as p says.
func (t *mapTerm) again(ctx context.Context, m *mapping.Map, rows []state.KeyedRow, reason string, p *mapMapProgress) error {
	results := make([]mapResult, len(rows))
	latches := make([][]mapEvent, len(rows))
	err := t.parallel(len(rows), func(w *mapWorker, i int) error {
		r := &rows[i]
		image, err := w.image(ctx, &r.Row)
		if err != nil {
			return err
		}
		in := mapping.Input{Key: r.Key, Schema: image.schema, After: image.row, Mapped: true, Seq: r.Seq, Commit: r.Commit, Reason: reason, Today: t.day(m, r.Key)}
		out, err := w.evaluators[m].Eval(&in)
		if err != nil {
			results[i].failed = append(results[i].failed, mapFailure{m: m, key: r.Key, seq: r.Seq, err: err})
			return nil
		}
		results[i].take(m, out)
		w.refused(&results[i], m, out, &in)
		for n := range out.Verdicts {
			v := &out.Verdicts[n]
			latches[i] = append(latches[i], mapEvent{m: m, rule: v.Rule, once: v.Once, now: v.Now})
		}
		return nil
	})
	if err != nil {
		return err
	}
	cutSeq := t.done[m.Source]
	var out []mapMutation
	for i := range rows {
		if err := t.failures(results[i].failed); err != nil {
			return err
		}
		if err := t.refusals(results[i].refused); err != nil {
			return err
		}
		if p == nil || p.Write {
			out = append(out, results[i].mutations...)
		}
		if p == nil {
			if len(results[i].failed) == 0 {
				t.mended(m, rows[i].Key)
			}
			continue
		}
		for n := range latches[i] {
			if err := t.silence(&latches[i][n], cutSeq, p.Silent); err != nil {
				return err
			}
		}
	}
	t.m.metrics.entities.WithLabelValues(reason).Add(float64(len(rows)))
	return t.emit(cutSeq, out)
}

// mapRequest asks for a record to be mapped again.
type mapRequest struct {
	source, table, key string
	rule, record       string // what was refused, if a person retries a refusal
	next               int64  // the offset after it
}

// takeRequest takes a record of the retry topic: key "table NUL row", header
// "source", and "map" and "record" of what was refused.
func (t *mapTerm) takeRequest(rec *kgo.Record) error {
	r := mapRequest{next: rec.Offset + 1}
	r.table, r.key, _ = strings.Cut(string(rec.Key), "\x00")
	for _, h := range rec.Headers {
		switch h.Key {
		case "source":
			r.source = string(h.Value)
		case "map":
			r.rule = string(h.Value)
		case "record":
			r.record = string(h.Value)
		}
	}
	t.requests = append(t.requests, r)
	return nil
}

// mapRequests maps the records again that were asked for.
func (t *mapTerm) mapRequests(ctx context.Context) error {
	done := 0
	for _, r := range t.requests {
		s := t.r.sources[r.source]
		if s != nil && s.cut == nil || t.joins != nil && !t.joins.ready() {
			break // its rows are not there yet
		}
		if err := t.mapRequest(ctx, &r); err != nil {
			return err
		}
		t.progress.Retry, t.dirty = r.next, true
		if done++; t.p.Buffered() >= t.m.o.Transaction {
			break
		}
	}
	if done == 0 {
		return nil
	}
	t.requests = append([]mapRequest(nil), t.requests[done:]...)
	return t.commit(ctx)
}

func (t *mapTerm) mapRequest(ctx context.Context, r *mapRequest) error {
	for id, table := range t.m.tables {
		if id.Source != r.source || id.TableID.String() != r.table {
			continue
		}
		row, ok, err := t.db.Row(id, r.key)
		if err != nil {
			return err
		}
		if !ok {
			t.m.log.Warn("a record to be mapped again has no row any more", "table", id.String())
			return nil
		}
		kr := state.KeyedRow{Key: r.key, Row: row}
		for _, m := range table.maps {
			if ours, err := t.refire(ctx, m, &kr, r.rule, r.record); ours || err != nil {
				return err
			}
		}
		joined := false
		if t.joins != nil {
			if joined, err = t.joins.request(ctx, table, r); err != nil {
				return err
			}
		}
		for _, m := range table.maps {
			if joined && r.rule != "" && r.rule != m.Name || t.rests(m) {
				continue
			}
			if err := t.again(ctx, m, []state.KeyedRow{kr}, mapping.ReasonRetry, nil); err != nil {
				return err
			}
		}
		return nil
	}
	t.m.log.Warn("a record to be mapped again is of no table of the flow", "source", r.source, "table", r.table)
	return nil
}
