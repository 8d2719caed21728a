package integration_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// TestAlerts: every rule that is shipped reads metrics that there are, and says
// what to do.
func TestAlerts(t *testing.T) {
	root := moduleRoot(t)
	b, err := os.ReadFile(filepath.Join(root, "deploy/alerts.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := yaml.UnmarshalWithOptions(b, &file, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	var source strings.Builder
	for _, name := range goFiles(t, root) {
		if !strings.HasSuffix(name, "_test.go") {
			code, err := os.ReadFile(filepath.Join(root, name))
			if err != nil {
				t.Fatal(err)
			}
			source.Write(code)
		}
	}
	metric := regexp.MustCompile(`chartwire_[a-z_]+`)
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			names := metric.FindAllString(r.Expr, -1)
			if len(names) == 0 || r.Annotations["summary"] == "" || r.Annotations["action"] == "" || r.Labels["severity"] == "" {
				t.Errorf("%s: lacks a metric, a severity, a summary or what to do", r.Alert)
			}
			for _, name := range names {
				if !strings.Contains(source.String(), `"`+name+`"`) {
					t.Errorf("%s: there is no metric %s", r.Alert, name)
				}
			}
		}
	}
	if len(file.Groups) == 0 {
		t.Error("no rules")
	}
}
