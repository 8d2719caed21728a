package pipeline

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"time"

	"chartwire/cdc"
	"chartwire/pipeline/state"
	"chartwire/sinks"
)

// apply puts a change into the rows of a table that joined maps read, with its
// index entries and with what it touched.
func (j *mapJoins) apply(ctx context.Context, b *state.Batch, c *mapChange) error {
	r := mapRowChange{table: c.table, key: c.key, op: c.op, touch: mapTouch{read: c.read, commit: c.read, live: c.op != cdc.Read,
		origin: sinks.Origin{Source: c.table.id.Source, Table: c.table.id.TableID.String(), Row: c.key, Seq: c.seq}}}
	var row *state.Row
	gone := c.seq < j.t.gone[c.table.text]
	if c.value != nil {
		id, schema, env, err := j.t.schemas.split(ctx, c.value)
		if err != nil {
			return fmt.Errorf("row of %s with seq %d: %w", c.table.id, c.seq, err)
		}
		commit := msTime(env.Source.CommitMs)
		r.touch.commit, r.touch.origin.Position = commit, positionText(env.Source.GTID, env.Source.File, env.Source.Pos)
		r.more[0] = mapImage{id, schema, env.Before}
		if after := (mapImage{id, schema, env.After}); gone || c.op == cdc.Delete {
			r.more[1] = after
		} else {
			r.now = after
			row = &state.Row{Schema: id, Seq: c.seq, Op: c.op, Commit: commit, Read: c.read, Position: r.touch.origin.Position, Data: env.After}
		}
	}
	if gone {
		r.op, r.touch.live, r.touch.origin.Seq = cdc.Delete, true, j.t.goneAt(c.table)
	}
	return j.set(ctx, b, &r, row)
}

// remove takes a row away that an epoch took, at a seq.
func (j *mapJoins) remove(ctx context.Context, table *mapTable, key string, seq int64) error {
	r := mapRowChange{table: table, key: key, op: cdc.Delete, touch: mapTouch{read: time.Now(), live: true,
		origin: sinks.Origin{Source: table.id.Source, Table: table.id.TableID.String(), Row: key, Seq: seq}}}
	return j.set(ctx, j.t.batch(), &r, nil)
}

// goneAt is the seq from which on the rows from before a table's newest epoch
// count as deleted. Those of a reload go when its refill is quiet, which is long
// after the epoch.
func (t *mapTerm) goneAt(table *mapTable) int64 {
	return max(t.gone[table.text], t.progress.SweptAt[table.text])
}

// mapRowChange is a change of one stored row.
type mapRowChange struct {
	table *mapTable
	key   string
	op    cdc.Op
	// old is the row as it is stored, now as it is from now on. more are further
	// images that it had in between, or before, if the state was rebuilt from
	// topics that do not hold all of them any more.
	old, now mapImage
	more     [2]mapImage
	touch    mapTouch
}

// set carries a change of a row out. A nil row deletes.
func (j *mapJoins) set(ctx context.Context, b *state.Batch, r *mapRowChange, row *state.Row) error {
	old, had, err := b.Row(r.table.id, r.key)
	if err != nil {
		return err
	}
	if had {
		if r.old, err = j.rowImage(ctx, &old); err != nil {
			return err
		}
	}
	for i := range r.more {
		if m := &r.more[i]; m.row != nil && (m.equal(r.old) || m.equal(r.now)) {
			m.row = nil
		}
	}
	if err := j.reindex(b, r); err != nil {
		return err
	}
	if err := j.decided(r); err != nil {
		return err
	}
	if r.touch.origin.Seq > j.low[r.table.id.Source] {
		if err := j.mark(b, r); err != nil {
			return err
		}
	}
	if row == nil {
		b.DeleteRow(r.table.id, r.key)
		return nil
	}
	b.PutRow(r.table.id, r.key, row)
	return nil
}

