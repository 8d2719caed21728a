package state

import (
	"encoding/binary"
	"fmt"
	"strings"

	"chartwire/cdc"
)

// Table names a table among all sources of a flow.
type Table struct {
	Source string
	cdc.TableID
}

func (t Table) String() string { return t.Source + ":" + t.TableID.String() }

// Text is the table's name as part of keys in topics: source, database and
// table with a NUL after each, which no name holds.
func (t Table) Text() string { return t.Source + "\x00" + t.Database + "\x00" + t.Name + "\x00" }

// ParseTable reads a Text at the beginning of s and returns what follows it.
func ParseTable(s string) (t Table, rest string, err error) {
	p := strings.SplitN(s, "\x00", 4)
	if len(p) < 4 {
		return Table{}, "", fmt.Errorf("reading a table's name: %d parts of 4", len(p))
	}
	return Table{p[0], cdc.TableID{Database: p[1], Name: p[2]}}, p[3], nil
}

// The areas of the key space, each under its first byte.
const (
	areaMeta    = 'm'
	areaRow     = 'r' // r <table> <key>
	areaWaiting = 'w' // w <table> <key, escaped> 00 01 <seq>
	areaEntry   = 'e' // e <entry key>
	areaIndex   = 'i' // i <index> 00 <text, escaped> 00 01 <row key>
	areaPending = 'p' // p <map id> 00 <entity>
	areaTouched = 'd' // d <place>
)

func rowKey(dst []byte, t Table, key string) []byte {
	return append(append(append(dst, areaRow), t.Text()...), key...)
}

// waitingKey sorts by table, then key, then seq. A NUL in the row's key is
// escaped, so that no key's end can be taken for another key's continuation.
func waitingKey(dst []byte, t Table, key string, seq int64) []byte {
	dst = append(append(dst, areaWaiting), t.Text()...)
	return binary.BigEndian.AppendUint64(appendEscaped(dst, key), uint64(seq))
}

// appendEscaped appends a text so that none is the beginning of another.
func appendEscaped[T string | []byte](dst []byte, text T) []byte {
	for i := range len(text) {
		dst = append(dst, text[i])
		if text[i] == 0 {
			dst = append(dst, 0xff)
		}
	}
	return append(dst, 0, 1)
}

func parseWaitingKey(k []byte) (t Table, key string, seq int64, err error) {
	if len(k) < 11 || k[0] != areaWaiting {
		return Table{}, "", 0, fmt.Errorf("reading a waiting key: %d bytes", len(k))
	}
	body, tail := k[1:len(k)-8], k[len(k)-8:]
	t, rest, err := ParseTable(string(body))
	if err != nil {
		return Table{}, "", 0, err
	}
	raw, ok := strings.CutSuffix(rest, "\x00\x01")
	if !ok {
		return Table{}, "", 0, fmt.Errorf("reading a waiting key of %s: no end mark", t)
	}
	return t, strings.ReplaceAll(raw, "\x00\xff", "\x00"), int64(binary.BigEndian.Uint64(tail)), nil
}

// after gives the smallest key that is greater than every key with the prefix.
func after(prefix []byte) []byte {
	end := append([]byte(nil), prefix...)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil
}
