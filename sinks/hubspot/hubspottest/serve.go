package hubspottest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	maxURL  = 16 << 10 // longer ones get 414
	maxBody = 32 << 20
)

// request is one call of the API on its way through the portal.
type request struct {
	*http.Request
	path   path
	token  string
	scopes []string // of the token; nil: all
	body   []byte
	now    time.Time
	source source
	call   Call
}

// answer is what a handler gives: an apiError, or a body that is marshalled
// (nil: none).
type answer struct {
	status int
	body   any
}

// ServeHTTP answers one call of the API or of /_sim/.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if sub, ok := strings.CutPrefix(r.URL.Path, "/_sim"); ok && (sub == "" || sub[0] == '/') {
		s.serveControl(w, r, strings.TrimPrefix(sub, "/"))
		return
	}
	q := &request{Request: r, now: time.Now()}
	q.call = Call{Time: q.now, Method: r.Method, Route: "other", Trace: s.newID()}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		s.reply(w, q, refuse(http.StatusBadRequest, "", "reading the request: %v", err))
		return
	}
	q.body = body
	known := false
	if q.path, known = parsePath(r.URL.EscapedPath()); known {
		q.call.Route, q.call.Object = q.path.template(), s.objectName(q.path)
	}
	q.token, _ = strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")

	effect := s.strike(q)
	switch {
	case effect.reset:
		s.cut(w, q)
		return
	case effect.err != nil && !effect.after:
		s.sleep(r.Context(), effect.before+s.drawLatency())
		s.reply(w, q, effect.err)
		return
	}
	if err := s.admit(w, q, known); err != nil {
		if effect.lost {
			s.cut(w, q)
			return
		}
		s.reply(w, q, err)
		return
	}
	if !s.sleep(r.Context(), effect.before+s.drawLatency()) {
		s.cut(w, q)
		return
	}
	result := s.dispatch(q)
	q.call.Applied = true
	s.sleep(r.Context(), effect.behind)
	switch {
	case effect.lost:
		s.cut(w, q)
	case effect.err != nil:
		s.reply(w, q, effect.err)
	default:
		s.reply(w, q, result)
	}
}