// reindex moves the row's entries in the table's indexes.
func (j *mapJoins) reindex(b *state.Batch, r *mapRowChange) error {
	for _, ix := range r.table.indexes {
		var was []byte
		had := false
		var err error
		if r.old.row != nil {
			if was, had, err = j.text(ix, &r.old, r.key); err != nil {
				had = false // it has no entry
			}
			was = bytes.Clone(was)
		}
		var is []byte
		has := false
		if r.now.row != nil {
			if is, has, err = j.text(ix, &r.now, r.key); err != nil {
				has = false
			}
		}
		if had == has && bytes.Equal(was, is) {
			continue
		}
		if had {
			b.DeleteIndex(ix.ID, was, r.key)
		}
		if has {
			b.PutIndex(ix.ID, is, r.key)
		}
	}
	return nil
}

// mark makes the entities pending that the row itself names, and notes the row
// as touched for the others.
func (j *mapJoins) mark(b *state.Batch, r *mapRowChange) error {
	var nodes []state.TouchedNode
	for _, role := range r.table.roles {
		if j.covered(role.join, r) || !j.touches(role, r) {
			continue
		}
		n := &role.join.nodes[role.node]
		if role.node == 0 && n.Find == nil {
			if err := j.pending.mark(role.join, r.key, 0, &r.touch); err != nil {
				return err
			}
			continue
		}
		var last []byte
		for i, image := range [...]*mapImage{&r.old, &r.now, &r.more[0], &r.more[1]} {
			if image.row == nil {
				continue
			}
			text, ok, err := j.text(n.Find, image, r.key)
			if err != nil || !ok || i > 0 && last != nil && bytes.Equal(last, text) {
				continue
			}
			last = bytes.Clone(text)
			if !n.direct {
				nodes = append(nodes, state.TouchedNode{Map: role.join.id, Node: role.node, Text: last})
				continue
			}
			if err := j.pending.mark(role.join, string(last), role.node, &r.touch); err != nil {
				return err
			}
		}
	}
	if len(nodes) > 0 {
		j.touched.put(b, &state.Touched{Commit: r.touch.commit, Read: r.touch.read, Live: r.touch.live, Origin: r.touch.origin, Nodes: nodes})
	}
	return nil
}

// touches reports whether the change concerns a map.
func (j *mapJoins) touches(role mapRole, r *mapRowChange) bool {
	e := j.evaluators[role.join.m]
	for _, before := range [...]*mapImage{&r.old, &r.more[0], &r.more[1]} {
		if (before == &r.old || before.row != nil) && e.Touches(role.node, before.schema, before.row, r.now.schema, r.now.row) {
			return true
		}
	}
	return false
}

// covered reports whether a map will map all its entities anyway, after this
// change, so that they need not be kept one by one: what a snapshot reads is
// mapped when all of it is there. A map that rests maps nothing.
func (j *mapJoins) covered(jn *mapJoin, r *mapRowChange) bool {
	p := j.t.progress.Maps[jn.id]
	switch {
	case p.Off:
		return true
	case p.Remap && p.First && len(p.At) == 0 && !p.Past && j.first[r.table.id.Source]:
		return true
	case r.op != cdc.Read:
		return false
	}
	return j.loading[r.table] || p.Remap && p.Write && len(p.At) == 0 && !p.Past
}

// mapTouched are the rows that changed and whose entities are still to be found,
// in the order in which they came.
type mapTouched struct {
	head, tail uint64
	// low holds the lowest seq by source since there were none.
	low  map[string]int64
	next func() (mapClimbed, error, bool)
	stop func()
}

func (q *mapTouched) load(j *mapJoins) (err error) {
	q.low = map[string]int64{}
	if q.head, q.tail, err = j.t.db.TouchedPlaces(); err != nil || q.head == q.tail {
		return err
	}
	for source, low := range j.low {
		q.low[source] = low + 1
	}
	return nil
}

func (q *mapTouched) put(b *state.Batch, t *state.Touched) {
	b.PutTouched(q.tail, t)
	q.tail++
	lowest(q.low, t.Origin.Source, t.Origin.Seq)
}

func (q *mapTouched) close() {
	if q.stop != nil {
		q.stop()
		q.next, q.stop = nil, nil
	}
}

