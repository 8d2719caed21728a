package mapping_test

import (
	"strings"
	"testing"

	"chartwire/pipeline/mapping"
	"chartwire/schemas/maps/ddl"
)

const shopDDL = `CREATE TABLE orders (
  id bigint unsigned NOT NULL, type varchar(20), status varchar(20), customer bigint unsigned, email varchar(320), parent bigint unsigned,
  total decimal(26,8), created datetime, PRIMARY KEY (id)
) CHARSET=utf8mb4;
CREATE TABLE addresses (
  id bigint unsigned NOT NULL, order_id bigint unsigned, kind varchar(20), city varchar(50), PRIMARY KEY (id)
) CHARSET=utf8mb4;
CREATE TABLE order_meta (
  meta_id bigint unsigned NOT NULL, order_id bigint unsigned, meta_key varchar(255), meta_value longtext, PRIMARY KEY (meta_id)
) CHARSET=utf8mb4;
CREATE TABLE items (
  item_id bigint unsigned NOT NULL, order_id bigint unsigned, type varchar(20), name text, PRIMARY KEY (item_id)
) CHARSET=utf8mb4;
CREATE TABLE item_meta (
  meta_id bigint unsigned NOT NULL, item_id bigint unsigned, meta_key varchar(255), meta_value longtext, PRIMARY KEY (meta_id)
) CHARSET=utf8mb4;
CREATE TABLE products (
  id bigint unsigned NOT NULL, title text, price double, added timestamp, PRIMARY KEY (id)
) CHARSET=utf8mb4;
CREATE TABLE options (
  option_id bigint unsigned NOT NULL, option_name varchar(191), option_value longtext, PRIMARY KEY (option_id)
) CHARSET=utf8mb4;`

const patientsDDL = `CREATE TABLE patients (
  PatNum bigint NOT NULL, Email varchar(255), LName varchar(100), PRIMARY KEY (PatNum)
) CHARSET=utf8mb4;`

// shop is a world with a shop beside the clinic's source.
func shop(t testing.TB, clinic bool) mapping.Env {
	t.Helper()
	e := world(t)
	tables, err := ddl.Parse("shop", "db", shopDDL)
	if err != nil {
		t.Fatal(err)
	}
	e.Tables = append(e.Tables, tables...)
	e.Sources = append(e.Sources, mapping.Source{Name: "shop", Zone: e.Sources[0].Zone})
	if clinic {
		tables, err := ddl.Parse("clinic", "db", patientsDDL)
		if err != nil {
			t.Fatal(err)
		}
		e.Tables = append(e.Tables, tables...)
		e.Sources = append(e.Sources, mapping.Source{Name: "clinic", Zone: e.Sources[0].Zone})
	}
	return e
}

const orders = `map: test/orders
source: shop
entity:
  root: orders
  where: type == "order" and status != "draft"
  with:
    billing:  { table: addresses, by: order_id, where: kind == "billing" }
    meta:     { table: order_meta, by: order_id, pivot: [meta_key, meta_value] }
    items:    { table: items, by: order_id, many: true }
    itemmeta: { table: item_meta, by: { item_id: items.item_id }, pivot: [meta_key, meta_value] }
    product:  { table: products, by: { id: itemmeta._product_id } }
    refunds:  { table: orders, by: parent, where: type == "refund", many: true }
    same:     { source: clinic, optional: true, table: patients, by: { lower(Email): lower(email) }, many: true }
  settle: 300ms up to 4s
record: hubspot.things
key: { ext_id: text(id) }
class: 15m
on_delete: archive
on_leave: archive
properties:
  name:   { from: billing.city, on_null: clear, class: realtime }
  note:   { from: 'join(", ", items where .type == "line" and product.price > 5.0, .name + "x" + itemmeta._qty)', on_null: clear }
  amount: { from: 'total + sum(refunds, .total)', class: 5m }
  active: { from: count(same) == 1 }
  seen:   { from: utc(meta._paid), on_null: clear }
  lifecyclestage: { from: 'latest(items, .name, number(itemmeta._qty))', on_null: clear }
links:
  contact: { to: hubspot.contacts, key: { open_medical_patient_id: 'customer > 0 ? text(customer) : guest(email)' } }
  parts:   { to: hubspot.things, each: items where .type == "line", key: { ext_id: itemmeta._product_id }, label: Part }
rules:
  paid:
    when: meta._paid is not null
    then: [ { create: notify.pages, properties: { title: { is: Paid }, text: { from: record.key } } } ]
examples:
`

