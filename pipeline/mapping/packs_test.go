package mapping_test

import (
	"testing"
	"time"

	"chartwire/pipeline/mapping"
	"chartwire/schemas/hubspot"
	"chartwire/schemas/maps"
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
	e := mapping.Env{Objects: map[string]*hubspot.Schema{"hubspot": objects}}
	packs, err := maps.Packs(maps.Files)
	if err != nil {
		t.Fatal(err)
	}
	var files []mapping.File
	for _, p := range packs {
		tables, err := p.Tables(p.Name, "clinic")
		if err != nil {
			t.Fatal(err)
		}
		e.Sources = append(e.Sources, mapping.Source{Name: p.Name, Zone: zone})
		e.Tables = append(e.Tables, tables...)
		for _, f := range p.Files {
			files = append(files, mapping.File(f))
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
