// Package outcall is what sinks that speak HTTP share: a client that carries
// secrets nowhere they were not meant for, and what a missing answer means.
package outcall

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"chartwire/sinks"
)

// Caller marks a call that its caller ended: it says nothing about the
// destination.
var Caller = errors.New("ended by the caller")

// NewClient makes a client for at most flying calls at a time. It follows no
// redirect: that would carry tokens and records to where nobody configured
// them to go. rt replaces the transport if not nil.
func NewClient(rt http.RoundTripper, flying int) *http.Client {
	if rt == nil {
		rt = &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
			ForceAttemptHTTP2:   true,
			MaxIdleConns:        flying + 4,
			MaxIdleConnsPerHost: flying + 4,
			IdleConnTimeout:     90 * time.Second,
			TLSHandshakeTimeout: 5 * time.Second,
		}
	}
	return &http.Client{Transport: rt, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
}

// Lost is a call without an answer. Unless the connection was never made, the
// destination may have carried it out.
func Lost(ctx context.Context, err error) *sinks.Unavailable {
	var op *net.OpError
	var dns *net.DNSError
	neverSent := errors.As(err, &dns) || errors.As(err, &op) && op.Op == "dial"
	cause := Bare(err)
	if errors.Is(ctx.Err(), context.Canceled) {
		cause = fmt.Errorf("%w: %w", Caller, ctx.Err())
	} else if ctx.Err() != nil {
		cause = fmt.Errorf("no answer within the call timeout: %w", ctx.Err())
	}
	return &sinks.Unavailable{Unknown: !neverSent, Err: cause}
}

// Bare takes the URL out of an error of net/http: ids and secrets stand in it.
func Bare(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// RetryAfter reads the header of that name: seconds, a date, or milliseconds
// as HubSpot sends in places; nobody means more than ten minutes by it.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if text == "" {
		return 0
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		wait := time.Duration(max(0, min(n, int64(time.Hour/time.Millisecond)))) * time.Millisecond
		if n <= 600 {
			wait *= 1000
		}
		return min(wait, 10*time.Minute)
	}
	if t, err := http.ParseTime(text); err == nil {
		return min(max(0, t.Sub(now)), 10*time.Minute)
	}
	return 0
}

// CheckURL refuses a URL whose calls could be read on the way: plain http is
// for this machine only.
func CheckURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil {
		return errors.New("a URL is https://host/path, without a user in it")
	}
	ip := net.ParseIP(u.Hostname())
	local := u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	if u.Scheme != "https" && (u.Scheme != "http" || !local) {
		return errors.New("only https, since what is sent could be read on the way; http is for this machine")
	}
	return nil
}
