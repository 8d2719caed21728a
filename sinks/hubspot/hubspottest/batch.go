package hubspottest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

const maxBatch = 100

// values are the properties of an input: texts only. Numbers, booleans and
// null, whose treatment nobody promises, are refused.
type values map[string]value

type value string

func (v *value) UnmarshalJSON(b []byte) error {
	if len(b) == 0 || b[0] != '"' {
		return fmt.Errorf("property values are texts, not %.20s", b)
	}
	if bytes.IndexByte(b, '\\') < 0 && utf8.Valid(b) {
		*v = value(b[1 : len(b)-1]) // nearly all of them, without a second decoder
		return nil
	}
	return json.Unmarshal(b, (*string)(v))
}

type batchInput struct {
	ID           string       `json:"id"`
	IDProperty   string       `json:"idProperty"`
	Properties   values       `json:"properties"`
	TraceID      string       `json:"objectWriteTraceId"`
	Associations []inlineLink `json:"associations"`
}

func (in batchInput) names() []string {
	return slices.AppendSeq([]string{in.IDProperty}, maps.Keys(in.Properties))
}

// batchAnswer is the body of 200, 201 and 207.
type batchAnswer struct {
	Status      string           `json:"status"`
	Results     []map[string]any `json:"results"`
	NumErrors   int              `json:"numErrors,omitempty"`
	Errors      []*apiError      `json:"errors,omitempty"`
	StartedAt   string           `json:"startedAt"`
	CompletedAt string           `json:"completedAt"`
}

func (s *Server) batchWrite(q *request, o *object, op string) any {
	var body struct {
		Inputs []batchInput `json:"inputs"`
	}
	if err := q.decode(&body); err != nil {
		return err
	}
	q.call.Inputs = len(body.Inputs)
	if err := checkBatch(len(body.Inputs)); err != nil {
		return err
	}
	if err := checkInputs(o, op, body.Inputs); err != nil {
		return err
	}
	for _, in := range body.Inputs {
		if err := q.mayUse(o, "write", in.names()...); err != nil {
			return err
		}
	}
	pl := &planner{s: s, o: o, strict: enforcesRules(q.path.version), claims: claims{}}
	writes := make([]write, len(body.Inputs))
	for i, in := range body.Inputs {
		links, err := s.inline(o, in.Associations)
		if err != nil {
			return err
		}
		writes[i] = write{op: op, id: in.ID, idProperty: in.IDProperty, values: in.Properties, trace: in.TraceID, links: links}
	}
	traced := allTraced(body.Inputs)
	plans, failed := pl.batch(writes, traced)
	if failed != nil && (!traced || s.opts.WholeBatchConflicts && isConflict(failed)) {
		return wholeBatch(failed)
	}
	return s.applyBatch(q, o, op, plans, failed)
}

// batch plans all writes: those that may be applied, and what is wrong with the
// others.
func (pl *planner) batch(writes []write, traced bool) (plans []*plan, failed []*apiError) {
	var missing *apiError
	for _, w := range writes {
		p, err := pl.plan(w)
		switch {
		case err == nil:
			plans = append(plans, p)
		case err.Category == "OBJECT_NOT_FOUND":
			// One error for all missing ids, without their trace ids.
			if missing == nil {
				missing = err
				failed = append(failed, err)
			} else {
				missing.with("ids", err.Context["ids"]...)
			}
		default:
			if traced {
				err.with("objectWriteTraceId", w.trace)
			}
			failed = append(failed, err)
		}
	}
	return plans, failed
}

func isConflict(failed []*apiError) bool {
	return slices.ContainsFunc(failed, func(e *apiError) bool {
		return e.status == http.StatusConflict || e.ErrorType == uniqueConflict
	})
}

// wholeBatch is the refusal of a batch for what is wrong with one input. What
// only says that a value of some unique property is taken becomes a conflict.
func wholeBatch(failed []*apiError) *apiError {
	e := failed[0]
	delete(e.Context, "objectWriteTraceId")
	if e.ErrorType == uniqueConflict {
		e.status, e.Category = http.StatusConflict, "CONFLICT"
	}
	return e
}

func (s *Server) applyBatch(q *request, o *object, op string, plans []*plan, failed []*apiError) any {
	started := stamp(q.now)
	out := batchAnswer{Status: "COMPLETE", StartedAt: started, Results: make([]map[string]any, 0, len(plans))}
	for _, p := range plans {
		r, isNew := s.apply(o, p, q.source, q.now)
		for _, add := range p.write.links {
			add(r)
		}
		m := o.written(r, p)
		if op == "upsert" {
			m["new"] = isNew
		}
		if p.write.trace != "" {
			m["objectWriteTraceId"] = p.write.trace
		}
		out.Results = append(out.Results, m)
	}
	s.shuffle(out.Results)
	out.CompletedAt = stamp(time.Now())
	status := http.StatusOK
	if op == "create" {
		status = http.StatusCreated
	}
	if failed != nil {
		status = http.StatusMultiStatus
		out.Errors, out.NumErrors = failed, len(failed)
		q.call.Failed = q.call.Inputs - len(plans)
	}
	return answer{status, out}
}

