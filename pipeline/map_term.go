package pipeline

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"time"

	"chartwire/pipeline/broker"
	"chartwire/pipeline/lease"
	"chartwire/pipeline/mapping"
	"chartwire/pipeline/state"
	"chartwire/pipeline/writes"
	"chartwire/sinks"

	"github.com/twmb/franz-go/pkg/kgo"
)

// mapTerm is one term of holding the flow: from reading what is done to the
// loss of the lease. It is for one goroutine; evaluating uses more.
type mapTerm struct {
	m        *Map
	p        *lease.Producer
	db       *state.DB
	r        *mapReader
	progress mapProgress
	schemas  *mapSchemas
	workers  []*mapWorker
	stateTo  string    // the changelog's topic
	joins    *mapJoins // nil: every map is of one table, and none rests

	// apply collects rows that were mapped before, until flushApply.
	apply *state.Batch
	// done are the seqs of the sources in the committed progress.
	done map[string]int64
	// entries are the entries of the changelog that the open transaction
	// writes; nil deletes.
	entries map[string][]byte
	// gone holds by table the newest epoch that was carried out, and torn names
	// those of which another term has written deletions and did not finish: what
	// the state says of their rows may be in no record any more.
	gone map[string]int64
	torn map[string]bool

	// open says of which maps there are refused values whose letters may have to
	// be closed. Workers read it.
	open map[*mapping.Map]bool

	clocks map[*mapping.Map]mapClock // those of the progress

	requests []mapRequest // to map a record again
	dirty    bool         // the progress is not committed as it is
	beat     time.Time    // when heartbeats were last written
	saved    time.Time    // when the progress was last committed
	flushed  time.Time    // when the local state was last sent to disk
	looked   time.Time    // when status and gauges were last set
	swept    time.Time    // when refills were last looked at
	rest     time.Time    // until when work without a deadline waits for the sources
}

func (m *Map) emptyTerm(db *state.DB) *mapTerm {
	t := &mapTerm{m: m, db: db, stateTo: m.o.Topics.State(m.o.Flow), entries: map[string][]byte{}, gone: map[string]int64{}, open: map[*mapping.Map]bool{},
		schemas: &mapSchemas{find: m.o.Schema}, saved: time.Now(), flushed: time.Now()}
	t.joins = t.newJoins()
	return t
}

