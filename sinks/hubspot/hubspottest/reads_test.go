package hubspottest_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"chartwire/sinks/hubspot/hubspottest"
)

func TestReads(t *testing.T) {
	c := withKey(t, hubspottest.Options{})
	id := c.contact(props{key: "P1", "firstname": "Ann", "email": "a@example.com"})
	r := c.call("GET", contacts+"/"+id, nil).expect(t, 200, `"lastname":null`, `"firstname":"Ann"`, `"archived":false`)
	if r.str("properties", "hs_object_id") != id {
		t.Errorf("answer %s", r.raw)
	}
	c.call("PATCH", contacts+"/A@example.com?idProperty=email", m{"properties": props{"firstname": "Bea"}}).expect(t, 200, "Bea")
	r = c.call("GET", contacts+"/P1?idProperty="+key+"&properties=city,zip&propertiesWithHistory=firstname", nil).expect(t, 200, `"city":null`)
	if r.len("propertiesWithHistory", "firstname") != 2 || r.str("propertiesWithHistory", "firstname", 0, "value") != "Bea" || r.str("propertiesWithHistory", "firstname", 0, "sourceType") != "INTEGRATION" {
		t.Errorf("history, newest first: %s", r.raw)
	}
	c.call("GET", contacts+"/Ann?idProperty=firstname", nil).expect(t, 400, "non-unique")
	c.call("GET", contacts+"/1", nil).expect(t, 404, `"status":"error"`, "resource not found")
	c.call("PATCH", contacts+"/1", m{"properties": props{}}).expect(t, 404)

	read := m{"idProperty": key, "properties": []string{"firstname"}, "inputs": []m{{"id": "P1"}, {"id": "P8"}, {"id": "P9"}}}
	r = c.call("POST", contacts+"/batch/read", read).expect(t, 207, `"numErrors":1`, `"ids":["P8","P9"]`)
	if r.len("results") != 1 {
		t.Errorf("answer %s", r.raw)
	}
	c.call("POST", contacts+"/batch/read", m{"idProperty": "city", "inputs": []m{{"id": "x"}}}).expect(t, 400, "non-unique")

	c.call("GET", "/crm/v3/objects/contacts/"+id, nil).expect(t, 200)
	c.call("GET", "/crm/objects/2026-03/0-1/"+id, nil).expect(t, 200)
	c.call("GET", "/crm/objects/2025-09/contacts/"+id, nil).expect(t, 404)
	c.call("GET", "/crm/objects/2026-09/widgets/"+id, nil).expect(t, 400, "Unable to infer object type from: widgets")
	c.call("PUT", contacts+"/"+id, m{}).expect(t, 405)
}

func TestArchive(t *testing.T) {
	c := withKey(t, hubspottest.Options{})
	id := c.contact(props{key: "P1", "email": "a@example.com"})
	c.call("POST", contacts+"/batch/archive", m{"inputs": []m{{"id": id}, {"id": "7"}}}).expect(t, 204)
	c.call("GET", contacts+"/"+id, nil).expect(t, 404)
	c.call("GET", contacts+"/"+id+"?archived=true", nil).expect(t, 200, `"archived":true`, "archivedAt")
	c.call("DELETE", contacts+"/"+id, nil).expect(t, 204)
	if r := c.call("GET", contacts+"?archived=true", nil).expect(t, 200); r.len("results") != 1 {
		t.Errorf("answer %s", r.raw)
	}
	// Its unique values are free: a new record takes them.
	c.upsert(input("P1", "", props{"email": "a@example.com"})).expect(t, 200, `"new":true`)
	if n := len(c.s.Find("contacts", key, "P1")); n != 2 {
		t.Errorf("%d records, want the archived and the new one", n)
	}
	if got := c.s.Totals("contacts"); got.Archived != 1 || got.Created != 2 {
		t.Errorf("totals %+v", got)
	}
}

func TestMergeMakesANewID(t *testing.T) {
	c := withKey(t, hubspottest.Options{})
	a := c.contact(props{key: "P1", "email": "a@example.com", "firstname": "Ann"})
	b := c.contact(props{key: "P2", "email": "b@example.com", "firstname": "Bea", "city": "Rye"})
	r := c.call("POST", contacts+"/merge", m{"primaryObjectId": a, "objectIdToMerge": b}).expect(t, 200, "Ann")
	id := r.str("id")
	if id == a || id == b {
		t.Fatalf("the merged record kept id %s", id)
	}
	for _, old := range []string{a, b} {
		r := c.call("GET", contacts+"/"+old+"?properties=city,firstname,hs_merged_object_ids,hs_additional_emails", nil).expect(t, 200, "Rye", a+";"+b, "b@example.com")
		if r.str("id") != id {
			t.Errorf("%s leads to %s, not %s", old, r.str("id"), id)
		}
	}
	if r := c.call("GET", contacts, nil).expect(t, 200); r.len("results") != 1 {
		t.Errorf("the list shows merged-away records: %s", r.raw)
	}
	// Of the unique keys only the primary's survived: the other one makes a duplicate.
	c.upsert(input("P1", "", props{})).expect(t, 200, id, `"new":false`)
	c.upsert(input("P2", "", props{})).expect(t, 200, `"new":true`)
	// The other address still finds, and still conflicts.
	c.call("GET", contacts+"/b@example.com?idProperty=email", nil).expect(t, 200, id)
	c.call("POST", contacts, m{"properties": props{"email": "b@example.com"}}).expect(t, 409, "Existing ID: "+id)
	c.call("POST", contacts+"/merge", m{"primaryObjectId": id, "objectIdToMerge": a}).expect(t, 400)
}

