package image

import (
	"encoding/binary"
	"math"
	"math/bits"
	"net/netip"

	"chartwire/schemas"
)

// append writes the value b of a row image, with the index of the union.
func (c *column) append(dst, b []byte) ([]byte, result) {
	switch c.code {
	case codeInt:
		return schemas.AppendLong(append(dst, 2), c.integer(b)), done
	case codeUint64:
		return appendUint64(append(dst, 2), binary.LittleEndian.Uint64(b)), done
	case codeFloat:
		return appendFloat(dst, math.Float32frombits(binary.LittleEndian.Uint32(b)))
	case codeDouble:
		return appendDouble(dst, math.Float64frombits(binary.LittleEndian.Uint64(b)))
	case codeDecimal:
		dst, ok := c.decimal.append(append(dst, 2), b)
		return dst, resultOf(ok, bad)
	case codeText:
		dst, ok := c.charset.append(append(dst, 2), b)
		return dst, resultOf(ok, lost)
	case codeBytes:
		return c.appendPadded(append(dst, 2), b), done
	case codeEnum:
		n := int(b[0])
		if len(b) > 1 {
			n |= int(b[1]) << 8
		}
		if n >= len(c.labels) {
			return dst, bad
		}
		return append(append(dst, 2), c.labels[n]...), done
	case codeSet:
		return c.appendSet(append(dst, 2), littleEndian(b))
	case codeBit:
		return c.appendBit(append(dst, 2), b), done
	case codeYear:
		year := int64(b[0])
		if year > 0 {
			year += 1900
		}
		return schemas.AppendLong(append(dst, 2), year), done
	case codeJSON:
		dst, ok := appendJSON(append(dst, 2), b)
		return dst, resultOf(ok, bad)
	case codeInet4, codeInet6:
		return c.appendInet(append(dst, 2), b)
	case codeUUID:
		return c.appendUUID(append(dst, 2), b)
	case codePackedText, codePackedBytes:
		return c.appendPacked(dst, b)
	}
	return c.appendTime(dst, b)
}

func (c *column) appendTime(dst, b []byte) ([]byte, result) {
	ok := true
	switch c.code {
	case codeDate:
		d := dateOf(b)
		dst, ok = d.appendDate(dst)
	case codeDateTime2:
		d := dateTime2(b)
		dst, ok = d.appendDateTime(dst)
	case codeDateTimeOld:
		d := dateTimeOld(b)
		dst, ok = d.appendDateTime(dst)
	case codeTimestamp2:
		dst, ok = appendInstant(dst, binary.BigEndian.Uint32(b), micros(b[4:]))
	case codeTimestampOld:
		dst, ok = appendInstant(dst, binary.LittleEndian.Uint32(b), 0)
	case codeTime2, codeTimeOld:
		read := time2
		if c.code == codeTimeOld {
			read = timeOld
		}
		us, ok := read(b)
		if !ok {
			return dst, bad
		}
		return schemas.AppendLong(append(dst, 2), us), done
	}
	return dst, resultOf(ok, lost)
}

// integer reads 1, 2, 3, 4 or 8 bytes with or without a sign.
func (c *column) integer(b []byte) int64 {
	u := littleEndian(b)
	if c.unsigned {
		return int64(u)
	}
	shift := 64 - 8*len(b)
	return int64(u<<shift) >> shift
}

func littleEndian(b []byte) (u uint64) {
	switch len(b) {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(binary.LittleEndian.Uint16(b))
	case 4:
		return uint64(binary.LittleEndian.Uint32(b))
	case 8:
		return binary.LittleEndian.Uint64(b)
	}
	for i, x := range b {
		u |= uint64(x) << (8 * i)
	}
	return u
}

// Zero has one form: what a query prints has no sign for it.
func appendFloat(dst []byte, f float32) ([]byte, result) {
	if f == 0 {
		f = 0
	}
	return binary.LittleEndian.AppendUint32(append(dst, 2), math.Float32bits(f)), done
}

func appendDouble(dst []byte, f float64) ([]byte, result) {
	if f == 0 {
		f = 0
	}
	return binary.LittleEndian.AppendUint64(append(dst, 2), math.Float64bits(f)), done
}

// appendPadded writes bytes; those of a BINARY(n) come without the zeros at
// their end.
func (c *column) appendPadded(dst, b []byte) []byte {
	n := max(len(b), c.pad)
	dst = append(schemas.AppendLong(dst, int64(n)), b...)
	for range n - len(b) {
		dst = append(dst, 0)
	}
	return dst
}

func (c *column) appendSet(dst []byte, mask uint64) ([]byte, result) {
	if bits.Len64(mask) > len(c.labels) {
		return dst, bad
	}
	n := max(bits.OnesCount64(mask)-1, 0) // the commas
	for m := mask; m != 0; m &= m - 1 {
		n += len(c.labels[bits.TrailingZeros64(m)])
	}
	dst = schemas.AppendLong(dst, int64(n))
	for m := mask; m != 0; m &= m - 1 {
		if m != mask {
			dst = append(dst, ',')
		}
		dst = append(dst, c.labels[bits.TrailingZeros64(m)]...)
	}
	return dst, done
}

func (c *column) appendBit(dst, b []byte) []byte {
	var u uint64
	for _, x := range b {
		u = u<<8 | uint64(x)
	}
	if c.wideBit {
		return appendUint64(dst, u)
	}
	return schemas.AppendLong(dst, int64(u))
}

// appendInet writes an address as text; its zero bytes at the end are not in
// the row image.
func (c *column) appendInet(dst, b []byte) ([]byte, result) {
	var a [16]byte
	if len(b) > c.pad {
		return dst, bad
	}
	copy(a[:], b)
	addr := netip.AddrFrom16(a)
	if c.code == codeInet4 {
		addr = netip.AddrFrom4([4]byte(a[:4]))
	}
	return appendAddr(dst, addr), done
}

// appendAddr writes an address in the one form that both ways share: the
// server prints some with an IPv4 part that package netip prints without.
func appendAddr(dst []byte, addr netip.Addr) []byte {
	start := len(dst)
	return closeGap(addr.AppendTo(append(dst, gap[:]...)), start)
}
