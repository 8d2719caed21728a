package sinks

import (
	"log/slog"
	"time"
)

// Lane is what shares a queue. Lower is more urgent.
type Lane uint8

// The lanes, most urgent first.
const (
	Safety Lane = iota
	Realtime
	Routine
	Backfill
)

// Lanes lists all lanes, most urgent first.
var Lanes = [...]Lane{Safety, Realtime, Routine, Backfill}

var laneNames = [...]string{"safety", "realtime", "routine", "backfill"}

func (l Lane) String() string {
	if int(l) < len(laneNames) {
		return laneNames[l]
	}
	return "unknown"
}

// MarshalText writes the lane's name.
func (l Lane) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText reads a lane's name; an unknown one becomes Backfill, which
// delays but loses nothing.
func (l *Lane) UnmarshalText(b []byte) error {
	*l = Backfill
	for i, n := range laneNames {
		if n == string(b) {
			*l = Lane(i)
		}
	}
	return nil
}

// Record names one record at a destination by its unique property, never by
// the destination's own id: that one is known only to the shadow.
type Record struct {
	Object   string `json:"object"`   // such as "contacts"
	Property string `json:"property"` // the unique property, such as "open_medical_patient_id"
	Key      string `json:"key"`      // its value
}

// ID is the record's key in Kafka topics: object, unique property and key.
func (r Record) ID() string { return r.Object + "/" + r.Property + "/" + r.Key }

// LogValue leaves the key out: it may identify a patient.
func (r Record) LogValue() slog.Value { return slog.StringValue(r.Object) }

// State is what a mutation says about a property, a link or a record.
type State string

// The states. What is absent from a mutation, or Unknown, is left alone.
const (
	Set   State = "set"
	Clear State = "clear" // a property: make empty; a link: remove
)

// Existence is whether the record should be there.
type Existence string

// The existences of a record.
const (
	Present  Existence = "present"
	Archived Existence = "archived" // should not be there; archived if it is
	// Kept leaves the record as it is: properties are written where it is there,
	// and it is not made for them.
	Kept Existence = "kept"
)

// Property is the value that one property of a record should have.
type Property struct {
	Name  string `json:"name"`
	State State  `json:"state"`
	// Value is the text in the destination type's own form (dates as
	// YYYY-MM-DD, numbers exact); for options and stages the label a person
	// sees, which the sink resolves.
	Value string `json:"value,omitempty"`
	Lane  Lane   `json:"lane"` // the lane of the property's class; Safety only where a map says so
	// Changed is the commit time of the row change that altered the value;
	// zero when it came from a snapshot or a re-map.
	Changed time.Time `json:"changed,omitzero"`
	// Backward says that the destination may refuse to move the value back
	// (HubSpot's lifecycle stage): clear first, then set.
	Backward bool `json:"backward,omitempty"`
	PHI      bool `json:"phi,omitempty"`
}

// Link is one association of a record with another.
//
// In a mutation the links of one Name are all that there should be of it: what
// is not listed is removed. A link that is Clear and leads nowhere (To.Key is
// empty) says that there should be none; a name that is absent is left alone.
type Link struct {
	Name  string `json:"name,omitempty"` // of the link in its map
	To    Record `json:"to"`
	Label string `json:"label,omitempty"` // in people's words; the sink resolves it
	State State  `json:"state"`
	// ToID is the destination's own id of the far end. Only the links of a
	// Write have it: a link is asked for once both ends are known.
	ToID string `json:"-"`
}

// Origin is a row that a mutation came from: what makes a value traceable.
type Origin struct {
	Source   string `json:"source"`
	Table    string `json:"table"`
	Row      string `json:"row"` // the row's key, canonical text
	Seq      int64  `json:"seq"`
	Position string `json:"position,omitempty"`
}

// Mutation is one record at one destination as it should be. Applying it twice
// equals applying it once; of two for one record the higher Version is newer,
// property by property.
type Mutation struct {
	Sink   string `json:"sink"` // "hubspot", "notify"
	Flow   string `json:"flow"`
	Map    string `json:"map"` // the map or rule that made it, such as "om-aggregation/contacts"
	Record Record `json:"record"`
	// Version orders mutations: max(last + 1, highest seq of the cut).
	Version    int64      `json:"version"`
	Lane       Lane       `json:"lane"` // that of the most urgent changed property
	Due        time.Time  `json:"due,omitzero"`
	Commit     time.Time  `json:"commit,omitzero"` // of the newest row change in it
	Reason     string     `json:"reason"`          // change, snapshot, remap, retry, rule, day
	Existence  Existence  `json:"existence"`
	Properties []Property `json:"properties,omitempty"`
	Links      []Link     `json:"links,omitempty"`
	Origin     []Origin   `json:"origin,omitempty"`
}

// LogValue gives what may be logged: never a value, never the key.
func (m *Mutation) LogValue() slog.Value {
	return slog.GroupValue(slog.String("map", m.Map), slog.String("object", m.Record.Object),
		slog.Int64("version", m.Version), slog.String("lane", m.Lane.String()))
}
