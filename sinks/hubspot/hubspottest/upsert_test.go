package hubspottest_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"chartwire/sinks/hubspot/hubspottest"
)

func TestUpsertCreatesAndUpdates(t *testing.T) {
	c := withKey(t, hubspottest.Options{})
	r := c.upsert(input("P1", "a", props{"firstname": "Ann", "email": "Ann@Example.COM"})).expect(t, 200, `"new":true`, `"objectWriteTraceId":"a"`)
	id := r.str("results", 0, "id")
	if got := r.str("results", 0, "properties", "email"); got != "ann@example.com" {
		t.Errorf("e-mail stored as %q", got)
	}
	r = c.upsert(input("P1", "a", props{"firstname": "Anna"})).expect(t, 200, `"new":false`)
	if got := r.str("results", 0, "id"); got != id {
		t.Errorf("update went to %s, not %s", got, id)
	}
	// Custom unique texts have case: another record.
	c.upsert(input("p1", "a", props{"firstname": "Ann"})).expect(t, 200, `"new":true`)

	all := c.s.Find("contacts", key, "P1")
	if len(all) != 1 || all[0].Requests != 2 || all[0].Writes["firstname"] != 2 || all[0].Repeats["firstname"] != 0 {
		t.Errorf("record %+v", all)
	}
	if h := all[0].History["firstname"]; len(h) != 2 || h[0].Value != "Ann" || h[1].Value != "Anna" || h[1].SourceID != hubspottest.SourceID(hubspottest.DefaultToken) {
		t.Errorf("history %+v", h)
	}
	c.upsert(input("P1", "a", props{"firstname": "Anna"})).expect(t, 200)
	if r, ok := c.s.Lookup("contacts", key, "P1"); !ok || r.Repeats["firstname"] != 1 || len(r.History["firstname"]) != 2 {
		t.Errorf("a repeated write is not told: %+v", r)
	}
	if got, want := c.s.Totals("contacts"), (hubspottest.Totals{Created: 2, Updated: 2}); got != want {
		t.Errorf("totals %+v, want %+v", got, want)
	}
}

func TestBatchAsAWholeOrPerInput(t *testing.T) {
	inputs := func(trace bool) []m {
		var list []m
		for i := range 3 {
			id := fmt.Sprint(i)
			p := props{"firstname": "N" + id}
			if i == 1 {
				p = props{"no_such": "x", "email": "nobody"}
			}
			if !trace {
				id = ""
			}
			list = append(list, input(fmt.Sprint("P", i), id, p))
		}
		return list
	}
	c := withKey(t, hubspottest.Options{})
	r := c.upsert(inputs(false)...).expect(t, 400, "Property values were not valid: [{", `\"error\":\"INVALID_EMAIL\"`, `\"error\":\"PROPERTY_DOESNT_EXIST\"`,
		`"code":"INVALID_EMAIL"`, `"propertyName":["no_such"]`, `"category":"VALIDATION_ERROR"`, "correlationId")
	if n := len(c.s.Records("contacts")); n != 0 {
		t.Fatalf("%d records of a refused batch", n)
	}
	if r.header.Get("X-HubSpot-Correlation-Id") != r.str("correlationId") {
		t.Error("the header has another correlation id")
	}
	r = c.upsert(inputs(true)...).expect(t, 207, `"status":"COMPLETE"`, `"numErrors":1`)
	if r.len("results") != 2 || r.str("errors", 0, "context", "objectWriteTraceId", 0) != "1" {
		t.Fatalf("answer %s", r.raw)
	}
	if n := len(c.s.Records("contacts")); n != 2 {
		t.Fatalf("%d records, want 2", n)
	}
	// Trace ids that are not unique are none.
	two := inputs(true)
	two[0]["objectWriteTraceId"] = "2"
	c.upsert(two...).expect(t, 400)
	if calls := c.s.Calls(); calls[len(calls)-2].Failed != 1 || calls[len(calls)-2].Inputs != 3 {
		t.Errorf("call %+v", calls[len(calls)-2])
	}
}

func TestConflicts(t *testing.T) {
	c := withKey(t, hubspottest.Options{})
	c.define("contacts", "aggregation_key_id", m{"hasUniqueValue": true})
	c.upsert(input("P1", "", props{"email": "a@example.com", "aggregation_key_id": "K"})).expect(t, 200)
	id := c.s.Find("contacts", key, "P1")[0].ID

	exists := "Contact already exists. Existing ID: " + id
	c.upsert(input("P2", "", props{"email": "A@example.com"}), input("P3", "", props{})).expect(t, 409, exists, `"category":"CONFLICT"`)
	r := c.upsert(input("P2", "x", props{"email": "A@example.com"}), input("P3", "y", props{})).expect(t, 207, exists)
	if r.str("errors", 0, "context", "existingId", 0) != id || r.str("errors", 0, "context", "objectWriteTraceId", 0) != "x" {
		t.Errorf("answer %s", r.raw)
	}
	c.call("POST", contacts, m{"properties": props{"email": "a@example.com"}}).expect(t, 409, exists)

	taken := fmt.Sprintf("propertyName=aggregation_key_id, value=K} on null. %s already has that value.", id)
	c.upsert(input("P2", "", props{"aggregation_key_id": "K"}), input("P4", "", props{})).expect(t, 409, taken, `"category":"CONFLICT"`)
	c.upsert(input("P2", "x", props{"aggregation_key_id": "K"}), input("P4", "y", props{})).expect(t, 207, taken, `"category":"VALIDATION_ERROR"`)
	c.call("POST", contacts, m{"properties": props{"aggregation_key_id": "K"}}).expect(t, 400, taken)
	// Two inputs that want the same value: the first gets it.
	c.upsert(input("P5", "x", props{"email": "b@example.com"}), input("P6", "y", props{"email": "B@example.com"})).expect(t, 207, "Contact already exists")
	if got := len(c.s.Find("contacts", "email", "b@example.com")); got != 1 {
		t.Errorf("%d contacts with one address", got)
	}
	// A value given up is free.
	c.call("PATCH", contacts+"/"+id, m{"properties": props{"email": ""}}).expect(t, 200)
	c.upsert(input("P2", "", props{"email": "a@example.com"})).expect(t, 200)
}

