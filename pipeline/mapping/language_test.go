package mapping_test

import (
	"os"
	"strings"
	"testing"

	"chartwire/pipeline/mapping"
	"chartwire/pipeline/mapping/expr"
	"chartwire/schemas/maps/ddl"
	"chartwire/sinks"
)

// fences returns the contents of a document's code fences of a kind, with the
// line each starts on.
func fences(t *testing.T, text, kind string) map[int]string {
	t.Helper()
	out := map[int]string{}
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		if lines[i] != "```"+kind {
			continue
		}
		start := i + 1
		for i++; i < len(lines) && lines[i] != "```"; i++ {
			out[start] += lines[i] + "\n"
		}
	}
	if len(out) == 0 {
		t.Fatalf("no ```%s in the document", kind)
	}
	return out
}

const languageDoc = "../../schemas/maps/LANGUAGE.md"

// TestLanguage executes the document of the language.
func TestLanguage(t *testing.T) {
	b, err := os.ReadFile(languageDoc)
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	_, e := env(t)
	for _, sql := range fences(t, text, "sql") {
		guide(t, &e, sql)
	}
	for line, m := range fences(t, text, "yaml") {
		p, err := mapping.Compile([]mapping.File{{Name: "LANGUAGE.md", Text: []byte(strings.Repeat("\n", line) + m)}}, e)
		if err != nil {
			t.Errorf("a map of the document does not compile:\n%v", err)
			continue
		}
		if p.Examples() == 0 {
			t.Errorf("LANGUAGE.md:%d: a map without examples", line)
		}
		for _, problem := range mapping.RunExamples(p) {
			t.Error(problem)
		}
	}
	n := 0
	for line, block := range fences(t, text, "expressions") {
		for i, l := range strings.Split(strings.TrimSpace(block), "\n") {
			part := strings.Split(l, "|")
			if len(part) != 3 {
				t.Errorf("LANGUAGE.md:%d: not `expression | columns | result`", line+i+1)
				continue
			}
			cells := strings.ReplaceAll(strings.TrimSpace(part[1]), ", ", "|")
			if got, want := shownValue(t, strings.TrimSpace(part[0]), cells), strings.TrimSpace(part[2]); got != want {
				t.Errorf("LANGUAGE.md:%d: %s gives %s, and not %s", line+i+1, strings.TrimSpace(part[0]), got, want)
			}
			n++
		}
	}
	for _, usage := range expr.Functions() {
		if name, _, _ := strings.Cut(usage, "("); !strings.Contains(text, "`"+usage+"`") || strings.Count(text, name+"(") < 2 {
			t.Errorf("%s is not described as `%s`, or not shown", name, usage)
		}
	}
	if n < 20 {
		t.Errorf("%d expressions were executed", n)
	}
}

// guide adds a source with a document's tables.
func guide(t *testing.T, e *mapping.Env, sql string) {
	t.Helper()
	tables, err := ddl.Parse("guide", "db", sql)
	if err != nil {
		t.Fatal(err)
	}
	e.Tables = append(e.Tables, tables...)
	e.Sources = append(e.Sources, mapping.Source{Name: "guide", Zone: e.Sources[0].Zone})
	e.SiteKey = []byte(mapping.ExampleSiteKey)
}

// shownValue evaluates an expression in the first property that takes its type.
func shownValue(t *testing.T, expression, cells string) string {
	t.Helper()
	var errs []string
	for _, property := range []string{"name", "amount", "active", "born", "seen"} {
		text := head + "properties:\n  " + property + ":\n    on_null: clear\n    from: |\n      " + expression + "\n"
		p, err := mapping.Compile([]mapping.File{{Name: "m.yaml", Text: []byte(text)}}, world(t))
		if err != nil {
			errs = append(errs, err.Error())
			continue
		}
		if cells != "" {
			cells = "|" + cells
		}
		for _, q := range eval(t, p.Maps[0].Evaluator(), "", "id=1"+cells).Mutation.Properties {
			if q.State == sinks.Set {
				return q.Value
			}
			return "null"
		}
		return "unknown"
	}
	return strings.Join(errs, "\n")
}

// keysRead are the keys that the reader of map files knows.
func keysRead(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, file := range []string{"file.go", "file_joins.go", "file_rules.go"} {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, call := range []string{`.text("`, `.texts("`, `.object("`, `.list("`, `.take("`, `m.formula(o, "`, `m.formula(e, "`, `m.formula(f, "`, `m.formula(body, "`, `m.choice(body, "`, `m.choice(o, "`} {
			for _, rest := range strings.Split(string(src), call)[1:] {
				key, _, _ := strings.Cut(rest, `"`)
				out = append(out, key)
			}
		}
	}
	return out
}

// TestLanguageKeys holds every key that the reader knows to be described.
func TestLanguageKeys(t *testing.T) {
	b, err := os.ReadFile(languageDoc)
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for _, key := range keysRead(t) {
		if key != "lane" && !strings.Contains(text, "`"+key) && !strings.Contains(text, ": "+key) && !strings.Contains(text, key+"`") {
			t.Errorf("the key %s is not described in LANGUAGE.md", key)
		}
	}
}
