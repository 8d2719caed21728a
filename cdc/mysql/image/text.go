package image

import (
	"math"
	"net/netip"
	"strconv"
	"unsafe"

	"chartwire/schemas"
)

// Select gives the SQL expressions, one for each column of Table, that
// AppendPacket takes the values of. The session must have character_set_results
// NULL (bytes as stored), time_zone '+00:00', and no PAD_CHAR_TO_FULL_LENGTH in
// its sql_mode.
//
// A FLOAT is printed with six digits and a DOUBLE(m,d) with d; in an
// expression both are printed with all their digits. A YEAR(2) is printed
// without its century, which the log has.
func (e *Encoder) Select() []string {
	s := make([]string, len(e.selected))
	for i, k := range e.selected {
		c := &e.columns[k]
		s[i] = quoteName(c.name)
		switch {
		case c.code == codeFloat || c.code == codeDouble:
			s[i] += "+0e0"
		case c.century:
			s[i] = "YEAR(" + s[i] + ")"
		}
	}
	return s
}

// AppendPacket encodes a row of a query's result as the text protocol has it
// on the wire: the value of each of Select's expressions behind its length,
// 0xfb for NULL.
func (e *Encoder) AppendPacket(dst, packet []byte) ([]byte, error) {
	for i := range e.selected {
		var v []byte
		if len(packet) == 0 {
			return dst, e.corrupt(&e.columns[e.selected[i]], errEnd)
		}
		if packet[0] == 0xfb {
			packet = packet[1:]
		} else {
			start, n := lengthEncoded(packet)
			if start == 0 || n > uint64(len(packet)-start) {
				return dst, e.corrupt(&e.columns[e.selected[i]], errEnd)
			}
			v, packet = packet[start:start+int(n)], packet[start+int(n):]
		}
		var err error
		if dst, err = e.appendTextValue(dst, i, v); err != nil {
			return dst, err
		}
	}
	if len(packet) != 0 {
		return dst, e.corrupt(nil, errEnd)
	}
	return dst, nil
}

// lengthEncoded reads the protocol's variable integer; size 0 if it is cut off.
func lengthEncoded(b []byte) (size int, n uint64) {
	size = 1
	switch b[0] {
	case 0xfc:
		size = 3
	case 0xfd:
		size = 4
	case 0xfe:
		size = 9
	default:
		return 1, uint64(b[0])
	}
	if len(b) < size {
		return 0, 0
	}
	return size, littleEndian(b[1:size])
}

func (e *Encoder) appendTextValue(dst []byte, i int, v []byte) ([]byte, error) {
	c := &e.columns[e.selected[i]]
	if v == nil {
		if c.raw {
			dst = append(dst, 0)
		}
		return append(dst, 0), nil
	}
	start := len(dst)
	dst, r := c.appendText(dst, v)
	raw := ""
	switch r {
	case bad:
		return dst[:start], e.corrupt(c, errValue)
	case lost:
		if err := e.lost(c); err != nil {
			return dst[:start], err
		}
		raw = string(v)
	}
	if c.raw {
		dst = appendRaw(dst, raw)
	}
	return dst, nil
}

