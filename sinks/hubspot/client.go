package hubspot

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"chartwire/sinks"
	"chartwire/sinks/outcall"
)

// maxAnswer bounds what is read of an answer: 100 records with every property
// at its greatest length would be larger, but no answer repeats more than it
// was sent.
const maxAnswer = 64 << 20

// call is one request to HubSpot.
type call struct {
	kind   kind
	lane   sinks.Lane
	object string // for metrics
	method string
	path   string
	query  url.Values
	body   any // JSON; nil for none
}

// answer is what HubSpot said, whatever its status.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// decode reads the body of a success.
func (a *answer) decode(into any) error {
	if err := json.Unmarshal(a.body, into); err != nil {
		// The decoder's message can quote the body: only its kind is told.
		return fmt.Errorf("decoding HubSpot's answer of %d bytes: %T", len(a.body), err)
	}
	return nil
}

func (a *answer) ok() bool { return a.status >= 200 && a.status < 300 }

// send makes one call that was counted already. An answer of any status is no
// error; only a missing one is, as *sinks.Unavailable.
func (s *Sink) send(ctx context.Context, c *call) (*answer, error) {
	var body []byte
	if c.body != nil {
		var err error
		if body, err = json.Marshal(c.body); err != nil {
			return nil, fmt.Errorf("encoding a %s call: %w", c.kind, err)
		}
	}
	token, err := s.secret.current(time.Now())
	if err != nil {
		return nil, &sinks.Unavailable{Wait: haltedFor, Err: err}
	}
	a, err := s.exchange(ctx, c, body, token)
	if err == nil && a.status == http.StatusUnauthorized {
		// A key exchanged since: the call was refused, so it can be made again.
		if fresh, ok := s.secret.other(token, time.Now()); ok {
			return s.exchange(ctx, c, body, fresh)
		}
		if c.kind != kindAccount && s.accepted(ctx, token, c.lane) {
			return nil, &sinks.Unavailable{Wait: time.Second, Err: errOnce}
		}
	}
	return a, err
}

// errOnce is a refusal of the token that HubSpot itself does not stand by.
var errOnce = errors.New("HubSpot refused the token for one call (401) and takes it for another")

// accepted asks whether the token is good after all: a halt stops critical
// results until a person comes, and is not for one wrong answer.
func (s *Sink) accepted(ctx context.Context, token string, lane sinks.Lane) bool {
	a, err := s.exchange(ctx, &call{kind: kindAccount, lane: lane, object: "account", method: http.MethodGet, path: s.paths.details}, nil, token)
	return err == nil && a.ok()
}

func (s *Sink) exchange(ctx context.Context, c *call, body []byte, token string) (*answer, error) {
	target := s.cfg.BaseURL + c.path
	if len(c.query) > 0 {
		target += "?" + c.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, c.method, target, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("making a %s call: %w", c.kind, outcall.Bare(err))
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "chartwire")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	entry := s.limiter.claim(time.Now())
	start := time.Now()
	resp, err := s.http.Do(req)
	if err != nil {
		s.limiter.end(entry, time.Now())
		s.metrics.called(c, 0, time.Since(start))
		return nil, outcall.Lost(ctx, err)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	resp.Body.Close()
	now := time.Now()
	s.limiter.end(entry, now)
	s.limiter.observe(readRateHeaders(resp.Header), now)
	s.metrics.called(c, resp.StatusCode, now.Sub(start))
	if err != nil {
		return nil, outcall.Lost(ctx, err)
	}
	if len(text) > maxAnswer {
		return nil, &sinks.Unavailable{Unknown: true, Err: fmt.Errorf("an answer of more than %d bytes", maxAnswer)}
	}
	return &answer{status: resp.StatusCode, header: resp.Header, body: text}, nil
}

// failure reads the body as an error. HubSpot's id of the answer stands in a
// header too, and there alone in a 207.
func (a *answer) failure() errorBody {
	e := parseError(a.body)
	e.Correlation = firstOf(e.Correlation, a.header.Get("X-HubSpot-Correlation-Id"))
	return e
}
