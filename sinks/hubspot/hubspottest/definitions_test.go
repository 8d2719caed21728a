package hubspottest_test

import (
	"fmt"
	"testing"

	"chartwire/sinks/hubspot/hubspottest"
)

const properties = "/crm/properties/2026-09/contacts"

func TestPropertyDefinitions(t *testing.T) {
	c := start(t, hubspottest.Options{})
	def := func(change m) m {
		d := m{"name": "p", "label": "P", "type": "string", "fieldType": "text", "groupName": "contactinformation"}
		for k, v := range change {
			d[k] = v
		}
		return d
	}
	f := func(change m, status int, parts ...string) {
		t.Helper()
		c.call("POST", properties, def(change)).expect(t, status, parts...)
	}
	f(m{"name": "patient_id", "hasUniqueValue": true, "description": "d"}, 201, `"hasUniqueValue":true`, `"dataSensitivity":"non_sensitive"`, `"archivable":true`, `"readOnlyValue":false`)
	f(m{"name": "patient_id"}, 409, "A property named 'patient_id' already exists.")
	f(m{"name": "PatientID"}, 400, "must be lowercase")
	f(m{"name": "hs_mine"}, 400)
	f(m{"name": "x", "fieldType": "number"}, 400)
	f(m{"name": "x", "type": "text"}, 400)
	f(m{"name": "x", "groupName": "none"}, 400, "group none")
	f(m{"name": "x", "label": ""}, 400, "[label]")
	f(m{"name": "x", "type": "enumeration", "fieldType": "select"}, 400, "options")
	f(m{"name": "x", "type": "enumeration", "fieldType": "select", "options": []m{{"label": "A", "value": "a"}, {"label": "A", "value": "b"}}}, 400, "unique")
	f(m{"name": "x", "type": "date", "fieldType": "date", "hasUniqueValue": true}, 400)
	f(m{"name": "x", "dataSensitivity": "secret"}, 400)

	one := properties + "/patient_id"
	c.call("GET", one, nil).expect(t, 200, `"description":"d"`)
	c.call("PATCH", one, m{"label": "Q"}).expect(t, 200, `"label":"Q"`, `"description":"d"`)
	c.call("PATCH", one, m{"hasUniqueValue": false}).expect(t, 400)
	c.call("PATCH", one, m{"dataSensitivity": "sensitive"}).expect(t, 400)
	c.call("GET", properties+"/nothing", nil).expect(t, 404, "OBJECT_NOT_FOUND")
	c.call("PATCH", properties+"/email", m{"label": "X"}).expect(t, 400)
	c.call("DELETE", properties+"/email", nil).expect(t, 400)
	lead := m{"options": []m{{"label": "New", "value": "NEW"}, {"label": "Cold", "value": "COLD"}}}
	c.call("PATCH", properties+"/hs_lead_status", lead).expect(t, 200, "COLD")
	c.call("PATCH", properties+"/hs_analytics_source", lead).expect(t, 400)
	id := c.contact(props{"hs_lead_status": "COLD", "patient_id": "7"})

	c.call("DELETE", one, nil).expect(t, 204)
	c.call("GET", one, nil).expect(t, 404)
	c.call("GET", one+"?archived=true", nil).expect(t, 200, `"archived":true`)
	c.call("PATCH", contacts+"/"+id, m{"properties": props{"patient_id": "8"}}).expect(t, 400, "PROPERTY_DOESNT_EXIST")
}

func TestTenUniqueProperties(t *testing.T) {
	c := start(t, hubspottest.Options{Limits: hubspottest.Limits{Properties: 12}})
	for i := range 10 {
		c.define("contacts", fmt.Sprint("k", i), m{"hasUniqueValue": true})
	}
	more := m{"name": "k10", "label": "K", "type": "string", "fieldType": "text", "groupName": "contactinformation", "hasUniqueValue": true}
	c.call("POST", properties, more).expect(t, 400, "limit of 10 unique")
	c.define("contacts", "p0", nil)
	c.define("contacts", "p1", nil)
	delete(more, "hasUniqueValue")
	c.call("POST", properties, more).expect(t, 400, "LIMIT_EXCEEDED")
	c.call("GET", "/crm/limits/2026-09/custom-properties", nil).expect(t, 200, `"usage":12`, `"limit":12`)
}