func (s *Server) shuffle(list []map[string]any) {
	s.rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
}

func checkBatch(n int) *apiError {
	switch {
	case n == 0:
		return missingFields("inputs")
	case n > maxBatch:
		return badRequest("The maximum number of inputs supported in a batch request is %d; the request has %d", maxBatch, n)
	}
	return nil
}

// checkInputs refuses batches as a whole: ids given twice, more than one
// idProperty, fields that are missing.
func checkInputs(o *object, op string, inputs []batchInput) *apiError {
	seen := map[string]bool{}
	var twice []string
	for _, in := range inputs {
		switch {
		case in.Properties == nil:
			return missingFields("properties")
		case in.IDProperty != inputs[0].IDProperty:
			return badRequest("All inputs of a batch must have the same idProperty")
		case len(in.Associations) > 0 && op != "create":
			return badRequest("Associations can be given on create only")
		}
		if op == "create" {
			continue
		}
		id := in.ID
		if p := o.property(in.IDProperty); p != nil {
			id = p.key(id)
		}
		if seen[id] && !slices.Contains(twice, in.ID) {
			twice = append(twice, in.ID)
		}
		seen[id] = true
	}
	if twice != nil {
		return badRequest("Duplicate IDs found in batch input: %s. IDs must be unique", fmt.Sprint(twice)).with("ids", twice...)
	}
	return nil
}

// allTraced reports whether every input has a trace id of its own: what makes
// a batch fail input by input instead of as a whole.
func allTraced(inputs []batchInput) bool {
	seen := map[string]bool{}
	for _, in := range inputs {
		if in.TraceID == "" || seen[in.TraceID] {
			return false
		}
		seen[in.TraceID] = true
	}
	return true
}

func (s *Server) batchRead(q *request, o *object) any {
	var body struct {
		IDProperty  string   `json:"idProperty"`
		Properties  []string `json:"properties"`
		WithHistory []string `json:"propertiesWithHistory"`
		Inputs      []struct {
			ID string `json:"id"`
		} `json:"inputs"`
	}
	if err := q.decode(&body); err != nil {
		return err
	}
	q.call.Inputs = len(body.Inputs)
	if err := checkBatch(len(body.Inputs)); err != nil {
		return err
	}
	if len(body.WithHistory) > 0 && len(body.Inputs) > 50 {
		return badRequest("The maximum number of inputs supported in a batch request with history is 50; the request has %d", len(body.Inputs))
	}
	if err := q.mayUse(o, "read", slices.Concat(body.Properties, body.WithHistory)...); err != nil {
		return err
	}
	archived := q.URL.Query().Get("archived") == "true"
	out := batchAnswer{Status: "COMPLETE", StartedAt: stamp(q.now), Results: []map[string]any{}}
	var missing []string
	seen := map[string]bool{}
	for _, in := range body.Inputs {
		if seen[in.ID] {
			return badRequest("Duplicate IDs found in batch input: [%s]. IDs must be unique", in.ID).with("ids", in.ID)
		}
		seen[in.ID] = true
		r, ok := o.lookup(body.IDProperty, in.ID)
		if !ok {
			return (&planner{s: s, o: o}).notUnique(body.IDProperty)
		}
		if r == nil || r.archived != archived {
			missing = append(missing, in.ID)
			continue
		}
		out.Results = append(out.Results, o.read(r, body.Properties, body.WithHistory))
	}
	s.shuffle(out.Results)
	out.CompletedAt = stamp(time.Now())
	if missing != nil {
		out.Errors, out.NumErrors = []*apiError{(&planner{o: o}).missing(missing...)}, 1
		q.call.Failed = len(missing)
		return answer{http.StatusMultiStatus, out}
	}
	return out
}

func (s *Server) batchArchive(q *request, o *object) any {
	var body struct {
		Inputs []struct {
			ID string `json:"id"`
		} `json:"inputs"`
	}
	if err := q.decode(&body); err != nil {
		return err
	}
	q.call.Inputs = len(body.Inputs)
	if err := checkBatch(len(body.Inputs)); err != nil {
		return err
	}
	for _, in := range body.Inputs {
		if _, err := strconv.ParseInt(in.ID, 10, 64); err != nil {
			return badRequest("Invalid object id: %s", in.ID)
		}
	}
	for _, in := range body.Inputs {
		if r := o.find(in.ID); r != nil {
			o.archive(r, q.now)
			r.requests++
		}
	}
	return answer{status: http.StatusNoContent}
}
