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
		return map[string]any{"results": append([]map[string]any{}, s.linkList(a, r, b)...)}
	}
	if len(rest) != 5 {
		return notFound()
	}
	from, to, err := ends(a, b, rest[1], rest[4])
	switch {
	case q.Method == http.MethodDelete && !standard:
		if err == nil {
			disconnect(from, to, nil)
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
		}
		types, err := s.specs(a, b, list)
		if err != nil {
			return err
		}
		for _, t := range types {
			connect(a, from, b, to, t)
		}
		return linkAnswer(q, http.StatusOK, connected(a, b, from, to, types, standard), nil)
	}
	return methodNotAllowed()
}

// inline checks the associations of a create: their ends must exist, and their
// types say which object they are of.
func (s *Server) inline(a *object, list []inlineLink) ([]func(*record), *apiError) {
	var todo []func(*record)
	for _, in := range list {
		if len(in.Types) == 0 {
			return nil, missingFields("types")
		}
		for _, spec := range in.Types {
			i := slices.IndexFunc(s.portal.links, func(t linkType) bool {
				return t.from == a.name && t.category == spec.Category && t.id == spec.TypeID
			})
			if i < 0 {
				return nil, badRequest("Invalid association type: %s %d", spec.Category, spec.TypeID)
			}
			t := s.portal.links[i]
			b := s.portal.byName[t.to]
			to := b.find(in.To.ID)
			if to == nil || to.archived {
				return nil, badRequest("No %s with ID %s exists", t.to, in.To.ID)
			}
			todo = append(todo, func(r *record) { connect(a, r, b, to, t) })
		}
	}
	return todo, nil
}
