package pipeline

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"chartwire/cdc"
)

// flowHalt is why a flow stopped.
type flowHalt struct {
	*cdc.Halt
	// asked says that the sink is asked again and again whether the cause has
	// passed: somebody mends credentials, or creates a property.
	asked bool
}

// asking is when the sink is asked next whether halts are over.
type asking struct {
	next   time.Time
	wait   time.Duration
	flying bool
	over   time.Time // when halts were last over
}

const (
	firstAsk = 5 * time.Second
	lastAsk  = time.Minute
)

// halt stops a flow: nothing more of it is read or sent. Its offsets stay where
// they are. With ask it goes on when the sink says that it may.
func (t *term) halt(flow string, h *cdc.Halt, ask bool) {
	if t.halts[flow] != nil {
		return
	}
	now := time.Now()
	if ask && t.ask.next.IsZero() {
		if now.Sub(t.ask.over) > 10*lastAsk {
			t.ask.wait = 0
		}
		t.asksAgain(now)
	}
	if ask {
		t.log.Error("flow halted", "flow", flow, "err", h, "retry_in", t.ask.next.Sub(now).Round(time.Millisecond))
	} else {
		t.log.Error("flow halted", "flow", flow, "err", h)
	}
	t.metrics.halts.WithLabelValues(flow, h.Code).Set(1)
	t.stopReading(flow)
	t.halts[flow] = &flowHalt{Halt: h, asked: ask}
}

func (t *term) asksAgain(now time.Time) {
	t.ask.wait = min(max(2*t.ask.wait, t.firstAsk), lastAsk)
	t.ask.next = now.Add(t.ask.wait)
}

// mayAsk asks the sink whether halts are over, when it is time to.
func (t *term) mayAsk(now time.Time, work context.Context, wg *sync.WaitGroup) {
	if t.ask.next.IsZero() || now.Before(t.ask.next) || t.ask.flying || !now.Before(t.p.Until()) {
		return
	}
	for flow, h := range t.halts {
		if h.asked && t.queue.Flies(flow) { // what is in the air comes back first
			return
		}
	}
	t.ask.flying = true
	wg.Go(func() {
		ctx, cancel := context.WithTimeout(work, time.Minute)
		defer cancel()
		t.asked <- t.o.Sink.Open(ctx)
	})
}

// answeredHalt takes in what the sink said: without an error flows go on.
func (t *term) answeredHalt(err error, now time.Time) {
	t.ask.flying = false
	if err != nil {
		t.asksAgain(now)
		if t.counts.due("halted", now) {
			t.log.Error("flows stay halted", "err", err, "retry_in", t.ask.wait)
		}
		return
	}
	t.ask.next, t.ask.over = time.Time{}, now
	for flow, h := range t.halts {
		if h.asked {
			t.log.Info("flow goes on: what halted it is over", "flow", flow, "code", h.Code)
			t.metrics.halts.DeleteLabelValues(flow, h.Code)
			delete(t.halts, flow)
			t.resume(flow)
		}
	}
}

// resume reads a halted flow again from where its offsets stand. Nothing of it
// is in the air.
func (t *term) resume(flow string) {
	if t.flows[flow].next != nil {
		return // it is about to be held or released, and read again then
	}
	t.stopReading(flow) // what came back since it was halted
	t.readAgain(flow, (*partition).mark)
}

// allHalted gives the halts once no flow is left that moves or may move again.
func (t *term) allHalted() error {
	if len(t.halts) < len(t.o.Flows) {
		return nil
	}
	var errs []error
	for _, flow := range t.o.Flows {
		if t.halts[flow].asked {
			return nil
		}
		errs = append(errs, fmt.Errorf("flow %s: %w", flow, t.halts[flow]))
	}
	return errors.Join(errs...)
}

func laterOf(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
