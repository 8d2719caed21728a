package schemas_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chartwire/cdc"
	"chartwire/schemas"

	"github.com/google/go-cmp/cmp"
	"github.com/linkedin/goavro/v2"
)

var update = flag.Bool("update", false, "rewrite the golden schemas")

// every has a column of every kind that has an Avro form, with names that Avro
// refuses among them.
func every() *cdc.Table {
	t := &cdc.Table{Source: "om-agg", Database: "open.medical", Name: "25 tables", Key: []int{1, 0}}
	add := func(name string, typ cdc.Type) { t.Columns = append(t.Columns, cdc.Column{Name: name, Type: typ}) }
	add("lang", cdc.Type{Kind: cdc.KindText, Charset: "latin1"})
	add("id", cdc.Type{Kind: cdc.KindInt, Bits: 64, Unsigned: true})
	for _, bits := range []int{8, 16, 24, 32, 64} {
		add("i"+string(rune('0'+bits/8)), cdc.Type{Kind: cdc.KindInt, Bits: bits})
		if bits < 64 {
			add("u"+string(rune('0'+bits/8)), cdc.Type{Kind: cdc.KindInt, Bits: bits, Unsigned: true})
		}
	}
	add("25againmetrics", cdc.Type{Kind: cdc.KindDecimal, Precision: 10, Scale: 2})
	add("größe", cdc.Type{Kind: cdc.KindDecimal, Precision: 65, Scale: 30})
	add("f", cdc.Type{Kind: cdc.KindFloat})
	add("d", cdc.Type{Kind: cdc.KindDouble})
	add("raw", cdc.Type{Kind: cdc.KindBytes})
	add("hash", cdc.Type{Kind: cdc.KindBytes, Length: 16})
	add("born", cdc.Type{Kind: cdc.KindDate})
	add("long", cdc.Type{Kind: cdc.KindTime, Scale: 6})
	add("local", cdc.Type{Kind: cdc.KindDateTime, Scale: 3})
	add("at", cdc.Type{Kind: cdc.KindTimestamp, Scale: 6})
	add("year", cdc.Type{Kind: cdc.KindYear})
	add("sex", cdc.Type{Kind: cdc.KindEnum, Charset: "utf8mb4", Labels: []string{"w", "m", "", "\"<d>\""}})
	add("flags", cdc.Type{Kind: cdc.KindSet, Charset: "latin1", Labels: []string{"ä", "b"}})
	add("bit1", cdc.Type{Kind: cdc.KindBit, Bits: 1})
	add("bit64", cdc.Type{Kind: cdc.KindBit, Bits: 64})
	add("doc", cdc.Type{Kind: cdc.KindJSON})
	add("uuid", cdc.Type{Kind: cdc.KindUUID})
	add("ip4", cdc.Type{Kind: cdc.KindInet4})
	add("ip6", cdc.Type{Kind: cdc.KindInet6})
	return t
}

func TestGoldenSchemas(t *testing.T) {
	f := func(name string, table *cdc.Table) {
		t.Helper()
		s, err := schemas.NewRowSchema(table)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := goavro.NewCodec(s.Avro); err != nil {
			t.Errorf("%s: goavro: %v", name, err)
		}
		file := filepath.Join("testdata", name+".avsc")
		got := indentJSON(s.Avro)
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), got); d != "" {
			t.Errorf("%s changed; readers of older rows have it as it was (-update if it is meant):\n%s", name, d)
		}
		back, err := schemas.ParseEnvelope(got)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(table, back.Table); d != "" {
			t.Errorf("%s read back:\n%s", name, d)
		}
	}
	f("every-kind", every())
	f("patients", &cdc.Table{Source: "om", Database: "aggregation", Name: "patients", Key: []int{0}, Columns: []cdc.Column{
		{Name: "id", Type: cdc.Type{Kind: cdc.KindInt, Bits: 32}},
		{Name: "name", Type: cdc.Type{Kind: cdc.KindText, Charset: "utf8mb4"}},
		{Name: "balance", Type: cdc.Type{Kind: cdc.KindDecimal, Precision: 12, Scale: 2}},
	}})
}

