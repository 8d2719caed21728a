package explain

import (
	"context"
	"strings"

	"chartwire/pipeline/shadow"
	"chartwire/pipeline/writes"
	"chartwire/sinks"

	"github.com/twmb/franz-go/pkg/kgo"
)

// findMutation finds the newest mutation of the map for the record with the
// key; if there is none, for one that came from the root's row with it.
func (o *Options) findMutation(ctx context.Context, r *Report, key string) error {
	sink := o.Map.Sink()
	var topics []string
	for _, lane := range sinks.Lanes {
		topics = append(topics, o.Topics.Writes(sink, o.Flow, lane.String()))
	}
	byRow := &Report{}
	keep := func(r *Report, m *sinks.Mutation, rec *kgo.Record) {
		if r.Mutation == nil || m.Version > r.Mutation.Version {
			r.Mutation, r.Written = m, rec.Timestamp
		}
	}
	err := o.scan(ctx, func(rec *kgo.Record) error {
		_, name, ok := strings.Cut(string(rec.Key), "\x00")
		if !ok || name != o.Map.Name || rec.Value == nil {
			return nil
		}
		m, _, err := writes.Decode(rec)
		if err != nil {
			return err
		}
		if m.Record.Key == key {
			keep(r, m, rec)
		} else if root, ok := o.rootOf(m); ok && root == key {
			keep(byRow, m, rec)
		}
		return nil
	}, topics...)
	if err != nil {
		return err
	}
	if r.Mutation == nil {
		r.Mutation, r.Written = byRow.Mutation, byRow.Written
	}
	return nil
}

// findEntry follows the record through the shadow's topic: what is held, and
// since when.
func (o *Options) findEntry(ctx context.Context, r *Report) error {
	id := r.Mutation.Record.ID()
	return o.scan(ctx, func(rec *kgo.Record) error {
		if string(rec.Key) != id {
			return nil
		}
		if rec.Value == nil {
			r.Entry = nil
			return nil
		}
		e, err := shadow.Decode(rec.Value)
		if err != nil {
			return err
		}
		for i := range e.Properties {
			p := &e.Properties[i]
			old := r.Entry.Property(p.Name)
			if !p.Held || old != nil && old.Held && old.Value == p.Value {
				continue
			}
			r.Since[p.Name] = rec.Timestamp
			// A topic that compacts keeps the newest: what it begins with may
			// have been so before. An embedded broker keeps all.
			r.Before[p.Name] = r.Entry == nil && !o.Connection.Embedded
		}
		r.Entry = e
		return nil
	}, o.Topics.Shadow(r.Mutation.Sink))
}
