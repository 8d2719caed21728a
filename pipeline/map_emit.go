package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"chartwire/pipeline/mapping"
	"chartwire/sinks"

	"github.com/twmb/franz-go/pkg/kgo"
)

// mapGroups evaluates entities at a cut and puts what comes of them into the
// open transaction.
func (t *mapTerm) mapGroups(ctx context.Context, cutSeq int64, groups []*mapGroup) error {
	results := make([]*mapResult, len(groups))
	err := t.parallel(len(groups), func(w *mapWorker, i int) (err error) {
		results[i], err = w.group(ctx, groups[i])
		return err
	})
	if err != nil {
		return err
	}
	// Removals come first: another record of the cut may have the key now.
	var out []mapMutation
	var events []mapEvent
	for _, removal := range []bool{true, false} {
		for _, r := range results {
			for i := range r.mutations {
				if r.mutations[i].removal == removal {
					out = append(out, r.mutations[i])
				}
			}
		}
	}
	reasons := map[string]int{}
	for _, r := range results {
		events = append(events, r.events...)
		reasons[r.reason]++
	}
	for reason, n := range reasons {
		t.m.metrics.entities.WithLabelValues(reason).Add(float64(n))
	}
	fired, err := t.latches(cutSeq, events)
	if err != nil {
		return err
	}
	return t.emit(cutSeq, append(out, fired...))
}

// emit gives mutations their versions, in their order, and puts them into the
// open transaction.
func (t *mapTerm) emit(cutSeq int64, out []mapMutation) error {
	if len(out) == 0 {
		return nil
	}
	for i := range out {
		m := &out[i]
		if err := t.writeOnce(m); err != nil {
			return err
		}
		m.Flow = t.m.o.Flow
		t.progress.Version = max(t.progress.Version+1, cutSeq)
		m.Version = t.progress.Version
		t.m.metrics.mutations.WithLabelValues(m.Sink, m.Lane.String()).Inc()
	}
	t.dirty = true
	recs := make([]*kgo.Record, len(out))
	err := t.parallel(len(out), func(_ *mapWorker, i int) error {
		m := out[i].Mutation
		value, err := json.Marshal(m)
		if err != nil {
			return fmt.Errorf("encoding a mutation of %s: %w", m.Map, err)
		}
		recs[i] = &kgo.Record{Topic: t.m.o.Topics.Writes(m.Sink, m.Flow, m.Lane.String()), Key: []byte(m.Record.ID()), Value: value}
		return nil
	})
	if err != nil {
		return err
	}
	t.p.Produce(recs...)
	return nil
}

// writeOnce takes out the write-once properties that were written before, and
// remembers those that are written now. A person's retry writes them again.
func (t *mapTerm) writeOnce(m *mapMutation) error {
	if len(m.once) == 0 {
		return nil
	}
	key := onceKey(m.m, m.Record.ID())
	if m.removal && m.Existence == sinks.Archived {
		t.entries[key] = nil // the next record of the key is another one
		return nil
	}
	var written mapOnce
	if err := t.entry(key, &written); err != nil {
		return err
	}
	n := len(written)
	m.Properties = slices.DeleteFunc(m.Properties, func(p sinks.Property) bool {
		switch {
		case !slices.Contains(m.once, p.Name):
			return false
		case p.State != sinks.Set:
			return true // nothing to write once yet
		case slices.Contains(written[:n], p.Name):
			return m.Reason != mapping.ReasonRetry
		}
		written = append(written, p.Name)
		return false
	})
	if len(written) > n {
		t.entries[key] = encodeEntry(written)
	}
	return nil
}

// commit ends the open transaction: mutations, changelog and progress. After it
// the local state has the changelog too.
func (t *mapTerm) commit(ctx context.Context) error {
	t.progress.Time = time.Now().UTC()
	t.entries[progressKey] = encodeEntry(&t.progress)
	var recs []*kgo.Record
	for _, key := range slices.Sorted(maps.Keys(t.entries)) {
		recs = append(recs, &kgo.Record{Topic: t.stateTo, Key: []byte(key), Value: t.entries[key]})
	}
	t.p.Produce(recs...)
	start := time.Now()
	if err := t.p.Commit(ctx); err != nil {
		return err
	}
	t.m.metrics.committed(time.Since(start))
	b := t.batch()
	for _, r := range recs {
		b.PutEntry(string(r.Key), r.Value)
		b.Meta.Entries = max(b.Meta.Entries, r.Offset+1)
	}
	clear(t.entries)
	for s, p := range t.progress.Sources {
		t.done[s] = p.Seq
	}
	t.dirty, t.saved = false, time.Now()
	return t.flushApply()
}

// lag notes how old the newest mapped commit of a source is.
func (m *Map) lag(s *mapSource) {
	if !s.cut.Commit.IsZero() {
		m.metrics.lag.WithLabelValues(s.name).Set(time.Since(s.cut.Commit).Seconds())
	}
}
