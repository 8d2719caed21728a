package shadow

import (
	"slices"
	"time"

	"chartwire/sinks"
)

// LinkSet is what we know of the links of one name, and the mutation that last
// said which there should be: all of its links that the destination may hold.
type LinkSet struct {
	Name    string       `json:"name"`
	Version int64        `json:"version"`
	Flow    string       `json:"flow"`
	Map     string       `json:"map"`
	Lane    sinks.Lane   `json:"lane"`
	Row     sinks.Origin `json:"row"` // source, table and key of a row that brings it again
	Links   []Link       `json:"links"`
}

// Link is an association that the destination may hold: one that was wanted and
// committed here may have been made, whether we heard of it or not, until it is
// no longer wanted and was removed.
type Link struct {
	To     sinks.Record `json:"to"`
	Label  string       `json:"label,omitempty"`
	Wanted bool         `json:"wanted"`
	// Held says that the destination surely holds it, with ToID as far end.
	Held bool `json:"held"`
	// Missing says that the destination did not know one of the ends by its id,
	// the far one by ToID: it is not asked again before an id is another one.
	Missing bool   `json:"missing,omitempty"`
	ToID    string `json:"to_id,omitempty"`
	// Refused says that it has an open dead letter, and is not asked for.
	Refused bool      `json:"refused,omitempty"`
	Since   time.Time `json:"since,omitzero"` // when it became another than it is wanted; zero if it is as wanted
}

// Open reports whether something is to be done for the link.
func (l *Link) Open() bool { return !l.Refused && !(l.Wanted && l.Held) }

// Open reports whether something is to be done for a link of the record, and
// how urgent the most urgent is. Of an archived record there is not: what it
// should have if it comes back is kept.
func (e *Entry) Open() (lane sinks.Lane, open bool) {
	lane = sinks.Backfill
	if e.Archived {
		return lane, false
	}
	for i := range e.Links {
		for j := range e.Links[i].Links {
			if e.Links[i].Links[j].Open() {
				lane, open = min(lane, e.Links[i].Lane), true
			}
		}
	}
	return lane, open
}

// Pending is the number of links that are wanted and not held, and since when
// the oldest of them waits.
func (e *Entry) Pending() (n int, oldest time.Time) {
	if e.Archived {
		return 0, time.Time{}
	}
	for i := range e.Links {
		for j := range e.Links[i].Links {
			l := &e.Links[i].Links[j]
			if !l.Wanted || !l.Open() {
				continue
			}
			if n++; oldest.IsZero() || l.Since.Before(oldest) {
				oldest = l.Since
			}
		}
	}
	return n, oldest
}

// Refused reports whether a link of the set has an open dead letter.
func (s *LinkSet) Refused() bool {
	return slices.ContainsFunc(s.Links, func(l Link) bool { return l.Refused })
}

// Want takes in what a mutation says of the links of one name: these, and no
// others. It returns whether it ended the name's dead letter: a refused link is
// not wanted any more or, with retry, is to be asked for again.
func (e *Entry) Want(said LinkSet, links []sinks.Link, now time.Time, retry bool) (mended bool) {
	i := slices.IndexFunc(e.Links, func(s LinkSet) bool { return s.Name == said.Name })
	if i < 0 {
		i, e.Links = len(e.Links), append(e.Links, LinkSet{Name: said.Name})
	}
	set := &e.Links[i]
	if set.Version > said.Version {
		return false
	}
	refused := set.Refused()
	said.Links = set.Links
	*set = said
	for j := range set.Links {
		l := &set.Links[j]
		wanted := slices.ContainsFunc(links, l.says)
		if wanted != l.Wanted || (l.Refused || l.Missing) && retry {
			*l = Link{To: l.To, Label: l.Label, Wanted: wanted, ToID: l.ToID, Since: now}
		}
	}
	for _, n := range links {
		if n.State == sinks.Set && n.To.Key != "" && !slices.ContainsFunc(set.Links, func(l Link) bool { return l.says(n) }) {
			set.Links = append(set.Links, Link{To: n.To, Label: n.Label, Wanted: true, Since: now})
		}
	}
	return refused && !set.Refused()
}

func (l *Link) says(s sinks.Link) bool {
	return s.State == sinks.Set && s.To == l.To && s.Label == l.Label
}

// Detach notes that the links are no longer known to be held: their record was
// archived. With another it is a record of its own now, that has none of them.
func (e *Entry) Detach(another bool, now time.Time) {
	for i := range e.Links {
		s := &e.Links[i]
		if another {
			s.Links = slices.DeleteFunc(s.Links, func(l Link) bool { return !l.Wanted })
		}
		for j := range s.Links {
			if l := &s.Links[j]; l.Held || another {
				l.Held, l.Missing, l.Since = false, false, now
			}
		}
	}
}

// Each calls f with each link of the record.
func (e *Entry) Each(f func(*LinkSet, *Link)) {
	for i := range e.Links {
		for j := range e.Links[i].Links {
			f(&e.Links[i], &e.Links[i].Links[j])
		}
	}
}

// Drop forgets the links that drop says so of.
func (e *Entry) Drop(drop func(*Link) bool) {
	for i := range e.Links {
		e.Links[i].Links = slices.DeleteFunc(e.Links[i].Links, func(l Link) bool { return drop(&l) })
	}
}

func cloneSets(sets []LinkSet) []LinkSet {
	sets = slices.Clone(sets)
	for i := range sets {
		sets[i].Links = slices.Clone(sets[i].Links)
	}
	return sets
}
