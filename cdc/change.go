package cdc

import (
	"log/slog"
	"time"
)

// Op is what happened to a row, in the letters every CDC consumer knows.
type Op byte

// The operations.
const (
	Create Op = 'c'
	Update Op = 'u'
	Delete Op = 'd'
	Read   Op = 'r' // read by a snapshot, not from the stream
)

func (o Op) String() string { return string(rune(o)) }

// Row is the Avro binary encoding of a table's row record: for each column, in
// order, the index of the union ["null", T] and the value. A nil Row is no row.
type Row []byte

// LogValue keeps row values out of logs: only the size is said.
func (r Row) LogValue() slog.Value { return slog.IntValue(len(r)) }

// String keeps row values out of formatted text, as LogValue does.
func (r Row) String() string { return "row" }

// Change is one row before and after. Before is nil for Create and Read, After
// for Delete. An update that changes the primary key is two changes, a Delete
// and a Create, so that Key always is the key of every row in the change.
type Change struct {
	Table  *Table
	Op     Op
	Key    string // canonical text of the key values: see schemas.AppendKey
	Before Row
	After  Row
	// Index is the ordinal of the row image pair in its source transaction,
	// counted from 0 before any filter, so that it means the same after the
	// selection of tables changed. The two halves of a key change share it.
	Index int64
	// ReadTime is when Chartwire read the row.
	ReadTime time.Time
}

// LogValue gives what may be logged of a change, never its values or key.
func (c Change) LogValue() slog.Value {
	if c.Table == nil {
		return slog.StringValue(c.Op.String())
	}
	return slog.GroupValue(slog.String("table", c.Table.ID().String()), slog.String("op", c.Op.String()))
}

// Txn is one source transaction, or a piece of one: a transaction too large
// for memory comes as several, the first with Begin, the last with End. A Txn
// with Begin, End and no changes is progress: a heartbeat, or a transaction
// that touched nothing captured.
//
// A snapshot chunk is a Txn too: its changes have the operation Read, and
// Loads says how far the table has come.
type Txn struct {
	Begin, End bool
	// ID is the source's own name of the transaction. A whole one may leave it
	// to its Checkpoint; a piece, whose Checkpoint lies before the transaction,
	// says it if there is one.
	ID         string
	Changes    []Change
	CommitTime time.Time // the source's, corrected for its clock
	Checkpoint Checkpoint
	// Loads holds the load state of the tables whose state this Txn changes;
	// nil for nearly all. It takes effect together with the changes.
	Loads map[TableID]Load
	// Epochs are the breaks in tables' histories that this Txn causes.
	Epochs []Epoch
}

// Checkpoint is where a source goes on after a Txn.
type Checkpoint struct {
	Position Position `json:"position"`
	// Rows > 0 says that the checkpoint lies inside the transaction that
	// starts at Position, after that many row images (counted before any
	// filter); it is then no cut.
	Rows int64 `json:"rows,omitempty"`
	// Last is the fingerprint of the last row image taken when Rows > 0: what
	// a restart must find in that place.
	Last uint64 `json:"last,omitempty"`
}

// LoadPhase says how far the first read of a table has come.
type LoadPhase string

// The phases of a load.
const (
	LoadWaiting LoadPhase = "waiting" // named, no chunk emitted yet
	LoadReading LoadPhase = "reading" // chunks up to After are emitted
	LoadDone    LoadPhase = "done"    // every row there was has been emitted
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
	// Key are the columns of the primary key, and Shape stands for columns,
	// types and key, as the table was described last. 0 is not known.
	Key   []string `json:"key,omitempty"`
	Shape uint64   `json:"shape,omitempty"`
	// Fields are the field names of columns whose type changed so that readers
	// had to be told, by column.
	Fields map[string]string `json:"fields,omitempty"`
	// Held says why nothing of the table is written, if nothing is.
	Held Held `json:"held,omitzero"`
}

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

// EpochKind says what broke a table's history.
type EpochKind string

// The kinds of epochs.
const (
	EpochTruncate EpochKind = "truncate" // older rows are gone at this cut
	EpochDrop     EpochKind = "drop"     // older rows stay until the refill is complete
	EpochRename   EpochKind = "rename"
	EpochReload   EpochKind = "reload" // the stream has a gap before it
)

// Epoch is a break in a table's history: rows with a lower seq belong to what
// was before.
type Epoch struct {
	Table TableID   `json:"table"`
	Kind  EpochKind `json:"kind"`
	Seq   int64     `json:"seq,omitempty"` // given by capture
}
