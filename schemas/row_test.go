package schemas_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"chartwire/cdc"
	"chartwire/schemas"

	"github.com/google/go-cmp/cmp"
	"github.com/linkedin/goavro/v2"
)

func indentJSON(js string) string {
	var b bytes.Buffer
	if err := json.Indent(&b, []byte(js), "", "  "); err != nil {
		return err.Error()
	}
	return b.String() + "\n"
}

// people is a table with a composite key in another order than its columns.
var people = &cdc.Table{Source: "om", Database: "agg", Name: "people", Key: []int{2, 0}, Columns: []cdc.Column{
	{Name: "name", Type: cdc.Type{Kind: cdc.KindText}},
	{Name: "born", Type: cdc.Type{Kind: cdc.KindDate}},
	{Name: "id", Type: cdc.Type{Kind: cdc.KindInt, Bits: 32}},
	{Name: "balance", Type: cdc.Type{Kind: cdc.KindDecimal, Precision: 10, Scale: 2}},
}}

// row makes a row of people without package image.
func row(name string, id int64, balance []byte) cdc.Row {
	r := schemas.AppendBytes([]byte{2}, name)
	r = append(r, 0)
	r = schemas.AppendLong(append(r, 2), id)
	if balance == nil {
		return append(r, 0)
	}
	return schemas.AppendBytes(append(r, 2), balance)
}

func rowSchema(t testing.TB, table *cdc.Table) *schemas.RowSchema {
	t.Helper()
	s, err := schemas.NewRowSchema(table)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestEnvelope holds the envelope equal to goavro both ways.
func TestEnvelope(t *testing.T) {
	s := rowSchema(t, people)
	codec, err := goavro.NewCodec(s.Avro)
	if err != nil {
		t.Fatal(err)
	}
	source := schemas.Source{Name: "om", Database: "agg", Table: "people", CommitMs: 1, Seq: 1 << 50, GTID: "0-1-7", File: "bin.1", Pos: 4, Row: 3, Server: "x"}
	before, after := row("Ann", 7, nil), row("Ann/Bö", 7, []byte{0xff, 0x38})
	for _, want := range []schemas.Envelope{
		{Before: before, After: after, Source: source, Op: cdc.Update, ReadMs: 1764000000000},
		{Before: before, Source: source, Op: cdc.Delete},
		{After: after, Source: schemas.Source{Snapshot: true}, Op: cdc.Read, ReadMs: -1},
	} {
		value := schemas.AppendEnvelope([]byte("x"), 77, &want)[1:]
		id, body, err := schemas.SchemaID(value)
		if err != nil || id != 77 {
			t.Fatal(id, err)
		}
		var got schemas.Envelope
		if err := s.Split(&got, body); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("split (-want):\n%s", d)
		}
		native, rest, err := codec.NativeFromBinary(body)
		if err != nil || len(rest) != 0 {
			t.Fatalf("goavro: %v, %d bytes left", err, len(rest))
		}
		if again, err := codec.BinaryFromNative(nil, native); err != nil || !bytes.Equal(again, body) {
			t.Errorf("goavro writes %x, %v; we wrote %x", again, err, body)
		}
		src := native.(map[string]any)["source"].(map[string]any)
		if src["seq"] != want.Source.Seq || src["gtid"] != want.Source.GTID || native.(map[string]any)["op"] != want.Op.String() {
			t.Errorf("goavro read %v", native)
		}
		if n := testing.AllocsPerRun(10, func() { _ = s.Split(&got, body) }); n != 0 {
			t.Errorf("splitting the same source again allocates %v times", n)
		}
		for n := range body { // every place where it can be cut off
			if err := s.Split(&got, body[:n]); err == nil {
				t.Errorf("taken when cut off at %d of %d", n, len(body))
			}
		}
		if err := s.Split(&got, append(slices.Clone(body), 0)); err == nil {
			t.Error("taken with a byte too much")
		}
	}
	for _, v := range []string{"", "\x00\x00\x00\x00", "\x01\x00\x00\x00\x01x", "\x00\xff\xff\xff\xff"} {
		if _, _, err := schemas.SchemaID([]byte(v)); err == nil {
			t.Errorf("%x is taken for a framed value", v)
		}
	}
}

