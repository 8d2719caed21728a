package mysql

import (
	"fmt"
	"strings"
	"time"
)

// Hours are some of a week's: on these days from one time to another, past
// midnight if that is not later.
type Hours struct {
	days     [7]bool // on which they begin, by time.Weekday
	from, to int     // minutes of the day; to is at most 24:00
}

var dayNames = [7]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// ParseHours reads "20:00-06:00", or "mon-fri 20:00-06:00", or
// "sat,sun 00:00-24:00": without days it is all of them.
func ParseHours(text string) (h Hours, err error) {
	words := strings.Fields(strings.ToLower(text))
	if len(words) == 0 || len(words) > 2 {
		return h, errHours(text)
	}
	h.days = [7]bool{true, true, true, true, true, true, true}
	if len(words) == 2 {
		h.days = [7]bool{}
		for _, part := range strings.Split(words[0], ",") {
			first, last, span := strings.Cut(part, "-")
			if !span {
				last = first
			}
			from, to := day(first), day(last)
			if from < 0 || to < 0 {
				return h, errHours(text)
			}
			for d := from; ; d = (d + 1) % 7 {
				if h.days[d] = true; d == to {
					break
				}
			}
		}
	}
	from, to, ok := strings.Cut(words[len(words)-1], "-")
	if h.from = minute(from); !ok || h.from < 0 || h.from == 24*60 {
		return h, errHours(text)
	}
	if h.to = minute(to); h.to < 0 {
		return h, errHours(text)
	}
	return h, nil
}

func errHours(text string) error {
	return fmt.Errorf("%q are no hours; write 20:00-06:00, or mon-fri 20:00-06:00, or sat,sun 00:00-24:00", text)
}

func day(name string) int {
	for i, d := range dayNames {
		if name == d {
			return i
		}
	}
	return -1
}

// minute reads a time of day as its minutes, -1 for none.
func minute(text string) int {
	var h, m int
	if len(text) != 5 || text[2] != ':' {
		return -1
	}
	for i, into := range []*int{&h, &h, nil, &m, &m} {
		if into == nil {
			continue
		}
		if text[i] < '0' || text[i] > '9' {
			return -1
		}
		*into = *into*10 + int(text[i]-'0')
	}
	if h > 24 || m > 59 || h == 24 && m > 0 {
		return -1
	}
	return h*60 + m
}

// String is the inverse of ParseHours.
func (h Hours) String() string {
	var names []string
	for d := range 7 {
		if i := (d + 1) % 7; h.days[i] { // from Monday on
			names = append(names, dayNames[i])
		}
	}
	text := fmt.Sprintf("%02d:%02d-%02d:%02d", h.from/60, h.from%60, h.to/60, h.to%60)
	if len(names) == 7 {
		return text
	}
	return strings.Join(names, ",") + " " + text
}

// has says whether a moment, in its own zone, is within the hours.
func (h Hours) has(t time.Time) bool {
	now, today := t.Hour()*60+t.Minute(), t.Weekday()
	if h.from < h.to {
		return h.days[today] && now >= h.from && now < h.to
	}
	yesterday := (today + 6) % 7
	return h.days[today] && now >= h.from || h.days[yesterday] && now < h.to
}
