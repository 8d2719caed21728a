package hubspottest

import (
	"net/http"
	"strconv"
	"strings"
)

const (
	maxLinks     = 2000 // inputs of a batch that makes or ends associations
	maxLinkReads = 1000
)

type recordRef struct {
	ID string `json:"id"`
}

type linkSpec struct {
	Category string `json:"associationCategory"`
	TypeID   int    `json:"associationTypeId"`
}

// inlineLink is an association in the body of a create.
type inlineLink struct {
	To    recordRef  `json:"to"`
	Types []linkSpec `json:"types"`
}

// serveAssociations answers /crm/associations/{version}/{from}/{to}/…
func (s *Server) serveAssociations(q *request) any {
	rest := q.path.rest
	if len(rest) < 3 {
		return notFound()
	}
	a, b := s.portal.byName[strings.ToLower(rest[0])], s.portal.byName[strings.ToLower(rest[1])]
	if a == nil {
		return unknownObject(rest)
	}
	if b == nil {
		return unknownObject(rest[1:])
	}
	switch verb := strings.Join(rest[2:], "/"); {
	case verb == "labels":
		return s.labels(q, a, b)
	case q.Method != http.MethodPost:
		return methodNotAllowed()
	case verb == "batch/associate/default":
		return s.batchConnect(q, a, b, true)
	case verb == "batch/create":
		return s.batchConnect(q, a, b, false)
	case verb == "batch/read":
		return s.batchLinks(q, a, b)
	case verb == "batch/archive":
		return s.batchDisconnect(q, a, b)
	case verb == "batch/labels/archive":
		return s.batchUnlabel(q, a, b)
	}
	return notFound()
}

// labels lists the kinds of associations, or makes one with a label.
func (s *Server) labels(q *request, a, b *object) any {
	show := func(list []linkType) any {
		results := []map[string]any{}
		for _, t := range list {
			m := map[string]any{"category": t.category, "typeId": t.id, "label": nil}
			if t.label != "" {
				m["label"] = t.label
			}
			results = append(results, m)
		}
		return map[string]any{"results": results}
	}
	switch q.Method {
	case http.MethodGet:
		return show(s.portal.linkTypes(a, b))
	case http.MethodPost:
		var in struct {
			Label        string `json:"label"`
			Name         string `json:"name"`
			InverseLabel string `json:"inverseLabel"`
		}
		if err := q.decode(&in); err != nil {
			return err
		}
		if in.Label == "" || in.Name == "" {
			return missingFields("label", "name")
		}
		for _, t := range s.portal.linkTypes(a, b) {
			if strings.EqualFold(t.label, in.Label) {
				return refuse(http.StatusConflict, "CONFLICT", "An association label named '%s' already exists.", in.Label)
			}
		}
		id := len(s.portal.links) + 1
		made := []linkType{{"USER_DEFINED", id, in.Label, a.name, b.name, id}}
		if a != b || in.InverseLabel != "" {
			inverse := in.InverseLabel
			if inverse == "" {
				inverse = in.Label
			}
			made[0].inverse = id + 1
			made = append(made, linkType{"USER_DEFINED", id + 1, inverse, b.name, a.name, id})
		}
		s.portal.links = append(s.portal.links, made...)
		return show(made)
	}
	return methodNotAllowed()
}

// ends finds the two records of an association; what is missing becomes an
// error of its own.
func ends(a, b *object, from, to string) (x, y *record, _ *apiError) {
	x, y = a.find(from), b.find(to)
	if x != nil && !x.archived && y != nil && !y.archived {
		return x, y, nil
	}
	e := refuse(http.StatusNotFound, "OBJECT_NOT_FOUND", "One or more of the objects to associate do not exist").
		with("fromObjectId", from).with("toObjectId", to)
	e.SubCategory = "crm.associations.INVALID_OBJECT_IDS"
	return nil, nil, e
}

func checkLinkBatch(n, most int) *apiError {
	if n == 0 {
		return missingFields("inputs")
	}
	if n > most {
		return badRequest("The maximum number of inputs supported in a batch request is %d; the request has %d", most, n)
	}
	return nil
}

// batchConnect makes associations: without a label, or of the types named.
func (s *Server) batchConnect(q *request, a, b *object, standard bool) any {
	var body struct {
		Inputs []struct {
			From  recordRef  `json:"from"`
			To    recordRef  `json:"to"`
			Types []linkSpec `json:"types"`
		} `json:"inputs"`
	}
	if err := q.decode(&body); err != nil {
		return err
	}
	q.call.Inputs = len(body.Inputs)
	if err := checkLinkBatch(len(body.Inputs), maxLinks); err != nil {
		return err
	}
	types := make([][]linkType, len(body.Inputs))
	for i, in := range body.Inputs {
		if standard == (len(in.Types) > 0) {
			return missingFields("types")
		}
		list, err := s.specs(a, b, in.Types)
		if err != nil {
			return err
		}
		types[i] = list
	}
	results, errs := []map[string]any{}, []*apiError{}
	for i, in := range body.Inputs {
		from, to, err := ends(a, b, in.From.ID, in.To.ID)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, t := range types[i] {
			connect(a, from, b, to, t)
		}
		results = append(results, connected(a, b, from, to, types[i], standard)...)
	}
	status := http.StatusCreated
	if standard {
		status = http.StatusOK
	}
	q.call.Failed = len(errs)
	return linkAnswer(q, status, results, errs)
}

