// Package decimal is exact decimal arithmetic for field maps: a coefficient and
// a number of digits after the point. Sums, differences and products are exact;
// there is no division, because its result need not be a decimal.
//
// Nearly all money fits an int64 coefficient, and those values are computed
// without allocation; larger ones (DECIMAL has up to 65 digits) go on in a
// big.Int.
package decimal

import (
	"math"
	"math/big"
	"math/bits"
	"strconv"
)

// Decimal is coefficient / 10^scale. The zero value is 0.
type Decimal struct {
	coef  int64
	scale int32
	big   *big.Int // the coefficient when it does not fit coef
}

// MaxScale is the largest number of digits after the point that parsing takes:
// more than any server's DECIMAL has.
const MaxScale = 100

// New returns coef / 10^scale.
func New(coef int64, scale int) Decimal { return Decimal{coef: coef, scale: int32(scale)} }

// FromUint64 returns u.
func FromUint64(u uint64) Decimal {
	if u <= math.MaxInt64 {
		return Decimal{coef: int64(u)}
	}
	return Decimal{big: new(big.Int).SetUint64(u)}
}

// FromBytes reads Avro's decimal: the coefficient as big-endian two's complement.
func FromBytes(b []byte, scale int) Decimal {
	if len(b) <= 8 {
		var v int64
		if len(b) > 0 && b[0]&0x80 != 0 {
			v = -1
		}
		for _, c := range b {
			v = v<<8 | int64(c)
		}
		return Decimal{coef: v, scale: int32(scale)}
	}
	n := new(big.Int).SetBytes(b)
	if b[0]&0x80 != 0 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(len(b)*8)))
	}
	return fromBig(n, int32(scale))
}

// FromFloat returns the shortest decimal that reads back as f: what a person
// who wrote the number meant. It reports false for NaN and infinities.
func FromFloat(f float64, bitSize int) (Decimal, bool) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return Decimal{}, false
	}
	var buf [32]byte
	text := strconv.AppendFloat(buf[:0], f, 'e', -1, bitSize)
	var d Decimal
	neg, digits, exp := false, 0, 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '-':
			neg = true
		case c == 'e':
			exp, _ = strconv.Atoi(string(text[i+1:]))
			i = len(text)
		case c != '.':
			d.coef = d.coef*10 + int64(c-'0') // 17 digits at most
			digits++
		}
	}
	if neg {
		d.coef = -d.coef
	}
	if shift := digits - 1 - exp; shift >= 0 {
		d.scale = int32(shift)
		return d, true
	}
	return d.rescale(int32(exp - digits + 1)).withScale(0), true
}

// Parse reads digits with an optional sign and point. Nothing else: no blanks,
// no exponent, no separators.
func Parse[T string | []byte](s T) (Decimal, bool) {
	i, neg := 0, false
	if len(s) > 0 && (s[0] == '-' || s[0] == '+') {
		neg, i = s[0] == '-', 1
	}
	start, point, digits := i, -1, 0
	var coef uint64
	wide := false
	for ; i < len(s); i++ {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			digits++
			if coef > (math.MaxInt64-9)/10 {
				wide = true
			}
			coef = coef*10 + uint64(c-'0')
		case c == '.' && point < 0:
			point = i
		default:
			return Decimal{}, false
		}
	}
	scale := 0
	if point >= 0 {
		scale = len(s) - point - 1
	}
	if digits == 0 || scale > MaxScale || digits > 4096 {
		return Decimal{}, false
	}
	if !wide {
		v := int64(coef)
		if neg {
			v = -v
		}
		return Decimal{coef: v, scale: int32(scale)}, true
	}
	text := string(s[start:])
	if point >= 0 {
		text = string(s[start:point]) + string(s[point+1:])
	}
	n, ok := new(big.Int).SetString(text, 10)
	if !ok {
		return Decimal{}, false
	}
	if neg {
		n.Neg(n)
	}
	return fromBig(n, int32(scale)), true
}

func fromBig(n *big.Int, scale int32) Decimal {
	if n.IsInt64() {
		return Decimal{coef: n.Int64(), scale: scale}
	}
	return Decimal{big: n, scale: scale}
}

// value returns the coefficient as a big.Int that must not be written to.
func (d Decimal) value() *big.Int {
	if d.big != nil {
		return d.big
	}
	return big.NewInt(d.coef)
}

func (d Decimal) withScale(s int32) Decimal { d.scale = s; return d }

var pow10 = func() (p [19]int64) {
	p[0] = 1
	for i := 1; i < len(p); i++ {
		p[i] = p[i-1] * 10
	}
	return p
}()

func mulInt64(a, b int64) (int64, bool) {
	hi, lo := bits.Mul64(magnitude(a), magnitude(b))
	if hi != 0 || lo > math.MaxInt64 {
		return 0, false
	}
	if (a < 0) != (b < 0) {
		return -int64(lo), true
	}
	return int64(lo), true
}

func magnitude(v int64) uint64 {
	if v < 0 {
		return uint64(-v) // right for MinInt64 too
	}
	return uint64(v)
}

// rescale multiplies the coefficient by 10^n and adds n to the scale.
func (d Decimal) rescale(n int32) Decimal {
	if n == 0 {
		return d
	}
	if d.big == nil && int(n) < len(pow10) {
		if v, ok := mulInt64(d.coef, pow10[n]); ok {
			return Decimal{coef: v, scale: d.scale + n}
		}
	}
	f := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil)
	return fromBig(f.Mul(f, d.value()), d.scale+n)
}

