package image

import (
	"encoding/binary"
	"math/bits"

	"chartwire/schemas"
)

// A DECIMAL lies in a row image as groups of nine digits in four bytes each,
// shorter groups at both ends, sign bit flipped, and all of a negative number
// inverted. In Avro it is its unscaled value in as few bytes of two's
// complement as hold it. 65 digits fit in 216 bits.

// decimalLayout is where the digits of a DECIMAL(precision, scale) lie.
type decimalLayout struct {
	precision, scale int
	size             int
	groups           []digitGroup
}

type digitGroup struct{ digits, bytes uint8 }

// groupBytes is the size of a group of so many digits.
var groupBytes = [10]uint8{0, 1, 1, 2, 2, 3, 3, 4, 4, 4}

func newDecimalLayout(precision, scale int) (l decimalLayout, ok bool) {
	if precision < 1 || precision > 65 || scale > 38 || scale > precision {
		return l, false
	}
	l.precision, l.scale = precision, scale
	add := func(n int) {
		if n > 0 {
			l.groups = append(l.groups, digitGroup{uint8(n), groupBytes[n]})
			l.size += int(groupBytes[n])
		}
	}
	whole := precision - scale
	add(whole % 9)
	for range whole / 9 {
		add(9)
	}
	for range scale / 9 {
		add(9)
	}
	add(scale % 9)
	return l, true
}

var pow10 = [20]uint64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19}

// append writes the value as Avro. It reports false where the bytes are no
// decimal.
func (l *decimalLayout) append(dst, b []byte) ([]byte, bool) {
	var acc unscaled
	negative := b[0]&0x80 == 0
	var mask byte
	if negative {
		mask = 0xff
	}
	flip := byte(0x80)
	for _, g := range l.groups {
		var v uint32
		for _, x := range b[:g.bytes] {
			v = v<<8 | uint32(x^mask^flip)
			flip = 0
		}
		b = b[g.bytes:]
		if uint64(v) >= pow10[g.digits] {
			return dst, false
		}
		acc.push(int(g.digits), uint64(v))
	}
	return acc.append(dst, negative), true
}

// unscaled is a number below 10^65, its low word first.
type unscaled struct {
	word [4]uint64
	used int // words in use beyond the first
}

// push puts so many decimal digits behind the number.
func (u *unscaled) push(digits int, v uint64) {
	m := pow10[digits]
	if u.used == 0 {
		hi, lo := bits.Mul64(u.word[0], m)
		lo, carry := bits.Add64(lo, v, 0)
		u.word[0] = lo
		if hi += carry; hi != 0 {
			u.word[1], u.used = hi, 1
		}
		return
	}
	for i := 0; i <= u.used; i++ {
		hi, lo := bits.Mul64(u.word[i], m)
		lo, carry := bits.Add64(lo, v, 0)
		u.word[i], v = lo, hi+carry
	}
	if v != 0 {
		u.used++
		u.word[u.used&3] = v
	}
}

// append writes the number, or its negative, as Avro bytes.
func (u *unscaled) append(dst []byte, negative bool) []byte {
	if u.used == 0 && u.word[0] <= 1<<63-1 {
		n := int64(u.word[0])
		if negative {
			n = -n
		}
		return appendUnscaled(dst, n)
	}
	w := u.word
	if negative {
		carry := uint64(1)
		for i := range w {
			w[i], carry = bits.Add64(^w[i], 0, carry)
		}
	}
	var b [33]byte // one byte more than the words, for the sign
	if negative {
		b[0] = 0xff
	}
	for i := range w {
		binary.BigEndian.PutUint64(b[25-8*i:], w[i])
	}
	i := 0
	for i < 32 && (b[i] == 0 && b[i+1] < 0x80 || b[i] == 0xff && b[i+1] >= 0x80) {
		i++
	}
	return schemas.AppendBytes(dst, b[i:])
}

// appendUnscaled writes n as Avro bytes: the shortest two's complement.
func appendUnscaled(dst []byte, n int64) []byte {
	size := (64-bits.LeadingZeros64(uint64(n^n>>63)))/8 + 1
	dst = append(dst, byte(size<<1))
	for i := size - 1; i >= 0; i-- {
		dst = append(dst, byte(n>>(8*i)))
	}
	return dst
}

// appendUint64 writes an unsigned BIGINT as a decimal without scale.
func appendUint64(dst []byte, n uint64) []byte {
	u := unscaled{word: [4]uint64{n}}
	return u.append(dst, false)
}

// appendText writes a decimal as the server prints it.
func (l *decimalLayout) appendText(dst, s []byte) ([]byte, bool) {
	negative := len(s) > 0 && s[0] == '-'
	if negative {
		s = s[1:]
	}
	var acc unscaled
	digits, after := 0, -1 // after counts the digits behind the point
	for _, c := range s {
		switch {
		case c == '.' && after < 0:
			after = 0
		case '0' <= c && c <= '9':
			if digits > 0 || c != '0' {
				digits++
			}
			if after >= 0 {
				after++
			}
			if digits > l.precision || after > l.scale {
				return dst, false
			}
			acc.push(1, uint64(c-'0'))
		default:
			return dst, false
		}
	}
	if len(s) == 0 || digits+l.scale-max(after, 0) > l.precision && digits > 0 {
		return dst, false
	}
	for range l.scale - max(after, 0) {
		acc.push(1, 0)
	}
	return acc.append(dst, negative), true
}

// appendDigits prints the value as the server does, with all digits of its
// scale.
func (l *decimalLayout) appendDigits(dst, b []byte) ([]byte, bool) {
	mask, flip := byte(0), byte(0x80)
	if b[0]&0x80 == 0 {
		mask = 0xff
		dst = append(dst, '-')
	}
	start, whole := len(dst), l.precision-l.scale
	for _, g := range l.groups {
		var v uint32
		for _, x := range b[:g.bytes] {
			v = v<<8 | uint32(x^mask^flip)
			flip = 0
		}
		b = b[g.bytes:]
		if uint64(v) >= pow10[g.digits] {
			return dst, false
		}
		for d := int(g.digits) - 1; d >= 0; d-- {
			if whole == 0 {
				if len(dst) == start {
					dst = append(dst, '0')
				}
				dst = append(dst, '.')
			}
			digit := byte('0' + uint64(v)/pow10[d]%10)
			if whole <= 0 || digit != '0' || len(dst) > start {
				dst = append(dst, digit)
			}
			whole--
		}
	}
	if len(dst) == start {
		dst = append(dst, '0')
	}
	return dst, true
}
