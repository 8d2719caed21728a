package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"chartwire/cdc"
	"chartwire/cdc/mysql"
	"chartwire/pipeline"
	"chartwire/pipeline/mapping"
	"chartwire/schemas/hubspot"
	"chartwire/sinks"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
)

func (a *app) stageCommands() []*cobra.Command {
	stage := func(use, short, long string, kinds ...string) *cobra.Command {
		var addr string
		cmd := &cobra.Command{
			Use: use, Short: short, Long: long,
			RunE: func(cmd *cobra.Command, names []string) error { return a.runStages(cmd.Context(), addr, kinds, names) },
		}
		if len(kinds) > 1 {
			cmd.Args = args(cobra.NoArgs)
		}
		cmd.Flags().StringVar(&addr, "http", "", "where metrics, health and status are served (http.address of the configuration by default)")
		return cmd
	}
	return []*cobra.Command{
		stage("run", "All stages in one process", `Captures all sources, maps all flows and delivers to all sinks, until it is told
to end (SIGTERM, Ctrl-C): it then finishes the calls in the air. A second signal
ends it at once. Further processes with the same configuration stand by.`, "capture", "map", "deliver"),
		stage("capture [SOURCE…]", "Captures the row changes of sources into Kafka", `Captures the named sources, or all. See chartwire help run.`, "capture"),
		stage("map [FLOW…]", "Maps row changes to mutations", `Maps the named flows, or all. See chartwire help run.`, "map"),
		stage("deliver [SINK…]", "Delivers mutations to sinks", `Delivers to the named sinks, or all. See chartwire help run.`, "deliver"),
	}
}

// captureGC is GOGC of a process that captures and does nothing else. It makes
// next to nothing new for a row, so that collecting sooner costs it nothing, and
// on a backlog it has less in memory.
const captureGC = 50

func (a *app) runStages(ctx context.Context, addr string, kinds, names []string) error {
	if len(kinds) == 1 && kinds[0] == "capture" && os.Getenv("GOGC") == "" {
		debug.SetGCPercent(captureGC)
	}
	s, err := a.site(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	if url := s.cfg.Registry.URL; url != "" {
		sum := sha256.Sum256([]byte(url))
		if err := s.registry.Keep(filepath.Join(s.cfg.Data, "registry", hex.EncodeToString(sum[:8]))); err != nil {
			return err
		}
	}
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	sup := newSupervisor(s.log, metrics)
	b := &builder{site: s, metrics: metrics, waits: sup.waits}
	s.healthy = sup.healthy
	metrics.MustRegister(sup)
	for _, kind := range kinds { // before databases are waited for
		if err := b.known(kind, names); err != nil {
			return err
		}
	}
	if addr == "" {
		addr = s.cfg.HTTP.Address
	}
	asked := ctx
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return sup.serve(gctx, addr, metrics) }) // from here on: a start may wait for long
	if err := b.build(gctx, kinds, names); err != nil {
		cancel()
		if serr := g.Wait(); serr != nil {
			return serr // which ended the start
		}
		if asked.Err() != nil {
			return nil // told to end while it waited
		}
		return err
	}
	sup.begin(b.stages, b.ack)
	s.log.Info("starting", "installation", s.cfg.Installation, "stages", len(b.stages), "http", addr)
	for _, run := range b.beside {
		g.Go(func() error { return run(gctx) })
	}
	g.Go(func() error {
		defer cancel() // nothing left to serve for
		return sup.run(gctx)
	})
	err = g.Wait()
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	s.log.Info("ended")
	return err
}

// builder makes the stages of a process from the configuration.
type builder struct {
	*site
	metrics  prometheus.Registerer
	programs map[string]*mapping.Program
	stages   []*stage
	ack      http.Handler // takes acknowledgements of pages, if the process delivers them
	waits    func(string) // says what is waited for
}

func (b *builder) build(ctx context.Context, kinds, names []string) error {
	if err := b.compile(ctx); err != nil {
		return err
	}
	for _, kind := range kinds {
		if err := b.add(kind, names); err != nil {
			return err
		}
	}
	return nil
}

