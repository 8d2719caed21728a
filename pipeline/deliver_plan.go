package pipeline

import (
	"slices"
	"strings"
	"time"

	"chartwire/pipeline/lanes"
	"chartwire/pipeline/shadow"
	"chartwire/sinks"
)

// view is what a call's parts want of a record, together: of every property
// the newest value.
type view struct {
	existence sinks.Existence
	stands    int64 // the version of existence
	head      *lanes.Head
	values    []lanes.Value // by name
	links     []lanes.LinkSet
	gone      bool // a mutation in doubt may have archived the record meanwhile
	whole     bool
}

func newView(parts []*lanes.Part) view {
	v := view{head: parts[0].Head, existence: parts[0].Existence, stands: parts[0].Stands, values: parts[0].Values, links: parts[0].Links, gone: parts[0].Gone, whole: parts[0].Whole}
	for _, p := range parts[1:] {
		if p.Head.Version >= v.head.Version {
			v.head = p.Head
		}
		v.existence, v.stands = lanes.Prevailing(v.existence, v.stands, p.Existence, p.Stands)
		v.gone, v.whole = v.gone || p.Gone, v.whole || p.Whole
		v.values = append(v.values[:len(v.values):len(v.values)], p.Values...)
		v.links = append(v.links[:len(v.links):len(v.links)], p.Links...)
	}
	if len(parts) > 1 {
		slices.SortStableFunc(v.values, func(a, b lanes.Value) int {
			if c := strings.Compare(a.Name, b.Name); c != 0 {
				return c
			}
			return int(min(max(b.From.Version-a.From.Version, -1), 1)) // newest first
		})
		slices.SortStableFunc(v.links, func(a, b lanes.LinkSet) int { return int(min(max(b.From.Version-a.From.Version, -1), 1)) })
		v.values = slices.CompactFunc(v.values, func(a, b lanes.Value) bool { return a.Name == b.Name })
	}
	return v
}

// plan is what must be done for one record: a write, or nothing.
type plan struct {
	rec   *lanes.Record
	base  *shadow.Entry // what is known before the write; nil: nothing
	view  view
	stale bool // the shadow knows a newer existence than the view's
	write *sinks.Write
	// sent are the write's properties: those of the view, and those restated
	// from the shadow, with no head.
	sent []lanes.Value
}

// text is what a property's value is at the destination.
func text(p sinks.Property) string {
	if p.State == sinks.Clear {
		return ""
	}
	return p.Value
}

// makePlan compares what is wanted with what the destination holds. In doubt
// nothing is suppressed, and where the shadow knows better than the view, what
// it knows is written again: the destination may hold what an earlier holder
// sent and never heard the answer to. What is Kept is written only where the
// record is there; in doubt the destination looks whether it is.
func makePlan(v view, base *shadow.Entry, lane sinks.Lane, doubt bool) plan {
	p := plan{base: base, view: v, stale: base != nil && v.stands < base.Version}
	kept, archived := v.existence == sinks.Kept, v.existence == sinks.Archived
	if p.stale || kept {
		archived = base != nil && base.Archived
	}
	if archived {
		if doubt || base == nil || !base.Archived {
			p.write = &sinks.Write{Archive: true, Lane: lane, ID: idOf(base)}
		}
		return p
	}
	create := !base.There()
	if kept && create && !doubt {
		return p
	}
	restate := create || v.whole || doubt && v.gone
	for _, val := range v.values {
		if send, ok := choose(val, base.Property(val.Name), doubt || restate); ok {
			p.sent = append(p.sent, send)
		}
	}
	if restate && base != nil {
		p.restate()
	}
	if restate || len(p.sent) > 0 {
		p.write = &sinks.Write{Create: restate && !kept, Existing: kept, Lane: lane}
		if !create {
			p.write.ID = base.ID
		}
		for _, s := range p.sent {
			p.write.Properties = append(p.write.Properties, s.Property)
		}
	}
	return p
}

// choose decides about one property: what to send of it, if anything.
func choose(val lanes.Value, s *shadow.Property, force bool) (lanes.Value, bool) {
	if s == nil {
		return val, true
	}
	if s.Version > val.From.Version {
		if !force || !s.Held || s.Refused == shadow.Sum(s.Value) {
			return lanes.Value{}, false
		}
		return lanes.Value{Property: restated(val.Property, s)}, true
	}
	if s.Refused != 0 && s.Refused == shadow.Sum(text(val.Property)) && !val.Retry {
		return lanes.Value{}, false
	}
	return val, force || !s.Held || s.Value != text(val.Property)
}

// restated gives a property the value that the shadow has.
func restated(p sinks.Property, s *shadow.Property) sinks.Property {
	p.State, p.Value, p.Changed = sinks.Set, s.Value, s.Changed
	if s.Value == "" {
		p.State = sinks.Clear
	}
	return p
}

