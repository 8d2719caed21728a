package hubspottest_test

import (
	"strings"
	"testing"

	"chartwire/sinks/hubspot/hubspottest"
)

// TestValues sends one value of a property by upsert: it is stored as want, or
// refused with a code.
func TestValues(t *testing.T) {
	c := withKey(t, hubspottest.Options{})
	c.define("contacts", "d", m{"type": "date", "fieldType": "date"})
	c.define("contacts", "t", m{"type": "datetime", "fieldType": "date"})
	c.define("contacts", "n", m{"type": "number", "fieldType": "number"})
	c.define("contacts", "b", m{"type": "bool", "fieldType": "booleancheckbox"})
	opts := []m{{"label": "Red", "value": "red"}, {"label": "Blue", "value": "blue"}}
	c.define("contacts", "e", m{"type": "enumeration", "fieldType": "select", "options": opts})
	c.define("contacts", "es", m{"type": "enumeration", "fieldType": "checkbox", "options": opts})
	f := func(name, value, want, code string) {
		t.Helper()
		r := c.upsert(input("P", "", props{name: value}))
		if code != "" {
			r.expect(t, 400, `"code":"`+code+`"`, `"propertyName":["`+name+`"]`)
			return
		}
		r.expect(t, 200)
		if got := r.str("results", 0, "properties", name); got != want {
			t.Errorf("%s %q stored as %q, want %q", name, value, got, want)
		}
	}
	f("firstname", "  Ann ", "Ann", "")
	f("firstname", "", "", "")
	f("firstname", strings.Repeat("x", 65536), strings.Repeat("x", 65536), "")
	f("firstname", strings.Repeat("x", 65537), "", "PROPERTY_VALUE_TOO_LONG")
	f("firstname", strings.Repeat("ü", 65536), strings.Repeat("ü", 65536), "")
	f("firstname", "a\"b\\c\n<d>", "a\"b\\c\n<d>", "")
	f("city", ";not a list", ";not a list", "")
	f("email", "X.Y+z@Example.Co.UK", "x.y+z@example.co.uk", "")
	for _, bad := range []string{"x", "x@", "x@y", "x@example.con", "x y@example.com", "x@example.test", ".x@example.com", "x@-example.com"} {
		f("email", bad, "", "INVALID_EMAIL")
	}
	f("d", "2026-01-02", "2026-01-02", "")
	f("d", "1767312000000", "2026-01-02", "")
	f("d", "2026-01-02T00:00:00Z", "2026-01-02", "")
	f("d", "1767312000001", "", "INVALID_DATE")
	f("d", "2026-01-02T00:00:00-05:00", "", "INVALID_DATE")
	f("d", "0000-00-00", "", "INVALID_LONG")
	f("d", "2026-02-30", "", "INVALID_LONG")
	f("d", "01/02/2026", "", "INVALID_LONG")
	f("t", "2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z", "")
	f("t", "2026-01-02T03:04:05.120Z", "2026-01-02T03:04:05.120Z", "")
	f("t", "2026-01-02T03:04:05-05:00", "2026-01-02T08:04:05Z", "")
	f("t", "1767323045000", "2026-01-02T03:04:05Z", "")
	f("t", "2026-01-02 03:04:05", "", "INVALID_LONG")
	f("n", "12.50", "12.5", "")
	f("n", "-0.0", "0", "")
	f("n", "123456789012345678901234567890.123", "123456789012345678901234567890.123", "")
	for _, bad := range []string{"1,000", "1e3", "NaN", "<0.1", ".", "$5", "0x1"} {
		f("n", bad, "", "INVALID_NUMBER")
	}
	f("b", "true", "true", "")
	f("b", "1", "", "INVALID_OPTION")
	f("b", "True", "", "INVALID_OPTION")
	f("e", " red ", "red", "")
	f("e", "Red", "", "INVALID_OPTION") // the value, not the label
	f("es", "red", "red", "")
	f("es", ";blue", "red;blue", "")
	f("es", ";blue", "red;blue", "")
	f("es", "blue;green", "", "INVALID_OPTION")
	f("hs_lead_status", "NEW", "NEW", "")
	f("hubspot_owner_id", "74110201", "74110201", "")
	f("hubspot_owner_id", "74110204", "", "INVALID_OPTION") // has left
	f("hubspot_owner_id", "nora", "", "INVALID_OPTION")
	for _, fixed := range []string{"hs_object_id", "createdate", "lastmodifieddate", "hs_analytics_source", "num_associated_deals"} {
		f(fixed, "1", "", "READ_ONLY_VALUE")
	}
	f("hs_stage", "1", "", "PROPERTY_DOESNT_EXIST")
}

// The message of a bad date is the one that people find in the web.
func TestDateMessage(t *testing.T) {
	c := withKey(t, hubspottest.Options{})
	c.define("contacts", "d", m{"type": "date", "fieldType": "date"})
	c.upsert(input("P", "", props{"d": "1496643178000"})).expect(t, 400, "1496643178000 is at 6:12:58.0 UTC, not midnight!")
}

