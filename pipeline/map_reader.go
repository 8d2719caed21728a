package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"chartwire/cdc"
	"chartwire/pipeline/cut"
	"chartwire/pipeline/state"
	"chartwire/schemas"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// mapChange is one record of a row topic that was read and is not yet mapped.
type mapChange struct {
	table *mapTable
	key   string
	seq   int64
	op    cdc.Op
	read  time.Time
	value []byte // the envelope; nil: only the tombstone of a deletion is left
	// Where it stands, and the seq of what stands before it.
	part           *mapPart
	offset, before int64
}

// mapChangeOverhead is what a waiting change costs beside its bytes.
const mapChangeOverhead = 160

func (c *mapChange) bytes() int64 { return int64(len(c.key) + len(c.value) + mapChangeOverhead) }

// mapPart is one partition of a row topic. Its records come with growing seqs.
type mapPart struct {
	table     *mapTable
	partition int32
	next      int64 // the next offset to read; markers of transactions count
	seq       int64 // of the last record
	// mark is the last seq that the first cut names, and end the high watermark
	// fetched after that: when end was passed, mark was.
	mark, end int64
}

// mapSource is one source of the flow: its cuts and what was read of its rows.
type mapSource struct {
	name string
	// cut is the newest complete one: everything up to its seq has been read.
	cut *cut.Cut
	// queue holds the records of the cuts topic after it.
	queue []*cut.Cut
	parts map[string][]*mapPart // by topic
	// mem are the changes read and not mapped, in the order they came.
	mem   []mapChange
	bytes int64
	disk  int64 // changes that wait in the local state
	read  prometheus.Counter
}

// mapReader reads the topics of a flow's sources: rows, cuts, and the requests
// to map a record again.
type mapReader struct {
	m       *Map
	cl      *kgo.Client
	sources map[string]*mapSource
	cuts    map[string]*mapSource // by cuts topic
	retry   string
	state   string // the changelog's topic, if it is followed
}

// newMapReader finds the newest cut of each source and begins to read from the
// offsets of the local state on. Offsets that the topics do not have give
// errMapOffsets.
//
// A reader of a standby follows the changelog instead of the requests.
func newMapReader(ctx context.Context, m *Map, meta *state.Meta, retryFrom int64, standby bool) (*mapReader, error) {
	r := &mapReader{m: m, sources: map[string]*mapSource{}, cuts: map[string]*mapSource{}, retry: m.o.Topics.Retry(m.o.Flow)}
	from := map[string]map[int32]kgo.Offset{r.retry: {0: kgo.NewOffset().At(retryFrom)}}
	if standby {
		r.state = m.o.Topics.State(m.o.Flow)
		from = map[string]map[int32]kgo.Offset{r.state: {0: kgo.NewOffset().At(meta.Entries)}}
	}
	for _, name := range m.sources() {
		topic := m.o.Topics.Cuts(name)
		latest, next, err := cut.Latest(ctx, m.o.Connection, topic)
		if err != nil {
			return nil, fmt.Errorf("reading the newest cut of %s: %w", name, err)
		}
		s := &mapSource{name: name, parts: map[string][]*mapPart{}, read: m.metrics.changes.WithLabelValues(name)}
		r.sources[name], r.cuts[topic] = s, s
		from[topic] = map[int32]kgo.Offset{0: kgo.NewOffset().At(next)}
		if latest != nil {
			r.trim(latest)
			s.queue = append(s.queue, latest)
			r.addParts(s, latest, meta, from)
			for topic, parts := range s.parts {
				for _, p := range parts {
					p.mark = latest.Marks[topic][p.partition]
				}
			}
		}
	}
	cl, err := m.o.Connection.Client(kgo.ConsumePartitions(from), kgo.KeepControlRecords(), kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchMaxBytes(16<<20), kgo.FetchMaxPartitionBytes(4<<20), kgo.FetchMaxWait(2*time.Second))
	if err != nil {
		return nil, err
	}
	r.cl = cl
	if err := r.bound(ctx, retryFrom); err != nil {
		cl.Close()
		return nil, err
	}
	return r, nil
}

