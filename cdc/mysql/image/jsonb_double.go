package image

import (
	"math"
	"strconv"
)

// appendJSONDouble prints a double as MySQL prints it in JSON: the shortest
// digits that give the number again, plain while the decimal point lies
// within 15 digits of the first or there are digits behind it, else with an
// exponent; ".0" behind whole numbers.
func appendJSONDouble(dst []byte, f float64) []byte {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return append(dst, "null"...) // JSON has none, and MySQL takes none
	}
	var buf [32]byte
	e := strconv.AppendFloat(buf[:0], f, 'e', -1, 64)
	i := len(e) - 1
	for e[i] != 'e' {
		i--
	}
	exp, _ := strconv.Atoi(string(e[i+1:]))
	behind := i - 2 // digits behind the point of e, after a digit and the point
	if f < 0 {
		behind--
	}
	if exp >= -15 && (exp < 15 || behind > exp) {
		n := len(dst)
		dst = strconv.AppendFloat(dst, f, 'f', -1, 64)
		for _, c := range dst[n:] {
			if c == '.' {
				return dst
			}
		}
		return append(dst, ".0"...)
	}
	dst = append(append(dst, e[:i]...), 'e')
	return strconv.AppendInt(dst, int64(exp), 10)
}
