package hubspottest

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// write is what one input of a request asks for.
type write struct {
	op         string // create, update, upsert
	id         string
	idProperty string
	values     values
	trace      string
	links      []func(*record) // associations of a create
}

// plan is a write that has passed every check and waits to be applied.
type plan struct {
	write  write
	target *record // nil: create
	sets   []set
	closes *property // gets the time of the write, unless nil
}

// uniqueConflict is the errorType of a unique value, other than an e-mail
// address, that is taken.
const uniqueConflict = "UNIQUE_VALUE_CONFLICT"

type set struct {
	prop  *property
	value string
}

// claims are the unique values that earlier inputs of the same batch take.
type claims map[*property]map[string]bool

// planner checks the writes of one request before any of them is applied.
type planner struct {
	s      *Server
	o      *object
	strict bool // apply the administrator's required properties
	claims claims
	adds   int // records that the plans so far create
}

// plan checks one write. A missing record is reported as an error of category
// OBJECT_NOT_FOUND with the id in its context.
func (pl *planner) plan(w write) (*plan, *apiError) {
	p := &plan{write: w}
	if w.op != "create" {
		r, ok := pl.o.lookup(w.idProperty, w.id)
		if !ok || w.op == "upsert" && w.idProperty == "" {
			return nil, pl.notUnique(w.idProperty)
		}
		if r != nil && r.archived {
			r = nil
		}
		if r == nil && w.op == "update" {
			return nil, pl.missing(w.id)
		}
		p.target = r
	}
	if err := pl.sets(p); err != nil {
		return nil, err
	}
	if err := pl.product(p); err != nil {
		return nil, err
	}
	if p.target == nil {
		if err := pl.mayCreate(p); err != nil {
			return nil, err
		}
	}
	if err := pl.stage(p); err != nil {
		return nil, err
	}
	pl.close(p)
	if err := pl.unique(p); err != nil {
		return nil, err
	}
	if p.target == nil {
		pl.adds++
	}
	return p, nil
}

func (pl *planner) notUnique(idProperty string) *apiError {
	return badRequest("Unable to perform update/upsert by non-unique %s property %s in portal ID %d", pl.o.typeID, idProperty, pl.s.opts.PortalID)
}

func (pl *planner) missing(ids ...string) *apiError {
	e := refuse(http.StatusNotFound, "OBJECT_NOT_FOUND", "Could not get some %s objects, they may be deleted or not exist. Check that ids are valid.", pl.o.upper)
	return e.with("ids", ids...)
}

// sets checks the values of a write, in the order of their names.
func (pl *planner) sets(p *plan) *apiError {
	var bad []invalid
	names := make([]string, 0, len(p.write.values)+1)
	for name := range p.write.values {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		prop := pl.o.property(name)
		if prop == nil {
			msg := "Property " + strconv.Quote(name) + " does not exist"
			bad = append(bad, invalid{Message: msg, Error: "PROPERTY_DOESNT_EXIST", Name: name, Localized: msg, PortalID: pl.s.opts.PortalID})
			continue
		}
		value, no := prop.check(pl.o, pl.s.portal.owners, string(p.write.values[name]))
		if no != nil {
			no.PortalID = pl.s.opts.PortalID
			bad = append(bad, *no)
			continue
		}
		p.sets = append(p.sets, set{prop, value})
	}
	if p.target == nil && p.write.op == "upsert" {
		if _, named := p.write.values[p.write.idProperty]; !named {
			key := pl.o.property(p.write.idProperty)
			value, no := key.check(pl.o, pl.s.portal.owners, p.write.id)
			switch {
			case no != nil:
				no.PortalID = pl.s.opts.PortalID
				bad = append(bad, *no)
			case value == "":
				return badRequest("Unable to upsert by an empty value of %s", p.write.idProperty)
			default:
				p.sets = append(p.sets, set{key, value})
			}
		}
	}
	if bad != nil {
		return invalidValues(bad)
	}
	return nil
}

// get is the value that a record will have after the plan.
func (p *plan) get(prop *property) string {
	for _, s := range p.sets {
		if s.prop == prop {
			return s.value
		}
	}
	if p.target != nil {
		return p.target.text(prop)
	}
	return ""
}

func (pl *planner) mayCreate(p *plan) *apiError {
	needed := pl.o.required
	if pl.strict {
		needed = slices.Concat(needed, pl.o.mandatory)
	}
	var missing []string
	for _, name := range needed {
		if prop := pl.o.property(name); prop != nil && p.get(prop) == "" && !slices.Contains(missing, name) {
			missing = append(missing, name)
		}
	}
	if missing != nil {
		return missingProperties(pl.o.upper, missing)
	}
	if limit := pl.s.opts.Limits.Records; limit > 0 && pl.o.live+pl.adds >= limit {
		e := badRequest("The portal has reached its limit of %d %s records", limit, strings.ToLower(pl.o.upper))
		e.Errors = []errorDetail{{Message: e.Message, Code: "LIMIT_EXCEEDED"}}
		return e
	}
	if email := pl.o.property("email"); email != nil && pl.s.portal.blocked[p.get(email)] && p.get(email) != "" {
		e := badRequest("The email address of this contact was deleted for privacy and cannot be used again")
		e.Errors = []errorDetail{{Message: e.Message, Code: "GDPR_BLACKLISTED_EMAIL"}}
		return e
	}
	return nil
}