var errMapOffsets = errors.New("a topic has not the offsets that the local state was read to")

// bound fetches the high watermarks, after the cuts were read, and compares the
// topics with the offsets from which they are to be read.
func (r *mapReader) bound(ctx context.Context, retryFrom int64) error {
	var topics []string
	for _, s := range r.sources {
		for topic := range s.parts {
			topics = append(topics, topic)
		}
	}
	topics = append(topics, r.retry)
	adm := kadm.NewClient(r.cl)
	starts, err := adm.ListStartOffsets(ctx, topics...)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		return fmt.Errorf("listing start offsets: %w", err)
	}
	ends, err := adm.ListEndOffsets(ctx, topics...)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return fmt.Errorf("listing end offsets: %w", err)
	}
	within := func(topic string, partition int32, next int64) (int64, bool) {
		start, _ := starts.Lookup(topic, partition)
		end, ok := ends.Lookup(topic, partition)
		return end.Offset, ok && start.Offset <= next && next <= end.Offset
	}
	for _, s := range r.sources {
		for topic, parts := range s.parts {
			for _, p := range parts {
				var ok bool
				if p.end, ok = within(topic, p.partition, p.next); !ok {
					return fmt.Errorf("%s/%d at offset %d: %w", topic, p.partition, p.next, errMapOffsets)
				}
			}
		}
	}
	if _, ok := within(r.retry, 0, retryFrom); !ok {
		return fmt.Errorf("%s at offset %d: %w", r.retry, retryFrom, errMapOffsets)
	}
	return nil
}

// addParts takes up the partitions of the flow's topics that a cut names first.
func (r *mapReader) addParts(s *mapSource, c *cut.Cut, meta *state.Meta, from map[string]map[int32]kgo.Offset) {
	for topic, n := range c.Partitions {
		table := r.tableOf(topic)
		if table == nil || s.parts[topic] != nil {
			continue
		}
		from[topic] = map[int32]kgo.Offset{}
		for p := range int32(n) {
			o, _ := meta.Offset(topic, p)
			s.parts[topic] = append(s.parts[topic], &mapPart{table: table, partition: p, next: o.Next, seq: o.Seq})
			from[topic][p] = kgo.NewOffset().At(o.Next)
		}
	}
}

func (r *mapReader) tableOf(topic string) *mapTable {
	source, id, ok := r.m.o.Topics.ParseRows(topic)
	if !ok {
		return nil
	}
	return r.m.tables[state.Table{Source: source, TableID: id}]
}

// mapReading takes what a poll brings.
type mapReading struct {
	change func(*mapSource, *mapChange) error
	retry  func(*kgo.Record) error
	entry  func(*kgo.Record) error
}

// poll waits at most that long for records and hands them on.
func (r *mapReader) poll(ctx context.Context, wait time.Duration, meta *state.Meta, to mapReading) error {
	pollCtx, cancel := context.WithTimeout(ctx, wait)
	fetches := r.cl.PollRecords(pollCtx, 20_000)
	cancel()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	for _, e := range fetches.Errors() {
		if !errors.Is(e.Err, context.DeadlineExceeded) {
			return fmt.Errorf("reading %s/%d: %w", e.Topic, e.Partition, e.Err)
		}
	}
	for it := fetches.RecordIter(); !it.Done(); {
		if err := r.take(it.Next(), meta, to); err != nil {
			return err
		}
	}
	return nil
}

