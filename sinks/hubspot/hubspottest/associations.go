package hubspottest

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

const (
	maxLinks     = 2000 // inputs of a batch that makes or ends associations
	maxLinkReads = 1000
	linkPage     = 500 // associations of one record in one answer
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
	case rest[2] == "labels":
		return s.labels(q, a, b, rest[3:])
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

// ends finds the two records of an association; what is missing becomes an
// error of its own.
func ends(a, b *object, from, to string) (x, y *record, _ *apiError) {
	x, y = a.find(from), b.find(to)
	switch {
	case x == nil || x.archived || y == nil || y.archived:
	case x == y:
		return nil, nil, badRequest("Cannot associate %s %s with itself", strings.ToLower(a.title), from).
			with("fromObjectId", from).with("toObjectId", to)
	default:
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
		if err == nil {
			err = s.link(a, from, b, to, types[i])
		}
		if err != nil {
			errs = append(errs, err)
			continue
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

// link makes an association of two records that are there, if both have room.
func (s *Server) link(a *object, from *record, b *object, to *record, types []linkType) *apiError {
	full := func(o *object, r *record, other *object, limit int) *apiError {
		e := badRequest("%s %d has reached the limit of %d associations with %s", o.title, r.id, limit, other.name).
			with("fromObjectId", from.text10()).with("toObjectId", to.text10())
		e.SubCategory = "crm.associations.LIMIT_EXCEEDED"
		return e
	}
	if limit, ok := s.mayConnect(a, from, b, to); !ok {
		return full(a, from, b, limit)
	}
	if limit, ok := s.mayConnect(b, to, a, from); !ok {
		return full(b, to, a, limit)
	}
	s.portal.connect(a, from, b, to, types)
	return nil
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
		t, ok := s.portal.plainLink(a, b)
		if !ok {
			return nil, badRequest("No association type exists from %s to %s", a.typeID, b.typeID)
		}
		return []linkType{t}, nil
	}
	var types []linkType
	for _, spec := range list {
		if spec.Category == "" || spec.TypeID == 0 {
			return nil, missingFields("associationCategory", "associationTypeId")
		}
		t, ok := s.portal.linkType(a, b, linkID{spec.Category, spec.TypeID})
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
		var next map[string]any
		if r != nil && !r.archived {
			after, err := cursor(in.After)
			if err != nil {
				return err
			}
			to, next = s.linkList(a, r, b, after, linkPage)
		}
		if to == nil {
			e := refuse(http.StatusNotFound, "OBJECT_NOT_FOUND", "No %s is associated with %s %s.", strings.ToLower(b.title), strings.ToLower(a.title), in.ID).
				with("fromObjectId", in.ID).with("fromObjectType", strings.ToLower(a.title)).with("toObjectType", strings.ToLower(b.title))
			e.SubCategory = "crm.associations.NO_ASSOCIATIONS_FOUND"
			errs = append(errs, e)
			continue
		}
		m := map[string]any{"from": recordRef{in.ID}, "to": to}
		if next != nil {
			m["paging"] = next
		}
		results = append(results, m)
	}
	s.shuffle(results)
	q.call.Failed = len(errs)
	return linkAnswer(q, http.StatusOK, results, errs)
}

// cursor reads the place where a page begins, the start for "".
func cursor(after string) (int64, *apiError) {
	if after == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(after, 10, 64)
	if err != nil {
		return 0, badRequest("Invalid paging cursor: %s", after)
	}
	return n, nil
}

// linkList is one page of a record's associations with one object as the API
// shows them, and where the next page begins.
func (s *Server) linkList(a *object, r *record, b *object, after int64, limit int) (list []map[string]any, paging map[string]any) {
	types := s.portal.linkTypes(a, b)
	for _, other := range r.linked(b) {
		if other.id <= after {
			continue
		}
		if len(list) == limit {
			return list, map[string]any{"next": map[string]string{"after": fmt.Sprint(list[limit-1]["toObjectId"])}}
		}
		kinds := []map[string]any{}
		for _, t := range types {
			if l := r.links[other.id]; l != nil && l.types[t.linkID] {
				kinds = append(kinds, t.show())
			}
		}
		list = append(list, map[string]any{"toObjectId": other.id, "associationTypes": kinds})
	}
	return list, nil
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
				disconnect(x, y)
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
		if len(in.Types) == 0 {
			return missingFields("types")
		}
		types, err := s.specs(a, b, in.Types)
		if err != nil {
			return err
		}
		if x, y, err := ends(a, b, in.From.ID, in.To.ID); err == nil {
			for _, t := range types {
				unlabel(x, y, t)
			}
		}
	}
	return gone(q)
}
