package expr

import (
	"strconv"
	"time"
)

// microsPerDay is a day of DATETIME and TIMESTAMP values.
const microsPerDay = 86400 * 1e6

// AppendDate appends a day as YYYY-MM-DD.
func AppendDate(b []byte, days int64) []byte {
	return time.Unix(days*86400, 0).UTC().AppendFormat(b, time.DateOnly)
}

// ParseDate is the inverse of AppendDate.
func ParseDate(s string) (int64, bool) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil || t.Year() < 1 {
		return 0, false
	}
	return t.Unix() / 86400, true
}

// ParseDateTime reads a day and a time of it as databases write them,
// microseconds since 1970 on the face of the clock. A zero date is none.
func ParseDateTime(s string) (int64, bool) {
	if len(s) > len(time.DateOnly) && s[len(time.DateOnly)] == 'T' {
		s = s[:len(time.DateOnly)] + " " + s[len(time.DateOnly)+1:]
	}
	t, err := time.Parse("2006-01-02 15:04:05", s) // takes a fraction too
	if err != nil || t.Year() < 1 {
		return 0, false
	}
	return t.UnixMicro(), true
}

// AppendInstant appends a moment as ISO 8601 in UTC, with as many fractional
// digits as it has, milliseconds at most: what HubSpot keeps.
func AppendInstant(b []byte, us int64) []byte {
	return time.UnixMicro(floorDiv(us, 1000)*1000).UTC().AppendFormat(b, "2006-01-02T15:04:05.999Z")
}

// ParseInstant is the inverse of AppendInstant, and reads other zones too.
func ParseInstant(s string) (int64, bool) {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || t.Year() < 1 {
		return 0, false
	}
	return t.UnixMicro(), true
}

func appendDateTime(b []byte, us int64) []byte {
	return time.UnixMicro(us).UTC().AppendFormat(b, "2006-01-02T15:04:05.999999")
}

func appendTime(b []byte, us int64) []byte {
	if us < 0 {
		b, us = append(b, '-'), -us
	}
	two := func(n int64) {
		if n < 10 {
			b = append(b, '0')
		}
		b = strconv.AppendInt(b, n, 10)
	}
	two(us / 3600e6)
	b = append(b, ':')
	two(us / 60e6 % 60)
	b = append(b, ':')
	two(us / 1e6 % 60)
	if frac := us % 1e6; frac != 0 {
		b = append(b, '.')
		for d := int64(1e5); frac != 0; d /= 10 {
			b = append(b, byte('0'+frac/d))
			frac %= d
		}
	}
	return b
}
