package cdc

import (
	"log/slog"
	"slices"
	"time"
)

// LoadPhase says how far the first read of a table has come.
type LoadPhase string

// The phases of a load.
const (
	LoadWaiting LoadPhase = "waiting" // named, no chunk emitted yet
	LoadReading LoadPhase = "reading" // chunks up to After are emitted
	LoadDone    LoadPhase = "done"    // every row there was has been emitted
	LoadLeft    LoadPhase = "left"    // nobody reads it any more; what changes from then on is not known
)

// Load is the state of one table's first read, kept in the cut.
type Load struct {
	Phase LoadPhase `json:"phase"`
	// After is the key of the last row of the last emitted chunk, as the
	// source's own text of it: opaque to everybody but the source.
	After []string `json:"after,omitempty"`
	Rows  int64    `json:"rows,omitempty"`  // emitted so far
	Total int64    `json:"total,omitempty"` // estimated by the source at the start
	// Columns are the captured columns; one added later makes the table read
	// again, and counts as unknown in older rows until that is done.
	Columns []string `json:"columns,omitempty"`
	// Types pins what the stream does not say of columns (JSON, UUID…), by
	// column name, as the source's own text.
	Types map[string]string `json:"types,omitempty"`
	// Since is the commit time from which on the stream is known to be whole:
	// the start of the capture, or of the gap that made this load necessary.
	Since time.Time `json:"since,omitzero"`
	// Sums stand for the types of Columns, in their order, and Key are the
	// columns of the primary key that rows were written with.
	Sums []uint32 `json:"sums,omitempty"`
	Key  []string `json:"key,omitempty"`
	// Fields are the field names of columns whose type changed so that readers
	// had to be told, by column.
	Fields map[string]string `json:"fields,omitempty"`
	// Held says why nothing of the table is written, if nothing is.
	Held Held `json:"held,omitzero"`
	// Started and Ended are the times of this read's first and last chunk.
	Started time.Time `json:"started,omitzero"`
	Ended   time.Time `json:"ended,omitzero"`
	// Paused says that nothing of the table is read until an order says so.
	Paused bool `json:"paused,omitempty"`
	// Wanted are columns that orders added to those of the configuration; "*" is
	// all there are.
	Wanted []string `json:"wanted,omitempty"`
	// Again are the reads that orders asked for of a table that is loaded, the
	// oldest first: those that are open, and the last few that have ended. What
	// is known of the table stays known meanwhile.
	Again []Reread `json:"again,omitempty"`
}

// Reread is another read of a table, or of some of its rows.
type Reread struct {
	Order int64 `json:"order"` // the ID of what asked for it
	// Where is the condition of the rows that are read, in the source's own
	// language; all rows if it is empty. It may name what no log may say.
	Where string    `json:"where,omitempty"`
	Phase LoadPhase `json:"phase"`
	After []string  `json:"after,omitempty"` // as in Load
	Rows  int64     `json:"rows,omitempty"`
	Total int64     `json:"total,omitempty"` // of the table, estimated
	// Started and Ended are the times of its first and last chunk.
	Started time.Time `json:"started,omitzero"`
	Ended   time.Time `json:"ended,omitzero"`
	// Problem says why it ended before its end: "stopped", or what the source
	// said of its condition.
	Problem string `json:"problem,omitempty"`
}

// LogValue keeps the condition out of logs.
func (r Reread) LogValue() slog.Value {
	return slog.GroupValue(slog.Int64("order", r.Order), slog.String("phase", string(r.Phase)), slog.Int64("rows", r.Rows))
}

// Open says whether there is more to read.
func (r *Reread) Open() bool { return r.Phase != LoadDone }

// Held says why a table is held: its changes are read, counted and left out
// until a person or the source changes what is wrong, and then it is read again.
type Held struct {
	Code    string    `json:"code"`              // of the Halt that it would be for everybody
	Text    string    `json:"text"`              // what is wrong, and what to do
	Columns []string  `json:"columns,omitempty"` // those that are wrong
	Since   time.Time `json:"since"`             // when the change was read
	Rows    int64     `json:"rows,omitempty"`    // left out so far
}

// IsHeld reports whether nothing of the table is written.
func (l *Load) IsHeld() bool { return l.Held.Code != "" }

// Restart makes the table be read from its start again. What was to be read of
// it again is part of that.
func (l *Load) Restart() {
	l.Phase, l.After, l.Rows, l.Total, l.Columns, l.Sums = LoadWaiting, nil, 0, 0, nil, nil
	l.Started, l.Ended = time.Time{}, time.Time{}
	l.Again = slices.DeleteFunc(slices.Clone(l.Again), func(r Reread) bool { return r.Open() })
}
