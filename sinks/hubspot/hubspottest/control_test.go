package hubspottest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"chartwire/sinks/hubspot/hubspottest"
)

func TestControl(t *testing.T) {
	c := start(t, hubspottest.Options{Control: true})
	c.define("contacts", key, m{"hasUniqueValue": true})
	id := c.contact(props{key: "P1", "firstname": "<b>Ann</b>"})

	r := c.call("GET", "/_sim/records?object=contacts", nil).expect(t, 200, `"Writes":{`, id)
	c.call("GET", "/_sim/records?object=contacts&property="+key+"&value=P2", nil).expect(t, 200, "[]")
	c.call("GET", "/_sim/records?object=widgets", nil).expect(t, 400)
	r = c.call("GET", "/_sim/calls", nil).expect(t, 200, contacts)
	if r.len("counts") != 2 || r.len("newest") != 2 {
		t.Errorf("calls %s", r.raw)
	}

	c.call("POST", "/_sim/faults", m{"kind": "477", "count": 1, "retry_after": "7s", "object": "contacts"}).expect(t, 200, `"id":1`)
	c.call("GET", "/_sim/faults", nil).expect(t, 200, `"retry_after":"7s"`)
	if r := c.call("GET", contacts, nil).expect(t, 477); r.header.Get("Retry-After") != "7" {
		t.Errorf("headers %v", r.header)
	}
	c.call("POST", "/_sim/faults", m{"kind": "down"}).expect(t, 200)
	if _, err := c.try("GET", contacts, nil); err == nil {
		t.Error("an answer while down")
	}
	c.call("DELETE", "/_sim/faults?id=2", nil).expect(t, 200)
	c.call("GET", contacts, nil).expect(t, 200)
	c.call("POST", "/_sim/faults", m{"kind": "418"}).expect(t, 400, "one of")
	c.call("POST", "/_sim/faults", m{"kind": "slow", "latency": "2"}).expect(t, 400)
	c.call("POST", "/_sim/faults", m{"knd": "slow"}).expect(t, 400)
	c.call("POST", "/_sim/latency", m{"fixed": "1ms", "tail": "0s"}).expect(t, 200)

	c.call("POST", "/_sim/edit", m{"object": "contacts", "id": id, "properties": props{"city": "Rye"}}).expect(t, 200)
	c.call("GET", contacts+"/"+id+"?properties=city", nil).expect(t, 200, "Rye")
	c.call("POST", "/_sim/edit", m{"object": "contacts", "id": "1", "properties": props{}}).expect(t, 400)
	other := c.contact(props{key: "P2"})
	merged := c.call("POST", "/_sim/merge", m{"object": "contacts", "id": id, "other": other}).expect(t, 200).str("id")
	c.call("POST", "/_sim/archive", m{"object": "contacts", "id": merged}).expect(t, 200)
	c.call("GET", "/_sim/nothing", nil).expect(t, 404)
	c.call("POST", "/_sim/reset", nil).expect(t, 200)
	if n := len(c.s.Records("contacts")); n != 0 {
		t.Errorf("%d records after a reset", n)
	}
}

func TestPage(t *testing.T) {
	c := start(t, hubspottest.Options{Control: true})
	c.define("contacts", key, m{"hasUniqueValue": true})
	id := c.contact(props{key: "P1", "firstname": "<b>Ann</b>"})
	c.call("PATCH", contacts+"/"+id, m{"properties": props{"firstname": "Bea", "city": "Rye"}}).expect(t, 200)
	page := c.call("GET", "/_sim/", nil).expect(t, 200, "Contacts", "P1", "Bea", contacts+"/{id}", "take it down")
	if !strings.HasPrefix(page.header.Get("Content-Type"), "text/html") || strings.Contains(page.raw, "http://") || strings.Contains(page.raw, "https://") {
		t.Error("the page is no page of its own")
	}
	c.call("GET", "/_sim/?object=contacts&q=Rye", nil).expect(t, 200, "Found", id)
	c.call("GET", "/_sim/?object=contacts&q=nobody", nil).expect(t, 200, "none")
	r := c.call("GET", "/_sim/record?object=contacts&id="+id, nil).expect(t, 200, "&lt;b&gt;Ann&lt;/b&gt;", "INTEGRATION")
	if strings.Contains(r.raw, "<b>Ann") {
		t.Error("a value is markup")
	}
	c.call("GET", "/_sim/record?object=contacts&id=1", nil).expect(t, 404)

	form := func(origin string, want int) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), "POST", c.url+"/_sim/faults", strings.NewReader(url.Values{"kind": {"503"}, "count": {"1"}, "latency": {""}}.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Origin", origin)
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("from %s: status %d, want %d", origin, resp.StatusCode, want)
		}
	}
	form("http://elsewhere.example", http.StatusForbidden)
	form(c.url, http.StatusSeeOther)
	c.call("GET", "/_sim/", nil).expect(t, 200, "Faults")
	c.call("GET", contacts, nil).expect(t, 503)
}

func TestPageShowsDealsAndLinks(t *testing.T) {
	c := start(t, hubspottest.Options{Control: true})
	a, d, p := c.contact(props{"firstname": "Ann"}), c.deal(props{"dealname": "Order 71", "amount": "49"}), c.product(props{"name": "Tea", "price": "7.5"})
	id := c.call("POST", dealContacts+"/labels", m{"label": "Buyer", "name": "buyer"}).expect(t, 200).at("results", 0, "typeId")
	c.call("POST", dealContacts+"/batch/create", inputs(typed(d, a, "USER_DEFINED", id))).expect(t, 201)
	c.call("GET", "/_sim/", nil).expect(t, 200, "Order 71 · 49", "Contract Sent", "1 linked", "Tea · 7.5", p)
	c.call("GET", "/_sim/record?object=deals&id="+d, nil).expect(t, 200, "Associations", a, "Ann", "Buyer")
	c.call("POST", "/_sim/faults", m{"kind": "429-burst", "path": "/crm/associations/", "object": "deals", "count": 1}).expect(t, 200)
	read := m{"inputs": []m{{"id": d}}}
	c.call("POST", dealContacts+"/batch/read", read).expect(t, 429, "TEN_SECONDLY_ROLLING")
	c.call("POST", dealContacts+"/batch/read", read).expect(t, 200)
}