func align(a, b Decimal) (Decimal, Decimal) {
	if a.scale < b.scale {
		return a.rescale(b.scale - a.scale), b
	}
	return a, b.rescale(a.scale - b.scale)
}

// Add returns d + e.
func (d Decimal) Add(e Decimal) Decimal {
	d, e = align(d, e)
	if d.big == nil && e.big == nil {
		if sum := d.coef + e.coef; (sum > d.coef) == (e.coef > 0) {
			return Decimal{coef: sum, scale: d.scale}
		}
	}
	return fromBig(new(big.Int).Add(d.value(), e.value()), d.scale)
}

// Sub returns d - e.
func (d Decimal) Sub(e Decimal) Decimal { return d.Add(e.Neg()) }

// Neg returns -d.
func (d Decimal) Neg() Decimal {
	if d.big == nil && d.coef != math.MinInt64 {
		d.coef = -d.coef
		return d
	}
	return fromBig(new(big.Int).Neg(d.value()), d.scale)
}

// Abs returns the magnitude of d.
func (d Decimal) Abs() Decimal {
	if d.Sign() < 0 {
		return d.Neg()
	}
	return d
}

// Mul returns d * e.
func (d Decimal) Mul(e Decimal) Decimal {
	if d.big == nil && e.big == nil {
		if v, ok := mulInt64(d.coef, e.coef); ok {
			return Decimal{coef: v, scale: d.scale + e.scale}
		}
	}
	return fromBig(new(big.Int).Mul(d.value(), e.value()), d.scale+e.scale)
}

// Sign returns -1, 0 or 1.
func (d Decimal) Sign() int {
	switch {
	case d.big != nil:
		return d.big.Sign()
	case d.coef < 0:
		return -1
	case d.coef > 0:
		return 1
	}
	return 0
}

// Cmp returns -1, 0 or 1 as d is less than, equal to or more than e: 1.0 equals 1.
func (d Decimal) Cmp(e Decimal) int {
	d, e = align(d, e)
	if d.big == nil && e.big == nil {
		switch {
		case d.coef < e.coef:
			return -1
		case d.coef > e.coef:
			return 1
		}
		return 0
	}
	return d.value().Cmp(e.value())
}

// Round rounds to places digits after the point, halves away from zero, as
// money is rounded. It never adds digits.
func (d Decimal) Round(places int) Decimal {
	n := d.scale - int32(places)
	if n <= 0 {
		return d
	}
	if d.big == nil && int(n) < len(pow10) {
		p := pow10[n]
		q, r := d.coef/p, d.coef%p
		if magnitude(r) >= uint64(p)-magnitude(r) {
			if d.coef < 0 {
				q--
			} else {
				q++
			}
		}
		return Decimal{coef: q, scale: int32(places)}
	}
	p := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil)
	half := new(big.Int).Rsh(p, 1)
	v := new(big.Int).Abs(d.value())
	v.Add(v, half).Quo(v, p)
	if d.Sign() < 0 {
		v.Neg(v)
	}
	return fromBig(v, int32(places))
}

// Int64 returns d as an int64, and whether it is one exactly.
func (d Decimal) Int64() (int64, bool) {
	if d.big == nil && d.scale == 0 {
		return d.coef, true
	}
	r := d.Round(0)
	if r.big != nil || r.Cmp(d) != 0 {
		return 0, false
	}
	return r.coef, true
}

// Append appends d in its shortest plain form: no exponent, no zeros at the end
// of the fraction, "0" for every zero.
func (d Decimal) Append(b []byte) []byte {
	if d.Sign() == 0 {
		return append(b, '0')
	}
	var digits []byte
	var buf [24]byte
	if d.big == nil {
		if d.coef < 0 {
			b = append(b, '-')
		}
		digits = strconv.AppendUint(buf[:0], magnitude(d.coef), 10)
	} else {
		if d.big.Sign() < 0 {
			b = append(b, '-')
		}
		digits = new(big.Int).Abs(d.big).Append(nil, 10)
	}
	scale := int(d.scale)
	for scale > 0 && digits[len(digits)-1] == '0' {
		digits, scale = digits[:len(digits)-1], scale-1
	}
	if scale == 0 {
		return append(b, digits...)
	}
	if len(digits) <= scale {
		b = append(b, '0', '.')
		for range scale - len(digits) {
			b = append(b, '0')
		}
		return append(b, digits...)
	}
	b = append(b, digits[:len(digits)-scale]...)
	b = append(b, '.')
	return append(b, digits[len(digits)-scale:]...)
}

func (d Decimal) String() string { return string(d.Append(nil)) }

// FromBig returns n / 10^scale; n must not be changed afterwards.
func FromBig(n *big.Int, scale int) Decimal { return fromBig(n, int32(scale)) }

// Float returns the float nearest to d.
func (d Decimal) Float() float64 {
	f, _ := strconv.ParseFloat(d.String(), 64)
	return f
}

// Unscaled returns the coefficient that d has with places digits after the
// point; d must not have more.
func (d Decimal) Unscaled(places int) *big.Int {
	if n := int32(places) - d.scale; n > 0 {
		d = d.rescale(n)
	}
	return new(big.Int).Set(d.Round(places).value())
}
