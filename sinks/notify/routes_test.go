package notify_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"chartwire/cdc"
	"chartwire/sinks"
	"chartwire/sinks/notify"
	"chartwire/sinks/notify/notifytest"
)

func send(t *testing.T, s *notify.Sink, w sinks.Write) error {
	t.Helper()
	return s.Apply(t.Context(), []sinks.Write{w})[0].Err
}

func mustSend(t *testing.T, s *notify.Sink, w sinks.Write) {
	t.Helper()
	if err := send(t, s, w); err != nil {
		t.Fatal(err)
	}
}

func TestPageCarriesNoPatient(t *testing.T) {
	s, r := setup(t, nil)
	mustSend(t, s, page(17, set("route", "dr-lee")))
	got := r.Pages()
	if len(got) != 1 {
		t.Fatalf("%d pages", len(got))
	}
	p := got[0]
	if p.Path != "/lee" || p.Route != "dr-lee" || p.Severity != "critical" || p.Title != "Critical laboratory result" || p.Record.Object != "tickets" {
		t.Errorf("page %+v", p)
	}
	if p.Link != "https://chartwire.example.com/r/"+p.Record.Reference || p.Record.Reference == "" {
		t.Errorf("link %s", p.Link)
	}
	body, err := json.Marshal(p.Page)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(body), "00017") {
		t.Errorf("the page holds the patient's key: %s", body)
	}
	mustSend(t, s, page(17, set("route", "dr-lee")))
	if again := r.Pages(); len(again) != 1 || again[0].Copies != 2 {
		t.Errorf("sent twice: %d pages", len(again))
	}
	if r.Forged() > 0 {
		t.Error("a page was not signed rightly")
	}
}

func TestPatientDataIsRefused(t *testing.T) {
	s, r := setup(t, nil)
	text := set("text", "Ann Canary, potassium 6.9")
	text.PHI = true
	w := page(1)
	w.Properties[1] = text
	err := send(t, s, w)
	if err == nil || !strings.Contains(err.Error(), "PATIENT_DATA") || strings.Contains(err.Error(), "Canary") {
		t.Errorf("%v", err)
	}
	if len(r.Pages()) != 0 {
		t.Error("it was sent")
	}
}

func TestRouteMissing(t *testing.T) {
	s, r := setup(t, func(c *notify.Config) { c.Needs = []string{"dr-lee", "dr-who", "night"} })
	err := s.Open(t.Context())
	if cdc.HaltCode(err) != "notify-route-missing" || !strings.Contains(err.Error(), "dr-who, night; configured are default, dr-lee") {
		t.Errorf("%v", err)
	}
	// One that comes up all the same is told to somebody.
	mustSend(t, s, page(1, set("route", "dr-who")))
	if got := r.Pages(); len(got) != 1 || got[0].Path != "/default" || got[0].Misrouted != "dr-who" {
		t.Errorf("pages %+v", got)
	}
}

func TestRouteThatRefusesFallsBack(t *testing.T) {
	s, r := setup(t, nil)
	r.Fail(notifytest.Fault{Path: "/lee", Status: http.StatusGone})
	mustSend(t, s, page(1, set("route", "dr-lee")))
	if got := r.Pages(); len(got) != 1 || got[0].Path != "/default" || got[0].Misrouted != "dr-lee" {
		t.Errorf("pages %+v", got)
	}
	r.Fail(notifytest.Fault{Status: http.StatusNotFound}, notifytest.Fault{Status: http.StatusFound})
	if err := send(t, s, page(2, set("route", "dr-lee"))); cdc.HaltCode(err) != "notify-route-refused" {
		t.Errorf("both refuse: %v", err)
	}
}

func TestForgedPagesAreRefused(t *testing.T) {
	r := notifytest.New(key)
	body := `{"id":"x"}`
	now := time.Now()
	f := func(name, id, stamp, signature string) {
		t.Helper()
		h := http.Header{}
		h.Set(notify.HeaderID, id)
		h.Set(notify.HeaderTimestamp, stamp)
		h.Set(notify.HeaderSignature, signature)
		if _, err := notify.Verify(key, h, []byte(body), now); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	stamp := func(at time.Time) string { return jsonNumber(at.Unix()) }
	good := stamp(now)
	f("no signature", "x", good, "")
	f("other key", "x", good, notify.Sign("another key of some length", "x", good, []byte(body)))
	f("other id", "y", good, notify.Sign(key, "x", good, []byte(body)))
	f("other body", "x", good, notify.Sign(key, "x", good, []byte(`{"id":"y"}`)))
	f("id with a point", "x.1", good, notify.Sign(key, "x.1", good, []byte(body)))
	f("no time", "x", "now", notify.Sign(key, "x", "now", []byte(body)))
	old := stamp(now.Add(-6 * time.Minute))
	f("old", "x", old, notify.Sign(key, "x", old, []byte(body)))
	future := stamp(now.Add(6 * time.Minute))
	f("from the future", "x", future, notify.Sign(key, "x", future, []byte(body)))
	h := http.Header{}
	h.Set(notify.HeaderID, "x")
	h.Set(notify.HeaderTimestamp, good)
	h.Set(notify.HeaderSignature, notify.Sign(key, "x", good, []byte(body)))
	if id, err := notify.Verify(key, h, []byte(body), now); err != nil || id != "x" {
		t.Errorf("the true page: %q, %v", id, err)
	}
	if r.Forged() != 0 {
		t.Error("the receiver saw something")
	}
}

func jsonNumber(n int64) string {
	b, _ := json.Marshal(n)
	return string(b)
}

func TestConfigSaysEverythingAtOnce(t *testing.T) {
	_, err := notify.New(notify.Config{
		Routes: map[string]notify.Route{
			"a": {URL: "http://pager.example.com/x", Second: "b"},
			"c": {URL: "https://user:pw@pager.example.com", Second: "c", After: time.Second},
		},
		AckURL: "ftp://x", Watchdog: notify.Watchdog{URL: "nowhere"}, CallTimeout: time.Hour,
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"no key", `no route "default"`, "route a: url: only https", `route a: second: "b" is no other route`,
		"route c: url", `route c: second: "c"`, "route c: after 1s", "acknowledgements", "watchdog", "call timeout 1h"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("missing %q in: %v", want, err)
		}
	}
}

func TestShortKeyHalts(t *testing.T) {
	s, _ := setup(t, func(c *notify.Config) { c.Key = func() (string, error) { return "short", nil } })
	if err := s.Open(t.Context()); cdc.HaltCode(err) != "notify-key" {
		t.Errorf("%v", err)
	}
}
