package pipeline

import (
	"container/heap"
	"slices"
	"time"

	"chartwire/pipeline/state"
	"chartwire/sinks"
)

// mapPending is an entity that was touched and not mapped since.
type mapPending struct {
	join   *mapJoin
	entity string
	state.Pending
	dirty bool // not in the state as it is here
	place int  // in the heap, -1 when it is not there
	seen  time.Time
}

type mapPendingKey struct {
	join   *mapJoin
	entity string
}

func (p *mapPending) key() mapPendingKey { return mapPendingKey{p.join, p.entity} }

// due is when the entity was quiet for long enough, or has waited for that long
// enough.
func (p *mapPending) due() time.Time {
	quiet, held := p.Last.Add(p.join.m.Settle), p.First.Add(p.join.m.Hold)
	if quiet.Before(held) {
		return quiet
	}
	return held
}

func (p *mapPending) bytes() int64 {
	n := 256 + 2*len(p.entity)
	for i := range p.Origin {
		n += 80 + len(p.Origin[i].Row) + len(p.Origin[i].Position)
	}
	return int64(n)
}

// mapPendingOrigins bounds how many rows an entity remembers to have changed.
const mapPendingOrigins = 4

// mapPendings are the entities that wait to be mapped. All of them are in the
// local state; as many as fit are in memory too, in the order in which they are
// due. The others are found by going through the state.
type mapPendings struct {
	j     *mapJoins
	mem   map[mapPendingKey]*mapPending
	order mapPendingHeap
	bytes int64
	limit int64
	// dirty are those to be put with the open batch, unput their size.
	dirty []*mapPending
	unput int
	// outside holds, by source, a seq that no first seq of an entity outside of
	// memory is below; there are such if it is not empty. The state is gone
	// through in passes, each from after to the end; passed becomes outside then.
	outside, passed map[string]int64
	afterMap, after string
	scanAt          time.Time // when the next pass begins
}

func newPendings(j *mapJoins, limit int64) *mapPendings {
	return &mapPendings{j: j, mem: map[mapPendingKey]*mapPending{}, limit: limit, outside: map[string]int64{}, passed: map[string]int64{}}
}

// mapTouch is what a change says of the entities it touches.
type mapTouch struct {
	origin       sinks.Origin
	commit, read time.Time
	live         bool
}

// mark makes an entity pending, for a change of a row of a node.
func (q *mapPendings) mark(jn *mapJoin, entity string, node int, c *mapTouch) error {
	key := mapPendingKey{jn, entity}
	p := q.mem[key]
	if p == nil {
		p = &mapPending{join: jn, entity: entity, place: -1}
		if len(q.outside) > 0 {
			kept, _, err := q.j.t.db.Pending(jn.id, entity)
			if err != nil {
				return err
			}
			p.Pending = kept
		}
		q.mem[key] = p
	} else {
		q.bytes -= p.bytes()
	}
	p.touch(node, c)
	q.bytes += p.bytes()
	if !p.dirty {
		p.dirty = true
		q.dirty = append(q.dirty, p)
		q.unput += int(p.bytes())
	}
	if p.place < 0 && q.bytes <= q.limit {
		heap.Push(&q.order, p)
	}
	return nil
}

// touch takes note of a change. Times are those of the record, as far as this
// machine's clock has come: another's that is ahead holds nothing back.
func (p *mapPending) touch(node int, c *mapTouch) {
	at := c.read
	if now := time.Now(); at.After(now) {
		at = now
	}
	if p.First.IsZero() || at.Before(p.First) {
		p.First = at
	}
	if at.After(p.Last) {
		p.Last = at
	}
	if c.commit.After(p.Commit) {
		p.Commit = c.commit
	}
	p.Touched |= 1 << node
	p.Live = p.Live || c.live
	i := slices.IndexFunc(p.Seqs, func(r state.SeqRange) bool { return r.Source == c.origin.Source })
	if i < 0 {
		p.Seqs = append(p.Seqs, state.SeqRange{Source: c.origin.Source, First: c.origin.Seq, Last: c.origin.Seq})
	} else {
		p.Seqs[i].First, p.Seqs[i].Last = min(p.Seqs[i].First, c.origin.Seq), max(p.Seqs[i].Last, c.origin.Seq)
	}
	p.Origin = slices.DeleteFunc(p.Origin, func(o sinks.Origin) bool {
		return o.Row == c.origin.Row && o.Table == c.origin.Table && o.Source == c.origin.Source
	})
	if len(p.Origin) == mapPendingOrigins {
		p.Origin = p.Origin[1:]
	}
	p.Origin = append(p.Origin, c.origin)
}

