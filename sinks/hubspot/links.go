package hubspot

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"chartwire/cdc"
	"chartwire/sinks"
)

// linkEnd is a record in the body of a call about associations.
type linkEnd struct {
	ID string `json:"id"`
}

// linkInput is one pair of records in such a call.
type linkInput struct {
	From  linkEnd    `json:"from"`
	To    any        `json:"to"` // a linkEnd; several to end all associations
	Types []linkType `json:"types,omitempty"`
}

type linkBody struct {
	Inputs []linkInput `json:"inputs"`
}

// linkType is a kind of association in one direction, as calls name it.
type linkType struct {
	Category string `json:"associationCategory"`
	ID       int    `json:"associationTypeId"`
}

// couple is a record and one far end with the links between them.
type couple struct {
	it       *item
	to       string // id
	places   []int  // of its links in the write
	set, end []linkType
	done     bool
}

func (c *couple) link(i int) *sinks.Link { return &c.it.Links[c.places[i]] }

// refuse refuses the couple's links of one state.
func (c *couple) refuse(state sinks.State, refs []refusal) {
	if c.it.result.Links == nil {
		c.it.result.Links = make([]*sinks.Rejected, len(c.it.Links))
	}
	r := rejectedLink(c.it, refs)
	for i, place := range c.places {
		if c.link(i).State == state {
			c.it.result.Links[place] = r
		}
	}
	c.done = true
}

// fail fails the whole write: it is repeated, and what was done is done again.
func (c *couple) fail(err error) {
	c.it.fail(err)
	c.done = true
}

// link makes and ends associations: for each object at the far ends one call
// that makes, and as many as there are kinds of endings. What a record is to be
// linked with comes first, so that one that moves is never without.
func (j *job) link(items []*item) {
	couples := map[string][]*couple{}
	var order []string
	for _, it := range items {
		it.result.ID = it.ID
		by := map[string]*couple{}
		for i := range it.Links {
			l := &it.Links[i]
			if it.ID == "" || l.ToID == "" {
				it.fail(&sinks.Rejected{Code: "EMPTY_KEY", Class: "identity", Message: "an end of a link has no id"})
				break
			}
			c := by[l.To.Object+"/"+l.ToID]
			if c == nil {
				c = &couple{it: it, to: l.ToID}
				by[l.To.Object+"/"+l.ToID] = c
				if couples[l.To.Object] == nil {
					order = append(order, l.To.Object)
				}
				couples[l.To.Object] = append(couples[l.To.Object], c)
			}
			c.places = append(c.places, i)
		}
	}
	for _, to := range order {
		j.linkTo(to, left(couples[to]))
	}
	for _, it := range items {
		it.done = true
	}
}

// left are the couples for which there is still something to do.
func left(all []*couple) []*couple {
	return slices.DeleteFunc(slices.Clone(all), func(c *couple) bool { return c.done || c.it.done })
}

func (j *job) linkTo(to string, all []*couple) {
	if !j.linkTypes(to, all, false) {
		return
	}
	var makes, unlabels, ends []*couple
	for _, c := range left(all) {
		switch {
		case len(c.set) == 0:
			ends = append(ends, c)
		case len(c.end) > 0:
			unlabels = append(unlabels, c)
		}
		if len(c.set) > 0 {
			makes = append(makes, c)
		}
	}
	j.connect(to, makes)
	j.disconnect(to, "batch/labels/archive", left(unlabels), func(c *couple) linkInput {
		return linkInput{linkEnd{c.it.ID}, linkEnd{c.to}, c.end}
	})
	j.disconnect(to, "batch/archive", left(ends), func(c *couple) linkInput {
		return linkInput{linkEnd{c.it.ID}, []linkEnd{{c.to}}, nil}
	})
}

// linkTypes resolves the labels of the couples' links; fresh reads them anew. A
// label that the account does not have stops the flow, as every link of it
// would be refused. It reports false if the account's could not be read.
func (j *job) linkTypes(to string, all []*couple, fresh bool) bool {
	types, err := j.s.labels(j.ctx, j.object, to, fresh)
	if err != nil {
		for _, c := range all {
			c.fail(err)
		}
		return false
	}
	for _, c := range all {
		if unknown, ok := c.resolve(types); !ok {
			if !fresh && j.s.mayRelearn() {
				return j.linkTypes(to, all, true)
			}
			c.fail(unknownLabel(j.object, to, unknown))
		}
	}
	return true
}

func unknownLabel(from, to, label string) *cdc.Halt {
	if label == "" {
		return cdc.Haltf("hubspot-schema-drift", "HubSpot does not associate %s with %s: take the link out of the maps", from, to)
	}
	return cdc.Haltf("hubspot-schema-drift", "the association label %q from %s to %s no longer exists in HubSpot: create it again, or take it out of the maps", label, from, to)
}

// resolve turns the labels into types. A label that is to go and that nobody
// has is gone.
func (c *couple) resolve(types map[string]linkType) (unknown string, ok bool) {
	c.set, c.end = nil, nil
	for i := range c.places {
		l := c.link(i)
		t, known := types[fold1(l.Label)]
		switch {
		case !known && l.State == sinks.Set:
			return l.Label, false
		case l.State == sinks.Set:
			c.set = append(c.set, t)
		case known && l.Label != "": // the one without a label stays beside one with
			c.end = append(c.end, t)
		}
	}
	return "", true
}

