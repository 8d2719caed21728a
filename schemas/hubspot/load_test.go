package hubspot

import (
	"strings"
	"testing"
	"testing/fstest"
)

func TestDefault(t *testing.T) {
	s, err := Default()
	if err != nil {
		t.Fatal(err)
	}
	o := s.Object("contacts")
	if o == nil || o.TypeID != "0-1" {
		t.Fatalf("no contacts among %d objects", len(s.Objects))
	}
	p := o.Property("lifecyclestage")
	if p == nil || p.Option("Marketing Qualified Lead").Value != "marketingqualifiedlead" || p.Field != "radio" {
		t.Errorf("lifecyclestage: %+v", p)
	}
	if p := o.Property("patient_gender"); p.Plain() || p.Option("Male").Value != "Male" {
		t.Errorf("patient_gender: %+v", p)
	}
	if pl := s.Object("tickets").Pipeline("Collections"); pl == nil || pl.Stages[2].State != "CLOSED" {
		t.Errorf("Collections: %+v", pl)
	}
}

func TestLoadAssociations(t *testing.T) {
	s, err := Load(fstest.MapFS{"a.yaml": {Data: []byte("object: deals\ntype_id: 0-3\nassociations:\n  contacts: [{ name: payer, label: Payer, inverse: Pays for }]\n")}})
	if err != nil {
		t.Fatal(err)
	}
	if a := s.Object("deals").Association("contacts"); a == nil || len(a.Labels) != 1 || a.Labels[0] != (AssociationLabel{Label: "Payer", Inverse: "Pays for", Name: "payer"}) {
		t.Errorf("associations: %+v", a)
	}
}

func TestLoadSaysEverything(t *testing.T) {
	_, err := Load(fstest.MapFS{
		"c.yaml": {Data: []byte("object: c\ntype_id: 0-2\nassociations:\n  contacts: [{ name: The payer }]\n")},
		"a.yaml": {Data: []byte("object: A\nproperties:\n  p: { label: P, type: text, defined: true }\n  q: { type: string, group: g }\n")},
		"b.yaml": {Data: []byte("object: b\ntype_id: 0-1\nproprties: {}\n")},
	})
	for _, want := range []string{
		`a.yaml: object "A" is not a name`, `property p: unknown type "text"`, `either a type_id`,
		`property q: has no label`, `property q: group "g"`, "b.yaml", "proprties", "c.yaml: associations with contacts: a label has a label",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("missing %q in:\n%v", want, err)
		}
	}
}
