package lease

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"chartwire/cdc"
	"chartwire/pipeline/broker"
	"chartwire/schemas"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	// Term is how long a holder owns the stage after it sent a renewal, and how
	// long a standby waits after it saw one.
	Term = 1500 * time.Millisecond
	// Renewal is how long a holder without work waits between two renewals:
	// less than the 300 ms that are promised, so that a slow commit keeps it.
	Renewal = 250 * time.Millisecond
	// initTimeout bounds taking over: a first transactional id makes the
	// cluster create its state topic.
	initTimeout = 15 * time.Second
)

// ErrLost is in the chain of a Commit that failed, and the cause of the end of
// work's context when the lease is lost.
var ErrLost = errors.New("the lease is lost")

// Options says which lease, and as whom.
type Options struct {
	Connection broker.Config
	Topics     schemas.Topics
	Stage      string // "capture", "map", "deliver"
	Name       string // of the source, flow or sink
	// Fingerprint identifies the configuration: processes with the same one
	// stand by for each other, one with another is refused.
	Fingerprint string
	Log         *slog.Logger // nil: slog.Default()
	// Trouble is told what keeps this process from holding the lease and from
	// standing by for it, and nil when it does one or the other again. nil: nobody.
	Trouble func(error)
	Metrics prometheus.Registerer // nil: none
}

// topic is the lease's, and id the transactional id: the same without "lease".
func (o Options) topic() string { return o.Topics.Lease(o.Stage, o.Name) }

func (o Options) id() string {
	return o.Topics.Prefix + strings.TrimPrefix(o.topic(), o.Topics.Prefix+".lease")
}

// Run stands by for the lease, takes it when nobody holds it, and calls work
// while it is held. It ends when ctx ends (nil), when work returns nil or a
// [*cdc.Halt] (which it returns), or when the lease is refused (a [*cdc.Halt]
// "lease-refused"). After any other error of work, and after losing the lease,
// it stands by again.
//
// Work's context ends when ctx does, or with the cause [ErrLost]. Work begins
// by reading the stage's state to its committed end ([broker.Scan]): nobody
// else can change it any more. Everything it learned of the state in an earlier
// call is void. When ctx ends work may still commit what it has, with
// [context.WithoutCancel]; when it returns, the lease is given back, so that a
// standby takes over at once.
func Run(ctx context.Context, o Options, work func(ctx context.Context, p *Producer) error) error {
	l := newLease(o)
	defer l.metrics.unregister()
	wait := backoff{}
	for ctx.Err() == nil {
		start := time.Now()
		err := l.term(ctx, work)
		if time.Since(start) > time.Minute {
			wait = backoff{}
		}
		var halt *cdc.Halt
		switch {
		case err == nil:
			return nil
		case errors.As(err, &halt):
			return err
		case ctx.Err() != nil:
			return nil
		}
		d := wait.next()
		if l.beaten(err) {
			l.log.Info("another process claimed the lease at the same time")
		} else {
			l.Trouble(err)
			if errors.Is(err, ErrLost) {
				l.metrics.losses.Inc()
			}
			l.log.Error("stage stopped, standing by again", "err", err, "retry_in", d)
		}
		select {
		case <-ctx.Done():
		case <-time.After(d):
		}
	}
	return nil
}

// beaten reports whether the end of a term was that of a claim: of several
// processes that find the lease free, as they do whenever all are started, the
// one that initialises last has it, and nothing is wrong.
func (l *lease) beaten(err error) bool {
	fenced := errors.Is(err, kerr.InvalidProducerEpoch) || errors.Is(err, kerr.ProducerFenced)
	return fenced && errors.Is(err, ErrLost) && (l.taken.IsZero() || time.Since(l.taken) < Term)
}

// lease is one process's wish to hold one.
type lease struct {
	Options
	topic   string
	log     *slog.Logger
	metrics *metrics
	me      claim
	ensured bool
	taken   time.Time // in this term; zero: not yet
}

func newLease(o Options) *lease {
	log := o.Log
	if log == nil {
		log = slog.Default()
	}
	if o.Trouble == nil {
		o.Trouble = func(error) {}
	}
	host, _ := os.Hostname()
	return &lease{
		Options: o,
		topic:   o.topic(),
		log:     log.With("lease", o.Stage+"."+o.Name),
		metrics: newMetrics(o),
		me:      claim{Holder: rand.Text(), Host: fmt.Sprintf("%s/%d", host, os.Getpid()), Fingerprint: o.Fingerprint, Process: processOf(os.Getpid())},
	}
}