func TestPropertyListsAndBatches(t *testing.T) {
	c := start(t, hubspottest.Options{})
	c.call("POST", properties+"/groups", m{"name": "om_identity", "label": "Identity"}).expect(t, 201)
	c.call("POST", properties+"/groups", m{"name": "om_identity", "label": "Identity"}).expect(t, 409)
	c.call("GET", properties+"/groups", nil).expect(t, 200, "om_identity", "contactinformation")
	c.call("GET", properties+"/groups/om_identity", nil).expect(t, 200)
	in := func(name, level string) m {
		return m{"name": name, "label": name, "type": "string", "fieldType": "text", "groupName": "om_identity", "dataSensitivity": level, "hasUniqueValue": false, "formField": false}
	}
	c.call("POST", properties+"/batch/create", m{"inputs": []m{in("plain", "non_sensitive"), in("secret", "sensitive")}}).expect(t, 201)
	c.call("POST", properties+"/batch/create", m{"inputs": []m{in("other", "highly_sensitive"), in("plain", "non_sensitive")}}).expect(t, 207, `"numErrors":1`, "OBJECT_ALREADY_EXISTS")
	f := func(query string, name string, there bool) {
		t.Helper()
		r := c.call("GET", properties+query, nil).expect(t, 200)
		found := false
		for i := range r.len("results") {
			found = found || r.str("results", i, "name") == name
		}
		if found != there {
			t.Errorf("%s in %q: %v", name, query, found)
		}
	}
	f("", "plain", true)
	f("", "email", true)
	f("", "secret", false)
	f("?dataSensitivity=sensitive", "secret", true)
	f("?dataSensitivity=sensitive", "email", false)
	f("?dataSensitivity=highly_sensitive", "other", true)
	names := []m{{"name": "plain"}, {"name": "nothing"}}
	c.call("POST", properties+"/batch/read", m{"inputs": names}).expect(t, 400, "[archived, dataSensitivity]")
	c.call("POST", properties+"/batch/read", m{"inputs": names, "archived": false, "dataSensitivity": "non_sensitive"}).expect(t, 207, `"name":"plain"`, "nothing")
	c.call("POST", properties+"/batch/archive", m{"inputs": []m{{"name": "plain"}}}).expect(t, 204)
	f("?archived=true", "plain", true)
	c.call("GET", "/crm/v3/properties/contacts/email", nil).expect(t, 200, `"hasUniqueValue":true`, `"hubspotDefined":true`)
	c.call("GET", properties+"/createdate", nil).expect(t, 200, `"readOnlyValue":true`)
	c.call("GET", properties+"/hubspot_owner_id", nil).expect(t, 200, `"referencedObjectType":"OWNER"`, `"externalOptions":true`)
}

func TestSensitiveDataSwitchedOff(t *testing.T) {
	c := start(t, hubspottest.Options{NoSensitiveData: true})
	c.call("POST", properties, m{"name": "x", "label": "X", "type": "string", "fieldType": "text", "groupName": "contactinformation", "dataSensitivity": "sensitive"}).expect(t, 400)
}

func TestAccount(t *testing.T) {
	c := start(t, hubspottest.Options{PortalID: 4711, Limits: hubspottest.Limits{Records: 2}})
	c.call("GET", "/account-info/2026-09/details", nil).expect(t, 200, `"portalId":4711`, `"accountType":"STANDARD"`, `"timeZone":"US/Eastern"`, `"dataHostingLocation":"na1"`)
	c.call("GET", "/account-info/v3/details", nil).expect(t, 200)
	c.contact(props{})
	one := m{"properties": props{}}
	c.call("POST", contacts+"/batch/create", m{"inputs": []m{one, one}}).expect(t, 400, "LIMIT_EXCEEDED")
	c.contact(props{})
	c.call("POST", contacts, m{"properties": props{}}).expect(t, 400, "LIMIT_EXCEEDED")
	c.call("GET", "/crm/limits/2026-09/records", nil).expect(t, 200, `"objectTypeId":"0-1"`, `"usage":2`, `"limit":2`, `"percentage":100`)
	c.call("GET", "/crm/limits/2026-09/custom-object-types", nil).expect(t, 200)
	c.call("GET", "/crm-object-schemas/2026-09/schemas", nil).expect(t, 200, `"results":[]`)
	c.call("GET", "/crm-object-schemas/v3/schemas/tickets", nil).expect(t, 200, `"requiredProperties":["subject","hs_pipeline_stage"]`)
	c.call("GET", "/crm/object-library/2026-09/enablement", nil).expect(t, 200, `"0-1":true`, `"0-421":false`)
	c.call("GET", "/crm/object-library/2026-09/enablement/0-162", nil).expect(t, 200, `"enablement":false`)
	if r := c.call("GET", "/crm/owners/2026-09", nil).expect(t, 200); r.len("results") != 3 {
		t.Errorf("owners %s", r.raw)
	}
	c.call("GET", "/crm/owners/2026-09?email=Luis.Ferrer@clinic.example.com", nil).expect(t, 200, "74110202")
	c.call("GET", "/crm/v3/owners/74110201", nil).expect(t, 200, "Whitfield")
	c.call("GET", "/crm/v3/owners/74110204", nil).expect(t, 404)
	c.call("GET", "/crm/v3/owners?archived=true", nil).expect(t, 200, "74110204")
}

func TestPeopleInHubSpot(t *testing.T) {
	c := withKey(t, hubspottest.Options{})
	id := c.contact(props{key: "P1", "city": "Rye"})
	if err := c.s.Edit("contacts", id, props{"city": "Bronx"}); err != nil {
		t.Fatal(err)
	}
	r := c.call("GET", contacts+"/"+id+"?propertiesWithHistory=city", nil).expect(t, 200)
	if r.str("propertiesWithHistory", "city", 0, "sourceType") != "CRM_UI" || r.str("propertiesWithHistory", "city", 1, "sourceType") != "INTEGRATION" {
		t.Errorf("answer %s", r.raw)
	}
	if err := c.s.Edit("contacts", id, props{"hs_object_id": "1"}); err == nil {
		t.Error("a person changed a read-only value")
	}
	other := c.contact(props{key: "P2"})
	merged, err := c.s.Merge("contacts", id, other)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.s.Find("contacts", key, "P2"); len(got) != 1 || got[0].MergedInto != merged {
		t.Errorf("the loser %+v", got)
	}
	if err := c.s.Archive("contacts", merged); err != nil {
		t.Fatal(err)
	}
	c.call("GET", contacts+"/"+id, nil).expect(t, 404)
	c.s.Reset()
	if len(c.s.Records("contacts")) != 0 || len(c.s.Calls()) != 0 {
		t.Error("a reset left something behind")
	}
	c.call("GET", properties+"/"+key, nil).expect(t, 404)
}
