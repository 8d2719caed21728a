package mapping_test

import (
	"cmp"
	"maps"
	"math/rand/v2"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"

	"chartwire/pipeline/mapping"
)

const modelledOrders = `map: test/orders
source: shop
entity:
  root: orders
  where: type == "order" and (status is null or status != "draft")
  with:
    billing:  { table: addresses, by: order_id, where: kind == "billing" }
    meta:     { table: order_meta, by: order_id, pivot: [meta_key, meta_value] }
    items:    { table: items, by: order_id, many: true }
    itemmeta: { table: item_meta, by: { item_id: items.item_id }, pivot: [meta_key, meta_value] }
    product:  { table: products, by: { id: itemmeta._product_id } }
    refunds:  { table: orders, by: parent, where: type == "refund" and root.status != "free", many: true }
    same:     { source: clinic, table: patients, by: { lower(Email): lower(email) }, many: true }
record: hubspot.things
key: { ext_id: text(id) }
class: 15m
on_delete: archive
on_leave: archive
properties:
  name:   { from: billing.city, on_null: clear }
  note:   { from: 'join(", ", items where .type == "line" and product.price > 5.0, .name + "x" + itemmeta._qty)', on_null: clear }
  amount: { from: 'sum(refunds, .total)' }
  active: { from: count(same) == 1 }
  seen:   { from: utc(meta._paid), on_null: clear }
  lifecyclestage: { from: 'latest(items, product.title, number(itemmeta._qty))', on_null: clear }
links:
  contact: { to: hubspot.contacts, key: { open_medical_patient_id: 'customer > 0 ? text(customer) : null' } }
  parts:   { to: hubspot.things, each: items where .type == "line", key: { ext_id: itemmeta._product_id } }
`

// naive says what modelledOrders writes for an order, as a person would look it
// up, without anything of the package under test.
func naive(d database, id int) string {
	o, ok := d["orders"][id]
	if status, there := o["status"]; !ok || o["type"] != "order" || there && status == "draft" {
		return "nothing"
	}
	key := strconv.Itoa(id)
	parts := []string{}
	property := func(name, value string, there bool) {
		if there && value != "" {
			parts = append(parts, name+"="+value)
		} else {
			parts = append(parts, name+" cleared")
		}
	}
	var city string
	var cityThere bool
	for _, a := range d.sorted("addresses") {
		if a["order_id"] == key && a["kind"] == "billing" {
			city, cityThere = a["city"], true
			if _, ok := a["city"]; !ok {
				cityThere = false
			}
		}
	}
	property("name", city, cityThere)
	meta := func(table, column, owner, name string) (string, bool) {
		var v string
		there := false
		for _, m := range d.sorted(table) {
			if m[column] == owner && m["meta_key"] == name {
				v, there = m["meta_value"]
			}
		}
		return v, there
	}
	if paid, ok := meta("order_meta", "order_id", key, "_paid"); ok && len(paid) == 19 {
		property("seen", strings.Replace(paid, " ", "T", 1)+"Z", true)
	} else {
		property("seen", "", false)
	}
	var notes, parts2 []string
	latest, latestThere := "", false
	best, bestThere, first := 0, false, true
	for _, it := range d.sorted("items") {
		if it["order_id"] != key {
			continue
		}
		qty, qtyThere := meta("item_meta", "item_id", it["item_id"], "_qty")
		product, productThere := meta("item_meta", "item_id", it["item_id"], "_product_id")
		var p cells
		if n, err := strconv.Atoi(product); err == nil && productThere {
			p = d["products"][n]
		}
		price, priceErr := strconv.ParseFloat(p["price"], 64)
		if name, ok := it["name"]; ok && it["type"] == "line" && priceErr == nil && price > 5 && qtyThere && name+"x"+qty != "" {
			notes = append(notes, name+"x"+qty)
		}
		if it["type"] == "line" && productThere && product != "" && !slices.Contains(parts2, product) {
			parts2 = append(parts2, product)
		}
		n, err := strconv.Atoi(qty)
		numbered := qtyThere && err == nil
		better := first || numbered && (!bestThere || n >= best) || !numbered && !bestThere
		if better {
			best, bestThere, first = n, numbered, false
			latest, latestThere = p["title"]
		}
	}
	property("note", strings.Join(notes, ", "), len(notes) > 0)
	property("lifecyclestage", latest, latestThere)
	cents := 0
	for _, r := range d.sorted("orders") {
		status, there := o["status"]
		if total, ok := r["total"]; ok && r["parent"] == key && r["type"] == "refund" && there && status != "free" {
			v, _ := strconv.ParseFloat(total, 64)
			cents += int(v * 2)
		}
	}
	property("amount", strconv.FormatFloat(float64(cents)/2, 'f', -1, 64), true)
	same := 0
	for _, p := range d.sorted("patients") {
		if email := p["Email"]; email != "" && strings.EqualFold(email, o["email"]) {
			same++
		}
	}
	property("active", strconv.FormatBool(same == 1), true)
	if c, _ := strconv.Atoi(o["customer"]); c > 0 {
		parts = append(parts, "contact set->"+o["customer"])
	} else {
		parts = append(parts, "contact clear->")
	}
	for _, p := range parts2 {
		parts = append(parts, "parts set->"+p)
	}
	if len(parts2) == 0 {
		parts = append(parts, "parts clear->")
	}
	sort.Strings(parts)
	return key + " present: " + strings.Join(parts, "; ")
}

