package mapping_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"chartwire/pipeline/mapping"
	"chartwire/sinks"
)

const people = head + `
properties:
  name: { from: name }
  note: { from: note, on_null: clear, class: realtime }
  born: { from: born, write: once }
  amount: { from: money(balance), class: daily }
`

func TestEval(t *testing.T) {
	e := compile(t, people).Maps[0].Evaluator()
	f := func(before, after, want string, more ...func(*mapping.Input)) {
		t.Helper()
		if got := shown(eval(t, e, before, after, more...)); got != want {
			t.Errorf("%q to %q:\n got %s\nwant %s", before, after, got, want)
		}
	}
	reason := func(r string) func(*mapping.Input) { return func(in *mapping.Input) { in.Reason = r } }
	// An insert writes all that is there; its lane is that of the most urgent.
	f("", "id=1|name=Ann|note=x|balance=1.005", "present realtime present 1 name*=Ann note*=x amount*=1.01")
	// An update writes the record whole, with what changed marked.
	f("id=1|name=Ann|note=x", "id=1|name=Bob|note=x", "present routine present 1 name*=Bob note=x")
	f("id=1|name=Ann|note=x", "id=1|name=Ann|note=y", "present realtime present 1 name=Ann note*=y")
	// Nothing changed that is mapped: nothing to write.
	f("id=1|name=Ann|price=1.0000", "id=1|name=Ann|price=2.0000", "present")
	// A value that renders as before is no change.
	f("id=1|name=Ann|balance=100.1", "id=1|name=Ann|balance=100.09999999999999", "present")
	// Null clears only where the map says so; an empty text is no value at all.
	f("id=1|name=Ann|note=x", "id=1", "present realtime present 1 note*")
	f("id=1|name=Ann", "id=1|name=", "present routine present 1 name* note")
	f("id=1|note=", "id=1", "present")
	// Snapshot and re-map go to the backfill lane whole, and know no time of change.
	f("", "id=1|name=Ann", "present backfill present 1 name=Ann note", reason(mapping.ReasonSnapshot))
	f("id=1|name=Ann", "id=1|name=Ann", "present backfill present 1 name=Ann note", reason(mapping.ReasonRemap))
	f("id=1|name=Ann", "id=1|name=Ann", "present realtime present 1 name=Ann note", reason(mapping.ReasonRetry))
	// Deletion.
	f("id=1|name=Ann", "", "deleted routine archived 1")
	f("", "", "outside")
	// Unknown is left alone, whatever the row holds.
	f("id=1|name=Ann|note=x", "id=1|name=Bob", "present routine present 1 name*=Bob", func(in *mapping.Input) { in.Unknown = []string{"note", "balance"} })
}

func TestEvalDetails(t *testing.T) {
	e := compile(t, people).Maps[0].Evaluator()
	out := eval(t, e, "id=1|name=Ann", "id=1|name=Ann|note=x|born=2000-01-02", func(in *mapping.Input) { in.Position = "gtid:1" })
	m := out.Mutation
	if m.Sink != "hubspot" || m.Map != "test/things" || m.Record != (sinks.Record{Object: "things", Property: "ext_id", Key: "1"}) {
		t.Errorf("record %+v", m)
	}
	if !m.Due.Equal(commit.Add(5*time.Second)) || !m.Commit.Equal(commit) {
		t.Errorf("due %s, commit %s", m.Due, m.Commit)
	}
	if len(m.Origin) != 1 || m.Origin[0] != (sinks.Origin{Source: "s", Table: "db.people", Row: "1", Seq: 7, Position: "gtid:1"}) {
		t.Errorf("origin %+v", m.Origin)
	}
	if out.Changed != 2 || len(out.Once) != 1 || m.Properties[out.Once[0]].Name != "born" {
		t.Errorf("changed %d, once %v", out.Changed, out.Once)
	}
	kept := m.Properties[0].Value
	eval(t, e, "", "id=2|name=ZZZ|note=zzz")
	if kept != "Ann" || m.Properties[0].Value != "Ann" {
		t.Error("a mutation changed with the next evaluation")
	}
}

