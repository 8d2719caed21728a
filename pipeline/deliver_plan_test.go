package pipeline

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"chartwire/pipeline/lanes"
	"chartwire/pipeline/shadow"
	"chartwire/sinks"

	"github.com/google/go-cmp/cmp"
)

// wanted makes a mutation from "name=value" (a value of "-" clears).
func wanted(version int64, existence sinks.Existence, props ...string) *sinks.Mutation {
	m := &sinks.Mutation{Flow: "f", Version: version, Existence: existence, Reason: "change"}
	for _, s := range props {
		name, value, _ := strings.Cut(s, "=")
		p := sinks.Property{Name: name, State: sinks.Set, Value: value, Lane: sinks.Realtime}
		if value == "-" {
			p.State, p.Value = sinks.Clear, ""
		}
		m.Properties = append(m.Properties, p)
	}
	return m
}

// known makes an entry from "name=value@version"; with "!" before the name the
// value was refused, and another is held if one follows it ("!a=bad/old@3").
func known(id string, version int64, archived bool, props ...string) *shadow.Entry {
	e := &shadow.Entry{ID: id, Version: version, Archived: archived}
	for _, s := range props {
		s, bad := strings.CutPrefix(s, "!")
		name, rest, _ := strings.Cut(s, "=")
		value, v, _ := strings.Cut(rest, "@")
		p := shadow.Property{Name: name, Held: true, Value: value}
		fmt.Sscan(v, &p.Version)
		if bad {
			refused, held, ok := strings.Cut(value, "/")
			p.Refused, p.Held, p.Value = shadow.Sum(refused), ok, held
		}
		e.Put(p)
	}
	return e
}

// told is a plan's write as text.
func told(p plan) string {
	w := p.write
	if w == nil {
		return "nothing"
	}
	var out []string
	if w.Create {
		out = append(out, "create")
	}
	if w.Existing {
		out = append(out, "existing")
	}
	if w.Archive {
		out = append(out, "archive")
	}
	var props []string
	for _, q := range w.Properties {
		if q.State == sinks.Clear {
			q.Value = "-"
		}
		props = append(props, q.Name+"="+q.Value)
	}
	slices.Sort(props)
	return strings.Join(append(out, props...), " ")
}

