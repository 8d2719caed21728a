package pipeline

import (
	"slices"
	"strings"
	"time"

	"chartwire/pipeline/lanes"
	"chartwire/pipeline/shadow"
	"chartwire/sinks"
)

// linker is the second step of delivering: links, of records that the
// destination holds.
//
// What should be linked stands in the shadow, and a link is asked for only after
// the shadow is committed in which it is wanted, or no longer, and in which both
// ends have ids. So whatever was ever asked for is known to whoever comes next,
// and is asked for again until it is as wanted; no offset waits for it. A link
// whose far end is not there waits on the disk, and is looked at when that end
// gets an id.
type linker struct {
	work  map[string]*linkWork // by the record's id
	lanes [len(sinks.Lanes)][]*linkWork
	// delayed are those that wait for their time, and wake the earliest of it.
	delayed []*linkWork
	wake    time.Time
	fresh   []string  // records that got an id, to be committed
	success time.Time // of the newest call that was answered with one
	// doubt is until when calls may still arrive of records that were dropped.
	doubt time.Time

	// loading is where in the index of open links the start is, while it lasts:
	// those that the holder before left.
	loading bool
	place   []byte
}

// linkWork is one record whose links may be asked for.
type linkWork struct {
	id        string
	lane      sinks.Lane
	since     time.Time
	notBefore time.Time
	// doubt is until when a call that may hold these links can still arrive:
	// they are asked for once more after it.
	doubt time.Time
	// again says that notBefore is no pause but the time of asking once more:
	// what is new need not wait for it.
	again    bool
	air      bool
	attempts int       // calls that ended without an answer
	failed   time.Time // when the first of them did
	missing  int       // answers that an end is not there
}

const (
	// linkWorks bounds the records that wait to be linked: beyond it nothing
	// but safety is read.
	linkWorks = 10_000
	// missingTries is how often an end is asked for that the destination gave
	// an id to and does not find.
	missingTries = 5
	// linkCrowd is how many records a call for links has at most, and how many
	// make one worth while though others of the lane wait to be written.
	linkCrowd = 500
)

// linkLinger is how long links wait for company, and let records go first, while
// the lane has some to write.
var linkLinger = [len(sinks.Lanes)]time.Duration{200 * time.Millisecond, 300 * time.Millisecond, 3 * time.Second, 10 * time.Second}

// consider queues a record whose links may be asked for.
func (t *term) consider(id string, lane sinks.Lane, now time.Time) {
	w := t.links.work[id]
	switch {
	case w == nil:
		w = &linkWork{id: id, lane: lane, since: now, doubt: t.links.doubt}
		if !t.clean && now.Before(t.doubt) {
			if w.doubt = laterOf(w.doubt, t.doubt); lane != sinks.Safety {
				w.notBefore = t.doubt
			}
		}
		t.links.work[id] = w
	case w.air:
		w.lane = min(w.lane, lane)
		return
	case lane >= w.lane && !w.again:
		return
	default:
		t.links.leave(w)
		if w.lane = min(w.lane, lane); w.again {
			w.notBefore, w.again = time.Time{}, false
		}
	}
	t.links.enter(w, now)
}

// enter queues a record where it belongs.
func (l *linker) enter(w *linkWork, now time.Time) {
	if !w.notBefore.After(now) {
		l.lanes[w.lane] = append(l.lanes[w.lane], w)
		return
	}
	l.delayed = append(l.delayed, w)
	if l.wake.IsZero() || w.notBefore.Before(l.wake) {
		l.wake = w.notBefore
	}
}

func (l *linker) leave(w *linkWork) {
	same := func(o *linkWork) bool { return o == w }
	l.lanes[w.lane] = slices.DeleteFunc(l.lanes[w.lane], same)
	l.delayed = slices.DeleteFunc(l.delayed, same)
}

// ripen queues the records whose time has come, and returns when the next one's
// does; zero if none waits for its time.
func (l *linker) ripen(now time.Time) time.Time {
	if l.wake.IsZero() || l.wake.After(now) {
		return l.wake
	}
	all := l.delayed
	l.delayed, l.wake = nil, time.Time{}
	for _, w := range all {
		l.enter(w, now)
	}
	return l.wake
}

