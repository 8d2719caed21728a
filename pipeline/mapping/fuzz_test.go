package mapping_test

import (
	"errors"
	"testing"

	"chartwire/pipeline/mapping"
)

// FuzzCompile throws map files at the compiler: whatever the text, it compiles
// or says what is wrong with a place, and what compiles evaluates.
func FuzzCompile(f *testing.F) {
	f.Add(good)
	f.Add(people)
	f.Add(ruled)
	w := world(f)
	s, after := row(f, "id=1|name=Ann|note= x|born=2000-01-01|seen=2026-03-29 02:30:00|balance=-0.1|price=1.5|kind=a|flags=x|active=1|result=<5|opens=00:00:01")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := mapping.Compile([]mapping.File{{Name: "m.yaml", Text: []byte(text)}}, w)
		if err != nil {
			var problems mapping.Problems
			if !errors.As(err, &problems) || len(problems) == 0 || problems[0].Line < 1 || problems[0].Column < 1 {
				t.Fatalf("a refusal without place: %v", err)
			}
			return
		}
		mapping.RunExamples(p)
		for _, m := range p.Maps {
			e := m.Evaluator()
			if m.Table.Name != "people" {
				continue
			}
			for _, in := range []mapping.Input{
				{Key: "1", Schema: s, After: after, Reason: mapping.ReasonChange},
				{Key: "1", BeforeSchema: s, Before: after, Reason: mapping.ReasonChange},
				{Key: "1", Schema: s, After: after, BeforeSchema: s, Before: after, Unknown: []string{"name"}, Reason: mapping.ReasonRemap},
			} {
				out, err := e.Eval(&in)
				if err != nil {
					continue // a key that is null
				}
				for i := range out.Verdicts {
					if out.Verdicts[i].Now == mapping.True {
						out.Fire(i, 1)
					}
				}
			}
		}
	})
}

// FuzzExpression does the same for one expression.
func FuzzExpression(f *testing.F) {
	for _, s := range []string{`filled(name)`, `name + "x"`, `money(balance) * 2 > 5 ? "a" : text(id)`, `join("", name, note)`, `phone(name)`,
		`text(local(seen))`, `coalesce(null, name, null)`, `text(range_low(result))`, `text(-id - -price)`, `kind in ["a"] ? null : left(name, 2)`} {
		f.Add(s)
	}
	w := world(f)
	s, after := row(f, "id=1|name=Ann 🙂|note= x|born=2000-01-01|seen=2026-03-29 02:30:00|stamp=2026-01-01 00:00:00|balance=-0.1|price=1.5|kind=a|flags=x|active=1|result=<5|opens=00:00:01")
	_, empty := row(f, "id=1")
	f.Fuzz(func(t *testing.T, expression string) {
		for _, property := range []string{"name", "amount", "active", "born", "seen"} {
			text := head + "properties:\n  " + property + ":\n    from: |-\n      " + expression + "\n"
			p, err := mapping.Compile([]mapping.File{{Name: "m.yaml", Text: []byte(text)}}, w)
			if err != nil {
				continue
			}
			e := p.Maps[0].Evaluator()
			for _, in := range []mapping.Input{{Schema: s, After: after}, {Schema: s, After: empty}, {Schema: s, After: after, Unknown: []string{"name", "price", "id2"}}} {
				if _, err := e.Eval(&in); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}
