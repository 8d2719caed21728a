package cli

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chartwire/cdc"
	"chartwire/cmd/chartwire/embedded"
	"chartwire/pipeline/broker"
	"chartwire/pipeline/cut"
	"chartwire/pipeline/deadletter"
	"chartwire/pipeline/shadow"
	"chartwire/pipeline/writes"
	"chartwire/schemas"
	"chartwire/schemas/registry"
	"chartwire/sinks"

	"github.com/twmb/franz-go/pkg/kgo"
)

// TestTopics fills topics of every kind in the embedded broker of an
// installation, and shows them. The broker runs here, so that the command
// attaches to it as it does to a running Chartwire.
func TestTopics(t *testing.T) {
	file := embeddedSite(t)
	var out, log bytes.Buffer
	f := func(code int, args ...string) string {
		t.Helper()
		out.Reset()
		if got := Main(append([]string{"topics", "--config", file}, args...), &out, &log); got != code {
			t.Errorf("topics %s: code %d, want %d:\n%s%s", strings.Join(args, " "), got, code, out.String(), log.String())
		}
		return out.String()
	}
	has := func(text string, parts ...string) {
		t.Helper()
		for _, p := range parts {
			if !strings.Contains(text, p) {
				t.Errorf("lacks %q:\n%s", p, text)
			}
		}
	}
	has(f(0, "list"), "crm.schemas")
	fillTopics(t, filepath.Join(filepath.Dir(file), "data"))

	has(f(0, "list"), "crm.rows.om.clinic.patient", "crm.shadow.hubspot")
	row := f(0, "show", "patient", "--limit", "1")
	has(row, "crm.rows.om.clinic.patient/1 offset ", "seq 41", "op update", "key 20/x%2fy", `"name": "Zoë & Söhne\u009b2J"`, `"name": "Ann"`, `"op": "u"`, `"25again": 7`)
	if strings.Contains(row, "key 1\n") || strings.Contains(row, "\u009b") {
		t.Errorf("one record was asked for, harmless:\n%s", row)
	}
	all := f(0, "show", "CLINIC.patient", "--limit", "100")
	if n := strings.Count(all, "\nkey "); n != 42 {
		t.Errorf("%d records, want 42", n)
	}
	has(f(0, "show", "om.clinic.patient", "--partition", "0", "--limit", "1"), "key gone", "no value", "op delete")
	if first := f(0, "show", "patient", "--partition", "1", "--from", "0", "--limit", "2"); strings.Index(first, "key 0\n") != strings.Index(first, "key ") || strings.Count(first, "key ") != 2 {
		t.Errorf("not the first two:\n%s", first)
	}
	has(f(0, "show", "patient", "--from", "-2", "--partition", "1"), "key 20/x%2fy")
	has(f(0, "show", "patient", "--key", "7"), "key 7\n", `"name": "P7"`)
	has(f(0, "show", "patient", "--key", "nobody"), "no such records")
	has(f(1, "show", "patient", "--partition", "9"), "")
	has(f(0, "show", "crm.cuts.om"), `"gtid": "0-1-7"`, `"seq": 41`)
	has(f(0, "show", "writes.hubspot.patients.routine", "--key", "contacts/k/7"), "key contacts/k/7 | om-aggregation/contacts", `"value": "Ann"`, `"existence": "present"`)
	has(f(0, "show", "shadow.hubspot"), `"id": "9001"`, `"value": "Ann"`, `"stored": "ann"`, `"offsets"`)
	has(f(0, "show", "deadletters.hubspot"), "INVALID_EMAIL", `"property": "email"`)
	has(f(0, "show", "state.patients"), "key latch | om | r | 1", `"on": true`)
	f(1, "show", "nothing")
	f(1, "show", "twin")
	has(log.String(), "may be crm.rows.labs.clinic.twin or crm.rows.om.clinic.twin: say which", "there is no topic and no table")
	f(2, "show", "patient", "--limit", "0")
	if strings.Contains(log.String(), "Zoë") || strings.Contains(log.String(), "Ann") {
		t.Errorf("values went elsewhere:\n%s", log.String())
	}
}