// compile compiles the maps of all flows, whatever stages run here: capture
// reads what the maps of all of them name.
func (b *builder) compile(ctx context.Context) error {
	objects, err := hubspot.Default()
	if err != nil {
		return err
	}
	for wait := time.Second; ; wait = min(2*wait, 30*time.Second) {
		tables, away, err := b.tablesOrPinned(ctx)
		if err == nil {
			b.programs, err = b.site.programs(tables, objects)
		}
		if err == nil || len(away) == 0 || ctx.Err() != nil {
			return err
		}
		b.waits(fmt.Sprintf("waiting for the databases of %v: without their tables the maps cannot be compiled", away))
		b.log.Error("waiting for databases: without them the maps cannot be compiled", "sources", away, "err", err, "retry_in", wait)
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// of gives the names that the configuration has for a kind of stage, and how one
// is made.
func (b *builder) of(kind string) (all []string, build func(string) (*stage, error)) {
	switch kind {
	case "capture":
		return keys(b.cfg.Sources), b.capture
	case "map":
		return keys(b.cfg.Flows), b.flow
	}
	return b.sinkNames(), b.deliver
}

func (b *builder) known(kind string, names []string) error {
	all, _ := b.of(kind)
	for _, n := range names {
		if !slices.Contains(all, n) {
			return &usageError{"chartwire " + kind, fmt.Errorf("the configuration has no %q; there are %v", n, all)}
		}
	}
	return nil
}

func (b *builder) add(kind string, names []string) error {
	all, build := b.of(kind)
	for _, n := range all {
		if len(names) > 0 && !slices.Contains(names, n) {
			continue
		}
		st, err := build(n)
		if err != nil {
			return fmt.Errorf("%s %s: %w", kind, n, err)
		}
		b.stages = append(b.stages, st)
	}
	return nil
}

func keys[V any](m map[string]V) []string {
	var list []string
	for k := range m {
		list = append(list, k)
	}
	slices.Sort(list)
	return list
}

// selections is what all flows read of a source.
func (b *builder) selections(source string) []cdc.Selection {
	columns := map[cdc.TableID][]string{}
	for _, p := range b.programs {
		for _, s := range p.Selections(source) {
			columns[s.Table] = append(columns[s.Table], s.Columns...)
		}
	}
	var list []cdc.Selection
	for id, names := range columns {
		slices.Sort(names)
		list = append(list, cdc.Selection{Table: id, Columns: slices.Compact(names)})
	}
	slices.SortFunc(list, func(a, b cdc.Selection) int {
		return slices.Compare([]string{a.Table.String()}, []string{b.Table.String()})
	})
	return list
}

// captureStatus is a capture's, and until when its source keeps what follows.
type captureStatus struct {
	pipeline.CaptureStatus
	Purged   time.Time            `json:"purged,omitzero"`
	Snapshot mysql.SnapshotStatus `json:"snapshot,omitzero"`
	Stuck    *mysql.Stuck         `json:"stuck,omitempty"`
}

// queueOf is how much of a source's memory its changes may take that the brokers
// do not have: as measured, the heap then stays within it. A part of it is taken
// whatever the rest is, and Go collects what is free when it is as much as what
// is not.
func queueOf(memory int) int {
	if memory == 0 {
		memory = mysql.DefaultMemory
	}
	return (memory - 64<<20) * 15 / 64
}

func (b *builder) capture(name string) (*stage, error) {
	cfg, err := b.sourceConfig(name)
	if err != nil {
		return nil, err
	}
	cfg.Selections, cfg.Metrics = b.selections(name), b.metrics
	src, err := mysql.New(cfg)
	if err != nil {
		return nil, err
	}
	parts := map[cdc.TableID]int{}
	var tables []cdc.TableID
	for _, s := range cfg.Selections {
		tables = append(tables, s.Table)
		parts[s.Table] = max(b.cfg.Sources[name].Partitions, 1)
	}
	c, err := pipeline.NewCapture(pipeline.CaptureOptions{
		Source: name, Stream: src.Stream, Connection: b.kafka, Topics: b.topics, Register: b.registry.Register,
		Tables: tables, Partitions: parts, Added: b.cfg.Sources[name].Partitions, Window: b.cfg.Kafka.Replay, Fingerprint: b.cfg.Fingerprint(),
		Memory: queueOf(int(b.cfg.Sources[name].Memory)), Log: b.log, Metrics: b.metrics,
	})
	if err != nil {
		return nil, err
	}
	return &stage{
		kind: "capture", name: name, run: c.Run,
		status: func() any { return captureStatus{c.Status(), src.Purged(), src.Snapshot(), src.Stuck()} },
		ready: func() error {
			st := c.Status()
			if st.Waiting != "" {
				return errors.New("waiting for " + st.Waiting)
			}
			return notReady(st.Holding, st.Trouble, "source", st.Heard)
		},
	}, nil
}

func (b *builder) flow(name string) (*stage, error) {
	objects, err := hubspot.Default()
	if err != nil {
		return nil, err
	}
	m, err := pipeline.NewMap(pipeline.MapOptions{
		Flow: name, Connection: b.kafka, Topics: b.topics, Schema: b.registry.Schema, Program: b.programs[name],
		Compile: func(ctx context.Context) (*mapping.Program, []*cdc.Table, error) {
			tables, _, err := b.tablesOrPinned(ctx)
			if err != nil {
				return nil, nil, err
			}
			p, err := b.site.program(name, tables, objects)
			return p, tables, err
		},
		Dir: filepath.Join(b.cfg.Data, "map", name), Fingerprint: b.cfg.Fingerprint(), Window: b.cfg.Kafka.Replay,
		Quiet: b.cfg.Flows[name].Quiet, Log: b.log, Metrics: b.metrics,
	})
	if err != nil {
		return nil, err
	}
	return &stage{
		kind: "map", name: name, run: m.Run,
		status: func() any { return m.Status() },
		ready: func() error {
			st := m.Status()
			if len(st.Misfits) > 0 {
				return errors.New("the maps do not fit a table that changed: " + strings.Join(st.Misfits, "; "))
			}
			var oldest time.Time
			for _, s := range st.Sources {
				if oldest.IsZero() || s.Commit.Before(oldest) {
					oldest = s.Commit
				}
			}
			return notReady(st.Holding, st.Trouble, "newest mapped commit", oldest)
		},
	}, nil
}

func (b *builder) deliver(name string) (*stage, error) {
	sink, status, err := b.sink(name)
	if err != nil {
		return nil, err
	}
	var flows []string
	for flow, p := range b.programs {
		if slices.Contains(p.Sinks(), name) {
			flows = append(flows, flow)
		}
	}
	if len(flows) == 0 {
		return nil, fmt.Errorf("no flow writes to it: take it out of the configuration")
	}
	limits := map[string]pipeline.HoldLimit{}
	for _, flow := range flows {
		h := b.cfg.Flows[flow].Hold
		limits[flow] = pipeline.HoldLimit{Off: h.Off, Records: h.Records, Share: float64(h.Share), AtLeast: h.AtLeast, Within: h.Within}
	}
	var timeout time.Duration
	if name == "hubspot" {
		timeout = b.cfg.Sinks.HubSpot.Timeout
	}
	d, err := pipeline.NewDeliver(pipeline.DeliverOptions{
		Sink: sink, Flows: flows, Hold: limits, CallTimeout: timeout, Connection: b.kafka, Topics: b.topics,
		Dir: filepath.Join(b.cfg.Data, "deliver", name), Fingerprint: b.cfg.Fingerprint(),
		Log: b.log, Metrics: b.metrics,
	})
	if err != nil {
		return nil, err
	}
	return &stage{
		kind: "deliver", name: name, run: d.Run,
		halt: func() (string, string) { st := d.Status(); return st.HaltCode, st.Halt },
		status: func() any {
			return struct {
				pipeline.DeliverStatus
				Account any `json:"account,omitempty"`
			}{d.Status(), status()}
		},
		ready: func() error {
			st := d.Status()
			// The truth is the age of what the source said last and that came
			// all the way to the sink, not that a process is up.
			var oldest time.Time
			for _, flow := range flows {
				beat := st.Beats[flow][sinks.Safety.String()]
				if oldest.IsZero() || beat.Before(oldest) {
					oldest = beat
				}
			}
			return notReady(st.Holding, st.Trouble, "newest heartbeat at the sink", oldest)
		},
	}, nil
}

// stale is the age from which on a heartbeat says that something does not move.
// Heartbeats leave a source twice a second; MariaDB's times have whole seconds.
const stale = 10 * time.Second

func notReady(holding bool, trouble, what string, at time.Time) error {
	switch {
	case trouble != "":
		return errors.New("cannot even stand by: " + trouble)
	case !holding:
		return nil // a standby is ready: it has nothing to move
	case at.IsZero():
		return fmt.Errorf("no %s yet", what)
	case time.Since(at) > stale:
		return fmt.Errorf("%s is %s old", what, time.Since(at).Round(time.Second))
	}
	return nil
}
