package schemas

import (
	"encoding/hex"
	"strconv"
	"time"

	"chartwire/cdc"
)

// AppendText appends the canonical text of a value, the same whatever the
// precision, width or fractional digits its column was declared with: a
// decimal without trailing zeros, dates as 2026-01-02, DATETIME as
// 2026-01-02T03:04:05.6, TIMESTAMP with a Z after it, TIME as -838:59:59,
// bytes in hexadecimal, text and labels as they are. A null appends nothing.
func (v Value) AppendText(dst []byte) []byte {
	if v.data == nil {
		return dst
	}
	switch v.typ.Kind {
	case cdc.KindDecimal:
		return v.appendDecimal(dst)
	case cdc.KindFloat:
		return strconv.AppendFloat(dst, v.Float(), 'g', -1, 32)
	case cdc.KindDouble:
		return strconv.AppendFloat(dst, v.Float(), 'g', -1, 64)
	case cdc.KindBytes, cdc.KindGeometry, cdc.KindVector:
		return hex.AppendEncode(dst, v.data)
	case cdc.KindDate:
		return time.Unix(v.Int()*86400, 0).UTC().AppendFormat(dst, time.DateOnly)
	case cdc.KindDateTime:
		return time.UnixMicro(v.Int()).UTC().AppendFormat(dst, "2006-01-02T15:04:05.999999")
	case cdc.KindTimestamp:
		return time.UnixMicro(v.Int()).UTC().AppendFormat(dst, "2006-01-02T15:04:05.999999Z")
	case cdc.KindTime:
		return appendTime(dst, v.Int())
	case cdc.KindInt, cdc.KindBit, cdc.KindYear:
		if isUint64(v.typ) {
			return strconv.AppendUint(dst, v.Uint(), 10)
		}
		return strconv.AppendInt(dst, v.Int(), 10)
	}
	return append(dst, v.data...)
}

// appendDecimal writes the digits with a point and cuts trailing zeros.
func (v Value) appendDecimal(dst []byte) []byte {
	start := len(dst)
	if n, ok := v.Unscaled(); ok {
		dst = strconv.AppendInt(dst, n, 10)
	} else {
		dst = v.big().Append(dst, 10)
	}
	scale := v.typ.Scale
	if scale == 0 {
		return dst
	}
	if dst[start] == '-' {
		start++
	}
	for len(dst)-start <= scale { // at least one digit before the point
		dst = append(dst, 0)
		copy(dst[start+1:], dst[start:])
		dst[start] = '0'
	}
	point := len(dst) - scale
	dst = append(dst, 0)
	copy(dst[point+1:], dst[point:])
	dst[point] = '.'
	for dst[len(dst)-1] == '0' {
		dst = dst[:len(dst)-1]
	}
	if dst[len(dst)-1] == '.' {
		dst = dst[:len(dst)-1]
	}
	return dst
}

func appendTime(dst []byte, us int64) []byte {
	u := uint64(us)
	if us < 0 {
		dst, u = append(dst, '-'), -u
	}
	sec := u / 1e6
	two := func(n uint64) {
		if n < 10 {
			dst = append(dst, '0')
		}
		dst = strconv.AppendUint(dst, n, 10)
	}
	two(sec / 3600)
	dst = append(dst, ':')
	two(sec / 60 % 60)
	dst = append(dst, ':')
	two(sec % 60)
	if frac := u % 1e6; frac != 0 {
		dst = append(dst, '.')
		for d := uint64(1e5); frac != 0; d /= 10 {
			dst = append(dst, byte('0'+frac/d))
			frac %= d
		}
	}
	return dst
}
