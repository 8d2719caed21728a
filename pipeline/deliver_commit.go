package pipeline

import (
	"context"
	"fmt"
	"maps"
	"time"

	"chartwire/pipeline/deadletter"
	"chartwire/pipeline/lanes"
	"chartwire/pipeline/shadow"
	"chartwire/sinks"

	"github.com/twmb/franz-go/pkg/kgo"
)

// pace is the shortest time between two commits: what a crash repeats, and what
// a commit costs, are both small then.
const pace = 50 * time.Millisecond

// commit is one Kafka transaction in the air.
type commit struct {
	progress shadow.Progress
	last     *kgo.Record // of the shadow's topic: its offset is where the copy ends
}

// commitDue says when to commit; zero: now.
func (t *term) commitDue(now time.Time) time.Time {
	switch {
	case t.next != nil || t.store.Dirty() == 0 && len(t.letters) == 0 && !t.marked:
		return now.Add(idle)
	case t.last.Add(pace).After(now) && t.store.Dirty() < dirtyEntries:
		return t.last.Add(pace)
	}
	return time.Time{}
}

// commit begins a transaction of all that was learned, with the offsets that it
// lets pass. Nothing else is produced until it has landed.
func (t *term) commit(clean bool) {
	topic := t.o.Topics.Shadow(t.o.Sink.Name())
	c := &commit{progress: shadow.Progress{Offsets: t.offsets(), Clean: clean, Time: time.Now().UTC()}}
	for id, e := range t.store.Take() {
		t.p.Produce(&kgo.Record{Topic: topic, Key: []byte(id), Value: e.Append(nil)})
	}
	for _, r := range t.letters {
		t.p.Produce(r)
	}
	value, err := c.progress.Append(nil)
	c.last = &kgo.Record{Topic: topic, Key: []byte(shadow.ProgressKey), Value: value}
	t.p.Produce(c.last)
	t.letters, t.marked, t.next, t.last = map[string]*kgo.Record{}, false, c, time.Now()
	if err != nil {
		t.committed <- err
		return
	}
	go func() { t.committed <- t.p.Commit(context.Background()) }()
}

// landed takes the end of a transaction in.
func (t *term) landed(err error) error {
	c := t.next
	t.next = nil
	if err != nil {
		return err
	}
	return t.store.Committed(c.progress, c.last.Offset+1)
}

// offsets are the marks of all partitions, and those saved of topics that are
// not ours any more: a flow that comes back goes on where it was.
func (t *term) offsets() map[string]map[int32]int64 {
	out := map[string]map[int32]int64{}
	for topic, parts := range t.store.Progress().Offsets {
		out[topic] = maps.Clone(parts)
	}
	for _, p := range t.partitions {
		if mark := p.mark(); mark >= 0 {
			if out[p.topic] == nil {
				out[p.topic] = map[int32]int64{}
			}
			out[p.topic][p.number] = mark
		}
	}
	return out
}

// bury writes a dead letter.
func (t *term) bury(id sinks.Record, property string, h *lanes.Head, r *sinks.Rejected, lane sinks.Lane, now time.Time) {
	l := &deadletter.Letter{
		Sink: t.o.Sink.Name(), Flow: h.Flow, Map: h.Map, Record: id, Property: property,
		Code: r.Code, Class: r.Class, Message: r.Message, Existing: r.Existing, Correlation: r.Correlation,
		Lane: lane, Version: h.Version, Origin: h.Origin, Commit: h.Commit, Time: now.UTC(),
	}
	t.counts.lanes[lane].Letters++
	t.metrics.letters.WithLabelValues(lane.String(), h.Flow).Inc()
	t.log.Warn("dead letter", "letter", l, "lane", lane)
	value, err := l.Append(nil)
	if err != nil { // a year beyond what JSON takes
		value = fmt.Appendf(nil, `{"sink":%q,"flow":%q,"message":%q}`, l.Sink, l.Flow, err)
	}
	t.letters[l.Key()] = &kgo.Record{Topic: t.o.Topics.DeadLetters(l.Sink), Key: []byte(l.Key()), Value: value}
}

// mend ends a dead letter.
func (t *term) mend(id sinks.Record, property string) {
	key := deadletter.Key(id, property)
	t.letters[key] = &kgo.Record{Topic: t.o.Topics.DeadLetters(t.o.Sink.Name()), Key: []byte(key)}
	t.metrics.mended.Inc()
}
