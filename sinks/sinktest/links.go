package sinktest

import (
	"errors"
	"testing"
	"time"

	"chartwire/sinks"
)

func testLinksSaid(t *testing.T, h *Harness) {
	if n := h.Sink.Links(); (n > 0) != (h.Linked != nil) || n < 0 {
		t.Errorf("it takes %d links at once, and the harness can look at links: %v", n, h.Linked != nil)
	}
}

// linked is a test of links, of a sink that knows them.
func linked(test func(*testing.T, *Harness)) func(*testing.T, *Harness) {
	return func(t *testing.T, h *Harness) {
		if h.Sink.Links() == 0 {
			t.Skip("this destination knows no links")
		}
		test(t, h)
	}
}

// write makes a record and returns its write with the id.
func (h *Harness) write(t *testing.T, w sinks.Write) sinks.Write {
	t.Helper()
	w.ID = must(t, h.apply(t, w))[0].ID
	return w
}

// link makes a write of links alone.
func link(from sinks.Write, links ...sinks.Link) sinks.Write {
	return sinks.Write{Record: from.Record, ID: from.ID, Trace: from.Trace + "-links", Lane: from.Lane, Links: links}
}

func with(to sinks.Write, label string) sinks.Link {
	return sinks.Link{Name: "test", To: to.Record, ToID: to.ID, Label: label, State: sinks.Set}
}

func without(to sinks.Write, label string) sinks.Link {
	l := with(to, label)
	l.State = sinks.Clear
	return l
}

// isLinked compares all links between the two with the labels that there
// should be; "" is the link without one.
func (h *Harness) isLinked(t *testing.T, from, to sinks.Write, want ...string) {
	t.Helper()
	is := map[string]bool{}
	for _, label := range want {
		is[label] = true
	}
	for _, label := range append([]string{""}, h.Labels...) {
		got := h.Linked(from, to.Record, label)
		// A destination may link without a label what it links with one.
		if got != is[label] && !(label == "" && got && len(want) > 0) {
			t.Errorf("linked by label %q: %v, want %v", label, got, is[label])
		}
	}
}

// linkAll applies writes of links and fails if any is refused.
func (h *Harness) linkAll(t *testing.T, ws ...sinks.Write) {
	t.Helper()
	for i, r := range must(t, h.apply(t, ws...)) {
		for j, refused := range r.Links {
			if refused != nil {
				t.Errorf("write %d, link %d: %v", i, j, refused)
			}
		}
	}
}

func testLinkTwice(t *testing.T, h *Harness) {
	a, b := h.write(t, h.Write(1)), h.write(t, h.End(1))
	for range 2 {
		h.linkAll(t, link(a, with(b, "")))
		h.isLinked(t, a, b, "")
	}
	if p := a.Properties[len(a.Properties)-1]; h.Holds(a, p.Name) == "" {
		t.Errorf("linking emptied %s", p.Name)
	}
	h.linkAll(t, link(a, without(b, "")))
	h.isLinked(t, a, b)
}

func testLinkMoves(t *testing.T, h *Harness) {
	a, b, c := h.write(t, h.Write(1)), h.write(t, h.End(1)), h.write(t, h.End(2))
	h.linkAll(t, link(a, with(b, "")))
	h.linkAll(t, link(a, with(c, ""), without(b, "")))
	h.isLinked(t, a, b)
	h.isLinked(t, a, c, "")
}

func testLinkLabels(t *testing.T, h *Harness) {
	a, b := h.write(t, h.Write(1)), h.write(t, h.End(1))
	one, two := h.Labels[0], h.Labels[1]
	h.linkAll(t, link(a, with(b, one), with(b, two)))
	h.isLinked(t, a, b, one, two)
	h.linkAll(t, link(a, with(b, two), without(b, one)))
	h.isLinked(t, a, b, two)
	h.linkAll(t, link(a, without(b, two)))
	h.isLinked(t, a, b)
	h.linkAll(t, link(a, with(b, one), without(b, "")))
	h.isLinked(t, a, b, one)
}

func testUnlinkAbsent(t *testing.T, h *Harness) {
	a, b := h.write(t, h.Write(1)), h.write(t, h.End(1))
	h.linkAll(t, link(a, without(b, "")))
	h.isLinked(t, a, b)
}

func testLinkMissing(t *testing.T, h *Harness) {
	a, a2, b, gone := h.write(t, h.Write(1)), h.write(t, h.Write(2)), h.write(t, h.End(1)), h.write(t, h.End(2))
	must(t, h.apply(t, sinks.Write{Record: gone.Record, ID: gone.ID, Trace: "gone", Lane: gone.Lane, Archive: true}))
	for i, r := range must(t, h.apply(t, link(a, with(b, ""), with(gone, "")), link(a2, with(b, "")))) {
		switch {
		case i == 1 && r.Links != nil:
			t.Errorf("another record's link is refused: %v", r.Links)
		case i == 0 && (len(r.Links) != 2 || r.Links[0] != nil || r.Links[1] == nil || r.Links[1].Class != "missing"):
			t.Errorf("refused %v, want the second link, as missing", r.Links)
		}
	}
	h.isLinked(t, a, b, "")
	h.isLinked(t, a2, b, "")
}

func testLinkFault(t *testing.T, h *Harness) {
	a, b := h.write(t, h.Write(1)), h.write(t, h.End(1))
	w := link(a, with(b, ""))
	for _, f := range []Fault{{Kind: FaultThrottle, Wait: 200 * time.Millisecond}, {Kind: FaultUnavailable}, {Kind: FaultLostAnswer}} {
		h.Fail(f)
		err := h.apply(t, w)[0].Err
		var throttled *sinks.Throttled
		var unavailable *sinks.Unavailable
		switch {
		case f.Kind == FaultThrottle && !errors.As(err, &throttled),
			f.Kind == FaultUnavailable && !errors.As(err, &unavailable),
			f.Kind == FaultLostAnswer && (!errors.As(err, &unavailable) || !unavailable.Unknown):
			t.Errorf("%s: %v", f.Kind, err)
		}
	}
	h.linkAll(t, w)
	h.isLinked(t, a, b, "")
}

func testLinkMany(t *testing.T, h *Harness) {
	n := h.batch()
	froms, ends := h.writes(0, n), make([]sinks.Write, n)
	for i := range ends {
		ends[i] = h.End(i)
	}
	for i, r := range must(t, h.apply(t, froms...)) {
		froms[i].ID = r.ID
	}
	for start := 0; start < n; start += max(h.Sink.Batch(ends[0].Record.Object), 1) {
		some := ends[start:min(n, start+h.Sink.Batch(ends[0].Record.Object))]
		for i, r := range must(t, h.apply(t, some...)) {
			some[i].ID = r.ID
		}
	}
	ws := make([]sinks.Write, n)
	for i := range ws {
		ws[i] = link(froms[i], with(ends[n-1-i], ""))
	}
	h.linkAll(t, ws...)
	for i := range ws {
		h.isLinked(t, froms[i], ends[n-1-i], "")
	}
}
