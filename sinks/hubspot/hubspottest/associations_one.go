package hubspottest

import (
	"net/http"
	"slices"
	"strings"
)

// recordLinks answers …/{object}/{id}/associations/…: the list, the default
// association, and its end.
func (s *Server) recordLinks(q *request, a *object, rest []string) any {
	standard := len(rest) == 6 && rest[3] == "default"
	if standard {
		rest = slices.Delete(slices.Clone(rest), 3, 4)
	}
	if len(rest) < 4 {
		return notFound()
	}
	b := s.portal.byName[strings.ToLower(rest[3])]
	if b == nil {
		return unknownObject(rest[3:])
	}
	if len(rest) == 4 && q.Method == http.MethodGet {
		r := a.find(rest[1])
		if r == nil || r.archived {
			return notFound()
		}
		return s.listLinks(q, a, r, b)
	}
	if len(rest) != 5 {
		return notFound()
	}
	from, to, err := ends(a, b, rest[1], rest[4])
	switch {
	case q.Method == http.MethodDelete && !standard:
		if err == nil {
			disconnect(from, to)
		}
		return answer{status: http.StatusNoContent}
	case q.Method == http.MethodPut && err != nil:
		return err
	case q.Method == http.MethodPut:
		var list []linkSpec
		if !standard {
			if err := q.decode(&list); err != nil {
				return err
			}
			if len(list) == 0 {
				return missingFields("associationCategory", "associationTypeId")
			}
		}
		types, err := s.specs(a, b, list)
		if err != nil {
			return err
		}
		if err := s.link(a, from, b, to, types); err != nil {
			return err
		}
		return linkAnswer(q, http.StatusOK, connected(a, b, from, to, types, standard), nil)
	}
	return methodNotAllowed()
}

// listLinks pages through one record's associations with one object.
func (s *Server) listLinks(q *request, a *object, r *record, b *object) any {
	query := q.URL.Query()
	limit, err := pageSize(query.Get("limit"), linkPage, linkPage)
	if err != nil {
		return err
	}
	after, err := cursor(query.Get("after"))
	if err != nil {
		return err
	}
	list, paging := s.linkList(a, r, b, after, limit)
	body := map[string]any{"results": append([]map[string]any{}, list...)}
	if paging != nil {
		body["paging"] = paging
	}
	return body
}

// inline checks the associations of a create: their ends must exist, their
// types say which object they are of, and there must be room for them.
func (s *Server) inline(a *object, list []inlineLink) ([]func(*record), *apiError) {
	var todo []func(*record)
	for _, in := range list {
		if len(in.Types) == 0 {
			return nil, missingFields("types")
		}
		var b *object
		var types []linkType
		for _, spec := range in.Types {
			i := slices.IndexFunc(s.portal.links, func(t linkType) bool {
				return t.from == a.name && t.linkID == linkID{spec.Category, spec.TypeID}
			})
			if i < 0 {
				return nil, badRequest("Invalid association type: %s %d", spec.Category, spec.TypeID)
			}
			t := s.portal.links[i]
			if b != nil && b.name != t.to {
				return nil, badRequest("The association types of %s are of different objects", in.To.ID)
			}
			b, types = s.portal.byName[t.to], append(types, t)
		}
		to := b.find(in.To.ID)
		if to == nil || to.archived {
			return nil, badRequest("No %s with ID %s exists", b.name, in.To.ID)
		}
		if limit, ok := s.mayConnect(b, to, a, &record{}); !ok {
			return nil, badRequest("%s %d has reached the limit of %d associations with %s", b.title, to.id, limit, a.name)
		}
		todo = append(todo, func(r *record) { s.portal.connect(a, r, b, to, types) })
	}
	return todo, nil
}