func (r *mapReader) take(rec *kgo.Record, meta *state.Meta, to mapReading) error {
	if s := r.cuts[rec.Topic]; s != nil {
		if rec.Attrs.IsControl() {
			return nil
		}
		return r.takeCut(s, rec, meta)
	}
	if rec.Topic == r.retry {
		if rec.Attrs.IsControl() {
			return nil
		}
		return to.retry(rec)
	}
	if rec.Topic == r.state {
		if rec.Attrs.IsControl() {
			return nil
		}
		return to.entry(rec)
	}
	table := r.tableOf(rec.Topic)
	if table == nil {
		return nil
	}
	s := r.sources[table.id.Source]
	p := s.parts[rec.Topic][rec.Partition]
	if rec.Attrs.IsControl() {
		p.next = rec.Offset + 1
		return nil
	}
	if err := r.takeRow(s, p, rec, to); err != nil {
		return fmt.Errorf("%s/%d at offset %d: %w", rec.Topic, rec.Partition, rec.Offset, err)
	}
	p.next = rec.Offset + 1 // not before: it may be saved on the way
	return nil
}

func (r *mapReader) takeRow(s *mapSource, p *mapPart, rec *kgo.Record, to mapReading) error {
	c, err := p.change(rec)
	if err != nil {
		return unreadable(err)
	}
	if c.seq <= p.seq {
		// The tombstone after a deletion has its seq.
		if c.value != nil || c.seq < p.seq {
			r.m.metrics.stale.Inc()
		}
		return nil
	}
	if err := to.change(s, &c); err != nil {
		return err
	}
	p.seq = c.seq
	s.read.Inc()
	return nil
}

func (p *mapPart) change(rec *kgo.Record) (mapChange, error) {
	c := mapChange{table: p.table, key: string(rec.Key), read: rec.Timestamp, value: rec.Value, part: p, offset: rec.Offset, before: p.seq}
	var err error
	seen := 0
	for _, h := range rec.Headers {
		switch h.Key {
		case schemas.HeaderSeq:
			c.seq, err = schemas.ParseSeq(h.Value)
		case schemas.HeaderOp:
			c.op, err = schemas.ParseOp(h.Value)
		default:
			continue
		}
		if err != nil {
			return c, err
		}
		seen++
	}
	if seen != 2 {
		return c, fmt.Errorf("record has not the headers %s and %s", schemas.HeaderSeq, schemas.HeaderOp)
	}
	if rec.Value == nil {
		c.op = cdc.Delete
	}
	return c, nil
}

func (r *mapReader) takeCut(s *mapSource, rec *kgo.Record, meta *state.Meta) error {
	c, err := cut.Decode(rec.Value)
	if err != nil {
		return fmt.Errorf("%s at offset %d: %w", rec.Topic, rec.Offset, err)
	}
	if s.cut == nil && len(s.queue) == 0 && !c.Full {
		return nil // nothing is known before the first full one
	}
	r.trim(c)
	from := map[string]map[int32]kgo.Offset{}
	r.addParts(s, c, meta, from)
	if len(from) > 0 {
		r.cl.AddConsumePartitions(from)
	}
	s.queue = append(s.queue, c)
	return nil
}

// advance makes the newest complete cut of the queue the source's, and reports
// whether there was one.
func (s *mapSource) advance() bool {
	last := -1
	for i, c := range s.queue {
		if !s.complete(c) {
			break
		}
		if !c.Inside() {
			last = i
		}
	}
	if last < 0 {
		return false
	}
	for _, c := range s.queue[:last+1] {
		if s.cut == nil {
			s.cut = new(cut.Cut)
		}
		s.cut.Fold(c)
	}
	s.queue = slices.Delete(s.queue, 0, last+1)
	return true
}

// complete reports whether every partition was read as far as the cut says. A
// mark of the first cut that was compacted away is passed by reading to the end
// that was there after the cut.
func (s *mapSource) complete(c *cut.Cut) bool {
	for topic, marks := range c.Marks {
		for p, mark := range marks {
			parts := s.parts[topic]
			if int(p) >= len(parts) {
				return false
			}
			if p := parts[p]; p.seq < mark && (mark > p.mark || p.next < p.end) {
				return false
			}
		}
	}
	return true
}

// trim forgets what a cut says of topics that the flow does not read.
func (r *mapReader) trim(c *cut.Cut) {
	for topic := range c.Marks {
		if r.tableOf(topic) == nil {
			delete(c.Marks, topic)
		}
	}
}
