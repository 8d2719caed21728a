package cdc

import (
	"context"
	"iter"
	"time"
)

// Resume is all that a source needs to go on where another left off: what
// capture read from its newest cut. The zero Resume is a first start.
type Resume struct {
	Checkpoint Checkpoint
	Loads      map[TableID]Load
	// Admit, if not nil, is asked about each version of a table before the
	// first change of it is yielded, by the goroutine that yields. A Halt that
	// is Alone makes the source hold the table ([Load.Held]); any other error
	// means that it cannot be said now.
	Admit func(ctx context.Context, t *Table) error
	// Asked is the newest Txn.Asked. Orders brings what people ask meanwhile, in
	// the order of their IDs; nil for nothing. Those up to Asked are passed over.
	Asked  int64
	Orders <-chan Order
}

// Passage is one transaction that a person passes over because it cannot be
// read, described without a value of it.
type Passage struct {
	From, Behind Position
	ID           string    // the transaction's, where the source gives ids
	Time         time.Time // of its commit, or of what there is of it
	Tables       []TableID // the captured ones that it is known to have changed
	// Unknown says that it may have changed any captured table.
	Unknown bool
	Events  map[string]int // by kind
	Rows    int64          // row images that could be counted, of any table
	Bytes   int64
}

// Stream yields the transactions of a source from r on, without end, until ctx
// ends or the consumer breaks. A non-nil error is the last thing it yields: a
// [*Halt] when a person must decide, otherwise a fault that survived the
// source's own reconnects. The Txn and everything in it are valid until the
// next one is asked for. One caller at a time.
type Stream func(ctx context.Context, r Resume) iter.Seq2[*Txn, error]