// admit refuses what never reaches a handler: unknown paths, bad tokens, calls
// over a limit, missing scopes. It sets the rate headers.
func (s *Server) admit(w http.ResponseWriter, q *request, known bool) *apiError {
	switch {
	case len(q.URL.RequestURI()) > maxURL:
		return refuse(http.StatusRequestURITooLong, "", "URI too long")
	case !known:
		return refuse(http.StatusNotFound, "", "resource not found")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	scopes, ok := s.tokens[q.token]
	if !ok || q.token == "" {
		return unauthorized()
	}
	if err := s.limits.take(s, w.Header(), q); err != nil {
		return err
	}
	if need := s.needs(q); len(need) > 0 && scopes != nil && !slices.ContainsFunc(need, func(n string) bool { return slices.Contains(scopes, n) }) {
		return missingScopes(need[:1])
	}
	q.source, q.scopes = source{"INTEGRATION", appID(q.token)}, scopes
	if len(q.body) > 0 && (q.Method == http.MethodPost || q.Method == http.MethodPatch || q.Method == http.MethodPut) &&
		!strings.HasPrefix(q.Header.Get("Content-Type"), "application/json") {
		return refuse(http.StatusUnsupportedMediaType, "", "Unsupported Media Type: send application/json")
	}
	return nil
}

// dispatch carries a request out. Handlers run one at a time.
func (s *Server) dispatch(q *request) any {
	s.mu.Lock()
	defer s.mu.Unlock()
	q.now = q.now.Add(time.Since(q.now)).UTC().Truncate(time.Millisecond)
	switch q.path.family {
	case "objects":
		return s.serveObjects(q)
	case "properties":
		return s.serveProperties(q)
	case "property-validations":
		return s.serveValidations(q)
	case "pipelines":
		return s.servePipelines(q)
	case "owners":
		return s.serveOwners(q)
	case "schemas":
		return s.serveSchemas(q)
	case "limits":
		return s.serveLimits(q)
	case "object-library":
		return s.serveLibrary(q)
	case "account-info":
		return s.serveAccount(q)
	case "associations":
		return s.serveAssociations(q)
	}
	return refuse(http.StatusNotImplemented, "", "the stand-in does not imitate %s", q.path.prefix)
}

// reply writes an answer: an *apiError, an answer, or a body for a 200.
func (s *Server) reply(w http.ResponseWriter, q *request, result any) {
	h := w.Header()
	h.Set("X-HubSpot-Correlation-Id", q.call.Trace)
	a, ok := result.(answer)
	switch e := result.(type) {
	case *apiError:
		copied := *e
		copied.CorrelationID = q.call.Trace
		if e.PolicyName != "" {
			copied.RequestID = strings.ReplaceAll(q.call.Trace, "-", "")
		}
		a = answer{e.status, &copied}
		q.call.Policy = e.PolicyName
		if e.retryAfter > 0 {
			h.Set("Retry-After", strconv.Itoa(int((e.retryAfter+time.Second-1)/time.Second)))
		}
	default:
		if !ok {
			a = answer{http.StatusOK, result}
		}
	}
	q.call.Status = a.status
	s.logCall(q)
	if a.status == http.StatusBadGateway || a.status == http.StatusGatewayTimeout {
		h.Set("Content-Type", "text/html")
		w.WriteHeader(a.status)
		fmt.Fprintf(w, badGatewayText, a.status, http.StatusText(a.status))
		return
	}
	if a.body == nil {
		w.WriteHeader(a.status)
		return
	}
	text, err := json.Marshal(a.body)
	if err != nil {
		panic(fmt.Sprintf("hubspottest: marshalling an answer: %v", err))
	}
	h.Set("Content-Type", "application/json;charset=utf-8")
	w.WriteHeader(a.status)
	w.Write(text)
}

// cut ends the connection without an answer, by a reset where there is a
// socket.
func (s *Server) cut(w http.ResponseWriter, q *request) {
	q.call.Status = 0
	s.logCall(q)
	h, ok := w.(http.Hijacker)
	if !ok {
		panic(http.ErrAbortHandler)
	}
	conn, _, err := h.Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	conn.Close()
}

// logCall records a call before its end is seen, so that who has an answer
// finds it in the log.
func (s *Server) logCall(q *request) {
	q.call.Took = time.Since(q.call.Time)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls.add(q.call)
}

// stopped is the key under which Run puts its own end into requests' contexts.
type stopped struct{}

// sleep waits even when the client has gone: what it asked for still arrives,
// only later. It reports false when the server stops.
func (s *Server) sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	stop, _ := ctx.Value(stopped{}).(<-chan struct{})
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-stop:
		return false
	}
}

func (s *Server) drawLatency() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.latency.draw(s.rand)
}

// newID makes a correlation id, in the form of a UUID.
func (s *Server) newID() string {
	s.mu.Lock()
	a, b := s.rand.Uint64(), s.rand.Uint64()
	s.mu.Unlock()
	return fmt.Sprintf("%08x-%04x-7%03x-%04x-%012x", a>>32, a>>16&0xffff, a&0xfff, b>>48&0x3fff|0x8000, b&0xffff_ffff_ffff)
}

// decode reads the body strictly: HubSpot's words for what is no JSON, and a
// refusal for fields it does not know, which HubSpot would ignore.
func (q *request) decode(v any) *apiError {
	d := json.NewDecoder(bytes.NewReader(q.body))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return badRequest("Invalid input JSON on line 1, column %d: %s", d.InputOffset(), strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}

func missingFields(names ...string) *apiError {
	return badRequest("Invalid input JSON on line 1, column 2. Some required fields were not set: [%s]", strings.Join(names, ", "))
}
