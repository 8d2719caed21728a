// Package writes is the form of mutations on their way from Map to Deliver: one
// record of topic writes.<sink>.<flow>.<lane> each, and a heartbeat now and
// then, which says how far the source's time has come.
//
// The topics are compacted: of the mutations that one map made for one record
// the newest stays, and says all that the older ones said. Two maps may write
// different properties of one record, so the map is part of the key.
package writes

import (
	"encoding/json"
	"fmt"
	"time"

	"chartwire/pipeline/broker"
	"chartwire/schemas"
	"chartwire/sinks"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Topic gives the topic of a sink, flow and lane as it should be.
func Topic(topics schemas.Topics, sink, flow string, lane sinks.Lane) broker.Topic {
	return broker.Compacted(topics.Writes(sink, flow, lane.String()))
}

// Record makes the Kafka record of a mutation, for the topic of its lane.
func Record(topics schemas.Topics, m *sinks.Mutation) (*kgo.Record, error) {
	times := plain(m.Due) && plain(m.Commit)
	for i := range m.Properties {
		times = times && plain(m.Properties[i].Changed)
	}
	if !times {
		return nil, fmt.Errorf("encoding a mutation of %s: a time is not one that RFC 3339 can say", m.Map)
	}
	v := appendMutation(make([]byte, 0, 512+96*len(m.Properties)), m)
	return &kgo.Record{
		Topic: topics.Writes(m.Sink, m.Flow, m.Lane.String()),
		Key:   []byte(m.Record.ID() + "\x00" + m.Map),
		Value: v,
	}, nil
}

// heartbeatKey is the key of heartbeats; no mutation has it.
const heartbeatKey = "heartbeat"

// Heartbeat makes the record that says: whatever the source committed up to
// that time, and this lane is to bring, stands before it in the topic.
func Heartbeat(topics schemas.Topics, sink, flow string, lane sinks.Lane, commit time.Time) *kgo.Record {
	return &kgo.Record{
		Topic: topics.Writes(sink, flow, lane.String()),
		Key:   []byte(heartbeatKey),
		Value: []byte(commit.UTC().Format(time.RFC3339Nano)),
	}
}

// Decode takes a record apart: into a mutation, or, with nil, the commit time
// of a heartbeat.
func Decode(r *kgo.Record) (*sinks.Mutation, time.Time, error) {
	if string(r.Key) == heartbeatKey {
		t, err := time.Parse(time.RFC3339Nano, string(r.Value))
		if err != nil {
			return nil, time.Time{}, fmt.Errorf("decoding a heartbeat at %s/%d offset %d: %w", r.Topic, r.Partition, r.Offset, err)
		}
		return nil, t, nil
	}
	m := new(sinks.Mutation)
	if err := json.Unmarshal(r.Value, m); err != nil {
		return nil, time.Time{}, fmt.Errorf("decoding the mutation at %s/%d offset %d: %w", r.Topic, r.Partition, r.Offset, err)
	}
	return m, time.Time{}, nil
}
