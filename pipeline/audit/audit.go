// Package audit keeps what people did that changes what Chartwire does: acts
// that skip, repeat or release something. The topic is never compacted and never
// deleted from.
package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/user"
	"time"

	"chartwire/pipeline/broker"
	"chartwire/schemas"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Entry is one act.
type Entry struct {
	Time    time.Time `json:"time"`
	Act     string    `json:"act"`     // such as "reload"
	Subject string    `json:"subject"` // what it was done to: a source, a flow
	Who     string    `json:"who"`     // user@host
	Reason  string    `json:"reason,omitempty"`
	// Before is what the act replaced, such as a position.
	Before string `json:"before,omitempty"`
	// What tells what it was done with, where Before and After do not.
	What string `json:"what,omitempty"`
	// After is what it put there, where a person could not say it from Act.
	After string `json:"after,omitempty"`
}

// New makes an entry of now, by the user of this process.
func New(act, subject, reason string) Entry {
	who := "unknown"
	if u, err := user.Current(); err == nil {
		who = u.Username
	}
	if host, err := os.Hostname(); err == nil {
		who += "@" + host
	}
	return Entry{Time: time.Now().UTC(), Act: act, Subject: subject, Who: who, Reason: reason}
}

// Record makes the Kafka record of an entry.
func (e Entry) Record(t schemas.Topics) *kgo.Record {
	value, err := json.Marshal(e)
	if err != nil {
		panic(err) // texts and a time
	}
	return &kgo.Record{Topic: t.Audit(), Key: []byte(e.Act + " " + e.Subject), Value: value, Timestamp: e.Time}
}

// Do writes the entry and then the record that is the act: one that is not in the
// audit must not have been done.
func (e Entry) Do(ctx context.Context, cl *kgo.Client, t schemas.Topics, act *kgo.Record) error {
	for _, r := range []*kgo.Record{e.Record(t), act} {
		if err := cl.ProduceSync(ctx, r).FirstErr(); err != nil {
			return err
		}
	}
	return nil
}

// List gives all entries, oldest first.
func List(ctx context.Context, c broker.Config, t schemas.Topics) ([]Entry, error) {
	var list []Entry
	_, err := broker.Scan(ctx, c, func(r *kgo.Record) error {
		var e Entry
		if err := json.Unmarshal(r.Value, &e); err != nil {
			return fmt.Errorf("decoding the audit entry at offset %d: %w", r.Offset, err)
		}
		list = append(list, e)
		return nil
	}, t.Audit())
	if err != nil {
		return nil, fmt.Errorf("reading the audit: %w", err)
	}
	return list, nil
}
