package registry

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
)

// maxBody is more than any schema of a table needs.
const maxBody = 4 << 20

type apiError struct {
	status  int
	Code    int    `json:"error_code"`
	Message string `json:"message"`
}

func (e *apiError) Error() string { return e.Message }

var (
	errNoSubject = &apiError{http.StatusNotFound, 40401, "subject not found"}
	errNoVersion = &apiError{http.StatusNotFound, 40402, "version not found"}
	errNoSchema  = &apiError{http.StatusNotFound, 40403, "schema not found"}
)

// ServeHTTP answers the API. What it does not know is 404.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

func (s *Server) routes() {
	s.mux = http.NewServeMux()
	for pattern, answer := range map[string]func(*http.Request) (any, error){
		"GET /{$}":                             func(*http.Request) (any, error) { return struct{}{}, nil },
		"GET /schemas/types":                   func(*http.Request) (any, error) { return []string{"AVRO"}, nil },
		"GET /mode":                            func(*http.Request) (any, error) { return map[string]string{"mode": "READWRITE"}, nil },
		"GET /subjects":                        s.getSubjects,
		"GET /subjects/{subject}/versions":     s.getVersions,
		"POST /subjects/{subject}/versions":    s.postVersion,
		"POST /subjects/{subject}":             s.postLookup,
		"GET /subjects/{subject}/versions/{v}": s.getVersion,
		"GET /schemas/ids/{id}":                s.getSchema,
		"GET /schemas/ids/{id}/versions":       s.getUses,
		"GET /config":                          s.getLevel,
		"PUT /config":                          s.putLevel,
		"GET /config/{subject}":                s.getLevel,
		"PUT /config/{subject}":                s.putLevel,
		"POST /compatibility/subjects/{subject}/versions/{v}": s.postCheck,
	} {
		s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/vnd.schemaregistry.v1+json")
			v, err := answer(r)
			if err != nil {
				var e *apiError
				if !errors.As(err, &e) {
					e = &apiError{http.StatusUnprocessableEntity, 422, err.Error()}
				}
				w.WriteHeader(e.status)
				v = e
			}
			_ = json.NewEncoder(w).Encode(v) // the reader has gone: nobody to tell
		})
	}
}

func body(r *http.Request, into any) error {
	b, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxBody))
	if err != nil {
		return err
	}
	return json.Unmarshal(b, into)
}

// schemaBody reads the schema of a request.
func schemaBody(r *http.Request) (string, error) {
	var in struct{ Schema, SchemaType string }
	if err := body(r, &in); err != nil {
		return "", err
	}
	if in.SchemaType != "" && in.SchemaType != "AVRO" {
		return "", &apiError{http.StatusUnprocessableEntity, 42201, "only AVRO schemas are kept here"}
	}
	return in.Schema, nil
}

func (s *Server) getSubjects(*http.Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := []string{}
	for n := range s.subjects {
		names = append(names, n)
	}
	slices.Sort(names)
	return names, nil
}

func (s *Server) getVersions(r *http.Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	vs := s.subjects[r.PathValue("subject")]
	if len(vs) == 0 {
		return nil, errNoSubject
	}
	var numbers []int
	for _, v := range vs {
		numbers = append(numbers, v.Version)
	}
	return numbers, nil
}

func (s *Server) postVersion(r *http.Request) (any, error) {
	schema, err := schemaBody(r)
	if err != nil {
		return nil, err
	}
	id, err := s.register(r.Context(), r.PathValue("subject"), schema)
	return map[string]int{"id": id}, err
}

func (s *Server) postLookup(r *http.Request) (any, error) {
	schema, err := schemaBody(r)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	subject := r.PathValue("subject")
	if len(s.subjects[subject]) == 0 {
		return nil, errNoSubject
	}
	if v, ok := s.find(subject, schema); ok {
		return v, nil
	}
	return nil, errNoSchema
}

func (s *Server) getVersion(r *http.Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.version(r)
}

func (s *Server) version(r *http.Request) (version, error) {
	vs := s.subjects[r.PathValue("subject")]
	if len(vs) == 0 {
		return version{}, errNoSubject
	}
	n := r.PathValue("v")
	for i, v := range vs {
		if n == strconv.Itoa(v.Version) || n == "latest" && i == len(vs)-1 {
			return v, nil
		}
	}
	return version{}, errNoVersion
}

func (s *Server) getSchema(r *http.Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id, _ := strconv.Atoi(r.PathValue("id"))
	text, ok := s.byID[id]
	if !ok {
		return nil, errNoSchema
	}
	return map[string]string{"schema": text}, nil
}

// getUses lists where a schema is registered.
func (s *Server) getUses(r *http.Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id, _ := strconv.Atoi(r.PathValue("id"))
	type use struct {
		Subject string `json:"subject"`
		Version int    `json:"version"`
	}
	var uses []use
	for _, vs := range s.subjects {
		for _, v := range vs {
			if v.ID == id {
				uses = append(uses, use{v.Subject, v.Version})
			}
		}
	}
	if len(uses) == 0 {
		return nil, errNoSchema
	}
	return uses, nil
}

func (s *Server) getLevel(r *http.Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, ok := s.levels[r.PathValue("subject")]
	if !ok {
		if r.URL.Query().Get("defaultToGlobal") != "true" {
			return nil, &apiError{http.StatusNotFound, 40408, "subject has no compatibility level of its own"}
		}
		l = s.levels[""]
	}
	return level{l}, nil
}

func (s *Server) putLevel(r *http.Request) (any, error) {
	var in struct{ Compatibility string }
	if err := body(r, &in); err != nil {
		return nil, err
	}
	return in, s.setLevel(r.Context(), r.PathValue("subject"), in.Compatibility)
}

func (s *Server) postCheck(r *http.Request) (any, error) {
	schema, err := schemaBody(r)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	v, err := s.version(r)
	if err != nil {
		return nil, err
	}
	problem := s.check(v.Subject, schema, []version{v})
	answer := map[string]any{"is_compatible": problem == ""}
	if problem != "" && r.URL.Query().Get("verbose") == "true" {
		answer["messages"] = []string{problem}
	}
	return answer, nil
}
