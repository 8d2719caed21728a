package pipeline

import (
	"bytes"
	"context"
	"slices"
	"time"

	"chartwire/pipeline/mapping"
	"chartwire/pipeline/state"
	"chartwire/sinks"
)

// step does what joined maps have to do after the sources were read. It reports
// whether there is more.
func (j *mapJoins) step(ctx context.Context) (more bool, err error) {
	if !j.ready() {
		return false, nil
	}
	if err := j.decideAll(ctx); err != nil {
		return false, err
	}
	climbs, err := j.climbStep(ctx)
	if err != nil {
		return false, err
	}
	due, err := j.dueStep(ctx)
	return climbs || due, err
}

// left is how much is known to be left to map.
func (j *mapJoins) left() int64 {
	n := int64(len(j.pending.mem)) + int64(j.touched.tail-j.touched.head)
	if len(j.pending.outside) > 0 {
		n++
	}
	return n
}

// atCut takes note of what a source's cut says of its tables, before its changes
// are put into the rows. Maps whose tables have become whole map all their
// entities: also those of which no row came.
func (j *mapJoins) atCut(s *mapSource) (loading []string) {
	t := j.t
	was := t.progress.Sources[s.name]
	j.first[s.name] = was.Seq == 0
	now := j.wholeTables(s)
	for _, table := range t.m.tables {
		if table.id.Source != s.name {
			continue
		}
		filled := slices.Contains(was.Loading, table.text) && !now[table]
		if now[table] {
			j.loading[table] = true
			loading = append(loading, table.text)
		} else {
			delete(j.loading, table)
		}
		if !filled && was.Seq > 0 {
			continue
		}
		for _, role := range table.roles {
			p := t.progress.Maps[role.join.id]
			p.Remap, p.Write, p.First, p.Past, p.At = true, true, true, false, nil
			t.progress.Maps[role.join.id], t.dirty = p, true
		}
		for _, m := range table.whiles {
			j.decide[m] = true
		}
	}
	slices.Sort(loading)
	return loading
}

// cutApplied takes note that a source's rows are those of its cut.
func (j *mapJoins) cutApplied(s *mapSource) {
	delete(j.first, s.name)
	j.applied[s.name] = s.cut.Seq
}

// decided notes the maps whose condition a change of a row may turn.
func (j *mapJoins) decided(r *mapRowChange) error {
	for _, m := range r.table.whiles {
		for _, image := range [...]*mapImage{&r.old, &r.now} {
			if image.row == nil || j.decide[m] {
				continue
			}
			// A row that cannot be read decides nothing.
			if decides, _, err := j.switches[m].Row(image.schema, image.row); err == nil && decides {
				j.decide[m] = true
			}
		}
	}
	return nil
}

// decideAll finds which maps work and which rest. One that begins to work maps
// all its entities again; one that rests forgets what was pending.
func (j *mapJoins) decideAll(ctx context.Context) error {
	if len(j.decide) == 0 {
		return nil
	}
	t := j.t
	if err := t.flushApply(); err != nil {
		return err
	}
	for m := range j.decide {
		table := t.m.tables[state.Table{Source: m.While.Source, TableID: m.While.Table}]
		if j.loading[table] {
			continue // it stays as it was until the table is whole
		}
		holds, err := j.holds(ctx, m, table)
		if err != nil {
			return err
		}
		delete(j.decide, m)
		id := mapID(m)
		p := t.progress.Maps[id]
		off := holds == m.While.Unless
		if p.Off == off {
			continue
		}
		t.m.log.Info("a map's condition turned", "map", m.Name, "works", !off)
		if p.Off = off; off {
			if jn := j.byID[id]; jn != nil {
				j.pending.forget(jn)
			}
		} else {
			p.Remap, p.Write, p.After, p.At, p.Past, p.Silent = true, true, "", nil, false, nil
			for _, r := range m.Rules {
				if !p.First {
					p.Silent = append(p.Silent, r.Name)
				}
			}
		}
		t.progress.Maps[id], t.dirty = p, true
	}
	return t.flushApply()
}

// holds looks for the row that decides. Without one the condition does not hold.
func (j *mapJoins) holds(ctx context.Context, m *mapping.Map, table *mapTable) (bool, error) {
	for r, err := range j.t.db.Rows(table.id, "") {
		if err != nil {
			return false, err
		}
		schema, err := j.t.schemas.byID(ctx, r.Schema)
		if err != nil {
			return false, err
		}
		if decides, holds, err := j.switches[m].Row(schema, r.Data); err == nil && decides {
			return holds, nil
		}
	}
	return false, nil
}

// remapStep maps some entities of a joined map again. It reports whether it did
// anything.
func (j *mapJoins) remapStep(ctx context.Context, jn *mapJoin) (bool, error) {
	t := j.t
	p := t.progress.Maps[jn.id]
	if !j.whole(jn) {
		return false, nil // all is mapped again when its tables are whole
	}
	if err := t.flushApply(); err != nil {
		return false, err
	}
	reason := mapping.ReasonRemap
	if p.First {
		reason = mapping.ReasonSnapshot
	}
	find := j.withRoot
	if p.Past {
		find = j.withoutRoot
	}
	keys, at, err := find(jn, p.At)
	if err != nil {
		return false, err
	}
	switch {
	case at != nil:
		p.At = at
	case !p.Past:
		p.Past, p.At = true, nil
	default:
		t.progress.Maps[jn.id] = mapMapProgress{Fingerprint: p.Fingerprint, Rules: p.Rules, Off: p.Off}
		t.m.log.Info("all entities of a joined map are mapped", "map", jn.m.Name, "reason", reason)
		return true, t.commit(ctx)
	}
	list := make([]mapEntity, len(keys))
	for i, key := range keys {
		list[i] = mapEntity{join: jn, key: key, reason: reason, seen: true, read: time.Now()}
	}
	events, err := j.evaluate(ctx, list, p.Write, nil)
	if err == nil {
		err = j.setLatches(events, &p)
	}
	if err != nil {
		return false, err
	}
	t.progress.Maps[jn.id] = p
	return true, t.commit(ctx)
}

