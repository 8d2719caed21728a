package hubspottest

import (
	"cmp"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	maxFound = 10_000
	maxQuery = 3000
)

type searchBody struct {
	FilterGroups []struct {
		Filters []filter `json:"filters"`
	} `json:"filterGroups"`
	Sorts []struct {
		Property  string `json:"propertyName"`
		Direction string `json:"direction"`
	} `json:"sorts"`
	Query      string   `json:"query"`
	Properties []string `json:"properties"`
	Limit      int      `json:"limit"`
	After      any      `json:"after"`
}

type filter struct {
	Property  string   `json:"propertyName"`
	Operator  string   `json:"operator"`
	Value     string   `json:"value"`
	HighValue string   `json:"highValue"`
	Values    []string `json:"values"`
}

var operators = []string{
	"EQ", "NEQ", "LT", "LTE", "GT", "GTE", "BETWEEN", "IN", "NOT_IN",
	"HAS_PROPERTY", "NOT_HAS_PROPERTY", "CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN",
}

// search finds records as they were SearchLag ago: its index is behind.
func (s *Server) search(q *request, o *object) any {
	var body searchBody
	if err := q.decode(&body); err != nil {
		return err
	}
	offset, bad := body.check(o)
	if bad != nil {
		return bad
	}
	if err := q.mayUse(o, "read", body.Properties...); err != nil {
		return err
	}
	asOf := q.now
	if s.opts.SearchLag > 0 {
		asOf = asOf.Add(-s.opts.SearchLag)
	}
	var found []*record
	for _, r := range o.order {
		if !r.archived && r.mergedInto == 0 && !r.created.After(asOf) && body.matches(o, r, asOf) {
			found = append(found, r)
		}
	}
	sortFound(o, found, body, asOf)
	out := map[string]any{"total": len(found)}
	results := []map[string]any{}
	end := min(offset+body.Limit, len(found))
	for _, r := range found[min(offset, len(found)):end] {
		results = append(results, o.asFound(r, body.Properties, asOf))
	}
	out["results"] = results
	if end < len(found) {
		out["paging"] = map[string]any{"next": map[string]string{"after": strconv.Itoa(end)}}
	}
	return out
}

// check refuses what search does not take, and reads the offset.
func (b *searchBody) check(o *object) (offset int, _ *apiError) {
	if b.Limit == 0 {
		b.Limit = 10
	}
	switch v := b.After.(type) {
	case nil:
	case string:
		n, err := strconv.Atoi(v)
		if v != "" && (err != nil || n < 0) {
			return 0, badRequest("Invalid paging cursor: %s", v)
		}
		offset = n
	case float64:
		offset = int(v)
	default:
		return 0, badRequest("Invalid paging cursor")
	}
	filters := 0
	for _, g := range b.FilterGroups {
		if len(g.Filters) > 6 {
			return 0, badRequest("A filter group can have at most 6 filters")
		}
		filters += len(g.Filters)
		for _, f := range g.Filters {
			if !slices.Contains(operators, f.Operator) {
				return 0, badRequest("Unknown operator: %s", f.Operator)
			}
			if o.property(f.Property) == nil {
				return 0, badRequest("There was a problem with the request: property %s does not exist", f.Property)
			}
		}
	}
	switch {
	case b.Limit < 1 || b.Limit > 200:
		return 0, badRequest("The limit must be between 1 and 200")
	case offset+b.Limit > maxFound:
		return 0, badRequest("The maximum number of results that can be paged through is %d", maxFound)
	case len(b.FilterGroups) > 5 || filters > 18:
		return 0, badRequest("A search can have at most 5 filter groups and 18 filters")
	case len(b.Sorts) > 1:
		return 0, badRequest("A search can have at most one sort")
	case len(b.Query) > maxQuery:
		return 0, badRequest("The query can have at most %d characters", maxQuery)
	}
	return offset, nil
}

func (b *searchBody) matches(o *object, r *record, asOf time.Time) bool {
	if b.Query != "" && !o.contains(r, b.Query, asOf) {
		return false
	}
	if len(b.FilterGroups) == 0 {
		return true
	}
	for _, g := range b.FilterGroups {
		all := true
		for _, f := range g.Filters {
			all = all && f.matches(o, r, asOf)
		}
		if all {
			return true
		}
	}
	return false
}

