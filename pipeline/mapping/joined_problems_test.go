package mapping_test

import (
	"strings"
	"testing"

	"chartwire/pipeline/mapping"
)

const joinedGood = `map: test/orders
source: shop
while: { table: options, where: option_name == "x", is: option_value == "y" }
entity:
  root: orders
  where: type == "order"
  with:
    billing: { table: addresses, by: order_id, where: kind == "billing" }
    meta: { table: order_meta, by: order_id, pivot: [meta_key, meta_value] }
    items: { table: items, by: order_id, many: true }
    itemmeta: { table: item_meta, by: { item_id: items.item_id }, pivot: [meta_key, meta_value] }
  settle: 500ms up to 5s
phi: [email]
record: hubspot.things
key: { ext_id: text(id) }
class: 5m
on_delete: archive
on_leave: archive
properties:
  name: { from: billing.city }
  amount: { from: 'sum(items, number(itemmeta._qty))' }
links:
  contact: { to: hubspot.contacts, key: { open_medical_patient_id: text(customer) } }
`

// TestJoinedProblems makes one mistake after the other in a joined map.
func TestJoinedProblems(t *testing.T) {
	compileShop(t, false, joinedGood)
	e := shop(t, false)
	f := func(old, new, at, want string) {
		t.Helper()
		_, err := mapping.Compile([]mapping.File{{Name: "m.yaml", Text: []byte(replace(t, joinedGood, old, new))}}, e)
		holdsProblem(t, err, new, at, want)
	}
	// Aliases.
	f("billing: {", "Billing: {", "8:5", "an alias is a name such as `items`")
	f("billing: {", "rows: {", "8:5", "mean something already")
	f("billing: {", "status: {", "8:5", "is a column of orders too")
	f("table: addresses,", "tabel: addresses,", "8:16", "did you mean `table`?")
	f("table: addresses,", "table: adresses,", "8:23", "did you mean `addresses`?")
	f("by: order_id, where: kind", "where: kind", "8:16", "`by` is missing")
	f("by: order_id, where: kind", "by: order, where: kind", "8:38", "has no column `order`; it has id, order_id")
	f("by: order_id, where: kind", "by: { order_id: id, kind: meta.x }, where: kind", "8:60", "`meta` comes after `billing`, which belongs to it; write it above")
	f("{ item_id: items.item_id }", "{ item_id: items.item_id, meta_id: id }", "11:74", "read one row")
	f("{ item_id: items.item_id }", "{ item_id: later.item_id }", "11:50", "has no part `later`")
	f("{ item_id: items.item_id }", "{ item_id: '\"7\"' }", "11:35", "its right side reads no column")
	f("{ item_id: items.item_id }", "{ }", "11:35", "`by` is empty")
	f("{ item_id: items.item_id }", "{ items.item_id: items.item_id }", "11:41", "only the row's own columns can be read here")
	f("by: order_id, where: kind", "by: { order_id: created }, where: kind", "8:50", "what joins is compared as text, and decimal and datetime without zone are never the same")
	f("by: order_id, where: kind", "by: { city: text(created) }, where: kinds", "8:70", "has no column `kinds`")
	f("by: order_id, where: kind == \"billing\"", "by: order_id, where: city", "8:55", "a condition is expected, and this is text")
	f("where: kind == \"billing\"", "where: kind == items.name", "8:63", "`items` has many rows")
	f("where: kind == \"billing\"", "where: 'count(items) == 1'", "8:62", "the `where` of billing reads its own row")
	f("pivot: [meta_key, meta_value] }\n    items", "pivot: [meta_key] }\n    items", "9:5", "`pivot` names two columns")
	f("pivot: [meta_key, meta_value] }\n    items", "pivot: [meta_id, meta_value] }\n    items", "9:54", "the key of a pivot is a text")
	f("pivot: [meta_key, meta_value] }\n    items", "pivot: [meta_key, value] }\n    items", "9:64", "has no column `value`")
	f("pivot: [meta_key, meta_value] }\n    items", "many: true, pivot: [meta_key, meta_value] }\n    items", "9:5", "leave out `many` or `pivot`")
	f("many: true", "many: yes", "10:48", "`many` is true or false")
	f("many: true", "optional: true", "10:5", "name it in `source`")
	f("many: true", "source: clinic", "10:50", "there is no source `clinic`")
	f("settle: 500ms up to 5s", "settle: 5s up to 500ms", "12:11", "500ms up to 5s")
	f("settle: 500ms up to 5s", "latest: [id]", "12:12", "without `group` there is one")
	f("settle: 500ms up to 5s", "group: guest(email)\n  latest: [status]", "13:12", "text has no order here")
	f("settle: 500ms up to 5s", "group: email", "12:10", "names no group")
	f("settle: 500ms up to 5s", "group: billing.city", "12:10", "only the row's own columns")
	// What they give.
	f("billing.city", "billing.town", "20:17", "the table addresses has no column `town`")
	f("billing.city", "biling.city", "20:17", "did you mean `billing`?")
	f("billing.city", "items.name", "20:17", "`items` has many rows, so that `items.name` is not one thing")
	f("billing.city", "itemmeta._qty", "20:17", "`items` has many rows")
	f("billing.city", ".city", "20:17", "a name after a point is a column of an aggregate's row")
	f("billing.city", "'first(billing, .city)'", "20:24", "`billing` has one row")
	f("billing.city", "'first(rows, .status)'", "20:24", "the entity has no `group`")
	f("billing.city", "text(count(meta))", "20:28", "`meta` is a pivot; read its keys as meta.key")
	f("billing.city", "items where .name == \"x\"", "20:23", "`where` chooses rows within an aggregate")
	f("billing.city", "email", "20:17", "PHI")
	f("number(itemmeta._qty)", "itemmeta._qty", "21:31", "takes a number, and this is text; write number(x)")
	f("number(itemmeta._qty)", "neg(.name)", "21:31", "`-` takes a number, and this is text")
	f("'sum(items, number(itemmeta._qty))'", "count(items where .name)", "21:37", "after `where` comes a condition, and this is text")
	f("'sum(items, number(itemmeta._qty))'", "'max(items, .name)'", "21:31", "text has no order here")
	f("'sum(items, number(itemmeta._qty))'", "sum(items)", "21:19", "a call of sum looks like sum(rows, number)")
	f("'sum(items, number(itemmeta._qty))'", "count(id)", "21:25", "the entity has no part `id`")
	f("'sum(items, number(itemmeta._qty))'", "'count(1)'", "21:26", "takes the rows of an alias")
	// Links and conditions.
	f("hubspot.contacts", "hubspot.contact", "23:18", "did you mean `hubspot.contacts`?")
	f("open_medical_patient_id", "firstname", "23:43", "not unique")
	f("text(customer)", "customer", "23:68", "a key is a text")
	f("text(customer)", "email", "23:68", "PHI and goes into no key")
	f("text(customer) }", ".name }, each: items where .nme == \"x\"", "23:95", "has no column `nme`; did you mean `name`?")
	f("contact: {", "1st: {", "23:3", "a link's name")
	f("to: hubspot.contacts, ", "", "23:14", "`to` is missing")
	f("table: options,", "table: option,", "3:17", "did you mean `options`?")
	f(", is: option_value == \"y\"", "", "3:10", "`is` is missing")
	f("is: option_value", "is: id", "3:57", "has no column `id`")
	f("phi: [email]", "phi: [billing.town]", "13:7", "has no `town`")
	f("class: 5m", "class: 5m\nunless: { table: options, where: option_name == \"x\", is: option_value == \"y\" }", "17:11", "`while` or `unless`, not both")
}

