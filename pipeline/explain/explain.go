package explain

import (
	"context"
	"errors"
	"fmt"
	"time"

	"chartwire/pipeline/broker"
	"chartwire/pipeline/deadletter"
	"chartwire/pipeline/mapping"
	"chartwire/pipeline/shadow"
	"chartwire/schemas"
	"chartwire/sinks"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Options says what to explain, and where it stands.
type Options struct {
	Connection broker.Config
	Topics     schemas.Topics
	// Schema gives the schema with an id, the same pointer each time.
	Schema func(ctx context.Context, id int) (*schemas.RowSchema, error)
	Flow   string
	Map    *mapping.Map
	// Progress, if there is one, is told how many records of a topic have been
	// read: every other second, and at its end.
	Progress func(topic string, records int, done bool)
}

// Report is all that the topics say of one record of a map.
type Report struct {
	// Mutation is the newest that the map made for the record; Written is when.
	Mutation *sinks.Mutation
	Written  time.Time
	// Entry is what the destination holds as far as we know; nil: nothing.
	Entry *shadow.Entry
	// Since says by property since when the destination holds the value that it
	// holds now. Those in Before may have been held longer: it is the oldest
	// that the topic remembers.
	Since  map[string]time.Time
	Before map[string]bool
	// Letters are the open refusals of the record and its properties.
	Letters []*deadletter.Letter

	// Root is the entity: the key of the root's row, or the group's text.
	// Presence and Properties are what the map makes of the rows as they are in
	// the topics now. Mapped is false when the root's row is gone.
	Root       string
	Mapped     bool
	Presence   mapping.Presence
	Properties []mapping.Explained
}

// ErrNothing says that the map never wrote such a record.
var ErrNothing = errors.New("the map has written no record with this key, nor one from a row with it")

// Record explains the record of the map with the key, as it is at the
// destination; a key of the root's rows will do.
func Record(ctx context.Context, o Options, key string) (*Report, error) {
	r := &Report{Since: map[string]time.Time{}, Before: map[string]bool{}}
	if err := o.findMutation(ctx, r, key); err != nil {
		return nil, err
	}
	if r.Mutation == nil {
		return nil, ErrNothing
	}
	if err := o.findEntry(ctx, r); err != nil {
		return nil, err
	}
	letters, err := deadletter.List(ctx, o.Connection, o.Topics, r.Mutation.Sink, deadletter.Filter{Object: r.Mutation.Record.Object})
	if err != nil {
		return nil, err
	}
	for _, l := range letters {
		if l.Record == r.Mutation.Record {
			r.Letters = append(r.Letters, l)
		}
	}
	return r, o.evaluate(ctx, r)
}

// scan reads topics whole. One that does not exist has no records.
func (o *Options) scan(ctx context.Context, fn func(*kgo.Record) error, topics ...string) error {
	tell := o.Progress
	if tell == nil {
		tell = func(string, int, bool) {}
	}
	for _, topic := range topics {
		n, told := 0, time.Now()
		_, err := broker.Scan(ctx, o.Connection, func(r *kgo.Record) error {
			if n++; n%1000 == 0 && time.Since(told) > 2*time.Second {
				told = time.Now()
				tell(topic, n, false)
			}
			return fn(r)
		}, topic)
		if errors.Is(err, kerr.UnknownTopicOrPartition) {
			continue
		}
		if err != nil {
			return fmt.Errorf("reading %s: %w", topic, err)
		}
		tell(topic, n, true)
	}
	return nil
}

// evaluate gathers the rows of the entity and lets the map say what it makes of
// them.
func (o *Options) evaluate(ctx context.Context, r *Report) error {
	e := o.Map.Evaluator()
	g := newGathering(o)
	root, _ := o.rootOf(r.Mutation)
	if err := g.run(ctx, e, r.Mutation.Record.Key, root); err != nil {
		return err
	}
	out, err := g.eval(e)
	if err != nil || out == nil {
		return err
	}
	if r.Mapped, r.Root, r.Presence = true, g.key, out.Presence; out.Presence == mapping.Present {
		r.Properties = e.Explain()
	}
	return nil
}

// rootOf gives the key of a row of the root's table that a mutation came from.
func (o *Options) rootOf(m *sinks.Mutation) (string, bool) {
	for _, origin := range m.Origin {
		if origin.Source == o.Map.Source && origin.Table == o.Map.Table.String() {
			return origin.Row, true
		}
	}
	return "", false
}
