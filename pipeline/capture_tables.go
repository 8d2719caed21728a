package pipeline

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"chartwire/cdc"
	"chartwire/pipeline/broker"
	"chartwire/pipeline/cut"
	"chartwire/schemas"

	"github.com/twmb/franz-go/pkg/kgo"
)

// captureTable is one version of a table, ready to be written. The last two
// fields belong to the batch that is being collected.
type captureTable struct {
	topic      string
	schema     int
	partitions int
	room       int // bytes that the envelope adds to the rows, at most
	source     schemas.Source

	rows  int
	marks []int64 // last seq by partition; 0: none
}

// captureTables knows the tables that came, by version. It is the collector's
// alone.
type captureTables struct {
	capture *Capture
	client  *kgo.Client
	topics  map[string]int                    // partition numbers, by topic
	fields  map[cdc.TableID]map[string]string // names of fields that are not their columns'
	byTable map[*cdc.Table]*captureTable
}

func newCaptureTables(c *Capture, cl *kgo.Client, state *cut.Cut) *captureTables {
	t := &captureTables{capture: c, client: cl, topics: map[string]int{}, fields: map[cdc.TableID]map[string]string{}, byTable: map[*cdc.Table]*captureTable{}}
	for topic, n := range state.Partitions {
		t.topics[topic] = n
	}
	for id, l := range state.Loads {
		t.fields[id] = l.Fields
	}
	return t
}

// ensure makes the topics of the configured tables, and checks those of the cut.
func (t *captureTables) ensure(ctx context.Context) error {
	for _, id := range t.capture.o.Tables {
		topic := t.capture.o.Topics.Rows(t.capture.o.Source, id)
		want, said := t.capture.o.Partitions[id]
		have, known := t.topics[topic]
		switch {
		case known && said && want != have:
			return cdc.Haltf("topic-partitions", "table %s was captured into %d partitions and the configuration says %d: "+
				"a row's partition would change; say %d, or use another prefix and load again", id, have, want, have)
		case !known:
			t.topics[topic] = max(want, 1)
		}
	}
	topics := []broker.Topic{broker.Log(t.capture.o.Topics.DDL(t.capture.o.Source))}
	for topic, n := range t.topics {
		topics = append(topics, broker.Rows(topic, n, t.capture.o.Window))
	}
	return broker.Denied(broker.EnsureTopics(ctx, t.client, t.capture.o.Connection, topics...))
}

// unwritten makes sure that a first capture is one: with no cut, no record of the
// source's tables may be there. Where there are some, all would be read again
// unasked, and what was deleted since would stay for good.
func (t *captureTables) unwritten(ctx context.Context) error {
	var names []string
	for topic := range t.topics {
		names = append(names, topic)
	}
	if len(names) == 0 {
		return nil
	}
	ends, err := broker.Ends(ctx, t.capture.o.Connection, names...)
	if err != nil {
		return broker.Denied(err)
	}
	names = names[:0]
	for topic, parts := range ends {
		for _, end := range parts {
			if end > 0 { // perhaps nothing but what a capture that died had not committed
				names = append(names, topic)
				break
			}
		}
	}
	if len(names) == 0 {
		return nil
	}
	_, err = broker.Scan(ctx, t.capture.o.Connection, func(r *kgo.Record) error {
		return cdc.Haltf("cuts-lost", "%s holds records, and the source has no cut: it was captured before, and everything would be read again; "+
			"restore the topic %s, give the source its old name, or begin anew under another installation", r.Topic, t.capture.o.Topics.Cuts(t.capture.o.Source))
	}, names...)
	return err
}