// fillTopics writes what the stages write.
func fillTopics(t *testing.T, data string) {
	services, err := embedded.Start(t.Context(), data, "crm", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(services.Close)
	topics := schemas.Topics{Prefix: "crm"}
	table := &cdc.Table{Source: "om", Database: "clinic", Name: "patient", Key: []int{0}, Columns: []cdc.Column{
		{Name: "id", Type: cdc.Type{Kind: cdc.KindText}}, {Name: "name", Type: cdc.Type{Kind: cdc.KindText}}, {Name: "25again", Type: cdc.Type{Kind: cdc.KindInt, Bits: 32}},
	}}
	schema, err := schemas.NewRowSchema(table)
	if err != nil {
		t.Fatal(err)
	}
	reg, err := registry.New(registry.Options{URLs: []string{services.Registry}})
	if err != nil {
		t.Fatal(err)
	}
	rows := topics.Rows("om", table.ID())
	id, err := reg.Register(t.Context(), rows, schema)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Now().Add(-time.Hour)
	record := func(topic string, partition int32, key string, value []byte) *kgo.Record {
		at = at.Add(time.Second)
		return &kgo.Record{Topic: topic, Partition: partition, Key: []byte(key), Value: value, Timestamp: at}
	}
	row := func(id, name string) cdc.Row {
		r := schemas.AppendBytes(cdc.Row{2}, id)
		return schemas.AppendLong(append(schemas.AppendBytes(append(r, 2), name), 2), 7)
	}
	change := func(partition int32, key string, seq int64, e *schemas.Envelope) *kgo.Record {
		var value []byte
		if e != nil {
			value = schemas.AppendEnvelope(nil, id, e)
		}
		r := record(rows, partition, key, value)
		op := cdc.Delete
		if e != nil {
			op = e.Op
		}
		r.Headers = []kgo.RecordHeader{{Key: schemas.HeaderSeq, Value: schemas.AppendSeq(nil, seq)}, {Key: schemas.HeaderOp, Value: []byte{byte(op)}}}
		return r
	}
	var recs []*kgo.Record
	for i := range int64(20) {
		key := string(rune('0' + i%10))
		recs = append(recs, change(1, key, i, &schemas.Envelope{After: row(key, "P"+key), Op: cdc.Create}),
			change(0, key, 20+i, &schemas.Envelope{Before: row(key, "P"), Op: cdc.Delete}))
	}
	recs = append(recs, change(0, "gone", 40, nil),
		change(1, "20/x%2fy", 41, &schemas.Envelope{Before: row("20/x%2fy", "Ann"), After: row("20/x%2fy", "Zoë & Söhne\u009b2J"), Op: cdc.Update}))

	value, err := cut.Encode(&cut.Cut{Source: "om", Seq: 41, Checkpoint: cdc.Checkpoint{Position: cdc.Position{GTID: "0-1-7"}}, Full: true, Time: at})
	if err != nil {
		t.Fatal(err)
	}
	recs = append(recs, record(topics.Cuts("om"), 0, "om", value))
	who := sinks.Record{Object: "contacts", Property: "k", Key: "7"}
	mutation, err := writes.Record(topics, &sinks.Mutation{Sink: "hubspot", Flow: "patients", Map: "om-aggregation/contacts", Record: who, Lane: sinks.Routine, Existence: sinks.Present,
		Properties: []sinks.Property{{Name: "firstname", State: sinks.Set, Value: "Ann"}}})
	if err != nil {
		t.Fatal(err)
	}
	entry := &shadow.Entry{ID: "9001", Version: 3, Properties: []shadow.Property{{Name: "firstname", Held: true, Value: "Ann", Other: true, Stored: "ann", Version: 3}}}
	progress, err := (&shadow.Progress{Offsets: map[string]map[int32]int64{"t": {0: 1}}}).Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	letter, err := (&deadletter.Letter{Sink: "hubspot", Record: who, Property: "email", Code: "INVALID_EMAIL"}).Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	latch, err := json.Marshal(map[string]bool{"on": true})
	if err != nil {
		t.Fatal(err)
	}
	recs = append(recs, mutation, record(topics.Shadow("hubspot"), 0, who.ID(), entry.Append(nil)), record(topics.Shadow("hubspot"), 0, shadow.ProgressKey, progress),
		record(topics.DeadLetters("hubspot"), 0, who.ID()+"\x00email", letter), record(topics.State("patients"), 0, "latch\x00om\x00r\x001", latch))

	c := services.Broker.Config()
	cl, err := c.Client()
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	twin := cdc.TableID{Database: "clinic", Name: "twin"}
	need := []broker.Topic{broker.Rows(rows, 2, time.Hour), broker.Compacted(topics.Rows("om", twin)), broker.Compacted(topics.Rows("labs", twin))}
	for _, r := range recs[42:] {
		need = append(need, broker.Compacted(r.Topic))
	}
	if err := broker.EnsureTopics(t.Context(), cl, c, need...); err != nil {
		t.Fatal(err)
	}
	if err := cl.ProduceSync(t.Context(), recs...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}
