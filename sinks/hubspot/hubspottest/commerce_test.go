package hubspottest_test

import (
	"strings"
	"testing"
	"time"

	"chartwire/sinks/hubspot/hubspottest"
)

func (c *client) product(p props) string {
	c.t.Helper()
	return c.call("POST", products, m{"properties": p}).expect(c.t, 201).str("id")
}

func TestDealStages(t *testing.T) {
	c := start(t, hubspottest.Options{})
	create := func(p props) reply { return c.call("POST", deals, m{"properties": p}) }
	create(props{"dealname": "D"}).expect(t, 400, "REQUIRED_PROPERTY", "dealstage")
	create(props{"dealstage": "contractsent"}).expect(t, 400, "dealname")
	create(props{"dealname": "D", "dealstage": "Contract Sent"}).expect(t, 400, "INVALID_OPTION", "contractsent")
	create(props{"dealname": "D", "dealstage": "contractsent", "pipeline": "Sales Pipeline"}).expect(t, 400, "INVALID_OPTION")
	create(props{"dealname": "D", "dealstage": "1", "hs_pipeline": "0"}).expect(t, 400, "PROPERTY_DOESNT_EXIST")
	create(props{"dealname": "D", "dealstage": "contractsent", "amount": "1,000.00"}).expect(t, 400, "INVALID_NUMBER")
	create(props{"dealname": "D", "dealstage": "contractsent", "deal_currency_code": "EUR"}).expect(t, 400, "INVALID_OPTION", "[USD]")
	create(props{"dealname": "D", "dealstage": "contractsent", "createdate": "2026-01-02T03:04:05Z"}).expect(t, 400, "READ_ONLY_VALUE")
	create(props{"dealname": "D", "dealstage": "contractsent", "amount": "049.00"}).expect(t, 201, `"pipeline":"default"`, `"amount":"49"`)

	pipelines := "/crm/pipelines/2026-09/deals"
	stage := func(label, probability string) m {
		return m{"label": label, "displayOrder": 0, "metadata": props{"probability": probability}}
	}
	c.call("POST", pipelines, m{"label": "P", "stages": []m{{"label": "S", "metadata": props{}}}}).expect(t, 400, "probability")
	c.call("POST", pipelines, m{"label": "P", "stages": []m{stage("S", "1.5")}}).expect(t, 400, "probability")
	line := c.call("POST", pipelines, m{"label": "P", "stages": []m{stage("Open", "0.1"), stage("Done", "1")}}).expect(t, 201, `"isClosed":"true"`, `"isClosed":"false"`)
	open, done := line.str("stages", 0, "id"), line.str("stages", 1, "id")
	create(props{"dealname": "D", "dealstage": open}).expect(t, 400, "INVALID_OPTION") // the stage of another pipeline
	d := create(props{"dealname": "D", "pipeline": line.str("id"), "dealstage": open}).expect(t, 201).str("id")
	c.call("PATCH", deals+"/"+d, m{"properties": props{"dealstage": "contractsent"}}).expect(t, 400, "INVALID_OPTION")
	c.call("PATCH", deals+"/"+d, m{"properties": props{"dealstage": done}}).expect(t, 200)
}

// TestDealCloses pins the date that HubSpot sets itself when a deal closes.
func TestDealCloses(t *testing.T) {
	c := start(t, hubspottest.Options{CreateDates: true})
	closedate := func(id string) string {
		return c.call("GET", deals+"/"+id+"?properties=closedate,createdate", nil).expect(t, 200).str("properties", "closedate")
	}
	stage := func(id string, p props) { c.call("PATCH", deals+"/"+id, m{"properties": p}).expect(t, 200) }
	d := c.deal(nil)
	if got := closedate(d); got != "<nil>" {
		t.Errorf("an open deal closes on %s", got)
	}
	stage(d, props{"dealstage": "closedwon"})
	first := closedate(d)
	if at, err := time.Parse(time.RFC3339, first); err != nil || time.Since(at) > time.Minute {
		t.Errorf("closed at %s", first)
	}
	stage(d, props{"dealstage": "closedwon", "amount": "7"})
	if got := closedate(d); got != first {
		t.Errorf("closed at %s, then at %s", first, got)
	}
	stage(d, props{"dealstage": "contractsent"})
	stage(d, props{"dealstage": "closedlost", "closedate": "2026-01-02T03:04:05Z"})
	if got := closedate(d); got != "2026-01-02T03:04:05Z" {
		t.Errorf("closed at %s", got)
	}
	old := c.deal(props{"createdate": "2020-02-03T04:05:06Z"})
	if r, _ := c.s.Lookup("deals", "", old); r.Properties["createdate"] != "2020-02-03T04:05:06Z" {
		t.Errorf("created %s", r.Properties["createdate"])
	}
}

