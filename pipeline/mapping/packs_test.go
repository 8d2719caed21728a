package mapping_test

import (
	"io/fs"
	"testing"
	"time"

	"chartwire/pipeline/mapping"
	"chartwire/schemas/hubspot"
	"chartwire/schemas/maps"
	"chartwire/schemas/maps/ddl"
)

// env is two sources with the reference tables of the embedded packs.
func env(t testing.TB) ([]mapping.File, mapping.Env) {
	t.Helper()
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	objects, err := hubspot.Default()
	if err != nil {
		t.Fatal(err)
	}
	e := mapping.Env{Objects: map[string]*hubspot.Schema{"hubspot": objects}, SiteKey: []byte(mapping.ExampleSiteKey)}
	var files []mapping.File
	for _, pack := range []string{"om-aggregation", "labs", "woocommerce"} {
		sql, err := maps.Files.ReadFile(pack + "/reference.sql")
		if err != nil {
			t.Fatal(err)
		}
		tables, err := ddl.Parse(pack, "clinic", string(sql))
		if err != nil {
			t.Fatal(err)
		}
		e.Sources = append(e.Sources, mapping.Source{Name: pack, Zone: zone})
		e.Tables = append(e.Tables, tables...)
		names, err := fs.Glob(maps.Files, pack+"/*.yaml")
		if err != nil || len(names) == 0 {
			t.Fatal("no maps", err)
		}
		for _, name := range names {
			text, err := maps.Files.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, mapping.File{Name: name, Text: text})
		}
	}
	return files, e
}

func TestPacks(t *testing.T) {
	files, e := env(t)
	prog, err := mapping.Compile(files, e)
	if err != nil {
		t.Fatalf("the embedded maps do not compile:\n%v", err)
	}
	for _, p := range mapping.RunExamples(prog) {
		t.Error(p)
	}
	if prog.Examples() < 10 {
		t.Errorf("%d examples were run", prog.Examples())
	}
}

func TestRoutesThatRulesName(t *testing.T) {
	files, e := env(t)
	prog, err := mapping.Compile(files, e)
	if err != nil {
		t.Fatal(err)
	}
	if got := prog.Routes(); len(got) != 1 || got[0] != "critical-results" {
		t.Errorf("routes %q, want the one of the labs' rule", got)
	}
}
