package schemas

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"chartwire/cdc"
)

// Envelope is the value of a record in a row topic: a row before and after,
// and where it comes from. Before is nil for Create and Read, After for Delete.
type Envelope struct {
	Before, After cdc.Row
	Source        Source
	Op            cdc.Op
	ReadMs        int64 // when Chartwire read the row, in milliseconds since 1970
}

// Source is where a change comes from. A seq is in the record's header too.
type Source struct {
	Name, Database, Table string
	CommitMs              int64 // the source's clock corrected; milliseconds since 1970
	Seq                   int64
	GTID, File            string
	Pos                   int64
	Row                   int64 // cdc.Change.Index
	Snapshot              bool
	Server                string
}

// Confluent framing: a zero byte and the schema's id, then the Avro binary.
const framing = 5

// AppendEnvelope appends the framed envelope.
func AppendEnvelope(dst []byte, id int, e *Envelope) []byte {
	dst = append(dst, 0)
	dst = binary.BigEndian.AppendUint32(dst, uint32(id))
	for _, row := range [...]cdc.Row{e.Before, e.After} {
		if row == nil {
			dst = append(dst, 0)
			continue
		}
		dst = append(append(dst, 2), row...)
	}
	s := &e.Source
	dst = AppendBytes(dst, s.Name)
	dst = AppendBytes(dst, s.Database)
	dst = AppendBytes(dst, s.Table)
	dst = AppendLong(dst, s.CommitMs)
	dst = AppendLong(dst, s.Seq)
	dst = AppendBytes(dst, s.GTID)
	dst = AppendBytes(dst, s.File)
	dst = AppendLong(dst, s.Pos)
	dst = AppendLong(dst, s.Row)
	if s.Snapshot {
		dst = append(dst, 1)
	} else {
		dst = append(dst, 0)
	}
	dst = AppendBytes(dst, s.Server)
	dst = append(dst, 2, byte(e.Op)) // a string of one byte
	return AppendLong(dst, e.ReadMs)
}

var errFraming = errors.New("value has no Confluent framing: a zero byte and a schema id")
var errEnvelope = errors.New("envelope ends inside a field")

// SchemaID reads the framing of a value: which schema it was written with and
// the Avro binary that [RowSchema.Split] takes.
func SchemaID(value []byte) (id int, body []byte, err error) {
	if len(value) < framing || value[0] != 0 {
		return 0, nil, errFraming
	}
	u := binary.BigEndian.Uint32(value[1:])
	if u > math.MaxInt32 {
		return 0, nil, errFraming
	}
	return int(u), value[framing:], nil
}

// Split reads an envelope written with the schema into e. Its rows are views
// into body. Strings that equal what e held are kept, so that reading one
// topic with one Envelope allocates next to nothing.
func (s *RowSchema) Split(e *Envelope, body []byte) error {
	d := decoder{b: body}
	e.Before = d.row(s.forms)
	e.After = d.row(s.forms)
	src := &e.Source
	d.text(&src.Name)
	d.text(&src.Database)
	d.text(&src.Table)
	d.long(&src.CommitMs)
	d.long(&src.Seq)
	d.text(&src.GTID)
	d.text(&src.File)
	d.long(&src.Pos)
	d.long(&src.Row)
	src.Snapshot = d.bool()
	d.text(&src.Server)
	op := d.bytes()
	d.long(&e.ReadMs)
	if d.err == nil && len(d.b) != 0 {
		d.err = errors.New("envelope has bytes after its last field")
	}
	if d.err == nil && len(op) != 1 {
		d.err = errors.New("envelope's op is not one letter")
	}
	if d.err != nil {
		*e = Envelope{Source: *src}
		return fmt.Errorf("reading an envelope of %s: %w", s.Table.ID(), d.err)
	}
	e.Op = cdc.Op(op[0])
	return nil
}

// decoder takes fields off the front of b until the first error.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) fail() {
	if d.err == nil {
		d.err = errEnvelope
	}
	d.b = nil
}

func (d *decoder) row(forms []form) cdc.Row {
	if len(d.b) == 0 || d.err != nil {
		d.fail()
		return nil
	}
	switch d.b[0] {
	case 0:
		d.b = d.b[1:]
		return nil
	case 2:
	default:
		d.err = errUnion
		return nil
	}
	i := 1
	for _, f := range forms {
		if _, i, d.err = skip(d.b, i, f); d.err != nil {
			return nil
		}
	}
	row := d.b[1:i:i]
	d.b = d.b[i:]
	return row
}

func (d *decoder) long(v *int64) {
	n, k := varint(d.b)
	if k == 0 {
		d.fail()
		return
	}
	*v, d.b = n, d.b[k:]
}

func (d *decoder) bytes() []byte {
	var n int64
	d.long(&n)
	if n < 0 || n > int64(len(d.b)) {
		d.fail()
		return nil
	}
	v := d.b[:n:n]
	d.b = d.b[n:]
	return v
}

func (d *decoder) text(v *string) {
	if b := d.bytes(); *v != string(b) {
		*v = string(b)
	}
}

func (d *decoder) bool() bool {
	if len(d.b) == 0 || d.b[0] > 1 {
		d.fail()
		return false
	}
	v := d.b[0] == 1
	d.b = d.b[1:]
	return v
}
