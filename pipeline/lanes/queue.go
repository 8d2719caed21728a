package lanes

import (
	"cmp"
	"container/heap"
	"slices"
	"time"

	"chartwire/sinks"
)

// Limit bounds the window of one lane.
type Limit struct {
	Records int // arrivals that wait without coalescing
	Bytes   int
}

// Queue holds what waits for one destination.
type Queue struct {
	limits  [len(sinks.Lanes)]Limit
	lanes   [len(sinks.Lanes)]lane
	delayed parts
	records map[string]*Record
	seq     int64
}

// lane is one queue: its parts that may be called, by object, and what its
// window is charged.
type lane struct {
	objects map[string]*parts
	arrived []*Item // oldest first; complete ones are removed at the front
	records int
	bytes   int
	waiting int // parts of this lane, ready or delayed
	due     time.Time
}

// New returns an empty queue.
func New(limits [len(sinks.Lanes)]Limit) *Queue {
	q := &Queue{limits: limits, records: map[string]*Record{}}
	q.delayed.before = func(a, b *Part) bool { return a.NotBefore.Before(b.NotBefore) }
	for i := range q.lanes {
		q.lanes[i].objects = map[string]*parts{}
	}
	return q
}

// Full reports whether the lane's window has no room: nothing more should be
// added to it. One arrival may exceed the bounds.
func (q *Queue) Full(l sinks.Lane) bool {
	return q.lanes[l].records >= q.limits[l].Records || q.lanes[l].bytes >= q.limits[l].Bytes
}

// Waiting is the number of records' parts that wait in the lane, and the bytes
// its window is charged.
func (q *Queue) Waiting(l sinks.Lane) (n, bytes int) { return q.lanes[l].waiting, q.lanes[l].bytes }

// Delayed is the number of the lane's parts that wait for their time.
func (q *Queue) Delayed(l sinks.Lane) (n int) {
	for _, p := range q.delayed.all {
		if p.Lane == l {
			n++
		}
	}
	return n
}

// Record returns the record if anything of it waits or is in the air, or nil.
func (q *Queue) Record(id sinks.Record) *Record { return q.records[id.ID()] }

// Doubts is the number of records in doubt.
func (q *Queue) Doubts() (n int) {
	for _, rec := range q.records {
		if !rec.Doubt().IsZero() {
			n++
		}
	}
	return n
}

// Add takes an arrival in.
func (q *Queue) Add(a Arrival) {
	m := a.Mutation
	rec := q.record(m.Record)
	h := head(m)
	it := &Item{Ref: a.Ref, Commit: m.Commit, Lane: a.Lane, rec: rec, bytes: overhead}
	q.seq++
	half := Part{Flow: m.Flow, Doubt: a.Doubt, seq: q.seq, rec: rec, Items: []*Item{it}}
	first, rest := m.Properties, []sinks.Property(nil)
	if a.Lane == sinks.Safety {
		first, rest = split(m.Properties)
	}
	main := half
	main.Lane, main.Due, main.safety = a.Lane, m.Due, a.Lane == sinks.Safety
	if !main.safety {
		main.NotBefore = a.NotBefore
	}
	links := m.Links
	if len(rest) > 0 {
		links = nil
	}
	main.merge(h, m.Existence, first, links)
	q.take(rec, &main, it)
	if len(rest) > 0 {
		half.Lane, half.Due, half.NotBefore = a.Rest, a.RestDue, a.NotBefore
		half.merge(h, m.Existence, rest, m.Links)
		q.take(rec, &half, it)
	}
	l := &q.lanes[a.Lane]
	l.bytes += it.bytes
	if it.record {
		l.records++
	}
	l.arrived = append(l.arrived, it)
}

// take gives a new part to the record, coalesced with what waits already.
func (q *Queue) take(rec *Record, p *Part, it *Item) {
	it.parts++
	for _, o := range rec.parts {
		if o.Flow == p.Flow && o.safety == p.safety {
			before := o.bytes
			q.leave(o)
			o.absorb(p)
			it.bytes += max(0, o.bytes-before)
			q.enter(o)
			return
		}
	}
	it.bytes += p.bytes
	it.record = true
	rec.parts = append(rec.parts, p)
	q.enter(p)
}

func (q *Queue) record(id sinks.Record) *Record {
	key := id.ID()
	rec := q.records[key]
	if rec == nil {
		rec = &Record{ID: id, key: key}
		q.records[key] = rec
	}
	return rec
}

// enter queues a part where it belongs; one whose record is in the air, in no
// heap until that has landed.
func (q *Queue) enter(p *Part) {
	q.lanes[p.Lane].waiting++
	if p.rec.air != nil {
		return
	}
	if !p.NotBefore.IsZero() {
		p.heap = &q.delayed
	} else {
		p.heap = q.ready(p.Lane, p.rec.ID.Object)
	}
	heap.Push(p.heap, p)
}

func (q *Queue) leave(p *Part) {
	q.lanes[p.Lane].waiting--
	if p.heap != nil {
		heap.Remove(p.heap, p.index)
		p.heap = nil
	}
}

func (q *Queue) ready(l sinks.Lane, object string) *parts {
	h := q.lanes[l].objects[object]
	if h == nil {
		h = &parts{before: before}
		q.lanes[l].objects[object] = h
	}
	return h
}

// before orders parts in a lane: by deadline, then by arrival.
func before(a, b *Part) bool {
	switch {
	case a.Due.Equal(b.Due):
		return a.seq < b.seq
	case a.Due.IsZero() || b.Due.IsZero():
		return b.Due.IsZero()
	}
	return a.Due.Before(b.Due)
}

