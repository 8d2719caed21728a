package hubspottest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"chartwire/sinks/hubspot/hubspottest"
)

// client calls a portal over real HTTP.
type client struct {
	t     *testing.T
	s     *hubspottest.Server
	url   string
	token string
	via   http.RoundTripper // nil: the network

	timeout time.Duration
}

// reply is an answer with its body as the tree that JSON makes.
type reply struct {
	status int
	header http.Header
	body   map[string]any
	raw    string
}

func start(t *testing.T, opts hubspottest.Options) *client {
	t.Helper()
	s := hubspottest.New(opts)
	return &client{t: t, s: s, url: s.Start(t), token: hubspottest.DefaultToken}
}

// call makes a request; body may be nil, a string of JSON, or anything that
// marshals.
func (c *client) call(method, path string, body any) reply {
	c.t.Helper()
	r, err := c.try(method, path, body)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	return r
}

func (c *client) try(method, path string, body any) (reply, error) {
	var text []byte
	switch b := body.(type) {
	case nil:
	case string:
		text = []byte(b)
	default:
		var err error
		if text, err = json.Marshal(b); err != nil {
			c.t.Fatal(err)
		}
	}
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.url+path, bytes.NewReader(text))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := (&http.Client{Transport: c.via, Timeout: c.timeout}).Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return reply{}, err
	}
	r := reply{status: resp.StatusCode, header: resp.Header, raw: string(raw)}
	json.Unmarshal(raw, &r.body)
	return r, nil
}

// expect checks status and parts of the body's text.
func (r reply) expect(t *testing.T, status int, parts ...string) reply {
	t.Helper()
	if r.status != status {
		t.Fatalf("status %d, want %d: %s", r.status, status, r.raw)
	}
	for _, p := range parts {
		if !strings.Contains(r.raw, p) {
			t.Fatalf("answer lacks %q: %s", p, r.raw)
		}
	}
	return r
}

// at walks the body: at("results", 0, "id").
func (r reply) at(steps ...any) any {
	var v any = r.body
	for _, s := range steps {
		switch k := s.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[k]
		case int:
			l, _ := v.([]any)
			if k >= len(l) {
				return nil
			}
			v = l[k]
		}
	}
	return v
}

func (r reply) str(steps ...any) string { return fmt.Sprint(r.at(steps...)) }

func (r reply) len(steps ...any) int { l, _ := r.at(steps...).([]any); return len(l) }

type m = map[string]any
type props = map[string]string

const (
	contacts = "/crm/objects/2026-09/contacts"
	tickets  = "/crm/objects/2026-09/tickets"
	deals    = "/crm/objects/2026-09/deals"
	products = "/crm/objects/2026-09/products"
	key      = "open_medical_patient_id"
)

// withKey starts a portal whose contacts and tickets have the unique text
// property of the maps.
func withKey(t *testing.T, opts hubspottest.Options) *client {
	t.Helper()
	c := start(t, opts)
	c.define("contacts", key, m{"hasUniqueValue": true})
	return c
}

// define creates a text property, or what more says.
func (c *client) define(object, name string, more m) {
	c.t.Helper()
	def := m{"name": name, "label": "L " + name, "type": "string", "fieldType": "text", "groupName": strings.TrimSuffix(object, "s") + "information"}
	for k, v := range more {
		def[k] = v
	}
	c.call("POST", "/crm/properties/2026-09/"+object, def).expect(c.t, 201)
}

// input is one input of an upsert by key; trace "" leaves it out.
func input(id, trace string, p props) m {
	in := m{"id": id, "idProperty": key, "properties": p}
	if trace != "" {
		in["objectWriteTraceId"] = trace
	}
	return in
}

func (c *client) upsert(inputs ...m) reply {
	c.t.Helper()
	return c.call("POST", contacts+"/batch/upsert", m{"inputs": inputs})
}

func (c *client) contact(p props) string {
	c.t.Helper()
	return c.call("POST", contacts, m{"properties": p}).expect(c.t, 201).str("id")
}

// inProcess is a client without a socket, for synthetic time.
func inProcess(t *testing.T, s *hubspottest.Server) *client {
	return &client{t: t, s: s, url: "http://sim", token: hubspottest.DefaultToken, via: s.Transport()}
}
