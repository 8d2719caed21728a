package shadow

import (
	"hash/fnv"
	"slices"
	"strings"
	"time"
)

// Entry is what we know of one record.
type Entry struct {
	// ID is the destination's own id; empty if it never took the record.
	ID string
	// Version is that of the newest mutation whose existence holds.
	Version  int64
	Archived bool
	// Refused says that the record has an open dead letter of its own.
	Refused    bool
	Properties []Property // by name
	Links      []LinkSet
}

// Property is what we know of one property.
type Property struct {
	Name string
	// Held says that the destination holds Value; otherwise nothing is known
	// of the value, only of what was refused.
	Held  bool
	Value string // as it was sent; empty if cleared
	// Stored is the value as the destination says it holds it, if that is
	// another one; Other says so.
	Stored string
	Other  bool
	// Version is that of the newest mutation that said something about the
	// property, whether it had to be sent or not.
	Version int64
	// Changed is the commit time of the row change that altered the value.
	Changed time.Time
	// Refused is the sum of the value that was refused last, if the property
	// has an open dead letter; else 0.
	Refused uint64
}

// There reports whether the destination holds the record, as far as we know.
func (e *Entry) There() bool { return e != nil && e.ID != "" && !e.Archived }

// Property returns what is known of a property, or nil. It must not be changed
// in an entry that a Store has.
func (e *Entry) Property(name string) *Property {
	if e == nil {
		return nil
	}
	if i, ok := e.search(name); ok {
		return &e.Properties[i]
	}
	return nil
}

// Put sets or replaces a property.
func (e *Entry) Put(p Property) {
	i, ok := e.search(p.Name)
	if !ok {
		e.Properties = slices.Insert(e.Properties, i, p)
		return
	}
	e.Properties[i] = p
}

func (e *Entry) search(name string) (int, bool) {
	return slices.BinarySearchFunc(e.Properties, name, func(p Property, name string) int {
		return strings.Compare(p.Name, name)
	})
}

// Clone returns a copy that may be changed.
func (e *Entry) Clone() *Entry {
	if e == nil {
		return &Entry{}
	}
	c := *e
	c.Properties, c.Links = slices.Clone(e.Properties), cloneSets(e.Links)
	return &c
}

// Sum is the sum by which a refused value is known again; never 0.
func Sum(value string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(value))
	return max(h.Sum64(), 1)
}