func TestParseEnvelopeRefuses(t *testing.T) {
	s, err := schemas.NewRowSchema(every())
	if err != nil {
		t.Fatal(err)
	}
	f := func(old, new string) {
		t.Helper()
		changed := strings.Replace(s.Avro, old, new, 1)
		if changed == s.Avro {
			t.Fatalf("%q is not in the schema", old)
		}
		if _, err := schemas.ParseEnvelope(changed); err == nil {
			t.Errorf("taken with %q for %q", new, old)
		}
	}
	f(`"name":"Envelope"`, `"name":"Value"`)
	f(`"before"`, `"previous"`)
	f(`"key":["id","lang"]`, `"key":["id","none"]`)
	f(`"scale":2`, `"scale":3`)                  // the attribute says otherwise
	f(`"kind":"date"`, `"kind":"datetime"`)      // here too
	f(`"type":["null","int"]`, `"type":["int"]`) // not nullable
	f(`"kind":"json"`, `"kind":"hologram"`)      // no form
	f(`"type":"record"`, `"type":`)              // no JSON
	f(`"name":"snapshot","type":"boolean"`, `"name":"snapshot","type":"string"`)
}

func TestTypesWithoutForm(t *testing.T) {
	for _, typ := range []cdc.Type{{}, {Kind: cdc.KindInt, Bits: 12},
		{Kind: cdc.KindBit, Bits: 65}, {Kind: cdc.KindDecimal, Precision: 66}, {Kind: cdc.KindDecimal, Precision: 2, Scale: 3}} {
		_, err := schemas.NewRowSchema(&cdc.Table{Columns: []cdc.Column{{Name: "c", Type: typ}}})
		if err == nil || !strings.Contains(err.Error(), `"c"`) {
			t.Errorf("%+v: %v", typ, err)
		}
	}
}

func TestTopics(t *testing.T) {
	topics := schemas.Topics{Prefix: "cw"}
	f := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
		if err := schemas.CheckTopic(got); err != nil {
			t.Error(err)
		}
	}
	f(topics.Rows("shop", cdc.TableID{Database: "wp", Name: "wp_wc_orders"}), "cw.rows.shop.wp.wp_wc_orders")
	f(topics.Rows("om-agg", cdc.TableID{Database: "a.b", Name: "größe-"}), "cw.rows.om-agg.a--2eb.gr--c3--b6--c3--9fe--2d")
	f(topics.Cuts("shop"), "cw.cuts.shop")
	f(topics.State("om-aggregation"), "cw.state.om-aggregation")
	f(topics.Writes("hubspot", "labs", "safety"), "cw.writes.hubspot.labs.safety")
	f(topics.Shadow("hubspot"), "cw.shadow.hubspot")
	f(topics.DeadLetters("hubspot"), "cw.deadletters.hubspot")
	f(topics.Audit(), "cw.audit")
	f(topics.Lease("capture", "shop"), "cw.lease.capture.shop")
	f(topics.Retry("labs"), "cw.retry.labs")
	f(topics.Schemas(), "cw.schemas")
	if schemas.CheckTopic(topics.Cuts(strings.Repeat("x", 250))) == nil || schemas.CheckTopic("ä") == nil {
		t.Error("a name is taken that Kafka refuses")
	}
	for _, name := range []string{"cw.cuts.shop", "other.rows.a.b.c", "cw.rows.a.b", "cw.rows.a.b.c.d", "cw.rows.a.b.--zz", "cw.rows.a.b.x--2"} {
		if _, _, ok := topics.ParseRows(name); ok {
			t.Errorf("%q is taken for a row topic", name)
		}
	}
}

func TestAvroNames(t *testing.T) {
	f := func(name, want string) {
		t.Helper()
		if got := schemas.AvroName(name); got != want || schemas.ParseAvroName(got) != name {
			t.Errorf("%q is %q, back %q; want %q", name, got, schemas.ParseAvroName(got), want)
		}
	}
	f("id", "id")
	f("25againmetrics", "_x325againmetrics")
	f("größe", "gr_xc3_xb6_xc3_x9fe")
	f("is_xmas", "is_xmas")
	f("a_xab", "a_x5fxab")
	f("a b.c", "a_x20b_x2ec")
	f("", "_x")
	f("_x", "_x5f_x78")
	f("_", "_")
}

func TestHeaders(t *testing.T) {
	if seq, err := schemas.ParseSeq(schemas.AppendSeq(nil, 1<<60+7)); err != nil || seq != 1<<60+7 {
		t.Error(seq, err)
	}
	if _, err := schemas.ParseSeq([]byte("seven")); err == nil {
		t.Error("five bytes are taken for a seq")
	}
	if op, err := schemas.ParseOp([]byte{'u'}); err != nil || op != cdc.Update {
		t.Error(op, err)
	}
	for _, b := range []string{"", "x", "uu"} {
		if _, err := schemas.ParseOp([]byte(b)); err == nil {
			t.Errorf("%q is taken for an op", b)
		}
	}
}
