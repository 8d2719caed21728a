package mapping_test

import (
	"fmt"
	"strings"
	"testing"

	"chartwire/pipeline/mapping"
)

func replace(t testing.TB, text, old, new string) string {
	t.Helper()
	if strings.Count(text, old) != 1 {
		t.Fatalf("%q is %d times in the text", old, strings.Count(text, old))
	}
	return strings.Replace(text, old, new, 1)
}

const good = `map: test/things
source: s
entity: { root: people }
phi: [result]
record: hubspot.things
key: { ext_id: text(id) }
class: 5m
on_delete: archive
properties:
  name: { from: name }
  status:
    from: kind
    values: { a: Open, b: Shut }
    otherwise: reject
rules:
  rule-one:
    when: balance > 500
    then:
      - create: hubspot.tickets
        key: chartwire_ticket_key
        properties:
          subject: { is: Hello }
          hs_pipeline: { is: Collections }
          hs_pipeline_stage: { is: New }
`

// holdsProblem holds that what is wrong after a change is said at its place, in
// words with want in them.
func holdsProblem(t *testing.T, err error, change, at, want string) {
	t.Helper()
	problems, ok := err.(mapping.Problems)
	if !ok {
		t.Errorf("%s: got %v", change, err)
		return
	}
	for _, p := range problems {
		if fmt.Sprintf("%d:%d", p.Line, p.Column) == at && strings.Contains(p.Text, want) {
			return
		}
	}
	t.Errorf("%s: want %s: %s, got\n%v", change, at, want, err)
}

