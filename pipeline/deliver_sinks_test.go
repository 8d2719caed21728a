package pipeline_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"chartwire/sinks"
	"chartwire/sinks/sinktest"
)

// lateSink carries calls out later than it answers: the answer is lost, and
// what was sent arrives when its caller has long gone on.
type lateSink struct {
	*sinktest.Memory
	mu     sync.Mutex
	delays []lateness
	wg     sync.WaitGroup
}

// lateness is how long a call lasts, and when after that it is carried out.
type lateness struct{ lasts, after time.Duration }

// delay makes the next call late.
func (s *lateSink) delay(lasts, after time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.delays = append(s.delays, lateness{lasts, after})
}

func (s *lateSink) pending() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.delays)
}

func (s *lateSink) wait() { s.wg.Wait() }

func (s *lateSink) Apply(ctx context.Context, writes []sinks.Write) []sinks.Result {
	s.mu.Lock()
	if len(s.delays) == 0 {
		s.mu.Unlock()
		return s.Memory.Apply(ctx, writes)
	}
	d := s.delays[0]
	s.delays = s.delays[1:]
	s.wg.Go(func() { // under the lock: who sees no delay left may wait for this
		time.Sleep(d.lasts + d.after)
		s.Memory.Apply(context.WithoutCancel(ctx), writes)
	})
	s.mu.Unlock()
	time.Sleep(d.lasts)
	results := make([]sinks.Result, len(writes))
	for i := range results {
		results[i].Err = &sinks.Unavailable{Unknown: true, Wait: 10 * time.Millisecond, Err: errors.New("connection reset")}
	}
	return results
}

// stuckSink has no room for one record, until it is told to.
type stuckSink struct {
	*sinktest.Memory
	stuck atomic.Bool
}

func (s *stuckSink) Apply(ctx context.Context, writes []sinks.Write) []sinks.Result {
	i := slices.IndexFunc(writes, func(w sinks.Write) bool { return w.Record.Key == "stuck" })
	if i < 0 || !s.stuck.Load() {
		return s.Memory.Apply(ctx, writes)
	}
	no := sinks.Result{Err: &sinks.Unavailable{Wait: time.Hour, Err: errors.New("503")}}
	return slices.Insert(s.Memory.Apply(ctx, slices.Delete(slices.Clone(writes), i, i+1)), i, no)
}

// forgetfulSink loses all its records once: they come back under other ids.
type forgetfulSink struct {
	*sinktest.Memory
	mu   sync.Mutex
	gone bool
	seen map[string]bool
}

func (s *forgetfulSink) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone, s.seen = true, map[string]bool{}
}

func (s *forgetfulSink) Apply(ctx context.Context, writes []sinks.Write) []sinks.Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.gone {
		return s.Memory.Apply(ctx, writes)
	}
	for _, w := range writes {
		if !s.seen[w.Record.ID()] {
			s.seen[w.Record.ID()] = true
			held, _ := s.Find(w.Record)
			var all []sinks.Property
			for name := range held.Properties {
				all = append(all, sinks.Property{Name: name, State: sinks.Clear})
			}
			s.Memory.Apply(ctx, []sinks.Write{{Record: w.Record, Properties: all}})
		}
	}
	results := s.Memory.Apply(ctx, writes)
	for i := range results {
		results[i].ID = "again-" + results[i].ID
	}
	return results
}
