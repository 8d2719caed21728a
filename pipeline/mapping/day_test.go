package mapping_test

import (
	"strings"
	"testing"
	"time"

	"chartwire/pipeline/mapping"
	"chartwire/pipeline/mapping/expr"
)

const dayRule = `
rules:
  soon:
    when: today() >= days(born, -3) and today() <= born
    then:
      - create: notify.pages
        properties: { title: { is: soon } }
`

// day is a written day.
func day(t testing.TB, s string) int64 {
	t.Helper()
	d, ok := expr.ParseDate(s)
	if !ok {
		t.Fatalf("%q is no day", s)
	}
	return d
}

// days are the day that it is and the one before, of an input.
func days(t testing.TB, yesterday, today string) func(*mapping.Input) {
	return func(in *mapping.Input) {
		in.Reason, in.Yesterday, in.Today = mapping.ReasonDay, day(t, yesterday), day(t, today)
	}
}

// A new day writes what it changes, in the lane of its class, and nothing else.
func TestDayChangesProperties(t *testing.T) {
	e := compile(t, head+`
properties:
  name: { from: name }
  note: { from: 'born < today() ? "past" : "to come"', class: realtime }
`+dayRule).Maps[0].Evaluator()
	row := "id=1|name=Ann|born=2026-03-01"
	for _, c := range []struct {
		yesterday, today, want string
		before, now            mapping.Truth
	}{
		{"2026-02-24", "2026-02-25", "present", mapping.False, mapping.False},
		{"2026-02-25", "2026-02-26", "present", mapping.False, mapping.True},
		{"2026-02-26", "2026-03-01", "present", mapping.True, mapping.True},
		{"2026-03-01", "2026-03-02", "present realtime present 1 name note*=past", mapping.True, mapping.False},
		{"2026-02-20", "2026-03-09", "present realtime present 1 name note*=past", mapping.False, mapping.False},
	} {
		out := eval(t, e, row, row, days(t, c.yesterday, c.today))
		want := strings.Replace(c.want, "name note", "name=Ann note", 1)
		if got := shown(out); got != want {
			t.Errorf("%s to %s: %s, want %s", c.yesterday, c.today, got, want)
		}
		if v := out.Verdicts[0]; v.Before != c.before || v.Now != c.now {
			t.Errorf("%s to %s: the rule is %d, was %d", c.yesterday, c.today, v.Now, v.Before)
		}
	}
	// Without a day nothing is told, and no rule decides.
	out := eval(t, e, "", row)
	if got := shown(out); !strings.HasSuffix(got, "present 1 name*=Ann") || out.Verdicts[0].Now != mapping.Unknown {
		t.Errorf("without a day: %s, %+v", got, out.Verdicts[0])
	}
}

// An entity enters and leaves by the day.
func TestDayWhere(t *testing.T) {
	e := compile(t, strings.Replace(head, "root: people }", "root: people, where: born <= today() }\non_leave: archive", 1)+"properties: { name: { from: name } }\n").Maps[0].Evaluator()
	row := "id=1|name=Ann|born=2026-03-01"
	if got := shown(eval(t, e, row, row, days(t, "2026-02-28", "2026-03-01"))); got != "present routine present 1 name*=Ann" {
		t.Error(got)
	}
	if got := shown(eval(t, e, row, row, days(t, "2026-03-01", "2026-03-02"))); got != "present" {
		t.Error(got)
	}
	e = compile(t, strings.Replace(head, "root: people }", "root: people, where: born >= today() }\non_leave: archive", 1)+"properties: { name: { from: name } }\n").Maps[0].Evaluator()
	if got := shown(eval(t, e, row, row, days(t, "2026-03-01", "2026-03-02"))); got != "left routine archived 1" {
		t.Error(got)
	}
}

// What lasts does not read the day.
func TestDayProblems(t *testing.T) {
	for _, text := range []string{
		strings.Replace(head, "text(id)", "text(id) + text(today())", 1) + "properties: { name: { from: name } }\n",
		head + "properties: { name: { from: name } }\n" + strings.Replace(dayRule, "    then:", "    once per: text(id) + text(today())\n    then:", 1),
		strings.Replace(head, "root: people }", "root: people, group: text(today()) }", 1) + "properties: { name: { from: name } }\n",
		strings.Replace(head, "root: people }", "root: people, with: { o: { table: people, by: { born: today() } } } }", 1) + "properties: { name: { from: name } }\n",
		head + "while: { table: people, where: id == 1, is: born < today() }\nproperties: { name: { from: name } }\n",
		head + "links: { contact: { to: hubspot.things, key: { ext_id: text(today()) } } }\nproperties: { name: { from: name } }\n",
		head + "properties: { born: { from: 'days(born, price)' } }\n",
		head + "properties: { born: { from: 'days(seen, 1)' } }\n",
		head + "properties: { born: { from: 'today(1)' } }\n",
	} {
		if _, err := mapping.Compile([]mapping.File{{Name: "m.yaml", Text: []byte(text)}}, world(t)); err == nil {
			t.Errorf("it compiles:\n%s", text)
		} else if !strings.Contains(err.Error(), "day") && !strings.Contains(err.Error(), "column") {
			t.Errorf("another problem: %v", err)
		}
	}
}

