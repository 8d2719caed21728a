package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/hamba/avro/v2"
)

// Record is one entry of the log that a Server keeps its schemas in: a record
// of a Kafka topic, for instance, compacted by key.
type Record struct{ Key, Value []byte }

// Server answers the part of the Confluent API that producers, consumers and
// people need, from memory; every change is in its log before it is answered.
// Deleting is not part of it: rows may need any schema there ever was.
type Server struct {
	// append writes a record to the log and returns when it cannot be lost.
	append func(ctx context.Context, r Record) error
	mux    *http.ServeMux

	mu       sync.Mutex // held while appending: the log has one writer
	subjects map[string][]version
	byID     map[int]string
	levels   map[string]string // "" is the level of all others
}

type version struct {
	Subject string `json:"subject"`
	Version int    `json:"version"`
	ID      int    `json:"id"`
	Schema  string `json:"schema"`
}

// logKey is the key of a record in the log.
type logKey struct {
	KeyType string `json:"keytype"` // SCHEMA or CONFIG
	Subject string `json:"subject,omitempty"`
	Version int    `json:"version,omitempty"`
}

type level struct {
	Compatibility string `json:"compatibilityLevel"`
}

// NewServer makes a server that keeps what it is given by append.
func NewServer(append func(ctx context.Context, r Record) error) *Server {
	s := &Server{append: append, subjects: map[string][]version{}, byID: map[int]string{}, levels: map[string]string{"": "BACKWARD_TRANSITIVE"}}
	s.routes()
	return s
}

// Load takes a record of the log, in its order, before the first request.
func (s *Server) Load(r Record) error {
	var k logKey
	if err := json.Unmarshal(r.Key, &k); err != nil {
		return fmt.Errorf("reading the log of schemas: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch k.KeyType {
	case "CONFIG":
		var l level
		if err := json.Unmarshal(r.Value, &l); err != nil {
			return fmt.Errorf("reading the log of schemas: level of %q: %w", k.Subject, err)
		}
		s.levels[k.Subject] = l.Compatibility
	case "SCHEMA":
		var v version
		if err := json.Unmarshal(r.Value, &v); err != nil {
			return fmt.Errorf("reading the log of schemas: version %d of %q: %w", k.Version, k.Subject, err)
		}
		s.add(v)
	default:
		return fmt.Errorf("reading the log of schemas: unknown kind of record %q", k.KeyType)
	}
	return nil
}

func (s *Server) add(v version) {
	vs := slices.DeleteFunc(s.subjects[v.Subject], func(o version) bool { return o.Version == v.Version })
	s.subjects[v.Subject] = append(vs, v)
	s.byID[v.ID] = v.Schema
}

// write puts a record into the log.
func (s *Server) write(ctx context.Context, k logKey, value any) error {
	key, err := json.Marshal(k)
	if err != nil {
		return err
	}
	v, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return s.append(ctx, Record{key, v})
}

func (s *Server) register(ctx context.Context, subject, schema string) (int, error) {
	if _, err := parse(schema); err != nil {
		return 0, &apiError{http.StatusUnprocessableEntity, 42201, "invalid Avro schema: " + err.Error()}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if v, ok := s.find(subject, schema); ok {
		return v.ID, nil
	}
	if problem := s.check(subject, schema, s.subjects[subject]); problem != "" {
		return 0, &apiError{http.StatusConflict, 409, "schema is incompatible with an earlier one of " + subject + ": " + problem}
	}
	v := version{Subject: subject, Version: 1, Schema: schema}
	if vs := s.subjects[subject]; len(vs) > 0 {
		v.Version = vs[len(vs)-1].Version + 1
	}
	for id, text := range s.byID {
		if text == schema {
			v.ID = id
		}
	}
	if v.ID == 0 {
		v.ID = 1
		for id := range s.byID {
			v.ID = max(v.ID, id+1)
		}
	}
	if err := s.write(ctx, logKey{"SCHEMA", subject, v.Version}, v); err != nil {
		return 0, &apiError{http.StatusInternalServerError, 50001, "writing the log of schemas: " + err.Error()}
	}
	s.add(v)
	return v.ID, nil
}

// find gives the version of a subject with the schema.
func (s *Server) find(subject, schema string) (version, bool) {
	for _, v := range s.subjects[subject] {
		if v.Schema == schema {
			return v, true
		}
	}
	return version{}, false
}

// check says why a schema may not follow the earlier ones, "" if it may.
func (s *Server) check(subject, schema string, earlier []version) string {
	mode, ok := s.levels[subject]
	if !ok {
		mode = s.levels[""]
	}
	if mode == "NONE" || len(earlier) == 0 {
		return ""
	}
	if !strings.HasSuffix(mode, "_TRANSITIVE") {
		earlier = earlier[len(earlier)-1:]
	}
	for _, v := range earlier {
		mine, err := parse(schema)
		if err != nil {
			return err.Error()
		}
		old, err := parse(v.Schema)
		if err != nil {
			return err.Error()
		}
		// A new one each time: it remembers answers by fingerprints, which
		// leave defaults out.
		if !strings.HasPrefix(mode, "FORWARD") {
			if err := avro.NewSchemaCompatibility().Compatible(mine, old); err != nil {
				return fmt.Sprintf("version %d: %v", v.Version, err)
			}
		}
		if !strings.HasPrefix(mode, "BACKWARD") {
			if err := avro.NewSchemaCompatibility().Compatible(old, mine); err != nil {
				return fmt.Sprintf("version %d: %v", v.Version, err)
			}
		}
	}
	return ""
}

// parse reads a schema without the names that others defined.
func parse(schema string) (avro.Schema, error) {
	return avro.ParseBytesWithCache([]byte(schema), "", &avro.SchemaCache{})
}

func (s *Server) setLevel(ctx context.Context, subject, to string) error {
	switch strings.TrimSuffix(to, "_TRANSITIVE") {
	case "NONE", "BACKWARD", "FORWARD", "FULL":
	default:
		return &apiError{http.StatusUnprocessableEntity, 42203, "invalid compatibility level " + strconv.Quote(to)}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.write(ctx, logKey{KeyType: "CONFIG", Subject: subject}, level{to}); err != nil {
		return &apiError{http.StatusInternalServerError, 50001, "writing the log of schemas: " + err.Error()}
	}
	s.levels[subject] = to
	return nil
}
