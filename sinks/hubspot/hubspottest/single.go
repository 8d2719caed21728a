package hubspottest

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// serveObjects answers /crm/objects/{version}/{object}…
func (s *Server) serveObjects(q *request) any {
	rest := q.path.rest
	if len(rest) == 0 {
		return notFound()
	}
	o := s.object(q.path)
	if o == nil {
		return refuse(http.StatusBadRequest, "", "Unable to infer object type from: %s", rest[0])
	}
	post := q.Method == http.MethodPost
	switch {
	case q.path.version == "v4" && (len(rest) < 4 || rest[2] != "associations"):
		return notFound()
	case len(rest) == 1 && q.Method == http.MethodGet:
		return s.list(q, o)
	case len(rest) == 1 && post:
		return s.create(q, o)
	case len(rest) == 3 && rest[1] == "batch" && post:
		switch op := rest[2]; op {
		case "create", "update", "upsert":
			return s.batchWrite(q, o, op)
		case "read":
			return s.batchRead(q, o)
		case "archive":
			return s.batchArchive(q, o)
		}
		return notFound()
	case len(rest) == 2 && post:
		switch rest[1] {
		case "search":
			return s.search(q, o)
		case "merge":
			if !o.merges {
				return notFound()
			}
			return s.merge(q, o)
		case "gdpr-delete":
			return s.erase(q, o)
		}
		return methodNotAllowed()
	case len(rest) == 2:
		return s.single(q, o, rest[1])
	case len(rest) > 3 && rest[2] == "associations":
		return s.recordLinks(q, o, rest)
	}
	return notFound()
}

// single reads, changes or archives one record.
func (s *Server) single(q *request, o *object, id string) any {
	query := q.URL.Query()
	idProperty := query.Get("idProperty")
	r, ok := o.lookup(idProperty, id)
	if !ok {
		return (&planner{s: s, o: o}).notUnique(idProperty)
	}
	switch q.Method {
	case http.MethodGet:
		if r == nil || r.archived != (query.Get("archived") == "true") {
			return notFound()
		}
		names, history := listed(query["properties"]), listed(query["propertiesWithHistory"])
		if err := q.mayUse(o, "read", slices.Concat(names, history)...); err != nil {
			return err
		}
		m := o.read(r, names, history)
		return s.withLinks(m, o, r, listed(query["associations"]))
	case http.MethodDelete:
		if r != nil && idProperty == "" {
			o.archive(r, q.now)
			r.requests++
		}
		return answer{status: http.StatusNoContent}
	case http.MethodPatch:
		var body struct {
			Properties values `json:"properties"`
		}
		if err := q.decode(&body); err != nil {
			return err
		}
		if body.Properties == nil {
			return missingFields("properties")
		}
		if err := q.mayUse(o, "write", batchInput{Properties: body.Properties}.names()...); err != nil {
			return err
		}
		if r == nil || r.archived {
			return notFound()
		}
		p, err := s.planner(q, o).plan(write{op: "update", id: strconv.FormatInt(r.id, 10), values: body.Properties})
		if err != nil {
			return err
		}
		s.apply(o, p, q.source, q.now)
		return o.written(r, p)
	}
	return methodNotAllowed()
}

func (s *Server) planner(q *request, o *object) *planner {
	return &planner{s: s, o: o, strict: enforcesRules(q.path.version), claims: claims{}}
}

func (s *Server) create(q *request, o *object) any {
	var in batchInput
	if err := q.decode(&in); err != nil {
		return err
	}
	switch {
	case in.Properties == nil:
		return missingFields("properties")
	case in.ID != "" || in.IDProperty != "":
		return badRequest("A new record has no id")
	}
	links, err := s.inline(o, in.Associations)
	if err != nil {
		return err
	}
	if err := q.mayUse(o, "write", in.names()...); err != nil {
		return err
	}
	p, err := s.planner(q, o).plan(write{op: "create", values: in.Properties, trace: in.TraceID})
	if err != nil {
		return err
	}
	r, _ := s.apply(o, p, q.source, q.now)
	for _, add := range links {
		add(r)
	}
	return answer{http.StatusCreated, o.written(r, p)}
}

