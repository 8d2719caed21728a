package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"chartwire/cdc"
	"chartwire/pipeline/broker"
	"chartwire/pipeline/cut"
	"chartwire/pipeline/lease"
	"chartwire/pipeline/orders"
	"chartwire/schemas"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"
)

// CaptureOptions says what is captured, and to where.
type CaptureOptions struct {
	Source     string     // the source's name in the configuration
	Stream     cdc.Stream // its transactions
	Connection broker.Config
	Topics     schemas.Topics
	// Register gives the id of a schema under a topic's subject, registering it
	// if it is new: [registry.Client.Register].
	Register func(ctx context.Context, topic string, s *schemas.RowSchema) (int, error)
	// Tables are those that the stream may bring. Their topics are made at the
	// start, with Partitions' number of partitions (nil: one each); that of a
	// topic that exists can no longer change.
	Tables     []cdc.TableID
	Partitions map[cdc.TableID]int
	// Added is the number of partitions of a table that an order adds; 0 means 1.
	Added int
	// Memory bounds, in bytes, what the capture holds of changes that the brokers
	// have not taken, in full batches; 0 means [DefaultCaptureMemory].
	Memory int
	// Window is the replay window: how long row topics keep what was replaced
	// or deleted. 0 means 14 days.
	Window time.Duration

	Fingerprint string                // of the configuration: see lease.Options
	Log         *slog.Logger          // nil: slog.Default()
	Metrics     prometheus.Registerer // nil: none
}

// Capture writes the changes of one source to its row topics, and with each
// Kafka transaction the cut that says how far the source has been read.
//
// One goroutine takes transactions from the stream and makes records of them;
// another sends and commits them. While a Kafka transaction is committed the
// next is collected, and how long it is collected adapts to how much comes:
// nothing waits when capture has caught up, up to 150 ms on a backlog, whose
// records are sent meanwhile. Memory is bounded by the bytes of
// the batches that the brokers have not taken.
//
// A source transaction that comes in pieces may be written in several,
// with checkpoints that are no cuts: a restart goes on inside it, a reader
// waits for its end.
type Capture struct {
	o       CaptureOptions
	log     *slog.Logger
	metrics *captureMetrics

	trouble trouble

	mu     sync.Mutex
	status CaptureStatus
}

// CaptureStatus is where a capture stands.
type CaptureStatus struct {
	Source  string `json:"source"`
	Holding bool   `json:"holding"` // this process captures; else it stands by or starts
	// Trouble is what keeps it from standing by, "" if nothing does.
	Trouble string    `json:"trouble,omitempty"`
	Since   time.Time `json:"since,omitzero"`
	// Cut is the newest committed state, with all tables and topics.
	Cut cut.Cut `json:"cut"`
	// Heard is when the source last gave anything, a heartbeat at least;
	// Committed when Kafka last took a cut.
	Heard     time.Time `json:"heard,omitzero"`
	Committed time.Time `json:"committed,omitzero"`
	// Waiting names what everything waits for, "" if for nothing.
	Waiting string `json:"waiting,omitempty"`
	Rows    int64  `json:"rows"`  // since this process holds the lease
	Bytes   int64  `json:"bytes"` // of keys and values
	Txns    int64  `json:"txns"`
}

// DefaultCaptureMemory is the default of CaptureOptions.Memory.
const DefaultCaptureMemory = 30 << 20

