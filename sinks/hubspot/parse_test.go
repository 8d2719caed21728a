package hubspot

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"chartwire/sinks"
	"chartwire/sinks/outcall"
)

func TestRefusalsOfEveryShape(t *testing.T) {
	f := func(body string, want refusal) {
		t.Helper()
		e := parseError([]byte(body))
		got := e.refusals()[0]
		if got.property != want.property || got.code != want.code || got.existing != want.existing || got.correlation != want.correlation || strings.Join(got.traces, ",") != strings.Join(want.traces, ",") {
			t.Errorf("%s\n got %+v\nwant %+v", body, got, want)
		}
	}
	f(`{"status":"error","message":"Property values were not valid: [{\"isValid\":false,\"message\":\"Email address x is invalid\",\"error\":\"INVALID_EMAIL\",\"name\":\"email\"}]","correlationId":"c-1","category":"VALIDATION_ERROR"}`,
		refusal{property: "email", code: "INVALID_EMAIL", correlation: "c-1"})
	f(`{"status":"error","message":"Property \"foo_bar\" does not exist","errors":[{"message":"m","code":"PROPERTY_DOESNT_EXIST","context":{"propertyName":["foo_bar"]}}]}`,
		refusal{property: "foo_bar", code: "PROPERTY_DOESNT_EXIST"})
	f(`{"category":"CONFLICT","message":"Contact already exists. Existing ID: 171","context":{"objectWriteTraceId":["0"],"existingId":["171"]}}`,
		refusal{code: "CONFLICT", existing: "171", traces: []string{"0"}})
	f(`{"category":"CONFLICT","message":"Contact already exists. Existing ID: 99","context":{"objectWriteTraceId":7}}`,
		refusal{code: "CONFLICT", existing: "99", traces: []string{"7"}})
	f(`{"category":"VALIDATION_ERROR","errorType":"UNIQUE_VALUE_CONFLICT","message":"Cannot set PropertyValueCoordinates{portalId=1, propertyName=aggregation_key_id, value=A} on null. 55 already has that value."}`,
		refusal{property: "aggregation_key_id", code: "UNIQUE_VALUE_CONFLICT", existing: "55"})
	f(`not json`, refusal{})
	f(`{"message":5,"errors":"none","context":[]}`, refusal{})
	f(`{"message":"[{\"isValid\":true,\"name\":\"a\"}] [{"}`, refusal{})
}

func TestRedact(t *testing.T) {
	w := &sinks.Write{Record: sinks.Record{Key: "P-00017"}, Properties: []sinks.Property{
		{Name: "firstname", State: sinks.Set, Value: "Annabel"}, {Name: "gender", State: sinks.Set, Value: "F"},
		{Name: "tags", State: sinks.Set, Value: "alpha;omega"}, {Name: "notes", State: sinks.Set, Value: "a very long note about the patient"},
		{Name: "gone", State: sinks.Clear, Value: "value"},
	}}
	f := func(message, want string) {
		t.Helper()
		if got := redact(message, "424242424", w); got != want {
			t.Errorf("%q became %q, want %q", message, got, want)
		}
	}
	f("ANNABEL is not allowed", "… is not allowed")
	f("F is not one of: Female, F, Fax", "… is not one of: Female, …, Fax")
	f("omega was not one of the allowed options", "… was not one of the allowed options")
	f("a very long note about th… is too long", "…… is too long")
	f("someone else's mail x.y@example.org is taken", "someone else's mail … is taken")
	f("Contact already exists. Existing ID: 424242424", "Contact already exists. Existing ID: 424242424")
	f("phone +1 (212) 555-0100 is wrong", "phone +… is wrong")
	f("the value of p-00017 is taken", "the value of … is taken")
	f("a value stays", "a value stays")
}

func TestRetryAfterHeader(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	f := func(text string, want time.Duration) {
		t.Helper()
		if got := outcall.RetryAfter(http.Header{"Retry-After": {text}}, now); got != want {
			t.Errorf("%q is %s, want %s", text, got, want)
		}
	}
	f("", 0)
	f("3", 3*time.Second)
	f("10000", 10*time.Second) // milliseconds
	f("99999999999999", 10*time.Minute)
	f("-1", 0)
	f("soon", 0)
	f("Fri, 02 Jan 2026 03:04:35 GMT", 30*time.Second)
}

func TestSame(t *testing.T) {
	f := func(sent, stored string, want bool) {
		t.Helper()
		if got := same(sent, stored); got != want {
			t.Errorf("same(%q, %q) = %v", sent, stored, got)
		}
	}
	f("Ann@X.org ", "ann@x.org", true)
	f("12.50", "12.5", true)
	f("12.50", "12.51", false)
	f("2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000Z", true)
	f("b;a", "a;b", true)
	f(";c", "a;c", true)
	f(";c", "a;b", false)
	f("1e99999999", "1", false)
	f("lead", "customer", false)
}

