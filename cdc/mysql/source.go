package mysql

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"chartwire/cdc"
)

// Source is one server that is read, or the first of several with the same log
// that can be. It holds no connection of its own: Stream
// and Check open what they need and close it.
type Source struct {
	cfg      Config
	selected map[cdc.TableID]*cdc.Selection
	metrics  *metrics
	addrs    []string
	turn     atomic.Int32  // which of them is read, or tried next
	purged   atomic.Uint64 // the bits of a float64: seconds
	stuck    atomic.Pointer[Stuck]
	waiting  atomic.Pointer[SnapshotStatus]
	askAgain time.Duration   // how often what may change at the server is asked while it is read
	mark     func(mark) mark // tests use another mark, to see that it is wrong
}

var _ cdc.Stream = (*Source)(nil).Stream

// New checks the configuration. Nothing is opened.
func New(cfg Config) (*Source, error) {
	cfg.setDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("source %s: %w", cfg.Name, err)
	}
	if cfg.ServerID == 0 {
		cfg.ServerID = 1<<31 | rand.Uint32()
	}
	s := &Source{cfg: cfg, selected: map[cdc.TableID]*cdc.Selection{}, metrics: newMetrics(cfg.Metrics, cfg.Name),
		addrs: cfg.addrs(), askAgain: 5 * time.Minute}
	for i := range cfg.Selections {
		s.selected[cfg.Selections[i].Table] = &cfg.Selections[i]
	}
	return s, nil
}

// addr is where the server is that is read now, or tried next.
func (s *Source) addr() string { return s.addrs[s.turn.Load()] }
