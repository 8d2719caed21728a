package hubspottest

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// labelInput makes or changes a label.
type labelInput struct {
	Label        string `json:"label"`
	Name         string `json:"name"`
	InverseLabel string `json:"inverseLabel"`
	TypeID       int    `json:"associationTypeId"`
}

// labels answers …/labels: the kinds of associations from a to b, a new label,
// a label's new text, its end.
func (s *Server) labels(q *request, a, b *object, rest []string) any {
	switch {
	case len(rest) == 0 && q.Method == http.MethodGet:
		return showTypes(s.portal.linkTypes(a, b))
	case len(rest) == 0 && q.Method == http.MethodPost:
		return s.addLabel(q, a, b)
	case len(rest) == 0 && q.Method == http.MethodPut:
		return s.renameLabel(q, a, b)
	case len(rest) == 1 && q.Method == http.MethodDelete:
		id, err := strconv.Atoi(rest[0])
		if err != nil {
			return badRequest("Invalid association type id: %s", rest[0])
		}
		return s.dropLabel(a, b, id)
	case len(rest) > 1:
		return notFound()
	}
	return methodNotAllowed()
}

func showTypes(list []linkType) any {
	results := []map[string]any{}
	for _, t := range list {
		results = append(results, t.show())
	}
	return map[string]any{"results": results}
}

// show is a kind of association as reads and the list of labels show it.
func (t linkType) show() map[string]any {
	m := map[string]any{"category": t.category, "typeId": t.id, "label": nil}
	if t.label != "" {
		m["label"] = t.label
	}
	return m
}

// labelTaken refuses a text that another kind of association between a and b
// has.
func (s *Server) labelTaken(a, b *object, label string, except int) *apiError {
	for _, t := range s.portal.linkTypes(a, b) {
		if strings.EqualFold(t.label, label) && (t.category != userDefinedLink || t.id != except) {
			return refuse(http.StatusConflict, "CONFLICT", "An association label named '%s' already exists.", label)
		}
	}
	return nil
}

func (s *Server) addLabel(q *request, a, b *object) any {
	var in labelInput
	if err := q.decode(&in); err != nil {
		return err
	}
	switch {
	case in.Label == "" || in.Name == "":
		return missingFields("label", "name")
	case in.TypeID != 0:
		return badRequest("A new label has no associationTypeId")
	case !a.labelled || !b.labelled:
		return badRequest("Associations of %s with %s cannot have labels", a.typeID, b.typeID)
	}
	if err := s.labelTaken(a, b, in.Label, 0); err != nil {
		return err
	}
	own := 0
	for _, t := range s.portal.linkTypes(a, b) {
		if t.category == userDefinedLink {
			own++
		}
	}
	if limit := s.opts.Limits.Labels; limit > 0 && own >= limit {
		e := badRequest("The limit of %d association labels from %s to %s has been reached", limit, a.typeID, b.typeID)
		e.Errors = []errorDetail{{Message: e.Message, Code: "LIMIT_EXCEEDED"}}
		return e
	}
	s.portal.lastLabel++
	id := s.portal.lastLabel
	made := []linkType{{linkID{userDefinedLink, id}, in.Label, a.name, b.name, id}}
	if a != b || in.InverseLabel != "" {
		inverse := in.InverseLabel
		if inverse == "" {
			inverse = in.Label
		}
		s.portal.lastLabel++
		made[0].inverse = s.portal.lastLabel
		made = append(made, linkType{linkID{userDefinedLink, made[0].inverse}, inverse, b.name, a.name, id})
	}
	s.portal.links = append(s.portal.links, made...)
	return showTypes(made)
}

// own finds a label that the account made.
func (s *Server) own(a, b *object, id int) *linkType {
	i := slices.IndexFunc(s.portal.links, func(t linkType) bool {
		return t.linkID == linkID{userDefinedLink, id} && t.from == a.name && t.to == b.name
	})
	if i < 0 {
		return nil
	}
	return &s.portal.links[i]
}

func (s *Server) renameLabel(q *request, a, b *object) any {
	var in labelInput
	if err := q.decode(&in); err != nil {
		return err
	}
	if in.Label == "" || in.TypeID == 0 {
		return missingFields("associationTypeId", "label")
	}
	t := s.own(a, b, in.TypeID)
	if t == nil {
		return notFound()
	}
	if err := s.labelTaken(a, b, in.Label, in.TypeID); err != nil {
		return err
	}
	t.label = in.Label
	if in.InverseLabel != "" && t.inverse != t.id {
		s.own(b, a, t.inverse).label = in.InverseLabel
	}
	return answer{status: http.StatusNoContent}
}

// dropLabel ends a label and its inverse. Records keep their association
// without a label.
func (s *Server) dropLabel(a, b *object, id int) any {
	t := s.own(a, b, id)
	if t == nil {
		return notFound()
	}
	gone := []linkID{t.linkID, t.back()}
	for _, o := range s.portal.objects {
		for _, r := range o.order {
			for _, l := range r.links {
				delete(l.types, gone[0])
				delete(l.types, gone[1])
			}
		}
	}
	s.portal.links = slices.DeleteFunc(s.portal.links, func(t linkType) bool { return slices.Contains(gone, t.linkID) })
	return answer{status: http.StatusNoContent}
}