// TestGuestNeedsKey holds that a map that names guests does not compile where
// nothing names them.
func TestGuestNeedsKey(t *testing.T) {
	e := shop(t, false)
	e.SiteKey = nil
	text := replace(t, joinedGood, "settle: 500ms up to 5s", "group: guest(email)")
	_, err := mapping.Compile([]mapping.File{{Name: "m.yaml", Text: []byte(text)}}, e)
	if err == nil || !strings.Contains(err.Error(), "m.yaml:12:10") || !strings.Contains(err.Error(), "site_key: ${") {
		t.Errorf("got %v", err)
	}
}

// TestTurns holds that two maps may write one record if they take turns.
func TestTurns(t *testing.T) {
	e := shop(t, false)
	f := func(second string, want bool) {
		t.Helper()
		other := strings.Replace(strings.Replace(joinedGood, "test/orders", "test/posts", 1), `while: { table: options, where: option_name == "x", is: option_value == "y" }`, second, 1)
		_, err := mapping.Compile([]mapping.File{{Name: "a.yaml", Text: []byte(joinedGood)}, {Name: "b.yaml", Text: []byte(other)}}, e)
		if ok := err == nil; ok != want {
			t.Errorf("%s: got %v", second, err)
		}
	}
	f(`unless: { table: options, where: option_name  ==  "x", is: (option_value == "y") }`, true)
	f(`while: { table: options, where: option_name == "x", is: option_value == "y" }`, false)
	f(`unless: { table: options, where: option_name == "x", is: option_value == "z" }`, false)
	f("", false)
}
