package hubspottest

import "time"

// Record is a copy of what the portal holds of one record.
type Record struct {
	Object     string
	ID         string
	Properties map[string]string // only those with a value
	History    map[string][]Version
	Created    time.Time
	Updated    time.Time
	Archived   bool
	// MergedInto is the id of the record this one was merged into, or "".
	MergedInto string
	// Links are the associations with live records, by object and id.
	Links []Link

	// Requests counts the requests that wrote to the record, its creation
	// included, whether they changed a value or not.
	Requests int
	// Writes counts by property how often a value was sent and accepted.
	Writes map[string]int
	// Repeats counts by property how often the value sent was the one already
	// held: a write that was not needed, or was made twice.
	Repeats map[string]int
}

// Link is what associates a record with another.
type Link struct {
	Object string
	ID     string
	Types  []LinkType // in the direction away from the record
	Writes int        // requests that made it: more than one were not needed
}

// LinkType is one kind of association; Label is "" for the one without.
type LinkType struct {
	Category string
	ID       int
	Label    string
}

// Version is one value that a property had.
type Version struct {
	Value      string
	Time       time.Time
	SourceType string
	SourceID   string
}

// Totals are the writes of one object since the start or the last reset.
type Totals struct {
	Created, Updated, Archived, Merged, Deleted int
}

// Call is one request as the portal saw it. It holds no values.
type Call struct {
	Time    time.Time
	Method  string
	Route   string // the path with ids replaced, such as /crm/objects/2026-09/contacts/batch/upsert
	Object  string
	Inputs  int // records in the body of a batch
	Status  int // 0: the connection was reset
	Failed  int // records refused in a 207
	Policy  string
	Fault   FaultKind
	Took    time.Duration
	Trace   string // correlationId of the answer
	Applied bool   // the request was carried out, whatever was answered
}

// CallKind is what calls are counted by.
type CallKind struct {
	Method string
	Route  string
	Object string
	Status int
}
