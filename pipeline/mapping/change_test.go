package mapping_test

import (
	"strings"
	"testing"

	"chartwire/pipeline/mapping"
)

const changing = `map: test/changes
source: s
entity: { root: people, where: active != 0 }
phi: [result]
rules:
  fell:
    when: balance < previous(balance)
    then: [ { create: notify.pages, properties: { title: { is: It fell } } } ]
  weight:
    each: round(balance, 1)
    then:
      - create: hubspot.things
        key: { ext_id: 'text(id) + ":" + text(coalesce(born, date(committed())))' }
        properties: { name: { from: previous(name) }, amount: { from: balance }, seen: { from: committed() } }
      - create: notify.pages
        properties: { title: { is: A change } }
`

func TestChanges(t *testing.T) {
	e := compile(t, changing).Maps[0].Evaluator()
	names := [...]string{"unknown", "false", "true"}
	f := func(before, after, fell, weight string, more ...func(*mapping.Input)) *mapping.Output {
		t.Helper()
		out := eval(t, e, before, after, more...)
		for i, want := range []string{fell, weight} {
			v := out.Verdicts[i]
			if got := names[v.Before] + " " + names[v.Now]; got != want {
				t.Errorf("%q to %q: %s is %s, want %s", before, after, v.Rule.Name, got, want)
			}
		}
		return out
	}
	reason := func(r string) func(*mapping.Input) { return func(in *mapping.Input) { in.Reason = r } }
	// The condition before the change is not known: it would need the row before that.
	out := f("id=1|active=1|balance=5|name=Ann", "id=1|active=1|balance=4|name=Bob", "unknown true", "false true")
	made := out.Fire(1, 3)
	if m := made[0]; m.Record.Key != "1:2026-01-02" || len(m.Properties) != 3 || m.Properties[0].Value != "Ann" || m.Properties[2].Value != "2026-01-02T03:04:05Z" {
		t.Errorf("got %+v", m)
	}
	if made[1].Record.Key != "test/changes/weight:1:3" {
		t.Errorf("the page's key is %s", made[1].Record.Key)
	}
	f("id=1|active=1|balance=5", "id=1|active=1|balance=5.04", "unknown false", "false false")
	f("id=1|active=1|balance=5", "id=1|active=1", "unknown false", "false false") // null is no value
	f("id=1|active=1", "id=1|active=1|balance=5", "unknown false", "false true")
	f("id=1|active=0|balance=5", "id=1|active=1|balance=5", "false false", "false false") // begins to match
	f("id=1|active=1|balance=5", "id=1|active=0|balance=6", "unknown false", "false false")
	f("", "id=1|active=1|balance=5", "unknown false", "false true") // null before a row that is new
	f("id=1|active=1|balance=5", "", "unknown false", "false false")
	f("", "id=1|active=1|balance=5", "unknown unknown", "false unknown", reason(mapping.ReasonSnapshot))
	f("", "id=1|active=1|balance=5", "unknown unknown", "false unknown", reason(mapping.ReasonRemap))
	f("id=1|active=1|balance=5", "id=1|active=1|balance=6", "unknown unknown", "false unknown", func(in *mapping.Input) { in.Unknown = []string{"balance"} })
	// Made again, a record says nothing of what it was before.
	out = f("", "id=1|active=1|balance=5|born=2026-01-31", "unknown unknown", "false unknown", reason(mapping.ReasonRetry))
	if m := out.Fire(1, 0)[0]; m.Record.Key != "1:2026-01-31" || len(m.Properties) != 2 {
		t.Errorf("got %+v", m)
	}
	// Without a key there is no record.
	e = compile(t, strings.Replace(changing, "coalesce(born, date(committed()))", "born", 1)).Maps[0].Evaluator()
	if made := f("", "id=1|active=1|balance=5", "unknown false", "false true").Fire(1, 1); len(made) != 1 || made[0].Sink != "notify" {
		t.Errorf("got %+v", made)
	}
}

func TestChangeProblems(t *testing.T) {
	compile(t, changing)
	f := func(text, old, new, want string) {
		t.Helper()
		_, err := mapping.Compile([]mapping.File{{Name: "m.yaml", Text: []byte(replace(t, text, old, new))}}, world(t))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: want %s, got %v", new, want, err)
		}
	}
	f(changing, "active != 0", "previous(active) != 0", "only a rule sees that")
	f(changing, "round(balance, 1)", "previous(balance)", "only a rule sees that")
	f(changing, "previous(balance)", "previous(previous(balance))", "one row before it")
	f(changing, "round(balance, 1)\n", "balance\n    when: balance > 1\n", "either `when`")
	f(changing, "    each: round(balance, 1)\n", "", "`when` is missing")
	f(changing, "round(balance, 1)\n", "balance\n    fresh: { by: born }\n", "does not fire for them")
	f(changing, "'text(id) +", "'result +", "is PHI and goes into no key")
	f(changing, "'text(id) + \":\" + text(coalesce(born, date(committed())))'", "id", "a key is a text")
	f(good, "from: name", "from: previous(name)", "only a rule sees that")
	for _, rule := range []string{"each: id", "when: previous(id) > 1"} {
		rule = joinedGood + "\nrules: { x: { " + rule + ", then: [ { create: notify.pages, properties: { title: { is: x } } } ] } }\n"
		_, err := mapping.Compile([]mapping.File{{Name: "m.yaml", Text: []byte(rule)}}, shop(t, false))
		if err == nil || !strings.Contains(err.Error(), "at each change of its rows") {
			t.Errorf("got %v", err)
		}
	}
}