// columnsOf says what random rows hold; a text is chosen, or the column is null.
var columnsOf = map[string]map[string][]string{
	"orders": {"type": {"order", "order", "order", "refund"}, "status": {"paid", "draft", "free"}, "customer": {"0", "5", "6"}, "email": {"", "a@b.c", "A@b.c"},
		"parent": {"1", "2", "3"}, "total": {"-1", "-0.5", "2"}},
	"addresses":  {"order_id": {"1", "2", "3"}, "kind": {"billing", "shipping"}, "city": {"Ulm", "Bonn", ""}},
	"order_meta": {"order_id": {"1", "2", "3"}, "meta_key": {"_paid", "_other"}, "meta_value": {"2026-01-02 03:04:05", "2027-01-02 03:04:05", "0", ""}},
	"items":      {"order_id": {"1", "2", "3"}, "type": {"line", "line", "fee"}, "name": {"Tea", "Cup", ""}},
	"item_meta":  {"item_id": {"1", "2", "3", "10"}, "meta_key": {"_qty", "_product_id", "_other"}, "meta_value": {"1", "2", "10", "x", ""}},
	"products":   {"title": {"Green", "Black", ""}, "price": {"5", "5.5", "9"}},
	"patients":   {"Email": {"a@B.c", "x@y.z", ""}},
}

var keyOf = map[string]string{"orders": "id", "addresses": "id", "order_meta": "meta_id", "items": "item_id", "item_meta": "meta_id", "products": "id", "patients": "PatNum"}

var modelTables = slices.Sorted(maps.Keys(columnsOf))

// change puts, changes or takes one row.
func (d database) change(r *rand.Rand) (table string, id int) {
	table = modelTables[r.IntN(len(modelTables))]
	ids := []int{1, 2, 3, 10}
	id = ids[r.IntN(len(ids))]
	if d[table] == nil {
		d[table] = map[int]cells{}
	}
	old, there := d[table][id]
	if there && r.IntN(4) == 0 {
		delete(d[table], id)
		return table, id
	}
	row := cells{keyOf[table]: strconv.Itoa(id)}
	for _, c := range slices.Sorted(maps.Keys(columnsOf[table])) {
		if v, ok := old[c]; there && r.IntN(3) > 0 {
			if ok {
				row[c] = v
			}
			continue
		}
		if values := columnsOf[table][c]; r.IntN(8) > 0 {
			row[c] = values[r.IntN(len(values))]
		}
	}
	d[table][id] = row
	return table, id
}

// TestJoinedModel holds joined evaluation equal to a naive one, over databases
// that change row by row; and holds that whenever what an entity gives changes,
// the change touches the map and is found to be that entity's.
func TestJoinedModel(t *testing.T) {
	model(t, modelledOrders, []string{"1", "2", "3", "10"}, func(d database, key string) string {
		id, _ := strconv.Atoi(key)
		return naive(d, id)
	})
}