// Wake lets the parts go whose time has come, and returns when the next one's
// does; zero if none waits for its time.
func (q *Queue) Wake(now time.Time) time.Time {
	for len(q.delayed.all) > 0 {
		p := q.delayed.all[0]
		if p.NotBefore.After(now) {
			return p.NotBefore
		}
		q.leave(p)
		p.NotBefore = time.Time{}
		q.enter(p)
	}
	return time.Time{}
}

// Pick takes the records of the lane's next call out of the queue: the most
// urgent one, and others of its object in their order, up to batch(object).
// Everything that waits for them goes along, in the safety lane only the safety
// parts. Each must come back by Back or Land. Call Wake before.
func (q *Queue) Pick(l sinks.Lane, batch func(object string, attempts int) int) []*Record {
	if q.Full(l) {
		q.press(l)
	}
	var head *Part
	for _, h := range q.lanes[l].objects {
		if len(h.all) > 0 && (head == nil || before(h.all[0], head)) {
			head = h.all[0]
		}
	}
	if head == nil {
		return nil
	}
	h := head.heap
	n := batch(head.rec.ID.Object, head.Attempts)
	var out []*Record
	for len(out) < n && len(h.all) > 0 && batch(head.rec.ID.Object, h.all[0].Attempts) >= n {
		rec := h.all[0].rec
		q.lift(rec, l)
		out = append(out, rec)
	}
	return out
}

// lift moves the record's parts that may be called into its call.
func (q *Queue) lift(rec *Record, l sinks.Lane) {
	var air, stay []*Part
	for _, p := range rec.parts {
		q.leave(p)
		if p.NotBefore.IsZero() && (l != sinks.Safety || p.safety) {
			air = append(air, p)
		} else {
			stay = append(stay, p)
		}
	}
	rec.air, rec.parts = air, stay
	for _, p := range stay {
		q.enter(p)
	}
}

// Widen adds to a picked record's call what else waits for it: its creation
// needs it.
func (q *Queue) Widen(rec *Record) {
	for _, p := range rec.parts {
		q.leave(p)
		rec.air = append(rec.air, p)
	}
	rec.parts = nil
}

// press makes the oldest arrival of a full lane due.
func (q *Queue) press(l sinks.Lane) {
	ln := &q.lanes[l]
	for len(ln.arrived) > 0 && ln.arrived[0].parts == 0 {
		ln.arrived = ln.arrived[1:]
	}
	if len(ln.arrived) == 0 {
		return
	}
	rec := ln.arrived[0].rec
	if rec.air != nil {
		return
	}
	for _, p := range rec.parts {
		if !slices.Contains(p.Items, ln.arrived[0]) {
			continue
		}
		q.leave(p)
		p.Lane, p.Due = min(p.Lane, max(l, sinks.Realtime)), time.Unix(0, 0)
		if p.safety {
			p.Lane = sinks.Safety
		}
		q.enter(p)
	}
}

// Back returns picked records unsent.
func (q *Queue) Back(recs []*Record) {
	for _, rec := range recs {
		for _, p := range rec.air {
			q.rejoin(rec, p)
		}
		q.settle(rec)
	}
}

// Land ends a record's call. Parts for which keep is nil, or returns false,
// are complete: the arrivals that have no other part are returned. The others
// wait again, with what keep changed in them.
func (q *Queue) Land(rec *Record, keep func(*Part) bool) []*Item {
	var done []*Item
	for _, p := range rec.air {
		if keep != nil && keep(p) {
			q.rejoin(rec, p)
		} else {
			done = q.complete(p, done)
		}
	}
	q.settle(rec)
	return done
}

func (q *Queue) complete(p *Part, done []*Item) []*Item {
	for _, it := range p.Items {
		if it.parts--; it.parts > 0 {
			continue
		}
		l := &q.lanes[it.Lane]
		l.bytes -= it.bytes
		if it.record {
			l.records--
		}
		done = append(done, it)
		for len(l.arrived) > 0 && l.arrived[0].parts == 0 {
			l.arrived = l.arrived[1:]
		}
	}
	return done
}

// rejoin puts a part of a call back, in front of what arrived meanwhile.
func (q *Queue) rejoin(rec *Record, p *Part) {
	i := slices.IndexFunc(rec.parts, func(o *Part) bool { return o.Flow == p.Flow && o.safety == p.safety })
	if i < 0 {
		rec.parts = append(rec.parts, p)
		q.enter(p)
		return
	}
	o := rec.parts[i]
	q.leave(o)
	p.absorb(o)
	rec.parts[i] = p
	q.enter(p)
}

// settle ends a record's time in the air, and forgets it if nothing waits.
func (q *Queue) settle(rec *Record) {
	rec.air = nil
	if len(rec.parts) == 0 {
		delete(q.records, rec.key)
		return
	}
	for _, p := range rec.parts {
		q.leave(p)
		q.enter(p)
	}
}

// Due is the earliest deadline that waits in the lane; false if none does.
func (q *Queue) Due(l sinks.Lane) (time.Time, bool) {
	var heads []*Part
	for _, h := range q.lanes[l].objects {
		if len(h.all) > 0 && !h.all[0].Due.IsZero() {
			heads = append(heads, h.all[0])
		}
	}
	for _, p := range q.delayed.all {
		if p.Lane == l && !p.Due.IsZero() {
			heads = append(heads, p)
		}
	}
	if len(heads) == 0 {
		return time.Time{}, false
	}
	return slices.MinFunc(heads, func(a, b *Part) int { return cmp.Compare(a.Due.UnixNano(), b.Due.UnixNano()) }).Due, true
}
