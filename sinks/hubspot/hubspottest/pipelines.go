package hubspottest

import (
	"net/http"
	"slices"
	"strconv"
	"time"
)

// servePipelines answers /crm/pipelines/{version}/{object}…
func (s *Server) servePipelines(q *request) any {
	rest := q.path.rest
	o := s.object(q.path)
	switch {
	case o == nil:
		return unknownObject(rest)
	case o.pipeline == "":
		return badRequest("The object type %s has no pipelines", o.typeID)
	case len(rest) == 1 && q.Method == http.MethodGet:
		return map[string]any{"results": o.pipelines}
	case len(rest) == 1 && q.Method == http.MethodPost:
		var in Pipeline
		if err := q.decode(&in); err != nil {
			return err
		}
		return s.addPipeline(q, o, in)
	case len(rest) == 1:
		return methodNotAllowed()
	}
	i := slices.IndexFunc(o.pipelines, func(p Pipeline) bool { return p.ID == rest[1] })
	if i < 0 {
		return notFound()
	}
	p := &o.pipelines[i]
	switch {
	case len(rest) == 2 && q.Method == http.MethodGet:
		return *p
	case len(rest) == 3 && rest[2] == "stages" && q.Method == http.MethodGet:
		return map[string]any{"results": p.Stages}
	case len(rest) == 3 && rest[2] == "stages" && q.Method == http.MethodPost:
		var in Stage
		if err := q.decode(&in); err != nil {
			return err
		}
		if err := s.checkStage(o, &in); err != nil {
			return err
		}
		stages := slices.Clone(p.Stages)
		p.Stages = append(stages, s.newStage(in, q.now))
		return answer{http.StatusCreated, p.Stages[len(stages)]}
	case len(rest) == 4 && rest[2] == "stages" && q.Method == http.MethodGet:
		for _, st := range p.Stages {
			if st.ID == rest[3] {
				return st
			}
		}
	case q.Method != http.MethodGet:
		return refuse(http.StatusNotImplemented, "", "the stand-in does not imitate changes of pipelines")
	}
	return notFound()
}

func (s *Server) addPipeline(q *request, o *object, in Pipeline) any {
	switch {
	case in.Label == "" || len(in.Stages) == 0:
		return missingFields("label", "stages")
	case slices.ContainsFunc(o.pipelines, func(p Pipeline) bool { return p.Label == in.Label }):
		return refuse(http.StatusConflict, "CONFLICT", "A pipeline named '%s' already exists.", in.Label)
	case len(in.Stages) > 100:
		return badRequest("A pipeline can have at most 100 stages")
	}
	p := Pipeline{ID: s.newNumber(), Label: in.Label, DisplayOrder: in.DisplayOrder, CreatedAt: q.now, UpdatedAt: q.now}
	for _, st := range in.Stages {
		if err := s.checkStage(o, &st); err != nil {
			return err
		}
		p.Stages = append(p.Stages, s.newStage(st, q.now))
	}
	o.pipelines = append(slices.Clone(o.pipelines), p)
	return answer{http.StatusCreated, p}
}

// checkStage asks for the metadata that a stage of the object needs, and
// completes it.
func (s *Server) checkStage(o *object, in *Stage) *apiError {
	if in.Label == "" {
		return missingFields("label")
	}
	if state := in.Metadata["ticketState"]; o.name == "tickets" && state != "" && state != "OPEN" && state != "CLOSED" {
		return badRequest("ticketState must be OPEN or CLOSED")
	}
	if o.name == "deals" {
		metadata, err := dealStage(in.Metadata)
		if err != nil {
			return err
		}
		in.Metadata = metadata
	}
	return nil
}

func (s *Server) newStage(in Stage, now time.Time) Stage {
	st := Stage{ID: s.newNumber(), Label: in.Label, DisplayOrder: in.DisplayOrder, Metadata: in.Metadata, WritePermissions: "CRM_PERMISSIONS_ENFORCEMENT", CreatedAt: now, UpdatedAt: now}
	if st.Metadata == nil {
		st.Metadata = map[string]string{}
	}
	return st
}

// newNumber makes an id for a definition.
func (s *Server) newNumber() string {
	return strconv.FormatInt(900_000_000+s.rand.Int64N(99_000_000), 10)
}
