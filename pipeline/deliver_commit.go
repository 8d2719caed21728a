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

// easy is how soon a commit of nothing but heartbeats' offsets follows another:
// reading them again costs nothing, and there are some every second.
const easy = 5 * time.Second

// commit is one Kafka transaction in the air.
type commit struct {
	progress shadow.Progress
	reach    []int64               // by partition
	last     *kgo.Record           // of the shadow's topic: its offset is where the copy ends
	open     map[string]sinks.Lane // records whose links are to be looked at
	fresh    []string              // records that got an id
}

// commitDue says when to commit; zero: now.
func (t *term) commitDue(now time.Time) time.Time {
	busy := t.store.Dirty() > 0 || len(t.letters) > 0 || t.marked || t.dirtyHolds()
	switch {
	case t.saving != nil || !busy && !t.beaten:
		return now.Add(idle)
	case !busy && t.last.Add(easy).After(now):
		return t.last.Add(easy)
	case t.last.Add(pace).After(now) && t.store.Dirty() < dirtyEntries:
		return t.last.Add(pace)
	}
	return time.Time{}
}

// commit begins a transaction of all that was learned, with the offsets that it
// lets pass. Nothing else is produced until it has landed.
func (t *term) commit(clean bool) {
	topic := t.o.Topics.Shadow(t.o.Sink.Name())
	c := &commit{progress: t.progress(clean), open: map[string]sinks.Lane{}, fresh: t.links.fresh}
	t.links.fresh = nil
	for _, p := range t.partitions {
		c.reach = append(c.reach, p.asked)
	}
	for id, e := range t.store.Take() {
		t.p.Produce(&kgo.Record{Topic: topic, Key: []byte(id), Value: e.Append(nil)})
		if lane, open := e.Open(); open {
			c.open[id] = lane
		}
	}
	for _, r := range t.letters {
		t.p.Produce(r)
	}
	t.saveHolds(time.Now())
	value, err := c.progress.Append(nil)
	c.last = &kgo.Record{Topic: topic, Key: []byte(shadow.ProgressKey), Value: value}
	t.p.Produce(c.last)
	t.letters, t.marked, t.beaten, t.saving, t.last = map[string]*kgo.Record{}, false, false, c, time.Now()
	if err != nil {
		t.committed <- err
		return
	}
	go func() { t.committed <- t.p.Commit(context.Background()) }()
}

// landed takes the end of a transaction in.
func (t *term) landed(err error) error {
	c := t.saving
	t.saving = nil
	if err != nil {
		return err
	}
	if err := t.store.Committed(c.progress, c.last.Offset+1); err != nil {
		return err
	}
	now := time.Now()
	for id, lane := range c.open {
		t.consider(id, lane, now)
	}
	for _, id := range c.fresh {
		if err := t.relink(id, now); err != nil {
			return err
		}
	}
	for i, p := range t.partitions {
		p.reach = c.reach[i]
	}
	for lane, batch := range t.beyond {
		if t.beyond[lane] = nil; batch != nil {
			if err := t.arrive(batch); err != nil {
				return err
			}
		}
	}
	return nil
}

// progress is how far all partitions are, those of topics that are not ours any
// more too: a flow that comes back goes on where it was.
func (t *term) progress(clean bool) shadow.Progress {
	saved := t.store.Progress()
	p := shadow.Progress{Offsets: copied(saved.Offsets), Reach: copied(saved.Reach), Clean: clean, Time: time.Now().UTC()}
	for _, part := range t.partitions {
		if mark := part.mark(); mark >= 0 {
			put(p.Offsets, part, mark)
		} else { // a release reads it again from its start
			delete(p.Offsets[part.topic], part.number)
		}
		put(p.Reach, part, part.asked)
	}
	return p
}

func copied(m map[string]map[int32]int64) map[string]map[int32]int64 {
	out := map[string]map[int32]int64{}
	for topic, parts := range m {
		out[topic] = maps.Clone(parts)
	}
	return out
}

func put(m map[string]map[int32]int64, p *partition, offset int64) {
	if m[p.topic] == nil {
		m[p.topic] = map[int32]int64{}
	}
	m[p.topic][p.number] = offset
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
	if t.counts.due("letter "+l.Map+" "+property+" "+l.Code, now) {
		t.log.Warn("dead letter", "letter", l, "lane", lane) // one of a kind; the metric counts all
	}
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
