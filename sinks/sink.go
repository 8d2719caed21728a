package sinks

import (
	"context"
	"time"
)

// Write is what Deliver asks of a sink for one record: the part of one or more
// mutations that the destination does not hold yet.
type Write struct {
	Record Record
	// ID is the destination's own id of the record if the shadow knows it.
	ID string
	// Trace is unique within the batch and stays the same when the write is
	// repeated.
	Trace      string
	Lane       Lane
	Archive    bool
	Properties []Property
	// Links make the write one of links alone: the record has an ID, each far
	// end a ToID, and there are no properties. Of each far end named, the links
	// that are Set are all that there should be; those that are Clear may be
	// there, and should not.
	Links []Link
	// Create says that the record must hold its required properties: the
	// shadow has not seen it yet.
	Create bool
	// Existing says that the record is not to be made: where the destination
	// does not have it the write does nothing, and its Result has no ID.
	Existing bool
}

// Result is the destination's answer to one Write.
type Result struct {
	ID  string // the destination's own id; "" if an Existing record is not there
	New bool   // the record was created by this write
	// Stored are the values that the destination says it holds now, by
	// property, which may differ from those sent (HubSpot lower-cases
	// e-mail). Options and stages are in the words of the write: labels.
	// Nil where the destination does not say.
	Stored map[string]string
	// Links are, by their place in the write, the links that were refused: nil
	// for one that is as wanted now. Nil altogether if none was. Class
	// "missing" says that the destination knows one of the two ids no more.
	Links []*Rejected
	// Err is nil when the write is done, or one of the kinds of errors.go.
	Err error
}

// Sink is a destination. Its contract is run against every implementation by
// sinktest.
//
// Deliver has one goroutine that calls Reserve and several that call Apply;
// Apply is called concurrently, but never with two writes of one record at a
// time, except one of its properties beside one of its links.
type Sink interface {
	// Name is the sink's name in topics: "hubspot", "notify".
	Name() string

	// Open connects, checks credentials and compares what the maps need with
	// what the destination offers. A *cdc.Halt says what a person must do;
	// any other error is tried again. After a halt, its own or one of Apply's,
	// Deliver calls it again, at least every minute and while Apply may be
	// running: without an error the flows that were halted go on.
	Open(ctx context.Context) error

	// Batch is the largest number of writes of one object that Apply takes.
	Batch(object string) int

	// Links is the largest number of links that Apply takes at once, over all
	// its writes; 0: the destination knows no links.
	Links() int

	// Reserve asks for room for one call in the lane, now. Zero grants and
	// counts it; otherwise nothing is counted and asking again before the
	// duration has passed is useless. It never blocks. A breaker that is open
	// answers here.
	Reserve(lane Lane, now time.Time) time.Duration

	// Apply makes one call (or the few that one batch needs) for writes of one
	// object and one lane, all of them with different records: at most
	// Batch(object) writes of properties, or writes of at most Links() links.
	// It returns one Result per write, in their order. It honours ctx, and
	// never takes longer than the sink's call timeout.
	//
	// A fault of the whole call is given as the Err of every Result:
	// *Throttled and *Unavailable make Deliver send the same writes again,
	// *Rejected sends the write (or the property that it names) to the dead
	// letters, a *cdc.Halt stops the flow.
	Apply(ctx context.Context, writes []Write) []Result
}
