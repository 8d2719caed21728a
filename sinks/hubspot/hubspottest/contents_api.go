package hubspottest

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
)

// Records lists the records of an object by id: archived and merged ones too.
func (s *Server) Records(object string) []Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.mustObject(object)
	list := make([]Record, 0, len(o.order))
	for _, r := range o.order {
		list = append(list, s.copy(o, r))
	}
	return list
}

// Find lists the records whose property has the value, archived and merged
// ones too: with a unique property, more than one is a duplicate.
func (s *Server) Find(object, property, value string) []Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.mustObject(object)
	p := o.byProp[property]
	var list []Record
	for _, r := range o.order {
		if v, ok := o.value(r, property); ok && v == value || p != nil && value != "" && r.text(p) == value {
			list = append(list, s.copy(o, r))
		}
	}
	return list
}

// Lookup returns the live record that a unique property names, in the time of
// an API call. It counts as no call.
func (s *Server) Lookup(object, property, value string) (Record, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.mustObject(object)
	r, _ := o.lookup(property, value)
	if r == nil || r.archived {
		return Record{}, false
	}
	return s.copy(o, r), true
}

func (s *Server) copy(o *object, r *record) Record {
	c := Record{
		Object: o.name, ID: strconv.FormatInt(r.id, 10), Created: r.created, Updated: r.updated, Archived: r.archived, Requests: r.requests,
		Properties: map[string]string{}, History: map[string][]Version{}, Writes: map[string]int{}, Repeats: map[string]int{},
	}
	if r.mergedInto != 0 {
		c.MergedInto = strconv.FormatInt(r.mergedInto, 10)
	}
	for _, id := range slices.Sorted(maps.Keys(r.links)) {
		l := r.links[id]
		link := Link{Object: l.object.name, ID: strconv.FormatInt(id, 10), Writes: l.writes}
		for _, t := range s.portal.linkTypes(o, l.object) {
			if l.types[t.linkID] {
				link.Types = append(link.Types, LinkType{t.category, t.id, t.label})
			}
		}
		c.Links = append(c.Links, link)
	}
	for i, x := range r.cells {
		p := o.props[i]
		if x == nil || o.byProp[p.Name] != p {
			continue
		}
		if x.value != "" {
			c.Properties[p.Name] = x.value
		}
		if h := versions(x); h != nil {
			c.History[p.Name] = h
		}
		if x.writes > 0 {
			c.Writes[p.Name] = x.writes
		}
		if x.repeats > 0 {
			c.Repeats[p.Name] = x.repeats
		}
	}
	for _, name := range []string{"hs_object_id", o.created, o.modified} {
		c.Properties[name], _ = o.value(r, name)
	}
	return c
}

// versions is a property's history, oldest first.
func versions(c *cell) []Version {
	if c == nil || c.at == 0 {
		return nil
	}
	list := make([]Version, 0, len(c.older)+1)
	for _, v := range append(slices.Clip(c.older), c.version) {
		list = append(list, Version{Value: v.value, Time: time.UnixMilli(v.at).UTC(), SourceType: v.source.kind, SourceID: v.source.id})
	}
	return list
}

// Totals counts the writes of an object.
func (s *Server) Totals(object string) Totals {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mustObject(object).totals
}

// Edit changes a record as a person does in HubSpot's own pages: at no cost,
// under no limit, with CRM_UI as the source in the history.
func (s *Server) Edit(object, id string, properties map[string]string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.mustObject(object)
	r := o.find(id)
	if r == nil || r.archived {
		return fmt.Errorf("editing %s: no such record", object)
	}
	w := write{op: "update", id: strconv.FormatInt(r.id, 10), values: values{}}
	for k, v := range properties {
		w.values[k] = value(v)
	}
	p, err := (&planner{s: s, o: o, claims: claims{}}).plan(w)
	if err != nil {
		return fmt.Errorf("editing %s: %s", object, err.Message)
	}
	s.apply(o, p, source{"CRM_UI", "userId:11250031"}, time.Now().UTC().Truncate(time.Millisecond))
	return nil
}

// Merge merges other into primary as a person does, and returns the new id.
func (s *Server) Merge(object, primary, other string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.mustObject(object)
	a, b := o.find(primary), o.find(other)
	if !o.merges || a == nil || b == nil || a == b || a.archived || b.archived {
		return "", fmt.Errorf("merging %s: no two records", object)
	}
	r := s.mergeRecords(o, a, b, time.Now().UTC().Truncate(time.Millisecond))
	return strconv.FormatInt(r.id, 10), nil
}

// Archive puts a record into the recycle bin as a person does.
func (s *Server) Archive(object, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.mustObject(object)
	r := o.find(id)
	if r == nil {
		return fmt.Errorf("archiving %s: no such record", object)
	}
	o.archive(r, time.Now().UTC().Truncate(time.Millisecond))
	return nil
}
