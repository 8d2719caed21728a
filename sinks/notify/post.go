package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"chartwire/cdc"
	"chartwire/sinks"
	"chartwire/sinks/outcall"
)

// Receipt is what a receiver may say in the body of its 2xx answer; an empty
// body is fine.
type Receipt struct {
	// Acknowledged says that a person takes care already.
	Acknowledged bool `json:"acknowledged"`
	// Poll is where it can be asked later whether somebody does: a GET, signed
	// like the page, is answered with a Receipt. It is on the route's host.
	Poll string `json:"poll,omitempty"`
}

// maxReceipt bounds what is read of an answer.
const maxReceipt = 64 << 10

// post sends one copy of a page to one receiver.
func (s *Sink) post(ctx context.Context, name string, r Route, p *Page, key string) (Receipt, error) {
	body, err := json.Marshal(p)
	if err != nil {
		return Receipt{}, fmt.Errorf("encoding a page: %w", err)
	}
	start := time.Now()
	status, got, err := s.exchange(ctx, http.MethodPost, r.URL, p.ID, key, body)
	s.metrics.calls.Done(status, time.Since(start), name)
	return got, err
}

// exchange makes one signed call and sorts its answer.
func (s *Sink) exchange(ctx context.Context, method, url, id, key string, body []byte) (int, Receipt, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return 0, Receipt{}, fmt.Errorf("making a call: %w", outcall.Bare(err))
	}
	stamp := strconv.FormatInt(time.Now().Unix(), 10)
	req.Header.Set(HeaderID, id)
	req.Header.Set(HeaderTimestamp, stamp)
	req.Header.Set(HeaderSignature, Sign(key, id, stamp, body))
	req.Header.Set("User-Agent", "chartwire")
	if len(body) > 0 {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return 0, Receipt{}, outcall.Lost(ctx, err)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxReceipt))
	resp.Body.Close()
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		// The page is there by its status alone; a receiver of another kind
		// answers with a body of its own.
		var got Receipt
		if err != nil || json.Unmarshal(text, &got) != nil {
			got = Receipt{}
		}
		return resp.StatusCode, got, nil
	}
	return resp.StatusCode, Receipt{}, refusal(resp, time.Now())
}

// refusal sorts the answers that are no success. The receiver's words are not
// kept: it may repeat what it was sent.
func refusal(resp *http.Response, now time.Time) error {
	wait := outcall.RetryAfter(resp.Header, now)
	failed := fmt.Errorf("the receiver answers %d", resp.StatusCode)
	switch code := resp.StatusCode; {
	case code == http.StatusTooManyRequests:
		return &sinks.Throttled{Wait: max(wait, time.Second), Policy: "RECEIVER"}
	case code == http.StatusRequestTimeout || code == http.StatusTooEarly || code == http.StatusLocked:
		return &sinks.Unavailable{Wait: wait, Err: failed}
	case code >= 500:
		return &sinks.Unavailable{Wait: wait, Unknown: true, Err: failed}
	case code == http.StatusBadRequest || code == http.StatusConflict || code == http.StatusRequestEntityTooLarge || code == http.StatusUnprocessableEntity:
		return &sinks.Rejected{Code: "HTTP_" + strconv.Itoa(code), Class: "refused", Message: "the receiver refuses this page"}
	}
	return &cdc.Halt{Code: "notify-route-refused", Text: "a receiver refuses all pages, and so does the default route: correct the route's URL, or the key on either side", Err: failed}
}
