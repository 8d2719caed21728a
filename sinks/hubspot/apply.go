package hubspot

import (
	"context"
	"errors"
	"fmt"
	"time"

	"chartwire/cdc"
	"chartwire/sinks"
	"chartwire/sinks/outcall"
)

// item is one write on its way: the texts it sends, and its result.
type item struct {
	*sinks.Write
	values map[string]string // as sent: labels resolved, "" clears
	result sinks.Result
	done   bool
}

func (it *item) fail(err error) { it.result.Err, it.done = err, true }

// has reports whether the write carries the property and can do without it.
func (it *item) has(property string) bool {
	if property == "" || property == it.Record.Property {
		return false
	}
	for i := range it.Properties {
		if it.Properties[i].Name == property {
			return true
		}
	}
	return false
}

// contested is the property that a conflict without a name is about: e-mail,
// the one property that HubSpot itself keeps unique.
func (it *item) contested() string {
	if it.Record.Object == "contacts" && it.values["email"] != "" && it.has("email") {
		return "email"
	}
	return ""
}

// job is one Apply: its calls are made one after the other.
type job struct {
	s      *Sink
	ctx    context.Context
	lane   sinks.Lane
	object string
	paid   bool // the room that Reserve gave is not used yet

	unpaced bool // the calls are about definitions
}

// errOpen is the fault of a call that an open breaker kept from being made.
var errOpen = errors.New("circuit breaker open: no call was made")

// Apply upserts the writes, or archives those that say so. Most batches are
// one call; a value that HubSpot will not move back takes two more, an archive
// or a write for an existing record a look-up, links a call more to end some,
// a batch refused as a whole as many as it takes to find the record to blame while the call timeout lasts.
func (s *Sink) Apply(ctx context.Context, writes []sinks.Write) []sinks.Result {
	results := make([]sinks.Result, len(writes))
	if len(writes) == 0 {
		return results
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.CallTimeout)
	defer cancel()
	j := &job{s: s, ctx: ctx, lane: writes[0].Lane, object: writes[0].Record.Object, paid: true}
	items := make([]*item, len(writes))
	for i := range writes {
		items[i] = &item{Write: &writes[i]}
	}
	if h, _ := s.haltState(time.Now()); h != nil {
		failAll(items, h)
	} else {
		j.run(items)
	}
	for i, it := range items {
		results[i] = it.result
		s.metrics.wrote(it.Write, &it.result)
	}
	return results
}

func failAll(items []*item, err error) {
	for _, it := range items {
		it.fail(err)
	}
}

func (j *job) run(items []*item) {
	archives := map[string][]*item{}
	upserts := map[string][]*item{}
	var links []*item
	var order []string // of the unique properties: a batch has one only
	for _, it := range items {
		p := it.Record.Property
		if archives[p] == nil && upserts[p] == nil {
			order = append(order, p)
		}
		switch {
		case it.Record.Key == "" || p == "":
			it.fail(&sinks.Rejected{Code: "EMPTY_KEY", Class: "identity", Message: "the record has no key"})
		case p == "email":
			it.fail(&sinks.Rejected{Code: "EMAIL_KEY", Class: "identity", Message: "e-mail is shared and changes: it cannot be a record's key"})
		case len(it.Links) > 0:
			links = append(links, it)
		case it.Archive:
			archives[p] = append(archives[p], it)
		default:
			upserts[p] = append(upserts[p], it)
		}
	}
	for _, p := range order {
		if set := j.existing(p, upserts[p]); len(set) > 0 {
			j.upsertAll(p, set)
		}
		if set := archives[p]; len(set) > 0 {
			j.archive(p, set)
		}
	}
	if len(links) > 0 {
		j.link(links)
	}
}

// call makes one call: the first with the room that Reserve gave, each further
// one with room of its own. A nil error leaves an answer about records.
func (j *job) call(c *call) (*answer, error) {
	c.lane, c.object = j.lane, j.object
	if !j.paid {
		if err := j.room(); err != nil {
			return nil, err
		}
	}
	j.paid = false
	done, wait := j.s.breakers.allow(c.kind, j.lane)
	if done == nil {
		return nil, &sinks.Unavailable{Wait: wait, Err: errOpen}
	}
	a, err := j.s.send(j.ctx, c)
	if err == nil {
		err = j.s.fault(c, a, time.Now())
	}
	done(err)
	return a, err
}

// room waits for a further call's place in the limits, as long as the call
// timeout lasts.
func (j *job) room() error {
	for {
		now := time.Now()
		wait, reason := j.s.limiter.take(j.lane, !j.unpaced, now)
		if wait <= 0 {
			return nil
		}
		if end, ok := j.ctx.Deadline(); ok && now.Add(wait).After(end) {
			return &sinks.Throttled{Wait: wait, Policy: reason}
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-j.ctx.Done():
			t.Stop()
			return &sinks.Unavailable{Err: fmt.Errorf("%w: %w", outcall.Caller, j.ctx.Err())}
		}
	}
}

// refused ends an item that HubSpot refuses, or halts for what every record
// would meet.
func (j *job) refused(it *item, refs []refusal) {
	for i := range refs {
		if h := haltFor(j.object, &refs[i]); h != nil {
			it.fail(h)
			return
		}
	}
	it.fail(rejected(it, refs))
}

// haltOf is the first of the refusals that stops the flow, or nil.
func haltOf(object string, refs []refusal) *cdc.Halt {
	for i := range refs {
		if h := haltFor(object, &refs[i]); h != nil {
			return h
		}
	}
	return nil
}