// NewCapture checks the options.
func NewCapture(o CaptureOptions) (*Capture, error) {
	var errs []error
	if o.Source == "" || o.Stream == nil || o.Register == nil || o.Topics.Prefix == "" {
		errs = append(errs, errors.New("source, stream, registry and topic prefix are all needed"))
	}
	if o.Memory == 0 {
		o.Memory = DefaultCaptureMemory
	}
	if o.Window == 0 {
		o.Window = 14 * 24 * time.Hour
	}
	if o.Window < 7*24*time.Hour {
		errs = append(errs, fmt.Errorf("replay window %s: less than 7 days loses the changes of a longer outage", o.Window))
	}
	for id, n := range o.Partitions {
		if n < 1 {
			errs = append(errs, fmt.Errorf("table %s: %d partitions", id, n))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("capture of %q: %w", o.Source, err)
	}
	log := o.Log
	if log == nil {
		log = slog.Default()
	}
	c := &Capture{o: o, log: log.With("source", o.Source)}
	c.status.Source = o.Source
	return c, nil
}

func (c *Capture) update(f func(*CaptureStatus)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(&c.status)
}

// Run captures while this process holds the source's lease, and stands by
// otherwise. It ends with ctx, or with a [*cdc.Halt].
func (c *Capture) Run(ctx context.Context) error {
	c.metrics = newCaptureMetrics(c)
	defer c.metrics.unregister()
	err := lease.Run(ctx, lease.Options{
		Connection: c.o.Connection, Topics: c.o.Topics, Stage: "capture", Name: c.o.Source,
		Fingerprint: c.o.Fingerprint, Log: c.log, Metrics: c.o.Metrics, Trouble: c.trouble.is,
	}, c.hold)
	if err != nil {
		return fmt.Errorf("capture of %q: %w", c.o.Source, err)
	}
	return nil
}

// hold is the work of a holder: read the state, resume the stream, write.
func (c *Capture) hold(ctx context.Context, p *lease.Producer) error {
	cl, err := c.o.Connection.Client()
	if err != nil {
		return err
	}
	defer cl.Close()
	topic := c.o.Topics.Cuts(c.o.Source)
	if err := broker.EnsureTopics(ctx, cl, c.o.Connection, broker.Cuts(topic), orders.Topic(c.o.Topics), broker.Log(c.o.Topics.Audit())); err != nil {
		return broker.Denied(err)
	}
	state, _, err := cut.Latest(ctx, c.o.Connection, topic)
	if err != nil {
		return broker.Denied(fmt.Errorf("reading the newest cut: %w", err))
	}
	first := state == nil
	if first {
		state = &cut.Cut{Source: c.o.Source}
	}
	tables := newCaptureTables(c, cl, state)
	if err := tables.ensure(ctx); err != nil {
		return err
	}
	if first {
		if err := tables.unwritten(ctx); err != nil {
			return err
		}
	}
	if err := c.recount(ctx, cl, state); err != nil {
		return broker.Denied(err)
	}
	state.Halted = nil
	state.Partitions, state.Full = maps.Clone(tables.topics), false // tables may add to its own
	c.log.Info("capturing", "pos", state.Checkpoint.Position.String(), "seq", state.Seq)
	resume := cdc.Resume{Checkpoint: state.Checkpoint, Loads: maps.Clone(state.Loads), Admit: tables.admit, Asked: state.Asked}
	c.update(func(s *CaptureStatus) {
		*s = CaptureStatus{Source: c.o.Source, Holding: true, Since: time.Now()}
		s.Cut.Fold(state) // with maps of its own
	})
	defer c.update(func(s *CaptureStatus) { s.Holding = false })

	wctx, stop := context.WithCancel(ctx)
	defer stop()
	in := newCollector(c, tables, state)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop() // before Wait
	asked := make(chan cdc.Order)
	resume.Orders = asked
	wg.Go(func() {
		if err := orders.Follow(wctx, c.o.Connection, c.o.Topics, c.o.Source, resume.Asked, c.log, asked); err != nil {
			c.log.Error("orders are not followed", "err", err)
		}
	})
	wg.Go(func() { in.run(wctx, resume) })
	return (&committer{capture: c, producer: p, in: in, state: state, topic: topic}).run()
}

// recount finds out what Asked means where the topic of orders is another than the
// one that the state tells of: its offsets are of no use there. Orders that were
// given before the newest cut are not carried out again.
func (c *Capture) recount(ctx context.Context, cl *kgo.Client, state *cut.Cut) error {
	topic, err := orders.Identify(ctx, cl, c.o.Topics)
	if err != nil {
		return err
	}
	if state.Orders != "" && state.Orders != topic {
		state.Refused = ""
		if state.Asked, err = orders.Until(ctx, c.o.Connection, c.o.Topics, state.Time); err != nil {
			return err
		}
		c.log.Warn("the topic of orders was made anew: those in it that were given before the newest cut are passed over", "topic", c.o.Topics.Orders(), "cut", state.Time)
	}
	state.Orders = topic
	return nil
}
