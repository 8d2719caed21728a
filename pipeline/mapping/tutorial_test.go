package mapping_test

import (
	"os"
	"strings"
	"testing"

	"chartwire/pipeline/mapping"
)

const tutorialDoc = "../../schemas/maps/TUTORIAL.md"

// TestTutorial executes the tutorial: its maps with their examples, and the
// mistakes with what is said of them.
func TestTutorial(t *testing.T) {
	b, err := os.ReadFile(tutorialDoc)
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	_, e := env(t)
	for _, sql := range fences(t, text, "sql") {
		guide(t, &e, sql)
	}
	check := editor(t)
	steps := fences(t, text, "yaml")
	for line, m := range steps {
		p, err := mapping.Compile([]mapping.File{{Name: "TUTORIAL.md", Text: []byte(strings.Repeat("\n", line) + m)}}, e)
		if err != nil {
			t.Errorf("a step does not compile:\n%v", err)
			continue
		}
		if p.Examples() == 0 {
			t.Errorf("TUTORIAL.md:%d: a map without examples", line)
		}
		for _, problem := range mapping.RunExamples(p) {
			t.Error(problem)
		}
		if err := check([]byte(m)); err != nil {
			t.Errorf("TUTORIAL.md:%d: %v", line, err)
		}
	}
	if len(steps) != strings.Count(text, "\n## ")-1 {
		t.Errorf("%d maps in %d sections", len(steps), strings.Count(text, "\n## "))
	}
	const head = `map: guide/orders
source: guide
entity:
  root: orders
  with:
    billing:  { table: order_addresses, by: order_id, where: address_type == "billing" }
    items:    { table: order_items, by: order_id, many: true }
    itemmeta: { table: order_itemmeta, by: { item_id: items.id }, pivot: [meta_key, meta_value] }
record: hubspot.deals
key: { woocommerce_order_id: text(id) }
class: 5m
on_delete: archive
properties:
  `
	for line, block := range fences(t, text, "mistakes") {
		for i, l := range strings.Split(strings.TrimSpace(block), "\n") {
			mistake, want, _ := strings.Cut(l, "|")
			_, err := mapping.Compile([]mapping.File{{Name: "m.yaml", Text: []byte(head + strings.TrimSpace(mistake) + "\n")}}, e)
			if err == nil || !strings.Contains(err.Error(), strings.TrimSpace(want)) {
				t.Errorf("TUTORIAL.md:%d: it says\n%v", line+i+1, err)
			}
		}
	}
}
