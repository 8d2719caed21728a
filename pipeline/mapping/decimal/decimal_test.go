package decimal

import (
	"math"
	"math/big"
	"strconv"
	"testing"
)

func parse(t *testing.T, s string) Decimal {
	t.Helper()
	d, ok := Parse(s)
	if !ok {
		t.Fatalf("%q is not read", s)
	}
	return d
}

func TestAppend(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		if got := parse(t, in).String(); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
	f("0", "0")
	f("-0.00", "0")
	f("49.00000000", "49")
	f("100", "100")
	f("+7.50", "7.5")
	f("-.05", "-0.05")
	f("5.", "5")
	f("9223372036854775807", "9223372036854775807")
	f("-9223372036854775808", "-9223372036854775808")
	f("99999999999999999999999999999999999.000000000000000000000000000001", "99999999999999999999999999999999999.000000000000000000000000000001")
}

func TestParseRefuses(t *testing.T) {
	for _, s := range []string{"", "-", ".", "1.2.3", "1e3", " 1", "1,5", "<0.1", "NaN", "--1"} {
		if d, ok := Parse(s); ok {
			t.Errorf("%q was read as %s", s, d)
		}
	}
}

func TestArithmetic(t *testing.T) {
	f := func(got Decimal, want string) {
		t.Helper()
		if got.String() != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	p := func(s string) Decimal { return parse(t, s) }
	f(p("0.1").Add(p("0.2")), "0.3")
	f(p("1").Sub(p("0.9999999999999999999")), "0.0000000000000000001")
	f(New(math.MaxInt64, 0).Add(New(1, 0)), "9223372036854775808")
	f(New(math.MinInt64, 0).Neg(), "9223372036854775808")
	f(New(math.MinInt64, 0).Sub(New(1, 0)), "-9223372036854775809")
	f(New(math.MinInt64, 0).Mul(New(-1, 0)), "9223372036854775808")
	f(p("12345678901234567890.5").Mul(p("2")), "24691357802469135781")
	f(p("500.005").Round(2), "500.01")
	f(p("-500.005").Round(2), "-500.01")
	f(p("500.004999").Round(2), "500")
	f(p("0.5").Round(0), "1")
	f(p("92233720368547758071234.5").Round(0), "92233720368547758071235")
	f(FromUint64(math.MaxUint64), "18446744073709551615")
	f(FromBytes([]byte{0xff, 0x7f}, 2), "-1.29")
	f(FromBytes([]byte{0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 0), "-4722366482869645213696")
	if p("1.0").Cmp(p("1")) != 0 || p("-2").Cmp(p("1")) >= 0 {
		t.Error("comparison is wrong")
	}
	if v, ok := p("12.00").Int64(); v != 12 || !ok {
		t.Error("12.00 is the integer 12")
	}
	if _, ok := p("12.01").Int64(); ok {
		t.Error("12.01 is no integer")
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"0", "-12.340", "9223372036854775808.001", "00000.10"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, ok := Parse(s)
		if !ok {
			return
		}
		want, ok := new(big.Rat).SetString(s)
		if !ok {
			t.Fatalf("%q was read, and is no number", s)
		}
		got, ok := new(big.Rat).SetString(d.String())
		if !ok || got.Cmp(want) != 0 {
			t.Fatalf("%q became %s", s, d)
		}
		again, ok := Parse(d.String())
		if !ok || again.Cmp(d) != 0 || again.String() != d.String() {
			t.Fatalf("%s reads back as %s", d, again)
		}
	})
}

func FuzzArithmetic(f *testing.F) {
	f.Add(int64(math.MaxInt64), uint8(3), int64(math.MinInt64), uint8(19), uint8(2))
	f.Fuzz(func(t *testing.T, a int64, as uint8, b int64, bs, places uint8) {
		x, y := New(a, int(as%40)), New(b, int(bs%40))
		rat := func(d Decimal) *big.Rat { r, _ := new(big.Rat).SetString(d.String()); return r }
		rx, ry := rat(x), rat(y)
		if rat(x.Add(y)).Cmp(new(big.Rat).Add(rx, ry)) != 0 {
			t.Errorf("%s + %s = %s", x, y, x.Add(y))
		}
		if rat(x.Sub(y)).Cmp(new(big.Rat).Sub(rx, ry)) != 0 {
			t.Errorf("%s - %s = %s", x, y, x.Sub(y))
		}
		if rat(x.Mul(y)).Cmp(new(big.Rat).Mul(rx, ry)) != 0 {
			t.Errorf("%s * %s = %s", x, y, x.Mul(y))
		}
		if x.Cmp(y) != rx.Cmp(ry) {
			t.Errorf("%s against %s: %d", x, y, x.Cmp(y))
		}
		n := int(places % 40)
		if got, want := rat(x.Round(n)), rx.FloatString(n); got.FloatString(n) != want {
			t.Errorf("%s to %d places: %s, want %s", x, n, x.Round(n), want)
		}
	})
}

func FuzzFloat(f *testing.F) {
	f.Add(100.1)
	f.Add(1e300)
	f.Add(5e-324)
	f.Fuzz(func(t *testing.T, v float64) {
		d, ok := FromFloat(v, 64)
		if !ok {
			return
		}
		if back, err := strconv.ParseFloat(d.String(), 64); err != nil || back != v {
			t.Errorf("%g became %s", v, d)
		}
	})
}

func BenchmarkAddCompare(b *testing.B) {
	x, y, z := New(50001, 2), New(-1, 2), New(500, 0)
	b.ReportAllocs()
	for range b.N {
		if x.Add(y).Cmp(z) != 0 {
			b.Fatal("wrong")
		}
	}
}
