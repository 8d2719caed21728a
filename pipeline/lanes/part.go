package lanes

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"chartwire/sinks"
)

// Ref says where a mutation was read: completing it lets its offset pass.
type Ref struct {
	Partition int // the reader's own number of the topic's partition
	Offset    int64
}

// Head is what the values of one mutation have in common.
type Head struct {
	Flow    string
	Map     string
	Lane    sinks.Lane
	Version int64
	Commit  time.Time
	Reason  string
	Origin  []sinks.Origin
}

// Value is a property that waits, and the mutation it came from.
type Value struct {
	sinks.Property
	From *Head
	// Retry says that a person asked for it: a value once refused is sent.
	Retry bool
}

// LinkSet is all the links of one name, and the mutation that said so.
type LinkSet struct {
	Name  string
	Links []sinks.Link
	From  *Head
	// Retry says that a person asked for it: a link once refused is asked for.
	Retry bool
}

// Arrival is one mutation as it was read.
type Arrival struct {
	Mutation *sinks.Mutation
	Ref      Ref
	Lane     sinks.Lane // of the topic it was read from
	Doubt    time.Time  // see Part
	// NotBefore keeps all but the safety part back: what is in doubt waits
	// until the old holder's calls must have ended.
	NotBefore time.Time
	// Rest is the lane of what is not a safety property, of an arrival in the
	// safety lane, and RestDue its deadline.
	Rest    sinks.Lane
	RestDue time.Time
}

// Item is an arrival that is not complete.
type Item struct {
	Ref    Ref
	Commit time.Time
	Lane   sinks.Lane // whose window it is charged to
	rec    *Record
	parts  int8 // parts that hold it
	bytes  int  // charged
	record bool // charged
}

// Part is what one flow wants of one record, in one lane, coalesced.
type Part struct {
	Flow      string
	Lane      sinks.Lane
	Due       time.Time // zero: no deadline
	NotBefore time.Time
	// Doubt is until when a call whose answer we do not have may still arrive
	// at the destination; zero: there is none. The part stays in doubt after
	// that, until it is written.
	Doubt time.Time
	// Again says that NotBefore is not a pause but the time of a second write:
	// what is new need not wait for it.
	Again bool
	// Gone says that one of the mutations in it wanted the record archived,
	// though perhaps not the newest.
	Gone bool
	// Whole says that the destination lost the record: all that is known of it
	// must be written again.
	Whole    bool
	Attempts int       // calls that ended without an answer to this record
	Failed   time.Time // when the first of them did
	// Head is the newest mutation. Existence is that of the newest one that says
	// something of it, in version Stands: Kept beside another says nothing.
	Head      *Head
	Existence sinks.Existence
	Stands    int64
	Values    []Value // by name
	Links     []LinkSet
	Items     []*Item

	safety bool
	rec    *Record
	seq    int64 // arrival order of its oldest item
	bytes  int
	heap   *parts // that it is in, or nil
	index  int
}

// Record is one record of the destination with all that waits for it.
type Record struct {
	ID    sinks.Record
	key   string
	parts []*Part
	air   []*Part
}

// Safety reports whether the part holds safety properties of the safety lane.
func (p *Part) Safety() bool { return p.safety }

// Call is what the call in the air, or about to be, holds of the record.
func (r *Record) Call() []*Part { return r.air }

// Doubt is the latest doubt of what waits for the record or is in the air.
func (r *Record) Doubt() (until time.Time) {
	for _, ps := range [][]*Part{r.parts, r.air} {
		for _, p := range ps {
			until = later(until, p.Doubt)
		}
	}
	return until
}

// Whole is the part that a mutation alone would be.
func Whole(m *sinks.Mutation) *Part {
	p := &Part{Flow: m.Flow, Lane: m.Lane}
	p.merge(head(m), m.Existence, m.Properties, m.Links)
	return p
}

func head(m *sinks.Mutation) *Head {
	return &Head{Flow: m.Flow, Map: m.Map, Lane: m.Lane, Version: m.Version, Commit: m.Commit, Reason: m.Reason, Origin: m.Origin}
}

// overhead is charged for an arrival beside its values: the item, its place in
// the ledger, the slices that hold it.
const overhead = 128

func size(p sinks.Property) int { return len(p.Name) + len(p.Value) + 96 }