// connect makes the associations of the couples.
func (j *job) connect(to string, all []*couple) {
	if len(all) == 0 {
		return
	}
	body := linkBody{}
	for _, c := range all {
		body.Inputs = append(body.Inputs, linkInput{linkEnd{c.it.ID}, linkEnd{c.to}, c.set})
	}
	a, err := j.call(&call{kind: kindLink, method: http.MethodPost, path: join(j.s.paths.associations, j.object, to, "batch", "create"), body: body})
	if err != nil {
		for _, c := range all {
			c.fail(err)
		}
		return
	}
	e := a.failure()
	if !a.ok() {
		refs := e.refusals()
		if h := linkHalt(j.object, refs); h != nil {
			for _, c := range all {
				c.fail(h)
			}
			return
		}
		// A label may have been removed in HubSpot meanwhile.
		if j.s.mayRelearn() {
			if j.linkTypes(to, all, true) {
				j.connect(to, left(all))
			}
			return
		}
		j.blameLinks(to, all, refs)
		return
	}
	if a.status != http.StatusMultiStatus {
		return
	}
	j.matchLinks(to, all, a, &e)
}

// matchLinks reads an answer of which a part is errors. What is in neither is
// asked for again.
func (j *job) matchLinks(to string, all []*couple, a *answer, e *errorBody) {
	var body struct {
		Results []struct {
			From jsonID `json:"fromObjectId"`
			To   jsonID `json:"toObjectId"`
		} `json:"results"`
	}
	if err := a.decode(&body); err != nil {
		for _, c := range all {
			c.fail(&sinks.Unavailable{Unknown: true, Err: err})
		}
		return
	}
	made := map[[2]string]bool{}
	for _, r := range body.Results {
		made[[2]string{string(r.From), string(r.To)}] = true
	}
	var unclear []refusal
	named := map[[2]string][]refusal{}
	for i := range e.Errors {
		refs := e.Errors[i].flatten(refusal{correlation: e.Correlation}, maxDepth)
		pairs := e.Errors[i].pairs()
		for _, p := range pairs {
			named[p] = refs
		}
		if len(pairs) == 0 {
			unclear = append(unclear, refs...)
		}
	}
	var rest []*couple
	for _, c := range all {
		p := [2]string{c.it.ID, c.to}
		switch {
		case named[p] != nil:
			c.refuse(sinks.Set, named[p])
		case !made[p]:
			rest = append(rest, c)
		}
	}
	switch {
	case len(rest) == len(all):
		j.blameLinks(to, rest, unclear)
	case len(rest) > 0:
		j.connect(to, rest)
	}
}

// pairs lists the ends that an error about associations names.
func (e *errorBody) pairs() (pairs [][2]string) {
	from, to := e.Context["fromObjectId"], e.Context["toObjectId"]
	for i := range min(len(from), len(to)) {
		pairs = append(pairs, [2]string{from[i], to[i]})
	}
	return pairs
}

// blameLinks finds the couple that a refused batch is to blame on.
func (j *job) blameLinks(to string, all []*couple, refs []refusal) {
	switch {
	case len(all) == 0:
	case len(all) > 1:
		j.s.metrics.splits.Inc()
		half := len(all) / 2
		j.connect(to, all[:half])
		j.connect(to, all[half:])
	case len(refs) == 0:
		all[0].fail(&sinks.Unavailable{Unknown: true, Err: errors.New("HubSpot's answer has neither a result nor an error for the association")})
	default:
		all[0].refuse(sinks.Set, refs)
	}
}

// disconnect ends associations. Ending what is not there is no error, so what
// an answer says of single ones does not matter.
func (j *job) disconnect(to, verb string, all []*couple, input func(*couple) linkInput) {
	if len(all) == 0 {
		return
	}
	body := linkBody{}
	for _, c := range all {
		body.Inputs = append(body.Inputs, input(c))
	}
	path := join(j.s.paths.associations, append([]string{j.object, to}, strings.Split(verb, "/")...)...)
	a, err := j.call(&call{kind: kindLink, method: http.MethodPost, path: path, body: body})
	if err != nil {
		for _, c := range all {
			c.fail(err)
		}
		return
	}
	if a.ok() {
		return
	}
	e := a.failure()
	refs := e.refusals()
	h := linkHalt(j.object, refs)
	for _, c := range all {
		switch {
		case h != nil:
			c.fail(h)
		case len(all) > 1:
			j.disconnect(to, verb, []*couple{c}, input)
		default:
			c.refuse(sinks.Clear, refs)
		}
	}
}

// linkHalt is what every link would meet. A limit is one of the record's own.
func linkHalt(object string, refs []refusal) *cdc.Halt {
	if h := haltOf(object, refs); h != nil && h.Code != "hubspot-capacity" {
		return h
	}
	return nil
}

// rejectedLink makes the refusal of a link.
func rejectedLink(w *item, refs []refusal) *sinks.Rejected {
	r := rejected(w, refs)
	r.Property = ""
	if strings.HasSuffix(refs[0].sub, "LIMIT_EXCEEDED") || strings.HasSuffix(refs[0].code, "LIMIT_EXCEEDED") {
		r.Code, r.Class = "LIMIT_EXCEEDED", "capacity"
	}
	return r
}

// jsonID is an id that is a number in some answers and a text in others.
type jsonID string

func (id *jsonID) UnmarshalJSON(b []byte) error {
	*id = jsonID(textOf(b))
	return nil
}
