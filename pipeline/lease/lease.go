package lease

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"chartwire/pipeline/broker"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	// Term is how long a holder owns the stage after it sent a renewal, and how
	// long a standby waits after it saw one.
	Term = 1500 * time.Millisecond
	// Renewal is how long a holder without work waits between two renewals:
	// less than the 300 ms that are promised, so that a slow commit keeps it.
	Renewal = 250 * time.Millisecond
)

// ErrLost is the cause of the end of a work's context when the lease is lost.
var ErrLost = errors.New("the lease is lost")

// Options says which lease, and as whom.
type Options struct {
	Connection broker.Config
	Prefix     string // of all topics of the installation
	Stage      string // "capture", "map", "deliver"
	Name       string // of the source, flow or sink
	// Fingerprint identifies the configuration: processes with the same one
	// stand by for each other, one with another is refused.
	Fingerprint string
	Log         *slog.Logger          // nil: slog.Default()
	Metrics     prometheus.Registerer // nil: none
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
	return errors.ErrUnsupported
}

// Producer writes the records of a stage, a Kafka transaction at a time.
//
// Produce, Buffered, Commit and Abort are for one goroutine at a time; Until is
// for any. Records are kept until Commit and sent then, so that no transaction
// is open for longer than sending takes: the caller bounds their bytes (by
// Buffered; 16 MiB is plenty).
type Producer struct{}

// Produce adds records to the next transaction. Their Topic and Partition must
// be set, and neither they nor what they point to may be changed until Commit
// returned.
func (p *Producer) Produce(recs ...*kgo.Record) {}

// Buffered gives the bytes of the records produced since the last Commit.
func (p *Producer) Buffered() int { return 0 }

// Commit sends what was produced as one transaction, and returns when the
// brokers have committed it. Without records it does nothing.
//
// After an error the holder is no longer valid: what was produced may be
// committed or not, work must return (the error, or any), and is called again
// with another Producer once that is known. The end of ctx is only looked at
// before the transaction begins; from then on it takes what it takes.
func (p *Producer) Commit(ctx context.Context) error { return errors.ErrUnsupported }

// Abort forgets what was produced since the last Commit.
func (p *Producer) Abort() {}

// Until is when the stage stops being ours unless another renewal is
// acknowledged. A call outside Kafka must not start after it. It has a
// monotonic reading: compare it with time.Now().
func (p *Producer) Until() time.Time { return time.Time{} }
