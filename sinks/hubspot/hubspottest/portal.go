package hubspottest

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// portal is what an account holds. The server's mutex guards it.
type portal struct {
	objects []*object
	byName  map[string]*object // by name and by type id
	owners  []Owner
	nextID  int64
	blocked map[string]bool // e-mail addresses erased for good
	links   []linkType

	lastLabel int // id of the newest label of the account's own
}

// object is one object type with its definitions and records.
type object struct {
	kind
	props     []*property // by ordinal; archived ones stay
	byProp    map[string]*property
	groups    []Group
	pipelines []Pipeline
	rules     map[string][]Validation // by property
	mandatory []string                // an administrator's, on create

	records map[int64]*record
	order   []*record       // by id
	merged  map[int64]int64 // id that is gone → id of the record that has its data
	live    int
	totals  Totals
}

// property is a definition and what finds records by it.
type property struct {
	Property
	ordinal int
	index   map[string]*record // hasUniqueValue: records by value, archived ones not
}

// record is one record. cells has the ordinals of object.props, nil where a
// property was never written.
type record struct {
	id         int64
	created    time.Time
	updated    time.Time
	archived   bool
	archivedAt time.Time
	mergedInto int64
	cells      []*cell
	requests   int
	links      map[int64]*link // by the other record's id
}

// cell is the value of one property of one record, with its history.
type cell struct {
	version
	older   []version // oldest first
	writes  int
	repeats int
}

type version struct {
	value  string
	at     int64 // ms
	source source
}

// source is who wrote a value.
type source struct{ kind, id string }

func newPortal(opts Options, now time.Time) *portal {
	now = now.UTC().Truncate(time.Millisecond)
	p := &portal{byName: map[string]*object{}, nextID: 100_000_000_000 + int64(opts.Seed%1000)*1_000_000, blocked: map[string]bool{}, links: defaultLinkTypes()}
	for _, k := range kinds(opts) {
		o := &object{
			kind: k, byProp: map[string]*property{}, groups: k.groups, pipelines: k.pipelines,
			rules: map[string][]Validation{}, mandatory: opts.Required[k.name],
			records: map[int64]*record{}, merged: map[int64]int64{},
		}
		for _, def := range k.properties {
			def.CreatedAt, def.UpdatedAt = &now, &now
			o.define(def)
		}
		for i := range o.pipelines {
			o.pipelines[i].CreatedAt, o.pipelines[i].UpdatedAt = now, now
			for j := range o.pipelines[i].Stages {
				o.pipelines[i].Stages[j].CreatedAt, o.pipelines[i].Stages[j].UpdatedAt = now, now
			}
		}
		p.objects = append(p.objects, o)
		p.byName[k.name], p.byName[k.typeID] = o, o
	}
	for _, w := range defaultOwners() {
		w.CreatedAt, w.UpdatedAt = now, now
		p.owners = append(p.owners, w)
	}
	return p
}

// define adds a property, in the place of an archived one of the same name.
func (o *object) define(def Property) *property {
	p := &property{Property: def, ordinal: len(o.props)}
	if def.HasUniqueValue {
		p.index = map[string]*record{}
	}
	o.props = append(o.props, p)
	o.byProp[def.Name] = p
	return p
}

// property returns a definition that is not archived, or nil.
func (o *object) property(name string) *property {
	if p := o.byProp[name]; p != nil && !p.Archived {
		return p
	}
	return nil
}

// key is the form in which unique values are compared: e-mail addresses
// without case, everything else with it.
func (p *property) key(value string) string {
	if p.Name == "email" {
		return strings.ToLower(strings.TrimSpace(value))
	}
	return value
}

// find returns the record with an id, the one it was merged into, or nil;
// archived ones too.
func (o *object) find(id string) *record {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return nil
	}
	for {
		next, ok := o.merged[n]
		if !ok {
			return o.records[n]
		}
		n = next
	}
}

// lookup finds a record by id or by a unique property ("" and hs_object_id are
// the id). ok is false if the property does not identify records.
func (o *object) lookup(idProperty, id string) (r *record, ok bool) {
	if idProperty == "" {
		return o.find(id), true
	}
	p := o.property(idProperty)
	if p == nil || p.index == nil || p.ModificationMetadata.ReadOnlyValue {
		return nil, false
	}
	return p.index[p.key(id)], true
}