func TestUpsertByOwnKeys(t *testing.T) {
	c := start(t, hubspottest.Options{})
	for object, p := range map[string]props{"deals": {"dealname": "D", "dealstage": "contractsent"}, "products": {"name": "P"}} {
		c.define(object, "shop_id", m{"hasUniqueValue": true})
		path := "/crm/objects/2026-09/" + object + "/batch/upsert"
		up := func(ids ...string) reply {
			var list []m
			for _, id := range ids {
				list = append(list, m{"id": id, "idProperty": "shop_id", "objectWriteTraceId": id, "properties": p})
			}
			return c.call("POST", path, inputs(list...))
		}
		up("1", "2").expect(t, 200, `"new":true`)
		if r := up("2", "1").expect(t, 200); strings.Contains(r.raw, `"new":true`) {
			t.Errorf("%s: made again: %s", object, r.raw)
		}
		up("1", "1").expect(t, 400, "Duplicate IDs")
		c.call("POST", path, inputs(m{"id": "D", "idProperty": c.s.Records(object)[0].ID, "properties": p})).expect(t, 400, "non-unique")
		c.call("GET", "/crm/objects/2026-09/"+object+"/2?idProperty=shop_id", nil).expect(t, 200)
		if n := len(c.s.Records(object)); n != 2 {
			t.Errorf("%d %s", n, object)
		}
	}
}

func TestProducts(t *testing.T) {
	c := start(t, hubspottest.Options{})
	create := func(p props) reply { return c.call("POST", products, m{"properties": p}) }
	create(props{"price": "7"}).expect(t, 400, "REQUIRED_PROPERTY", "name")
	p := create(props{"name": "Tea", "hs_sku": "T-1", "price": "7.50", "hs_product_type": "inventory"}).expect(t, 201, `"price":"7.5"`).str("id")
	create(props{"name": "Tea, again", "hs_sku": "T-1"}).expect(t, 400, "already has that value", p)
	create(props{"name": "T", "hs_product_type": "simple"}).expect(t, 400, "INVALID_OPTION")
	create(props{"name": "T", "hs_recurring_billing_period": "17"}).expect(t, 400, "INVALID_FORMAT")
	create(props{"name": "T", "hs_recurring_billing_period": "P12M"}).expect(t, 201)
	c.call("POST", products+"/merge", m{"primaryObjectId": p, "objectIdToMerge": p}).expect(t, 404)
	c.call("GET", "/crm/pipelines/2026-09/products", nil).expect(t, 400, "no pipelines")

	items := "/crm/objects/2026-09/line_items"
	c.call("POST", items, m{"properties": props{"hs_product_id": "7"}}).expect(t, 400, "does not exist")
	r := c.call("POST", items, m{"properties": props{"hs_product_id": p, "quantity": "2", "price": "6"}}).expect(t, 201)
	if got := c.s.Records("line_items")[0].Properties; got["name"] != "Tea" || got["price"] != "6" || got["hs_sku"] != "T-1" {
		t.Errorf("line item %s: %v", r.str("id"), got)
	}
	c.call("POST", items, m{"properties": props{"name": "x", "amount": "12"}}).expect(t, 400, "READ_ONLY_VALUE")
}
