package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMaps runs the verbs on the embedded packs, and on a folder with a map in
// which an example does not hold, and one with several mistakes.
func TestMaps(t *testing.T) {
	folder := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	const mine = `map: labs/mine
source: labs
entity: { root: lab_result }
record: hubspot.tickets
key: { chartwire_ticket_key: text(test_id) }
class: 5m
on_delete: keep
properties:
  subject: { is: A result }
  hs_pipeline: { is: Patient Safety }
  hs_pipeline_stage: { is: New }
  lab_test_id: { from: text(test_id) }
examples:
  - name: the number
    rows: { lab_result: [{ test_id: 7 }] }
    gives: { key: "7", subject: A result, hs_pipeline: Patient Safety, hs_pipeline_stage: New, lab_test_id: "8" }
`
	f := func(code int, want string, args ...string) {
		t.Helper()
		var out, err bytes.Buffer
		if got := Main(append([]string{"maps"}, args...), &out, &err); got != code || !strings.Contains(out.String()+err.String(), want) {
			t.Errorf("maps %s: code %d, want %d with %q:\n%s%s", strings.Join(args, " "), got, code, want, out.String(), err.String())
		}
	}
	f(0, "labs/lab_results", "list")
	f(0, "map: labs/lab_results", "show", "labs/lab_results")
	f(1, "there is no map", "show", "labs/nope")
	f(0, "examples hold", "test")
	f(0, "property patient_status_om", "coverage")
	f(0, `"title": "A field map of Chartwire"`, "schema")
	write("labs/mine.yaml", mine)
	f(1, "labs/mine.yaml:16:110: example \"the number\": lab_test_id is `7`, and not `8`", "test", "--maps", folder)
	write("labs/mine.yaml", strings.NewReplacer("text(test_id) }\nexam", "test_id }\nexam", "class: 5m", "class: 4m").Replace(mine))
	f(1, "labs/mine.yaml:6:8: unknown class `4m`", "test", "--maps", folder, "labs/mine")
	f(1, "labs/mine.yaml:12:24: the property lab_test_id is a string", "test", "--maps", folder, "labs/mine")
}

// TestTutorialFolder does what the tutorial says with its first step: two files
// in a folder, one command.
func TestTutorialFolder(t *testing.T) {
	text, err := os.ReadFile("../../../schemas/maps/TUTORIAL.md")
	if err != nil {
		t.Fatal(err)
	}
	fence := func(kind string) []byte {
		_, rest, _ := strings.Cut(string(text), "```"+kind+"\n")
		block, _, ok := strings.Cut(rest, "```")
		if !ok {
			t.Fatalf("no ```%s in the tutorial", kind)
		}
		return []byte(block)
	}
	folder := t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, "guide"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string][]byte{"reference.sql": fence("sql"), "orders.yaml": fence("yaml")} {
		if err := os.WriteFile(filepath.Join(folder, "guide", name), block, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var out, stderr bytes.Buffer
	if code := Main([]string{"maps", "test", "--maps", folder, "guide/orders"}, &out, &stderr); code != 0 || !strings.Contains(out.String(), "1 maps compile, 2 examples hold") {
		t.Errorf("code %d:\n%s%s", code, out.String(), stderr.String())
	}
}