// connected is what the answer says of one association: both directions for
// the default call, its labels otherwise.
func connected(a, b *object, from, to *record, types []linkType, standard bool) []map[string]any {
	if standard {
		side := func(x, y *record, id int) map[string]any {
			return map[string]any{"from": recordRef{x.text10()}, "to": recordRef{y.text10()}, "associationSpec": linkSpec{types[0].category, id}}
		}
		return []map[string]any{side(from, to, types[0].id), side(to, from, types[0].inverse)}
	}
	labels := []string{}
	for _, t := range types {
		if t.label != "" {
			labels = append(labels, t.label)
		}
	}
	return []map[string]any{{"fromObjectTypeId": a.typeID, "fromObjectId": from.id, "toObjectTypeId": b.typeID, "toObjectId": to.id, "labels": labels}}
}

func (r *record) text10() string { return strconv.FormatInt(r.id, 10) }

// specs resolves the types of one input; none is the one without a label.
func (s *Server) specs(a, b *object, list []linkSpec) ([]linkType, *apiError) {
	if len(list) == 0 {
		list = []linkSpec{{}}
	}
	var types []linkType
	for _, spec := range list {
		t, ok := s.portal.linkType(a, b, spec.Category, spec.TypeID)
		if !ok {
			return nil, badRequest("Invalid association type: %s %d does not associate %s with %s", spec.Category, spec.TypeID, a.typeID, b.typeID)
		}
		types = append(types, t)
	}
	return types, nil
}

func linkAnswer(q *request, status int, results []map[string]any, errs []*apiError) any {
	body := map[string]any{"status": "COMPLETE", "results": results, "startedAt": stamp(q.now), "completedAt": stamp(q.now)}
	if len(errs) > 0 {
		status = http.StatusMultiStatus
		body["errors"], body["numErrors"] = errs, len(errs)
	}
	return answer{status, body}
}

// batchLinks reads associations. A record without any is an error in the 207.
func (s *Server) batchLinks(q *request, a, b *object) any {
	var body struct {
		Inputs []struct {
			ID    string `json:"id"`
			After string `json:"after"`
		} `json:"inputs"`
	}
	if err := q.decode(&body); err != nil {
		return err
	}
	q.call.Inputs = len(body.Inputs)
	if err := checkLinkBatch(len(body.Inputs), maxLinkReads); err != nil {
		return err
	}
	results, errs := []map[string]any{}, []*apiError{}
	for _, in := range body.Inputs {
		r := a.find(in.ID)
		var to []map[string]any
		if r != nil && !r.archived {
			to = s.linkList(a, r, b)
		}
		if to == nil {
			e := refuse(http.StatusNotFound, "OBJECT_NOT_FOUND", "No %s is associated with %s %s.", strings.ToLower(b.title), strings.ToLower(a.title), in.ID).
				with("fromObjectId", in.ID).with("fromObjectType", strings.ToLower(a.title)).with("toObjectType", strings.ToLower(b.title))
			e.SubCategory = "crm.associations.NO_ASSOCIATIONS_FOUND"
			errs = append(errs, e)
			continue
		}
		results = append(results, map[string]any{"from": recordRef{in.ID}, "to": to})
	}
	s.shuffle(results)
	return linkAnswer(q, http.StatusOK, results, errs)
}

// linkList is a record's associations with one object as the API shows them.
func (s *Server) linkList(a *object, r *record, b *object) []map[string]any {
	var list []map[string]any
	for _, other := range r.linked(b) {
		kinds := []map[string]any{}
		for _, t := range s.portal.linkTypes(a, b) {
			if r.links[other.id].types[t.id] {
				m := map[string]any{"category": t.category, "typeId": t.id, "label": nil}
				if t.label != "" {
					m["label"] = t.label
				}
				kinds = append(kinds, m)
			}
		}
		list = append(list, map[string]any{"toObjectId": other.id, "associationTypes": kinds})
	}
	return list
}

// gone is the answer of what ends associations: older versions say nothing.
func gone(q *request) any {
	if q.path.version == "v4" {
		return answer{status: http.StatusNoContent}
	}
	return linkAnswer(q, http.StatusOK, []map[string]any{}, nil)
}

func (s *Server) batchDisconnect(q *request, a, b *object) any {
	var body struct {
		Inputs []struct {
			From recordRef   `json:"from"`
			To   []recordRef `json:"to"`
		} `json:"inputs"`
	}
	if err := q.decode(&body); err != nil {
		return err
	}
	q.call.Inputs = len(body.Inputs)
	if err := checkLinkBatch(len(body.Inputs), maxLinks); err != nil {
		return err
	}
	for _, in := range body.Inputs {
		for _, to := range in.To {
			if x, y, err := ends(a, b, in.From.ID, to.ID); err == nil {
				disconnect(x, y, nil)
			}
		}
	}
	return gone(q)
}

func (s *Server) batchUnlabel(q *request, a, b *object) any {
	var body struct {
		Inputs []struct {
			From  recordRef  `json:"from"`
			To    recordRef  `json:"to"`
			Types []linkSpec `json:"types"`
		} `json:"inputs"`
	}
	if err := q.decode(&body); err != nil {
		return err
	}
	q.call.Inputs = len(body.Inputs)
	if err := checkLinkBatch(len(body.Inputs), maxLinks); err != nil {
		return err
	}
	for _, in := range body.Inputs {
		types, err := s.specs(a, b, in.Types)
		if err != nil {
			return err
		}
		if x, y, err := ends(a, b, in.From.ID, in.To.ID); err == nil {
			for _, t := range types {
				disconnect(x, y, &t)
			}
		}
	}
	return gone(q)
}
