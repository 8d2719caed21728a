package pipeline_test

import (
	"context"
	"fmt"
	"hash/fnv"
	"maps"
	"testing"
	"time"

	"chartwire/cdc"
	"chartwire/pipeline/broker"
	"chartwire/pipeline/broker/brokertest"
	"chartwire/pipeline/cut"
	"chartwire/pipeline/mapping"
	"chartwire/schemas"
	"chartwire/schemas/hubspot"

	"github.com/twmb/franz-go/pkg/kgo"
)

// mapWorld is what stands before a Map: a database and its capture, which
// write rows and cuts to Kafka. It keeps what Map should make of them.
type mapWorld struct {
	testing.TB
	conn    broker.Config
	road    *brokertest.Road // that of the Map
	mapConn broker.Config
	topics  schemas.Topics
	flow    string
	source  string
	cl      *kgo.Client
	tables  map[string]*cdc.Table
	schema  map[int]*schemas.RowSchema
	ids     map[string]int // schema ids by table
	seq     int64
	txns    int
	marks   cut.Marks
	parts   map[string]int
	loads   map[cdc.TableID]cdc.Load
	epochs  []cdc.Epoch
	full    bool // a full cut was written
	people  map[int]person
	labs    map[int]lab
	latches map[string]*worldLatch
	fired   map[string]bool // keys of tickets
	reloads map[string]bool // tables whose refill after a gap is not swept
	// changes are the subjects of tickets of worldChanges by key; nil: that map
	// does not run.
	changes map[string]string
}

type worldLatch struct {
	on bool
	n  int
}

// person is a row of table people, lab one of table labs.
type person struct {
	kind, name, city string
	balance          int64
}

type lab struct {
	critical bool
	date     time.Time
}

const worldMaps = `
map: test/people
source: clinic
entity:
  root: people
  where: kind == "patient"
phi: []
record: hubspot.contacts
key: { open_medical_patient_id: text(id) }
class: 5m
owner: om
on_delete: archive
on_leave: archive
properties:
  firstname: { from: name }
  city: { from: city, on_null: clear, class: 15m }
  account_balance: { from: balance, class: realtime }
rules:
  balance-over:
    when: balance > 500
    then:
      - create: hubspot.tickets
        key: chartwire_ticket_key
        properties:
          subject: { is: Balance over 500 }
          hs_pipeline: { is: Collections }
          hs_pipeline_stage: { is: New }
`

const worldLabs = `
map: test/labs
source: clinic
entity:
  root: labs
phi: []
rules:
  critical:
    when: critical != 0
    fresh: { by: at, within: 72h }
    then:
      - create: hubspot.tickets
        key: chartwire_ticket_key
        lane: safety
        properties:
          subject: { is: Critical result }
          hs_pipeline: { is: Patient Safety }
          hs_pipeline_stage: { is: New }
`

func newMapWorld(t testing.TB, conn broker.Config, prefix string) *mapWorld {
	t.Helper()
	w := newMapSource(t, conn, prefix, "clinic")
	w.road, w.mapConn = brokertest.NewRoad(conn)
	text := cdc.Type{Kind: cdc.KindText, Charset: "utf8mb4"}
	id := cdc.Column{Name: "id", Type: cdc.Type{Kind: cdc.KindInt, Bits: 32}}
	w.table("people", id, cdc.Column{Name: "kind", Type: text}, cdc.Column{Name: "name", Type: text}, cdc.Column{Name: "city", Type: text},
		cdc.Column{Name: "balance", Type: cdc.Type{Kind: cdc.KindInt, Bits: 64}})
	w.table("labs", id, cdc.Column{Name: "critical", Type: cdc.Type{Kind: cdc.KindInt, Bits: 8}},
		cdc.Column{Name: "at", Type: cdc.Type{Kind: cdc.KindTimestamp, Scale: 6}})
	w.parts[w.topics.Rows("clinic", w.tables["people"].ID())] = 2
	w.ensure()
	return w
}