// The day and its beginning, in a zone whose clocks change.
func TestDayOfZone(t *testing.T) {
	m := compile(t, head+"properties: { born: { from: today() } }\n").Maps[0] // Europe/Berlin
	for _, c := range []struct{ at, day, midnight string }{
		{"2026-01-30T22:59:59Z", "2026-01-30", "2026-01-29T23:00:00Z"},
		{"2026-01-30T23:00:00Z", "2026-01-31", "2026-01-30T23:00:00Z"},
		{"2026-03-29T21:59:59Z", "2026-03-29", "2026-03-28T23:00:00Z"}, // a day of 23 hours
		{"2026-03-29T22:00:00Z", "2026-03-30", "2026-03-29T22:00:00Z"},
		{"2026-10-25T22:59:59Z", "2026-10-25", "2026-10-24T22:00:00Z"}, // of 25
		{"2026-10-25T23:00:00Z", "2026-10-26", "2026-10-25T23:00:00Z"},
		{"1969-12-31T22:59:59Z", "1969-12-31", "1969-12-30T23:00:00Z"},
	} {
		at, err := time.Parse(time.RFC3339, c.at)
		if err != nil {
			t.Fatal(err)
		}
		d := m.Day(at)
		if d != day(t, c.day) || m.Midnight(d).Format(time.RFC3339) != c.midnight {
			t.Errorf("%s is %d, which begins %s", c.at, d, m.Midnight(d))
		}
	}
	if d := compile(t, head+"properties: { born: { from: born } }\n").Maps[0].Day(time.Now()); d != 0 {
		t.Errorf("a map that reads no day has %d", d)
	}
}

const dayJoined = `map: test/things
source: s
entity:
  root: people
  where: born is null or born >= days(today(), -1000)
  with:
    visits: { table: people, by: { balance_id: id }, many: true, where: seen is null or date(seen) >= today() }
record: hubspot.things
key: { ext_id: text(id) }
class: 15m
on_delete: archive
on_leave: archive
properties:
  name: { from: name }
  amount: { from: count(visits), class: realtime }
  note: { from: 'born < today() ? "past" : "to come"', on_null: clear }
rules:
  none-left:
    when: count(visits) == 0
    then:
      - create: notify.pages
        properties: { title: { is: none } }
examples:
  - name: the last visit is over
    yesterday: 2026-01-02
    today: 2026-01-03
    rows: { people: [{ id: 1, name: Ann, born: null }, { id: 2, big: 1, seen: 2026-01-02 10:00:00 }] }
    gives: { key: "1", name: Ann, amount: 0, note: to come }
    lane: realtime
    fires: { none-left: { notify.pages: { key: "test/things/none-left:1:1", title: none, about: things/ext_id/1 } } }
  - name: a day that changes nothing
    yesterday: 2026-01-01
    today: 2026-01-02
    rows: { people: [{ id: 1, name: Ann, born: null }, { id: 2, big: 1, seen: 2026-01-02 10:00:00 }] }
    gives: nothing
    fires: nothing
  - name: what is not urgent
    yesterday: 2026-01-02
    today: 2026-01-03
    rows: { people: [{ id: 1, name: Ann, born: 2026-01-02 }] }
    gives: { key: "1", name: Ann, amount: 0, note: past }
    lane: routine
    fires: nothing
  - name: too long ago
    yesterday: 2026-01-02
    today: 2030-01-03
    rows: { people: [{ id: 1, name: Ann, born: 2026-01-02 }] }
    gives: archived
    fires: nothing
`

// A joined entity gives what the day changes, of its own row and of others.
func TestDayJoined(t *testing.T) {
	text := strings.Replace(dayJoined, "balance_id: id", "big: id", 1)
	for _, problem := range mapping.RunExamples(compile(t, text)) {
		t.Error(problem)
	}
	for from, to := range map[string]string{
		"    today: 2026-01-03\n":                      "",
		"yesterday: 2026-01-02\n    today: 2026-01-03": "yesterday: 2026-01-02\n    today: 2026-01-02",
		"yesterday: 2026-01-01":                        "yesterday: 2026-13-01",
	} {
		p, err := mapping.Compile([]mapping.File{{Name: "m.yaml", Text: []byte(strings.ReplaceAll(text, from, to))}}, world(t))
		if err == nil && len(mapping.RunExamples(p)) == 0 {
			t.Errorf("%q in place of %q is no problem", to, from)
		}
	}
}
