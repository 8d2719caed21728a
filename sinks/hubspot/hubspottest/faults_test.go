package hubspottest_test

import (
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"chartwire/sinks/hubspot/hubspottest"
)

func TestFaultsOfStatus(t *testing.T) {
	c := start(t, hubspottest.Options{})
	f := func(kind hubspottest.FaultKind, status int, parts ...string) reply {
		t.Helper()
		c.s.Inject(hubspottest.Fault{Kind: kind, Count: 1})
		r := c.call("GET", contacts, nil).expect(t, status, parts...)
		c.call("GET", contacts, nil).expect(t, 200)
		return r
	}
	f(hubspottest.TooManyBurst, 429, `"policyName":"TEN_SECONDLY_ROLLING"`)
	f(hubspottest.TooManyDaily, 429, `"policyName":"DAILY"`)
	f(hubspottest.TooManySearch, 429, `"policyName":"SECONDLY"`)
	f(hubspottest.BadToken, 401, "INVALID_AUTHENTICATION")
	f(hubspottest.NoScope, 403, "crm.objects.contacts.read")
	f(hubspottest.Locked, 423)
	f(hubspottest.InternalError, 500, "correlationId")
	f(hubspottest.BadGateway, 502, "<html>")
	f(hubspottest.Unavailable, 503)
	f(hubspottest.GatewayTimeout, 504, "<html>")
	if r := f(hubspottest.Migration, 477); r.header.Get("Retry-After") != "5" {
		t.Errorf("headers %v", r.header)
	}
	c.s.Inject(hubspottest.Fault{Kind: hubspottest.Unavailable, Count: 1, RetryAfter: 1500 * time.Millisecond})
	if r := c.call("GET", contacts, nil).expect(t, 503); r.header.Get("Retry-After") != "2" {
		t.Errorf("headers %v", r.header)
	}
}

func TestFaultsMatch(t *testing.T) {
	c := start(t, hubspottest.Options{Seed: 1})
	c.s.Inject(hubspottest.Fault{Kind: hubspottest.InternalError, Object: "tickets"})
	c.call("GET", contacts, nil).expect(t, 200)
	c.call("GET", tickets, nil).expect(t, 500)
	c.call("GET", "/crm/v3/objects/0-5", nil).expect(t, 500)
	c.s.Clear()
	id := c.s.Inject(hubspottest.Fault{Kind: hubspottest.InternalError, Path: "batch/upsert", Method: "POST", Skip: 1, Count: 2})
	c.call("POST", contacts+"/batch/upsert", m{}).expect(t, 400)
	c.call("POST", contacts+"/batch/upsert", m{}).expect(t, 500)
	if f := c.s.Faults(); len(f) != 1 || f[0].Hits != 1 || f[0].ID != id {
		t.Errorf("faults %+v", f)
	}
	c.s.Clear(id)
	c.call("POST", contacts+"/batch/upsert", m{}).expect(t, 400)

	c.s.Inject(hubspottest.Fault{Kind: hubspottest.Unavailable, Probability: 0.5})
	hit := 0
	for range 100 {
		if c.call("GET", "/crm/owners/2026-09", nil).status == 503 {
			hit++
		}
	}
	if hit < 30 || hit > 70 {
		t.Errorf("%d of 100 hit", hit)
	}
}

