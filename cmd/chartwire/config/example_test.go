package config

import (
	"os"
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
