package pipeline

import (
	"context"
	"fmt"
	"sync"
	"time"

	"chartwire/cdc"
	"chartwire/pipeline/state"
	"chartwire/schemas"
)

// takeChange takes a change that was read: into the rows if it was mapped
// before, else among those that wait for their cut.
func (t *mapTerm) takeChange(ctx context.Context, s *mapSource, c *mapChange) error {
	if c.seq <= t.progress.Sources[s.name].Seq {
		return t.applyChange(ctx, c)
	}
	s.mem = append(s.mem, *c)
	s.bytes += c.bytes()
	if s.bytes < t.m.o.Memory/int64(len(t.r.sources)) {
		return nil
	}
	return t.spill(s)
}

// spill moves what waits in memory to disk.
func (t *mapTerm) spill(s *mapSource) error {
	b := t.batch()
	for i := range s.mem {
		c := &s.mem[i]
		b.Wait(&state.Waiting{Table: c.table.id, Key: c.key, Seq: c.seq, Op: c.op, Read: c.read, Value: c.value})
	}
	s.disk += int64(len(s.mem))
	s.mem, s.bytes = nil, 0
	return t.flushApply()
}

// batch is the open batch of the local state.
func (t *mapTerm) batch() *state.Batch {
	if t.apply == nil {
		if t.joins != nil {
			t.apply = t.db.IndexedBatch()
		} else {
			t.apply = t.db.Batch()
		}
	}
	return t.apply
}

// carryOut commits the open batch, with the entities that became pending.
func (t *mapTerm) carryOut() error {
	b := t.apply
	t.apply = nil
	if t.joins != nil {
		t.joins.pending.put(b)
	}
	return b.Commit()
}

// flushApply carries out the open batch, with the offsets from which on the
// topics are not in the state. It is called only when everything in the batch
// is done according to the progress in Kafka.
func (t *mapTerm) flushApply() error {
	if t.apply == nil {
		return nil
	}
	b := t.apply
	for _, s := range t.r.sources {
		for topic, parts := range s.parts {
			for _, p := range parts {
				b.Meta.SetOffset(topic, p.partition, state.Offset{Next: p.next, Seq: p.seq})
			}
		}
		// What waits in memory is not in the state: per partition it is the end
		// of what was read.
		for i := len(s.mem) - 1; i >= 0; i-- {
			c := &s.mem[i]
			b.Meta.SetOffset(c.table.topic, c.part.partition, state.Offset{Next: c.offset, Seq: c.before})
		}
		b.Meta.Seqs[s.name] = t.done[s.name]
	}
	for table, seq := range t.gone {
		b.Meta.Gone[table] = seq
	}
	return t.carryOut()
}

// flushFull carries the batch out when it is large. The offsets in it may be
// older than its rows: reading those again changes nothing.
func (t *mapTerm) flushFull() error {
	if t.apply == nil || t.filled() < mapBatchBytes {
		return nil
	}
	return t.carryOut()
}

// filled is the size of the open batch, as it will be.
func (t *mapTerm) filled() int {
	n := t.apply.Bytes()
	if t.joins != nil {
		n += t.joins.pending.unput
	}
	return n
}

// applyChange puts into the rows what a change that was mapped has left.
func (t *mapTerm) applyChange(ctx context.Context, c *mapChange) error {
	b := t.batch()
	if err := t.applyTo(ctx, b, c); err != nil {
		return err
	}
	if t.filled() < mapBatchBytes {
		return nil
	}
	return t.flushApply()
}

func (t *mapTerm) applyTo(ctx context.Context, b *state.Batch, c *mapChange) error {
	if c.table.joined() {
		return t.joins.apply(ctx, b, c)
	}
	if c.op == cdc.Delete || c.seq < t.gone[c.table.text] {
		b.DeleteRow(c.table.id, c.key)
		return nil
	}
	id, _, env, err := t.schemas.split(ctx, c.value)
	if err != nil {
		return fmt.Errorf("row of %s with seq %d: %w", c.table.id, c.seq, err)
	}
	b.PutRow(c.table.id, c.key, &state.Row{Schema: id, Seq: c.seq, Op: c.op, Commit: msTime(env.Source.CommitMs), Read: c.read, Data: env.After})
	return nil
}

// mapSchemas finds the schemas of rows. It is safe for concurrent use, and
// gives one pointer per id.
type mapSchemas struct {
	find  func(ctx context.Context, id int) (*schemas.RowSchema, error)
	known sync.Map // uint32 → *schemas.RowSchema
}

// byID asks the registry for a schema that was not seen yet.
func (s *mapSchemas) byID(ctx context.Context, id uint32) (*schemas.RowSchema, error) {
	if known, ok := s.known.Load(id); ok {
		return known.(*schemas.RowSchema), nil
	}
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	got, err := s.find(ctx, int(id))
	if err != nil {
		return nil, fmt.Errorf("finding schema %d: %w", id, err)
	}
	known, _ := s.known.LoadOrStore(id, got)
	return known.(*schemas.RowSchema), nil
}

// split reads an envelope. Its rows are views into the value.
func (s *mapSchemas) split(ctx context.Context, value []byte) (uint32, *schemas.RowSchema, *schemas.Envelope, error) {
	id, body, err := schemas.SchemaID(value)
	if err != nil {
		return 0, nil, nil, unreadable(err)
	}
	schema, err := s.byID(ctx, uint32(id))
	if err != nil {
		return 0, nil, nil, err
	}
	env := new(schemas.Envelope)
	if err := schema.Split(env, body); err != nil {
		return 0, nil, nil, unreadable(err)
	}
	return uint32(id), schema, env, nil
}

// HaltRowUnreadable is the code of a record in a row topic that Chartwire did
// not write.
const HaltRowUnreadable = "row-unreadable"

func unreadable(err error) error {
	return &cdc.Halt{Code: HaltRowUnreadable, Text: "a record of a row topic is not one that capture writes", Err: err}
}