func TestPlan(t *testing.T) {
	present, archived, kept := sinks.Present, sinks.Archived, sinks.Kept
	tests := []struct {
		name  string
		base  *shadow.Entry
		want  *sinks.Mutation
		doubt bool
		write string
	}{
		{"nothing is known", nil, wanted(1, present, "a=1", "b=-"), false, "create a=1 b=-"},
		{"nothing is known, nothing is mapped", nil, wanted(1, present), false, "create"},
		{"all is held", known("7", 1, false, "a=1@1"), wanted(2, present, "a=1"), false, "nothing"},
		{"one differs", known("7", 1, false, "a=1@1", "b=2@1"), wanted(2, present, "a=1", "b=3"), false, "b=3"},
		{"what is absent is left alone", known("7", 1, false, "a=1@1", "b=2@1"), wanted(2, present, "a=3"), false, "a=3"},
		{"an older value", known("7", 5, false, "a=1@5"), wanted(3, present, "a=0", "b=2"), false, "b=2"},
		{"in doubt, all held", known("7", 1, false, "a=1@1", "b=2@1"), wanted(2, present, "a=1"), true, "a=1"},
		{"in doubt, an older value", known("7", 5, false, "a=1@5"), wanted(3, present, "a=0"), true, "a=1"},
		{"in doubt, an older value of what was cleared", known("7", 5, false, "a=@5"), wanted(3, present, "a=0"), true, "a=-"},
		{"archive", known("7", 1, false, "a=1@1"), wanted(2, archived), false, "archive"},
		{"archive what nobody wrote", nil, wanted(2, archived), false, "archive"},
		{"archive again", known("7", 1, true), wanted(2, archived), false, "nothing"},
		{"archive again, in doubt", known("7", 1, true), wanted(2, archived), true, "archive"},
		{"older than the archive", known("7", 5, true, "a=1@1"), wanted(3, present, "a=2"), false, "nothing"},
		{"older than the archive, in doubt", known("7", 5, true, "a=1@1"), wanted(3, present, "a=2"), true, "archive"},
		{"an older archive", known("7", 5, false, "a=1@5"), wanted(3, archived), false, "nothing"},
		{"an older archive, in doubt", known("7", 5, false, "a=1@5"), wanted(3, archived), true, "create a=1"},
		{"back from the archive", known("7", 5, true, "a=1@1", "b=2@1", "c=@1"), wanted(6, present, "a=1"), false, "create a=1 b=2 c=-"},
		{"refused before", known("7", 1, false, "!a=bad/old@1"), wanted(2, present, "a=bad", "b=1"), false, "b=1"},
		{"refused before, in doubt", known("7", 1, false, "!a=bad@1"), wanted(2, present, "a=bad", "b=1"), true, "b=1"},
		{"another value than the refused", known("7", 1, false, "!a=bad/old@1"), wanted(2, present, "a=good"), false, "a=good"},
		{"the value held before the refused", known("7", 1, false, "!a=bad/old@1"), wanted(2, present, "a=old"), false, "nothing"},
		{"kept, and it is there", known("7", 1, false, "a=1@1", "b=2@1"), wanted(2, kept, "a=3"), false, "existing a=3"},
		{"kept, and it is there so already", known("7", 1, false, "a=1@1"), wanted(2, kept, "a=1"), false, "nothing"},
		{"kept, and nobody wrote it", nil, wanted(2, kept, "a=1"), false, "nothing"},
		{"kept, and nobody may have written it", nil, wanted(2, kept, "a=1"), true, "existing a=1"},
		{"kept, and it is archived", known("7", 1, true, "a=1@1"), wanted(2, kept, "a=2"), false, "nothing"},
		{"kept, older than what is held", known("7", 5, false, "a=1@5"), wanted(3, kept, "a=2"), false, "nothing"},
		{"never created, its record refused", &shadow.Entry{Refused: true}, wanted(2, present, "a=1"), false, "create a=1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := tt.base.Clone()
			p := makePlan(newView([]*lanes.Part{lanes.Whole(tt.want)}), tt.base, sinks.Realtime, tt.doubt)
			if got := told(p); got != tt.write {
				t.Errorf("writes %q, want %q", got, tt.write)
			}
			answer := sinks.Result{ID: "7"}
			if tt.want.Existence == kept && !tt.base.There() {
				answer = sinks.Result{}
			}
			after, _ := p.settled(answer, time.Now())
			if tt.base != nil {
				if d := cmp.Diff(before, tt.base); d != "" {
					t.Errorf("what was known is changed:\n%s", d)
				}
			}
			if tt.base == nil || tt.want.Version > tt.base.Version {
				if tt.want.Existence == kept {
					if tt.base != nil && (after.Version != tt.base.Version || after.Archived != tt.base.Archived) {
						t.Errorf("version %d archived %v after it", after.Version, after.Archived)
					}
				} else if after.Version != tt.want.Version || after.Archived != (tt.want.Existence == archived) {
					t.Errorf("version %d archived %v after it", after.Version, after.Archived)
				}
			}
			again := makePlan(newView([]*lanes.Part{lanes.Whole(tt.want)}), after, sinks.Realtime, false)
			if got := told(again); got != "nothing" {
				t.Errorf("the same again writes %q", got)
			}
		})
	}
}

func TestPlanRetryOfARefusedValue(t *testing.T) {
	base := known("7", 1, false, "!a=bad/old@1")
	m := wanted(2, sinks.Present, "a=bad")
	m.Reason = "retry"
	p := makePlan(newView([]*lanes.Part{lanes.Whole(m)}), base, sinks.Realtime, false)
	if got := told(p); got != "a=bad" {
		t.Fatalf("writes %q", got)
	}
	e, mended := p.settled(sinks.Result{ID: "7", Stored: map[string]string{"a": "BAD"}}, time.Now())
	if !slices.Equal(mended, []string{"a"}) {
		t.Errorf("mended %q", mended)
	}
	want := shadow.Property{Name: "a", Held: true, Value: "bad", Stored: "BAD", Other: true, Version: 2}
	if d := cmp.Diff(want, *e.Property("a")); d != "" {
		t.Errorf("known after it (-want +got):\n%s", d)
	}
	refused := p.refused(p.sent[0])
	want = shadow.Property{Name: "a", Held: true, Value: "old", Version: 2, Refused: shadow.Sum("bad")}
	if d := cmp.Diff(want, *refused.Property("a")); d != "" {
		t.Errorf("known after another refusal (-want +got):\n%s", d)
	}
}