// term is one stand-by and what follows it: nil when ctx or the work ended.
func (l *lease) term(ctx context.Context, work func(context.Context, *Producer) error) error {
	l.taken = time.Time{}
	if err := l.ensure(ctx); err != nil {
		return err
	}
	seen, err := l.standBy(ctx)
	if err != nil {
		return err
	}
	cl, err := l.Connection.Client(
		kgo.TransactionalID(l.id()),
		kgo.TransactionTimeout(transactionTimeout),
		kgo.ProducerLinger(time.Millisecond), // what one transaction brings goes out together
		kgo.MaxBufferedRecords(1<<21),        // they are in memory anyway
	)
	if err != nil {
		return err
	}
	defer cl.Close()
	p, err := l.take(ctx, cl, seen)
	if err != nil {
		return err
	}
	l.taken = time.Now()
	l.metrics.held.Set(1)
	defer l.metrics.held.Set(0)
	return l.hold(ctx, p, work)
}

func (l *lease) ensure(ctx context.Context) error {
	if l.ensured {
		return nil
	}
	cl, err := l.Connection.Client()
	if err != nil {
		return err
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(ctx, initTimeout)
	defer cancel()
	if err := broker.EnsureTopics(ctx, cl, l.Connection, broker.Lease(l.topic)); err != nil {
		return broker.Denied(err)
	}
	l.ensured = true
	return nil
}

// take fences whoever held the lease and writes the first renewal.
func (l *lease) take(ctx context.Context, cl *kgo.Client, seen int64) (*Producer, error) {
	ctx, cancel := context.WithTimeout(ctx, initTimeout)
	defer cancel()
	if _, _, err := cl.ProducerID(ctx); err != nil {
		return nil, broker.Denied(fmt.Errorf("initialising %s: %w", l.id(), err))
	}
	// The old holder may have had a renewal acknowledged between our last look
	// and its end just now. Then it does not know yet, and owns the stage for
	// another term.
	last, _, err := l.last(ctx, seen)
	if err != nil {
		return nil, err
	}
	p := &Producer{cl: cl, id: l.id(), largest: l.Connection.Largest(), metrics: l.metrics, lost: func(error) {}, renewal: l.renewal(held)}
	p.renewed.Store(new(time.Time))
	if !last.free(l.me) {
		if err := l.outlast(p); err != nil {
			return nil, err
		}
	}
	if err := p.renewIf(0); err != nil {
		return nil, err
	}
	l.log.Info("lease taken")
	l.metrics.takeovers.Inc()
	return p, nil
}

// outlast claims the lease and waits for the end of the old holder's term. Who
// takes over from us meanwhile is not to take our end for that of the stage's
// owner: until then the claim says nothing of our process.
func (l *lease) outlast(p *Producer) error {
	named := p.renewal
	defer func() { p.renewal = named }()
	waiting := *l
	waiting.me.Process = ""
	p.renewal = waiting.renewal(held)
	for owned := time.Now().Add(Term); time.Now().Before(owned); time.Sleep(Renewal) {
		if err := p.renewIf(0); err != nil {
			return err
		}
	}
	return nil
}

// hold runs work, keeps the lease meanwhile and gives it back.
func (l *lease) hold(ctx context.Context, p *Producer, work func(context.Context, *Producer) error) error {
	wctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	p.mu.Lock()
	p.lost = cancel
	p.mu.Unlock()

	rctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { p.renew(rctx) })
	err := work(wctx, p)
	p.abandon()
	stop()
	wg.Wait()

	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		var halt *cdc.Halt
		if errors.As(err, &halt) {
			return err
		}
		return p.err
	}
	p.renewal = l.renewal(released)
	if rerr := p.transact(nil, false, true); rerr != nil {
		l.log.Warn("giving back the lease", "err", rerr)
	}
	return err
}

// backoff is the wait before another try: 50 ms after the first failure, since
// most are over when they are seen, then doubled up to 5 s: after an outage of
// Kafka everything goes on within that, however long it was.
type backoff struct{ last time.Duration }

func (b *backoff) next() time.Duration {
	b.last = min(max(2*b.last, 50*time.Millisecond), 5*time.Second)
	return b.last
}