// add makes the topics of tables that an order added, and takes the fields that a
// person accepted. It gives the new topics' partition numbers, by topic.
func (t *captureTables) add(ctx context.Context, loads map[cdc.TableID]cdc.Load) (map[string]int, error) {
	var added map[string]int
	for id, l := range loads {
		if !maps.Equal(t.fields[id], l.Fields) {
			t.fields[id] = l.Fields
			maps.DeleteFunc(t.byTable, func(of *cdc.Table, _ *captureTable) bool { return of.ID() == id })
		}
		topic := t.capture.o.Topics.Rows(t.capture.o.Source, id)
		if _, ok := t.topics[topic]; ok {
			continue
		}
		if err := schemas.CheckTopic(topic); err != nil {
			return nil, cdc.Haltf("topic-name", "%v", err)
		}
		n := max(t.capture.o.Added, 1)
		if err := broker.EnsureTopics(ctx, t.client, t.capture.o.Connection, broker.Rows(topic, n, t.capture.o.Window)); err != nil {
			return nil, broker.Denied(err)
		}
		if added == nil {
			added = map[string]int{}
		}
		t.topics[topic], added[topic] = n, n
	}
	return added, nil
}

// versions bounds what is remembered of tables: a stream that reconnects may
// describe each anew.
const versions = 4096

// forget keeps the bound, between two pieces: what a piece brings is known until
// its rows are written.
func (t *captureTables) forget() {
	if len(t.byTable) >= versions {
		clear(t.byTable)
	}
}

// admit is [cdc.Resume.Admit]: a table is known, and its schema registered,
// before its first change.
func (t *captureTables) admit(ctx context.Context, table *cdc.Table) error {
	_, err := t.of(ctx, table)
	return err
}

// named gives the table with the names of fields that a person accepted.
func named(table *cdc.Table, fields map[string]string) *cdc.Table {
	if len(fields) == 0 {
		return table
	}
	n := *table
	n.Columns = slices.Clone(table.Columns)
	for i := range n.Columns {
		n.Columns[i].Field = fields[n.Columns[i].Name]
	}
	return &n
}

// of gives the table, registering its schema when it comes first.
func (t *captureTables) of(ctx context.Context, table *cdc.Table) (*captureTable, error) {
	if got := t.byTable[table]; got != nil {
		return got, nil
	}
	schema, err := schemas.NewRowSchema(named(table, t.fields[table.ID()]))
	if err != nil {
		return nil, err
	}
	topic := t.capture.o.Topics.Rows(t.capture.o.Source, table.ID())
	n, ok := t.topics[topic]
	if !ok {
		return nil, fmt.Errorf("table %s is not among those to capture", table.ID())
	}
	id, err := t.register(ctx, topic, schema)
	if err != nil {
		return nil, fmt.Errorf("registering the schema of %s: %w", table.ID(), err)
	}
	got := &captureTable{
		topic: topic, schema: id, partitions: n, marks: make([]int64, n),
		source: schemas.Source{Name: table.Source, Database: table.Database, Table: table.Name},
	}
	got.room = 128 + len(table.Source) + len(table.Database) + len(table.Name)
	t.byTable[table] = got
	t.capture.log.Info("table described", "table", table.ID().String(), "columns", len(table.Columns), "schema", id)
	return got, nil
}

// registerMost is the longest wait before the registry is asked again.
const registerMost = 10 * time.Second

// register gives the id of a schema, and waits for the registry where it does not
// answer. Everything behind the first row of a new schema waits with it: at a cut
// the topics show the database as it was at one commit. What is known goes on
// without the registry.
func (t *captureTables) register(ctx context.Context, topic string, schema *schemas.RowSchema) (id int, err error) {
	c := t.capture
	defer func() { c.update(func(s *CaptureStatus) { s.Waiting = "" }) }()
	for wait := time.Second; ; wait = min(2*wait, registerMost) {
		id, err = c.o.Register(ctx, topic, schema)
		if err == nil || cdc.HaltCode(err) != "" || ctx.Err() != nil {
			return id, err
		}
		what := fmt.Sprintf("the schema registry, which does not give the id of a new schema of %s; all tables wait at its first row", schema.Table.ID())
		c.log.Error("waiting for "+what, "err", err, "retry_in", wait)
		c.update(func(s *CaptureStatus) { s.Waiting = what })
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(wait):
		}
	}
}
