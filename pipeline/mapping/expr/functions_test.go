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

// FuzzPlain holds that the text of HTML overwrites nothing, has no blanks
// around it, and that a text without tags and entities stays as it is.
func FuzzPlain(f *testing.F) {
	for _, s := range []string{"<p>Tea &amp; <b>cups</b></p>", "a < b", "<!-- x -->y", "<br>", "x<br/>y", "<a title='>'>z</a>", "<", "&lt;b&gt;", "a<b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := appendPlain([]byte("kept"), []byte(s))
		if !bytes.HasPrefix(got, []byte("kept")) {
			t.Fatal("what stood before was overwritten")
		}
		got = got[len("kept"):]
		if !bytes.Equal(got, bytes.TrimSpace(got)) {
			t.Errorf("%q became %q", s, got)
		}
		if !strings.ContainsAny(s, "<&") && string(got) != strings.TrimSpace(s) {
			t.Errorf("%q became %q", s, got)
		}
	})
}

// FuzzDateTime holds that what is read as a moment is written as it was read.
func FuzzDateTime(f *testing.F) {
	for _, s := range []string{"2026-01-02 03:04:05", "2026-01-02T03:04:05.5", "0000-00-00 00:00:00", "0", "", "2026-02-30 00:00:00", "0001-01-01 00:00:00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		us, ok := ParseDateTime(s)
		if !ok {
			return
		}
		again, ok := ParseDateTime(string(appendDateTime(nil, us)))
		if !ok || again != us {
			t.Errorf("%q is %d, and written and read again %d", s, us, again)
		}
	})
}