// add makes an empty record. Ids grow, with gaps.
func (o *object) add(p *portal, gap int64, now time.Time) *record {
	p.nextID += 1 + gap
	r := &record{id: p.nextID, created: now, updated: now}
	o.records[r.id] = r
	o.order = append(o.order, r)
	o.live++
	return r
}

func (r *record) cell(p *property) *cell {
	if p.ordinal < len(r.cells) {
		return r.cells[p.ordinal]
	}
	return nil
}

func (r *record) text(p *property) string {
	if c := r.cell(p); c != nil {
		return c.value
	}
	return ""
}

// put stores a value and its history, and reports whether it changed.
func (r *record) put(p *property, value string, src source, now time.Time) bool {
	for len(r.cells) <= p.ordinal {
		r.cells = append(r.cells, nil)
	}
	c := r.cells[p.ordinal]
	if c == nil {
		c = &cell{}
		r.cells[p.ordinal] = c
		if value == "" {
			return false
		}
	} else if c.value == value {
		return false
	}
	if c.at != 0 {
		c.older = append(c.older, c.version)
	}
	if p.index != nil {
		if k := p.key(c.value); k != "" && p.index[k] == r {
			delete(p.index, k)
		}
		if value != "" {
			p.index[p.key(value)] = r
		}
	}
	c.version = version{value: value, at: now.UnixMilli(), source: src}
	return true
}

// value is what the API shows for a property; ok is false for null.
func (o *object) value(r *record, name string) (string, bool) {
	switch name {
	case "hs_object_id":
		return strconv.FormatInt(r.id, 10), true
	case o.created:
		return stamp(r.created), true
	case o.modified:
		return stamp(r.updated), true
	}
	if p := o.property(name); p != nil {
		if c := r.cell(p); c != nil {
			return c.value, true
		}
	}
	return "", false
}

// asOf is the value that a property had at a time, for search.
func (o *object) asOf(r *record, name string, at time.Time) (string, bool) {
	switch name {
	case "hs_object_id", o.created:
		return o.value(r, name)
	}
	if name == o.modified {
		return stamp(r.changed(at)), true
	}
	p := o.property(name)
	if p == nil {
		return "", false
	}
	c := r.cell(p)
	if c == nil {
		return "", false
	}
	ms := at.UnixMilli()
	if c.at <= ms {
		return c.value, true
	}
	for i := len(c.older) - 1; i >= 0; i-- {
		if c.older[i].at <= ms {
			return c.older[i].value, true
		}
	}
	return "", false
}

// changed is when a record was last changed before a time.
func (r *record) changed(at time.Time) time.Time {
	if !r.updated.After(at) {
		return r.updated
	}
	last := r.created.UnixMilli()
	for _, c := range r.cells {
		if c == nil {
			continue
		}
		for _, v := range append(slices.Clip(c.older), c.version) {
			if v.at <= at.UnixMilli() {
				last = max(last, v.at)
			}
		}
	}
	return time.UnixMilli(last)
}

// archive puts a record into the recycle bin: its unique values become free, its
// associations end.
func (o *object) archive(r *record, now time.Time) {
	if r.archived {
		return
	}
	r.archived, r.archivedAt, r.updated = true, now, now
	o.unindex(r)
	isolate(r)
	o.live--
	o.totals.Archived++
}

func (o *object) unindex(r *record) {
	drop := func(p *property, value string) {
		if k := p.key(value); k != "" && p.index[k] == r {
			delete(p.index, k)
		}
	}
	for _, p := range o.props {
		if p.index != nil {
			drop(p, r.text(p))
		}
	}
	if email, more := o.property("email"), o.property("hs_additional_emails"); email != nil && more != nil {
		for address := range strings.SplitSeq(r.text(more), ";") {
			drop(email, address)
		}
	}
}

// remove takes a record away without a trace in the recycle bin.
func (o *object) remove(r *record) {
	o.unindex(r)
	isolate(r)
	if !r.archived {
		o.live--
	}
	delete(o.records, r.id)
	if i, ok := slices.BinarySearchFunc(o.order, r.id, func(r *record, id int64) int { return int(min(max(r.id-id, -1), 1)) }); ok {
		o.order = slices.Delete(o.order, i, i+1)
	}
}

// stamp is a time as the API writes it: milliseconds, UTC, no zeros for none.
func stamp(t time.Time) string {
	t = t.UTC().Truncate(time.Millisecond)
	if t.Nanosecond() == 0 {
		return t.Format("2006-01-02T15:04:05Z")
	}
	return t.Format("2006-01-02T15:04:05.000Z")
}
