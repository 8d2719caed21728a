package hubspottest

import (
	"maps"
	"slices"
	"strconv"
)

// linkType is one kind of association in one direction.
type linkType struct {
	category string // HUBSPOT_DEFINED, USER_DEFINED
	id       int
	label    string // "" for the one without a label
	from, to string // object names
	inverse  int    // the id in the other direction
}

// defaultLinkTypes are the associations without a label. Their ids differ by
// direction.
func defaultLinkTypes() []linkType {
	return []linkType{
		{"HUBSPOT_DEFINED", 15, "", "contacts", "tickets", 16},
		{"HUBSPOT_DEFINED", 16, "", "tickets", "contacts", 15},
		{"HUBSPOT_DEFINED", 449, "", "contacts", "contacts", 449},
		{"HUBSPOT_DEFINED", 452, "", "tickets", "tickets", 452},
	}
}

// link is what a record knows of its associations with one other.
type link struct {
	object *object
	types  map[int]bool
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

// linkType finds a kind by its id, or the one without a label for id 0.
func (p *portal) linkType(a, b *object, category string, id int) (linkType, bool) {
	for _, t := range p.linkTypes(a, b) {
		if id == 0 && t.label == "" || t.id == id && t.category == category {
			return t, true
		}
	}
	return linkType{}, false
}

// connect makes an association and its inverse; one that is there stays.
func connect(a *object, from *record, b *object, to *record, t linkType) {
	one := func(r *record, o *object, other *record, id int) {
		if r.links == nil {
			r.links = map[int64]*link{}
		}
		l := r.links[other.id]
		if l == nil {
			l = &link{object: o, types: map[int]bool{}}
			r.links[other.id] = l
		}
		l.types[id] = true
		l.writes++
	}
	one(from, b, to, t.id)
	one(to, a, from, t.inverse)
}

// disconnect ends the associations of two records: all, or those of one type.
func disconnect(from, to *record, t *linkType) {
	one := func(r, other *record, id int) {
		l := r.links[other.id]
		if l == nil {
			return
		}
		if t != nil {
			delete(l.types, id)
		}
		if t == nil || len(l.types) == 0 {
			delete(r.links, other.id)
		}
	}
	id, inverse := 0, 0
	if t != nil {
		id, inverse = t.id, t.inverse
	}
	one(from, to, id)
	one(to, from, inverse)
}

// linked lists the records of one object that a record is associated with, by
// id; archived and merged-away ones are not shown.
func (r *record) linked(o *object) []*record {
	var list []*record
	for _, id := range slices.Sorted(maps.Keys(r.links)) {
		if other := o.find(strconv.FormatInt(id, 10)); r.links[id].object == o && other != nil && !other.archived {
			list = append(list, other)
		}
	}
	return list
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
