package pipeline

import (
	"context"
	"maps"
	"slices"
	"time"

	"chartwire/pipeline/mapping"
	"chartwire/pipeline/writes"
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
	var out []mapMutation
	var events []mapEvent
	reasons := map[string]int{}
	for _, r := range results {
		out = append(out, r.mutations...)
		events = append(events, r.events...)
		if err := t.failures(r.failed); err != nil {
			return err
		}
		if err := t.refusals(r.refused); err != nil {
			return err
		}
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
		if err := t.writeBest(m); err != nil {
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
		var err error
		recs[i], err = writes.Record(t.m.o.Topics, out[i].Mutation)
		return err
	})
	if err != nil {
		return err
	}
	t.p.Produce(recs...)
	return nil
}

// writeOnce gives write-once properties the value that they were first given,
// and remembers those that are given one now. Every mutation holds them, not
// only the first: the topic of mutations keeps the newest alone, and for the
// destination a value that it was given before is nothing to write.
func (t *mapTerm) writeOnce(m *mapMutation) error {
	if !m.m.WritesOnce() || m.Reason == mapping.ReasonRule {
		return nil
	}
	key := onceKey(m.m, m.Record.ID())
	if m.Existence == sinks.Archived {
		t.entries[key] = nil // the next record of the key is another one
		return nil
	}
	var first mapOnce
	if err := t.entry(key, &first); err != nil {
		return err
	}
	n := len(first)
	named := func(name string) func(sinks.Property) bool {
		return func(p sinks.Property) bool { return p.Name == name }
	}
	for _, name := range m.once {
		if i := slices.IndexFunc(m.Properties, named(name)); !slices.ContainsFunc(first[:n], named(name)) && m.Properties[i].State == sinks.Set {
			first = append(first, m.Properties[i])
		}
	}
	for _, p := range first[:n] {
		m.Properties = append(slices.DeleteFunc(m.Properties, named(p.Name)), p)
	}
	if len(first) > n {
		t.entries[key] = encodeEntry(first)
	}
	return nil
}

// writeBest gives properties of which the lowest or the highest value is kept
// that value, and remembers it.
func (t *mapTerm) writeBest(m *mapMutation) error {
	if !m.m.WritesBest() || m.Reason == mapping.ReasonRule {
		return nil
	}
	key := bestKey(m.m, m.Record.ID())
	if m.Existence == sinks.Archived {
		t.entries[key] = nil
		return nil
	}
	kept := map[string]mapping.Kept{}
	if err := t.entry(key, &kept); err != nil {
		return err
	}
	if m.m.KeepBest(m.Mutation, m.best, kept) {
		t.entries[key] = encodeEntry(kept)
	}
	return nil
}

// commit ends the open transaction: mutations, changelog and progress. After it
// the local state has the changelog too.
func (t *mapTerm) commit(ctx context.Context) error {
	t.progress.Time = time.Now().UTC()
	if t.joins != nil {
		t.joins.lows()
	}
	t.entries[progressKey] = encodeEntry(&t.progress)
	var recs []*kgo.Record
	for _, key := range slices.Sorted(maps.Keys(t.entries)) {
		recs = append(recs, &kgo.Record{Topic: t.stateTo, Key: []byte(key), Value: t.entries[key]})
	}
	t.p.Produce(recs...)
	t.heartbeats()
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
	if t.joins != nil {
		t.joins.committed()
	}
	clear(t.entries)
	t.progressDone()
	t.dirty, t.saved = false, time.Now()
	return t.flushApply()
}

// heartbeats tells the sinks, once a second, how far all sources are mapped.
func (t *mapTerm) heartbeats() {
	var commit time.Time
	for _, name := range t.m.sources() {
		p := t.progress.Sources[name]
		if p.Commit.IsZero() {
			return
		}
		if commit.IsZero() || p.Commit.Before(commit) {
			commit = p.Commit
		}
	}
	if time.Since(t.beat) < mapIdle {
		return
	}
	t.beat = time.Now()
	for _, sink := range t.m.o.Program.Sinks() {
		for _, lane := range sinks.Lanes {
			t.p.Produce(writes.Heartbeat(t.m.o.Topics, sink, t.m.o.Flow, lane, commit))
		}
	}
}

// lag notes how old the newest mapped commit of a source is.
func (m *Map) lag(s *mapSource) {
	if !s.cut.Commit.IsZero() {
		m.metrics.lag.WithLabelValues(s.name).Set(time.Since(s.cut.Commit).Seconds())
	}
}