func compileShop(t testing.TB, clinic bool, text string) *mapping.Program {
	t.Helper()
	p, err := mapping.Compile([]mapping.File{{Name: "m.yaml", Text: []byte(text)}}, shop(t, clinic))
	if err != nil {
		t.Fatalf("it does not compile:\n%v", err)
	}
	return p
}

// examples runs examples that are given in the form of a map file.
func examples(t *testing.T, clinic bool, head, text string) {
	t.Helper()
	p := compileShop(t, clinic, head+text)
	for _, problem := range mapping.RunExamples(p) {
		t.Error(problem)
	}
	if p.Examples() != strings.Count(text, "- name:") || p.Examples() == 0 {
		t.Errorf("%d examples were run", p.Examples())
	}
}

const wholeOrder = `
      orders:
        - { id: 71, type: order, status: paid, customer: 0, email: " Ann@Example.com", total: "49.00000000" }
        - { id: 72, type: refund, parent: 71, total: "-9.50" }
        - { id: 73, type: other, parent: 71, total: "-1" }
        - { id: 74, type: refund, parent: 70, total: "-1" }
      addresses:
        - { order_id: 71, kind: shipping, city: Bonn }
        - { order_id: 71, kind: billing, city: Ulm }
        - { order_id: 72, kind: billing, city: Kiel }
      order_meta:
        - { order_id: 71, meta_key: _paid, meta_value: "2026-01-02 03:04:05" }
        - { order_id: 71, meta_key: _unused, meta_value: x }
      items:
        - { item_id: 5, order_id: 71, type: line, name: Tea }
        - { item_id: 10, order_id: 71, type: line, name: Cup }
        - { item_id: 11, order_id: 71, type: fee, name: Fee }
        - { item_id: 12, order_id: 70, type: line, name: Else }
      item_meta:
        - { item_id: 5, meta_key: _qty, meta_value: 2 }
        - { item_id: 5, meta_key: _product_id, meta_value: 900 }
        - { item_id: 10, meta_key: _qty, meta_value: 1 }
        - { item_id: 10, meta_key: _product_id, meta_value: 901 }
        - { item_id: 11, meta_key: _qty, meta_value: none }
      products: [ { id: 900, price: 5.5 }, { id: 901, price: 9 }, { id: 902, price: 9 } ]
`

func TestJoinedExamples(t *testing.T) {
	examples(t, true, orders, `
  - name: an order of many tables
    rows:`+wholeOrder+`
      patients: [ { PatNum: 1, Email: x@example.com } ]
    gives: { key: "71", name: Ulm, note: "Teax2, Cupx1", amount: 39.5, active: false, seen: "2026-01-02T03:04:05Z", lifecyclestage: Tea,
      links: { contact: "guest:9f70eb4f1d9f0194", parts: ["900", "901"] } }
    fires: { paid: { notify.pages: { key: "test/orders/paid:71:1", title: Paid, text: "71", about: things/ext_id/71 } } }
    flags: []
  - name: nothing but the root
    rows: { orders: [ { id: 1, type: order, status: paid, customer: 9, email: null, total: 1 } ] }
    gives: { key: "1", name: null, note: null, amount: 1, active: false, seen: null, lifecyclestage: null, links: { contact: "9", parts: null } }
    fires: nothing
  - name: somebody who has no account and left no address is nobody
    rows: { orders: [ { id: 1, type: order, status: paid, customer: 0, email: "", total: 1 } ] }
    gives: { key: "1", name: null, note: null, amount: 1, active: false, seen: null, lifecyclestage: null, links: { contact: null, parts: null } }
  - name: what is unknown is left alone
    rows: { orders: [ { id: 1, type: order, status: paid } ], addresses: [ { order_id: 1, city: Ulm } ], items: [ { order_id: 1 } ] }
    gives: { key: "1", seen: null }
  - name: the same key twice is flagged, and the higher primary key is taken
    rows:
      orders: [ { id: 1, type: order, status: paid, customer: 9, email: null, total: 1 } ]
      order_meta: [ { meta_id: 10, order_id: 1, meta_key: _paid, meta_value: "0" }, { meta_id: 9, order_id: 1, meta_key: _paid, meta_value: "2026-01-01 00:00:00" } ]
      addresses: [ { order_id: 1, kind: billing, city: Ulm }, { order_id: 1, kind: billing, city: Bonn } ]
    gives: { key: "1", name: Bonn, note: null, amount: 1, active: false, seen: null, lifecyclestage: null, links: { contact: "9", parts: null } }
    flags: [meta, billing]
  - name: an order that becomes a draft leaves
    before: { orders: [ { id: 1, type: order, status: paid } ] }
    rows: { orders: [ { id: 1, type: order, status: draft } ] }
    gives: archived
  - name: a draft was never there
    rows: { orders: [ { id: 1, type: order, status: draft } ] }
    gives: nothing
  - name: an order that is deleted is archived, whatever is left of it
    before: { orders: [ { id: 1, type: order, status: paid } ] }
    rows: { items: [ { order_id: 1, type: line } ] }
    gives: archived
  - name: one patient has the address
    before: { orders: [ { id: 1, type: order, status: paid, customer: 9, email: A@b.c, total: 1 } ] }
    rows:
      orders: [ { id: 1, type: order, status: paid, customer: 9, email: A@b.c, total: 1 } ]
      patients: [ { PatNum: 5, Email: a@B.c } ]
    gives: { key: "1", name: null, note: null, amount: 1, active: true, seen: null, lifecyclestage: null, links: { contact: "9", parts: null } }
    lane: routine
  - name: the lane is that of what was touched
    before: { orders: [ { id: 1, type: order, status: paid, customer: 9, email: null, total: 1 } ] }
    rows:
      orders: [ { id: 1, type: order, status: paid, customer: 9, email: null, total: 1 } ]
      addresses: [ { order_id: 1, kind: billing, city: Ulm } ]
    gives: { key: "1", name: Ulm, note: null, amount: 1, active: false, seen: null, lifecyclestage: null, links: { contact: "9", parts: null } }
    lane: realtime
`)
	examples(t, false, orders, `
  - name: without the clinic there is no patient
    rows: { orders: [ { id: 1, type: order, status: paid, customer: 9, email: null, total: 1 } ] }
    gives: { key: "1", name: null, note: null, amount: 1, active: false, seen: null, lifecyclestage: null, links: { contact: "9", parts: null } }
`)
}

