package hubspottest

import (
	"net/http"
	"slices"
	"strconv"
)

// serveGroups answers …/groups and …/groups/{name}.
func (s *Server) serveGroups(q *request, o *object) any {
	rest := q.path.rest
	if len(rest) == 2 {
		switch q.Method {
		case http.MethodGet:
			return map[string]any{"results": o.groups}
		case http.MethodPost:
			var g Group
			if err := q.decode(&g); err != nil {
				return err
			}
			switch {
			case g.Name == "" || g.Label == "":
				return missingFields("name", "label")
			case !propertyName.MatchString(g.Name):
				return badRequest("Property group name must be lowercase, but given: %s", g.Name)
			case slices.ContainsFunc(o.groups, func(old Group) bool { return old.Name == g.Name }):
				return refuse(http.StatusConflict, "OBJECT_ALREADY_EXISTS", "A property group named '%s' already exists.", g.Name)
			}
			o.groups = append(slices.Clone(o.groups), g)
			return answer{http.StatusCreated, g}
		}
		return methodNotAllowed()
	}
	for _, g := range o.groups {
		if g.Name == rest[2] && q.Method == http.MethodGet {
			return g
		}
	}
	return notFound()
}

// batchProperties answers …/batch/create, read and archive.
func (s *Server) batchProperties(q *request, o *object, op string) any {
	var body struct {
		Inputs      []propertyInput `json:"inputs"`
		Archived    *bool           `json:"archived"`
		Sensitivity *string         `json:"dataSensitivity"`
	}
	if err := q.decode(&body); err != nil {
		return err
	}
	q.call.Inputs = len(body.Inputs)
	if err := checkBatch(len(body.Inputs)); err != nil {
		return err
	}
	if op == "read" && (body.Archived == nil || body.Sensitivity == nil && q.path.version != "v3") {
		return missingFields("archived", "dataSensitivity")
	}
	out := map[string]any{"status": "COMPLETE", "startedAt": stamp(q.now)}
	results, errs, status := []Property{}, []*apiError{}, http.StatusOK
	for _, in := range body.Inputs {
		name := or(in.Name, "")
		p := o.byProp[name]
		switch op {
		case "create":
			if err := s.mayDefine(o, in); err != nil {
				errs = append(errs, err)
				continue
			}
			results, status = append(results, s.defineProperty(q, o, in)), http.StatusCreated
		case "read":
			if p == nil || p.Archived != *body.Archived || p.DataSensitivity != or(body.Sensitivity, "non_sensitive") {
				errs = append(errs, refuse(http.StatusNotFound, "OBJECT_NOT_FOUND", "Property %s does not exist", name).with("name", name))
				continue
			}
			results = append(results, p.Property)
		case "archive":
			if p != nil {
				if err := p.retire(q); err != nil {
					return err
				}
			}
		default:
			return notFound()
		}
	}
	if op == "archive" {
		return answer{status: http.StatusNoContent}
	}
	out["results"], out["completedAt"] = results, stamp(q.now)
	if len(errs) > 0 {
		status = http.StatusMultiStatus
		out["errors"], out["numErrors"] = errs, len(errs)
	}
	return answer{status, out}
}

// serveValidations answers /crm/property-validations/{version}/{type}…
func (s *Server) serveValidations(q *request) any {
	rest := q.path.rest
	o := s.object(q.path)
	switch {
	case o == nil:
		return unknownObject(rest)
	case q.Method != http.MethodGet:
		return methodNotAllowed()
	case len(rest) == 2:
		return map[string]any{"results": append([]Validation{}, o.rules[rest[1]]...)}
	case len(rest) > 2:
		return notFound()
	}
	type entry struct {
		PropertyName string       `json:"propertyName"`
		Rules        []Validation `json:"propertyValidationRules"`
	}
	list := []entry{}
	for _, p := range o.props {
		if rules := o.rules[p.Name]; len(rules) > 0 {
			list = append(list, entry{p.Name, rules})
		}
	}
	return map[string]any{"results": list}
}

// SetValidation puts an administrator's rules on a property, in place of those
// it had. It enforces REGEX, MIN_ and MAX_LENGTH, MIN_ and MAX_NUMBER and
// PHONE_NUMBER_WITH_EXPLICIT_COUNTRY_CODE.
func (s *Server) SetValidation(object, property string, rules ...Validation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mustObject(object).rules[property] = rules
}

// SetRequired replaces the properties that an administrator made mandatory on
// create.
func (s *Server) SetRequired(object string, properties ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mustObject(object).mandatory = properties
}

// mustObject panics on an object type that the portal does not have, as the
// caller wrote it.
func (s *Server) mustObject(name string) *object {
	if o := s.portal.byName[name]; o != nil {
		return o
	}
	panic("hubspottest: no object type " + strconv.Quote(name))
}
