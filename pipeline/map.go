package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"chartwire/cdc"
	"chartwire/pipeline/broker"
	"chartwire/pipeline/lease"
	"chartwire/pipeline/mapping"
	"chartwire/pipeline/state"
	"chartwire/schemas"

	"github.com/prometheus/client_golang/prometheus"
)

// MapOptions say what a Map maps, and with what means.
type MapOptions struct {
	Flow       string
	Connection broker.Config
	Topics     schemas.Topics
	// Schema finds the schema with an id: [registry.Client.Schema].
	Schema func(ctx context.Context, id int) (*schemas.RowSchema, error)
	// Program holds the maps and rules of the flow.
	Program *mapping.Program
	// Compile makes the program again, of the sources' tables as they are now,
	// when they are others than Program was made of. [mapping.Problems] say that
	// the maps do not fit them; any other error is one that passes. nil: the flow
	// keeps to Program.
	Compile func(ctx context.Context) (*mapping.Program, []*cdc.Table, error)
	// Dir is the folder of the local state. Deleting it costs time, nothing
	// else.
	Dir string
	// Fingerprint is that of the configuration: see lease.Options.
	Fingerprint string
	// Window is the replay window of the row topics; 0 means 14 days.
	Window time.Duration
	// Quiet is how long the refill of a table must have been complete before
	// what was not written again counts as deleted; 0 means 1 h.
	Quiet time.Duration
	// Memory bounds the changes that wait in memory for their cut, in bytes, and
	// with a quarter more the joined entities that wait to be mapped; what is
	// more waits on disk. 0 means 64 MiB.
	Memory int64
	// Transaction is about the size of a Kafka transaction, in bytes; what a cut
	// brings beyond it takes several. 0 means 8 MiB.
	Transaction int
	// Cache is the memory for the local state's blocks; 0 means 64 MiB.
	Cache int64
	// Clock says what time it is, for maps that read the day; nil: the system's.
	Clock   func() time.Time
	Log     *slog.Logger          // nil: slog.Default()
	Metrics prometheus.Registerer // nil: none
}

// Map turns the row changes of a flow's sources into mutations: it reads their
// topics up to cuts, evaluates the flow's maps and rules for every entity that
// changed, and commits mutations, what the rules must remember and its progress
// in one Kafka transaction.
//
// What holds:
//
//   - Only the progress in Kafka says what is done. The local state follows it
//     and is rebuilt where it is missing; the result is the same.
//   - An entity is evaluated as it is at a cut, never inside a transaction: that
//     of one table at each cut that changed it, a joined one when it was quiet
//     for a while or has waited long enough.
//   - A rule fires for every time its condition became true in the stream, once
//     each: firings are numbered in the flow's changelog, which commits with the
//     mutations they gave.
//   - Versions grow with every mutation, across restarts and holders.
type Map struct {
	o       MapOptions
	log     *slog.Logger
	metrics *mapMetrics
	tables  map[state.Table]*mapTable
	joins   []*mapJoin
	shapes  mapShapes
	trouble trouble

	mu     sync.Mutex
	status MapStatus
}

// mapTable is one table and what is made of its rows: it can be the root of maps
// of one table, a part of joined ones, and decide which maps are at work.
type mapTable struct {
	id    state.Table
	text  string // of id, for comparing
	topic string
	maps  []*mapping.Map // of one table
	every bool           // one of the maps has rules, or keeps best values

	roles   []mapRole        // in joined maps
	indexes []*mapping.Index // by which its rows are found
	whiles  []*mapping.Map   // that work or rest as its rows say
}