// model walks a map and a naive reading of it through random databases.
func model(t *testing.T, text string, keys []string, naive func(d database, key string) string) {
	t.Helper()
	m := compileShop(t, true, text).Maps[0]
	e := m.Evaluator()
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 2))
		d := database{}
		before := newMemory(t, m, d)
		for step := range 120 {
			was := d.clone()
			table, id := d.change(r)
			now := newMemory(t, m, d)
			for _, key := range keys {
				if got, want := told(now.eval(e, key)), naive(d, key); got != want {
					t.Fatalf("seed %d, step %d, entity %s:\ngot  %s\nwant %s", seed, step, key, got, want)
				}
			}
			found := reached(t, e, before, now, table, was[table][id], d[table][id])
			for _, key := range keys {
				if told(before.eval(e, key)) != told(now.eval(e, key)) && !slices.Contains(found, key) {
					t.Fatalf("seed %d, step %d: a change of %s changes entity %s, and is not found to", seed, step, table, key)
				}
			}
			before = now
		}
	}
}

const modelledGuests = `map: test/guests
source: shop
entity:
  root: orders
  where: type == "order" and billing.kind is not null
  group: lower(email)
  latest: [total]
  with:
    billing: { table: addresses, by: order_id, where: kind == "billing" }
    items:   { table: items, by: order_id, many: true }
record: hubspot.things
key: { ext_id: '"g" + lower(email)' }
class: 15m
on_delete: archive
properties:
  name:   { from: billing.city, on_null: clear }
  note:   { from: 'join("/", rows, billing.city)', on_null: clear }
  amount: { from: 'sum(rows, count(items))' }
  lifecyclestage: { from: status, on_null: clear }
on_leave: archive
`

// TestGroupModel does the same for entities without a row of their own.
func TestGroupModel(t *testing.T) {
	model(t, modelledGuests, []string{"a@b.c"}, func(d database, key string) string {
		var latest cells
		var latestCity string
		var cities []string
		items := 0
		for _, o := range d.sorted("orders") {
			if strings.ToLower(o["email"]) != key || o["type"] != "order" {
				continue
			}
			city, billed := "", false
			for _, a := range d.sorted("addresses") {
				if a["order_id"] == o["id"] && a["kind"] == "billing" {
					city, billed = a["city"], true
				}
			}
			if !billed {
				continue
			}
			if city != "" {
				cities = append(cities, city)
			}
			for _, i := range d.sorted("items") {
				if i["order_id"] == o["id"] {
					items++
				}
			}
			total := func(c cells) float64 {
				v, err := strconv.ParseFloat(c["total"], 64)
				if err != nil {
					return -1e9
				}
				return v
			}
			if latest == nil || total(o) >= total(latest) {
				latest, latestCity = o, city
			}
		}
		if latest == nil {
			return "nothing"
		}
		parts := []string{"amount=" + strconv.Itoa(items)}
		for _, p := range [][2]string{{"name", latestCity}, {"note", strings.Join(cities, "/")}, {"lifecyclestage", latest["status"]}} {
			if p[1] == "" {
				parts = append(parts, p[0]+" cleared")
			} else {
				parts = append(parts, p[0]+"="+p[1])
			}
		}
		sort.Strings(parts)
		return "g" + key + " present: " + strings.Join(parts, "; ")
	})
}

// reached are the entities that a change is found to concern.
func reached(t *testing.T, e *mapping.Evaluator, before, now *memory, table string, old, new cells) []string {
	var found []string
	var b, a mapping.Row
	if old != nil {
		b = encoded(t, table, old)
	}
	if new != nil {
		a = encoded(t, table, new)
	}
	for n := range now.m.Nodes {
		if now.m.Nodes[n].Table.Name != table || !e.Touches(n, b.Schema, b.Data, a.Schema, a.Data) {
			continue
		}
		if b.Data != nil {
			found = append(found, before.climb(n, &b)...)
			found = append(found, now.climb(n, &b)...)
		}
		if a.Data != nil {
			found = append(found, before.climb(n, &a)...)
			found = append(found, now.climb(n, &a)...)
		}
	}
	slices.SortFunc(found, cmp.Compare[string])
	return slices.Compact(found)
}