// stage checks that pipeline and stage belong together, and fills in the one
// that follows from the other.
func (pl *planner) stage(p *plan) *apiError {
	if pl.o.pipeline == "" {
		return nil
	}
	line, stage := pl.o.property(pl.o.pipeline), pl.o.property(pl.o.stage)
	touched := func(prop *property) bool {
		return slices.ContainsFunc(p.sets, func(s set) bool { return s.prop == prop })
	}
	if p.target != nil && !touched(line) && !touched(stage) {
		return nil
	}
	id := p.get(line)
	if id == "" && p.target == nil && len(pl.o.pipelines) > 0 {
		id = pl.o.pipelines[0].ID
		p.sets = append(p.sets, set{line, id})
	}
	i := slices.IndexFunc(pl.o.pipelines, func(l Pipeline) bool { return l.ID == id && !l.Archived })
	if i < 0 {
		var ids []Option
		for _, l := range pl.o.pipelines {
			ids = append(ids, Option{Value: l.ID})
		}
		return pl.notOption(line.Name, id, ids)
	}
	stages := pl.o.pipelines[i].Stages
	if p.target != nil && touched(line) && !touched(stage) && len(stages) > 0 {
		p.sets = append(p.sets, set{stage, stages[0].ID})
	}
	var ids []Option
	for _, st := range stages {
		if st.ID == p.get(stage) && !st.Archived {
			return nil
		}
		ids = append(ids, Option{Value: st.ID})
	}
	return pl.notOption(stage.Name, p.get(stage), ids)
}

func (pl *planner) notOption(name, value string, opts []Option) *apiError {
	msg := value + " was not one of the allowed options: " + optionList(opts)
	return invalidValues([]invalid{{Message: msg, Error: "INVALID_OPTION", Name: name, Localized: msg, PortalID: pl.s.opts.PortalID}})
}

// unique refuses values that another record, or an earlier input of the batch,
// holds.
func (pl *planner) unique(p *plan) *apiError {
	for _, s := range p.sets {
		if s.prop.index == nil || s.value == "" {
			continue
		}
		key := s.prop.key(s.value)
		holder := s.prop.index[key]
		if holder != nil && holder != p.target {
			return pl.conflict(p, s, strconv.FormatInt(holder.id, 10))
		}
		if holder == nil && pl.claims[s.prop][key] {
			return pl.conflict(p, s, "")
		}
	}
	for _, s := range p.sets {
		if s.prop.index != nil && s.value != "" {
			if pl.claims[s.prop] == nil {
				pl.claims[s.prop] = map[string]bool{}
			}
			pl.claims[s.prop][s.prop.key(s.value)] = true
		}
	}
	return nil
}

// conflict is the refusal of a unique value that is taken. Of another unique
// property than e-mail, HubSpot says where the value is, and calls it a
// conflict only for whole batches.
func (pl *planner) conflict(p *plan, s set, holder string) *apiError {
	if s.prop.Name == "email" && pl.o.name == "contacts" {
		if holder == "" {
			return refuse(http.StatusConflict, "CONFLICT", "Contact already exists.")
		}
		return refuse(http.StatusConflict, "CONFLICT", "Contact already exists. Existing ID: %s", holder).with("existingId", holder)
	}
	target := "null"
	if p.target != nil {
		target = strconv.FormatInt(p.target.id, 10)
	}
	if holder == "" {
		holder = "Another input of the batch"
	}
	return badRequest("Cannot set PropertyValueCoordinates{portalId=%d, objectTypeId=ObjectTypeId{legacyObjectType=%s}, propertyName=%s, value=%s} on %s. %s already has that value.",
		pl.s.opts.PortalID, pl.o.upper, s.prop.Name, s.value, target, holder).of(uniqueConflict)
}

// apply carries a plan out and returns the record and whether it is new.
func (s *Server) apply(o *object, p *plan, src source, now time.Time) (*record, bool) {
	r, isNew := p.target, false
	if r == nil {
		r, isNew = o.add(s.portal, s.rand.Int64N(7), now), true
		o.totals.Created++
	} else {
		o.totals.Updated++
	}
	r.requests++
	changed := false
	for _, st := range p.sets {
		held := r.text(st.prop)
		value := st.value
		switch {
		case st.prop.FieldType == "checkbox" && strings.HasPrefix(value, ";"):
			value = addOptions(held, value)
		case st.prop.Name == "lifecyclestage" && backward(st.prop, held, value):
			value = held // HubSpot answers success and changes nothing
		}
		if t, ok := parseInstant(value); ok && st.prop.Name == o.created {
			r.created = t
		}
		changed = r.put(st.prop, value, src, now) || changed
		c := r.cell(st.prop)
		c.writes++
		if !isNew && held == value && value == st.value {
			c.repeats++
		}
	}
	if p.closes != nil {
		changed = r.put(p.closes, stamp(now), source{"CALCULATED", ""}, now) || changed
	}
	if changed {
		r.updated = now
	}
	return r, isNew
}

// backward reports whether a lifecycle stage would go back.
func backward(p *property, held, value string) bool {
	order := func(v string) int {
		return slices.IndexFunc(p.Options, func(o Option) bool { return o.Value == v })
	}
	return held != "" && value != "" && order(value) < order(held)
}

// addOptions is what a value with a leading semicolon makes of the set held.
func addOptions(held, add string) string {
	parts := strings.FieldsFunc(held, func(r rune) bool { return r == ';' })
	for a := range strings.SplitSeq(strings.TrimPrefix(add, ";"), ";") {
		if !slices.Contains(parts, a) {
			parts = append(parts, a)
		}
	}
	return strings.Join(parts, ";")
}