// setLatches sets the latches of entities that are mapped again. After a load
// what is fresh fires; rules that changed, or whose map rested, are set anew
// without firing.
func (j *mapJoins) setLatches(events []mapEvent, p *mapMapProgress) error {
	var fresh []mapEvent
	for i := range events {
		e := &events[i]
		if p.First && !slices.Contains(p.Silent, e.rule.Name) {
			fresh = append(fresh, *e)
			continue
		}
		if err := j.t.silence(e, j.t.done[e.m.Source], p.Silent); err != nil {
			return err
		}
	}
	return j.fireAll(fresh)
}

// withRoot gives the next entities that have a root row, and how far they go;
// nil at the end.
func (j *mapJoins) withRoot(jn *mapJoin, at []byte) (keys []string, to []byte, err error) {
	root := &jn.nodes[0]
	if root.Find != nil {
		for text, err := range j.t.db.Texts(root.Find.ID, at) {
			if err != nil {
				return nil, nil, err
			}
			keys, to = append(keys, string(text)), text
			if len(keys) == mapRemap {
				break
			}
		}
		return keys, to, nil
	}
	for r, err := range j.t.db.Rows(root.table.id, string(at)) {
		if err != nil {
			return nil, nil, err
		}
		keys, to = append(keys, r.Key), []byte(r.Key)
		if len(keys) == mapRemap {
			break
		}
	}
	return keys, to, nil
}

// withoutRoot gives the next entities that had a record and have no root row any
// more: theirs can have gone while nobody looked.
func (j *mapJoins) withoutRoot(jn *mapJoin, at []byte) (keys []string, to []byte, err error) {
	seen := 0
	prefix := wasKey(jn.m, "")
	for e, err := range j.t.db.EntriesAfter(prefix, prefix+string(at)) {
		if err != nil {
			return nil, nil, err
		}
		entity := e.Key[len(prefix):]
		to = []byte(entity)
		there, err := j.hasRoot(jn, entity)
		if err != nil {
			return nil, nil, err
		}
		if !there {
			keys = append(keys, entity)
		}
		if seen++; len(keys) == mapRemap || seen == mapScan {
			break
		}
	}
	return keys, to, nil
}

func (j *mapJoins) hasRoot(jn *mapJoin, entity string) (there bool, err error) {
	root := &jn.nodes[0]
	if root.Find == nil {
		_, there, err = j.t.db.Row(root.table.id, entity)
		return there, err
	}
	for _, err := range j.t.db.Found(root.Find.ID, []byte(entity), "") {
		return err == nil, err
	}
	return false, nil
}

// passed reports whether a re-map has come by an entity.
func (p *mapMapProgress) passed(entity string) bool {
	return p.Past || len(p.At) > 0 && bytes.Compare([]byte(entity), p.At) <= 0
}

// request maps the entities of a row again, for a person who asked for a record.
// It reports whether the request is of a joined map.
func (j *mapJoins) request(ctx context.Context, table *mapTable, r *mapRequest) (found bool, err error) {
	t := j.t
	if err := t.flushApply(); err != nil {
		return false, err
	}
	row, ok, err := t.db.Row(table.id, r.key)
	if err != nil || !ok {
		return false, err
	}
	image, err := j.rowImage(ctx, &row)
	if err != nil {
		return false, err
	}
	for _, role := range table.roles {
		jn := role.join
		rule := slices.ContainsFunc(jn.m.Rules, func(rule *mapping.Rule) bool { return rule.RuleID() == r.rule })
		if r.rule != "" && r.rule != jn.m.Name && !rule || t.progress.Maps[jn.id].Off {
			continue
		}
		n := &jn.nodes[role.node]
		text := []byte(r.key)
		if n.Find != nil {
			if text, ok, err = j.text(n.Find, &image, r.key); err != nil || !ok {
				continue
			}
		}
		found = true
		if err := j.requested(ctx, role, bytes.Clone(text), r, rule); err != nil {
			return false, err
		}
	}
	return found, nil
}

// requested maps the entities that a row of a node belongs to.
func (j *mapJoins) requested(ctx context.Context, role mapRole, text []byte, r *mapRequest, rule bool) error {
	var list []mapEntity
	flush := func() error {
		var keep func(*sinks.Mutation) bool
		if r.record != "" {
			keep = func(m *sinks.Mutation) bool { return m.Record.ID() == r.record }
		}
		events, err := j.evaluate(ctx, list, !rule, keep)
		if err == nil && rule {
			err = j.refire(events, r)
		}
		list = list[:0]
		return err
	}
	for entity, err := range j.climb(ctx, role.join, role.node, text) {
		if err != nil {
			return err
		}
		j.t.mended(role.join.m, entity) // taken back again, if it fails again
		list = append(list, mapEntity{join: role.join, key: entity, reason: mapping.ReasonRetry})
		if len(list) == mapRemap {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}
