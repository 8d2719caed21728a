package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"chartwire/cdc"
	"chartwire/pipeline/broker"
	"chartwire/pipeline/holds"
	"chartwire/pipeline/lanes"
	"chartwire/pipeline/lease"
	"chartwire/pipeline/writes"
	"chartwire/schemas"
	"chartwire/sinks"

	"github.com/prometheus/client_golang/prometheus"
)

// DeliverOptions say what a Deliver delivers, and with what means.
type DeliverOptions struct {
	Sink sinks.Sink
	// Flows are those whose mutations go to the sink.
	Flows      []string
	Connection broker.Config
	Topics     schemas.Topics
	// Dir is the folder of the local copy of the shadow. Deleting it costs
	// time, nothing else. Processes on one machine may share it.
	Dir string
	// Fingerprint is that of the configuration: see lease.Options.
	Fingerprint string
	// CallTimeout is the longest that one Apply of the sink takes, and that the
	// destination takes to carry out what it was sent; 0 means 10 s. Twice as
	// long records in doubt are left alone after a take-over.
	CallTimeout time.Duration
	// Calls bounds the calls in the air; 0 means 8. The last is for safety.
	Calls int
	// Hold says, by flow, what is too much to take away without a person. A flow
	// that is not in it has the defaults.
	Hold map[string]HoldLimit
	// Window bounds what waits in memory in each lane; 0 means 10,000 arrivals
	// and 16 MiB.
	Window  lanes.Limit
	Log     *slog.Logger          // nil: slog.Default()
	Metrics prometheus.Registerer // nil: none
}

// Deliver brings the mutations of its flows to one sink, and keeps the shadow.
//
// What holds:
//
//   - An offset is saved only after every mutation before it is applied,
//     suppressed, parked or a dead letter; in the Kafka transaction that also
//     holds what was learned from it.
//   - A value never overwrites one of a newer mutation, whatever lane each took.
//   - A record in doubt is written whole, and what the destination says counts.
//   - One record has one call in the air, and one for its links. No call starts
//     after the lease.
//   - A refusal is one record's, or one property's, and holds up nothing else.
type Deliver struct {
	o       DeliverOptions
	log     *slog.Logger
	metrics *deliverMetrics
	ahead   int64
	// firstAsk is how soon after a halt the sink is asked again.
	firstAsk time.Duration
	status   atomic.Pointer[DeliverStatus]
	trouble  trouble
}

// NewDeliver checks the options. Everything wrong is in the error.
func NewDeliver(o DeliverOptions) (*Deliver, error) {
	var errs []error
	need := func(ok bool, text string) {
		if !ok {
			errs = append(errs, errors.New("deliver: "+text))
		}
	}
	need(o.Sink != nil, "no sink")
	need(len(o.Flows) > 0, "no flows")
	need(o.Dir != "", "no folder for the local state")
	need(o.CallTimeout >= 0 && o.Calls >= 0 && o.Window.Records >= 0 && o.Window.Bytes >= 0, "a negative duration, number or size")
	for _, l := range o.Hold {
		errs = append(errs, l.check())
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	o.Flows = slices.Clone(o.Flows)
	slices.Sort(o.Flows)
	o.Flows = slices.Compact(o.Flows)
	if o.CallTimeout == 0 {
		o.CallTimeout = 10 * time.Second
	}
	if o.Calls == 0 {
		o.Calls = 8
	}
	if o.Window.Records == 0 {
		o.Window.Records = 10_000
	}
	if o.Window.Bytes == 0 {
		o.Window.Bytes = 16 << 20
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	d := &Deliver{o: o, ahead: ahead, firstAsk: firstAsk, log: o.Log.With("sink", o.Sink.Name())}
	d.status.Store(&DeliverStatus{Sink: o.Sink.Name()})
	return d, nil
}

// Run delivers until ctx ends (nil) or a person must decide (a [*cdc.Halt]). It
// stands by while another process holds the sink. When ctx ends, the calls in
// the air are finished and what is done is saved.
func (d *Deliver) Run(ctx context.Context) error {
	metrics, err := newDeliverMetrics(d.o.Metrics, d.o.Sink.Name())
	if err != nil {
		return err
	}
	d.metrics = metrics
	defer metrics.unregister()
	err = d.prepare(ctx)
	if err == nil {
		warm := &deliverStandby{d: d}
		warm.start(ctx)
		err = warm.end(lease.Run(ctx, lease.Options{
			Connection: d.o.Connection, Topics: d.o.Topics, Stage: "deliver", Name: d.o.Sink.Name(),
			Fingerprint: d.o.Fingerprint, Log: d.log, Metrics: d.o.Metrics, Trouble: d.trouble.is,
		}, func(work context.Context, p *lease.Producer) error {
			defer warm.start(ctx)
			return d.hold(work, p, warm)
		}))
	}
	s := &DeliverStatus{Sink: d.o.Sink.Name()}
	if s.HaltCode = cdc.HaltCode(err); s.HaltCode != "" {
		s.Halt = err.Error()
	}
	d.status.Store(s)
	return err
}

// prepare opens the sink and creates the topics: what a standby can do too.
func (d *Deliver) prepare(ctx context.Context) error {
	for wait := d.firstAsk / 5; ; wait = min(2*wait, lastAsk) {
		err := d.o.Sink.Open(ctx)
		s := &DeliverStatus{Sink: d.o.Sink.Name()}
		switch {
		case cdc.HaltCode(err) != "":
			// Whoever mends it should not have to start us again.
			wait = max(wait, d.firstAsk)
			s.Halt, s.HaltCode, s.Retry = err.Error(), cdc.HaltCode(err), time.Now().Add(wait)
			d.log.Error("halted until the cause has passed", "err", err, "retry_in", wait)
		default:
			terr := d.ensureTopics(ctx)
			err = errors.Join(err, terr)
			d.trouble.is(err)
			if err == nil {
				d.status.Store(s)
				return nil
			}
			if cdc.HaltCode(terr) != "" {
				return err
			}
			d.log.Error("preparing to deliver", "err", err, "retry_in", wait)
		}
		d.status.Store(s)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

func (d *Deliver) ensureTopics(ctx context.Context) error {
	cl, err := d.o.Connection.Client()
	if err != nil {
		return err
	}
	defer cl.Close()
	name := d.o.Sink.Name()
	all := []broker.Topic{broker.Compacted(d.o.Topics.Shadow(name)), broker.Compacted(d.o.Topics.DeadLetters(name)),
		holds.Topic(d.o.Topics), broker.Log(d.o.Topics.Audit())}
	for _, flow := range d.o.Flows {
		for _, lane := range sinks.Lanes {
			all = append(all, writes.Topic(d.o.Topics, name, flow, lane))
		}
	}
	return broker.EnsureTopics(ctx, cl, d.o.Connection, all...)
}

// hold is one term of holding the sink.
func (d *Deliver) hold(ctx context.Context, p *lease.Producer, warm *deliverStandby) error {
	taken := time.Now()
	// Who stands by again must not look like a holder that does not move.
	defer func() { d.status.Store(&DeliverStatus{Sink: d.o.Sink.Name()}) }()
	store, err := warm.take(ctx)
	if err != nil {
		return fmt.Errorf("starting to deliver to %s: %w", d.o.Sink.Name(), err)
	}
	t, err := d.newTerm(ctx, p, store, taken)
	if err == nil {
		err = t.run(ctx)
	}
	if err != nil {
		return fmt.Errorf("delivering to %s: %w", d.o.Sink.Name(), err)
	}
	return nil
}