// mapClimbed is an entity that was found for a touched row, or the end of one.
type mapClimbed struct {
	place  uint64
	join   *mapJoin // nil: all entities of the row were found
	node   int
	entity string
	touch  mapTouch
}

// mapClimb is how many entities are found for touched rows before the sources
// are looked at again.
const mapClimb = 4096

// climbStep finds some of the entities of touched rows. It reports whether there
// are more.
func (j *mapJoins) climbStep(ctx context.Context) (more bool, err error) {
	q := &j.touched
	if q.head == q.tail {
		return false, nil
	}
	if err := j.t.flushApply(); err != nil { // it is read from now on
		return false, err
	}
	for range mapClimb {
		if q.next == nil {
			if q.head == q.tail {
				break
			}
			q.next, q.stop = iter.Pull2(j.climbs(ctx, q.head))
		}
		found, err, ok := q.next()
		switch {
		case !ok:
			q.close()
			continue
		case err != nil:
			return false, err
		case found.join == nil:
			j.t.batch().DeleteTouched(found.place)
			q.head = found.place + 1
		default:
			j.t.batch()
			if err := j.pending.mark(found.join, found.entity, found.node, &found.touch); err != nil {
				return false, err
			}
		}
		if err := j.t.flushFull(); err != nil {
			return false, err
		}
	}
	if q.head == q.tail {
		clear(q.low)
	}
	return q.head < q.tail, j.t.flushApply()
}

// climbs yields the entities of the touched rows from a place on.
func (j *mapJoins) climbs(ctx context.Context, from uint64) iter.Seq2[mapClimbed, error] {
	return func(yield func(mapClimbed, error) bool) {
		for t, err := range j.t.db.TouchedFrom(from) {
			if err != nil {
				yield(mapClimbed{}, err)
				return
			}
			touch := mapTouch{origin: t.Origin, commit: t.Commit, read: t.Read, live: t.Live}
			for _, n := range t.Nodes {
				jn := j.byID[n.Map]
				if jn == nil || n.Node >= len(jn.nodes) || t.Origin.Seq <= j.low[t.Origin.Source] {
					continue // of an earlier map, or mapped by then
				}
				for entity, err := range j.climb(ctx, jn, n.Node, n.Text) {
					if !yield(mapClimbed{t.Place, jn, n.Node, entity, touch}, err) || err != nil {
						return
					}
				}
			}
			if !yield(mapClimbed{place: t.Place}, nil) {
				return
			}
		}
	}
}

// climb yields the entities to which the rows of a node under a text belong.
func (j *mapJoins) climb(ctx context.Context, jn *mapJoin, node int, text []byte) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) { j.up(ctx, jn, node, text, yield) }
}

func (j *mapJoins) up(ctx context.Context, jn *mapJoin, node int, text []byte, yield func(string, error) bool) bool {
	if node == 0 {
		return yield(string(text), nil)
	}
	n := &jn.nodes[node]
	parent := &jn.nodes[n.Parent]
	if parent.table == nil {
		return true
	}
	if n.Up.Primary {
		return j.upFrom(ctx, jn, n.Parent, string(text), yield)
	}
	for key, err := range j.t.db.Found(n.Up.ID, text, "") {
		if err != nil {
			return yield("", err)
		}
		if !j.upFrom(ctx, jn, n.Parent, key, yield) {
			return false
		}
	}
	return true
}

// upFrom goes on from a row of a node.
func (j *mapJoins) upFrom(ctx context.Context, jn *mapJoin, node int, key string, yield func(string, error) bool) bool {
	n := &jn.nodes[node]
	if n.Find == nil {
		return yield(key, nil)
	}
	row, ok, err := j.t.db.Row(n.table.id, key)
	if err != nil {
		return yield("", err)
	}
	if !ok {
		return true
	}
	image, err := j.rowImage(ctx, &row)
	if err != nil {
		return yield("", err)
	}
	text, ok, err := j.text(n.Find, &image, key)
	if err != nil || !ok {
		return true // it is found by nobody
	}
	return j.up(ctx, jn, node, bytes.Clone(text), yield)
}
