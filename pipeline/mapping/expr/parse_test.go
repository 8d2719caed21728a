package expr

import (
	"errors"
	"strings"
	"testing"
)

func TestFormat(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		n, err := Parse(in)
		if err != nil {
			t.Errorf("%s: %v", in, err)
			return
		}
		if got := n.String(); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
	f(`a`, `a`)
	f(`(((a)))`, `a`)
	f(`a+b*c - -d`, `a + b * c - -d`)
	f(`(a+b)*c-(d-e)`, `(a + b) * c - (d - e)`)
	f(`not (a and b) or c`, `not (a and b) or c`)
	f(`status not in ["auto-draft","x"] and type == "shop_order"`, `status not in ["auto-draft", "x"] and type == "shop_order"`)
	f(`a is not null ? text(a) : b == 1 ? "x" : "y\"\\\n"`, `a is not null ? text(a) : b == 1 ? "x" : "y\"\\\n"`)
	f(`(a ? b : c) ? d : e`, `(a ? b : c) ? d : e`)
	f("`25again` > -0.50", "`25again` > -0.50")
	f(`billing.city in [-1, 2]`, `billing.city in [-1, 2]`)
	f(`(a == b) == c`, `(a == b) == c`)
	f(`(not a) == b`, `(not a) == b`)
	f(`sum((items) where (.a==1), -.b)`, `sum(items where .a == 1, -.b)`)
	f(`items where .a or .b`, `items where .a or .b`)
}

func TestParseErrors(t *testing.T) {
	f := func(in string, pos int, want string) {
		t.Helper()
		_, err := Parse(in)
		var e *Error
		if !errors.As(err, &e) || e.Pos != pos || !strings.Contains(e.Text, want) {
			t.Errorf("%s: got %v (%+v), want %q at %d", in, err, e, want, pos)
		}
	}
	f(``, 0, "missing")
	f(`a &&  b`, 2, "write and")
	f(`a = 1`, 2, "write ==")
	f(`'x'`, 0, `write "`)
	f(`a / 2`, 2, "exact factor")
	f(`a == null`, 2, "`is null`")
	f(`a < b < c`, 6, "do not chain")
	f(`a b`, 2, "unexpected `b`")
	f(`text(a`, 6, "`)` is expected, not the end")
	f(`"x`, 0, "does not end")
	f(`a in [b]`, 6, "numbers and texts only")
	f(`a ? b`, 5, "`:` is expected")
	f(`a and`, 5, "a value is expected")
	f(`count(1 where b)`, 8, "`)` is expected")
	f(`.5`, 1, "after the point comes a name")
	f(`a + .`, 5, "after the point comes a name")
	f(`a.1`, 2, "after the point")
	f(strings.Repeat("(", 5000), 100, "nested too deeply")
}

// FuzzParse holds the formatter to be the parser's inverse: what it writes
// reads back as the same expression.
func FuzzParse(f *testing.F) {
	for _, s := range []string{`a`, `not a and b or c == 1`, `(a+b)*c-d`, `x ? y : z ? "a\n" : 'b'`, `f(a, -1.5, b.c) is not null`,
		"`2` not in [\"a\", -3]", `-(-(1))`, `not not a`, `a - (b - c)`,
		`sum(items where .type == "a" or not .b, number(meta._x))`, `a where b ? c : d`, `f((a) where .b, .c - (.d))`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := Parse(s)
		if err != nil {
			return
		}
		text := n.String()
		again, err := Parse(text)
		if err != nil {
			t.Fatalf("%q was written as %q, which is refused: %v", s, text, err)
		}
		if !same(n, again) {
			t.Fatalf("%q was written as %q, which is something else: %q", s, text, again)
		}
	})
}

func same(a, b *Node) bool {
	if a.kind != b.kind || a.text != b.text || len(a.args) != len(b.args) {
		return false
	}
	for i := range a.args {
		if !same(a.args[i], b.args[i]) {
			return false
		}
	}
	return true
}
