package mapping_test

import (
	"errors"
	"strings"
	"testing"

	"chartwire/pipeline/mapping"
)

// fuzzShop is a database with two orders, one of them with everything.
var fuzzShop = database{
	"orders": {1: {"id": "1", "type": "order", "status": "paid", "customer": "0", "email": "Ann@b.c", "total": "49.5", "created": "2026-03-29 02:30:00"},
		2: {"id": "2", "type": "refund", "parent": "1", "total": "-9.5"}, 3: {"id": "3", "type": "refund", "parent": "1"}},
	"addresses":  {1: {"id": "1", "order_id": "1", "kind": "billing", "city": "Ulm"}, 2: {"id": "2", "order_id": "1"}},
	"order_meta": {1: {"meta_id": "1", "order_id": "1", "meta_key": "_paid", "meta_value": "2026-01-01 00:00:00"}, 2: {"meta_id": "2", "order_id": "1", "meta_key": "_paid"}},
	"items":      {1: {"item_id": "1", "order_id": "1", "type": "line", "name": "<b>Tea</b>"}, 2: {"item_id": "2", "order_id": "1"}},
	"item_meta":  {1: {"meta_id": "1", "item_id": "1", "meta_key": "_qty", "meta_value": "2"}, 2: {"meta_id": "2", "item_id": "1", "meta_key": "_product_id", "meta_value": "7"}},
	"products":   {7: {"id": "7", "title": "Green", "price": "5.5", "added": "2026-01-01 00:00:00"}},
	"patients":   {1: {"PatNum": "1", "Email": "ann@b.c"}},
}

// evaluates holds that what compiles evaluates, twice to the same, with all
// tables whole and with each of them loading.
func evaluates(t *testing.T, p *mapping.Program) {
	for _, m := range p.Maps {
		if !m.Joined() {
			continue
		}
		mem, e := newMemory(t, m, fuzzShop), m.Evaluator()
		for _, key := range []string{"1", "2", "9", "Ann@b.c", ""} {
			for loading := -1; loading < len(m.Nodes); loading++ {
				in := &mapping.Entity{Key: key, Rows: mem.find, Loading: func(n int) bool { return n == loading }, Reason: mapping.ReasonChange}
				out, err := e.EvalEntity(in)
				if err != nil {
					t.Fatal(err)
				}
				first := told(out)
				for i := range out.Verdicts {
					if out.Verdicts[i].Now == mapping.True {
						out.Fire(i, 1)
					}
				}
				if out, err = m.Evaluator().EvalEntity(in); err != nil || told(out) != first {
					t.Fatalf("a second time it gives another record: %v", err)
				}
			}
		}
	}
}

// FuzzJoined throws joined maps at the compiler: whatever the text, it compiles
// or says what is wrong with a place, and what compiles evaluates.
func FuzzJoined(f *testing.F) {
	f.Add(orders)
	f.Add(joinedGood)
	f.Add(modelledOrders)
	f.Add(modelledGuests)
	with, without := shop(f, true), shop(f, false)
	f.Fuzz(func(t *testing.T, text string) {
		for _, e := range []mapping.Env{with, without} {
			p, err := mapping.Compile([]mapping.File{{Name: "m.yaml", Text: []byte(text)}}, e)
			if err != nil {
				var problems mapping.Problems
				if !errors.As(err, &problems) || len(problems) == 0 || problems[0].Line < 1 || problems[0].Column < 1 {
					t.Fatalf("a refusal without place: %v", err)
				}
				continue
			}
			mapping.RunExamples(p)
			evaluates(t, p)
		}
	})
}

// FuzzJoinedExpression does the same for one expression of a joined map.
func FuzzJoinedExpression(f *testing.F) {
	for _, s := range []string{`billing.city`, `meta._paid`, `text(count(items))`, `join(", ", items where itemmeta._qty is not null, plain(.name))`,
		`text(sum(refunds, .total) + total)`, `latest(refunds, text(.id), .total, .id)`, `first(items where product.price > 5.0, product.title)`,
		`text(max(items, product.added))`, `any(same) ? "x" : guest(email)`, `coalesce(first(same, .LName), "y")`, `text(utc(meta._paid))`,
		`text(min(items, count(refunds where .id > 1)))`, `join("", items, join("-", refunds, text(.id)))`} {
		f.Add(s)
	}
	with, without := shop(f, true), shop(f, false)
	head, _, _ := strings.Cut(orders, "properties:\n")
	f.Fuzz(func(t *testing.T, expression string) {
		for _, e := range []mapping.Env{with, without} {
			for _, property := range []string{"name", "amount", "active", "seen"} {
				text := head + "properties:\n  " + property + ":\n    on_null: clear\n    from: |-\n      " + expression + "\n"
				if p, err := mapping.Compile([]mapping.File{{Name: "m.yaml", Text: []byte(text)}}, e); err == nil {
					evaluates(t, p)
				}
			}
		}
	})
}
