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
	if len(got) != 1 || got[0].Object != "tickets" || got[0].ID != tk || got[0].Types[0].ID != 15 || got[0].Writes != 2 {
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
	c.call("POST", "/crm/v4/associations/tickets/contacts/batch/labels/archive", m{"inputs": []m{in}}).expect(t, 204)
	if got := c.s.Find("contacts", key, "A")[0].Links; len(got) != 1 || len(got[0].Types) != 1 || got[0].Types[0].ID != 15 {
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

const dealContacts = "/crm/associations/2026-09/deals/contacts"

func typed(from, to, category string, id any) m {
	in := pair(from, to)
	in["types"] = []m{{"associationCategory": category, "associationTypeId": id}}
	return in
}

func (c *client) deal(p props) string {
	c.t.Helper()
	all := props{"dealname": "D", "dealstage": "contractsent"}
	for k, v := range p {
		all[k] = v
	}
	return c.call("POST", deals, m{"properties": all}).expect(c.t, 201).str("id")
}

func inputs(list ...m) m { return m{"inputs": list} }

// TestLabelledIsAlsoPlain pins what a label brings with it: the association
// without a label, which ends with all labels when it ends itself.
func TestLabelledIsAlsoPlain(t *testing.T) {
	c := withKey(t, hubspottest.Options{})
	a, d := c.contact(props{key: "A"}), c.deal(nil)
	id := c.call("POST", dealContacts+"/labels", m{"label": "Buyer", "name": "buyer"}).expect(t, 200).at("results", 0, "typeId")
	c.call("POST", dealContacts+"/batch/create", inputs(typed(d, a, "USER_DEFINED", id))).expect(t, 201)
	read := func() reply { return c.call("POST", dealContacts+"/batch/read", m{"inputs": []m{{"id": d}}}) }
	read().expect(t, 200, `{"category":"HUBSPOT_DEFINED","label":null,"typeId":3}`, `"label":"Buyer"`)
	c.call("POST", dealContacts+"/batch/labels/archive", inputs(typed(d, a, "USER_DEFINED", id))).expect(t, 200)
	if r := read().expect(t, 200, `"typeId":3`); r.len("results", 0, "to", 0, "associationTypes") != 1 {
		t.Errorf("answer %s", r.raw)
	}
	c.call("POST", dealContacts+"/batch/create", inputs(typed(d, a, "USER_DEFINED", id))).expect(t, 201)
	c.call("POST", dealContacts+"/batch/labels/archive", inputs(typed(d, a, "HUBSPOT_DEFINED", 3))).expect(t, 200)
	read().expect(t, 207, "NO_ASSOCIATIONS_FOUND")
	if got := c.s.Find("contacts", key, "A")[0].Links; len(got) != 0 {
		t.Errorf("links %+v", got)
	}
}

func TestLabelsOfTheAccount(t *testing.T) {
	c := start(t, hubspottest.Options{Limits: hubspottest.Limits{Labels: 2}})
	labels := dealContacts + "/labels"
	// Its own labels are counted from 1, whatever HubSpot's own ids are.
	c.call("POST", labels, m{"label": "One", "name": "one"}).expect(t, 200, `"typeId":1`, `"typeId":2`)
	c.call("POST", labels, m{"label": "Two", "name": "two"}).expect(t, 200, `"typeId":3`)
	c.call("GET", labels, nil).expect(t, 200, `{"category":"HUBSPOT_DEFINED","label":null,"typeId":3}`, `{"category":"USER_DEFINED","label":"Two","typeId":3}`)
	c.call("POST", labels, m{"label": "Three", "name": "three"}).expect(t, 400, "LIMIT_EXCEEDED")
	c.call("PUT", labels, m{"associationTypeId": 3, "label": "one"}).expect(t, 409)
	c.call("PUT", labels, m{"associationTypeId": 3, "label": "Second", "inverseLabel": "Seconded"}).expect(t, 204)
	c.call("GET", "/crm/v4/associations/contacts/deals/labels", nil).expect(t, 200, `{"category":"USER_DEFINED","label":"Seconded","typeId":4}`)
	c.call("PUT", labels, m{"associationTypeId": 4, "label": "X"}).expect(t, 404) // the other direction's
	a, d := c.contact(props{}), c.deal(nil)
	c.call("POST", dealContacts+"/batch/create", inputs(typed(d, a, "USER_DEFINED", 3))).expect(t, 201, "Second")
	c.call("DELETE", labels+"/3", nil).expect(t, 204)
	c.call("DELETE", labels+"/3", nil).expect(t, 404)
	r := c.call("POST", dealContacts+"/batch/read", m{"inputs": []m{{"id": d}}}).expect(t, 200)
	if r.len("results", 0, "to", 0, "associationTypes") != 1 {
		t.Errorf("answer %s", r.raw)
	}
	c.call("POST", "/crm/associations/2026-09/products/contacts/labels", m{"label": "X", "name": "x"}).expect(t, 400, "cannot have labels")
}

func TestAssociationsRefused(t *testing.T) {
	c := start(t, hubspottest.Options{})
	a, d, p := c.contact(props{}), c.deal(nil), c.product(props{"name": "P"})
	create := func(path string, in m) reply {
		return c.call("POST", "/crm/associations/"+path+"/batch/create", inputs(in))
	}
	create("2026-09/deals/contacts", typed(d, a, "HUBSPOT_DEFINED", 4)).expect(t, 400, "Invalid association type") // the other direction's
	create("2026-09/deals/contacts", typed(d, a, "USER_DEFINED", 3)).expect(t, 400, "Invalid association type")
	create("2026-09/deals/contacts", m{"from": m{"id": d}, "to": m{"id": a}, "types": []m{{"associationTypeId": 3}}}).expect(t, 400, "associationCategory")
	create("2026-09/products/deals", typed(p, d, "HUBSPOT_DEFINED", 3)).expect(t, 400, "Invalid association type")
	c.call("POST", "/crm/associations/2026-09/products/deals/batch/associate/default", inputs(pair(p, d))).expect(t, 400, "No association type exists")
	create("2026-09/deals/deals", typed(d, d, "HUBSPOT_DEFINED", 451)).expect(t, 207, "with itself")
	create("2026-09/deals/contacts", typed(a, d, "HUBSPOT_DEFINED", 3)).expect(t, 207, "INVALID_OBJECT_IDS") // ends exchanged
	if got := c.s.Records("deals")[0].Links; len(got) != 0 {
		t.Errorf("links %+v", got)
	}
	many := make([]m, 2001)
	for i := range many {
		many[i] = pair(d, a)
	}
	c.call("POST", dealContacts+"/batch/associate/default", inputs(many...)).expect(t, 400, "2000")
	c.call("POST", dealContacts+"/batch/archive", inputs()).expect(t, 400, "[inputs]")
	c.call("POST", dealContacts+"/batch/associate/default", inputs(many[:2000]...)).expect(t, 200)
}

// TestAssociationLimits pins the room that one record has, the pages in which
// many associations are read, and that a line item belongs to one deal.
func TestAssociationLimits(t *testing.T) {
	c := withKey(t, hubspottest.Options{Limits: hubspottest.Limits{Associations: 600}})
	a := c.contact(props{key: "A"})
	var list []m
	for range 7 {
		var made []m
		for range 100 {
			made = append(made, m{"properties": props{"dealname": "D", "dealstage": "contractsent"}})
		}
		r := c.call("POST", deals+"/batch/create", inputs(made...)).expect(t, 201)
		for i := range 100 {
			list = append(list, pair(r.str("results", i, "id"), a))
		}
	}
	r := c.call("POST", dealContacts+"/batch/associate/default", inputs(list...)).expect(t, 207, "crm.associations.LIMIT_EXCEEDED")
	if n := r.len("errors"); n != 100 {
		t.Errorf("%d errors, want 100", n)
	}
	from := "/crm/associations/2026-09/contacts/deals/batch/read"
	r = c.call("POST", from, m{"inputs": []m{{"id": a}}}).expect(t, 200)
	after := r.str("results", 0, "paging", "next", "after")
	if r.len("results", 0, "to") != 500 {
		t.Fatalf("%d on the first page", r.len("results", 0, "to"))
	}
	r = c.call("POST", from, m{"inputs": []m{{"id": a, "after": after}}}).expect(t, 200)
	if r.len("results", 0, "to") != 100 || r.at("results", 0, "paging") != nil {
		t.Errorf("%d on the second page", r.len("results", 0, "to"))
	}
	r = c.call("GET", "/crm/v4/objects/contacts/"+a+"/associations/deals?limit=7", nil).expect(t, 200, `"after"`)
	if r.len("results") != 7 {
		t.Errorf("answer %s", r.raw)
	}
	// An archived deal ends its associations, and makes room.
	c.call("DELETE", deals+"/"+list[0]["from"].(m)["id"].(string), nil).expect(t, 204)
	c.call("POST", dealContacts+"/batch/associate/default", inputs(list[699])).expect(t, 200)
	if got := c.s.Find("contacts", key, "A")[0].Links; len(got) != 600 {
		t.Errorf("%d links", len(got))
	}

	item := c.call("POST", "/crm/objects/2026-09/line_items", m{"properties": props{"name": "I"}}).expect(t, 201).str("id")
	items := "/crm/associations/2026-09/line_items/deals/batch/create"
	c.call("POST", items, inputs(typed(item, list[1]["from"].(m)["id"].(string), "HUBSPOT_DEFINED", 20))).expect(t, 201)
	c.call("POST", items, inputs(typed(item, list[2]["from"].(m)["id"].(string), "HUBSPOT_DEFINED", 20))).expect(t, 207, "limit of 1 ")
}