// TestJoinedExampleFails holds what is said of an example that does not hold.
func TestJoinedExampleFails(t *testing.T) {
	const example = `  - name: x
    before: { orders: [ { id: 1, type: order, status: paid, customer: 9 } ], order_meta: [ { order_id: 1, meta_key: _paid, meta_value: "2026-01-01 00:00:00" } ] }
    rows:
      orders: [ { id: 1, type: order, status: paid, customer: 9, email: null, total: 1 } ]
      order_meta: [ { order_id: 1, meta_key: _paid, meta_value: "2026-01-01 00:00:00" } ]
    gives: { key: "1", name: null, note: null, amount: 1, active: false, seen: "2026-01-01T00:00:00Z", lifecyclestage: null, links: { contact: "9", parts: null } }
    fires: nothing
    flags: []
`
	examples(t, true, orders, example)
	f := func(old, new, want string) {
		t.Helper()
		p := compileShop(t, true, orders+replace(t, example, old, new))
		for _, problem := range mapping.RunExamples(p) {
			if strings.Contains(problem.Text, want) {
				return
			}
		}
		t.Errorf("%s: want %s, got %v", new, want, mapping.RunExamples(p))
	}
	f(`contact: "9"`, `contact: "8"`, `the link contact goes to ["9"], and not ["8"]`)
	f(`contact: "9", `, ``, `the link contact goes to ["9"], and the example does not have it`)
	f(`parts: null`, `parts: ["5"]`, `the link parts goes to [], and not ["5"]`)
	f(`parts: null`, `parts: null, part: null`, `the link part is not known`)
	f(`amount: 1,`, `amount: 2,`, "amount is `1`, and not `2`")
	f(`fires: nothing`, `fires: { paid: { notify.pages: { key: a, title: b } } }`, "the rule paid does not fire")
	f(`flags: []`, `flags: meta`, `flagged are [], and not ["meta"]`)
	f(`flags: []`, `old: "2"`, "the entity leaves no record")
	f(`      order_meta: [ {`, `      order_mta: [ {`, "did you mean `order_meta`?")
	f(`email: null, total: 1`, `mail: null, total: 1`, "has no column `mail`; did you mean `email`?")
	f(`email: null, total: 1`, `email: null, total: one`, "not a number")
	f(`{ id: 1, type: order, status: paid, customer: 9, email`, `{ type: order, status: paid, customer: 9, email`, "the row has no `id`, which is its key")
	f(`before: { orders: [ { id: 1, type: order, status: paid, customer: 9 } ], `, `before: { `, "the rule paid fires, and should not")
}
