package mysql

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"

	"chartwire/cdc"
)

// Source is one server that is read. It holds no connection of its own: Stream
// and Check open what they need and close it.
type Source struct {
	cfg      Config
	selected map[cdc.TableID]*cdc.Selection
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
	s := &Source{cfg: cfg, selected: map[cdc.TableID]*cdc.Selection{}}
	for i := range cfg.Selections {
		s.selected[cfg.Selections[i].Table] = &cfg.Selections[i]
	}
	return s, nil
}

// Stream yields the server's transactions from r on, and the rows of tables
// that are not loaded yet between them. See [cdc.Stream].
func (s *Source) Stream(ctx context.Context, r cdc.Resume) iter.Seq2[*cdc.Txn, error] {
	return func(yield func(*cdc.Txn, error) bool) {
		yield(nil, fmt.Errorf("source %s: the stream is still being built", s.cfg.Name))
	}
}
