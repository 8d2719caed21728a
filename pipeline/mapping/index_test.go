package mapping_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"chartwire/cdc"
	"chartwire/pipeline/mapping"
)

// node finds a node of a map by its alias.
func node(t *testing.T, m *mapping.Map, alias string) *mapping.Node {
	t.Helper()
	for i := range m.Nodes {
		if m.Nodes[i].Alias == alias {
			return &m.Nodes[i]
		}
	}
	t.Fatalf("there is no node %s", alias)
	return nil
}

const joinedEveryWay = `  with:
    billing:  { table: addresses, by: order_id }
    other:    { table: addresses, by: { order_id: id } }
    meta:     { table: order_meta, by: order_id, pivot: [meta_key, meta_value] }
    product:  { table: products, by: { id: meta._product_id } }
    second:   { table: products, by: { id: meta._second } }
    city:     { table: addresses, by: { kind: status, city: email }, many: true }
    same:     { source: clinic, table: patients, by: { lower(Email): lower(email) }, many: true }
    people:   { source: clinic, table: patients, by: { guest(Email): guest(email) }, many: true }
`

// TestIndexes holds under which texts rows are found, from both ends.
func TestIndexes(t *testing.T) {
	m := shopMap(t, joinedEveryWay, "properties:\n  amount: { from: count(city) + count(same) + count(people) }\n")
	f := func(ix *mapping.Index, table string, c cells, want string) {
		t.Helper()
		r := encoded(t, table, c)
		text, ok := textOf(t, ix.Keyer(), &r)
		if !ok {
			text = "nobody"
		}
		if text != want {
			t.Errorf("%s %v: %q, want %q", table, c, text, want)
		}
	}
	find := func(alias string) *mapping.Index { return node(t, m, alias).Find }
	up := func(alias string) *mapping.Index { return node(t, m, alias).Up }
	f(find("billing"), "addresses", cells{"id": "3", "order_id": "71"}, "71")
	f(find("billing"), "addresses", cells{"id": "3"}, "nobody")
	f(up("billing"), "orders", cells{"id": "71"}, "71")
	f(up("product"), "order_meta", cells{"meta_id": "1", "meta_key": "_product_id", "meta_value": "900"}, "900")
	f(up("product"), "order_meta", cells{"meta_id": "1", "meta_key": "_second", "meta_value": "900"}, "nobody")
	f(up("product"), "order_meta", cells{"meta_id": "1", "meta_key": "_product_id", "meta_value": ""}, "nobody")
	f(up("second"), "order_meta", cells{"meta_id": "1", "meta_key": "_second", "meta_value": "900"}, "900")
	f(find("product"), "products", cells{"id": "18446744073709551615"}, "18446744073709551615")
	f(find("city"), "addresses", cells{"id": "1", "kind": "a", "city": "b"}, "a\x00b")
	f(find("city"), "addresses", cells{"id": "1", "kind": "a"}, "nobody")
	f(up("city"), "orders", cells{"id": "1", "status": "a\x00\x01", "email": "b"}, "a\x01\x02\x01\x03\x00b")
	f(find("same"), "patients", cells{"PatNum": "1", "Email": "Ann@B.c"}, "ann@b.c")
	f(up("same"), "orders", cells{"id": "1", "email": "ANN@b.c"}, "ann@b.c")

	// What finds a row by its key needs no index; two ways to write one are one.
	if !find("product").Primary || !up("billing").Primary || !up("other").Primary || find("billing").Primary || up("product").Primary {
		t.Error("an index is primary exactly where its text is the row's key")
	}
	if find("billing").ID != find("other").ID || up("billing").ID != up("other").ID || up("product").ID == up("second").ID || find("same").ID == find("people").ID {
		t.Error("one content is one index")
	}
	p := &mapping.Program{Maps: []*mapping.Map{m}}
	var got []string
	for _, ix := range p.Indexes() {
		got = append(got, ix.Source+"."+ix.Table.Name)
	}
	slices.Sort(got)
	if want := "[clinic.patients clinic.patients shop.addresses shop.addresses shop.order_meta shop.order_meta shop.order_meta shop.orders shop.orders shop.orders]"; fmt.Sprint(got) != want {
		t.Errorf("indexes %v, want %s", got, want)
	}

	// Another site's key, or another zone, is another index.
	e := shop(t, true)
	e.SiteKey = []byte("another key of 16")
	text := "map: test/orders\nsource: shop\nentity:\n  root: orders\n" + joinedEveryWay + "record: hubspot.things\nkey: { ext_id: text(id) }\nclass: 15m\non_delete: archive\nproperties:\n  amount: { from: count(city) }\n"
	q, err := mapping.Compile([]mapping.File{{Name: "m.yaml", Text: []byte(text)}}, e)
	if err != nil {
		t.Fatal(err)
	}
	if node(t, q.Maps[0], "people").Find.ID == find("people").ID || node(t, q.Maps[0], "same").Find.ID != find("same").ID {
		t.Error("an index changes with the site's key exactly if it names guests")
	}
}

