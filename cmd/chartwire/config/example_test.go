package config

import (
	"os"
	"reflect"
	"regexp"
	"testing"

	"chartwire/schemas/maps"
)

// TestExample holds that the example that is shipped loads.
func TestExample(t *testing.T) {
	text, err := os.ReadFile("../../../deploy/chartwire.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	set := func(string) (string, bool) { return "sixteen-characters-at-least", true }
	c, err := Parse("chartwire.example.yaml", text, set)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Sources) != 3 || len(c.Flows) != 2 || c.Sinks.Notify == nil || c.SiteKey.IsZero() {
		t.Fatalf("got %+v", c)
	}
	for name, flow := range c.Flows {
		for _, m := range flow.Maps {
			if _, err := maps.Files.Open(m + ".yaml"); err != nil {
				t.Errorf("flow %s: %v", name, err)
			}
		}
	}
}

// TestExampleTells holds that every key is told of, and that what stands there in a
// comment loads as well.
func TestExampleTells(t *testing.T) {
	text, err := os.ReadFile("../../../deploy/chartwire.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var keys func(reflect.Type)
	keys = func(of reflect.Type) {
		switch of.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map:
			keys(of.Elem())
		case reflect.Struct:
			for i := range of.NumField() {
				key := of.Field(i).Tag.Get("yaml")
				if key == "" || key == "-" {
					continue
				}
				if !regexp.MustCompile(`\b` + key + `:`).Match(text) {
					t.Errorf("%s of %s is not in it: say there what it is for", key, of.Name())
				}
				keys(of.Field(i).Type)
			}
		}
	}
	keys(reflect.TypeFor[Config]())
	all := regexp.MustCompile(`(?m)^( *)# ([a-z_]+: )`).ReplaceAllString(string(text), "$1$2")
	set := func(string) (string, bool) { return "sixteen-characters-at-least", true }
	c, err := Parse("chartwire.example.yaml", []byte(all), set)
	if err != nil {
		t.Fatal(err)
	}
	om := c.Sources["om"]
	if om.ServerID != 4711 || om.Memory != 512<<20 || om.Dates["patient"]["birth"] != "raw" || c.Sources["labs"].TLS.Verify != "ca" || c.Kafka.MaxRecord != 16<<20 {
		t.Errorf("what stands in comments was not read: %+v", om)
	}
}
