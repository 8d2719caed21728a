package state

import (
	"encoding/binary"
	"fmt"
	"time"

	"chartwire/cdc"
)

// Row is the newest state of one row.
type Row struct {
	Schema uint32 // the id of the schema that Data was written with
	Seq    int64
	Op     cdc.Op    // Read: it came from a snapshot
	Commit time.Time // of the change that made it, to the millisecond
	Read   time.Time
	// Position is that of the change in its source; empty where nobody asks for
	// it.
	Position string
	Data     cdc.Row
}

// Waiting is a change that was read and not yet mapped.
type Waiting struct {
	Table Table
	Key   string
	Seq   int64
	Op    cdc.Op
	Read  time.Time // the record's timestamp, to the millisecond
	// Value is the record's value as it came; empty for a row that an epoch
	// took away, of which no record tells.
	Value []byte
}

const rowHead = 4 + 8 + 1 + 8 + 8

func appendRow(dst []byte, r *Row) []byte {
	dst = binary.BigEndian.AppendUint32(dst, r.Schema)
	dst = binary.BigEndian.AppendUint64(dst, uint64(r.Seq))
	dst = append(dst, byte(r.Op))
	dst = appendTime(dst, r.Commit)
	dst = appendTime(dst, r.Read)
	dst = appendText(dst, r.Position)
	return append(dst, r.Data...)
}

// parseRow does not copy: the row is valid as long as b.
func parseRow(b []byte) (Row, error) {
	if len(b) < rowHead {
		return Row{}, fmt.Errorf("reading a stored row: %d bytes", len(b))
	}
	in := reader{b: b[rowHead:]}
	position := in.text()
	if in.short {
		return Row{}, fmt.Errorf("reading a stored row: %d bytes", len(b))
	}
	return Row{
		Schema:   binary.BigEndian.Uint32(b),
		Seq:      int64(binary.BigEndian.Uint64(b[4:])),
		Op:       cdc.Op(b[12]),
		Commit:   parseTime(b[13:]),
		Read:     parseTime(b[21:]),
		Position: position,
		Data:     cdc.Row(in.b),
	}, nil
}

const waitingHead = 1 + 8

func appendWaiting(dst []byte, w *Waiting) []byte {
	dst = append(dst, byte(w.Op))
	dst = appendTime(dst, w.Read)
	return append(dst, w.Value...)
}

// appendTime writes milliseconds; the zero time as the smallest number.
func appendTime(dst []byte, t time.Time) []byte {
	ms := int64(-1 << 63)
	if !t.IsZero() {
		ms = t.UnixMilli()
	}
	return binary.BigEndian.AppendUint64(dst, uint64(ms))
}

func parseTime(b []byte) time.Time {
	ms := int64(binary.BigEndian.Uint64(b))
	if ms == -1<<63 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// Meta says how far the topics are in the state. It is saved with every batch.
type Meta struct {
	// Flow is whose state it is, with what names the topics it came from.
	Flow string `json:"flow"`
	// Time is when the batch was made: state older than the topics' replay
	// window cannot be brought up to date.
	Time time.Time `json:"time"`
	// Offsets are the next offsets to read, by topic and partition.
	Offsets map[string]map[int32]Offset `json:"offsets,omitempty"`
	// Seqs are, by source, how far the flow's progress was when the batch was
	// made: no row in the state has a higher seq.
	Seqs map[string]int64 `json:"seqs,omitempty"`
	// Entries is the next offset of the flow's changelog.
	Entries int64 `json:"entries,omitempty"`
	// Gone holds by [Table.Text] the newest epoch that was carried out: every
	// row in the state has a higher seq.
	Gone map[string]int64 `json:"gone,omitempty"`
	// Indexes are the ids of those that hold every row of their tables.
	Indexes []string `json:"indexes,omitempty"`
}

// Offset is a place in a topic partition.
type Offset struct {
	Next int64 `json:"next"`
	Seq  int64 `json:"seq"` // of the last record before it
}

// Offset returns the place in one partition.
func (m *Meta) Offset(topic string, partition int32) (Offset, bool) {
	o, ok := m.Offsets[topic][partition]
	return o, ok
}

// SetOffset sets the place in one partition.
func (m *Meta) SetOffset(topic string, partition int32, o Offset) {
	if m.Offsets == nil {
		m.Offsets = map[string]map[int32]Offset{}
	}
	if m.Offsets[topic] == nil {
		m.Offsets[topic] = map[int32]Offset{}
	}
	m.Offsets[topic][partition] = o
}
