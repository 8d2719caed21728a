package hubspottest

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// merge makes one record of two. It has a new id; both old ids lead to it from
// then on. The primary's values win, and of unique values only the primary's
// survive.
func (s *Server) merge(q *request, o *object) any {
	var body struct {
		Primary string `json:"primaryObjectId"`
		Other   string `json:"objectIdToMerge"`
	}
	if err := q.decode(&body); err != nil {
		return err
	}
	if body.Primary == "" || body.Other == "" {
		return missingFields("primaryObjectId", "objectIdToMerge")
	}
	a, b := o.find(body.Primary), o.find(body.Other)
	switch {
	case a == nil || b == nil || a.archived || b.archived:
		return notFound()
	case a == b:
		return badRequest("A record cannot be merged with itself")
	}
	r := s.mergeRecords(o, a, b, q.now)
	return o.read(r, nil, nil)
}

func (s *Server) mergeRecords(o *object, a, b *record, now time.Time) *record {
	src := source{"MERGE", ""}
	ids := []string{strconv.FormatInt(a.id, 10), strconv.FormatInt(b.id, 10)}
	o.unindex(a)
	o.unindex(b)
	r := o.add(s.portal, s.rand.Int64N(7), now)
	r.created, r.requests = a.created, a.requests+b.requests
	if b.created.Before(a.created) {
		r.created = b.created
	}
	for _, p := range o.props {
		from := a.cell(p)
		if from == nil || from.value == "" {
			if p.index != nil {
				continue
			}
			from = b.cell(p)
		}
		if from == nil {
			continue
		}
		for len(r.cells) <= p.ordinal {
			r.cells = append(r.cells, nil)
		}
		copied := *from
		r.cells[p.ordinal] = &copied
		if p.index != nil && copied.value != "" {
			p.index[p.key(copied.value)] = r
		}
	}
	if p := o.property("hs_merged_object_ids"); p != nil {
		r.put(p, strings.Join(ids, ";"), src, now)
	}
	if email, more := o.property("email"), o.property("hs_additional_emails"); email != nil && more != nil {
		if second := b.text(email); second != "" && second != a.text(email) {
			r.put(more, strings.TrimPrefix(a.text(more)+";"+second, ";"), src, now)
			email.index[email.key(second)] = r // found by its other address, too
		}
	}
	r.inherit(a, b)
	for _, old := range []*record{a, b} {
		old.mergedInto = r.id
		o.merged[old.id] = r.id
		o.live--
	}
	o.totals.Merged++
	return r
}

// erase deletes a contact for good and blocks its address.
func (s *Server) erase(q *request, o *object) any {
	if o.name != "contacts" {
		return notFound()
	}
	var body struct {
		ID         string `json:"objectId"`
		IDProperty string `json:"idProperty"`
	}
	if err := q.decode(&body); err != nil {
		return err
	}
	r, ok := o.lookup(body.IDProperty, body.ID)
	if !ok {
		return (&planner{s: s, o: o}).notUnique(body.IDProperty)
	}
	if r == nil && body.IDProperty == "" {
		return notFound()
	}
	if body.IDProperty == "email" {
		s.portal.blocked[strings.ToLower(body.ID)] = true
	}
	if r != nil {
		if address := r.text(o.property("email")); address != "" {
			s.portal.blocked[address] = true
		}
		o.remove(r)
		o.totals.Deleted++
	}
	return answer{status: http.StatusNoContent}
}
