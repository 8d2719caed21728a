package hubspottest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// faultJSON is a Fault as the control calls write it, with durations such as
// "1.5s".
type faultJSON struct {
	ID          int       `json:"id,omitempty"`
	Kind        FaultKind `json:"kind"`
	Method      string    `json:"method,omitempty"`
	Path        string    `json:"path,omitempty"`
	Object      string    `json:"object,omitempty"`
	Skip        int       `json:"skip,omitempty"`
	Count       int       `json:"count,omitempty"`
	Probability float64   `json:"probability,omitempty"`
	RetryAfter  duration  `json:"retry_after,omitempty"`
	After       bool      `json:"after,omitempty"`
	Latency     duration  `json:"latency,omitempty"`
	Tail        duration  `json:"tail,omitempty"`
	Hits        int       `json:"hits,omitempty"`
}

// duration is written as time.Duration prints it.
type duration time.Duration

func (d duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

func (d *duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err == nil && v < 0 {
		err = errors.New("negative duration")
	}
	*d = duration(v)
	return err
}

func (f faultJSON) fault() (Fault, error) {
	if !slices.Contains(kindsOfFaults, f.Kind) {
		return Fault{}, fmt.Errorf("no fault of the kind %q: one of %v", f.Kind, kindsOfFaults)
	}
	return Fault{
		Kind: f.Kind, Method: f.Method, Path: f.Path, Object: f.Object, Skip: f.Skip, Count: f.Count, Probability: f.Probability,
		RetryAfter: time.Duration(f.RetryAfter), After: f.After, Latency: Latency{time.Duration(f.Latency), time.Duration(f.Tail)},
	}, nil
}

func (f Fault) json() faultJSON {
	return faultJSON{
		ID: f.ID, Kind: f.Kind, Method: f.Method, Path: f.Path, Object: f.Object, Skip: f.Skip, Count: f.Count, Probability: f.Probability,
		RetryAfter: duration(f.RetryAfter), After: f.After, Latency: duration(f.Latency.Fixed), Tail: duration(f.Latency.Tail), Hits: f.Hits,
	}
}

// serveControl answers /_sim/…: the page, and the calls that change the portal
// behind the API's back. A page of another site cannot call it.
func (s *Server) serveControl(w http.ResponseWriter, r *http.Request, sub string) {
	if !s.opts.Control {
		http.NotFound(w, r)
		return
	}
	if err := http.NewCrossOriginProtection().Check(r); err != nil {
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	if r.Method == http.MethodGet {
		switch sub {
		case "":
			s.servePage(w, r)
			return
		case "record":
			s.serveRecordPage(w, r)
			return
		}
	}
	out, err := s.control(r, sub)
	switch {
	case errors.Is(err, errNoControl):
		http.NotFound(w, r)
	case err != nil:
		http.Error(w, err.Error(), http.StatusBadRequest)
	case r.Header.Get("Content-Type") == "application/x-www-form-urlencoded":
		http.Redirect(w, r, "/_sim/", http.StatusSeeOther)
	default:
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(out)
	}
}

var errNoControl = errors.New("no such control call")

// control carries one control call out and returns what it answers.
func (s *Server) control(r *http.Request, sub string) (any, error) {
	done := map[string]bool{"ok": true}
	switch r.Method + " " + sub {
	case "GET records":
		return s.controlRecords(r)
	case "GET calls":
		return s.controlCalls(), nil
	case "GET faults":
		list := []faultJSON{}
		for _, f := range s.Faults() {
			list = append(list, f.json())
		}
		return list, nil
	case "POST faults":
		in, err := readFault(r)
		if err != nil {
			return nil, err
		}
		f, err := in.fault()
		if err != nil {
			return nil, err
		}
		return map[string]int{"id": s.Inject(f)}, nil
	case "DELETE faults", "POST clear":
		if id, err := strconv.Atoi(r.FormValue("id")); err == nil {
			s.Clear(id)
		} else {
			s.Clear()
		}
		return done, nil
	case "POST reset":
		s.Reset()
		return done, nil
	case "POST latency":
		var in struct{ Fixed, Tail duration }
		if err := strictly(r.Body, &in); err != nil {
			return nil, err
		}
		s.SetLatency(Latency{time.Duration(in.Fixed), time.Duration(in.Tail)})
		return done, nil
	case "POST edit", "POST merge", "POST archive":
		return s.controlPerson(r, sub)
	}
	return nil, errNoControl
}

func strictly(r io.Reader, v any) error {
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("reading the control call: %w", err)
	}
	return nil
}

// readFault reads a fault from JSON or from the page's form.
func readFault(r *http.Request) (faultJSON, error) {
	var in faultJSON
	if r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
		return in, strictly(r.Body, &in)
	}
	in.Kind, in.Object, in.Path = FaultKind(r.FormValue("kind")), r.FormValue("object"), r.FormValue("path")
	var errs []error
	number := func(name string, parse func(string) error) {
		if v := r.FormValue(name); v != "" {
			if err := parse(v); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", name, err))
			}
		}
	}
	number("count", func(v string) (err error) { in.Count, err = strconv.Atoi(v); return })
	number("probability", func(v string) (err error) { in.Probability, err = strconv.ParseFloat(v, 64); return })
	number("latency", func(v string) error { return in.Latency.UnmarshalText([]byte(v)) })
	return in, errors.Join(errs...)
}

func (s *Server) known(object string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.portal.byName[object] == nil {
		return fmt.Errorf("no object type %q", object)
	}
	return nil
}

// controlRecords lists records, all or those whose property has a value.
func (s *Server) controlRecords(r *http.Request) (any, error) {
	object := r.FormValue("object")
	if err := s.known(object); err != nil {
		return nil, err
	}
	if p := r.FormValue("property"); p != "" {
		return append([]Record{}, s.Find(object, p, r.FormValue("value"))...), nil
	}
	return s.Records(object), nil
}

// controlCalls counts calls by path and status, and lists the newest ones.
func (s *Server) controlCalls() any {
	type count struct {
		CallKind
		Count int
	}
	list := []count{}
	for k, n := range s.CallCounts() {
		list = append(list, count{k, n})
	}
	slices.SortFunc(list, func(a, b count) int {
		return strings.Compare(fmt.Sprint(a.Route, a.Method, a.Status), fmt.Sprint(b.Route, b.Method, b.Status))
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	return map[string]any{"counts": list, "newest": s.calls.newest(100)}
}

// controlPerson does what a person does in HubSpot's own pages.
func (s *Server) controlPerson(r *http.Request, what string) (any, error) {
	var in struct {
		Object     string            `json:"object"`
		ID         string            `json:"id"`
		Other      string            `json:"other"`
		Properties map[string]string `json:"properties"`
	}
	if err := strictly(r.Body, &in); err != nil {
		return nil, err
	}
	if err := s.known(in.Object); err != nil {
		return nil, err
	}
	out := map[string]string{"id": in.ID}
	var err error
	switch what {
	case "edit":
		err = s.Edit(in.Object, in.ID, in.Properties)
	case "merge":
		out["id"], err = s.Merge(in.Object, in.ID, in.Other)
	case "archive":
		err = s.Archive(in.Object, in.ID)
	}
	return out, err
}