func (m *Map) newTerm(ctx context.Context, p *lease.Producer, db *state.DB) (*mapTerm, error) {
	t := m.emptyTerm(db)
	t.p = p
	if err := t.ensureTopics(ctx); err != nil {
		return nil, err
	}
	if err := t.load(ctx); err != nil {
		return nil, err
	}
	if err := t.read(ctx, false); err != nil {
		return nil, err
	}
	for range runtime.GOMAXPROCS(0) {
		t.workers = append(t.workers, t.newWorker())
	}
	if err := t.startRefusals(); err != nil {
		t.close()
		return nil, err
	}
	t.startMaps()
	t.startClocks()
	if err := t.startRows(ctx); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

// read begins to read the topics. A local state that they have left behind is
// begun anew.
func (t *mapTerm) read(ctx context.Context, standby bool) (err error) {
	t.r, err = newMapReader(ctx, t.m, t.db.Meta(), t.progress.Retry, standby)
	if errors.Is(err, errMapOffsets) {
		t.m.log.Warn("local state is rebuilt from Kafka", "reason", err)
		if err = t.reload(ctx); err == nil {
			t.r, err = newMapReader(ctx, t.m, t.db.Meta(), t.progress.Retry, standby)
		}
	}
	return err
}

func (t *mapTerm) close() {
	if t.apply != nil {
		t.apply.Discard()
	}
	if t.joins != nil {
		t.joins.touched.close()
	}
	t.r.cl.Close()
}

// ensureTopics creates the topics that Map writes, and those it reads and
// others may not have created yet. Row topics come with the cuts that name them.
func (t *mapTerm) ensureTopics(ctx context.Context) error {
	o := t.m.o
	topics := []broker.Topic{broker.Compacted(t.stateTo), broker.Compacted(o.Topics.Retry(o.Flow))}
	for _, s := range t.m.sources() {
		topics = append(topics, broker.Cuts(o.Topics.Cuts(s)))
	}
	for _, sink := range o.Program.Sinks() {
		topics = append(topics, broker.Compacted(o.Topics.DeadLetters(sink)))
		for _, lane := range sinks.Lanes {
			topics = append(topics, writes.Topic(o.Topics, sink, o.Flow, lane))
		}
	}
	cl, err := o.Connection.Client()
	if err != nil {
		return err
	}
	defer cl.Close()
	return broker.EnsureTopics(ctx, cl, o.Connection, topics...)
}

// load brings the local copy of the changelog to its end and reads the
// progress. A local state that is ahead of it belongs to another history.
func (t *mapTerm) load(ctx context.Context) error {
	end, err := t.loadEntries(ctx)
	if err != nil {
		return err
	}
	leads := end < t.db.Meta().Entries
	for s, seq := range t.db.Meta().Seqs {
		leads = leads || seq > t.progress.Sources[s].Seq
	}
	if leads {
		t.m.log.Warn("local state is rebuilt from Kafka", "reason", "it is ahead of the flow's progress")
		return t.reload(ctx)
	}
	return nil
}

// reload begins the local state anew.
func (t *mapTerm) reload(ctx context.Context) error {
	if err := t.db.Reset(); err != nil {
		return err
	}
	_, err := t.loadEntries(ctx)
	return err
}

func (t *mapTerm) loadEntries(ctx context.Context) (end int64, err error) {
	b := t.db.Batch()
	from := b.Meta.Entries
	ends, err := broker.ScanFrom(ctx, t.m.o.Connection, broker.Offsets{t.stateTo: {0: from}}, func(r *kgo.Record) error {
		b.PutEntry(string(r.Key), r.Value)
		b.Meta.Entries = r.Offset + 1
		if b.Bytes() < mapBatchBytes {
			return nil
		}
		err := b.Commit()
		b = t.db.Batch()
		return err
	})
	if err != nil {
		b.Discard()
		return 0, fmt.Errorf("reading the changelog: %w", err)
	}
	if err := b.Commit(); err != nil {
		return 0, err
	}
	t.progress = mapProgress{}
	value, err := t.db.Entry(progressKey)
	if err == nil && value != nil {
		err = decodeEntry(progressKey, value, &t.progress)
	}
	if t.progress.Sources == nil {
		t.progress.Sources = map[string]mapSourceProgress{}
	}
	if t.progress.Maps == nil {
		t.progress.Maps = map[string]mapMapProgress{}
	}
	if t.progress.Swept == nil {
		t.progress.Swept = map[string]int64{}
	}
	if t.progress.SweptAt == nil {
		t.progress.SweptAt = map[string]int64{}
	}
	if t.progress.Filled == nil {
		t.progress.Filled = map[string]mapFilled{}
	}
	if t.progress.Sweeping == nil {
		t.progress.Sweeping = map[string]bool{}
	}
	t.torn = maps.Clone(t.progress.Sweeping)
	t.progressDone()
	return ends[t.stateTo][0], err
}

// progressDone takes note that the progress is committed.
func (t *mapTerm) progressDone() {
	t.done = map[string]int64{}
	for s, p := range t.progress.Sources {
		t.done[s] = p.Seq
	}
}

const (
	// mapBatchBytes is the size of a batch of the local state.
	mapBatchBytes = 4 << 20
	// mapChunk is how many entities are evaluated before looking at the size of
	// the transaction.
	mapChunk = 1024
	// mapIdle is how often progress is committed that nothing hangs on.
	mapIdle = time.Second
	// mapLook is how often status and gauges are set.
	mapLook = 100 * time.Millisecond
	// mapFlush bounds what a crash makes read again.
	mapFlush = 30 * time.Second
)

// run maps until ctx ends, which it returns the cause of, or something fails.
func (t *mapTerm) run(ctx context.Context) error {
	t.m.setStatus(func(s *MapStatus) { s.Holding, s.Rebuilding, s.Halt = true, true, "" })
	defer t.m.setStatus(func(s *MapStatus) { s.Holding = false })
	reading := mapReading{
		change: func(s *mapSource, c *mapChange) error { return t.takeChange(ctx, s, c) },
		retry:  t.takeRequest,
	}
	busy := false
	for {
		wait := 100 * time.Millisecond
		switch {
		case busy:
			wait = time.Millisecond
		case t.joins != nil && t.joins.ready():
			wait = t.joins.pending.wait(wait)
		}
		err := t.r.poll(ctx, wait, t.db.Meta(), reading)
		if err == nil {
			busy, err = t.step(ctx)
		}
		if err != nil {
			return errors.Join(err, t.flushApply())
		}
	}
}

// step does what can be done after a poll. It reports whether there is more to
// do than to wait.
func (t *mapTerm) step(ctx context.Context) (busy bool, err error) {
	for _, s := range t.r.sources {
		first := s.cut == nil
		if !s.advance() {
			continue
		}
		if err := t.reshape(ctx, s); err != nil {
			return false, err
		}
		if err := t.mapCut(ctx, s, first); err != nil {
			return false, err
		}
		busy = true
	}
	if t.joins != nil {
		more, err := t.joins.step(ctx)
		if err != nil {
			return false, err
		}
		busy = busy || more
	}
	if err := t.mapRequests(ctx); err != nil {
		return false, err
	}
	more, err := t.background(ctx, busy)
	if err != nil {
		return false, err
	}
	return busy || more, t.idle(ctx)
}

// background does some of what has no deadline. While the sources are busy it
// takes half of the time at most, and never none.
func (t *mapTerm) background(ctx context.Context, busy bool) (more bool, err error) {
	start := time.Now()
	if busy && start.Before(t.rest) {
		return false, nil
	}
	if start.Sub(t.swept) >= mapLook {
		t.swept = start
		if more, err = t.sweepStep(ctx); err != nil {
			return false, err
		}
	}
	remaps, err := t.remapStep(ctx)
	days := false
	if err == nil {
		days, err = t.dayStep(ctx)
	}
	t.rest = time.Now().Add(time.Since(start))
	return more || remaps || days, err
}

// idle does what is due from time to time.
func (t *mapTerm) idle(ctx context.Context) error {
	now := time.Now()
	if t.dirty && now.Sub(t.saved) >= mapIdle {
		if err := t.commit(ctx); err != nil {
			return err
		}
	}
	if now.Sub(t.flushed) >= mapFlush {
		t.flushed = now
		if err := t.flushApply(); err != nil {
			return err
		}
		if err := t.db.Flush(); err != nil {
			return err
		}
	}
	if now.Sub(t.looked) >= mapLook {
		t.looked = now
		t.look(true)
	}
	return nil
}

// look sets status and gauges.
func (t *mapTerm) look(holding bool) {
	s := MapStatus{Holding: holding, Version: t.progress.Version, Bytes: t.db.Bytes(), Misfits: t.m.shapes.misfits, Sources: map[string]MapSourceStatus{}}
	for name, src := range t.r.sources {
		done := t.progress.Sources[name]
		st := MapSourceStatus{Seq: done.Seq, Low: done.Low, Commit: done.Commit, Cut: done.Cut}
		s.Rebuilding = s.Rebuilding || holding && src.cut == nil && len(src.queue) > 0
		if n := len(src.queue); n > 0 && !done.Cut.IsZero() {
			st.Behind = max(0, src.queue[n-1].Time.Sub(done.Cut))
		}
		s.Sources[name] = st
		s.Waiting += int64(len(src.mem)) + src.disk
	}
	for _, m := range t.m.o.Program.Maps {
		if p := t.progress.Maps[mapID(m)]; p.Remap && !p.Off {
			s.Remapping = append(s.Remapping, m.Name)
		}
	}
	for _, m := range t.m.o.Program.Maps {
		if c, ok := t.clocks[m]; ok {
			if s.Days == nil {
				s.Days = map[string]string{}
			}
			s.Days[m.Name] = time.Unix(c.Day*86400, 0).UTC().Format(time.DateOnly)
		}
	}
	for _, seq := range t.progress.Swept {
		s.Swept = max(s.Swept, seq)
	}
	if t.joins != nil {
		s.Pending = t.joins.left()
		t.m.metrics.pending.Set(float64(s.Pending))
	}
	t.m.metrics.waiting.Set(float64(s.Waiting))
	t.m.metrics.bytes.Set(float64(s.Bytes))
	t.m.setStatus(func(old *MapStatus) { *old = s })
}