// TestProblems makes one mistake after the other, and holds the place and the
// words of each.
func TestProblems(t *testing.T) {
	compile(t, good)
	f := func(old, new, at, want string) {
		t.Helper()
		_, err := mapping.Compile([]mapping.File{{Name: "m.yaml", Text: []byte(replace(t, good, old, new))}}, world(t))
		holdsProblem(t, err, new, at, want)
	}
	// The file.
	f("map: test/things\n", "", "1:1", "`map` is missing")
	f("class: 5m", "clas: 5m", "7:1", "unknown key `clas`; did you mean `class`?")
	f("class: 5m", "class: 5m\nclass: 15m", "8:1", "`class` is here twice")
	f("class: 5m", "class: 6m", "7:8", "classes are realtime, 5m, 15m, 30m, daily")
	f("class: 5m", "class: 5m\nlane: safety", "8:7", "one by one")
	f("source: s", "source: z", "2:9", "there is no source `z`; did you mean `s`?")
	f("phi: [result]", "phi: [result", "5:1", "not YAML")
	f("on_delete: archive", "on_delete: drop", "8:12", "`keep`, `archive`")
	f("on_delete: archive", "on_delete: { set: { nope: 1 } }", "8:21", "has no property `nope`")
	// The entity.
	f("root: people", "root: peple", "3:17", "did you mean `people`?")
	f("root: people", "root: bare", "3:17", "no primary key")
	f("root: people", "root: people, where: balance", "3:32", "a condition is expected, and this is float")
	f("root: people", "root: people, where: born = 1", "3:37", "write ==")
	f("phi: [result]", "phi: [reslt]", "4:7", "did you mean `result`?")
	// The record and its key.
	f("hubspot.things", "hubspot.thing", "5:9", "did you mean `hubspot.things`?")
	f("ext_id", "name", "6:8", "not unique, so it is no key; unique are ext_id, ext_number")
	f("ext_id", "ext_number", "6:8", "a key is a string property")
	f("text(id)", "id", "6:16", "write text(x)")
	f("text(id)", "name", "6:16", "`name` is not in the primary key")
	// Properties.
	f("name: { from: name }", "nme: { from: name }", "10:3", "did you mean `name`?")
	f("from: name", "from: nmae", "10:17", "has no column `nmae`; did you mean `name`?")
	f("from: name", "from: trim(nmae)", "10:22", "has no column `nmae`")
	f("from: name", "from: 'trim(nmae)'", "10:23", "has no column `nmae`")
	f("name: { from: name }", "name:\n    from: |\n      trim(name) +\n      nmae", "13:1", "has no column `nmae`")
	f("from: name", "from: id", "10:17", "the property name is a string, and this is integer; write text(x)")
	f("name: { from: name }", "amount: { from: name }", "10:19", "write number(x)")
	f("name: { from: name }", "seen: { from: seen }", "10:17", "write utc(x) if the column holds UTC, local(x)")
	f("name: { from: name }", "born: { from: seen }", "10:17", "write date(x)")
	f("name: { from: name }", "active: { from: active }", "10:19", "such as x != 0")
	f("from: name", "from: 'choose(name, 5, \"x\")'", "10:31", "a key of the table is written out, and of the type of what is looked up: a text")
	f("from: name", "from: 'choose(name, \"a\", \"x\", \"a\", \"y\")'", "10:41", "is in the table twice")
	f("from: name", "from: 'choose(name, \"a\", \"x\", \"b\", id)'", "10:18", "do not go together")
	f("from: name", "from: 'choose(born, \"a\", \"x\")'", "10:25", "a text or an exact number")
	f("from: name }", "from: name, valid: id }", "10:30", "a condition is expected, and this is integer")
	f("name: { from: name }", "name: { is: name, valid: id == 1 }", "10:28", "`valid` is said of what the source gives")
	f("name: { from: name }", "name: { from: raw }", "10:17", "bytes have no text")
	f("name: { from: name }", "name: { from: name, is: x }", "10:3", "either `from`")
	f("name: { from: name }", "computed: { from: name }", "10:3", "read-only")
	f("name: { from: name }", "ext_id: { from: name }", "10:3", "is the record's key")
	f("name: { from: name }", "name: { from: name, backward: clear_then_set }", "10:3", "`backward` is for lifecyclestage")
	f("name: { from: name }", "name: { from: name, write: twice }", "10:30", "`write` is once or lowest or highest, not `twice`")
	f("name: { from: name }", "name: { from: name, write: once, on_null: clear }", "10:3", "never clear")
	f("name: { from: name }", "name: { from: result }", "10:17", "PHI, and the property name is not sensitive")
	f("name: { from: name }", "secret: { from: result, phi: waived }", "10:3", "nothing to waive")
	f("values: { a: Open, b: Shut }", "values: { a: Opn, b: Shut }", "13:18", "`Opn` is no option of status; did you mean `Open`?")
	f("    otherwise: reject\n", "", "13:15", "what becomes of other values?")
	f("otherwise: reject", "otherwise: Ope", "14:16", "did you mean `Open`?; or `reject`, `keep`, `clear`")
	f("    values: { a: Open, b: Shut }\n    otherwise: reject\n", "", "12:11", "write `values:")
	f("from: kind\n    values: { a: Open, b: Shut }\n    otherwise: reject", `from: 'kind == "a" ? "Open" : "Sht"'`, "12:12", "`Sht` is no option")
	f("from: name", "from: left(name, 3)", "10:26", "put the expression in quotes")
	f("from: name", "from: record.key", "10:17", "the entity has no part `record`")
	// Rules.
	f("rule-one", "Rule one", "16:3", "lower-case letters")
	f("balance > 500", "balance + 500", "17:11", "a condition is expected")
	f("balance > 500", "balance > price", "17:19", "a float is not exact")
	f("key: chartwire_ticket_key", "key: subject", "20:14", "not unique")
	f("        key: chartwire_ticket_key\n", "", "19:17", "`key` is missing")
	f("          subject: { is: Hello }\n", "", "19:17", "needs the property subject")
	f("is: Collections", "is: Collection", "23:30", "have no pipeline `Collection`; did you mean `Collections`?")
	f("is: New", "is: Contactd", "24:36", "no pipeline of tickets has a stage `Contactd`")
	f("is: New", "is: Acknowledged", "24:36", "the pipeline Collections has no stage `Acknowledged`")
	f("subject: { is: Hello }", "subject: { from: result, phi: waived }", "22:28", "ticket subjects carry none")
	f("subject: { is: Hello }", "subject: { from: name, on_null: clear }", "22:34", "unknown key `on_null`")
	f("        key: chartwire_ticket_key\n", "        key: chartwire_ticket_key\n        lane: safety\n", "16:3", "has `fresh: { by: … }`")
	f("    then:\n", "    fresh: { by: seen }\n    then:\n", "18:18", "write utc(x)")
	f("    then:\n", "    once per: text(balance)\n    then:\n", "18:15", "`balance` is not in it")
}