// newMapSource makes a world of no tables.
func newMapSource(t testing.TB, conn broker.Config, prefix, source string) *mapWorld {
	t.Helper()
	w := &mapWorld{TB: t, conn: conn, topics: schemas.Topics{Prefix: prefix}, flow: "clinic", source: source, marks: cut.Marks{}, parts: map[string]int{},
		loads: map[cdc.TableID]cdc.Load{}, people: map[int]person{}, labs: map[int]lab{}, latches: map[string]*worldLatch{}, fired: map[string]bool{}, reloads: map[string]bool{},
		schema: map[int]*schemas.RowSchema{}, ids: map[string]int{}, tables: map[string]*cdc.Table{}}
	cl, err := conn.Client(kgo.TransactionalID(prefix+".world."+source), kgo.TransactionTimeout(30*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	w.cl = cl
	return w
}

// ensure makes the topics.
func (w *mapWorld) ensure() {
	w.Helper()
	all := []broker.Topic{broker.Cuts(w.topics.Cuts(w.source))}
	for topic, n := range w.parts {
		all = append(all, broker.Rows(topic, n, 14*24*time.Hour))
	}
	if err := broker.EnsureTopics(w.Context(), w.cl, w.conn, all...); err != nil {
		w.Fatal(err)
	}
}

func (w *mapWorld) table(name string, columns ...cdc.Column) {
	t := &cdc.Table{Source: w.source, Database: "main", Name: name, Columns: columns, Key: []int{0}}
	s, err := schemas.NewRowSchema(t)
	if err != nil {
		w.Fatal(err)
	}
	n := len(w.schema) + 1
	w.tables[name], w.schema[n], w.ids[name] = t, s, n
	w.parts[w.topics.Rows(w.source, t.ID())] = 1
}

func (w *mapWorld) find(_ context.Context, id int) (*schemas.RowSchema, error) {
	if s := w.schema[id]; s != nil {
		return s, nil
	}
	return nil, fmt.Errorf("no schema %d", id)
}

// program compiles maps against the world's tables.
func (w *mapWorld) program(files ...string) *mapping.Program {
	w.Helper()
	return w.programIn(time.UTC, files...)
}

// programIn compiles them for a database in a zone.
func (w *mapWorld) programIn(zone *time.Location, files ...string) *mapping.Program {
	w.Helper()
	objects, err := hubspot.Default()
	if err != nil {
		w.Fatal(err)
	}
	env := mapping.Env{Sources: []mapping.Source{{Name: "clinic", Zone: zone}}, Objects: map[string]*hubspot.Schema{"hubspot": objects}}
	for _, t := range w.tables {
		env.Tables = append(env.Tables, t)
	}
	var in []mapping.File
	for i, text := range files {
		in = append(in, mapping.File{Name: fmt.Sprintf("%d.yaml", i), Text: []byte(text)})
	}
	p, err := mapping.Compile(in, env)
	if err != nil {
		w.Fatalf("compiling the world's maps:\n%v", err)
	}
	return p
}

// worldChange is a change of one row in a transaction; a nil row is none.
type worldChange struct {
	table         string
	id            int
	op            cdc.Op
	before, after cdc.Row
	tombstone     bool
}

func (p person) row(id int) cdc.Row {
	b := schemas.AppendLong([]byte{2}, int64(id))
	for _, s := range []string{p.kind, p.name} {
		b = schemas.AppendBytes(append(b, 2), s)
	}
	if p.city == "" {
		b = append(b, 0)
	} else {
		b = schemas.AppendBytes(append(b, 2), p.city)
	}
	return schemas.AppendLong(append(b, 2), p.balance)
}

func (l lab) row(id int) cdc.Row {
	b := schemas.AppendLong([]byte{2}, int64(id))
	n := int64(0)
	if l.critical {
		n = 1
	}
	b = schemas.AppendLong(append(b, 2), n)
	return schemas.AppendLong(append(b, 2), l.date.UnixMicro())
}

func (p *person) owes() bool { return p != nil && p.kind == "patient" && p.balance > 500 }

// batch is what one Kafka transaction of the world's capture brings.
type batch struct {
	w     *mapWorld
	recs  []*kgo.Record
	marks cut.Marks
	at    time.Time
}

func (w *mapWorld) batch() *batch { return &batch{w: w, marks: cut.Marks{}, at: time.Now()} }

// txn adds a source transaction.
func (b *batch) txn(changes ...worldChange) {
	b.w.txns++
	for i, c := range changes {
		b.add(c, i, fmt.Sprint("0-1-", b.w.txns))
	}
}

func (b *batch) add(c worldChange, index int, gtid string) {
	w := b.w
	w.seq = max(w.seq+1, time.Now().UnixMicro())
	t := w.tables[c.table]
	topic := w.topics.Rows(w.source, t.ID())
	key := fmt.Sprint(c.id)
	h := fnv.New32()
	h.Write([]byte(key))
	p := int32(h.Sum32() % uint32(w.parts[topic]))
	env := schemas.Envelope{Before: c.before, After: c.after, Op: c.op, ReadMs: b.at.UnixMilli(), Source: schemas.Source{Name: w.source, Database: "main",
		Table: c.table, CommitMs: b.at.UnixMilli(), Seq: w.seq, GTID: gtid, Row: int64(index), Snapshot: c.op == cdc.Read}}
	if c.op == cdc.Read {
		env.Source.CommitMs, env.Source.GTID = 0, ""
	}
	rec := &kgo.Record{Topic: topic, Partition: p, Key: []byte(key), Timestamp: b.at, Value: schemas.AppendEnvelope(nil, w.ids[c.table], &env),
		Headers: []kgo.RecordHeader{{Key: schemas.HeaderSeq, Value: schemas.AppendSeq(nil, w.seq)}, {Key: schemas.HeaderOp, Value: []byte{byte(c.op)}}}}
	b.recs = append(b.recs, rec)
	if c.op == cdc.Delete {
		tomb := *rec
		tomb.Value = nil
		b.recs = append(b.recs, &tomb)
	}
	if b.marks[topic] == nil {
		b.marks[topic] = map[int32]int64{}
	}
	b.marks[topic][p] = w.seq
}

// commit writes the batch with its cut. rows > 0 says that the cut lies inside
// a source transaction.
func (b *batch) commit(rows int64, epochs ...cdc.Epoch) {
	w := b.w
	w.Helper()
	w.seq = max(w.seq, time.Now().UnixMicro())
	for topic, parts := range b.marks {
		if w.marks[topic] == nil {
			w.marks[topic] = map[int32]int64{}
		}
		maps.Copy(w.marks[topic], parts)
	}
	w.epochs = append(w.epochs, epochs...)
	c := cut.Cut{Source: w.source, Seq: w.seq, Checkpoint: cdc.Checkpoint{Position: cdc.Position{GTID: fmt.Sprint("0-1-", w.txns)}, Rows: rows},
		Commit: b.at, Time: time.Now(), Marks: b.marks, Epochs: epochs, Loads: w.loads}
	if !w.full || w.txns%50 == 0 {
		w.full, c.Full, c.Marks, c.Partitions, c.Epochs = true, true, w.marks, w.parts, w.epochs
	}
	value, err := cut.Encode(&c)
	if err != nil {
		w.Fatal(err)
	}
	recs := append(b.recs, &kgo.Record{Topic: w.topics.Cuts(w.source), Key: []byte(w.source), Value: value})
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := w.cl.BeginTransaction(); err != nil {
		w.Fatal(err)
	}
	if err := w.cl.ProduceSync(ctx, recs...).FirstErr(); err != nil {
		w.Fatal(err)
	}
	if err := w.cl.EndTransaction(ctx, kgo.TryCommit); err != nil {
		w.Fatal(err)
	}
}
