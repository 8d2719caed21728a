package mysql

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Target is where a person wants a log to be read again from: a time, what
// follows transaction ids, or a file and offset.
type Target struct {
	time  time.Time
	maria bool
	ids   gtidSet
	one   bool // ids names one transaction: the place behind it is meant
	at    place
}

// ParseTarget reads a target: 2026-11-22T13:00:00Z, the id of a transaction or
// a set of ids as the server prints them, or binlog.000012:4711. What a Position
// prints is one, and so is what String gives.
func ParseTarget(text string) (Target, error) {
	text = strings.TrimSpace(text)
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		if y := t.UTC().Year(); y < 1970 || y > 9999 {
			return Target{}, fmt.Errorf("the time %q is none of a log", text)
		}
		return Target{time: t.UTC()}, nil
	}
	if rest, ok := strings.CutPrefix(text, "gtid:"); ok {
		return parseIDs(rest)
	}
	rest, isFile := strings.CutPrefix(text, "file:")
	if i := strings.LastIndexByte(rest, ':'); i > 0 {
		_, numbered := fileNumber(rest[:i])
		offset, err := strconv.ParseUint(rest[i+1:], 10, 63)
		if numbered && err == nil && !strings.ContainsAny(rest[:i], ":/\\\x00") {
			return Target{at: place{rest[:i], offset}}, nil
		}
	}
	if isFile {
		return Target{}, fmt.Errorf("%q is not file:offset, such as binlog.000012:4711", rest)
	}
	return parseIDs(text)
}

func parseIDs(text string) (Target, error) {
	for _, maria := range []bool{true, false} {
		ids, err := parseGTIDs(maria, text)
		if err != nil || ids.isZero() {
			continue
		}
		_, err = parseGTID(maria, ids.String())
		return Target{maria: maria, ids: ids, one: err == nil}, nil
	}
	return Target{}, fmt.Errorf("%q is no time (2026-11-22T13:00:00Z), no transaction id (0-1-42, or uuid:42) and no file:offset (binlog.000012:4711)", text)
}

func (t Target) String() string {
	switch {
	case !t.time.IsZero():
		return t.time.Format(time.RFC3339Nano)
	case !t.at.isZero():
		return "file:" + t.at.String()
	}
	return "gtid:" + t.ids.String()
}