func TestWhere(t *testing.T) {
	e := compile(t, `map: test/things
source: kind
entity: { root: people, where: 'active != 0 and kind in ["a", "b"]' }
record: hubspot.things
key: { ext_id: text(id) }
class: 5m
on_delete: keep
on_leave: { set: { active: false, amount: 0 } }
properties: { name: { from: name } }
`).Maps[0].Evaluator()
	f := func(before, after, want string, more ...func(*mapping.Input)) {
		t.Helper()
		if got := shown(eval(t, e, before, after, more...)); got != want {
			t.Errorf("%q to %q:\n got %s\nwant %s", before, after, got, want)
		}
	}
	f("", "id=1|name=Ann|active=0|kind=a", "outside")
	f("", "id=1|name=Ann|active=1", "outside") // null in a condition is false
	f("", "id=1|name=Ann|active=1|kind=b", "present routine present 1 name*=Ann")
	f("id=1|name=Ann|active=0|kind=a", "id=1|name=Ann|active=1|kind=a", "present routine present 1 name*=Ann")
	f("id=1|name=Ann|active=1|kind=a", "id=1|name=Ann|active=1|kind=c", "left routine kept 1 active*=false amount*=0")
	f("id=1|name=Ann|active=0|kind=a", "id=1|name=Bob|active=0|kind=a", "outside")
	f("", "id=1|active=0", "left routine kept 1 active*=false amount*=0", func(in *mapping.Input) { in.Mapped = true }) // there may be no record
	f("id=1|active=1|kind=a", "", "deleted")                                                                            // on_delete: keep
	f("", "id=1|active=1", "undecided", func(in *mapping.Input) { in.Unknown = []string{"kind"} })
	f("", "id=1|active=0", "outside", func(in *mapping.Input) { in.Unknown = []string{"kind"} }) // one side decides
}

func TestArchiveReachesWhatMayBeThere(t *testing.T) {
	e := compile(t, replace(t, people, "entity: { root: people }", "entity: { root: people, where: active != 0 }\non_leave: archive")).Maps[0].Evaluator()
	out := eval(t, e, "", "id=1|active=0", func(in *mapping.Input) { in.Mapped, in.Reason = true, mapping.ReasonRemap })
	if got := shown(out); got != "left backfill archived 1" {
		t.Errorf("got %s", got)
	}
}

// TestConcurrent evaluates one map from several goroutines, each with its own
// evaluator: what they share does not change.
func TestConcurrent(t *testing.T) {
	files, w := env(t)
	p, err := mapping.Compile(files, w)
	if err != nil {
		t.Fatal(err)
	}
	m := p.Maps[0]
	s := mustSchema(t, w.Tables[0])
	r, err := mapping.EncodeRow(w.Tables[0], map[string]*string{"PatNum": ptr("5"), "FName": ptr("Änne"), "HmPhone": ptr("404 555 0123"),
		"StatusOM": ptr("Lead"), "LCAppointment": ptr("2026-01-02 03:04:05"), "BalTotal": ptr("600.1")})
	if err != nil {
		t.Fatal(err)
	}
	var want string
	var wg sync.WaitGroup
	results := make([]string, 4)
	for i := range results {
		wg.Go(func() {
			e := m.Evaluator()
			for range 200 {
				out, err := e.Eval(&mapping.Input{Key: "5", Schema: s, After: r, Commit: commit, Reason: mapping.ReasonChange})
				if err != nil {
					results[i] = err.Error()
					return
				}
				results[i] = shown(out) + out.Fire(0, 1)[0].Record.Key
			}
		})
	}
	wg.Wait()
	for i, got := range results {
		if want == "" {
			want = got
		}
		if got != want || got == "" {
			t.Errorf("goroutine %d: %s, and not %s", i, got, want)
		}
	}
}

