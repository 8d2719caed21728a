package mapping_test

import (
	"strings"
	"testing"

	"chartwire/pipeline/mapping"
	"chartwire/sinks"
)

const bested = head + `
properties:
  name: { from: name }
  amount: { from: money(balance), write: lowest, goal: price }
  seen: { from: local(seen), write: highest }
`

func TestBest(t *testing.T) {
	m := compile(t, bested).Maps[0]
	e := m.Evaluator()
	kept := map[string]mapping.Kept{}
	last := ""
	f := func(cells, want string, more ...func(*mapping.Input)) {
		t.Helper()
		out := eval(t, e, last, cells, more...)
		last = cells
		got := "nothing"
		if mu := out.Mutation; mu != nil {
			got = ""
			m.KeepBest(mu, out.Best, kept)
			for _, p := range mu.Properties {
				if got += " " + p.Name; p.State == sinks.Set {
					got += "=" + p.Value
				}
			}
		}
		if strings.TrimSpace(got) != want {
			t.Errorf("%s: got %s, want %s", cells, got, want)
		}
	}
	unknown := func(in *mapping.Input) { in.Unknown = []string{"price"} }
	f("id=1|name=A|balance=10", "name=A", unknown) // nobody knows which is better
	f("id=1|name=A", "nothing")
	f("id=1|name=A|balance=9", "name=A amount=9")
	f("id=1|name=A|balance=100", "name=A amount=9")
	f("id=1|name=B", "name=B amount=9") // every mutation has it
	f("id=1|name=B|price=11", "name=B amount=100")
	f("id=1|name=B|price=10", "name=B amount=9") // the first value itself
	f("id=1|name=B|price=11|balance=8", "name=B amount=100")
	f("id=1|name=C|price=9|balance=12", "name=C amount=100", unknown) // as it was
	f("id=1|name=C|price=9|balance=12.5", "name=C amount=8")
	f("id=1|name=C|price=9|balance=12.5|seen=2026-01-31 08:00:00", "name=C amount=8 seen=2026-01-31T07:00:00Z")
	f("id=1|name=C|price=9|balance=12.5|seen=2026-01-31 08:00:00.5", "name=C amount=8 seen=2026-01-31T07:00:00.5Z")
	f("id=1|name=C|price=9|balance=12.5|seen=2025-01-31 08:00:00", "name=C amount=8 seen=2026-01-31T07:00:00.5Z")
	if !m.WritesBest() || compile(t, people).Maps[0].WritesBest() {
		t.Error("which map keeps best values is not known")
	}
	// A record that stays when its entity goes keeps them.
	gone := &sinks.Mutation{}
	if m.KeepBest(gone, nil, kept) || len(gone.Properties) != 2 || gone.Properties[0].Value != "8" {
		t.Errorf("got %+v", gone)
	}
}

func TestBestProblems(t *testing.T) {
	base := compile(t, bested).Maps[0].Fingerprint
	if compile(t, replace(t, bested, "write: lowest", "write: highest")).Maps[0].Fingerprint == base ||
		compile(t, replace(t, bested, "goal: price", "goal: -price")).Maps[0].Fingerprint == base {
		t.Error("another direction has the same fingerprint")
	}
	f := func(old, new, want string) {
		t.Helper()
		_, err := mapping.Compile([]mapping.File{{Name: "m.yaml", Text: []byte(replace(t, bested, old, new))}}, world(t))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: want %s, got %v", new, want, err)
		}
	}
	f("write: lowest", "write: better", "`write` is once or lowest or highest")
	f("{ from: name }", "{ from: name, write: lowest }", "of numbers, dates and moments")
	f("goal: price", "goal: name", "write number(x)")
	f("goal: price", "goal: previous(price)", "only a rule sees that")
	f("write: lowest, ", "", "`goal` is said beside")
	f("write: highest", "write: highest, on_null: clear", "never clear")
	f("from: money(balance), write: lowest, goal: price", "is: 5, write: lowest", "none is better")
}
