package mapping_test

import (
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"

	"chartwire/pipeline/mapping"
	"chartwire/sinks"
)

// shopMap compiles a map of orders with the parts given, and evaluates it over
// a database.
func shopMap(t *testing.T, entity, rest string) *mapping.Map {
	t.Helper()
	return compileShop(t, true, "map: test/orders\nsource: shop\nentity:\n  root: orders\n"+entity+`record: hubspot.things
key: { ext_id: text(id) }
class: 15m
on_delete: archive
`+rest).Maps[0]
}

func evalWith(t *testing.T, m *mapping.Map, d database, change func(*mapping.Entity)) (*mapping.Output, error) {
	t.Helper()
	in := &mapping.Entity{Key: "1", Rows: newMemory(t, m, d).find, Reason: mapping.ReasonChange, Commit: commit}
	if change != nil {
		change(in)
	}
	return m.Evaluator().EvalEntity(in)
}

func order(c ...string) cells {
	out := cells{"id": "1"}
	for i := 0; i < len(c); i += 2 {
		out[c[i]] = c[i+1]
	}
	return out
}

// TestLoading holds that what reads a table that is not whole is unknown: left
// out of the record, its links and its rules, and never taken for gone.
func TestLoading(t *testing.T) {
	m := shopMap(t, "  with:\n    billing: { table: addresses, by: order_id }\n    items: { table: items, by: order_id, many: true }\n", `properties:
  name: { from: status }
  note: { from: billing.city, on_null: clear }
  amount: { from: count(items) }
links:
  c: { to: hubspot.contacts, key: { open_medical_patient_id: billing.city } }
rules:
  many:
    when: count(items) > 1
    then: [ { create: notify.pages, properties: { title: { is: Many } } } ]
`)
	d := database{"orders": {1: order("status", "paid")}, "items": {1: {"item_id": "1", "order_id": "1"}}}
	f := func(loading func(int) bool, d database, want string, rule mapping.Truth) {
		t.Helper()
		out, err := evalWith(t, m, d, func(in *mapping.Entity) {
			in.Loading, in.Was = loading, &mapping.Was{Record: "1"}
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := told(out); got != want || out.Verdicts[0].Now != rule {
			t.Errorf("got %s (%d), want %s (%d)", got, out.Verdicts[0].Now, want, rule)
		}
	}
	only := func(n int) func(int) bool { return func(i int) bool { return i == n } }
	f(nil, d, "1 present: amount=1; c clear->; name=paid; note cleared", mapping.False)
	f(only(1), d, "1 present: amount=1; name=paid", mapping.False)
	f(only(2), d, "1 present: c clear->; name=paid; note cleared", mapping.Unknown)
	f(only(0), d, "1 present: amount=1; c clear->; name=paid; note cleared", mapping.False)
	f(nil, database{}, "1 archived: ", mapping.False)
	f(only(0), database{}, "nothing", mapping.Unknown)
}

// TestGroupLoading holds that a group of which rows may be missing is left alone.
func TestGroupLoading(t *testing.T) {
	m := shopMap(t, "  group: guest(email)\n", "properties:\n  amount: { from: count(rows) }\n")
	out, err := evalWith(t, m, database{"orders": {1: order("email", "a@b.c")}}, func(in *mapping.Entity) {
		in.Loading, in.Was = func(int) bool { return true }, &mapping.Was{Record: "1"}
	})
	if err != nil || out.Presence != mapping.Undecided || out.Mutation != nil {
		t.Errorf("got %+v, %v", out, err)
	}
}

// TestKeyChange holds that a record whose entity has another key goes as the
// policies say, before the new one is written.
func TestKeyChange(t *testing.T) {
	f := func(policies, wantOld, want string) {
		t.Helper()
		text := strings.Replace(joinedGood, "on_delete: archive\non_leave: archive\n", policies, 1)
		text = strings.Replace(text, "key: { ext_id: text(id) }", "key: { ext_id: status }", 1)
		m := compileShop(t, false, text).Maps[0]
		out, err := evalWith(t, m, database{"orders": {1: order("type", "order", "status", "new", "customer", "7")}}, func(in *mapping.Entity) {
			in.Was = &mapping.Was{Record: "old"}
		})
		if err != nil {
			t.Fatal(err)
		}
		old := "nothing"
		if out.Old != nil {
			old = told(&mapping.Output{Mutation: out.Old})
			if len(out.Old.Origin) != 1 || out.Old.Origin[0].Row != "1" {
				t.Errorf("origin %+v", out.Old.Origin)
			}
		}
		if got := told(out); old != wantOld || got != want || out.Record != "new" {
			t.Errorf("%s: old %s, new %s, record %s", policies, old, got, out.Record)
		}
	}
	const present = "new present: amount=0; contact set->7"
	f("on_delete: archive\non_leave: archive\n", "old archived: ", present)
	f("on_delete: archive\non_leave: keep\n", "nothing", present)
	f("on_delete: keep\non_leave: { set: { active: false } }\n", "old kept: active=false", present)
}

// TestRecordWithoutKey holds that an entity whose key is null has no record,
// and that one which had one leaves it.
func TestRecordWithoutKey(t *testing.T) {
	m := compileShop(t, false, strings.Replace(joinedGood, "key: { ext_id: text(id) }", "key: { ext_id: status }", 1)).Maps[0]
	d := database{"orders": {1: order("type", "order")}}
	out, err := evalWith(t, m, d, nil)
	if err != nil || out.Presence != mapping.Outside || out.Mutation != nil || len(out.Flagged) != 1 {
		t.Errorf("got %+v, %v", out, err)
	}
	out, err = evalWith(t, m, d, func(in *mapping.Entity) { in.Was = &mapping.Was{Record: "old"} })
	if err != nil || out.Presence != mapping.Left || told(out) != "old archived: " {
		t.Errorf("got %s, %v", told(out), err)
	}
	out, err = evalWith(t, m, d, func(in *mapping.Entity) { in.Was = &mapping.Was{Record: "old", Gone: true} })
	if err != nil || out.Presence != mapping.Outside || out.Mutation != nil {
		t.Errorf("got %s, %v", told(out), err)
	}
}

// TestLanes holds that lane and deadline follow what was touched.
func TestLanes(t *testing.T) {
	m := shopMap(t, "  with:\n    billing: { table: addresses, by: order_id }\n    items: { table: items, by: order_id, many: true }\n", `properties:
  name: { from: status, class: realtime }
  note: { from: billing.city, class: 5m }
  amount: { from: count(items), class: daily }
`)
	d := database{"orders": {1: order("status", "paid")}, "addresses": {1: {"id": "1", "order_id": "1", "city": "Ulm"}}}
	f := func(touched uint64, was *mapping.Was, reason string, lane sinks.Lane, minutes float64, marked int) {
		t.Helper()
		out, err := evalWith(t, m, d, func(in *mapping.Entity) { in.Touched, in.Was, in.Reason = touched, was, reason })
		if err != nil {
			t.Fatal(err)
		}
		mu := out.Mutation
		n := 0
		for _, p := range mu.Properties {
			if !p.Changed.IsZero() {
				n++
			}
		}
		due := mu.Due.Sub(commit).Minutes()
		if mu.Due.IsZero() {
			due = -1
		}
		if mu.Lane != lane || due != minutes || n != marked {
			t.Errorf("touched %b: lane %s, due after %g minutes, %d marked", touched, mu.Lane, due, n)
		}
	}
	was := &mapping.Was{Record: "1"}
	f(1, was, mapping.ReasonChange, sinks.Realtime, 5.0/60, 1)
	f(2, was, mapping.ReasonChange, sinks.Routine, 5, 1)
	f(4, was, mapping.ReasonChange, sinks.Routine, 24*60, 1)
	f(6, was, mapping.ReasonChange, sinks.Routine, 5, 2)
	f(0, was, mapping.ReasonChange, sinks.Routine, 24*60, 0)
	f(0, nil, mapping.ReasonChange, sinks.Realtime, 5.0/60, 3)
	f(4, &mapping.Was{Record: "1", Gone: true}, mapping.ReasonChange, sinks.Realtime, 5.0/60, 3)
	f(7, was, mapping.ReasonSnapshot, sinks.Backfill, -1, 0)
	f(7, was, mapping.ReasonRemap, sinks.Backfill, -1, 0)
}

// TestRowsFail holds that an error of the state is the evaluation's.
func TestRowsFail(t *testing.T) {
	m := compileShop(t, false, joinedGood).Maps[0]
	broken := errors.New("the disk is gone")
	good := newMemory(t, m, database{"orders": {1: order("type", "order")}})
	for node := range m.Nodes {
		rows := func(n int, text []byte) iter.Seq2[mapping.Row, error] {
			if n != node {
				return good.find(n, text)
			}
			return func(yield func(mapping.Row, error) bool) { yield(mapping.Row{}, broken) }
		}
		e := m.Evaluator()
		_, err := e.EvalEntity(&mapping.Entity{Key: "1", Rows: rows, Reason: mapping.ReasonChange})
		read := m.Nodes[node].Alias != "itemmeta" && m.Nodes[node].Alias != "meta" // without items nobody reads theirs
		if errors.Is(err, broken) != read {
			t.Errorf("node %s: got %v", m.Nodes[node].Alias, err)
		}
		out, err := e.EvalEntity(&mapping.Entity{Key: "1", Rows: good.find, Reason: mapping.ReasonChange})
		if err != nil || out.Presence != mapping.Present {
			t.Errorf("after an error: %v", err)
		}
	}
}

// TestTouches holds what concerns a map and what does not.
func TestTouches(t *testing.T) {
	m := compileShop(t, false, joinedGood).Maps[0]
	e := m.Evaluator()
	f := func(alias, table string, before, after cells, want bool) {
		t.Helper()
		n := slices.IndexFunc(m.Nodes, func(n mapping.Node) bool { return n.Alias == alias })
		var b, a mapping.Row
		if before != nil {
			b = encoded(t, table, before)
		}
		if after != nil {
			a = encoded(t, table, after)
		}
		if got := e.Touches(n, b.Schema, b.Data, a.Schema, a.Data); got != want {
			t.Errorf("%s: %v to %v touches: %t", alias, before, after, got)
		}
	}
	f("root", "orders", nil, order("type", "order"), true)
	f("root", "orders", order("type", "order"), nil, true)
	f("root", "orders", nil, order("type", "draft"), false)
	f("root", "orders", order("type", "order"), order("type", "draft"), true)
	f("root", "orders", order("type", "x"), order("type", "y"), false)
	f("root", "orders", order("type", "order"), order("type", "order", "total", "5"), false)
	f("root", "orders", order("type", "order"), order("type", "order", "customer", "5"), true)
	f("billing", "addresses", nil, cells{"id": "1", "kind": "billing"}, true)
	f("billing", "addresses", nil, cells{"id": "1", "kind": "shipping"}, false)
	f("billing", "addresses", cells{"id": "1", "kind": "billing", "city": "Ulm"}, cells{"id": "1", "kind": "billing", "city": "Bonn"}, true)
	f("billing", "addresses", cells{"id": "1", "kind": "billing", "order_id": "1"}, cells{"id": "1", "kind": "billing", "order_id": "2"}, true)
	f("itemmeta", "item_meta", nil, cells{"meta_id": "1", "meta_key": "_qty"}, true)
	f("itemmeta", "item_meta", nil, cells{"meta_id": "1", "meta_key": "_other"}, false)
	f("itemmeta", "item_meta", nil, cells{"meta_id": "1"}, false)
	f("itemmeta", "item_meta", cells{"meta_id": "1", "meta_key": "_qty"}, cells{"meta_id": "1", "meta_key": "_other"}, true)
	f("items", "items", cells{"item_id": "1", "name": "Tea"}, cells{"item_id": "1", "name": "Cup"}, false)
	f("meta", "order_meta", nil, cells{"meta_id": "1", "meta_key": "_any"}, false)
}