// TestSelections holds that exactly the columns that are read are captured.
func TestSelections(t *testing.T) {
	p := compileShop(t, true, orders+"  - name: x\n    rows: { orders: [ { id: 1 } ] }\n    gives: nothing\n")
	got := ""
	for _, source := range []string{"shop", "clinic"} {
		for _, s := range p.Selections(source) {
			got += fmt.Sprintf("%s.%s: %s\n", source, s.Table.Name, strings.Join(s.Columns, " "))
		}
	}
	want := `shop.addresses: city id kind order_id
shop.item_meta: item_id meta_id meta_key meta_value
shop.items: item_id name order_id type
shop.order_meta: meta_id meta_key meta_value order_id
shop.orders: customer email id parent status total type
shop.products: id price
clinic.patients: Email PatNum
`
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if len(p.Links("hubspot")) != 2 || p.Links("hubspot")[1] != (mapping.LinkNeed{Map: "test/orders", Name: "parts", From: "things", To: "things", Label: "Part"}) {
		t.Errorf("links %+v", p.Links("hubspot"))
	}
	while := compileShop(t, false, joinedGood)
	if s := while.Selections("shop"); !slices.ContainsFunc(s, func(s cdc.Selection) bool {
		return s.Table.Name == "options" && strings.Join(s.Columns, " ") == "option_id option_name option_value"
	}) {
		t.Errorf("the table that decides is not captured: %v", s)
	}
}

// TestJoinedFingerprint holds that a map is another one when any part of its
// entity is, and the same when only its writing is.
func TestJoinedFingerprint(t *testing.T) {
	print := func(text string) string { return compileShop(t, false, text).Maps[0].Fingerprint }
	was := print(joinedGood)
	f := func(old, new string, same bool) {
		t.Helper()
		if got := print(replace(t, joinedGood, old, new)) == was; got != same {
			t.Errorf("%s: the same: %t", new, got)
		}
	}
	f("billing: {", "billing:   {", true)
	f("settle: 500ms up to 5s", "settle: 1s up to 5s", true)
	f(`where: kind == "billing"`, `where: (kind  ==  "billing")`, true)
	f(`where: kind == "billing"`, `where: kind == "shipping"`, false)
	f("by: order_id, where: kind", "by: id, where: kind", false)
	f("{ item_id: items.item_id }", "{ meta_id: items.item_id }", false)
	f("itemmeta._qty", "itemmeta._price", false)
	f("settle: 500ms up to 5s", "group: status", false)
	f("text(customer)", "text(parent)", false)
	f("{ to: hubspot.contacts,", "{ label: Buyer, to: hubspot.contacts,", false)
	f(`is: option_value == "y"`, `is: option_value == "z"`, false)
	f("while: {", "unless: {", false)
}