func TestErasedForGood(t *testing.T) {
	c := withKey(t, hubspottest.Options{})
	id := c.contact(props{key: "P1", "email": "a@example.com"})
	c.call("POST", contacts+"/gdpr-delete", m{"objectId": "a@example.com", "idProperty": "email"}).expect(t, 204)
	c.call("GET", contacts+"/"+id+"?archived=true", nil).expect(t, 404)
	c.upsert(input("P1", "", props{"email": "a@example.com"})).expect(t, 400, "GDPR_BLACKLISTED_EMAIL")
}

func TestListPages(t *testing.T) {
	c := withKey(t, hubspottest.Options{})
	for i := range 25 {
		c.contact(props{key: fmt.Sprint("P", i)})
	}
	seen, after := map[string]bool{}, ""
	for range 3 {
		r := c.call("GET", contacts+"?limit=10&properties="+key+after, nil).expect(t, 200)
		for i := range r.len("results") {
			seen[r.str("results", i, "properties", key)] = true
		}
		after = "&after=" + r.str("paging", "next", "after")
	}
	if len(seen) != 25 || after != "&after=<nil>" {
		t.Errorf("%d records, then %s", len(seen), after)
	}
	c.call("GET", contacts+"?limit=101", nil).expect(t, 400)
	if r := c.call("GET", contacts, nil); r.len("results") != 10 {
		t.Error("the page has not 10 records")
	}
}

func TestSearchLags(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := hubspottest.New(hubspottest.Options{SearchLag: 5 * time.Second})
		c := inProcess(t, s)
		c.contact(props{"firstname": "Ann", "city": "Rye"})
		find := func(want int, f ...m) reply {
			t.Helper()
			r := c.call("POST", contacts+"/search", m{"filterGroups": []m{{"filters": f}}}).expect(t, 200)
			if r.str("total") != fmt.Sprint(want) {
				t.Errorf("total %s, want %d", r.str("total"), want)
			}
			return r
		}
		eq := m{"propertyName": "city", "operator": "EQ", "value": "rye"}
		find(0, eq)
		time.Sleep(5 * time.Second)
		id := find(1, eq).str("results", 0, "id")
		c.call("PATCH", contacts+"/"+id, m{"properties": props{"city": "Bronx"}}).expect(t, 200)
		find(1, eq) // still as it was
		old := find(1, eq).str("results", 0, "properties", "lastmodifieddate")
		if now := c.call("GET", contacts+"/"+id, nil).str("properties", "lastmodifieddate"); old == now {
			t.Errorf("search knows already of %s", now)
		}
		time.Sleep(5 * time.Second)
		find(0, eq)
		find(1, m{"propertyName": "city", "operator": "IN", "values": []string{"x", "Bronx"}})
	})
}

func TestSearch(t *testing.T) {
	c := start(t, hubspottest.Options{SearchLag: -1, Limits: hubspottest.Unlimited})
	c.define("contacts", "n", m{"type": "number", "fieldType": "number"})
	for i := range 12 {
		c.contact(props{"firstname": fmt.Sprintf("N%02d", i), "n": fmt.Sprint(i), "email": fmt.Sprintf("n%d@example.com", i)})
	}
	f := func(want int, body m) {
		t.Helper()
		if r := c.call("POST", contacts+"/search", body).expect(t, 200); r.str("total") != fmt.Sprint(want) {
			t.Errorf("total %s, want %d for %v", r.str("total"), want, body)
		}
	}
	one := func(name, op, value string) m {
		return m{"filterGroups": []m{{"filters": []m{{"propertyName": name, "operator": op, "value": value}}}}}
	}
	f(12, m{})
	f(3, one("n", "GTE", "9"))
	f(9, one("n", "LT", "9"))
	f(11, one("n", "NEQ", "9.0"))
	f(12, one("n", "HAS_PROPERTY", ""))
	f(0, one("city", "HAS_PROPERTY", ""))
	f(12, one("createdate", "GTE", "1700000000000"))
	f(1, m{"query": "n11"})
	f(4, m{"filterGroups": []m{{"filters": []m{{"propertyName": "n", "operator": "BETWEEN", "value": "2", "highValue": "4"}}}, {"filters": []m{{"propertyName": "n", "operator": "EQ", "value": "0"}}}}})
	r := c.call("POST", contacts+"/search", m{"limit": 5, "sorts": []m{{"propertyName": "n", "direction": "DESCENDING"}}, "properties": []string{"n"}})
	if r.str("results", 0, "properties", "n") != "11" || r.str("results", 4, "properties", "n") != "7" || r.str("paging", "next", "after") != "5" {
		t.Errorf("answer %s", r.raw)
	}
	bad := func(body m) { t.Helper(); c.call("POST", contacts+"/search", body).expect(t, 400) }
	bad(m{"limit": 201})
	bad(m{"limit": 100, "after": "9950"})
	bad(m{"sorts": []m{{"propertyName": "n"}, {"propertyName": "city"}}})
	bad(one("no_such", "EQ", "1"))
	bad(one("n", "LIKE", "1"))
}
