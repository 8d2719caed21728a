package mysql

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"chartwire/integration/faults"
)

const (
	uuidA = "3e11fa47-71ca-11e1-9e33-c80aa9429562"
	uuidB = "4e11fa47-71ca-11e1-9e33-c80aa9429562"
)

func mustGTIDs(t testing.TB, maria bool, text string) gtidSet {
	t.Helper()
	s, err := parseGTIDs(maria, text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestGTIDsParseAndPrint(t *testing.T) {
	f := func(maria bool, in, want string) {
		t.Helper()
		s := mustGTIDs(t, maria, in)
		if got := s.String(); got != want {
			t.Errorf("%q gives %q, want %q", in, got, want)
		}
	}
	f(false, "", "")
	f(false, strings.ToUpper(uuidA)+":1-5", uuidA+":1-5")
	f(false, uuidA+":1-3:5:4", uuidA+":1-5")
	f(false, uuidB+":7,\n"+uuidA+":1:3-4", uuidA+":1:3-4,"+uuidB+":7")
	f(false, uuidA+":1-42:mytag:1:3", uuidA+":1-42:mytag:1:3")
	f(false, uuidA+":mytag:1", uuidA+":mytag:1")
	f(true, "1-2-3,0-1-100", "0-1-100,1-2-3")

	bad := func(maria bool, in string) {
		t.Helper()
		if s, err := parseGTIDs(maria, in); err == nil {
			t.Errorf("%q is taken as %q", in, s.String())
		}
	}
	bad(false, "x:1")
	bad(false, uuidA)
	bad(false, uuidA+":5-3")
	bad(false, uuidA+":0")
	bad(false, uuidA+":tag")
	bad(true, "0-1")
	bad(true, "0-1-2,0-1-3")
}

func TestGTIDsMissing(t *testing.T) {
	f := func(maria bool, have, want, missing string) {
		t.Helper()
		h, w := mustGTIDs(t, maria, have), mustGTIDs(t, maria, want)
		m := h.missing(&w)
		if got := m.String(); got != missing {
			t.Errorf("%q lacks %q of %q, want %q", have, got, want, missing)
		}
	}
	f(false, uuidA+":1-10", uuidA+":2-5", "")
	f(false, uuidA+":1-10", uuidA+":2-12", uuidA+":11-12")
	f(false, uuidA+":1-3:5-7", uuidA+":1-9", uuidA+":4:8-9")
	f(false, uuidA+":1-3", uuidB+":1", uuidB+":1")
	f(false, uuidA+":1-3", uuidA+":mytag:1", uuidA+":mytag:1")
	f(true, "0-1-100", "0-2-99", "")
	f(true, "0-1-100", "0-2-101", "0-2-101")
	f(true, "0-1-100", "1-1-1", "1-1-1")
}

func TestGTIDsAddRemove(t *testing.T) {
	s := mustGTIDs(t, false, uuidA+":1-3")
	g, err := parseGTID(false, uuidA+":4")
	if err != nil {
		t.Fatal(err)
	}
	c := s.clone()
	s.add(g)
	if got := s.String(); got != uuidA+":1-4" || c.String() != uuidA+":1-3" {
		t.Errorf("added %q, clone %q", got, c.String())
	}
	s.remove(g)
	if got := s.String(); got != uuidA+":1-3" {
		t.Errorf("removed: %q", got)
	}
	g.n = 2
	s.remove(g)
	if got := s.String(); got != uuidA+":1:3" || s.has(g) {
		t.Errorf("removed from the middle: %q", got)
	}
	if n := testing.AllocsPerRun(100, func() { g.n = s.sids[0].spans[1].hi + 1; s.add(g) }); n != 0 {
		t.Errorf("adding the next transaction allocates %v times", n)
	}
}

func TestPlacesCompareByNumber(t *testing.T) {
	faults.Shows(t, "binlog-file-names", "compares the numbers of the files")
	f := func(a string, x uint64, b string, y uint64, want int) {
		t.Helper()
		if got := (place{a, x}).compare(place{b, y}); got != want {
			t.Errorf("%s:%d to %s:%d is %d, want %d", a, x, b, y, got, want)
		}
	}
	f("bin.000001", 5, "bin.000001", 4, 1)
	f("bin.999999", 5, "bin.1000000", 4, -1)
	f("bin.000002", 4, "bin.000001", 900, 1)
}

// Whatever a position's text is, it is refused or printed so that it reads as
// the same set; adding and removing a transaction are inverse.
func FuzzGTIDs(f *testing.F) {
	for _, s := range []string{"", uuidA + ":1-5:7", uuidA + ":1:mytag:3-4," + uuidB + ":9", "0-1-5,7-3-2"} {
		f.Add(s, true)
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, text string, maria bool) {
		s, err := parseGTIDs(maria, text)
		if err != nil {
			return
		}
		again, err := parseGTIDs(maria, s.String())
		if err != nil || again.String() != s.String() {
			t.Fatalf("%q prints as %q, which reads as %q, %v", text, s.String(), again.String(), err)
		}
		if m := s.missing(&again); !m.isZero() {
			t.Fatalf("%q lacks %q of itself", text, m.String())
		}
		if maria || len(s.sids) == 0 || s.sids[0].spans[0].lo < 2 {
			return
		}
		g := gtid{uuid: s.sids[0].uuid, tag: s.sids[0].tag, n: s.sids[0].spans[0].lo - 1}
		c := s.clone()
		c.add(g)
		if !c.has(g) {
			t.Fatal("an added transaction is not there")
		}
		c.remove(g)
		if c.String() != s.String() {
			t.Fatalf("%q after adding and removing is %q", s.String(), c.String())
		}
	})
}

// TestTexts wants texts to stay what they were, short, long and longer than the
// room that they were given.
func TestTexts(t *testing.T) {
	var ts texts
	var got, want []string
	for i := range 3000 {
		text := strings.Repeat(strconv.Itoa(i), i%90+1)
		got, want = append(got, ts.keep(append(ts.room(), text...))), append(want, text)
	}
	if !slices.Equal(got, want) {
		t.Error("a text changed")
	}
	n := testing.AllocsPerRun(1000, func() { ts.keep(append(ts.room(), "0-1-123456789"...)) })
	if n > 0 {
		t.Errorf("%v allocations for a text", n)
	}
}
