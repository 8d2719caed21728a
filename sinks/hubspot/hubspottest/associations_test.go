package hubspottest_test

import (
	"fmt"
	"testing"

	"chartwire/sinks/hubspot/hubspottest"
)

const between = "/crm/associations/2026-09/tickets/contacts"

func (c *client) ticket() string {
	c.t.Helper()
	return c.call("POST", tickets, m{"properties": props{"subject": "S", "hs_pipeline_stage": "1"}}).expect(c.t, 201).str("id")
}

func pair(from, to string) m { return m{"from": m{"id": from}, "to": m{"id": to}} }

func TestAssociations(t *testing.T) {
	c := withKey(t, hubspottest.Options{})
	a, b, tk := c.contact(props{key: "A"}), c.contact(props{key: "B"}), c.ticket()

	link := m{"inputs": []m{pair(tk, a), pair(tk, "7"), pair(tk, b)}}
	r := c.call("POST", between+"/batch/associate/default", link).expect(t, 207, `"numErrors":1`, `"toObjectId":["7"]`, `"associationTypeId":16`, `"associationTypeId":15`)
	if r.len("results") != 4 { // both directions of two
		t.Errorf("answer %s", r.raw)
	}
	c.call("POST", between+"/batch/associate/default", m{"inputs": []m{pair(tk, a)}}).expect(t, 200)
	got := c.s.Find("contacts", key, "A")[0].Links
	if len(got) != 1 || got[0].Object != "tickets" || got[0].ID != tk || got[0].Types[0] != 15 || got[0].Writes != 2 {
		t.Errorf("links %+v", got)
	}
	// The other direction is there, too.
	back := "/crm/v4/associations/contacts/tickets/batch/read"
	c.call("POST", back, m{"inputs": []m{{"id": a}}}).expect(t, 200, fmt.Sprintf(`"toObjectId":%s`, tk), `"typeId":15`)
	c.call("GET", contacts+"/"+a+"?associations=tickets", nil).expect(t, 200, `"type":"contact_to_ticket"`, tk)
	c.call("GET", "/crm/v4/objects/tickets/"+tk+"/associations/contacts", nil).expect(t, 200, a, b)
	lone := c.contact(props{})
	c.call("POST", back, m{"inputs": []m{{"id": a}, {"id": lone}}}).expect(t, 207, "crm.associations.NO_ASSOCIATIONS_FOUND", "No ticket is associated with contact "+lone)

	c.call("POST", between+"/batch/archive", m{"inputs": []m{{"from": m{"id": tk}, "to": []m{{"id": b}}}}}).expect(t, 200)
	c.call("POST", back, m{"inputs": []m{{"id": b}}}).expect(t, 207)
	// A merge takes them along, archiving hides them.
	merged := c.call("POST", contacts+"/merge", m{"primaryObjectId": b, "objectIdToMerge": a}).expect(t, 200).str("id")
	c.call("GET", "/crm/objects/2026-09/tickets/"+tk+"/associations/contacts", nil).expect(t, 200, merged)
	c.call("DELETE", contacts+"/"+merged, nil).expect(t, 204)
	if r := c.call("GET", "/crm/v4/objects/tickets/"+tk+"/associations/contacts", nil).expect(t, 200); r.len("results") != 0 {
		t.Errorf("answer %s", r.raw)
	}
}

func TestAssociationLabels(t *testing.T) {
	c := withKey(t, hubspottest.Options{})
	a, tk := c.contact(props{key: "A"}), c.ticket()
	c.call("GET", between+"/labels", nil).expect(t, 200, `{"category":"HUBSPOT_DEFINED","label":null,"typeId":16}`)
	r := c.call("POST", between+"/labels", m{"label": "Patient", "name": "patient", "inverseLabel": "Alert"}).expect(t, 200, "USER_DEFINED", "Alert")
	id := r.at("results", 0, "typeId")
	c.call("POST", between+"/labels", m{"label": "patient", "name": "p"}).expect(t, 409)
	in := pair(tk, a)
	in["types"] = []m{{"associationCategory": "USER_DEFINED", "associationTypeId": id}}
	c.call("POST", between+"/batch/create", m{"inputs": []m{in}}).expect(t, 201, `"labels":["Patient"]`)
	c.call("POST", "/crm/associations/2026-03/contacts/tickets/batch/read", m{"inputs": []m{{"id": a}}}).expect(t, 200, `"label":"Alert"`)
	in["types"] = []m{{"associationCategory": "USER_DEFINED", "associationTypeId": 999}}
	c.call("POST", between+"/batch/create", m{"inputs": []m{in}}).expect(t, 400, "Invalid association type")
	c.call("POST", between+"/batch/create", m{"inputs": []m{pair(tk, a)}}).expect(t, 400, "[types]")
	in["types"] = []m{{"associationCategory": "USER_DEFINED", "associationTypeId": id}}
	c.call("PUT", "/crm/objects/2026-09/tickets/"+tk+"/associations/default/contacts/"+a, nil).expect(t, 200)
	c.call("POST", "/crm/v4/associations/tickets/contacts/batch/labels/archive", m{"inputs": []m{in}}).expect(t, 204)
	if got := c.s.Find("contacts", key, "A")[0].Links; len(got) != 1 || len(got[0].Types) != 1 || got[0].Types[0] != 15 {
		t.Errorf("links %+v", got)
	}
	c.call("DELETE", "/crm/v4/objects/tickets/"+tk+"/associations/contacts/"+a, nil).expect(t, 204)
	if got := c.s.Find("contacts", key, "A")[0].Links; len(got) != 0 {
		t.Errorf("links %+v", got)
	}
}

func TestAssociationsOnCreate(t *testing.T) {
	c := withKey(t, hubspottest.Options{})
	a := c.contact(props{key: "A"})
	in := func(to string, id int) m {
		return m{"properties": props{"subject": "S", "hs_pipeline_stage": "1"},
			"associations": []m{{"to": m{"id": to}, "types": []m{{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": id}}}}}
	}
	c.call("POST", tickets, in(a, 15)).expect(t, 400, "Invalid association type") // the other direction's
	c.call("POST", tickets, in("7", 16)).expect(t, 400, "No contacts with ID 7")
	c.call("POST", tickets, in(a, 16)).expect(t, 201)
	c.call("POST", tickets+"/batch/create", m{"inputs": []m{in(a, 16)}}).expect(t, 201)
	if got := c.s.Find("contacts", key, "A")[0].Links; len(got) != 2 {
		t.Errorf("links %+v", got)
	}
	up := input("A", "", props{})
	up["associations"] = in(a, 16)["associations"]
	c.upsert(up).expect(t, 400, "on create only")
}
