package mapping_test

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"

	"chartwire/cdc"
	"chartwire/pipeline/mapping"
	"chartwire/schemas"
	"chartwire/schemas/maps/ddl"
	"chartwire/sinks"
)

// cells is a row by its columns; what is not in it is null.
type cells map[string]string

// database is tables of rows in the order of their keys' numbers.
type database map[string]map[int]cells

func (d database) clone() database {
	out := database{}
	for t, rows := range d {
		out[t] = maps.Clone(rows)
	}
	return out
}

// sorted are the rows of a table in the order of their keys.
func (d database) sorted(table string) []cells {
	ids := slices.Sorted(maps.Keys(d[table]))
	out := make([]cells, 0, len(ids))
	for _, id := range ids {
		out = append(out, d[table][id])
	}
	return out
}

var shopSchemas = func() map[string]*schemas.RowSchema {
	out := map[string]*schemas.RowSchema{}
	for source, sql := range map[string]string{"shop": shopDDL, "clinic": patientsDDL} {
		tables, err := ddl.Parse(source, "db", sql)
		if err != nil {
			panic(err)
		}
		for _, t := range tables {
			s, err := schemas.NewRowSchema(t)
			if err != nil {
				panic(err)
			}
			out[t.Name] = s
		}
	}
	return out
}()

// encoded is a row of a table as the pipeline holds it.
func encoded(t testing.TB, table string, c cells) mapping.Row {
	t.Helper()
	s := shopSchemas[table]
	texts := map[string]*string{}
	for name, v := range c {
		texts[name] = &v
	}
	row, err := mapping.EncodeRow(s.Table, texts)
	if err != nil {
		t.Fatal(err)
	}
	key, err := schemas.AppendKey(nil, s.Table, row)
	if err != nil {
		t.Fatal(err)
	}
	return mapping.Row{Key: string(key), Schema: s, Data: row, Seq: 1}
}

// memory answers an evaluator from a database, by trying every row.
type memory struct {
	t      testing.TB
	m      *mapping.Map
	rows   map[string][]mapping.Row
	keyers []*mapping.Keyer
	ups    []*mapping.Keyer
}

func newMemory(t testing.TB, m *mapping.Map, d database) *memory {
	mem := &memory{t: t, m: m, rows: map[string][]mapping.Row{}}
	for table := range d {
		for _, c := range d.sorted(table) {
			mem.rows[table] = append(mem.rows[table], encoded(t, table, c))
		}
	}
	keyer := func(ix *mapping.Index) *mapping.Keyer {
		if ix == nil {
			return nil
		}
		return ix.Keyer()
	}
	for _, n := range m.Nodes {
		mem.keyers, mem.ups = append(mem.keyers, keyer(n.Find)), append(mem.ups, keyer(n.Up))
	}
	return mem
}

func textOf(t testing.TB, k *mapping.Keyer, r *mapping.Row) (string, bool) {
	text, ok, err := k.Text(nil, r.Schema, r.Data)
	if err != nil {
		t.Fatal(err)
	}
	return string(text), ok
}

func (mem *memory) find(node int, text []byte) iter.Seq2[mapping.Row, error] {
	return func(yield func(mapping.Row, error) bool) {
		scratch := []byte{}
		for _, r := range mem.rows[mem.m.Nodes[node].Table.Name] {
			is, ok := r.Key, true
			if k := mem.keyers[node]; k != nil {
				is, ok = textOf(mem.t, k, &r)
			}
			if ok && is == string(text) {
				scratch = append(scratch[:0], r.Data...) // valid only for the step
				r.Data = cdc.Row(scratch)
				if !yield(r, nil) {
					return
				}
				for i := range scratch {
					scratch[i] = 0xff
				}
			}
		}
	}
}

// entities are the keys of the entities that the root's rows make.
func (mem *memory) entities() []string {
	var out []string
	for _, r := range mem.rows[mem.m.Nodes[0].Table.Name] {
		if k := mem.keyers[0]; k == nil {
			out = append(out, r.Key)
		} else if text, ok := textOf(mem.t, k, &r); ok {
			out = append(out, text)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// climb gives the entities that a row of a node belongs to.
func (mem *memory) climb(node int, r *mapping.Row) []string {
	if node == 0 {
		if k := mem.keyers[0]; k != nil {
			if text, ok := textOf(mem.t, k, r); ok {
				return []string{text}
			}
			return nil
		}
		return []string{r.Key}
	}
	text, ok := textOf(mem.t, mem.keyers[node], r)
	if !ok {
		return nil
	}
	var out []string
	parent := mem.m.Nodes[node].Parent
	for _, p := range mem.rows[mem.m.Nodes[parent].Table.Name] {
		if up, ok := textOf(mem.t, mem.ups[node], &p); ok && up == text {
			out = append(out, mem.climb(parent, &p)...)
		}
	}
	return out
}

func (mem *memory) eval(e *mapping.Evaluator, key string) *mapping.Output {
	out, err := e.EvalEntity(&mapping.Entity{Key: key, Rows: mem.find, Reason: mapping.ReasonChange})
	if err != nil {
		mem.t.Fatal(err)
	}
	return out
}

// told writes what an output writes, in one text.
func told(out *mapping.Output) string {
	m := out.Mutation
	if m == nil {
		return "nothing"
	}
	var parts []string
	for _, p := range m.Properties {
		if p.State == sinks.Set {
			parts = append(parts, p.Name+"="+p.Value)
		} else {
			parts = append(parts, p.Name+" cleared")
		}
	}
	for _, l := range m.Links {
		parts = append(parts, fmt.Sprintf("%s %s->%s", l.Name, l.State, l.To.Key))
	}
	sort.Strings(parts)
	return m.Record.Key + " " + string(m.Existence) + ": " + strings.Join(parts, "; ")
}

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
  contact: { to: hubspot.contacts, key: { open_medical_patient_id: 'customer > 0 ? text(customer) : email' } }
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
	} else if email := o["email"]; email != "" {
		parts = append(parts, "contact set->"+email)
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
	p := compileShop(t, true, modelledOrders)
	m := p.Maps[0]
	e := m.Evaluator()
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 2))
		d := database{}
		before := newMemory(t, m, d)
		for step := range 120 {
			was := d.clone()
			table, id := d.change(r)
			now := newMemory(t, m, d)
			for _, key := range []string{"1", "2", "3", "10"} {
				n, _ := strconv.Atoi(key)
				if got, want := told(now.eval(e, key)), naive(d, n); got != want {
					t.Fatalf("seed %d, step %d, order %s:\ngot  %s\nwant %s", seed, step, key, got, want)
				}
			}
			found := reached(t, e, before, now, table, was[table][id], d[table][id])
			for _, key := range []string{"1", "2", "3", "10"} {
				if told(before.eval(e, key)) != told(now.eval(e, key)) && !slices.Contains(found, key) {
					t.Fatalf("seed %d, step %d: a change of %s changes order %s, and is not found to", seed, step, table, key)
				}
			}
			before = now
		}
	}
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
