package mapping_test

import (
	"strings"
	"testing"
	"time"

	"chartwire/cdc"
	"chartwire/pipeline/mapping"
	"chartwire/schemas"
	"chartwire/schemas/hubspot"
	"chartwire/schemas/maps/ddl"
)

const peopleDDL = `CREATE TABLE people (
  id bigint NOT NULL, name varchar(50), note text, born date, seen datetime, stamp timestamp, balance double, price decimal(20,4),
  kind enum('a','b','c'), flags set('x','y'), active tinyint, big bigint unsigned, raw varbinary(10), result varchar(20), opens time,
  PRIMARY KEY (id)
) CHARSET=utf8mb4;
CREATE TABLE bare (x int);`

// world is a source "s" with the tables above, and invented objects.
func world(t testing.TB) mapping.Env {
	t.Helper()
	tables, err := ddl.Parse("s", "db", peopleDDL)
	if err != nil {
		t.Fatal(err)
	}
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	prop := func(name, typ string) *hubspot.Property { return &hubspot.Property{Name: name, Type: typ} }
	status := prop("status", hubspot.Enumeration)
	status.Options = []hubspot.Option{{Label: "Open", Value: "open"}, {Label: "Shut", Value: "shut"}}
	id := prop("ext_id", hubspot.String)
	id.Unique = true
	number := prop("ext_number", hubspot.Number)
	number.Unique = true
	secret := prop("secret", hubspot.String)
	secret.Sensitivity = hubspot.Sensitive
	fixed := prop("computed", hubspot.String)
	fixed.ReadOnly = true
	things := &hubspot.Object{Name: "things", Properties: []*hubspot.Property{id, number, secret, fixed, status, prop("lifecyclestage", hubspot.String),
		prop("name", hubspot.String), prop("note", hubspot.String), prop("amount", hubspot.Number), prop("born", hubspot.Date),
		prop("seen", hubspot.DateTime), prop("active", hubspot.Bool)}}
	objects, err := hubspot.Default()
	if err != nil {
		t.Fatal(err)
	}
	objects.Objects = append(objects.Objects, things)
	return mapping.Env{Sources: []mapping.Source{{Name: "s", Kind: "kind", Zone: zone}}, Tables: tables, Objects: map[string]*hubspot.Schema{"hubspot": objects},
		SiteKey: []byte(mapping.ExampleSiteKey)}
}

const head = `map: test/things
source: s
entity: { root: people }
record: hubspot.things
key: { ext_id: text(id) }
class: 5m
on_delete: archive
`

func compile(t testing.TB, text string) *mapping.Program {
	t.Helper()
	p, err := mapping.Compile([]mapping.File{{Name: "m.yaml", Text: []byte(text)}}, world(t))
	if err != nil {
		t.Fatalf("it does not compile:\n%v", err)
	}
	return p
}

// one compiles a map of one property from an expression.
func one(t testing.TB, property, expression string) *mapping.Evaluator {
	t.Helper()
	return compile(t, head+"properties:\n  "+property+":\n    on_null: clear\n    from: |\n      "+expression+"\n").Maps[0].Evaluator()
}

// row makes a row of people from `column=text` pairs; what is not named is
// null, `column=` is the empty text.
func row(t testing.TB, cells string) (*schemas.RowSchema, cdc.Row) {
	t.Helper()
	if cells == "" {
		return nil, nil
	}
	m := map[string]*string{}
	for _, pair := range strings.Split(cells, "|") {
		name, text, _ := strings.Cut(pair, "=")
		m[name] = &text
	}
	r, err := mapping.EncodeRow(peopleSchema.Table, m)
	if err != nil {
		t.Fatal(err)
	}
	return peopleSchema, r
}

var peopleSchema = func() *schemas.RowSchema {
	tables, err := ddl.Parse("s", "db", peopleDDL)
	if err != nil {
		panic(err)
	}
	s, err := schemas.NewRowSchema(tables[0])
	if err != nil {
		panic(err)
	}
	return s
}()

func eval(t testing.TB, e *mapping.Evaluator, before, after string, more ...func(*mapping.Input)) *mapping.Output {
	t.Helper()
	in := &mapping.Input{Key: "1", Seq: 7, Commit: commit, Reason: mapping.ReasonChange}
	in.BeforeSchema, in.Before = row(t, before)
	in.Schema, in.After = row(t, after)
	for _, f := range more {
		f(in)
	}
	out, err := e.Eval(in)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

var commit = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// shown writes an output in one line: presence, lane and properties; those
// that changed with a star.
func shown(out *mapping.Output) string {
	names := map[mapping.Presence]string{mapping.Undecided: "undecided", mapping.Outside: "outside", mapping.Present: "present", mapping.Left: "left", mapping.Deleted: "deleted"}
	s := names[out.Presence]
	if m := out.Mutation; m != nil {
		s += " " + m.Lane.String() + " " + string(m.Existence) + " " + m.Record.Key
		for _, p := range m.Properties {
			s += " " + p.Name
			if !p.Changed.IsZero() {
				s += "*"
			}
			if p.State == "set" {
				s += "=" + p.Value
			}
		}
	}
	for _, r := range out.Refused {
		s += " refused:" + r.Property
	}
	return s
}

func ptr(s string) *string { return &s }

func mustSchema(t testing.TB, table *cdc.Table) *schemas.RowSchema {
	t.Helper()
	s, err := schemas.NewRowSchema(table)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
