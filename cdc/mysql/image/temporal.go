package image

import (
	"encoding/binary"
	"fmt"

	"chartwire/schemas"
)

// Dates and times that cannot be said are null: zero and partial ones, those
// that no calendar has (ALLOW_INVALID_DATES), and those before the year 1000,
// where the servers' documented range begins. The sentinels 0001-01-01 and
// 0000-00-00 of real systems are among them.

const minYear = 1000

// clock is a date and time of day as a row image or a text gives them.
type clock struct{ year, month, day, hour, minute, second, micros int }

func (c *clock) validDate() bool {
	return c.year >= minYear && c.year <= 9999 && c.month >= 1 && c.month <= 12 && c.day >= 1 && c.day <= daysIn(c.year, c.month)
}

func (c *clock) valid() bool {
	return c.validDate() && c.hour < 24 && c.minute < 60 && c.second < 60 && c.micros < 1e6
}

func daysIn(year, month int) int {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

// days counts from 1970-01-01 in the proleptic Gregorian calendar; years are
// counted from March, so that the leap day is the last.
func (c *clock) days() int64 {
	y, m := c.year, c.month-3
	if m < 0 {
		y, m = y-1, m+12
	}
	era := y / 400
	yoe := y - era*400
	doy := (153*m+2)/5 + c.day - 1
	doe := yoe*365 + yoe/4 - yoe/100 + doy
	return int64(era*146097 + doe - 719468)
}

func (c *clock) sinceEpoch() int64 {
	return ((c.days()*24+int64(c.hour))*60+int64(c.minute))*60e6 + int64(c.second)*1e6 + int64(c.micros)
}

// appendDate writes a DATE; ok is false where it became null.
func (c *clock) appendDate(dst []byte) (_ []byte, ok bool) {
	if !c.validDate() {
		return append(dst, 0), false
	}
	return schemas.AppendLong(append(dst, 2), c.days()), true
}

// appendDateTime writes a DATETIME, or a TIMESTAMP given in UTC.
func (c *clock) appendDateTime(dst []byte) (_ []byte, ok bool) {
	if !c.valid() {
		return append(dst, 0), false
	}
	return schemas.AppendLong(append(dst, 2), c.sinceEpoch()), true
}

func dateOf(b []byte) clock {
	u := int(b[0]) | int(b[1])<<8 | int(b[2])<<16
	return clock{year: u >> 9, month: u >> 5 & 15, day: u & 31}
}

// micros reads the fraction behind a time: two digits a byte, big-endian.
func micros(b []byte) int {
	switch len(b) {
	case 1:
		return int(b[0]) * 10000
	case 2:
		return int(binary.BigEndian.Uint16(b)) * 100
	case 3:
		return int(b[0])<<16 | int(b[1])<<8 | int(b[2])
	}
	return 0
}

func dateTime2(b []byte) clock {
	u := int64(b[0])<<32 | int64(binary.BigEndian.Uint32(b[1:]))
	u -= 1 << 39 // the sign; no DATETIME is negative
	ym := u >> 22
	return clock{
		year: int(ym / 13), month: int(ym % 13), day: int(u >> 17 & 31),
		hour: int(u >> 12 & 31), minute: int(u >> 6 & 63), second: int(u & 63),
		micros: micros(b[5:]),
	}
}

// dateTimeOld reads the eight bytes of before MySQL 5.6: the digits.
func dateTimeOld(b []byte) clock {
	u := binary.LittleEndian.Uint64(b)
	d, t := u/1e6, u%1e6
	return clock{
		year: int(d / 10000), month: int(d / 100 % 100), day: int(d % 100),
		hour: int(t / 10000), minute: int(t / 100 % 100), second: int(t % 100),
	}
}

// appendInstant writes a TIMESTAMP; its zero is the zero date. MariaDB has
// fractions of the second behind it.
func appendInstant(dst []byte, sec uint32, us int) (_ []byte, ok bool) {
	if sec == 0 && us == 0 {
		return append(dst, 0), false
	}
	return schemas.AppendLong(append(dst, 2), int64(sec)*1e6+int64(us)), true
}

// time2 reads a TIME in microseconds: biased by its sign bit, so that a
// negative one with a fraction is one second further down, and the fraction
// counts up from there.
func time2(b []byte) (us int64, ok bool) {
	sec := int64(b[0])<<16 | int64(b[1])<<8 | int64(b[2])
	sec -= 1 << 23
	frac, unit := int64(0), int64(0)
	switch f := b[3:]; len(f) {
	case 1:
		frac, unit = int64(f[0]), 10000
	case 2:
		frac, unit = int64(binary.BigEndian.Uint16(f)), 100
	case 3:
		frac, unit = int64(f[0])<<16|int64(f[1])<<8|int64(f[2]), 1
	}
	negative := sec < 0
	if negative {
		if frac != 0 {
			sec++
			frac = 1<<(8*(len(b)-3)) - frac
		}
		sec = -sec
	}
	h, m, s := sec>>12&1023, sec>>6&63, sec&63
	frac *= unit
	if m > 59 || s > 59 || frac >= 1e6 || h > 838 {
		return 0, false
	}
	us = (h*3600+m*60+s)*1e6 + frac
	if negative {
		us = -us
	}
	return us, true
}

func timeOld(b []byte) (us int64, ok bool) {
	n := int64(int32(uint32(b[0])<<8|uint32(b[1])<<16|uint32(b[2])<<24) >> 8)
	sign := int64(1)
	if n < 0 {
		n, sign = -n, -1
	}
	h, m, s := n/10000, n/100%100, n%100
	if m > 59 || s > 59 || h > 838 {
		return 0, false
	}
	return sign * (h*3600 + m*60 + s) * 1e6, true
}

// dateText is the text of a date that cannot be said, as the server prints it.
func (c *column) dateText(b []byte) string {
	var t clock // of a TIMESTAMP only the zero is lost
	switch c.code {
	case codeDate:
		t = dateOf(b)
		return fmt.Sprintf("%04d-%02d-%02d", t.year, t.month, t.day)
	case codeDateTime2:
		t = dateTime2(b)
	case codeDateTimeOld:
		t = dateTimeOld(b)
	}
	s := fmt.Sprintf("%04d-%02d-%02d %02d:%02d:%02d", t.year, t.month, t.day, t.hour, t.minute, t.second)
	if c.fsp > 0 {
		s += fmt.Sprintf(".%06d", t.micros)[:c.fsp+1]
	}
	return s
}

// appendRaw writes the column behind one of DateRaw: the text of what was lost,
// null where nothing was.
func appendRaw(dst []byte, text string) []byte {
	if text == "" {
		return append(dst, 0)
	}
	return schemas.AppendBytes(append(dst, 2), text)
}
