package hubspottest

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// serveOwners answers /crm/owners/{version}[/{id}].
func (s *Server) serveOwners(q *request) any {
	query := q.URL.Query()
	archived := query.Get("archived") == "true"
	switch {
	case q.Method != http.MethodGet:
		return methodNotAllowed()
	case len(q.path.rest) > 1:
		return notFound()
	case len(q.path.rest) == 1:
		for _, w := range s.portal.owners {
			id := w.ID
			if query.Get("idProperty") == "userId" {
				id = strconv.FormatInt(w.UserID, 10)
			}
			if id == q.path.rest[0] && w.Archived == archived {
				return w
			}
		}
		return notFound()
	}
	limit, err := pageSize(query.Get("limit"), 100, 500)
	if err != nil {
		return err
	}
	email := query.Get("email")
	results := []Owner{}
	body := map[string]any{}
	for _, w := range s.portal.owners {
		if w.Archived != archived || email != "" && !strings.EqualFold(email, w.Email) || w.ID <= query.Get("after") {
			continue
		}
		if len(results) == limit {
			body["paging"] = map[string]any{"next": map[string]string{"after": results[limit-1].ID}}
			break
		}
		results = append(results, w)
	}
	body["results"] = results
	return body
}

// serveAccount answers /account-info/{version}/details and
// …/api-usage/daily/private-apps.
func (s *Server) serveAccount(q *request) any {
	if q.Method != http.MethodGet {
		return methodNotAllowed()
	}
	switch strings.Join(q.path.rest, "/") {
	case "details":
		_, offset := q.now.In(s.zone).Zone()
		return map[string]any{
			"portalId": s.opts.PortalID, "accountType": s.opts.AccountType, "timeZone": s.opts.TimeZone,
			"companyCurrency": "USD", "additionalCurrencies": []string{}, "dataHostingLocation": s.opts.Hosting,
			"uiDomain": "app.hubspot.com", "utcOffset": q.now.In(s.zone).Format("-07:00"), "utcOffsetMilliseconds": offset * 1000,
		}
	case "api-usage/daily/private-apps":
		if q.now.Sub(s.limits.usageAt) >= usageCache {
			s.limits.usageAt, s.limits.usageCount = q.now, s.limits.daily
		}
		limit := s.opts.Limits.Daily
		if limit < 0 {
			limit = 1_000_000
		}
		return map[string]any{"results": []map[string]any{{
			"name": "private-apps-api-calls-daily", "usageLimit": limit, "currentUsage": s.limits.usageCount,
			"collectedAt": stamp(s.limits.usageAt), "fetchStatus": "SUCCESS", "resetsAt": stamp(s.resets(q.now)),
		}}}
	}
	return notFound()
}

// serveLimits answers /crm/limits/{version}/records, custom-properties and
// custom-object-types.
func (s *Server) serveLimits(q *request) any {
	if q.Method != http.MethodGet {
		return methodNotAllowed()
	}
	usage := func(o *object, used, limit int) map[string]any {
		if limit < 0 {
			limit = 15_000_000
		}
		return map[string]any{
			"objectTypeId": o.typeID, "singularLabel": o.title, "pluralLabel": o.plural,
			"usage": used, "limit": limit, "percentage": float64(used) / float64(limit) * 100,
		}
	}
	var list []map[string]any
	switch strings.Join(q.path.rest, "/") {
	case "records":
		for _, o := range s.portal.objects {
			list = append(list, usage(o, o.live, s.opts.Limits.Records))
		}
		return map[string]any{"hubspotDefinedObjectTypes": list, "customObjectTypes": map[string]any{
			"byObjectType": []any{}, "overallLimit": 500_000, "overallUsage": 0, "overallPercentage": 0.0,
		}}
	case "custom-properties":
		limit := s.opts.Limits.Properties
		if limit < 0 {
			limit = 1000
		}
		for _, o := range s.portal.objects {
			list = append(list, usage(o, o.customProperties(), limit))
		}
		return map[string]any{"byObjectType": list}
	case "custom-object-types":
		return map[string]any{"limit": 10, "usage": 0, "percentage": 0.0}
	}
	return notFound()
}

// serveSchemas answers the list of custom objects, of which there are none,
// and the schema of one object type.
func (s *Server) serveSchemas(q *request) any {
	switch {
	case q.Method != http.MethodGet:
		return refuse(http.StatusNotImplemented, "", "the stand-in does not imitate custom objects")
	case len(q.path.rest) == 0:
		return map[string]any{"results": []any{}}
	}
	o := s.object(q.path)
	if o == nil || len(q.path.rest) > 1 {
		return notFound()
	}
	props := make([]Property, 0, len(o.props))
	for _, p := range o.props {
		if !p.Archived {
			props = append(props, p.Property)
		}
	}
	return map[string]any{
		"id": o.typeID, "objectTypeId": o.typeID, "name": o.upper, "fullyQualifiedName": o.upper,
		"labels": map[string]string{"singular": o.title, "plural": o.plural}, "primaryDisplayProperty": o.display,
		"requiredProperties": slices.Concat([]string{}, o.required), "searchableProperties": o.searched,
		"properties": props, "associations": []any{}, "archived": false, "allowsSensitiveProperties": !s.opts.NoSensitiveData,
	}
}

// serveLibrary answers which objects of the library are switched on.
func (s *Server) serveLibrary(q *request) any {
	switch {
	case q.Method != http.MethodGet:
		return methodNotAllowed()
	case len(q.path.rest) == 1:
		return map[string]any{"objectTypeId": q.path.rest[0], "enablement": s.object(q.path) != nil}
	case len(q.path.rest) > 1:
		return notFound()
	}
	all := map[string]bool{"0-162": false, "0-421": false}
	for _, o := range s.portal.objects {
		all[o.typeID] = true
	}
	return map[string]any{"enablementByObjectTypeId": all}
}
