package pipeline

import (
	"context"
	"slices"
	"time"

	"chartwire/pipeline/lease"
	"chartwire/pipeline/state"

	"github.com/twmb/franz-go/pkg/kgo"
)

// mapStandby keeps the local state warm while another process holds the flow:
// it follows the changelog, and the rows as far as the progress in it says that
// they are mapped. What is not yet mapped waits, as in the holder.
type mapStandby struct {
	m      *Map
	db     *state.DB
	cancel context.CancelFunc
	done   chan struct{}
}

// start begins to follow, unless the lease is had soon.
func (w *mapStandby) start(ctx context.Context) {
	ctx, w.cancel = context.WithCancel(ctx)
	w.done = make(chan struct{})
	go func() {
		defer close(w.done)
		wait := 2 * lease.Term
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(wait):
			}
			if err := w.m.follow(ctx, w.db); err != nil && ctx.Err() == nil {
				w.m.log.Warn("keeping the local state warm", "err", err, "retry_in", wait)
			}
		}
	}()
}

// stop returns when the local state is nobody's.
func (w *mapStandby) stop() {
	w.cancel()
	<-w.done
}

// follow keeps the state warm until ctx ends or something fails.
func (m *Map) follow(ctx context.Context, db *state.DB) error {
	t := m.emptyTerm(db)
	if err := t.load(ctx); err != nil {
		return err
	}
	if err := t.read(ctx, true); err != nil {
		return err
	}
	defer t.close()
	if err := t.startRows(ctx); err != nil {
		return err
	}
	f := &mapFollower{mapTerm: t}
	reading := mapReading{
		change: func(s *mapSource, c *mapChange) error { return t.takeChange(ctx, s, c) },
		entry:  f.takeEntry,
	}
	for {
		err := t.r.poll(ctx, mapIdle, db.Meta(), reading)
		if err == nil {
			err = f.warm(ctx)
		}
		if err != nil {
			if ctx.Err() != nil {
				return t.flushApply()
			}
			return err
		}
	}
}

// mapFollower is a term without the lease.
type mapFollower struct {
	*mapTerm
	next   *mapProgress // the newest that was read and that the rows do not show
	warmed time.Time
}

// takeEntry takes a record of the changelog that the holder wrote.
func (f *mapFollower) takeEntry(r *kgo.Record) error {
	b := f.batch()
	b.PutEntry(string(r.Key), r.Value)
	b.Meta.Entries = r.Offset + 1
	if string(r.Key) == progressKey {
		f.next = new(mapProgress)
		return decodeEntry(progressKey, r.Value, f.next)
	}
	return nil
}

// warm puts into the rows what the newest progress says is mapped. Looking
// through what waits on disk takes its time, and is done once a second.
func (f *mapFollower) warm(ctx context.Context) error {
	if f.joins != nil {
		if err := f.joins.followStep(ctx); err != nil {
			return err
		}
	}
	disk := false
	for _, s := range f.r.sources {
		s.advance()
		disk = disk || s.disk > 0
	}
	if now := time.Now(); f.next != nil && (!disk || now.Sub(f.warmed) >= mapIdle) {
		f.progress, f.next, f.warmed = *f.next, nil, now
		f.progressDone()
		if f.joins != nil {
			f.joins.follow()
		}
		for _, s := range f.r.sources {
			if err := f.warmSource(ctx, s); err != nil {
				return err
			}
		}
	}
	if err := f.flushApply(); err != nil {
		return err
	}
	now := time.Now()
	if now.Sub(f.looked) >= mapLook {
		f.looked = now
		f.look(false)
	}
	if now.Sub(f.flushed) < mapFlush {
		return nil
	}
	f.flushed = now
	return f.db.Flush()
}

func (f *mapFollower) warmSource(ctx context.Context, s *mapSource) error {
	if s.cut != nil {
		if err := f.forgetTo(ctx, s, s.cut.Epochs); err != nil {
			return err
		}
	}
	seq := f.done[s.name]
	if s.disk > 0 {
		if err := f.spill(s); err != nil {
			return err
		}
		return f.applyWaiting(ctx, s, seq)
	}
	for i := range s.mem {
		if s.mem[i].seq <= seq {
			if err := f.applyTo(ctx, f.batch(), &s.mem[i]); err != nil {
				return err
			}
		}
	}
	s.drop(seq)
	return nil
}

// follow takes up the progress of the process that holds the flow.
func (j *mapJoins) follow() {
	j.followed = true
	clear(j.loading)
	for _, name := range j.t.m.sources() {
		p := j.t.progress.Sources[name]
		j.low[name] = p.lowMark()
		for _, text := range p.Loading {
			if id, _, err := state.ParseTable(text); err == nil && j.t.m.tables[id] != nil {
				j.loading[j.t.m.tables[id]] = true
			}
		}
	}
}

// followStep keeps the entities warm that are still to be mapped: those of
// touched rows are found, those that the holder has mapped go.
func (j *mapJoins) followStep(ctx context.Context) error {
	if !j.ready() {
		return nil
	}
	if _, err := j.climbStep(ctx); err != nil {
		return err
	}
	q := j.pending
	if j.followed {
		j.followed = false
		for _, p := range slices.Clone(q.order) {
			if j.done(&p.Pending) {
				q.drop(p)
				j.t.batch().DeletePending(p.join.id, p.entity)
			}
		}
	}
	if len(q.outside) > 0 {
		if _, _, err := q.scan(nil, time.Time{}, mapDue); err != nil {
			return err
		}
	}
	return j.t.flushApply()
}
