package mapping

import (
	"iter"
	"time"

	"chartwire/cdc"
	"chartwire/schemas"
	"chartwire/sinks"
)

// Node is one table of a joined map's entity: the root, or what `with` names.
// Parents come before their children. Of a node whose source is optional and
// not there, nothing is told: it has no rows.
type Node struct {
	Alias  string // "root" for the root
	Source string
	Table  cdc.TableID
	Parent int // index in Map.Nodes; -1 for the root
	// Find is over Table: the text under which a row of this node is found. Of
	// the root it is nil where entities are found by their row's key, and the
	// group's text else.
	Find *Index
	// Up is over the parent's Table: the same text from the parent's row. Nil
	// for the root.
	Up *Index
}

// Index says under which text the rows of a table are found.
type Index struct {
	ID     string // stable; the same ID is the same content
	Source string
	Table  cdc.TableID
	// Primary says that the text is the row's key: no index is needed.
	Primary bool

	plan *indexPlan
}

// Row is a row of a node as the local state holds it. Data need not outlive the
// step of the sequence that yields it.
type Row struct {
	Key      string // as in cdc.Change
	Schema   *schemas.RowSchema
	Data     cdc.Row
	Seq      int64
	Commit   time.Time
	Position string
}

// Entity is one entity of a joined map, to be evaluated as it is now.
type Entity struct {
	Key string // the root row's key, or the group's text
	// Rows yields the rows of a node that are found under a text. Node 0 is
	// asked for Key: one row, or the group's.
	Rows func(node int, text []byte) iter.Seq2[Row, error]
	// Loading says that a node's table is not whole: what reads it is unknown.
	// Nil: all are whole.
	Loading func(node int) bool
	// Was is what this map last wrote for the entity; nil: nothing.
	Was *Was
	// Touched has bit n set if a row of node n changed since the entity was
	// last mapped: lane and deadline follow.
	Touched uint64
	Seq     int64
	Commit  time.Time
	Origin  []sinks.Origin
	Reason  string // as in Input
	// Today is as in Input. With Yesterday, an earlier day, the entity is also
	// evaluated by that: what the day changes is all that comes out, and each
	// verdict's Before is that of then.
	Today, Yesterday int64
}

// Was is what a map last wrote for an entity.
type Was struct {
	Record string // the record's key
	Gone   bool   // it was archived, or left as on_leave and on_delete say
}

// Joined reports whether the map's entities are made of several rows: it is
// evaluated by EvalEntity then, else by Eval.
func (m *Map) Joined() bool { return m.Nodes != nil }

// While is the condition under which a map is at work: a row of a table says so.
type While struct {
	Source string
	Table  cdc.TableID
	// Unless turns the condition round: the map works unless it holds.
	Unless bool
	// Fingerprint is the same for two conditions of the same content, `unless`
	// or not.
	Fingerprint string

	plan *whilePlan
}