// TestSwitch holds what a row says about whether a map is at work.
func TestSwitch(t *testing.T) {
	w := compileShop(t, false, joinedGood).Maps[0].While
	if w == nil || w.Source != "shop" || w.Table.Name != "options" || w.Unless {
		t.Fatalf("got %+v", w)
	}
	s := w.Switch()
	f := func(c cells, decides, holds bool) {
		t.Helper()
		r := mapping.Row{}
		if c != nil {
			r = encoded(t, "options", c)
		}
		d, h, err := s.Row(r.Schema, r.Data)
		if err != nil || d != decides || h != holds {
			t.Errorf("%v: decides %t, holds %t, %v", c, d, h, err)
		}
	}
	f(nil, false, false)
	f(cells{"option_id": "1", "option_name": "other", "option_value": "y"}, false, false)
	f(cells{"option_id": "1", "option_name": "x", "option_value": "y"}, true, true)
	f(cells{"option_id": "1", "option_name": "x", "option_value": "n"}, true, false)
	f(cells{"option_id": "1", "option_name": "x"}, true, false)
	f(cells{"option_id": "1"}, false, false)
}

// TestAbsent holds that what belongs to a source that is not there is null in
// every place where it can stand, and never a mistake.
func TestAbsent(t *testing.T) {
	f := func(property, expression, want string) {
		t.Helper()
		text := "map: test/orders\nsource: shop\nentity:\n  root: orders\n  with:\n" +
			"    p: { source: clinic, optional: true, table: patients, by: { Email: email } }\n" +
			"    ps: { source: clinic, optional: true, table: patients, by: { Email: email }, many: true }\n" +
			"    of: { table: addresses, by: { city: p.LName }, many: true }\n" +
			"record: hubspot.things\nkey: { ext_id: text(id) }\nclass: 15m\non_delete: archive\nproperties:\n  " + property + ":\n    on_null: clear\n    from: |-\n      " + expression + "\n"
		p, err := mapping.Compile([]mapping.File{{Name: "m.yaml", Text: []byte(text)}}, shop(t, false))
		if err != nil {
			t.Errorf("%s: %v", expression, err)
			return
		}
		if len(p.Maps[0].Nodes) != 1 {
			t.Errorf("%s: nodes %+v", expression, p.Maps[0].Nodes)
		}
		out, err := evalWith(t, p.Maps[0], database{"orders": {1: order("status", "paid", "total", "5")}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.TrimPrefix(told(out), "1 present: "+property); got != want {
			t.Errorf("%s: got %s, want %s", expression, got, want)
		}
	}
	f("name", "p.LName", " cleared")
	f("name", "p.LName + status", " cleared")
	f("name", "coalesce(p.LName, status)", "=paid")
	f("name", "coalesce(p.LName, p.Email)", " cleared")
	f("name", "coalesce(p.LName, null, status)", "=paid")
	f("name", "join(\"/\", p.LName, status)", "=paid")
	f("name", "upper(p.LName)", " cleared")
	f("name", "choose(p.LName, \"x\", \"a\", \"b\")", "=b")
	f("name", "choose(p.LName, \"x\", \"a\")", " cleared")
	f("name", "choose(status, \"paid\", p.LName, \"b\")", " cleared")
	f("name", "choose(status, \"paid\", p.LName)", " cleared")
	f("name", "p.PatNum > 5 ? \"a\" : \"b\"", "=b")
	f("name", "status == \"paid\" ? p.LName : p.Email", " cleared")
	f("name", "status == \"paid\" ? p.LName : status", " cleared")
	f("name", "join(\"/\", ps, .LName)", " cleared")
	f("name", "first(ps where .PatNum > 1, .LName)", " cleared")
	f("amount", "count(ps where .PatNum > 1) + total", "=5")
	f("amount", "sum(ps, .PatNum)", "=0")
	f("amount", "-p.PatNum", " cleared")
	f("amount", "count(of)", "=0")
	f("active", "any(ps)", "=false")
	f("active", "p.PatNum is null", "=true")
	f("active", "p.PatNum is not null", "=false")
	f("active", "p.PatNum == 5 or status == \"paid\"", "=true")
	f("active", "not (p.PatNum in [1, 2])", " cleared")
	f("active", "contains(p.LName, \"x\")", " cleared")
}