// TestAnswerLost is what makes an outcome unknown: the write is there, the
// answer is not.
func TestAnswerLost(t *testing.T) {
	c := withKey(t, hubspottest.Options{})
	f := func(kind hubspottest.FaultKind, key2 string, written int) {
		t.Helper()
		c.s.Inject(hubspottest.Fault{Kind: kind, Path: "batch/upsert", Count: 1})
		_, err := c.try("POST", contacts+"/batch/upsert", m{"inputs": []m{input(key2, "", props{})}})
		if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, io.EOF) {
			t.Errorf("%s: %v", kind, err)
		}
		if n := len(c.s.Find("contacts", key, key2)); n != written {
			t.Errorf("%s: %d records, want %d", kind, n, written)
		}
		calls := c.s.Calls()
		if last := calls[len(calls)-1]; last.Status != 0 || last.Applied != (written == 1) || last.Fault != kind {
			t.Errorf("call %+v", last)
		}
		c.upsert(input(key2, "", props{})).expect(t, 200)
		if n := len(c.s.Find("contacts", key, key2)); n != 1 {
			t.Errorf("%s: %d records after the repeat", kind, n)
		}
	}
	f(hubspottest.ConnectionReset, "P1", 0)
	f(hubspottest.AnswerLost, "P2", 1)

	c.s.Inject(hubspottest.Fault{Kind: hubspottest.GatewayTimeout, After: true, Count: 1})
	c.upsert(input("P3", "", props{})).expect(t, 504)
	if n := len(c.s.Find("contacts", key, "P3")); n != 1 {
		t.Error("the write behind a 504 is lost")
	}
}

func TestDown(t *testing.T) {
	c := start(t, hubspottest.Options{})
	id := c.s.Inject(hubspottest.Fault{Kind: hubspottest.Down})
	for range 3 {
		if r, err := c.try("GET", contacts, nil); err == nil {
			t.Fatalf("an answer while down: %d", r.status)
		}
	}
	c.s.Clear(id)
	c.call("GET", contacts, nil).expect(t, 200)
}

// TestLateWrite gives up on a slow answer; the write still arrives, late.
func TestLateWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := hubspottest.New(hubspottest.Options{Latency: hubspottest.Latency{Fixed: 100 * time.Millisecond}})
		c := inProcess(t, s)
		c.define("contacts", key, m{"hasUniqueValue": true})
		start := time.Now()
		c.upsert(input("P1", "", props{"firstname": "A"})).expect(t, 200)
		if d := time.Since(start); d != 100*time.Millisecond {
			t.Errorf("took %s", d)
		}
		s.Inject(hubspottest.Fault{Kind: hubspottest.Slow, Count: 1, Latency: hubspottest.Latency{Fixed: 4 * time.Second}})
		c.timeout = time.Second
		if _, err := c.try("POST", contacts+"/batch/upsert", m{"inputs": []m{input("P1", "", props{"firstname": "late"})}}); err == nil || !strings.Contains(err.Error(), "deadline") {
			t.Errorf("error %v", err)
		}
		c.timeout = 0
		c.upsert(input("P1", "", props{"firstname": "B"})).expect(t, 200)
		if got := s.Find("contacts", key, "P1")[0].Properties["firstname"]; got != "B" {
			t.Errorf("before: %s", got)
		}
		time.Sleep(5 * time.Second)
		if got := s.Find("contacts", key, "P1")[0].Properties["firstname"]; got != "late" {
			t.Errorf("after: %s", got)
		}
		s.Inject(hubspottest.Fault{Kind: hubspottest.SlowAnswer, Count: 1, Latency: hubspottest.Latency{Fixed: 4 * time.Second}})
		c.timeout = time.Second
		c.try("POST", contacts+"/batch/upsert", m{"inputs": []m{input("P1", "", props{"firstname": "C"})}})
		if got := s.Find("contacts", key, "P1")[0].Properties["firstname"]; got != "C" {
			t.Errorf("a slow answer held the write back: %s", got)
		}
		time.Sleep(5 * time.Second) // the answer that nobody waits for
	})
}

func TestLatencyTail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := inProcess(t, hubspottest.New(hubspottest.Options{Seed: 7}))
		c.s.SetLatency(hubspottest.Latency{Fixed: 50 * time.Millisecond, Tail: 20 * time.Millisecond})
		var sum, most time.Duration
		for range 100 {
			at := time.Now()
			c.call("GET", contacts, nil)
			d := time.Since(at)
			sum, most = sum+d, max(most, d)
			if d < 50*time.Millisecond || d > 250*time.Millisecond {
				t.Errorf("took %s", d)
			}
		}
		if mean := sum / 100; mean < 60*time.Millisecond || mean > 85*time.Millisecond || most < 100*time.Millisecond {
			t.Errorf("mean %s, most %s", mean, most)
		}
	})
}