// appendText writes a value as the server prints it, with the union's index.
func (c *column) appendText(dst, v []byte) ([]byte, result) {
	switch c.code {
	case codeInt, codeYear:
		n, err := strconv.ParseInt(view(v), 10, 64)
		return schemas.AppendLong(append(dst, 2), n), resultOf(err == nil, bad)
	case codeUint64:
		u, err := strconv.ParseUint(view(v), 10, 64)
		return appendUint64(append(dst, 2), u), resultOf(err == nil, bad)
	case codeFloat:
		f, err := strconv.ParseFloat(view(v), 64)
		if err != nil || math.Abs(f) > math.MaxFloat32 {
			return dst, bad
		}
		return appendFloat(dst, float32(f))
	case codeDouble:
		f, err := strconv.ParseFloat(view(v), 64)
		if err != nil {
			return dst, bad
		}
		return appendDouble(dst, f)
	case codeDecimal:
		dst, ok := c.decimal.appendText(append(dst, 2), v)
		return dst, resultOf(ok, bad)
	case codeText, codePackedText:
		dst, ok := c.charset.append(append(dst, 2), v)
		return dst, resultOf(ok, lost)
	case codeEnum, codeSet:
		dst, _ = c.charset.append(append(dst, 2), v)
		return dst, done
	case codeBytes, codePackedBytes:
		return c.appendPadded(append(dst, 2), v), done
	case codeBit:
		if len(v) > 8 {
			return dst, bad
		}
		return c.appendBit(append(dst, 2), v), done
	case codeInet4, codeInet6:
		addr, err := netip.ParseAddr(view(v))
		if err != nil {
			return dst, bad
		}
		return appendAddr(append(dst, 2), addr), done
	case codeUUID:
		return schemas.AppendBytes(append(dst, 2), v), resultOf(len(v) == uuidText, bad)
	case codeJSON:
		return schemas.AppendBytes(append(dst, 2), v), done
	}
	return c.appendTimeText(dst, v)
}

func (c *column) appendTimeText(dst, v []byte) ([]byte, result) {
	p := parser{b: v}
	var t clock
	switch c.code {
	case codeTime2, codeTimeOld:
		us, ok := p.time()
		if !ok {
			return dst, bad
		}
		return schemas.AppendLong(append(dst, 2), us), done
	case codeDate:
		t = p.date()
	default:
		t = p.date()
		p.expect(' ')
		t.hour = p.number(2)
		p.expect(':')
		t.minute = p.number(2)
		p.expect(':')
		t.second = p.number(2)
		t.micros = p.fraction()
	}
	if p.bad || len(p.b) > 0 {
		return dst, bad
	}
	var ok bool
	switch {
	case c.code == codeDate:
		dst, ok = t.appendDate(dst)
	case (c.code == codeTimestamp2 || c.code == codeTimestampOld) && t.valid():
		dst, ok = appendInstant(dst, uint32(t.sinceEpoch()/1e6), t.micros)
	default:
		dst, ok = t.appendDateTime(dst)
	}
	return dst, resultOf(ok, lost)
}

// parser takes numbers off the front of a printed time.
type parser struct {
	b   []byte
	bad bool
}

func (p *parser) date() (t clock) {
	t.year = p.number(4)
	p.expect('-')
	t.month = p.number(2)
	p.expect('-')
	t.day = p.number(2)
	return t
}

func (p *parser) time() (us int64, ok bool) {
	negative := len(p.b) > 0 && p.b[0] == '-'
	if negative {
		p.b = p.b[1:]
	}
	digits := 2
	if len(p.b) > 2 && p.b[2] != ':' {
		digits = 3
	}
	h := p.number(digits)
	p.expect(':')
	m := p.number(2)
	p.expect(':')
	s := p.number(2)
	us = int64((h*60+m)*60+s)*1e6 + int64(p.fraction())
	if negative {
		us = -us
	}
	return us, !p.bad && len(p.b) == 0 && h <= 838 && m < 60 && s < 60
}

func (p *parser) number(digits int) (n int) {
	if len(p.b) < digits {
		p.bad = true
		return 0
	}
	for _, c := range p.b[:digits] {
		if c < '0' || c > '9' {
			p.bad = true
		}
		n = n*10 + int(c-'0')
	}
	p.b = p.b[digits:]
	return n
}

func (p *parser) expect(c byte) {
	if len(p.b) == 0 || p.b[0] != c {
		p.bad = true
		return
	}
	p.b = p.b[1:]
}

// fraction reads the digits behind a point, if there is one, as microseconds.
func (p *parser) fraction() int {
	if len(p.b) == 0 {
		return 0
	}
	p.expect('.')
	digits := min(len(p.b), 6)
	n := p.number(digits)
	for range 6 - digits {
		n *= 10
	}
	return n
}

// view is v as a string, for a call that does not keep it.
func view(v []byte) string { return unsafe.String(unsafe.SliceData(v), len(v)) }