// considerEntry queues a record if something is to be done for its links.
func (t *term) considerEntry(id string, now time.Time) error {
	e, last, err := t.store.Saved(id)
	if err != nil || e == nil || !last { // what is newer is looked at once committed
		return err
	}
	if lane, open := e.Open(); open {
		t.consider(id, lane, now)
	}
	return nil
}

// relink looks at the records with links to one that has another id now.
func (t *term) relink(to string, now time.Time) error {
	ids, err := t.store.LinkedTo(to)
	if err != nil {
		return err
	}
	for _, id := range ids {
		e, err := t.store.Get(id)
		if err != nil {
			return err
		}
		end, err := t.store.Get(to)
		if err != nil {
			return err
		}
		if e, changed := reopen(e, to, end.ID, now); changed {
			t.store.Put(id, e) // it is looked at once committed
		} else if err := t.considerEntry(id, now); err != nil {
			return err
		}
	}
	return nil
}

// reopen notes that a far end is another record now than it was linked to.
func reopen(e *shadow.Entry, to, id string, now time.Time) (*shadow.Entry, bool) {
	old := func(l *shadow.Link) bool { return l.To.ID() == to && l.ToID != "" && l.ToID != id }
	changed := false
	e.Each(func(_ *shadow.LinkSet, l *shadow.Link) { changed = changed || old(l) })
	if !changed {
		return e, false
	}
	e = e.Clone()
	e.Drop(func(l *shadow.Link) bool { return old(l) && !l.Wanted }) // gone with the record that it led to
	e.Each(func(_ *shadow.LinkSet, l *shadow.Link) {
		if !old(l) {
			return
		}
		if l.Held {
			l.Since = now
		}
		l.Held, l.Missing, l.ToID = false, false, ""
	})
	return e, true
}

// load goes on with the links that the holder before left open, a few at a time.
func (t *term) load(now time.Time) error {
	if !t.links.loading || len(t.links.work) > linkWorks/2 {
		return nil
	}
	ids, next, err := t.store.OpenLinks(t.links.place, handful)
	if err != nil {
		return err
	}
	t.links.place, t.links.loading = next, next != nil
	for _, id := range ids {
		if err := t.considerEntry(id, now); err != nil {
			return err
		}
	}
	return nil
}

// linksDue reports whether the lane's links go before its records.
func (t *term) linksDue(lane sinks.Lane, now time.Time) bool {
	q := t.links.lanes[lane]
	return len(q) >= linkCrowd || len(q) > 0 && now.Sub(q[0].since) >= linkLinger[lane]
}

// composeLinks makes a lane's next call for links: of one object, as many as the
// sink takes. A record that spoilt calls before travels with fewer.
func (t *term) composeLinks(lane sinks.Lane, now time.Time) (call, error) {
	c := call{lane: lane}
	object, most, n := "", 0, 0
	q := t.links.lanes[lane]
	rest := make([]*linkWork, 0, len(q))
	for i, w := range q {
		if len(c.works) == linkCrowd {
			rest = append(rest, q[i:]...)
			break
		}
		record := recordOf(w.id)
		room := max(t.o.Sink.Links()>>max(w.attempts-3, 0), 1)
		if len(c.works) == 0 {
			object, most = record.Object, room
		}
		if record.Object != object || n >= most || room < most {
			rest = append(rest, w)
			continue
		}
		write, keep, err := t.linkWrite(w, record, most-n, now)
		switch {
		case err != nil:
			return c, err
		case keep:
			rest = append(rest, w)
		case write == nil && now.Before(w.doubt):
			w.notBefore, w.again = w.doubt, true
			t.links.enter(w, now)
		case write == nil:
			delete(t.links.work, w.id)
		default:
			w.air, w.again = true, false
			n += len(write.Links)
			c.works, c.writes = append(c.works, w), append(c.writes, *write)
		}
	}
	t.links.lanes[lane] = rest
	return c, nil
}

// recordOf is the inverse of Record.ID: neither an object nor a property has a
// slash.
func recordOf(id string) sinks.Record {
	object, rest, _ := strings.Cut(id, "/")
	property, key, _ := strings.Cut(rest, "/")
	return sinks.Record{Object: object, Property: property, Key: key}
}