func TestLifecycleGoesForwardOnly(t *testing.T) {
	c := withKey(t, hubspottest.Options{})
	f := func(send, want string) {
		t.Helper()
		r := c.upsert(input("P", "", props{"lifecyclestage": send})).expect(t, 200)
		if got := r.str("results", 0, "properties", "lifecyclestage"); got != want {
			t.Errorf("sent %q, stored %q, want %q", send, got, want)
		}
	}
	f("lead", "lead")
	f("customer", "customer")
	f("lead", "customer") // success, and nothing changed
	f("", "")
	f("lead", "lead")
	if h := c.s.Find("contacts", key, "P")[0].History["lifecyclestage"]; len(h) != 4 {
		t.Errorf("history %+v", h)
	}
}

func TestRequiredRules(t *testing.T) {
	c := withKey(t, hubspottest.Options{Required: map[string][]string{"contacts": {"lastname", "city"}}})
	in := m{"inputs": []m{input("P", "", props{"firstname": "A", "city": "X"})}}
	c.call("POST", contacts+"/batch/upsert", in).expect(t, 400, "Error creating CONTACT. Some required properties were not set.", `"context":{"properties":["lastname"]}`, `"code":"REQUIRED_PROPERTY"`)
	// Older versions do not enforce the rule, and it is none for updates.
	for _, base := range []string{"/crm/v3/objects/contacts", "/crm/objects/2026-03/contacts", contacts} {
		c.call("POST", base+"/batch/upsert", in).expect(t, 200)
	}
	c.s.SetRequired("contacts")
	c.upsert(input("Q", "", props{})).expect(t, 200)
}

func TestValidationRules(t *testing.T) {
	c := withKey(t, hubspottest.Options{})
	c.s.SetValidation("contacts", "phone", hubspottest.Validation{RuleType: "PHONE_NUMBER_WITH_EXPLICIT_COUNTRY_CODE"})
	c.s.SetValidation("contacts", "zip", hubspottest.Validation{RuleType: "REGEX", RuleArguments: []string{"[0-9]{5}"}})
	c.s.SetValidation("contacts", "city", hubspottest.Validation{RuleType: "MAX_LENGTH", RuleArguments: []string{"3"}})
	f := func(p props, status int) { t.Helper(); c.upsert(input("P", "", p)).expect(t, status) }
	f(props{"phone": "+1 555 010 9999"}, 200)
	f(props{"phone": "555 010 9999"}, 400)
	f(props{"zip": "12345", "city": "Rye"}, 200)
	f(props{"zip": "1234"}, 400)
	f(props{"city": "Yonkers"}, 400)
	f(props{"zip": "", "phone": ""}, 200)
	c.call("GET", "/crm/property-validations/2026-09/0-1", nil).expect(t, 200, `"propertyName":"zip"`, `"ruleType":"REGEX"`)
	c.call("GET", "/crm/v3/property-validations/0-1/zip", nil).expect(t, 200, "[0-9]{5}")
}

func TestTickets(t *testing.T) {
	c := start(t, hubspottest.Options{})
	c.define("tickets", key, m{"hasUniqueValue": true})
	f := func(p props, status int, parts ...string) reply {
		t.Helper()
		return c.call("POST", tickets+"/batch/upsert", m{"inputs": []m{input("T", "", p)}}).expect(t, status, parts...)
	}
	f(props{}, 400, "Error creating TICKET. Some required properties were not set.", `"properties":["subject","hs_pipeline_stage"]`)
	f(props{"subject": "S", "hs_pipeline_stage": "New"}, 400, "New was not one of the allowed options: [1, 2, 3, 4]")
	f(props{"subject": "S", "hs_pipeline": "7", "hs_pipeline_stage": "1"}, 400, `"propertyName":["hs_pipeline"]`)
	f(props{"subject": "S", "hs_pipeline_stage": "1", "hs_ticket_priority": "CRITICAL"}, 400, "[LOW, MEDIUM, HIGH, URGENT]")
	r := f(props{"subject": "S", "hs_pipeline_stage": "1", "hs_ticket_priority": "URGENT"}, 200, `"new":true`)
	if r.str("results", 0, "properties", "hs_pipeline") != "0" {
		t.Errorf("no pipeline: %s", r.raw)
	}
	f(props{"content": "C"}, 200, `"new":false`)

	p := c.call("POST", "/crm/pipelines/2026-09/tickets", m{"label": "Labs", "displayOrder": 1, "stages": []m{{"label": "Open", "displayOrder": 0, "metadata": m{"ticketState": "OPEN"}}}}).expect(t, 201)
	stage := p.str("stages", 0, "id")
	f(props{"hs_pipeline_stage": stage}, 400, `"propertyName":["hs_pipeline_stage"]`)
	f(props{"hs_pipeline": p.str("id"), "hs_pipeline_stage": stage}, 200)
	c.call("GET", "/crm/v3/pipelines/tickets", nil).expect(t, 200, "Support Pipeline", "Labs", `"ticketState":"CLOSED"`)
	c.call("GET", "/crm/pipelines/2026-09/0-5/0/stages", nil).expect(t, 200, "Waiting on us")
	c.call("POST", "/crm/pipelines/2026-09/tickets", m{"label": "Labs", "stages": []m{{"label": "x"}}}).expect(t, 409)
	c.call("GET", "/crm/pipelines/2026-09/contacts", nil).expect(t, 400)
}