func TestKey(t *testing.T) {
	f := func(name string, id int64, want string) {
		t.Helper()
		key, err := schemas.AppendKey([]byte("topic "), people, row(name, id, []byte{1}))
		if err != nil || string(key) != "topic "+want {
			t.Errorf("%q, want %q; %v", key, want, err)
		}
		parts, err := schemas.SplitKey(want)
		if err != nil || !slices.Equal(parts, []string{fmt.Sprint(id), name}) {
			t.Errorf("%q splits into %q, %v", want, parts, err)
		}
	}
	f("Ann", 7, "7/Ann")
	f("", -7, "-7/%")
	f("%", 0, "0/%25")
	f("a/b", 1, "1/a%2fb")
	f("größe €", 1, "1/größe €")
	f("a\x00\n\x7f", 1, "1/a%00%0a%7f")
	f("bad \xff\xc3", 1, "1/bad %ff%c3")
	born := *people
	born.Key = []int{1}
	if _, err := schemas.AppendKey(nil, &born, row("", 1, nil)); cdc.HaltCode(err) != schemas.HaltKeyNull || strings.Contains(err.Error(), "Ann") {
		t.Errorf("a null key: %v", err)
	}
	if _, err := schemas.AppendKey(nil, &cdc.Table{}, nil); err == nil {
		t.Error("a table without key has one")
	}
	r := row("Ann", 7, nil)
	for n := range len(r) - 1 { // the last column, a null, is not part of the key
		if _, err := schemas.AppendKey(nil, people, r[:n]); err == nil {
			t.Errorf("a row cut off at %d of %d has a key", n, len(r))
		}
	}
	for _, k := range []string{"%2", "%zz", "a%", "x/%%"} {
		if _, err := schemas.SplitKey(k); err == nil {
			t.Errorf("%q splits", k)
		}
	}
}

// TestKeyDoesNotMove holds the key of a value equal over the ways in which its
// column can be declared.
func TestKeyDoesNotMove(t *testing.T) {
	f := func(want string, variants ...any) {
		t.Helper()
		for i := 0; i < len(variants); i += 2 {
			table := &cdc.Table{Key: []int{0}, Columns: []cdc.Column{{Name: "k", Type: variants[i].(cdc.Type)}}}
			key, err := schemas.AppendKey(nil, table, append([]byte{2}, variants[i+1].([]byte)...))
			if err != nil || string(key) != want {
				t.Errorf("%+v: %q, want %q; %v", variants[i], key, want, err)
			}
		}
	}
	decimal := func(p, s int) cdc.Type { return cdc.Type{Kind: cdc.KindDecimal, Precision: p, Scale: s} }
	bits := func(n int, u bool) cdc.Type { return cdc.Type{Kind: cdc.KindInt, Bits: n, Unsigned: u} }
	seven := schemas.AppendLong(nil, 7)
	f("7", bits(8, false), seven, bits(64, false), seven, bits(32, true), seven, bits(64, true), []byte{2, 7},
		decimal(5, 0), []byte{2, 7}, decimal(5, 1), []byte{2, 70}, decimal(60, 2), []byte{4, 2, 188})
	f("-0.5", decimal(2, 1), []byte{2, 0xfb}, decimal(4, 2), []byte{2, 0xce})
	at := schemas.AppendLong(nil, 1767323045_500000)
	f("2026-01-02T03:04:05.5", cdc.Type{Kind: cdc.KindDateTime, Scale: 1}, at, cdc.Type{Kind: cdc.KindDateTime, Scale: 6}, at)
}

// TestValuesStayOutOfText checks that no way of printing shows a value.
func TestValuesStayOutOfText(t *testing.T) {
	const canary = "CANARY"
	s := rowSchema(t, people)
	r := row(canary, 7, nil)
	var f schemas.Fields
	if err := f.Read(s, r); err != nil {
		t.Fatal(err)
	}
	v := f.Value(0)
	for _, text := range []string{fmt.Sprint(v, r), fmt.Sprintf("%s %v %+v", v, v, v), v.LogValue().String(), r.LogValue().String()} {
		if strings.Contains(text, canary) {
			t.Errorf("the value shows in %q", text)
		}
	}
	var e schemas.Envelope
	if err := s.Split(&e, append([]byte{2}, r...)); err == nil || strings.Contains(err.Error(), canary) {
		t.Error(err)
	}
}

func TestFormat(t *testing.T) {
	table := every()
	s := rowSchema(t, table)
	var r cdc.Row
	for i := range table.Columns {
		switch c := &table.Columns[i]; c.Name {
		case "25againmetrics":
			r = schemas.AppendBytes(append(r, 2), []byte{0x30, 0x39})
		case "größe", "raw":
			r = schemas.AppendBytes(append(r, 2), []byte{0xff})
		case "born":
			r = schemas.AppendLong(append(r, 2), 19782)
		case "long", "local", "at":
			r = schemas.AppendLong(append(r, 2), 1767323045_500000)
		case "lang":
			r = schemas.AppendBytes(append(r, 2), `d"e & <b>`)
		default:
			r = append(r, 0)
		}
	}
	got, err := schemas.Format(s, schemas.AppendEnvelope(nil, 1, &schemas.Envelope{After: r, Op: cdc.Read, Source: schemas.Source{Seq: 9}})[5:])
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"before": null`, `"25againmetrics": 123.45`, `"größe": -0.000000000000000000000000000001`, `"raw": "ff"`,
		`"born": "2024-02-29"`, `"local": "2026-01-02T03:04:05.5"`, `"at": "2026-01-02T03:04:05.5Z"`, `"lang": "d\"e & <b>"`, `"long": "490923:04:05.5"`,
		`"i8": null`, `"op": "r"`, `"seq": 9`} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not in\n%s", want, got)
		}
	}
	if _, err := schemas.Format(s, []byte{2, 2}); err == nil {
		t.Error("two bytes are shown as a record")
	}
}
