// Package holds is how flows are held and released: the requests of people, and
// what each Deliver says of its flows. Both stand in one small compacted topic,
// so that a command reaches a Deliver wherever it runs, or will run.
package holds

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"chartwire/pipeline/audit"
	"chartwire/pipeline/broker"
	"chartwire/schemas"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// HaltHeld is the code under which a held flow is explained. It is no halt: the
// flow's safety properties and rules go on.
const HaltHeld = "flow-held"

// The acts of a Request.
const (
	Hold    = "hold"
	Release = "release"
)

// Request is what a person wants of a flow, at every sink that it writes to.
type Request struct {
	Flow   string    `json:"flow"`
	Act    string    `json:"act"`
	Reason string    `json:"reason"`
	Who    string    `json:"who"`
	Time   time.Time `json:"time"`
	Offset int64     `json:"-"` // where it stands in the topic
}

// State is what a sink's Deliver says of a flow.
type State struct {
	Sink string `json:"sink"`
	Flow string `json:"flow"`
	Held bool   `json:"held"`
	// Since, Why and Who are of the newest hold or release.
	Since time.Time `json:"since,omitzero"`
	Why   string    `json:"why,omitempty"`
	Who   string    `json:"who,omitempty"`
	// Back counts the mutations that were held back.
	Back int64 `json:"back,omitempty"`
	// From are the offsets that are read again from at the release, by topic and
	// partition; -1 is the topic's start.
	From Offsets `json:"from,omitempty"`
	// Until are, after a release, the offsets before which mutations do not
	// count: a person has let them go.
	Until Offsets `json:"until,omitempty"`
	// Doubt says that mutations held back may have been tried, without an answer.
	Doubt bool `json:"doubt,omitempty"`
	// Taken is what the flow took away of late, by minute: a process that ends
	// again and again does not make many small changes of a large one.
	Taken []Taken `json:"taken,omitempty"`
	// Kinds are those of the records: beginnings of their ids.
	Kinds []string `json:"kinds,omitempty"`
	// Asked is the offset of the newest request that was carried out.
	Asked int64 `json:"asked"`
}

// Taken counts the records that something was taken away from in a minute.
type Taken struct {
	Minute   time.Time `json:"minute"`
	Records  int       `json:"records"`
	Archived int       `json:"archived,omitempty"` // of them
}

// Offsets are by topic and partition.
type Offsets map[string]map[int32]int64

// Put sets one of them.
func (o Offsets) Put(topic string, partition int32, offset int64) {
	if o[topic] == nil {
		o[topic] = map[int32]int64{}
	}
	o[topic][partition] = offset
}

// At gives one of them.
func (o Offsets) At(topic string, partition int32) (offset int64, ok bool) {
	offset, ok = o[topic][partition]
	return offset, ok
}

// Topic is the topic as it should be.
func Topic(t schemas.Topics) broker.Topic { return broker.Compacted(t.Holds()) }

const (
	requests = "request\x00"
	states   = "state\x00"
)

// Record makes the Kafka record of a state.
func (s *State) Record(t schemas.Topics) *kgo.Record {
	return record(t, states+s.Sink+"\x00"+s.Flow, s)
}

func record(t schemas.Topics, key string, v any) *kgo.Record {
	value, err := json.Marshal(v)
	if err != nil {
		panic(err) // texts, numbers and times
	}
	return &kgo.Record{Topic: t.Holds(), Key: []byte(key), Value: value}
}

// Board is the topic's content.
type Board struct {
	Requests map[string]Request // the newest, by flow
	States   []State            // by sink and flow
	End      int64              // the offset after it
}

// State finds one.
func (b *Board) State(sink, flow string) (State, bool) {
	i := slices.IndexFunc(b.States, func(s State) bool { return s.Sink == sink && s.Flow == flow })
	if i < 0 {
		return State{}, false
	}
	return b.States[i], true
}

// Done says whether every sink that is known to have the flow has taken the
// request in.
func (b *Board) Done(r Request) bool {
	known := false
	for _, s := range b.States {
		if s.Flow == r.Flow {
			known = true
			if s.Asked < r.Offset || s.Held != (r.Act == Hold) && s.Asked == r.Offset {
				return false
			}
		}
	}
	return known
}

// Read reads the topic to its committed end. A topic that is not there is empty.
func Read(ctx context.Context, c broker.Config, t schemas.Topics) (*Board, error) {
	b := &Board{Requests: map[string]Request{}}
	byKey := map[string]State{}
	ends, err := broker.Scan(ctx, c, func(r *kgo.Record) error {
		req, state, err := Decode(r)
		if req != nil {
			b.Requests[req.Flow] = *req
		}
		if state != nil {
			byKey[string(r.Key)] = *state
		}
		return err
	}, t.Holds())
	if errors.Is(err, kerr.UnknownTopicOrPartition) {
		return b, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the held flows: %w", err)
	}
	for _, s := range byKey {
		b.States = append(b.States, s)
	}
	slices.SortFunc(b.States, func(x, y State) int { return cmp.Or(cmp.Compare(x.Flow, y.Flow), cmp.Compare(x.Sink, y.Sink)) })
	b.End = ends[t.Holds()][0]
	return b, nil
}

// Decode takes a record apart: into a request or a state.
func Decode(r *kgo.Record) (*Request, *State, error) {
	var req Request
	var s State
	var err error
	switch key := string(r.Key); {
	case r.Value == nil:
		return nil, nil, nil
	case strings.HasPrefix(key, requests):
		if err = json.Unmarshal(r.Value, &req); err == nil {
			req.Offset = r.Offset
			return &req, nil, nil
		}
	case strings.HasPrefix(key, states):
		if err = json.Unmarshal(r.Value, &s); err == nil {
			return nil, &s, nil
		}
	}
	return nil, nil, fmt.Errorf("decoding %s offset %d: %w", r.Topic, r.Offset, errors.Join(errNeither, err))
}

var errNeither = errors.New("neither a request nor the state of a flow")

// Ask asks for a flow to be held or released, and writes it into the audit.
// before is what it replaces, in words. It returns the request's offset.
func Ask(ctx context.Context, c broker.Config, t schemas.Topics, act, flow, reason, before string) (int64, error) {
	cl, err := c.Client()
	if err != nil {
		return 0, err
	}
	defer cl.Close()
	if err := broker.EnsureTopics(ctx, cl, c, Topic(t), broker.Log(t.Audit())); err != nil {
		return 0, broker.Denied(err)
	}
	entry := audit.New(act, "flow "+flow, reason)
	entry.Before = before
	r := record(t, requests+flow, Request{Flow: flow, Act: act, Reason: reason, Who: entry.Who, Time: entry.Time})
	if err := entry.Do(ctx, cl, t, r); err != nil {
		return 0, fmt.Errorf("asking to %s flow %s: %w", act, flow, err)
	}
	return r.Offset, nil
}
