package shadow

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"chartwire/sinks"
)

// format is the first byte of an encoded entry.
const format = 1

const (
	flagArchived = 1 << iota
	flagRefused
)

const (
	flagHeld = 1 << iota
	flagOther
	flagSum
	flagChanged
)

const (
	flagWanted = 1 << iota
	flagLinked
	flagMissing
	flagLetter
	flagSince
)

// Append appends the entry's encoding. A property's version is kept as the
// distance to the entry's, which is nearly always 0.
func (e *Entry) Append(b []byte) []byte {
	b = append(b, format, bit(e.Archived, flagArchived)|bit(e.Refused, flagRefused))
	b = appendString(b, e.ID)
	b = binary.AppendVarint(b, e.Version)
	b = binary.AppendUvarint(b, uint64(len(e.Properties)))
	for i := range e.Properties {
		p := &e.Properties[i]
		b = append(b, bit(p.Held, flagHeld)|bit(p.Other, flagOther)|bit(p.Refused != 0, flagSum)|bit(!p.Changed.IsZero(), flagChanged))
		b = appendString(b, p.Name)
		b = appendString(b, p.Value)
		b = binary.AppendVarint(b, p.Version-e.Version)
		if p.Other {
			b = appendString(b, p.Stored)
		}
		if p.Refused != 0 {
			b = binary.BigEndian.AppendUint64(b, p.Refused)
		}
		if !p.Changed.IsZero() {
			b = binary.AppendVarint(b, p.Changed.UnixMicro())
		}
	}
	b = binary.AppendUvarint(b, uint64(len(e.Links)))
	for i := range e.Links {
		b = e.Links[i].append(b, e.Version)
	}
	return b
}

func (s *LinkSet) append(b []byte, version int64) []byte {
	for _, text := range []string{s.Name, s.Flow, s.Map, s.Row.Source, s.Row.Table, s.Row.Row} {
		b = appendString(b, text)
	}
	b = binary.AppendVarint(append(b, byte(s.Lane)), s.Version-version)
	b = binary.AppendUvarint(b, uint64(len(s.Links)))
	for i := range s.Links {
		l := &s.Links[i]
		b = append(b, bit(l.Wanted, flagWanted)|bit(l.Held, flagLinked)|bit(l.Missing, flagMissing)|bit(l.Refused, flagLetter)|bit(!l.Since.IsZero(), flagSince))
		for _, text := range []string{l.To.Object, l.To.Property, l.To.Key, l.Label, l.ToID} {
			b = appendString(b, text)
		}
		if !l.Since.IsZero() {
			b = binary.AppendVarint(b, l.Since.UnixMicro())
		}
	}
	return b
}

func bit(on bool, flag byte) byte {
	if on {
		return flag
	}
	return 0
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// there is Entry.There of an encoding: its first bytes say it.
func there(b []byte) bool { return len(b) > 2 && b[1]&flagArchived == 0 && b[2] != 0 }

var errShort = errors.New("decoding a shadow entry: it ends early")

// Decode is the inverse of Append.
func Decode(b []byte) (*Entry, error) {
	r := reader{b: b}
	if f := r.byte(); f != format {
		return nil, fmt.Errorf("decoding a shadow entry: format %d, this program knows %d", f, format)
	}
	flags := r.byte()
	e := &Entry{Archived: flags&flagArchived != 0, Refused: flags&flagRefused != 0, ID: r.string(), Version: r.varint()}
	if n := r.count(); n > 0 {
		e.Properties = make([]Property, n)
	}
	for i := range e.Properties {
		flags := r.byte()
		p := Property{Held: flags&flagHeld != 0, Other: flags&flagOther != 0, Name: r.string(), Value: r.string(), Version: e.Version + r.varint()}
		if p.Other {
			p.Stored = r.string()
		}
		if flags&flagSum != 0 {
			p.Refused = r.uint64()
		}
		if flags&flagChanged != 0 {
			p.Changed = time.UnixMicro(r.varint()).UTC()
		}
		e.Properties[i] = p
	}
	if n := r.count(); n > 0 {
		e.Links = make([]LinkSet, n)
	}
	for i := range e.Links {
		e.Links[i] = r.links(e.Version)
	}
	if r.short {
		return nil, errShort
	}
	if len(r.b) > 0 {
		return nil, fmt.Errorf("decoding a shadow entry: %d bytes too many", len(r.b))
	}
	return e, nil
}

func (r *reader) links(version int64) LinkSet {
	s := LinkSet{Name: r.string(), Flow: r.string(), Map: r.string(), Row: sinks.Origin{Source: r.string(), Table: r.string(), Row: r.string()},
		Lane: sinks.Lane(r.byte()), Version: version + r.varint()}
	if n := r.count(); n > 0 {
		s.Links = make([]Link, n)
	}
	for i := range s.Links {
		flags := r.byte()
		l := Link{Wanted: flags&flagWanted != 0, Held: flags&flagLinked != 0, Missing: flags&flagMissing != 0, Refused: flags&flagLetter != 0,
			To: sinks.Record{Object: r.string(), Property: r.string(), Key: r.string()}, Label: r.string(), ToID: r.string()}
		if flags&flagSince != 0 {
			l.Since = time.UnixMicro(r.varint()).UTC()
		}
		s.Links[i] = l
	}
	return s
}

// reader takes an encoding apart. After the end everything is zero and short.
type reader struct {
	b     []byte
	short bool
}

func (r *reader) take(n int) []byte {
	if n > len(r.b) {
		r.b, r.short = nil, true
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) uint64() uint64 {
	if b := r.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.b, r.short = nil, true
		return 0
	}
	r.b = r.b[n:]
	return v
}

// count reads a number of things of at least one byte each.
func (r *reader) count() int {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || v > uint64(len(r.b)-n) {
		r.b, r.short = nil, true
		return 0
	}
	r.b = r.b[n:]
	return int(v)
}

func (r *reader) string() string { return string(r.take(r.count())) }

// ProgressKey is the key of the Progress in the shadow's topic. No record's id
// looks like it.
const ProgressKey = "offsets"

// Progress is how far the mutations are done.
type Progress struct {
	// Offsets are, by topic and partition, the first ones not done.
	Offsets map[string]map[int32]int64 `json:"offsets"`
	// Reach are, by topic and partition, the offsets before which mutations may
	// have been tried: the writer touches none at or past them before it has
	// committed a further reach.
	Reach map[string]map[int32]int64 `json:"reach,omitempty"`
	// Clean says that its writer ended in good order: no call was in the air,
	// and no answer unknown. What is not done was not tried either.
	Clean bool      `json:"clean"`
	Time  time.Time `json:"time"`
}

// Append appends the progress's encoding.
func (p *Progress) Append(b []byte) ([]byte, error) {
	j, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("encoding the progress: %w", err)
	}
	return append(b, j...), nil
}

// DecodeProgress is the inverse of Append.
func DecodeProgress(b []byte) (Progress, error) {
	var p Progress
	if err := json.Unmarshal(b, &p); err != nil {
		return Progress{}, fmt.Errorf("decoding the progress: %w", err)
	}
	return p, nil
}
