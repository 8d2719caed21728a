package soak

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"chartwire/cdc"
	"chartwire/pipeline/broker"
	"chartwire/pipeline/cut"
	"chartwire/schemas"
	"chartwire/schemas/registry"

	"github.com/twmb/franz-go/pkg/kgo"
)

// cuts follows the cuts of a run, and the marker table.
type cuts struct {
	run    *run
	cl     *kgo.Client
	cancel context.CancelFunc
	done   chan struct{}

	mu     sync.Mutex
	state  cut.Cut
	marker int64 // the seq of the last row
	err    error
}

func (r *run) follow(ctx context.Context) (*cuts, error) {
	topics := []string{r.spec.topics().Cuts(source), r.spec.topics().Rows(source, cdc.TableID{Database: r.name, Name: "marker"})}
	if err := r.ensure(ctx, topics); err != nil {
		return nil, err
	}
	cl, err := r.kafka.Client(kgo.ConsumeTopics(topics...), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	c := &cuts{run: r, cl: cl, cancel: cancel, done: make(chan struct{})}
	go c.read(ctx, topics[0])
	return c, nil
}

// ensure makes the topics that are followed as the capture would.
func (r *run) ensure(ctx context.Context, topics []string) error {
	cl, err := r.kafka.Client()
	if err != nil {
		return err
	}
	defer cl.Close()
	return broker.EnsureTopics(ctx, cl, r.kafka, broker.Cuts(topics[0]), broker.Rows(topics[1], 1, 14*24*60*60*1e9))
}

func (c *cuts) close() {
	c.cancel()
	<-c.done
	c.cl.Close()
}

func (c *cuts) read(ctx context.Context, topic string) {
	defer close(c.done)
	for ctx.Err() == nil {
		c.cl.PollFetches(ctx).EachRecord(func(rec *kgo.Record) {
			c.mu.Lock()
			defer c.mu.Unlock()
			if rec.Topic != topic {
				if len(rec.Headers) > 0 {
					c.marker, _ = schemas.ParseSeq(rec.Headers[0].Value)
				}
				return
			}
			d, err := cut.Decode(rec.Value)
			if err != nil {
				c.err = err
				return
			}
			c.state.Fold(d)
			if !d.Checkpoint.Position.IsZero() { // that of a holder's start knows no place yet
				c.run.cutSeen()
			}
		})
	}
}

func (r *run) cutSeen() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.capturing = true
}

// whole says that a cut has the last row and no table is being read.
func (c *cuts) whole() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.marker == 0 || c.state.Seq < c.marker || c.state.Inside() || len(c.state.Loads) < len(c.run.spec.Tables) {
		return false
	}
	for _, l := range c.state.Loads {
		if l.Phase != cdc.LoadDone {
			return false
		}
	}
	return true
}

func (c *cuts) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprintf("marker at seq %d; newest cut at seq %d, loads %+v, %v", c.marker, c.state.Seq, c.state.Loads, c.err)
}

// change is a record as it was written.
type change struct {
	table, key    string
	seq           int64
	op            cdc.Op
	tombstone     bool
	schema        *schemas.RowSchema
	before, after map[string]string // by column
}

// epoch of one table, or a change: what a reader takes in order of seq.
type step struct {
	seq    int64
	epoch  *cdc.Epoch
	change *change
}

const null = "\x00null"

// steps reads everything that was written, and holds what is true of each
// topic by itself: order, uniqueness, headers, tombstones.
func (r *run) steps(ctx context.Context) ([]step, error) {
	reg, err := registry.New(registry.Options{URLs: []string{r.world.registry}})
	if err != nil {
		return nil, err
	}
	var list []step
	last := map[string]*change{}
	seqs := map[int64]bool{}
	topics := r.rowTopics()
	if _, err := broker.Scan(ctx, r.kafka, func(rec *kgo.Record) error {
		c, err := r.decode(ctx, reg, rec)
		if err != nil {
			return fmt.Errorf("%s at offset %d: %w", rec.Topic, rec.Offset, err)
		}
		before := last[rec.Topic]
		last[rec.Topic] = c
		if c.tombstone {
			if before == nil || before.tombstone || before.op != cdc.Delete || before.seq != c.seq || before.key != c.key {
				return fmt.Errorf("%s at offset %d: a tombstone without its delete", rec.Topic, rec.Offset)
			}
			return nil
		}
		if before != nil && before.seq >= c.seq {
			return fmt.Errorf("%s at offset %d: seq %d after %d", rec.Topic, rec.Offset, c.seq, before.seq)
		}
		if before != nil && before.op == cdc.Delete && !before.tombstone {
			return fmt.Errorf("%s at offset %d: the delete before it has no tombstone", rec.Topic, rec.Offset)
		}
		if seqs[c.seq] {
			return fmt.Errorf("%s at offset %d: seq %d is there twice", rec.Topic, rec.Offset, c.seq)
		}
		seqs[c.seq] = true
		list = append(list, step{seq: c.seq, change: c})
		return nil
	}, topics...); err != nil {
		return nil, err
	}
	state, _, err := cut.Latest(ctx, r.kafka, r.spec.topics().Cuts(source))
	if err != nil {
		return nil, err
	}
	for i := range state.Epochs {
		list = append(list, step{seq: state.Epochs[i].Seq, epoch: &state.Epochs[i]})
	}
	slices.SortStableFunc(list, func(a, b step) int {
		if a.seq == b.seq && (a.epoch == nil) != (b.epoch == nil) {
			if a.epoch != nil {
				return -1
			}
			return 1
		}
		return int(a.seq - b.seq)
	})
	return list, nil
}

func (r *run) decode(ctx context.Context, reg *registry.Client, rec *kgo.Record) (*change, error) {
	_, id, ok := r.spec.topics().ParseRows(rec.Topic)
	if !ok || len(rec.Headers) != 2 {
		return nil, fmt.Errorf("topic %v, %d headers", ok, len(rec.Headers))
	}
	c := &change{table: id.Name, key: string(rec.Key), tombstone: rec.Value == nil}
	var err error
	if c.seq, err = schemas.ParseSeq(rec.Headers[0].Value); err != nil {
		return nil, err
	}
	if c.op, err = schemas.ParseOp(rec.Headers[1].Value); err != nil {
		return nil, err
	}
	if c.tombstone {
		return c, nil
	}
	n, body, err := schemas.SchemaID(rec.Value)
	if err != nil {
		return nil, err
	}
	if c.schema, err = reg.Schema(ctx, n); err != nil {
		return nil, err
	}
	var env schemas.Envelope
	if err := c.schema.Split(&env, body); err != nil {
		return nil, err
	}
	if env.Op != c.op || env.Source.Seq != c.seq || env.Source.Table != c.table {
		return nil, errors.New("envelope and headers disagree")
	}
	if c.before, err = values(c.schema, env.Before); err != nil {
		return nil, err
	}
	c.after, err = values(c.schema, env.After)
	return c, err
}

func values(s *schemas.RowSchema, row cdc.Row) (map[string]string, error) {
	if row == nil {
		return nil, nil
	}
	var f schemas.Fields
	if err := f.Read(s, row); err != nil {
		return nil, err
	}
	out := map[string]string{}
	for i := range s.Table.Columns {
		out[s.Table.Columns[i].Name] = null
		if v := f.Value(i); !v.Null() {
			out[s.Table.Columns[i].Name] = string(v.AppendText(nil))
		}
	}
	return out, nil
}

func show(row map[string]string) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(row)) {
		parts = append(parts, fmt.Sprintf("%s=%q", k, row[k]))
	}
	return strings.Join(parts, " ")
}
