package hubspottest

import (
	"maps"
	"slices"
	"strconv"
)

const (
	hubspotDefinedLink = "HUBSPOT_DEFINED"
	userDefinedLink    = "USER_DEFINED"
)

// linkID names a kind of association in one direction. The number alone does
// not: an account counts its own labels from 1 on.
type linkID struct {
	category string
	id       int
}

// linkType is one kind of association in one direction.
type linkType struct {
	linkID
	label    string // "" for the one without a label
	from, to string // object names
	inverse  int    // the id in the other direction
}

// back is the id of the same association seen from its other end.
func (t linkType) back() linkID { return linkID{t.category, t.inverse} }

// defaultLinkTypes are the associations without a label. Their ids differ by
// direction. Objects without an entry cannot be associated.
func defaultLinkTypes() []linkType {
	var list []linkType
	both := func(from, to string, id, inverse int) {
		list = append(list, linkType{linkID{hubspotDefinedLink, id}, "", from, to, inverse})
		if from != to {
			list = append(list, linkType{linkID{hubspotDefinedLink, inverse}, "", to, from, id})
		}
	}
	both("contacts", "deals", 4, 3)
	both("contacts", "tickets", 15, 16)
	both("deals", "line_items", 19, 20)
	both("deals", "tickets", 27, 28)
	both("contacts", "contacts", 449, 449)
	both("deals", "deals", 451, 451)
	both("tickets", "tickets", 452, 452)
	return list
}

// link is what a record knows of its associations with one other.
type link struct {
	object *object
	types  map[linkID]bool
	writes int // requests that made it, needed or not
}

// linkTypes lists the kinds of associations from a to b.
func (p *portal) linkTypes(a, b *object) []linkType {
	var list []linkType
	for _, t := range p.links {
		if t.from == a.name && t.to == b.name {
			list = append(list, t)
		}
	}
	return list
}

// linkType finds a kind by its id.
func (p *portal) linkType(a, b *object, id linkID) (linkType, bool) {
	for _, t := range p.links {
		if t.linkID == id && t.from == a.name && t.to == b.name {
			return t, true
		}
	}
	return linkType{}, false
}

// plainLink is the kind of association from a to b without a label.
func (p *portal) plainLink(a, b *object) (linkType, bool) {
	for _, t := range p.links {
		if t.label == "" && t.from == a.name && t.to == b.name {
			return t, true
		}
	}
	return linkType{}, false
}

// connect makes an association of these types and its inverse; one that is
// there stays. A labelled one is always there without a label, too.
func (p *portal) connect(a *object, from *record, b *object, to *record, types []linkType) {
	if plain, ok := p.plainLink(a, b); ok && !slices.Contains(types, plain) {
		types = append(slices.Clip(types), plain)
	}
	one := func(r *record, o *object, other *record, id func(linkType) linkID) {
		if r.links == nil {
			r.links = map[int64]*link{}
		}
		l := r.links[other.id]
		if l == nil {
			l = &link{object: o, types: map[linkID]bool{}}
			r.links[other.id] = l
		}
		for _, t := range types {
			l.types[id(t)] = true
		}
		l.writes++
	}
	one(from, b, to, func(t linkType) linkID { return t.linkID })
	one(to, a, from, linkType.back)
}

// disconnect ends the associations of two records.
func disconnect(from, to *record) {
	delete(from.links, to.id)
	delete(to.links, from.id)
}

// unlabel ends one kind of association of two records; the one without a label
// takes the labels with it.
func unlabel(from, to *record, t linkType) {
	if t.label == "" {
		disconnect(from, to)
		return
	}
	if l := from.links[to.id]; l != nil {
		delete(l.types, t.linkID)
	}
	if l := to.links[from.id]; l != nil {
		delete(l.types, t.back())
	}
}

// isolate ends all associations of a record.
func isolate(r *record) {
	for id, l := range r.links {
		if other := l.object.records[id]; other != nil {
			delete(other.links, r.id)
		}
	}
	r.links = nil
}

// linked lists the records of one object that a record is associated with, by
// id.
func (r *record) linked(o *object) []*record {
	var list []*record
	for _, id := range slices.Sorted(maps.Keys(r.links)) {
		if other := o.find(strconv.FormatInt(id, 10)); r.links[id].object == o && other != nil && !other.archived {
			list = append(list, other)
		}
	}
	return list
}

// mayConnect reports whether a record has room for an association with another
// of the object b. A line item belongs to one deal.
func (s *Server) mayConnect(a *object, from *record, b *object, to *record) (limit int, ok bool) {
	if from.links[to.id] != nil {
		return 0, true
	}
	limit = s.opts.Limits.Associations
	if a.name == "line_items" && b.name == "deals" {
		limit = 1
	}
	if limit < 0 || len(from.links) < limit {
		return limit, true
	}
	n := 0
	for _, l := range from.links {
		if l.object == b {
			n++
		}
	}
	return limit, n < limit
}

// inherit moves the associations of merged records to the one that is left.
func (r *record) inherit(a, b *record) {
	for _, old := range []*record{a, b} {
		for id, l := range old.links {
			other := l.object.records[id]
			if other == nil || id == a.id || id == b.id {
				continue
			}
			back := other.links[old.id] // connect makes both, always
			delete(other.links, old.id)
			if r.links == nil {
				r.links = map[int64]*link{}
			}
			if have := r.links[id]; have != nil {
				maps.Copy(have.types, l.types)
				have.writes += l.writes
			} else {
				r.links[id] = &link{object: l.object, types: maps.Clone(l.types), writes: l.writes}
			}
			if have := other.links[r.id]; have != nil {
				maps.Copy(have.types, back.types)
			} else {
				other.links[r.id] = back
			}
		}
		old.links = nil
	}
}