// contains reports whether each word of a query begins a word of one of the
// object's searchable properties.
func (o *object) contains(r *record, query string, asOf time.Time) bool {
	var words []string
	for _, name := range o.searched {
		v, _ := o.asOf(r, name, asOf)
		words = append(words, strings.Fields(strings.ToLower(v))...)
	}
	for word := range strings.FieldsSeq(strings.ToLower(query)) {
		if !slices.ContainsFunc(words, func(w string) bool { return strings.HasPrefix(w, word) }) {
			return false
		}
	}
	return true
}

func (f *filter) matches(o *object, r *record, asOf time.Time) bool {
	p := o.property(f.Property)
	v, _ := o.asOf(r, f.Property, asOf)
	is := func(want string) int { return compareValues(p, v, want) }
	switch f.Operator {
	case "HAS_PROPERTY":
		return v != ""
	case "NOT_HAS_PROPERTY":
		return v == ""
	case "NEQ":
		return is(f.Value) != 0
	case "NOT_IN":
		return !slices.ContainsFunc(f.Values, func(w string) bool { return is(w) == 0 })
	case "NOT_CONTAINS_TOKEN":
		return !hasToken(v, f.Value)
	}
	if v == "" {
		return false
	}
	switch f.Operator {
	case "EQ":
		return is(f.Value) == 0
	case "LT":
		return is(f.Value) < 0
	case "LTE":
		return is(f.Value) <= 0
	case "GT":
		return is(f.Value) > 0
	case "GTE":
		return is(f.Value) >= 0
	case "BETWEEN":
		return is(f.Value) >= 0 && is(f.HighValue) <= 0
	case "IN":
		return slices.ContainsFunc(f.Values, func(w string) bool { return is(w) == 0 })
	case "CONTAINS_TOKEN":
		return hasToken(v, f.Value)
	}
	return false
}

// hasToken looks for a word, with * standing for any ending.
func hasToken(v, token string) bool {
	token = strings.ToLower(strings.Trim(token, "*"))
	return slices.ContainsFunc(strings.FieldsFunc(strings.ToLower(v), func(r rune) bool { return strings.ContainsRune(" ,;@.-", r) }),
		func(w string) bool { return strings.HasPrefix(w, token) }) || strings.Contains(strings.ToLower(v), token) && strings.ContainsAny(token, "@.-")
}

// compareValues compares two values as their property's type does; texts
// without case.
func compareValues(p *property, a, b string) int {
	switch p.Type {
	case "number":
		x, ok1 := new(big.Rat).SetString(a)
		y, ok2 := new(big.Rat).SetString(b)
		if ok1 && ok2 {
			return x.Cmp(y)
		}
	case "date", "datetime":
		x, ok1 := parseInstant(a)
		y, ok2 := parseInstant(b)
		if ok1 && ok2 {
			return x.Compare(y)
		}
	}
	return cmp.Compare(strings.ToLower(a), strings.ToLower(b))
}

// sortFound sorts by the one sort asked for; newest records first without.
func sortFound(o *object, found []*record, b searchBody, asOf time.Time) {
	if len(b.Sorts) == 0 || o.property(b.Sorts[0].Property) == nil {
		slices.SortFunc(found, func(x, y *record) int { return cmp.Compare(y.id, x.id) })
		return
	}
	p := o.property(b.Sorts[0].Property)
	slices.SortStableFunc(found, func(x, y *record) int {
		a, _ := o.asOf(x, p.Name, asOf)
		c, _ := o.asOf(y, p.Name, asOf)
		if b.Sorts[0].Direction == "DESCENDING" {
			a, c = c, a
		}
		return compareValues(p, a, c)
	})
}

// asFound is a record as search shows it.
func (o *object) asFound(r *record, names []string, asOf time.Time) map[string]any {
	if len(names) == 0 {
		names = o.summary
	}
	props := map[string]*string{}
	for _, name := range slices.Concat(names, []string{"hs_object_id", o.created, o.modified}) {
		if o.property(name) == nil {
			continue
		}
		if v, ok := o.asOf(r, name, asOf); ok {
			props[name] = &v
		} else {
			props[name] = nil
		}
	}
	return o.frame(r, props)
}
