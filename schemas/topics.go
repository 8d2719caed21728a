package schemas

import (
	"fmt"
	"strings"

	"chartwire/cdc"
)

// Topics names the topics of one installation. Prefix is used as it is; every
// other name is escaped to Kafka's alphabet.
type Topics struct{ Prefix string }

// maxTopic is Kafka's own bound.
const maxTopic = 249

// Rows is the topic of one source table.
func (t Topics) Rows(source string, id cdc.TableID) string {
	return t.join("rows", source, id.Database, id.Name)
}

// ParseRows is the inverse of Rows.
func (t Topics) ParseRows(topic string) (source string, id cdc.TableID, ok bool) {
	rest, ok := strings.CutPrefix(topic, t.Prefix+".rows.")
	if !ok {
		return "", cdc.TableID{}, false
	}
	p := strings.Split(rest, ".")
	if len(p) != 3 {
		return "", cdc.TableID{}, false
	}
	for i := range p {
		raw, err := unescapeTopic(p[i])
		if err != nil {
			return "", cdc.TableID{}, false
		}
		p[i] = raw
	}
	return p[0], cdc.TableID{Database: p[1], Name: p[2]}, true
}

// Cuts is the topic of a source's cuts.
func (t Topics) Cuts(source string) string { return t.join("cuts", source) }

// State is the topic of what a flow knows and its rows cannot give back.
func (t Topics) State(flow string) string { return t.join("state", flow) }

// Writes is the topic of the mutations of one sink, flow and lane.
func (t Topics) Writes(sink, flow, lane string) string { return t.join("writes", sink, flow, lane) }

// Shadow is the topic of what a sink's destination holds.
func (t Topics) Shadow(sink string) string { return t.join("shadow", sink) }

// DeadLetters is the topic of what a sink's destination refused.
func (t Topics) DeadLetters(sink string) string { return t.join("deadletters", sink) }

// Audit is the topic of what people and rules decided.
func (t Topics) Audit() string { return t.join("audit") }

// Lease is the topic, and the transactional id, of the holder of a stage.
func (t Topics) Lease(stage, name string) string { return t.join("lease", stage, name) }

// Retry is the topic that asks a flow's Map for records again.
func (t Topics) Retry(flow string) string { return t.join("retry", flow) }

// Holds is the topic of flows that are held, and of what people ask about them.
func (t Topics) Holds() string { return t.join("holds") }

// Orders is the topic of what people ask of captures that run.
func (t Topics) Orders() string { return t.join("orders") }

// DDL is the topic of the statements that changed a source's captured tables.
func (t Topics) DDL(source string) string { return t.join("ddl", source) }

// Schemas is the topic of the embedded registry.
func (t Topics) Schemas() string { return t.join("schemas") }

func (t Topics) join(kind string, names ...string) string {
	var b strings.Builder
	b.WriteString(t.Prefix)
	b.WriteByte('.')
	b.WriteString(kind)
	for _, n := range names {
		b.WriteByte('.')
		escapeTopic(&b, n)
	}
	return b.String()
}

// CheckTopic says whether Kafka takes the name. Long names of databases and
// tables, or many characters to escape, can pass its bound.
func CheckTopic(topic string) error {
	if len(topic) > maxTopic {
		return fmt.Errorf("topic name %q has %d characters, Kafka takes %d: a shorter prefix or source name helps", topic, len(topic), maxTopic)
	}
	for i := range len(topic) {
		if c := topic[i]; !isWord(c) && c != '.' && c != '-' {
			return fmt.Errorf("topic name %q: character %q is not one of a-z A-Z 0-9 . _ -", topic, c)
		}
	}
	return nil
}

// Kafka takes letters, digits and "._-", and the dot separates our parts. A
// hyphen between two word characters stays (flows are called om-aggregation);
// every other byte becomes "--" and two hexadecimal digits, so that a reader
// can always tell a hyphen from an escape.

func isWord(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

func escapeTopic(b *strings.Builder, s string) {
	for i := range len(s) {
		c := s[i]
		plain := c == '-' && i > 0 && i+1 < len(s) && isWord(s[i-1]) && isWord(s[i+1])
		if isWord(c) || plain {
			b.WriteByte(c)
			continue
		}
		b.WriteString("--")
		b.WriteByte(hexDigits[c>>4])
		b.WriteByte(hexDigits[c&15])
	}
}

func unescapeTopic(s string) (string, error) {
	var b []byte
	for i := 0; i < len(s); i++ {
		if !strings.HasPrefix(s[i:], "--") {
			b = append(b, s[i])
			continue
		}
		if i+4 > len(s) {
			return "", fmt.Errorf("unescaping %q: short escape", s)
		}
		hi, lo := unhex(s[i+2]), unhex(s[i+3])
		if hi > 15 || lo > 15 {
			return "", fmt.Errorf("unescaping %q: not hexadecimal", s)
		}
		b = append(b, hi<<4|lo)
		i += 3
	}
	return string(b), nil
}

const hexDigits = "0123456789abcdef"

func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	}
	return 255
}
