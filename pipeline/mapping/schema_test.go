package mapping_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"strings"
	"testing"

	"chartwire/schemas/maps"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// editor validates a map's text as an editor does.
func editor(t *testing.T) func(text []byte) error {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(maps.Schema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("map.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("map.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return func(text []byte) error {
		j, err := yaml.YAMLToJSON(text)
		if err != nil {
			return err
		}
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(j))
		if err != nil {
			return err
		}
		return s.Validate(v)
	}
}

// TestSchema holds the JSON Schema to every map there is.
func TestSchema(t *testing.T) {
	check := editor(t)
	n := 0
	names, err := fs.Glob(maps.Files, "*/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := maps.Files.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := check(text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		n++
	}
	b, err := os.ReadFile(languageDoc)
	if err != nil {
		t.Fatal(err)
	}
	for line, text := range fences(t, string(b), "yaml") {
		if err := check([]byte(text)); err != nil {
			t.Errorf("LANGUAGE.md:%d: %v", line, err)
		}
		n++
	}
	for _, text := range []string{good, joinedGood} {
		if err := check([]byte(text)); err != nil {
			t.Error(err)
		}
	}
	if n < 8 {
		t.Errorf("%d maps were checked", n)
	}
}

// TestSchemaRefuses holds that an editor marks what the compiler would refuse.
func TestSchemaRefuses(t *testing.T) {
	check := editor(t)
	f := func(text, old, new string) {
		t.Helper()
		if err := check([]byte(replace(t, text, old, new))); err == nil {
			t.Errorf("%s: nothing is said", new)
		}
	}
	f(good, "class: 5m", "clas: 5m")
	f(good, "class: 5m", "class: 6m")
	f(good, "map: test/things\n", "")
	f(good, "name: { from: name }", "name: { from: name, is: x }")
	f(good, "name: { from: name }", "name: { form: name }")
	f(good, "otherwise: reject", "otherwize: reject")
	f(good, "on_delete: archive", "on_delete: drop")
	f(good, "rule-one:", "Rule One:")
	f(good, "when: balance > 500", "whem: balance > 500")
	f(joinedGood, "table: addresses,", "tabel: addresses,")
	f(joinedGood, "by: order_id, where: kind", "where: kind")
	f(joinedGood, "billing: {", "Billing: {")
	f(joinedGood, "pivot: [meta_key, meta_value] }\n    items", "pivot: [meta_key] }\n    items")
	f(joinedGood, "many: true", "many: often")
	f(joinedGood, "settle: 500ms up to 5s", "settle: 500ms")
	f(joinedGood, "to: hubspot.contacts, ", "")
	f(joinedGood, ", is: option_value == \"y\"", "")
}

// TestSchemaKeys holds that the schema knows every key that the reader does.
func TestSchemaKeys(t *testing.T) {
	known := map[string]bool{}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			props, _ := v["properties"].(map[string]any)
			for name, child := range props {
				known[name] = true
				walk(child)
			}
			for key, child := range v {
				if key != "properties" || props == nil {
					walk(child)
				}
			}
		case []any:
			for _, child := range v {
				walk(child)
			}
		}
	}
	var doc any
	if err := json.Unmarshal(maps.Schema, &doc); err != nil {
		t.Fatal(err)
	}
	walk(doc)
	read := map[string]bool{}
	for _, key := range keysRead(t) {
		read[key] = true
		if !known[key] {
			t.Errorf("the key %s is not in map.schema.json", key)
		}
	}
	for key := range known {
		if !read[key] && !strings.Contains("while unless on_delete on_leave rows before", key) {
			t.Errorf("map.schema.json has the key %s, which nobody reads", key)
		}
	}
}
