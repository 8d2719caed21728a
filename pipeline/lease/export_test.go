package lease

import (
	"context"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Take takes the lease as one that has read its topic up to an offset.
func Take(ctx context.Context, o Options, cl *kgo.Client, seen int64) error {
	_, err := newLease(o).take(ctx, cl, seen)
	return err
}

// ProcessOf names a process as a claim does; Gone says whether it has ended.
var ProcessOf, Gone = processOf, gone
