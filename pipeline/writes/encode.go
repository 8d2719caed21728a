package writes

import (
	"encoding/json"
	"strconv"
	"time"

	"chartwire/sinks"
)

// appendMutation appends what json.Marshal gives for a mutation, in a fraction
// of the time: encoding is most of what mapping a row costs.
func appendMutation(b []byte, m *sinks.Mutation) []byte {
	b = text(append(b, `{"sink":`...), m.Sink)
	b = text(append(b, `,"flow":`...), m.Flow)
	b = text(append(b, `,"map":`...), m.Map)
	b = record(append(b, `,"record":`...), &m.Record)
	b = strconv.AppendInt(append(b, `,"version":`...), m.Version, 10)
	b = text(append(b, `,"lane":`...), m.Lane.String())
	b = moment(b, `,"due":`, m.Due)
	b = moment(b, `,"commit":`, m.Commit)
	b = text(append(b, `,"reason":`...), m.Reason)
	b = text(append(b, `,"existence":`...), string(m.Existence))
	for i := range m.Properties {
		b = property(append(b, opening(i, `,"properties":[`)...), &m.Properties[i])
	}
	b = closing(b, len(m.Properties))
	for i := range m.Links {
		l := &m.Links[i]
		b = append(append(b, opening(i, `,"links":[`)...), '{')
		if l.Name != "" {
			b = append(text(append(b, `"name":`...), l.Name), ',')
		}
		b = record(append(b, `"to":`...), &l.To)
		b = optional(b, `,"label":`, l.Label)
		b = append(text(append(b, `,"state":`...), string(l.State)), '}')
	}
	b = closing(b, len(m.Links))
	for i := range m.Origin {
		o := &m.Origin[i]
		b = text(append(append(b, opening(i, `,"origin":[`)...), `{"source":`...), o.Source)
		b = text(append(b, `,"table":`...), o.Table)
		b = text(append(b, `,"row":`...), o.Row)
		b = strconv.AppendInt(append(b, `,"seq":`...), o.Seq, 10)
		b = append(optional(b, `,"position":`, o.Position), '}')
	}
	return append(closing(b, len(m.Origin)), '}')
}

func opening(i int, first string) string {
	if i == 0 {
		return first
	}
	return ","
}

func closing(b []byte, n int) []byte {
	if n == 0 {
		return b
	}
	return append(b, ']')
}

func property(b []byte, p *sinks.Property) []byte {
	b = text(append(b, `{"name":`...), p.Name)
	b = text(append(b, `,"state":`...), string(p.State))
	b = optional(b, `,"value":`, p.Value)
	b = text(append(b, `,"lane":`...), p.Lane.String())
	b = moment(b, `,"changed":`, p.Changed)
	if p.Backward {
		b = append(b, `,"backward":true`...)
	}
	if p.PHI {
		b = append(b, `,"phi":true`...)
	}
	return append(b, '}')
}

func record(b []byte, r *sinks.Record) []byte {
	b = text(append(b, `{"object":`...), r.Object)
	b = text(append(b, `,"property":`...), r.Property)
	return append(text(append(b, `,"key":`...), r.Key), '}')
}

func optional(b []byte, name, s string) []byte {
	if s == "" {
		return b
	}
	return text(append(b, name...), s)
}

// moment appends a time that is not zero. Record has seen to its year.
func moment(b []byte, name string, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	b = append(append(b, name...), '"')
	return append(t.AppendFormat(b, time.RFC3339Nano), '"')
}

// text appends a string. What JSON escapes is left to the standard library.
func text(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c >= 0x7f || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			quoted, _ := json.Marshal(s) // a string cannot fail
			return append(b, quoted...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

// plain reports whether a time is one that JSON can hold as [moment] writes it:
// a year of four digits and a zone of whole minutes, within a day.
func plain(t time.Time) bool {
	_, offset := t.Zone()
	return t.Year() >= 0 && t.Year() <= 9999 && offset%60 == 0 && offset > -24*3600 && offset < 24*3600
}
