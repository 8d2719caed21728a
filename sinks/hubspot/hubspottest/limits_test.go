package hubspottest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"chartwire/sinks/hubspot/hubspottest"
)

func TestRollingWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := inProcess(t, hubspottest.New(hubspottest.Options{Limits: hubspottest.Limits{Burst: 10, Daily: 1000}}))
		get := func(status int, parts ...string) reply {
			t.Helper()
			return c.call("GET", contacts, nil).expect(t, status, parts...)
		}
		for i := range 10 {
			if i == 5 {
				time.Sleep(4 * time.Second)
			}
			r := get(200)
			want := map[string]string{
				"Daily": "1000", "Max": "10", "Interval-Milliseconds": "10000", "Secondly": "1",
				"Remaining": string(rune('0' + 9 - i)),
			}
			for name, v := range want {
				if got := r.header.Get("X-HubSpot-RateLimit-" + name); got != v {
					t.Errorf("call %d: %s is %q, want %q", i, name, got, v)
				}
			}
		}
		r := get(429, `"policyName":"TEN_SECONDLY_ROLLING"`, "You have reached your ten_secondly_rolling limit.", `"errorType":"RATE_LIMIT"`, "correlationId", "requestId")
		if r.header.Get("X-HubSpot-RateLimit-Remaining") != "0" || r.header.Get("Retry-After") != "" {
			t.Errorf("headers %v", r.header)
		}
		// The window rolls: ten seconds after the first five, five are free. Refused calls did not count.
		time.Sleep(5*time.Second + 999*time.Millisecond)
		get(429)
		time.Sleep(time.Millisecond)
		for range 5 {
			get(200)
		}
		get(429)
		// Another token has a window of its own.
		c.s.SetToken("other")
		c.token = "other"
		get(200)
	})
}

func TestSearchHasItsOwnLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := inProcess(t, hubspottest.New(hubspottest.Options{Limits: hubspottest.Limits{Burst: 1}}))
		c.call("GET", contacts, nil).expect(t, 200)
		for range 5 {
			r := c.call("POST", contacts+"/search", m{}).expect(t, 200)
			if r.header.Get("X-HubSpot-RateLimit-Max") != "" {
				t.Error("a search answers with rate headers")
			}
		}
		c.call("POST", contacts+"/search", m{}).expect(t, 429, `"policyName":"SECONDLY"`, "You have reached your secondly limit.")
		time.Sleep(time.Second)
		c.call("POST", contacts+"/search", m{}).expect(t, 200)
	})
}

func TestDailyLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := inProcess(t, hubspottest.New(hubspottest.Options{TimeZone: "US/Eastern", Limits: hubspottest.Limits{Daily: 100}}))
		c.s.SpendDaily(98)
		usage := "/account-info/2026-09/api-usage/daily/private-apps"
		r := c.call("GET", usage, nil).expect(t, 200, `"usageLimit":100`, `"currentUsage":99`)
		resets, err := time.Parse(time.RFC3339, r.str("results", 0, "resetsAt"))
		if err != nil || resets.UTC().Hour() != 5 { // midnight in the east, in winter
			t.Errorf("resets at %s: %v", resets, err)
		}
		c.call("GET", contacts, nil).expect(t, 200)
		r = c.call("GET", contacts, nil).expect(t, 429, `"policyName":"DAILY"`)
		if r.header.Get("X-HubSpot-RateLimit-Daily-Remaining") != "0" {
			t.Errorf("headers %v", r.header)
		}
		time.Sleep(time.Until(resets))
		c.call("GET", contacts, nil).expect(t, 200)
		c.call("GET", usage, nil).expect(t, 200, `"currentUsage":2`)
		c.call("GET", contacts, nil).expect(t, 200)
		c.call("GET", usage, nil).expect(t, 200, `"currentUsage":2`) // cached
	})
}

func TestTokensAndScopes(t *testing.T) {
	c := start(t, hubspottest.Options{})
	c.s.SetToken("reader", "crm.objects.contacts.read")
	c.token = "nobody"
	c.call("GET", contacts, nil).expect(t, 401, `"category":"INVALID_AUTHENTICATION"`, "correlationId")
	c.token = "reader"
	c.call("GET", contacts, nil).expect(t, 200)
	c.call("POST", contacts+"/search", m{}).expect(t, 200)
	c.call("POST", contacts+"/batch/read", m{"inputs": []m{{"id": "1"}}}).expect(t, 207)
	c.call("POST", contacts, m{"properties": props{}}).expect(t, 403, `"category":"MISSING_SCOPES"`, `"requiredGranularScopes":["crm.objects.contacts.write"]`)
	c.call("GET", "/crm/properties/2026-09/contacts", nil).expect(t, 403, "crm.schemas.contacts.read")
	c.call("GET", "/crm/owners/2026-09", nil).expect(t, 403, "crm.objects.owners.read")
	c.s.SetToken("support", "tickets")
	c.token = "support"
	c.call("POST", tickets, m{"properties": props{"subject": "S", "hs_pipeline_stage": "1"}}).expect(t, 201)
	c.s.RevokeToken("support")
	c.call("GET", tickets, nil).expect(t, 401)
}

func TestSensitiveValuesNeedScopes(t *testing.T) {
	c := withKey(t, hubspottest.Options{})
	c.define("contacts", "allergies", m{"dataSensitivity": "sensitive"})
	c.upsert(input("P", "", props{"allergies": "nuts"})).expect(t, 200)
	c.s.SetToken("plain", "crm.objects.contacts.read", "crm.objects.contacts.write")
	c.token = "plain"
	c.upsert(input("P", "", props{"allergies": "none"})).expect(t, 403, "crm.objects.contacts.sensitive.write.v2")
	c.call("GET", contacts+"/P?idProperty="+key+"&properties=allergies", nil).expect(t, 403, "crm.objects.contacts.sensitive.read.v2")
	c.upsert(input("P", "", props{"city": "Rye"})).expect(t, 200)
}

func TestUnknownPathsAndLongOnes(t *testing.T) {
	c := start(t, hubspottest.Options{})
	c.call("GET", "/crm/v9/objects/contacts", nil).expect(t, 404)
	c.call("GET", "/", nil).expect(t, 404)
	c.call("GET", contacts+"?properties="+string(make20k()), nil).expect(t, 414)
	c.call("POST", "/crm-object-schemas/2026-09/schemas", m{}).expect(t, 501)
	c.call("GET", "/_sim/", nil).expect(t, 404) // not switched on
}

func make20k() []byte {
	b := make([]byte, 20_000)
	for i := range b {
		b[i] = 'x'
	}
	return b
}