// TestOldSchema reads a row written before a column was there, and one in which
// it had another type.
func TestOldSchema(t *testing.T) {
	prog := compile(t, people)
	e := prog.Maps[0].Evaluator()
	old := *peopleSchema.Table
	old.Columns = old.Columns[:2] // id, name
	s := mustSchema(t, &old)
	cells := map[string]*string{"id": ptr("1"), "name": ptr("Ann")}
	r, err := mapping.EncodeRow(&old, cells)
	if err != nil {
		t.Fatal(err)
	}
	f := func(want string, in mapping.Input) {
		t.Helper()
		out, err := e.Eval(&in)
		if err != nil {
			t.Fatal(err)
		}
		if got := shown(out); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	f("present backfill present 1 name=Ann", mapping.Input{Schema: s, After: r, Reason: mapping.ReasonSnapshot})
	// The column appears: what it holds is new, what did not change is not.
	now, after := row(t, "id=1|name=Ann|note=x")
	f("present realtime present 1 name=Ann note*=x", mapping.Input{BeforeSchema: s, Before: r, Schema: now, After: after, Commit: commit, Reason: mapping.ReasonChange})
	// Of another type it is unknown, not misread.
	other := *peopleSchema.Table
	other.Columns = append(other.Columns[:0:0], other.Columns...)
	other.Columns[2].Type.Kind, other.Columns[2].Type.Bits = 1, 64 // note as BIGINT
	s2 := mustSchema(t, &other)
	r2, err := mapping.EncodeRow(&other, map[string]*string{"id": ptr("1"), "name": ptr("Ann"), "note": ptr("5")})
	if err != nil {
		t.Fatal(err)
	}
	f("present backfill present 1 name=Ann", mapping.Input{Schema: s2, After: r2, Reason: mapping.ReasonSnapshot})
}

func TestBrokenRow(t *testing.T) {
	e := compile(t, people).Maps[0].Evaluator()
	if _, err := e.Eval(&mapping.Input{Schema: peopleSchema, After: []byte{2}}); err == nil {
		t.Error("a row that ends early was mapped")
	}
	if out := eval(t, e, "", "id=1|name=Ann"); out.Mutation == nil {
		t.Error("the evaluator does not go on after a broken row")
	}
}

func TestKeyPrefix(t *testing.T) {
	w := world(t)
	w.Sources = append(w.Sources, mapping.Source{Name: "s2", Kind: "kind", Zone: w.Sources[0].Zone})
	two := *w.Tables[0]
	two.Source = "s2"
	w.Tables = append(w.Tables, &two)
	text := []byte("map: test/things\nsource: kind\nentity: { root: people }\nrecord: hubspot.things\nkey: { ext_id: text(id) }\nclass: 5m\non_delete: keep\nproperties: { name: { from: name } }\n")
	files := []mapping.File{{Name: "m.yaml", Text: text}}
	if _, err := mapping.Compile(files, w); err == nil {
		t.Error("two sources of a kind without key prefix compiled")
	}
	w.Sources[0].KeyPrefix, w.Sources[1].KeyPrefix = true, true
	p, err := mapping.Compile(files, w)
	if err != nil {
		t.Fatal(err)
	}
	if got := eval(t, p.Maps[1].Evaluator(), "", "id=5|name=x").Mutation.Record.Key; got != "s2:5" || len(p.Maps) != 2 {
		t.Errorf("key %s of %d maps", got, len(p.Maps))
	}
	if sel := p.Selections("s2"); len(sel) != 1 || len(sel[0].Columns) != 2 || sel[0].Columns[0] != "id" {
		t.Errorf("selections %v", sel)
	}
}

func TestValues(t *testing.T) {
	f := func(otherwise, cells, want string) {
		t.Helper()
		e := compile(t, head+"properties:\n  status: { from: kind, values: { a: Open, b: Shut }, otherwise: "+otherwise+", on_null: clear }\n").Maps[0].Evaluator()
		if got := shown(eval(t, e, "", "id=1"+cells)); got != want {
			t.Errorf("otherwise %s of %s:\n got %s\nwant %s", otherwise, cells, got, want)
		}
	}
	f("reject", "|kind=a", "present routine present 1 status*=Open")
	f("reject", "|kind=c", "present routine present 1 refused:status")
	f("keep", "|kind=c", "present routine present 1")
	f("clear", "|kind=c", "present routine present 1 status*")
	f("Shut", "|kind=c", "present routine present 1 status*=Shut")
	f("reject", "", "present routine present 1 status*")
}

// TestLongText holds that a text HubSpot would refuse is refused here, alone.
func TestLongText(t *testing.T) {
	e := compile(t, people).Maps[0].Evaluator()
	long := strings.Repeat("ä", 65536)
	if out := eval(t, e, "", "id=1|note="+long); len(out.Refused) != 0 || len(out.Mutation.Properties) != 1 {
		t.Errorf("%d characters: refused %v", 65536, out.Refused)
	}
	if out := eval(t, e, "", "id=1|note="+strings.Repeat("🙂", 32769)); len(out.Refused) != 1 {
		t.Error("32769 characters of two units each are not too long")
	}
	out := eval(t, e, "", "id=1|name=Ann|note="+long+"ä")
	if len(out.Refused) != 1 || out.Refused[0].Property != "note" || len(out.Mutation.Properties) != 1 || strings.Contains(out.Refused[0].Why, "ä") {
		t.Errorf("a character more: refused %d, written %d", len(out.Refused), len(out.Mutation.Properties))
	}
}