// TestAllAtOnce finds ten mistakes in two files in one go.
func TestAllAtOnce(t *testing.T) {
	bad := good
	for _, r := range [][2]string{
		{"phi: [result]", "phi: [reslt]"}, {"text(id)", "id"}, {"class: 5m", "class: 6m"}, {"on_delete: archive", "on_delet: archive"},
		{"name: { from: name }", "nme: { from: nmae }"}, {"a: Open", "a: Opn"}, {"otherwise: reject", "otherwise: never"},
		{"balance > 500", "balance > price"}, {"is: Collections", "is: Collection"}, {"is: New", "is: Old"},
	} {
		bad = replace(t, bad, r[0], r[1])
	}
	files := []mapping.File{{Name: "b.yaml", Text: []byte("map: x\n x: y\n")}, {Name: "a.yaml", Text: []byte(bad)}}
	_, err := mapping.Compile(files, world(t))
	lines := strings.Split(err.Error(), "\n")
	if len(lines) < 11 || !strings.HasPrefix(lines[0], "a.yaml:1:1: ") || !strings.HasPrefix(lines[len(lines)-1], "b.yaml:1:6: not YAML") {
		t.Errorf("got %d problems:\n%v", len(lines), err)
	}
	for _, want := range []string{"reslt", "write text(x)", "class `6m`", "on_delet", "`nme`", "nmae", "Opn", "never", "a float is not exact", "Collection", "Old"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("missing %s in\n%v", want, err)
		}
	}
}

func TestTwoWriters(t *testing.T) {
	other := replace(t, good, "map: test/things", "map: test/others")
	_, err := mapping.Compile([]mapping.File{{Name: "a.yaml", Text: []byte(good)}, {Name: "b.yaml", Text: []byte(other)}}, world(t))
	if err == nil || !strings.Contains(err.Error(), "b.yaml:10:3: the property name of hubspot.things is written by the map test/things too") {
		t.Errorf("got %v", err)
	}
	flows := map[string]*mapping.Program{"one": compile(t, good), "two": compile(t, other)}
	if err := mapping.CheckFlows(flows); err == nil || !containsText(err, "is written by the map test/things too") {
		t.Errorf("two flows write one property: %v", err)
	}
	delete(flows, "two")
	if err := mapping.CheckFlows(flows); err != nil {
		t.Error(err)
	}
	_, err = mapping.Compile([]mapping.File{{Name: "a.yaml", Text: []byte(good)}, {Name: "b.yaml", Text: []byte(good)}}, world(t))
	if err == nil || !strings.Contains(err.Error(), "is already in a.yaml") {
		t.Errorf("got %v", err)
	}
}

// TestWritersOfOtherRecords: another key property, and a name that only guest()
// gives, are other records.
func TestWritersOfOtherRecords(t *testing.T) {
	write := func(name, entity, key string) mapping.File {
		return mapping.File{Name: name + ".yaml", Text: []byte("map: test/" + name + "\nsource: s\nentity: { root: people" + entity + " }\nrecord: hubspot.contacts\nkey: { " + key +
			" }\nclass: 5m\non_delete: keep\non_leave: keep\nproperties: { firstname: { from: name } }\n")}
	}
	patients, accounts := write("patients", "", "open_medical_patient_id: text(id)"), write("accounts", "", "woocommerce_customer_id: text(id)")
	guests := write("guests", ", group: guest(name)", "woocommerce_customer_id: guest(name)")
	if _, err := mapping.Compile([]mapping.File{patients, accounts, guests}, world(t)); err != nil {
		t.Error(err)
	}
	turns := func(name, kind string) mapping.File {
		f := write(name, ", group: guest(name)", "woocommerce_customer_id: guest(name)")
		f.Text = append(f.Text, kind+": { table: people, where: id == 1, is: name == \"yes\" }\n"...)
		return f
	}
	p, err := mapping.Compile([]mapping.File{patients, accounts, turns("new", "while"), turns("old", "unless")}, world(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range p.Maps {
		if want := map[string]string{"test/new": "test/old", "test/old": "test/new"}[m.Name]; m.Twin != want {
			t.Errorf("%s takes turns with %q, want %q", m.Name, m.Twin, want)
		}
	}
	others := write("others", ", group: guest(name)", "woocommerce_customer_id: guest(name)")
	if _, err := mapping.Compile([]mapping.File{patients, accounts, guests, others}, world(t)); err == nil || !containsText(err, "is written by the map test/guests too") {
		t.Errorf("two maps name the same guests: %v", err)
	}
	both := write("both", ", group: guest(name)", "woocommerce_customer_id: 'id > 5 ? text(id) : guest(name)'")
	if _, err := mapping.Compile([]mapping.File{guests, both}, world(t)); err == nil || !containsText(err, "is written by the map test/guests too") {
		t.Errorf("a map that names guests too: %v", err)
	}
}

func containsText(err error, want string) bool { return strings.Contains(err.Error(), want) }