func TestViewTakesTheNewestOfAllParts(t *testing.T) {
	a, b := lanes.Whole(wanted(5, sinks.Archived, "x=5", "y=5")), lanes.Whole(wanted(7, sinks.Present, "y=7", "z=7"))
	for _, parts := range [][]*lanes.Part{{a, b}, {b, a}} {
		v := newView(parts)
		var got []string
		for _, val := range v.values {
			got = append(got, val.Name+"="+val.Value)
		}
		if !slices.Equal(got, []string{"x=5", "y=7", "z=7"}) || v.existence != sinks.Present || !v.gone || v.head.Version != 7 {
			t.Errorf("%v, existence %s, gone %v", got, v.existence, v.gone)
		}
	}
}

func TestSameValue(t *testing.T) {
	tests := []struct {
		a, b string
		same bool
	}{
		{"Ann@Example.com", "ann@example.com", true}, {" x ", "x", true}, {"49.00", "49", true}, {"-0", "0", true},
		{"49.01", "49", false}, {"lead", "customer", false}, {"1e3", "1000", false}, {"1/2", "0.5", false}, {"", "0", false},
	}
	for _, tt := range tests {
		if got := sameValue(tt.a, tt.b); got != tt.same {
			t.Errorf("%q and %q: %v", tt.a, tt.b, got)
		}
	}
}

func TestQuantiles(t *testing.T) {
	var r recent
	if a, b := r.quantiles(); a != 0 || b != 0 {
		t.Errorf("of nothing: %s %s", a, b)
	}
	for i := range 3000 {
		r.add(time.Duration(i))
	}
	if a, b := r.quantiles(); a != 2500 || b != 2990 {
		t.Errorf("%d %d, want those of the newest thousand", a, b)
	}
}

// TestPlanKept: what a record that is not there was to hold is what it is made
// with, and a mutation that waits beside one that makes it does not unmake it.
func TestPlanKept(t *testing.T) {
	plan := func(base *shadow.Entry, ms ...*sinks.Mutation) plan {
		var parts []*lanes.Part
		for _, m := range ms {
			parts = append(parts, lanes.Whole(m))
		}
		return makePlan(newView(parts), base, sinks.Realtime, false)
	}
	p := plan(nil, wanted(5, sinks.Kept, "a=gone"))
	e, _ := p.settled(sinks.Result{}, time.Now())
	late := plan(e, wanted(3, sinks.Present, "a=here", "b=1"))
	if got := told(late); got != "create a=gone b=1" {
		t.Errorf("made by an older mutation: %q", got)
	}
	for _, both := range [][]*sinks.Mutation{
		{wanted(3, sinks.Present, "a=here", "b=1"), wanted(5, sinks.Kept, "a=gone")},
		{wanted(5, sinks.Kept, "a=gone"), wanted(3, sinks.Present, "a=here", "b=1")},
	} {
		if got := told(plan(nil, both...)); got != "create a=gone b=1" {
			t.Errorf("together: %q", got)
		}
	}
	// It is gone from the destination: nothing of it is held, all of it is known.
	p = plan(known("7", 1, false, "a=1@1", "b=2@1"), wanted(2, sinks.Kept, "a=3"))
	e, _ = p.settled(sinks.Result{}, time.Now())
	if e.There() {
		t.Error("it is there although the destination does not have it")
	}
	if got := told(plan(e, wanted(3, sinks.Present, "b=4"))); got != "create a=3 b=4" {
		t.Errorf("back again: %q", got)
	}
}

// TestSiftKeepsLinks: of an archive that was taken back, what it says of links
// is left.
func TestSiftKeepsLinks(t *testing.T) {
	m := &sinks.Mutation{Record: sinks.Record{Object: "contacts", Property: "patient_id", Key: "1"}, Version: 3, Existence: sinks.Archived}
	w := words{sumOf(m.Record, ""): 7}
	if got := w.sift(m); got != nil {
		t.Errorf("an archive that was taken back leaves %+v", got)
	}
	m.Links = []sinks.Link{{Name: "doctor", State: sinks.Clear}}
	if got := w.sift(m); got == nil || got.Existence != sinks.Kept || len(got.Links) != 1 {
		t.Errorf("its links leave %+v", got)
	}
}
