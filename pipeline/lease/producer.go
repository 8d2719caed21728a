package lease

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"chartwire/cdc"
	"chartwire/pipeline/broker"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	// commitTimeout bounds a transaction: long enough for a cluster to elect
	// another leader or coordinator. The lease may be over before; then a
	// standby fences us and the commit fails, or nobody was there and it holds.
	commitTimeout = 12 * time.Second
	// transactionTimeout is after which the cluster ends the transaction of a
	// holder that died, if no standby did before.
	transactionTimeout = 15 * time.Second
	// along is the age of the last renewal from which on a transaction of
	// records carries another: one more partition costs its commit something.
	along = 120 * time.Millisecond
)

// Producer writes the records of a stage, a Kafka transaction at a time.
//
// Produce, Send, Buffered, Commit and Abort are for one goroutine at a time;
// Until is for any. Records are kept until Commit and sent then, so that no
// transaction is open for longer than sending takes: the caller bounds their
// bytes (by Buffered; 16 MiB is plenty). One with more to come than it wants to
// keep uses Send, and commits soon. While a Commit is under way the caller may
// already make the next records, but not yet Produce or Send them.
type Producer struct {
	cl      *kgo.Client
	id      string // transactional
	largest int    // bytes of a record
	renewal *kgo.Record
	metrics *metrics
	lost    context.CancelCauseFunc // ends the context of work

	recs  []*kgo.Record
	bytes int
	open  bool // Send began a transaction, and holds mu

	mu      sync.Mutex            // held while a transaction is in the air
	err     error                 // why nothing more may be written
	ended   time.Time             // when the last transaction was, unless it is settled
	failed  atomic.Pointer[error] // of the records of the transaction at hand, the first
	renewed atomic.Pointer[time.Time]
}

// Produce adds records to the next transaction. Their Topic and Partition must
// be set, and neither they nor what they point to may be changed until Commit
// returned.
func (p *Producer) Produce(recs ...*kgo.Record) {
	p.recs = append(p.recs, recs...)
	for _, r := range recs {
		p.bytes += len(r.Key) + len(r.Value)
	}
}

// Buffered gives the bytes of the records produced since the last Commit.
func (p *Producer) Buffered() int { return p.bytes }

// Abort forgets what was produced since the last Commit.
func (p *Producer) Abort() {
	clear(p.recs)
	p.recs, p.bytes = p.recs[:0], 0
}

// Send hands records to the brokers at once, in a transaction that stays open
// until Commit: what it brings is seen with the rest of it, or never. The lease
// cannot be renewed meanwhile, so Commit has to follow within a few tenths of a
// second. taken is called, from any goroutine, when the client has no more use
// for the records, the transaction's fate aside: their memory may be used again.
//
// After an error Commit is not to be called; what else is said there holds.
func (p *Producer) Send(recs []*kgo.Record, taken func()) error {
	if err := p.fits(recs); err != nil {
		return err
	}
	if !p.open {
		p.mu.Lock()
		if err := p.begin(); err != nil {
			p.mu.Unlock()
			return err
		}
		p.open = true
	}
	if len(recs) == 0 {
		taken()
		return nil
	}
	var left atomic.Int64
	left.Store(int64(len(recs)))
	p.put(recs, func(_ *kgo.Record, err error) {
		p.fail(err)
		if left.Add(-1) == 0 {
			taken()
		}
	})
	return nil
}

// Commit sends what was produced as one transaction, together with what was
// sent, and returns when the brokers have committed it. Without records it does
// nothing.
//
// After an error the holder is no longer valid: what was produced may be
// committed or not, work must return (the error, or any), and is called again
// with another Producer once that is known. The end of ctx is only looked at
// before the transaction begins; from then on it takes what it takes, at most
// a bounded time.
func (p *Producer) Commit(ctx context.Context) error {
	if len(p.recs) == 0 && !p.open {
		return nil
	}
	if ctx.Err() != nil && !p.open {
		return fmt.Errorf("not committing to Kafka: %w", context.Cause(ctx)) // a renewal may have lost the lease
	}
	if err := p.fits(p.recs); err != nil {
		return err
	}
	if !p.open {
		p.mu.Lock()
	}
	defer p.mu.Unlock()
	begun := p.open
	p.open = false
	err := p.transact(p.recs, begun, time.Since(*p.renewed.Load()) >= along)
	if err == nil {
		p.Abort() // nothing is left to send
	}
	return err
}

// fits gives the halt if a record is larger than topics take.
func (p *Producer) fits(recs []*kgo.Record) error {
	for _, r := range recs {
		if n := len(r.Key) + len(r.Value); n > p.largest {
			return cdc.Haltf("record-too-large", "a record of %d bytes for topic %s: at most %d fit", n, r.Topic, p.largest)
		}
	}
	return nil
}

