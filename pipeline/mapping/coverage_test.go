package mapping_test

import (
	"fmt"
	"testing"

	"chartwire/pipeline/mapping"
)

// TestCoverage holds every requirement of the packs to have a line.
func TestCoverage(t *testing.T) {
	files, e := env(t)
	p, err := mapping.Compile(files, e)
	if err != nil {
		t.Fatal(err)
	}
	covered := map[string]mapping.Covered{}
	for _, c := range p.Coverage() {
		if c.ID == "" || c.Place == "" || c.By == "" && c.Why == "" {
			t.Errorf("a line says nothing: %+v", c)
		}
		covered[c.ID] = c
	}
	var want []string
	ids := func(prefix string, from, to int) {
		for i := from; i <= to; i++ {
			want = append(want, fmt.Sprintf("%s-%03d", prefix, i))
		}
	}
	ids("F1", 1, 32)
	ids("F1", 75, 100)
	ids("F1", 117, 126)
	ids("R1", 9, 18)
	ids("R1", 40, 57)
	ids("R1", 66, 68)
	for _, id := range want {
		if _, ok := covered[id]; !ok {
			t.Errorf("%s is nowhere: a property or rule names it in `spec`, or `instead` says why not", id)
		}
	}
	if c := covered["F1-016"]; c.By != "property patient_status_om" || c.Why != "" || c.Map != "om-aggregation/contacts" {
		t.Errorf("F1-016: %+v", c)
	}
	if c := covered["F1-119"]; c.By != "" || c.Why == "" {
		t.Errorf("F1-119: %+v", c)
	}
}
