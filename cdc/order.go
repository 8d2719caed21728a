package cdc

import "time"

// Act is what an [Order] asks for.
type Act string

// The acts.
const (
	ActStart  Act = "start"   // read a table again, or some of its rows; or go on after a pause or a stop
	ActPause  Act = "pause"   // read nothing until ActResume or ActStart
	ActResume Act = "resume"  // go on where a pause began
	ActStop   Act = "stop"    // give up what was read again; a first read is paused at its start
	ActTable  Act = "table"   // capture another table from now on, and read it
	ActColumn Act = "columns" // capture further columns from now on, and read the table again
	ActAccept Act = "accept"  // take a held table as it is from now on, and read it again
)

// Order is what a person asks of a source that is being captured. Orders are
// carried out one after another, each once: [Txn.Asked] says how far.
type Order struct {
	// ID is not 0 and grows from one order to the next.
	ID  int64 `json:"-"`
	Act Act   `json:"act"`
	// Table is the zero TableID for all tables of the source.
	Table TableID `json:"table,omitzero"`
	// Where limits ActStart and ActStop to some rows; see [Reread].
	Where string `json:"where,omitempty"`
	// Columns are those that ActTable and ActColumn name; "*" is all.
	Columns []string `json:"columns,omitempty"`
	// Fields are what ActAccept names the fields of [Held.Columns], by column:
	// older rows would be misread for theirs.
	Fields map[string]string `json:"fields,omitempty"`
	Time   time.Time         `json:"time,omitzero"`
	// Force makes ActStart read what takes longer than the source keeps its log.
	Force bool `json:"force,omitempty"`
}

// Names says whether the order is about the table.
func (o *Order) Names(id TableID) bool { return o.Table == TableID{} || o.Table == id }