// merge takes what is newer in the mutation's half into the part and returns
// by how many bytes it grew.
func (p *Part) merge(h *Head, e sinks.Existence, values []sinks.Property, links []sinks.Link) int {
	before := p.bytes
	if p.Head == nil || h.Version >= p.Head.Version {
		p.Head = h
	}
	p.exist(e, h.Version)
	p.Gone = p.Gone || e == sinks.Archived
	if p.Values == nil && len(values) > 0 {
		p.Values = make([]Value, 0, len(values))
	}
	for _, v := range values {
		p.put(Value{v, h, h.Reason == "retry"})
	}
	for len(links) > 0 {
		name, n := links[0].Name, 1
		for n < len(links) && links[n].Name == name {
			n++
		}
		p.link(LinkSet{name, links[:n:n], h, h.Reason == "retry"})
		links = links[n:]
	}
	return p.bytes - before
}

func (p *Part) exist(e sinks.Existence, version int64) {
	p.Existence, p.Stands = Prevailing(p.Existence, p.Stands, e, version)
}

// Prevailing gives the existence that holds of two, and its version: the newer
// one, but Kept only where there is no other. "" is none at all.
func Prevailing(a sinks.Existence, av int64, b sinks.Existence, bv int64) (sinks.Existence, int64) {
	rank := func(e sinks.Existence) int {
		switch e {
		case "":
			return 0
		case sinks.Kept:
			return 1
		}
		return 2
	}
	if cmp.Or(cmp.Compare(rank(b), rank(a)), cmp.Compare(bv, av)) >= 0 {
		return b, bv
	}
	return a, av
}

func (p *Part) put(v Value) {
	i, found := slices.BinarySearchFunc(p.Values, v.Name, func(v Value, name string) int {
		return strings.Compare(v.Name, name)
	})
	switch {
	case !found:
		p.Values = slices.Insert(p.Values, i, v)
		p.bytes += size(v.Property)
	case v.From.Version >= p.Values[i].From.Version:
		p.bytes += size(v.Property) - size(p.Values[i].Property)
		v.Retry = v.Retry || p.Values[i].Retry
		p.Values[i] = v
	}
}

// link takes a set in, in the place of an older one of its name. One mutation
// may bring a name in pieces.
func (p *Part) link(n LinkSet) {
	i := slices.IndexFunc(p.Links, func(o LinkSet) bool { return o.Name == n.Name })
	switch {
	case i < 0:
		p.Links = append(p.Links, n)
		p.bytes += n.size()
		return
	case p.Links[i].From == n.From:
		n.Links = slices.Concat(p.Links[i].Links, n.Links)
	case n.From.Version < p.Links[i].From.Version:
		return
	}
	n.Retry = n.Retry || p.Links[i].Retry
	p.bytes += n.size() - p.Links[i].size()
	p.Links[i] = n
}

func (s *LinkSet) size() int {
	n := len(s.Name) + 64
	for i := range s.Links {
		n += len(s.Links[i].To.ID()) + len(s.Links[i].Label) + 96
	}
	return n
}

// absorb takes over another part of the same record, flow and half: one that
// comes back from a call, with what arrived meanwhile.
func (p *Part) absorb(o *Part) {
	if o.Head.Version >= p.Head.Version {
		p.Head = o.Head
	}
	p.exist(o.Existence, o.Stands)
	for _, v := range o.Values {
		p.put(v)
	}
	for _, l := range o.Links {
		p.link(l)
	}
	p.Items = append(p.Items, o.Items...)
	p.Lane, p.Due = min(p.Lane, o.Lane), earlier(p.Due, o.Due)
	p.Doubt, p.Gone, p.Whole = later(p.Doubt, o.Doubt), p.Gone || o.Gone, p.Whole || o.Whole
	p.Attempts, p.Failed = max(p.Attempts, o.Attempts), earlier(p.Failed, o.Failed)
	p.seq = min(p.seq, o.seq)
	switch {
	case p.Again && o.NotBefore.IsZero():
		p.NotBefore = time.Time{}
	case o.NotBefore.After(p.NotBefore):
		p.NotBefore = o.NotBefore
	}
}

// earlier is the earlier deadline, zero being none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// split tells the safety properties from the others.
func split(ps []sinks.Property) (safety, rest []sinks.Property) {
	for _, p := range ps {
		if p.Lane == sinks.Safety {
			safety = append(safety, p)
		} else {
			rest = append(rest, p)
		}
	}
	return safety, rest
}