// linkWrite is what is to be asked for of one record's links now: nil if there
// is nothing, or its far ends are not there. keep says that there is something,
// and no room for it in the call.
func (t *term) linkWrite(w *linkWork, record sinks.Record, room int, now time.Time) (write *sinks.Write, keep bool, err error) {
	e, last, err := t.store.Saved(w.id)
	switch {
	case err != nil || !last || !e.There(): // what is newer is looked at once committed
		return nil, false, err
	case t.o.Sink.Links() == 0:
		t.unlinkable(record, e, now)
		return nil, false, nil
	}
	write = &sinks.Write{Record: record, ID: e.ID, Lane: w.lane, Trace: trace(record, e.Version)}
	seen, idle := map[sinks.Record]bool{}, map[sinks.Record]bool{}
	e.Each(func(s *shadow.LinkSet, l *shadow.Link) {
		if err != nil || seen[l.To] || !l.Open() || t.halts[s.Flow] != nil {
			return
		}
		end, _, failed := t.store.Saved(l.To.ID())
		switch err = failed; {
		case failed != nil:
		case !end.There() && !l.Wanted:
			idle[l.To] = true // was never asked for, or is gone with its end
		case end.There() && !(l.Missing && l.ToID == end.ID):
			links := between(e, l.To, end.ID)
			if len(write.Links)+len(links) > room && (len(write.Links) > 0 || room < t.o.Sink.Links()>>max(w.attempts-3, 0)) {
				keep = true
				return
			}
			seen[l.To] = true
			write.Links = append(write.Links, links...)
		}
	})
	if err == nil && len(idle) > 0 {
		next := e.Clone()
		next.Drop(func(l *shadow.Link) bool { return !l.Wanted && idle[l.To] })
		t.store.Put(w.id, next)
	}
	if err != nil || len(write.Links) == 0 {
		return nil, keep, err
	}
	return write, false, nil
}

// between lists all that is to be said of the links to one far end: those that
// there should be, and those that should not though a name or a label of their
// own set says nothing else.
func between(e *shadow.Entry, to sinks.Record, id string) (links []sinks.Link) {
	var wanted, not []sinks.Link
	e.Each(func(s *shadow.LinkSet, l *shadow.Link) {
		link := sinks.Link{Name: s.Name, To: to, Label: l.Label, State: sinks.Set, ToID: id}
		same := func(o sinks.Link) bool { return o.Label == l.Label }
		switch {
		case l.To != to || l.Refused:
		case l.Wanted && !slices.ContainsFunc(wanted, same):
			wanted = append(wanted, link)
		case !l.Wanted && !slices.ContainsFunc(not, same):
			link.State = sinks.Clear
			not = append(not, link)
		}
	})
	not = slices.DeleteFunc(not, func(n sinks.Link) bool {
		return slices.ContainsFunc(wanted, func(o sinks.Link) bool { return o.Label == n.Label })
	})
	return append(wanted, not...)
}

// unlinkable ends the links of a record at a sink that knows none.
func (t *term) unlinkable(record sinks.Record, e *shadow.Entry, now time.Time) {
	e = e.Clone()
	e.Drop(func(l *shadow.Link) bool { return !l.Wanted })
	var sets []*shadow.LinkSet
	e.Each(func(s *shadow.LinkSet, l *shadow.Link) {
		if l.Open() {
			l.Refused, l.Since = true, time.Time{}
			sets = append(sets, s)
		}
	})
	t.store.Put(record.ID(), e)
	for _, s := range slices.Compact(sets) {
		t.bury(record, linkProperty(s.Name), linkHead(s), &sinks.Rejected{Code: "LINKS", Class: "unsupported", Message: "this destination knows no links"}, s.Lane, now)
	}
}

// unlinks says whether a mutation would leave a record without any link of a
// name that it has one of.
func unlinks(m *sinks.Mutation, base *shadow.Entry) bool {
	for _, s := range base.Links {
		named := func(l sinks.Link) bool { return l.Name == s.Name }
		leads := func(l sinks.Link) bool { return named(l) && l.State == sinks.Set }
		if s.Version <= m.Version && slices.ContainsFunc(m.Links, named) && !slices.ContainsFunc(m.Links, leads) &&
			slices.ContainsFunc(s.Links, func(l shadow.Link) bool { return l.Wanted && l.Held }) {
			return true
		}
	}
	return false
}

// linkHead is what is known of the mutation that a set of links came from.
func linkHead(s *shadow.LinkSet) *lanes.Head {
	return &lanes.Head{Flow: s.Flow, Map: s.Map, Version: s.Version, Origin: []sinks.Origin{s.Row}}
}
