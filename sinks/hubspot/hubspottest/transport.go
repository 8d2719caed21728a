package hubspottest

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"syscall"
)

// Transport carries requests to the portal without a socket, for tests whose
// time is synthetic. A request that its context gives up is still carried out,
// as behind a socket; a test in a synctest bubble must outlast it.
func (s *Server) Transport() http.RoundTripper { return transport{s} }

type transport struct{ s *Server }

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	in := r.Clone(r.Context())
	in.RequestURI = r.URL.RequestURI()
	body := []byte{}
	if r.Body != nil {
		b, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil {
			return nil, err
		}
		body = b
	}
	in.Body = io.NopCloser(bytes.NewReader(body))
	if in.URL.Host != "" {
		in.URL = &url.URL{Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery}
	}
	done := make(chan *recorder, 1)
	go func() {
		w := &recorder{header: http.Header{}}
		defer func() {
			if err := recover(); err != nil {
				if e, ok := err.(error); !ok || !errors.Is(e, http.ErrAbortHandler) {
					panic(err)
				}
				w.cut = true
			}
			done <- w
		}()
		t.s.ServeHTTP(w, in)
	}()
	select {
	case <-r.Context().Done():
		return nil, r.Context().Err()
	case w := <-done:
		if w.cut {
			return nil, &url.Error{Op: r.Method, URL: r.URL.Path, Err: syscall.ECONNRESET}
		}
		return &http.Response{
			StatusCode: w.status, Status: http.StatusText(w.status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			Header: w.header, Body: io.NopCloser(&w.body), ContentLength: int64(w.body.Len()), Request: r,
		}, nil
	}
}

// recorder holds an answer until the handler is done with it.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
	cut    bool
}

func (w *recorder) Header() http.Header { return w.header }

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

func (w *recorder) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(b)
}