// restate adds what the shadow knows beyond the view. What is empty too: the
// record may come back as it was.
func (p *plan) restate() {
	for _, s := range p.base.Properties {
		_, named := slices.BinarySearchFunc(p.view.values, s.Name, func(v lanes.Value, name string) int {
			return strings.Compare(v.Name, name)
		})
		if named || !s.Held || s.Refused == shadow.Sum(s.Value) {
			continue
		}
		p.sent = append(p.sent, lanes.Value{Property: restated(sinks.Property{Name: s.Name, Lane: sinks.Backfill}, &s)})
	}
}

func idOf(e *shadow.Entry) string {
	if e == nil {
		return ""
	}
	return e.ID
}

// settled gives what is known after the write (or without one, if the plan has
// none), and the properties whose dead letters are over.
func (p *plan) settled(r sinks.Result, now time.Time) (e *shadow.Entry, mended []string) {
	e = p.base.Clone()
	kept := p.view.existence == sinks.Kept
	if r.ID != "" || p.write != nil && p.write.Existing {
		e.ID = r.ID
	}
	if !p.stale && !kept {
		e.Version, e.Archived = p.view.stands, p.view.existence == sinks.Archived
	}
	if p.write != nil && e.Refused {
		e.Refused, mended = false, append(mended, "")
	}
	for _, v := range p.view.values {
		s := e.Property(v.Name)
		if s != nil && s.Version > v.From.Version {
			continue
		}
		n := shadow.Property{Name: v.Name}
		if s != nil {
			n = *s
		}
		n.Version = v.From.Version
		if e.Archived || kept && !e.There() { // what it should hold if it comes back
			n.Held, n.Value, n.Changed, n.Stored, n.Other = true, text(v.Property), v.Changed, "", false
		}
		// A value that is as wanted, sent or not, ends a refusal of another one.
		if n.Refused != 0 && n.Held && n.Value == text(v.Property) && n.Refused != shadow.Sum(n.Value) {
			n.Refused, mended = 0, append(mended, v.Name)
		}
		e.Put(n)
	}
	if p.write != nil && !p.write.Archive {
		mended = p.hold(e, r, mended)
	}
	if another := p.base != nil && p.base.ID != e.ID; another || e.Archived {
		e.Detach(another, now)
	}
	for _, s := range p.view.links {
		said := shadow.LinkSet{Name: s.Name, Version: s.From.Version, Flow: s.From.Flow, Map: s.From.Map, Lane: s.From.Lane}
		if len(s.From.Origin) > 0 {
			said.Row = s.From.Origin[0]
		}
		if e.Want(said, s.Links, now, s.Retry) {
			mended = append(mended, linkProperty(s.Name))
		}
	}
	return e, mended
}

// linkProperty is what a dead letter of a link is about, beside its record. No
// property's name looks like it.
func linkProperty(name string) string { return "links." + name }

// hold notes what was sent as held.
func (p *plan) hold(e *shadow.Entry, r sinks.Result, mended []string) []string {
	for _, v := range p.sent {
		n := shadow.Property{Name: v.Name, Held: true, Value: text(v.Property), Changed: v.Changed}
		if s := e.Property(v.Name); s != nil {
			n.Version = s.Version
			if s.Refused != 0 {
				mended = append(mended, v.Name)
			}
		}
		if stored, said := r.Stored[v.Name]; said && stored != n.Value {
			n.Stored, n.Other = stored, true
		}
		e.Put(n)
	}
	return mended
}

// unhold notes that it is not known any more what the destination holds of
// values that were sent, if a call before may have been carried out.
func (p *plan) unhold(e *shadow.Entry, sent ...lanes.Value) {
	if p.rec.Doubt().IsZero() {
		return
	}
	for _, v := range sent {
		if s := e.Property(v.Name); s != nil {
			n := *s
			n.Held = false
			e.Put(n)
		}
	}
}

// refused gives what is known after the destination refused a property that
// was sent: its version counts, its value does not.
func (p *plan) refused(v lanes.Value) *shadow.Entry {
	e := p.base.Clone()
	n := shadow.Property{Name: v.Name}
	if s := e.Property(v.Name); s != nil {
		n = *s
	}
	n.Refused = shadow.Sum(text(v.Property))
	if v.From != nil {
		n.Version = max(n.Version, v.From.Version)
	}
	e.Put(n)
	return e
}

// deadline is when the rest of a safety mutation is due, if its properties are
// of the lane: the class of the routine ones is not said, so the tightest is.
func deadline(commit time.Time, lane sinks.Lane) time.Time {
	switch {
	case commit.IsZero() || lane == sinks.Backfill:
		return time.Time{}
	case lane == sinks.Routine:
		return commit.Add(5 * time.Minute)
	}
	return commit.Add(5 * time.Second)
}
