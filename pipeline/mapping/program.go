package mapping

import (
	"time"

	"chartwire/cdc"
	"chartwire/schemas"
	"chartwire/schemas/hubspot"
	"chartwire/sinks"
)

// File is one map file: its name for messages, and its text.
type File struct {
	Name string
	Text []byte
}

// Source is a configured source, as far as maps depend on it.
type Source struct {
	Name string
	// Kind is what map files may say instead of the name, such as
	// "om-aggregation"; with two sources of one kind KeyPrefix is demanded.
	Kind string
	// Zone is the zone of the source's DATETIME columns.
	Zone *time.Location
	// KeyPrefix makes record keys `<source>:<id>`.
	KeyPrefix bool
}

// Env is what maps are compiled against.
type Env struct {
	Sources []Source
	// Tables are the tables of the sources with all columns that can be
	// captured: from a live check, a registry, or reference DDL (package ddl).
	// Table.Source says whose they are.
	Tables []*cdc.Table
	// Objects are the destination's objects by sink name: "hubspot" as the
	// account has them, or as schemas/hubspot says they are to be. What the
	// sink "notify" takes is known without.
	Objects map[string]*hubspot.Schema
	// SiteKey is the secret by which guests are named: guest(email) needs it.
	// Empty: none is configured.
	SiteKey []byte
}

// ExampleSiteKey is the site's key that the examples in map files are written
// with: what guest(email) gives in them.
const ExampleSiteKey = "0123456789abcdef"

// Program is a set of compiled maps: those of one flow.
type Program struct {
	Maps []*Map
}

// Map is one field map bound to one source.
type Map struct {
	Name   string // such as "om-aggregation/contacts"
	Source string
	Table  cdc.TableID // the entity's root
	// Fingerprint changes when the map would map some row differently: all
	// entities are then mapped again.
	Fingerprint string
	Rules       []*Rule

	// Nodes are the tables of a joined map's entity, the root first; nil for a
	// map of one table.
	Nodes []Node
	// Settle is how long a joined entity has to be quiet before it is mapped,
	// and Hold how long it waits for that at most.
	Settle, Hold time.Duration
	// While is the condition under which the map is at work; nil: always.
	While *While
	// Twin is the map that writes the same records while this one rests; "" if
	// there is none.
	Twin string
	// Links says that the map's mutations carry links.
	Links bool

	plan *plan
}

// Rule is one rule of a map.
type Rule struct {
	Name string // unique within the map, stable: part of latch and ticket keys
	// Fingerprint changes when the condition or the latch key means something
	// else: latches are then set anew without firing.
	Fingerprint string
	Lane        sinks.Lane // most urgent of what it creates
	// Fresh is how old, by Verdict.Date, a row read by a snapshot may be and
	// still fire; 0: only rows from the stream fire.
	Fresh time.Duration
	// Each says that the rule fires at each change of a value, not when a
	// condition becomes true: its verdict is about the change, and no latch.
	Each bool
	Spec []string

	plan *rulePlan
}

// Truth is what is known of a condition.
type Truth uint8

// The truths. The zero value is Unknown.
const (
	Unknown Truth = iota
	False
	True
)

// Presence says what became of an entity.
type Presence uint8

// The presences of an entity.
const (
	Undecided Presence = iota // `where` reads something unknown: leave it alone
	Outside                   // does not match `where`, and as far as Before shows never did
	Present
	Left    // matched before and does not any more: on_leave
	Deleted // matched before and its row is gone: on_delete
)

// The reasons of a mutation.
const (
	ReasonChange   = "change"
	ReasonSnapshot = "snapshot"
	ReasonRemap    = "remap"
	ReasonRetry    = "retry"
	ReasonRule     = "rule"
	ReasonDay      = "day" // it is another day
)

// Input is one entity as it is now and as it was last mapped.
type Input struct {
	Key string // the row's key, as in cdc.Change
	// Schema is what After was written with, nil if After is.
	Schema *schemas.RowSchema
	After  cdc.Row // nil: the row is gone
	// BeforeSchema is what Before was written with. An evaluator keeps what it
	// learns of a schema by its pointer: keep one per schema id.
	BeforeSchema *schemas.RowSchema
	// Before is the row as last mapped. Nil: never mapped, or not known.
	Before cdc.Row
	// Mapped says that a record of this entity may have been written although
	// Before does not show it: then on_leave reaches it when the entity does
	// not belong to the map.
	Mapped bool
	// Unknown names columns whose value in After is not to be trusted yet.
	Unknown []string
	// Today is the day that it is: what Map.Day says, for maps that read it.
	Today int64
	// Yesterday is the day by which Before was mapped; 0: Today.
	Yesterday int64
	Seq       int64
	Position  string
	Commit    time.Time
	// Reason is one of the constants. With ReasonChange or ReasonDay a record whose
	// properties are all as they were gives no mutation; with any other it is
	// written whole. Snapshot and re-map go to the lane backfill.
	Reason string
}

// Output is what became of an entity.
type Output struct {
	Presence Presence
	// Record is the key of the entity's record now; empty when it has none. Only
	// of joined maps.
	Record string
	// Old is what becomes of the record that the entity had, if its key is
	// another now; it goes before Mutation. Only of joined maps.
	Old *sinks.Mutation
	// Mutation is nil when there is nothing to write.
	Mutation *sinks.Mutation
	// Once are indexes in Mutation.Properties of those to be written only the
	// first time.
	Once []int
	// Best are the properties of the map of which the lowest or the highest value
	// is kept, for [Map.KeepBest]: empty where the entity is not present.
	Best []Best
	// Changed counts the properties that differ from Before.
	Changed int
	// Refused are the properties that this row's values cannot give.
	Refused []Refusal
	// Rendered says that Refused is all there is to say: without it the
	// properties were not looked at, and what was refused before still is.
	Rendered bool
	// Flagged are oddities among the entity's rows that were decided by rule,
	// such as the same pivot key twice. Only of joined maps.
	Flagged []Flag
	// Verdicts has one element for each of the map's rules, in order.
	Verdicts []Verdict

	eval *Evaluator
}

// Refusal is a property left out because the row's value has no place in it.
type Refusal struct {
	Property string
	Why      string // such as "value is not among `values`"; never the value
	Sink     string
	Record   sinks.Record
	Lane     sinks.Lane // of the property
}

// Flag is an oddity that is counted and holds nothing up.
type Flag struct {
	Alias string // of the rows
	Why   string // such as "two rows hold one key"; never a value
}

// Verdict is a rule's condition for one entity.
type Verdict struct {
	Rule *Rule
	// Once is the latch's key within the rule.
	Once string
	// Now is the condition on After; False when the entity is not present. Of a
	// rule with Each it is whether the value became another one.
	Now Truth
	// Before is the condition on Before; Unknown without one. Of a rule with
	// Each it is False.
	Before Truth
	// Date is the row's own date for Rule.Fresh, zero when it has none.
	Date time.Time
}
