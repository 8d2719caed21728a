package schemas

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"time"

	"chartwire/cdc"

	"github.com/linkedin/goavro/v2"
)

// Format shows an envelope's Avro binary (see [SchemaID]) to a person, as
// indented JSON with the source's own column names: decimals and bytes as text,
// times as people write them. It decodes with goavro, so that it also shows
// what the fast path would not, and is not fast. What it returns holds patient
// data: it goes to the person who asked, never to a log.
func Format(s *RowSchema, body []byte) (string, error) {
	codec, err := goavro.NewCodec(s.Avro)
	if err != nil {
		return "", fmt.Errorf("showing a record of %s: %w", s.Table.ID(), err)
	}
	native, rest, err := codec.NativeFromBinary(body)
	if err != nil || len(rest) > 0 {
		// goavro's own words may quote what it could not read.
		return "", fmt.Errorf("showing a record of %s: it is not in its schema", s.Table.ID())
	}
	e, ok := native.(map[string]any)
	if !ok {
		return "", fmt.Errorf("showing a record of %s: no envelope", s.Table.ID())
	}
	var b bytes.Buffer
	b.WriteByte('{')
	for _, side := range []string{"before", "after"} {
		fmt.Fprintf(&b, "%q: ", side)
		if err := s.formatRow(&b, e[side]); err != nil {
			return "", err
		}
		b.WriteByte(',')
	}
	tail, err := readable(map[string]any{"source": e["source"], "op": e["op"], "ts_ms": e["ts_ms"]})
	if err != nil {
		return "", err
	}
	b.Write(tail[1:])
	var out bytes.Buffer
	if err := json.Indent(&out, b.Bytes(), "", "  "); err != nil {
		return "", err
	}
	return out.String(), nil
}

// readable is JSON whose texts are as they are: & is no \u0026.
func readable(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'}), err
}

// formatRow writes the columns of a row in their order.
func (s *RowSchema) formatRow(b *bytes.Buffer, native any) error {
	union, _ := native.(map[string]any)
	b.WriteByte('{')
	for _, row := range union { // one: the record's name
		fields, _ := row.(map[string]any)
		for i := range s.Table.Columns {
			c := &s.Table.Columns[i]
			value, err := readable(show(&c.Type, fields[FieldName(c)]))
			if err != nil {
				return fmt.Errorf("showing column %s: %w", c.Name, err)
			}
			name, err := readable(c.Name)
			if err != nil {
				return fmt.Errorf("showing column %s: %w", c.Name, err)
			}
			if i > 0 {
				b.WriteByte(',')
			}
			b.Write(name)
			b.WriteByte(':')
			b.Write(value)
		}
	}
	b.WriteByte('}')
	if native == nil {
		b.Truncate(b.Len() - 2)
		b.WriteString("null")
	}
	return nil
}

// show turns goavro's value of a column into what JSON should say.
func show(t *cdc.Type, native any) any {
	union, _ := native.(map[string]any)
	for _, v := range union {
		switch v := v.(type) {
		case *big.Rat:
			return json.Number(v.FloatString(t.Scale))
		case []byte:
			return hex.EncodeToString(v)
		case time.Time:
			if t.Kind == cdc.KindDate {
				return v.Format(time.DateOnly)
			}
			return v.Format("2006-01-02T15:04:05.999999Z07:00")
		case int64:
			switch t.Kind {
			case cdc.KindTime:
				return string(appendTime(nil, v))
			case cdc.KindDateTime:
				return time.UnixMicro(v).UTC().Format("2006-01-02T15:04:05.999999")
			}
		}
		return v
	}
	return nil
}