func TestWholeBatchConflictDespiteTraceIDs(t *testing.T) {
	c := withKey(t, hubspottest.Options{WholeBatchConflicts: true})
	c.define("contacts", "k2", m{"hasUniqueValue": true})
	c.upsert(input("P1", "a", props{"k2": "K"})).expect(t, 200)
	c.upsert(input("P2", "a", props{"k2": "K"}), input("P3", "b", props{})).expect(t, 409, "already has that value")
	if n := len(c.s.Records("contacts")); n != 1 {
		t.Errorf("%d records, want 1", n)
	}
}

func TestBatchLimits(t *testing.T) {
	c := withKey(t, hubspottest.Options{})
	c.upsert(input("P1", "a", props{}), input("P1", "b", props{})).expect(t, 400, "Duplicate IDs found in batch input: [P1]. IDs must be unique", `"ids":["P1"]`)
	var many []m
	for i := range 101 {
		many = append(many, input(fmt.Sprint("P", i), fmt.Sprint(i), props{"firstname": "N"}))
	}
	c.upsert(many...).expect(t, 400)
	c.upsert().expect(t, 400, "inputs")
	mixed := []m{input("P1", "a", props{}), {"id": "x@example.com", "idProperty": "email", "properties": props{}, "objectWriteTraceId": "b"}}
	c.upsert(mixed...).expect(t, 400, "idProperty")
	for _, p := range []string{"firstname", "hs_object_id", "", "hs_unique_creation_key"} {
		c.call("POST", contacts+"/batch/upsert", m{"inputs": []m{{"id": "x", "idProperty": p, "properties": props{}}}}).
			expect(t, 400, "Unable to perform update/upsert by non-unique 0-1 property "+p)
	}
	if n := len(c.s.Records("contacts")); n != 0 {
		t.Errorf("%d records", n)
	}
	// In 100 results the order of the inputs does not survive.
	r := c.upsert(many[:100]...).expect(t, 200)
	var order []string
	for i := range 100 {
		order = append(order, r.str("results", i, "objectWriteTraceId"))
	}
	if slices.IsSortedFunc(order, func(a, b string) int { return len(a)*1000 - len(b)*1000 + strings.Compare(a, b) }) {
		t.Error("results in the order of the inputs")
	}
}

func TestBodiesThatAreNotTaken(t *testing.T) {
	c := withKey(t, hubspottest.Options{})
	f := func(body, want string) {
		t.Helper()
		c.call("POST", contacts+"/batch/upsert", body).expect(t, 400, want)
	}
	f(`{"inputs":[`, "Invalid input JSON on line 1")
	f(`{}`, "Some required fields were not set: [inputs]")
	f(`{"inputs":[{"id":"1","idProperty":"`+key+`"}]}`, "Some required fields were not set: [properties]")
	f(`{"inputs":[{"id":"1","idProperty":"`+key+`","properties":{"firstname":null}}]}`, "texts")
	f(`{"inputs":[{"id":"1","idProperty":"`+key+`","properties":{"firstname":7}}]}`, "texts")
	f(`{"inputs":[{"id":"1","idProperty":"`+key+`","properties":{},"associatons":[]}]}`, "unknown field")
	f(`{"inputs":[{"id":"","idProperty":"`+key+`","properties":{}}]}`, "empty value")
}

func TestUpdateAndCreateBatches(t *testing.T) {
	c := withKey(t, hubspottest.Options{})
	r := c.call("POST", contacts+"/batch/create", m{"inputs": []m{{"properties": props{key: "P1"}}, {"properties": props{key: "P2"}}}}).expect(t, 201)
	id := r.str("results", 0, "id")
	c.call("POST", contacts+"/batch/update", m{"inputs": []m{{"id": id, "properties": props{"firstname": "U"}}}}).expect(t, 200, `"firstname":"U"`)
	c.call("POST", contacts+"/batch/update", m{"inputs": []m{input("P1", "", props{"city": "X"})}}).expect(t, 200, `"city":"X"`)
	missing := []m{{"id": id, "properties": props{"firstname": "V"}}, {"id": "7", "properties": props{}}, {"id": "8", "properties": props{}}}
	c.call("POST", contacts+"/batch/update", m{"inputs": missing}).expect(t, 404, "Could not get some CONTACT objects")
	if len(c.s.Find("contacts", "firstname", "V")) != 0 {
		t.Error("a refused batch wrote")
	}
	for i := range missing {
		missing[i]["objectWriteTraceId"] = fmt.Sprint(i)
	}
	r = c.call("POST", contacts+"/batch/update", m{"inputs": missing}).expect(t, 207, `"category":"OBJECT_NOT_FOUND"`, `"numErrors":1`)
	if r.len("errors", 0, "context", "ids") != 2 || r.len("results") != 1 {
		t.Errorf("one error lists all missing ids: %s", r.raw)
	}
}
