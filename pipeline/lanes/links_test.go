package lanes_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"chartwire/pipeline/lanes"
	"chartwire/sinks"
)

// withLinks adds links to an arrival, "name>key" each; "name>" is none of it.
func withLinks(a lanes.Arrival, reason string, links ...string) lanes.Arrival {
	a.Mutation.Reason = reason
	for _, l := range links {
		name, key, _ := strings.Cut(l, ">")
		link := sinks.Link{Name: name, State: sinks.Clear}
		if key != "" {
			link.To, link.State = sinks.Record{Object: "deals", Property: "k", Key: key}, sinks.Set
		}
		a.Mutation.Links = append(a.Mutation.Links, link)
	}
	return a
}

// shownLinks gives the sets of a call's parts: "version name: keys", with ! where
// a person asked.
func shownLinks(rec *lanes.Record) string {
	var all []string
	for _, p := range rec.Call() {
		for _, s := range p.Links {
			text := fmt.Sprint(s.From.Version, " ", s.Name, ":")
			for _, l := range s.Links {
				if l.State == sinks.Set {
					text += " " + l.To.Key
				}
			}
			if s.Retry {
				text += "!"
			}
			all = append(all, text)
		}
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// Of each name the newest set counts whole, whichever way the mutations came.
func TestLinksCoalesceByName(t *testing.T) {
	f := func(want string, arrivals ...lanes.Arrival) {
		t.Helper()
		q := lanes.New(wide())
		for _, a := range arrivals {
			q.Add(a)
		}
		recs := q.Pick(sinks.Realtime, any100)
		if len(recs) != 1 {
			t.Fatalf("%d records", len(recs))
		}
		if got := shownLinks(recs[0]); got != want {
			t.Errorf("links %q, want %q", got, want)
		}
		q.Land(recs[0], nil)
		if n, bytes := q.Waiting(sinks.Realtime); n != 0 || bytes != 0 {
			t.Errorf("%d parts and %d bytes are left", n, bytes)
		}
	}
	at := func(version int64, reason string, links ...string) lanes.Arrival {
		return withLinks(arrival("p", version, sinks.Realtime, 0, "a", "1"), reason, links...)
	}
	f("1 c: x y", at(1, "change", "c>", "c>x", "c>y"))
	f("2 c: z", at(1, "change", "c>", "c>x", "c>y"), at(2, "change", "c>", "c>z"))
	f("2 c: z", at(2, "change", "c>", "c>z"), at(1, "change", "c>", "c>x"))
	f("2 c:", at(1, "change", "c>", "c>x"), at(2, "change", "c>"))
	f("1 c: x, 2 d: z", at(1, "change", "c>x"), at(2, "change", "d>z"))
	f("1 c: x y, 1 d: z", at(1, "change", "c>x", "d>z", "c>y"))
	f("2 c: x!", at(1, "retry", "c>x"), at(2, "change", "c>x"))
}

// The links of a safety mutation go with what is not for safety, if there is
// something, and with the safety properties otherwise.
func TestLinksOfASafetyMutation(t *testing.T) {
	for _, props := range [][]string{{"s1", "x"}, {"s1", "x", "a", "1"}} {
		q := lanes.New(wide())
		q.Add(withLinks(arrival("p", 1, sinks.Safety, 0, props...), "change", "c>x"))
		rec := q.Pick(sinks.Safety, any100)[0]
		got := shownLinks(rec)
		if want := len(props) == 2; (got == "1 c: x") != want {
			t.Errorf("properties %v: the safety call has the links %q", props, got)
		}
		q.Widen(rec)
		if got := shownLinks(rec); got != "1 c: x" {
			t.Errorf("properties %v: all of it has the links %q", props, got)
		}
	}
}
