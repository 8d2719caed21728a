package expr

import (
	"bytes"
	"strings"
	"testing"
)

// FuzzPhone holds that normalising twice is normalising once, and that what is
// not normalised is only trimmed.
func FuzzPhone(f *testing.F) {
	for _, s := range []string{"(404) 555-0123", "+49 30 901820", "1.404.555.0123", "555-0123 x4", "+", "++1", " 4045550123\n", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		once := appendPhone([]byte("kept"), []byte(s))
		if !bytes.HasPrefix(once, []byte("kept")) {
			t.Fatal("what stood before was overwritten")
		}
		once = once[len("kept"):]
		if twice := appendPhone(nil, once); !bytes.Equal(once, twice) {
			t.Errorf("%q became %q, then %q", s, once, twice)
		}
		if string(once) != string(bytes.TrimSpace([]byte(s))) && (once[0] != '+' || strings.Trim(string(once[1:]), "0123456789") != "") {
			t.Errorf("%q became %q, which is neither it nor E.164", s, once)
		}
	})
}

// FuzzSpan holds that a range has its ends in order, and is written as it reads.
func FuzzSpan(f *testing.F) {
	for _, s := range []string{"3.5-5.1", "<200", ">= 40", "-2--1", "≤ 5", "1–2", "x", "5-3"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, ok := parseSpan([]byte(s))
		if !ok {
			if r.hasLow || r.hasHigh {
				t.Errorf("%q is no range and has an end", s)
			}
			return
		}
		text := ""
		switch {
		case r.hasLow && r.hasHigh:
			if r.low.Cmp(r.high) > 0 {
				t.Errorf("%q: %s to %s", s, r.low, r.high)
			}
			text = r.low.String() + "-" + r.high.String()
		case r.hasLow:
			text = ">=" + r.low.String()
		case r.hasHigh:
			text = "<=" + r.high.String()
		default:
			t.Fatalf("%q is a range without an end", s)
		}
		again, ok := parseSpan([]byte(text))
		if !ok || again.hasLow != r.hasLow || again.hasHigh != r.hasHigh || r.hasLow && again.low.Cmp(r.low) != 0 || r.hasHigh && again.high.Cmp(r.high) != 0 {
			t.Errorf("%q was written as %q, which is another range", s, text)
		}
	})
}
