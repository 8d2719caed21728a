package shadow_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"chartwire/pipeline/shadow"
	"chartwire/sinks"
)

func deal(key string) sinks.Record {
	return sinks.Record{Object: "deals", Property: "k", Key: key}
}

// want says that the links of a name lead to these keys; "a/label" has a label.
func want(e *shadow.Entry, name string, version int64, now time.Time, keys ...string) bool {
	links := []sinks.Link{{Name: name, State: sinks.Clear}}
	for _, k := range keys {
		key, label, _ := strings.Cut(k, "/")
		links = append(links, sinks.Link{Name: name, To: deal(key), Label: label, State: sinks.Set})
	}
	return e.Want(shadow.LinkSet{Name: name, Version: version}, links, now, false)
}

// show is the state of all links: + to be made, = held, - to be removed, ! refused.
func show(e *shadow.Entry) string {
	var all []string
	e.Each(func(s *shadow.LinkSet, l *shadow.Link) {
		sign := "+"
		switch {
		case l.Refused:
			sign = "!"
		case !l.Wanted:
			sign = "-"
		case l.Held:
			sign = "="
		}
		all = append(all, fmt.Sprint(sign, s.Name, ":", l.To.Key, l.Label))
	})
	slices.Sort(all)
	return strings.Join(all, " ")
}

func hold(e *shadow.Entry) {
	e.Each(func(_ *shadow.LinkSet, l *shadow.Link) {
		if l.Wanted {
			l.Held, l.ToID, l.Since = true, "9", time.Time{}
		}
	})
	e.Drop(func(l *shadow.Link) bool { return !l.Wanted })
}

func TestWant(t *testing.T) {
	e := &shadow.Entry{ID: "1"}
	is := func(step, links string, pending int) {
		t.Helper()
		n, since := e.Pending()
		if got := show(e); got != links || n != pending || (n > 0) != !since.IsZero() {
			t.Errorf("%s: %q, %d pending since %v, want %q, %d", step, got, n, since, links, pending)
		}
	}
	want(e, "c", 5, t0, "a")
	is("a new link", "+c:a", 1)
	want(e, "c", 5, t0.Add(time.Hour), "a")
	if _, since := e.Pending(); !since.Equal(t0) {
		t.Error("said twice, it waits since the second time")
	}
	want(e, "c", 4, t0, "old")
	is("an older mutation", "+c:a", 1)
	hold(e)
	is("held", "=c:a", 0)
	want(e, "c", 6, t0, "b")
	is("moved", "+c:b -c:a", 1)
	want(e, "c", 7, t0, "a")
	is("moved back before it was removed", "+c:a -c:b", 1)
	want(e, "d", 1, t0, "a/payer", "b")
	is("another name", "+c:a +d:apayer +d:b -c:b", 3)
	hold(e)
	want(e, "d", 2, t0)
	is("none of a name", "-d:apayer -d:b =c:a", 0)
	if lane, open := e.Open(); !open || lane != sinks.Safety {
		t.Error("links to be removed are not open")
	}
	hold(e)
	want(e, "d", 1, t0, "x")
	is("older than none", "=c:a", 0)
	e.Detach(false, t0)
	e.Archived = true
	is("archived", "+c:a", 0)
	if _, open := e.Open(); open {
		t.Error("the links of an archived record are open")
	}
	e.Archived = false
	want(e, "d", 8, t0, "y")
	want(e, "c", 8, t0, "z")
	e.Detach(true, t0)
	is("another record", "+c:z +d:y", 2)
}

func TestRefusedLinkEnds(t *testing.T) {
	e := &shadow.Entry{ID: "1"}
	refuse := func() {
		e.Each(func(_ *shadow.LinkSet, l *shadow.Link) { l.Refused = l.To.Key == "a" })
	}
	want(e, "c", 1, t0, "a", "b")
	refuse()
	if want(e, "c", 2, t0, "a", "b") || show(e) != "!c:a +c:b" {
		t.Errorf("the same again asks again: %s", show(e))
	}
	links := []sinks.Link{{To: deal("a"), State: sinks.Set}, {To: deal("b"), State: sinks.Set}}
	if !e.Want(shadow.LinkSet{Name: "c", Version: 3}, links, t0, true) || show(e) != "+c:a +c:b" {
		t.Errorf("a retry does not ask again: %s", show(e))
	}
	refuse()
	if !want(e, "c", 4, t0, "b") || show(e) != "+c:b -c:a" {
		t.Errorf("not wanted any more, it is still a dead letter: %s", show(e))
	}
}

// The indexes say what the entries say, whichever way the copy was made.
func TestLinkIndexes(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, "topic")
	check := func(step string, pending int, since time.Time, ids, back string) {
		t.Helper()
		n, oldest, err := s.Pending()
		must(t, err)
		if n != pending || !oldest.Equal(since) {
			t.Errorf("%s: %d pending since %v, want %d since %v", step, n, oldest, pending, since)
		}
		var all []string
		var place []byte
		for first := true; first || place != nil; first = false {
			some, next, err := s.OpenLinks(place, 1)
			must(t, err)
			all, place = append(all, some...), next
		}
		to, err := s.LinkedTo(deal("a").ID())
		must(t, err)
		if got := strings.Join(all, " "); got != ids || strings.Join(to, " ") != back {
			t.Errorf("%s: open %q, linked %q, want %q, %q", step, got, to, ids, back)
		}
	}
	save := func(next int64, entries map[string]*shadow.Entry) {
		t.Helper()
		for id, e := range entries {
			s.Put(id, e)
		}
		s.Take()
		must(t, s.Committed(shadow.Progress{}, next))
	}
	e1, e2, e3 := &shadow.Entry{ID: "1"}, &shadow.Entry{ID: "2"}, &shadow.Entry{ID: "3"}
	want(e1, "c", 1, t0.Add(time.Second), "a", "b")
	want(e2, "c", 1, t0, "a")
	want(e3, "c", 1, t0, "b")
	hold(e3)
	want(e3, "c", 2, t0)
	s.Put("r/1", e1)
	check("put", 0, time.Time{}, "", "")
	save(1, map[string]*shadow.Entry{"r/1": e1, "r/2": e2, "r/3": e3})
	check("committed", 3, t0, "r/2 r/1 r/3", "r/1 r/2")
	must(t, s.Close())
	s = open(t, dir, "topic")
	check("opened again", 3, t0, "r/2 r/1 r/3", "r/1 r/2")
	e2 = e2.Clone()
	want(e2, "c", 2, t0)
	e2.Drop(func(l *shadow.Link) bool { return !l.Wanted })
	e1 = e1.Clone()
	hold(e1)
	save(2, map[string]*shadow.Entry{"r/1": e1, "r/2": e2})
	check("made and removed", 0, time.Time{}, "r/3", "r/1")
	must(t, s.Close())
}