// put writes into a batch what is not in the state yet, and forgets what does
// not fit into memory.
func (q *mapPendings) put(b *state.Batch) {
	for _, p := range q.dirty {
		p.dirty = false
		b.PutPending(p.join.id, p.entity, &p.Pending)
		if p.place < 0 {
			q.bytes -= p.bytes()
			delete(q.mem, p.key())
			p.low(q.outside)
			p.low(q.passed)
		}
	}
	clear(q.dirty)
	q.dirty, q.unput = q.dirty[:0], 0
}

// low lowers marks to before the entity's changes.
func (p *mapPending) low(marks map[string]int64) {
	for _, r := range p.Seqs {
		lowest(marks, r.Source, r.First)
	}
}

func lowest(marks map[string]int64, source string, seq int64) {
	if first, ok := marks[source]; !ok || seq < first {
		marks[source] = seq
	}
}

// first lowers marks to before the changes of all pending entities.
func (q *mapPendings) first(lows map[string]int64) {
	for source, first := range q.outside {
		lowest(lows, source, first)
	}
	for _, p := range q.order {
		p.low(lows)
	}
}

// wait is how long there is nothing to take, most at most.
func (q *mapPendings) wait(most time.Duration) time.Duration {
	if len(q.outside) > 0 {
		most = min(most, time.Until(q.scanAt))
	}
	if len(q.order) > 0 {
		most = min(most, time.Until(q.order[0].seen))
	}
	return max(most, time.Millisecond)
}

// take gives entities that are due, n at most, and forgets them: what becomes of
// them must be committed. more says that there may be more due.
func (q *mapPendings) take(now time.Time, n int) (list []*mapPending, more bool, err error) {
	for len(q.order) > 0 && len(list) < n {
		p := q.order[0]
		if p.seen.After(now) {
			break
		}
		if due := p.due(); due.After(now) {
			p.seen = due
			heap.Fix(&q.order, 0)
			continue
		}
		q.drop(p)
		list = append(list, p)
	}
	if len(list) == n {
		return list, true, nil
	}
	if len(q.outside) > 0 && !now.Before(q.scanAt) {
		return q.scan(list, now, n)
	}
	return list, false, nil
}

// drop forgets an entity in memory.
func (q *mapPendings) drop(p *mapPending) {
	heap.Remove(&q.order, p.place)
	q.bytes -= p.bytes()
	delete(q.mem, p.key())
}

// mapScan is how many entities of the state are looked at in one step.
const mapScan = 4096

// scan goes on through the entities in the state: those that are due are given,
// others are taken into memory as far as they fit.
func (q *mapPendings) scan(list []*mapPending, now time.Time, n int) ([]*mapPending, bool, error) {
	if q.afterMap == "" {
		q.passed = map[string]int64{}
	}
	seen := 0
	for k, err := range q.j.t.db.AllPending(q.afterMap, q.after) {
		if err != nil {
			return list, false, err
		}
		if seen++; seen > mapScan || len(list) == n {
			return list, true, nil
		}
		q.afterMap, q.after = k.Map, k.Entity
		jn := q.j.byID[k.Map]
		if jn == nil || q.j.done(&k.Pending) {
			q.j.t.batch().DeletePending(k.Map, k.Entity)
			continue
		}
		p := &mapPending{join: jn, entity: k.Entity, Pending: k.Pending, place: -1}
		if q.mem[p.key()] != nil {
			continue
		}
		switch {
		case !p.due().After(now):
			list = append(list, p)
		case q.bytes+p.bytes() <= q.limit:
			q.bytes += p.bytes()
			q.mem[p.key()] = p
			heap.Push(&q.order, p)
		default:
			p.low(q.passed)
		}
	}
	q.afterMap, q.after = "", ""
	q.outside = q.passed
	q.passed = map[string]int64{}
	q.scanAt = now.Add(mapLook)
	return list, len(list) > 0, nil
}

// done reports whether all of an entity's changes were mapped in an earlier
// term.
func (j *mapJoins) done(p *state.Pending) bool {
	for _, r := range p.Seqs {
		if r.Last > j.low[r.Source] {
			return false
		}
	}
	return true
}

// forget drops the entities of a map that does not work any more.
func (q *mapPendings) forget(jn *mapJoin) {
	for _, p := range slices.Clone(q.order) {
		if p.join == jn {
			q.drop(p)
		}
	}
	q.j.t.batch().DropPending(jn.id)
}

// mapPendingHeap orders entities by when they were last seen to be due.
type mapPendingHeap []*mapPending

func (h mapPendingHeap) Len() int           { return len(h) }
func (h mapPendingHeap) Less(i, j int) bool { return h[i].seen.Before(h[j].seen) }
func (h mapPendingHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}

func (h *mapPendingHeap) Push(x any) {
	p := x.(*mapPending)
	p.place, p.seen = len(*h), p.due()
	*h = append(*h, p)
}

func (h *mapPendingHeap) Pop() any {
	old := *h
	p := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	p.place = -1
	return p
}