// abandon ends a transaction that work left open: nothing of it counts.
func (p *Producer) abandon() {
	if !p.open {
		return
	}
	defer p.mu.Unlock()
	p.open = false
	ctx, cancel := context.WithTimeout(context.Background(), commitTimeout)
	defer cancel()
	err := p.cl.AbortBufferedRecords(ctx)
	if err == nil {
		err = p.cl.EndTransaction(ctx, kgo.TryAbort)
	}
	if err != nil {
		p.err = fmt.Errorf("abandoning a transaction: %w: %w", ErrLost, err)
	}
}

// Until is when the stage stops being ours unless another renewal is
// acknowledged. A call outside Kafka must not start after it. It has a
// monotonic reading: compare it with time.Now().
func (p *Producer) Until() time.Time { return p.renewed.Load().Add(Term) }

// transact commits records, in the transaction that was begun or in one of
// their own, with a renewal if renew says so. The caller holds mu.
func (p *Producer) transact(recs []*kgo.Record, begun, renew bool) error {
	if !begun {
		if err := p.begin(); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), commitTimeout)
	defer cancel()
	start := time.Now()
	if err := p.finish(ctx, recs, renew); err != nil {
		return p.lose(err)
	}
	if renew {
		p.renewed.Store(&start)
	}
	p.ended = time.Now()
	p.metrics.committed(p.ended.Sub(start))
	return nil
}

// lose notes that nothing more may be written, and why.
func (p *Producer) lose(err error) error {
	p.err = fmt.Errorf("committing to Kafka: %w: %w", ErrLost, broker.Denied(err))
	p.lost(p.err)
	return p.err
}

// settled is the time within which the cluster has surely written the markers
// of a transaction that it has called committed.
const settled = 20 * time.Millisecond

// Settle waits until a transaction can begin without being held back by the one
// before: a few milliseconds after a Commit. Commit does so itself; who still
// collects records calls it first, to collect those that come meanwhile.
func (p *Producer) Settle(ctx context.Context) {
	if p.open {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, settled)
	defer cancel()
	p.settle(ctx)
}

// settle waits for the markers of the last transaction. A produce request that
// comes before them is held by the broker for 20 ms and more; asking takes a
// few. What comes later than that does not ask.
func (p *Producer) settle(ctx context.Context) {
	req := kmsg.NewPtrDescribeTransactionsRequest()
	req.TransactionalIDs = []string{p.id}
	for time.Since(p.ended) < settled {
		resp, err := req.RequestWith(ctx, p.cl)
		if err != nil || len(resp.TransactionStates) != 1 || !strings.HasPrefix(resp.TransactionStates[0].State, "Prepare") {
			p.ended = time.Time{}
			return
		}
		time.Sleep(500 * time.Microsecond)
	}
}

// begin opens a transaction. The caller holds mu.
func (p *Producer) begin() error {
	if p.err != nil {
		return p.err
	}
	ctx, cancel := context.WithTimeout(context.Background(), commitTimeout)
	defer cancel()
	p.settle(ctx)
	p.failed.Store(nil)
	if err := p.cl.BeginTransaction(); err != nil {
		return p.lose(err)
	}
	return nil
}

// put hands records to the client. What bounds their time is the flush.
func (p *Producer) put(recs []*kgo.Record, done func(*kgo.Record, error)) {
	ctx := context.Background()
	for _, r := range recs {
		p.cl.Produce(ctx, r, done)
	}
}

// fail notes the first error of a record.
func (p *Producer) fail(err error) {
	if err != nil {
		first := err // on the heap, which err is not
		p.failed.CompareAndSwap(nil, &first)
	}
}

// finish sends the last records of a transaction and ends it.
func (p *Producer) finish(ctx context.Context, recs []*kgo.Record, renew bool) error {
	done := func(_ *kgo.Record, err error) { p.fail(err) }
	p.put(recs, done)
	if renew {
		// The client fills in a record that it sends: each renewal is another.
		r := *p.renewal
		p.cl.Produce(ctx, &r, done)
	}
	// Ending a transaction while records are in the air would leave them to
	// the next one.
	if err := p.cl.Flush(ctx); err != nil {
		return fmt.Errorf("flushing: %w", err)
	}
	if err := p.failed.Load(); err != nil {
		return fmt.Errorf("producing: %w", *err)
	}
	if err := p.cl.EndTransaction(ctx, kgo.TryCommit); err != nil {
		return fmt.Errorf("ending the transaction: %w", err)
	}
	return nil
}

// renew keeps the lease while work is idle, until ctx ends or it is lost.
func (p *Producer) renew(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Until(p.renewed.Load().Add(Renewal))):
		}
		if err := p.renewIf(Renewal); err != nil {
			return
		}
	}
}

// renewIf commits a renewal alone, unless one is younger than age: a
// transaction of records may have carried it while we waited for its end.
func (p *Producer) renewIf(age time.Duration) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(*p.renewed.Load()) < age {
		return nil
	}
	return p.transact(nil, false, true)
}