func TestMidnightOfTheAccount(t *testing.T) {
	eastern, err := time.LoadLocation("US/Eastern")
	if err != nil {
		t.Skip("no time zone database")
	}
	d := day{zone: eastern}
	// The day on which clocks go back has 25 hours.
	start := time.Date(2026, 11, 1, 0, 0, 0, 0, eastern)
	if got := d.midnight(start).Sub(start); got != 25*time.Hour {
		t.Errorf("that day has %s", got)
	}
}

// FuzzError holds the parsers of HubSpot's words to three things: they end,
// what is kept of a message never holds a value of the record, and no property
// is named that the record does not have.
func FuzzError(f *testing.F) {
	f.Add(`{"message":"Property values were not valid: [{\"isValid\":false,\"message\":\"Annabel is bad\",\"error\":\"INVALID_EMAIL\",\"name\":\"email\"}]"}`, "Annabel")
	f.Add(`{"category":"CONFLICT","message":"x already has. Existing ID: 12","errors":[{"context":{"objectWriteTraceId":["t"]},"errors":[{"errors":[{"errors":[]}]}]}]}`, "already")
	f.Add(`{"errors":[{"message":"[{\"error\":\"x\"}]","code":"AAAA","context":{"propertyName":["zip"],"ids":[""]}}]}`, "AAAA")
	f.Add(`[`, "İstanbul")
	f.Fuzz(func(t *testing.T, body, value string) {
		if len([]rune(strings.TrimSpace(value))) < 4 {
			t.Skip() // a short value may be part of any word
		}
		it := &item{Write: &sinks.Write{Record: sinks.Record{Object: "contacts", Property: "pid", Key: "P-00017"}, Properties: []sinks.Property{
			{Name: "zip", State: sinks.Set, Value: value}, {Name: "email", State: sinks.Set, Value: "ann@example.org"},
		}}, values: map[string]string{"zip": value, "email": "ann@example.org"}}
		e := parseError([]byte(body))
		refs := e.refusals()
		r := rejected(it, refs)
		if r.Property != "" && r.Property != "zip" && r.Property != "email" {
			t.Errorf("names the property %q", r.Property)
		}
		if r.Code == "" || r.Class == "" || r.Message == "" {
			t.Errorf("incomplete: %+v", r)
		}
		for _, secret := range []string{value, "P-00017", "ann@example.org"} {
			secret = string(fold([]rune(strings.TrimSpace(secret))))
			if said := string(fold([]rune(r.Message))); strings.Contains(said, secret) && !ours(secret) {
				t.Errorf("message %q holds %q", r.Message, secret)
			}
		}
		if h := haltOf("contacts", refs); h != nil && len(h.Text) > 1000 {
			t.Errorf("halt of %d bytes", len(h.Text))
		}
		for i := range refs {
			find := newFinder([]*item{it})
			find.named(&refs[i])
		}
	})
}

// ours reports whether a text stands in the words that the sink itself adds.
func ours(text string) bool {
	for _, words := range []string{"HubSpot gives no words", " (cut)", "property zip is required: ", "property email is required: "} {
		if strings.Contains(string(fold([]rune(words))), text) || strings.Contains(text, blank) {
			return true
		}
	}
	return false
}

// answers is HubSpot saying the same whatever it is asked.
type answers struct {
	text  string
	calls int
}

func (a *answers) RoundTrip(r *http.Request) (*http.Response, error) {
	a.calls++
	return &http.Response{StatusCode: http.StatusMultiStatus, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(a.text)), Request: r}, nil
}

// FuzzBatchAnswer holds that every write has a result, whatever comes back:
// an id, or an error; and that the calls end.
func FuzzBatchAnswer(f *testing.F) {
	f.Add(`{"results":[{"id":"1","objectWriteTraceId":"t0","properties":{"pid":"a"}}]}`)
	f.Add(`{"results":[{"id":"1","properties":{"pid":null}}],"errors":[{"context":{"ids":["B"]}}]}`)
	f.Add(`{"results":[{"id":"7","objectWriteTraceId":"t2"},{"objectWriteTraceId":"t1"}],"errors":[{"code":"X","context":{"objectWriteTraceId":["t0"]}}]}`)
	f.Add(`{}`)
	f.Fuzz(func(t *testing.T, text string) {
		said := &answers{text: text}
		s, err := New(Config{BaseURL: "http://127.0.0.1:1", PortalID: 1, Transport: said, Token: func() (string, error) { return "t", nil }})
		if err != nil {
			t.Fatal(err)
		}
		writes := make([]sinks.Write, 3)
		for i, key := range []string{"a", "b", "B"} {
			writes[i] = sinks.Write{Trace: "t" + strconv.Itoa(i), Record: sinks.Record{Object: "contacts", Property: "pid", Key: key}}
		}
		for i, r := range s.Apply(t.Context(), writes) {
			if (r.ID == "") == (r.Err == nil) {
				t.Errorf("write %d: id %q and error %v", i, r.ID, r.Err)
			}
		}
		if said.calls > 6 {
			t.Errorf("%d calls for three writes", said.calls)
		}
	})
}
