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
	// Statements are those that changed captured tables, for people to know: what
	// rows mean never depends on them.
	Statements []Statement
	// Asked, if it is not 0, is the ID of the newest Order that is carried out
	// once this Txn is taken; Refused says why nothing came of it.
	Asked   int64
	Refused string
}

// Statement is a statement that changed the definition or all rows of tables.
type Statement struct {
	Tables []TableID
	Kinds  []string // alter, truncate, drop, rename, create, partition
	Text   string   // without anything that may be a row's; "" if that is not certain
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
