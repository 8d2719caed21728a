package mapping_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"

	"chartwire/pipeline/mapping"
	"chartwire/sinks"
)

const modelled = `map: test/things
source: s
entity: { root: people, where: 'active == 1 and kind != "c"' }
record: hubspot.things
key: { ext_id: text(id) }
class: 5m
on_delete: archive
on_leave: { set: { active: false } }
properties:
  name: { from: filled(name), on_null: clear }
  note: { from: name + note, on_null: clear, class: realtime }
  amount: { from: money(balance) * price, on_null: clear }
  born: { from: 'coalesce(born, date(seen))', on_null: clear, class: daily }
  seen: { from: local(seen), on_null: clear }
  active: { is: true }
  status: { from: kind, values: { a: Open, b: Shut }, otherwise: clear, on_null: clear }
rules:
  rich:
    when: money(balance) > 1
    then: [ { create: notify.pages, properties: { title: { is: Rich } } } ]
`

// apply does to a destination what a mutation says.
func apply(at map[string]map[string]string, m *sinks.Mutation) {
	if m == nil {
		return
	}
	if m.Existence == sinks.Archived {
		delete(at, m.Record.Key)
		return
	}
	rec := at[m.Record.Key]
	if rec == nil {
		if m.Existence == sinks.Kept {
			return
		}
		rec = map[string]string{}
		at[m.Record.Key] = rec
	}
	for _, p := range m.Properties {
		if delete(rec, p.Name); p.State == sinks.Set {
			rec[p.Name] = p.Value
		}
	}
}

// TestModel walks a row through random histories. Whatever the way there, the
// record that came from differences is the one that mapping the last row alone
// gives; a property that changed is marked, and one that did not is not; and a
// rule's verdicts form one unbroken story.
func TestModel(t *testing.T) {
	e := compile(t, modelled).Maps[0].Evaluator()
	values := map[string][]string{
		"name": {"", " ", "Ann", "Bob"}, "note": {"", "x"}, "balance": {"0", "1", "1.005", "1.0049999999", "2"}, "price": {"0", "1", "2.5000"},
		"born": {"2000-01-01", "2000-01-02"}, "seen": {"2000-01-01 00:00:00", "2026-03-29 02:30:00"}, "kind": {"a", "b", "c"},
		"active": {"0", "1", "1", "1"}, "big": {"1", "2"},
	}
	columns := []string{"name", "note", "balance", "price", "born", "seen", "kind", "active", "big"}
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		step := func(cells map[string]string) map[string]string {
			next := maps.Clone(cells)
			if next == nil {
				next = map[string]string{"kind": "a", "active": "1"}
			}
			for range 1 + r.IntN(3) {
				c := columns[r.IntN(len(columns))]
				if next[c] = values[c][r.IntN(len(values[c]))]; r.IntN(4) == 0 {
					delete(next, c)
				}
			}
			return next
		}
		written := func(cells map[string]string) string {
			if cells == nil {
				return ""
			}
			text := "id=1"
			for c, v := range cells {
				text += "|" + c + "=" + v
			}
			return text
		}
		var story []string
		at := map[string]map[string]string{}
		var cells map[string]string
		verdict := mapping.False
		for range 12 {
			before := cells
			if cells = step(cells); before != nil && r.IntN(8) == 0 {
				cells = nil
			}
			story = append(story, written(cells))
			held := maps.Clone(at["1"])
			out := eval(t, e, written(before), written(cells))
			if v := out.Verdicts[0]; before != nil && v.Before != verdict {
				t.Fatalf("seed %d: the verdict was %d and is said to have been %d\n%s", seed, verdict, v.Before, strings.Join(story, "\n"))
			} else {
				verdict = v.Now
			}
			if m := out.Mutation; m != nil && held != nil {
				for _, p := range m.Properties {
					if changed := held[p.Name] != p.Value; changed && p.Changed.IsZero() || !changed && held["active"] == "true" && !p.Changed.IsZero() {
						t.Fatalf("seed %d: %s changed: %t; marked: %t\n%s", seed, p.Name, changed, !changed, strings.Join(story, "\n"))
					}
				}
			}
			apply(at, out.Mutation)

			fresh := map[string]map[string]string{}
			apply(fresh, eval(t, e, "", written(cells), func(in *mapping.Input) { in.Reason = mapping.ReasonRemap }).Mutation)
			got, want := at["1"], fresh["1"]
			if out.Presence == mapping.Present && !maps.Equal(got, want) {
				t.Fatalf("seed %d: by differences %v, mapped anew %v\n%s", seed, got, want, strings.Join(story, "\n"))
			}
			if out.Presence != mapping.Present && got != nil && got["active"] != "false" {
				t.Fatalf("seed %d: it is gone, and the record says %s\n%s", seed, fmt.Sprint(got), strings.Join(story, "\n"))
			}
		}
	}
}