// listed takes a query parameter apart: repeated, or with commas.
func listed(params []string) []string {
	var names []string
	for _, p := range params {
		for name := range strings.SplitSeq(p, ",") {
			if name = strings.TrimSpace(name); name != "" {
				names = append(names, name)
			}
		}
	}
	return names
}

// read is a record as reads show it: the properties asked for, or the object's
// summary; null for those never written.
func (o *object) read(r *record, names, history []string) map[string]any {
	if len(names) == 0 {
		names = o.summary
	}
	props := make(map[string]*string, len(names)+3)
	for _, name := range slices.Concat(names, []string{"hs_object_id", o.created, o.modified}) {
		if name != "hs_object_id" && o.property(name) == nil {
			continue // reads leave out what does not exist
		}
		if v, ok := o.value(r, name); ok {
			props[name] = &v
		} else {
			props[name] = nil
		}
	}
	m := o.frame(r, props)
	if len(history) > 0 {
		all := map[string][]map[string]string{}
		for _, name := range history {
			p := o.property(name)
			if p == nil {
				continue
			}
			all[name] = []map[string]string{}
			for _, v := range slices.Backward(versions(r.cell(p))) {
				all[name] = append(all[name], map[string]string{
					"value": v.Value, "timestamp": stamp(v.Time), "sourceType": v.SourceType, "sourceId": v.SourceID,
				})
			}
		}
		m["propertiesWithHistory"] = all
	}
	return m
}

// written is a record as writes answer it: what was sent, as it is stored now.
func (o *object) written(r *record, p *plan) map[string]any {
	props := make(map[string]*string, len(p.sets)+3)
	for _, st := range p.sets {
		v, _ := o.value(r, st.prop.Name)
		props[st.prop.Name] = &v
	}
	for _, name := range []string{"hs_object_id", o.created, o.modified} {
		v, _ := o.value(r, name)
		props[name] = &v
	}
	return o.frame(r, props)
}

// withLinks adds the associations with the objects named, if there are any.
func (s *Server) withLinks(m map[string]any, o *object, r *record, names []string) map[string]any {
	all := map[string]any{}
	for _, name := range names {
		b := s.portal.byName[strings.ToLower(name)]
		if b == nil {
			continue
		}
		var list []map[string]string
		for _, other := range r.linked(b) {
			list = append(list, map[string]string{"id": other.text10(), "type": strings.ToLower(o.title) + "_to_" + strings.ToLower(b.title)})
		}
		if list != nil {
			all[b.name] = map[string]any{"results": list}
		}
	}
	if len(all) > 0 {
		m["associations"] = all
	}
	return m
}

func (o *object) frame(r *record, props map[string]*string) map[string]any {
	m := map[string]any{
		"id": strconv.FormatInt(r.id, 10), "properties": props,
		"createdAt": stamp(r.created), "updatedAt": stamp(r.updated), "archived": r.archived,
	}
	if r.archived {
		m["archivedAt"] = stamp(r.archivedAt)
	}
	return m
}

// list pages through the records by id.
func (s *Server) list(q *request, o *object) any {
	query := q.URL.Query()
	limit, err := pageSize(query.Get("limit"), 10, 100)
	if err != nil {
		return err
	}
	after, _ := strconv.ParseInt(query.Get("after"), 10, 64)
	archived := query.Get("archived") == "true"
	names, history := listed(query["properties"]), listed(query["propertiesWithHistory"])
	if err := q.mayUse(o, "read", slices.Concat(names, history)...); err != nil {
		return err
	}
	start, _ := slices.BinarySearchFunc(o.order, after, func(r *record, id int64) int {
		if r.id < id {
			return -1
		}
		return 1
	})
	results := []map[string]any{}
	body := map[string]any{}
	for _, r := range o.order[start:] {
		if r.archived != archived || r.mergedInto != 0 {
			continue
		}
		if len(results) == limit {
			body["paging"] = map[string]any{"next": map[string]string{"after": strconv.FormatInt(r.id, 10)}}
			break
		}
		m := s.withLinks(o.read(r, names, history), o, r, listed(query["associations"]))
		results = append(results, m)
	}
	body["results"] = results
	return body
}

func pageSize(text string, standard, most int) (int, *apiError) {
	if text == "" {
		return standard, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return 0, badRequest("The limit must be between 1 and %d", most)
	}
	return n, nil
}
