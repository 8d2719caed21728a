package schemas_test

import (
	"bytes"
	"slices"
	"testing"

	"chartwire/cdc"
	"chartwire/schemas"

	"github.com/linkedin/goavro/v2"
)

// FuzzNames holds every escape equal to its inverse, and within its alphabet.
func FuzzNames(f *testing.F) {
	for _, s := range []string{"", "a", "-", "--", "a-b", "-a", "a--2d", "_x", "_x5f", "x_x41", "25again", "größe", "a.b", "\xff"} {
		f.Add(s, "db", "source")
	}
	f.Fuzz(func(t *testing.T, name, db, source string) {
		topics := schemas.Topics{Prefix: "cw"}
		topic := topics.Rows(source, cdc.TableID{Database: db, Name: name})
		if len(topic) < 250 {
			if err := schemas.CheckTopic(topic); err != nil {
				t.Error(err)
			}
		}
		s, id, ok := topics.ParseRows(topic)
		if !ok || s != source || id.Database != db || id.Name != name {
			t.Errorf("%q, %q, %q came back as %q, %q from %q", source, db, name, s, id, topic)
		}
		if back := schemas.ParseAvroName(schemas.AvroName(name)); back != name {
			t.Errorf("%q came back as %q from %q", name, back, schemas.AvroName(name))
		}
		if _, err := goavro.NewCodec(`{"type":"enum","name":"` + schemas.AvroName(name) + `","symbols":["a"]}`); err != nil {
			t.Error(err)
		}
	})
}

// FuzzKey holds the text of a key equal to its inverse.
func FuzzKey(f *testing.F) {
	f.Add("Ann", int64(7))
	f.Add("a/%2f\x00ä\xff", int64(-1))
	f.Fuzz(func(t *testing.T, name string, id int64) {
		key, err := schemas.AppendKey(nil, people, row(name, id, nil))
		if err != nil {
			t.Fatal(err)
		}
		parts, err := schemas.SplitKey(string(key))
		if err != nil || len(parts) != 2 || parts[1] != name || bytes.ContainsAny(key, "\x00\n") {
			t.Errorf("%q split into %q, %v", key, parts, err)
		}
	})
}

// FuzzSplit holds that whatever comes from Kafka is an envelope or an error,
// and that what is taken, goavro takes too and writes again.
func FuzzSplit(f *testing.F) {
	s := rowSchema(f, every())
	codec, err := goavro.NewCodec(s.Avro)
	if err != nil {
		f.Fatal(err)
	}
	body := schemas.AppendEnvelope(nil, 1, &schemas.Envelope{Op: cdc.Create, After: bytes.Repeat([]byte{0}, len(s.Table.Columns))})[5:]
	f.Add(body)
	f.Add(append([]byte{0, 2}, bytes.Repeat([]byte{2, 2, 0x80}, 60)...))
	f.Fuzz(func(t *testing.T, body []byte) {
		var e schemas.Envelope
		if err := s.Split(&e, body); err != nil {
			return
		}
		if !bytes.Equal(schemas.AppendEnvelope(nil, 1, &e)[5:], body) && canonical(codec, body) {
			t.Error("writing the envelope again gives other bytes")
		}
		var fields schemas.Fields
		for _, row := range []cdc.Row{e.Before, e.After} {
			if row == nil {
				continue
			}
			if err := fields.Read(s, row); err != nil {
				t.Fatal(err)
			}
			for i := range fields.Len() {
				v := fields.Value(i)
				v.AppendText(nil)
				v.Int()
				v.Uint()
				v.Float()
				v.Text()
				_ = slices.Collect(v.Labels())
			}
			_, _ = schemas.AppendKey(nil, s.Table, row)
		}
	})
}

// canonical says that the body is as goavro writes it: no number longer than
// it must be.
func canonical(codec *goavro.Codec, body []byte) bool {
	native, rest, err := codec.NativeFromBinary(body)
	if err != nil || len(rest) > 0 {
		return false
	}
	again, err := codec.BinaryFromNative(nil, native)
	return err == nil && bytes.Equal(again, body)
}

// FuzzParseEnvelope holds that no text is taken for a schema that cannot be
// compiled and written again.
func FuzzParseEnvelope(f *testing.F) {
	f.Add(rowSchema(f, every()).Avro)
	f.Add(rowSchema(f, people).Avro)
	f.Add(`{"name":"Envelope","namespace":"a.b.c","fields":[{"name":"before"},{},{},{},{}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := schemas.ParseEnvelope(text)
		if err != nil {
			return
		}
		again, err := schemas.EncodeSchema(s.Table)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := schemas.ParseEnvelope(again); err != nil {
			t.Error(err)
		}
	})
}