// NewMap checks the options. Everything wrong is in the error.
func NewMap(o MapOptions) (*Map, error) {
	var errs []error
	need := func(ok bool, text string) {
		if !ok {
			errs = append(errs, errors.New("map: "+text))
		}
	}
	need(o.Flow != "", "no flow")
	need(o.Schema != nil, "no schema registry")
	need(o.Dir != "", "no folder for the local state")
	need(o.Window >= 0 && o.Quiet >= 0 && o.Memory >= 0 && o.Cache >= 0 && o.Transaction >= 0, "a negative duration or size")
	need(o.Program != nil && len(o.Program.Maps) > 0, "no maps")
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if o.Window == 0 {
		o.Window = 14 * 24 * time.Hour
	}
	if o.Quiet == 0 {
		o.Quiet = time.Hour
	}
	if o.Memory == 0 {
		o.Memory = 64 << 20
	}
	if o.Transaction == 0 {
		o.Transaction = 8 << 20
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	m := &Map{o: o, log: o.Log.With("flow", o.Flow), shapes: mapShapes{seen: map[state.Table]mapShape{}}}
	m.use(o.Program)
	return m, nil
}

// use takes up the tables of a program.
func (m *Map) use(p *mapping.Program) {
	m.o.Program, m.tables, m.joins = p, map[state.Table]*mapTable{}, nil
	for _, mp := range p.Maps {
		if mp.While != nil {
			t := m.table(mp.While.Source, mp.While.Table)
			t.whiles = append(t.whiles, mp)
		}
		if mp.Joined() {
			m.join(mp)
			continue
		}
		t := m.table(mp.Source, mp.Table)
		t.maps = append(t.maps, mp)
		t.every = t.every || len(mp.Rules) > 0 || mp.WritesBest()
	}
	for _, ix := range p.Indexes() {
		t := m.table(ix.Source, ix.Table)
		t.indexes = append(t.indexes, ix)
	}
}

func (m *Map) table(source string, table cdc.TableID) *mapTable {
	id := state.Table{Source: source, TableID: table}
	t := m.tables[id]
	if t == nil {
		t = &mapTable{id: id, text: id.Text(), topic: m.o.Topics.Rows(source, table)}
		m.tables[id] = t
	}
	return t
}

// sources names the sources of the flow.
func (m *Map) sources() []string {
	var names []string
	for id := range m.tables {
		names = append(names, id.Source)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Run maps until ctx ends (nil) or a person must decide (a [*cdc.Halt]). It
// stands by while another process holds the flow.
func (m *Map) Run(ctx context.Context) error {
	metrics, err := newMapMetrics(m.o.Metrics, m.o.Flow)
	if err != nil {
		return err
	}
	m.metrics = metrics
	defer metrics.unregister()
	db, err := state.Open(state.Options{Dir: m.o.Dir, Flow: m.o.Topics.Prefix + "." + m.o.Flow, Window: m.o.Window, Cache: m.o.Cache, Log: m.log})
	if err != nil {
		return err
	}
	if why := db.Fresh(); why != "" {
		m.log.Info("local state is rebuilt from Kafka", "reason", why)
	}
	warm := &mapStandby{m: m, db: db}
	warm.start(ctx)
	err = lease.Run(ctx, lease.Options{
		Connection: m.o.Connection, Topics: m.o.Topics, Stage: "map", Name: m.o.Flow,
		Fingerprint: m.o.Fingerprint, Log: m.log, Metrics: m.o.Metrics, Trouble: m.trouble.is,
	}, func(work context.Context, p *lease.Producer) error {
		warm.stop()
		defer warm.start(ctx)
		return m.work(work, p, db)
	})
	warm.stop()
	m.setStatus(func(s *MapStatus) {
		s.Holding = false
		if cdc.HaltCode(err) != "" {
			s.Halt = err.Error()
		}
	})
	return errors.Join(err, db.Close())
}

// work is one term of holding the flow, or several, by one program after
// another.
func (m *Map) work(ctx context.Context, p *lease.Producer, db *state.DB) error {
	for {
		var again *mapRecompiled
		if err := m.term(ctx, p, db); !errors.As(err, &again) {
			return err
		}
		m.use(again.program)
	}
}

func (m *Map) term(ctx context.Context, p *lease.Producer, db *state.DB) error {
	t, err := m.newTerm(ctx, p, db)
	if err != nil {
		return fmt.Errorf("starting to map %s: %w", m.o.Flow, err)
	}
	defer t.close()
	if err := t.run(ctx); err != nil {
		return fmt.Errorf("mapping %s: %w", m.o.Flow, err)
	}
	return nil
}
