package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"chartwire/cdc"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// stage is one part of the process: a capture, a map, a deliver.
type stage struct {
	kind, name string // "capture", "om"
	run        func(context.Context) error
	// status gives what `chartwire status` shows, ready why it is not yet
	// true that the stage does its work.
	status func() any
	ready  func() error
	// halt is the code and the text of a halt that the stage itself waits out;
	// nil where it does not.
	halt func() (code, text string)
}

// supervisor runs the stages of a process. One that halts leaves the others
// running: a purged binlog must not keep another source's results from HubSpot.
type supervisor struct {
	log *slog.Logger

	mu       sync.Mutex
	starting string // what the start is at; "" behind it
	stages   []*stage
	ack      http.Handler // nil: no pages are sent from here
	halted   map[*stage]error
	failed   map[*stage]error // and waits to run again
}

func newSupervisor(log *slog.Logger, metrics prometheus.Registerer) *supervisor {
	s := &supervisor{log: log, starting: "compiling the maps", halted: map[*stage]error{}, failed: map[*stage]error{}}
	metrics.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "chartwire_starting",
		Help: "1 until the process has what it needs to start its stages; readyz says what it waits for."}, func() float64 {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.starting != "" {
			return 1
		}
		return 0
	}))
	return s
}

// waits says what the start waits for.
func (s *supervisor) waits(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.starting = what
}

// begin takes up the stages: the start is behind.
func (s *supervisor) begin(stages []*stage, ack http.Handler) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.starting, s.stages, s.ack = "", stages, ack
}

// healthy says which stage does not do its work: then the watchdog outside
// hears nothing, and raises the alarm.
func (s *supervisor) healthy() error {
	for _, r := range s.report() {
		if r.Ready != "yes" {
			return fmt.Errorf("%s %s: %s", r.Stage, r.Name, r.Ready)
		}
	}
	return nil
}

// Restart is how long a stage that failed waits before it runs again; it
// doubles up to RestartMax.
const (
	restart    = time.Second
	restartMax = 30 * time.Second
)

// run returns when ctx ends and all stages have ended, or when all have halted.
func (s *supervisor) run(ctx context.Context) error {
	var wg sync.WaitGroup
	for _, st := range s.stages {
		wg.Add(1)
		go func() {
			defer wg.Done()
			s.keep(ctx, st)
		}()
	}
	wg.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for st, err := range s.halted {
		errs = append(errs, fmt.Errorf("%s %s: %w", st.kind, st.name, err))
	}
	return errors.Join(errs...)
}

// keep runs one stage until ctx ends or a person must decide.
func (s *supervisor) keep(ctx context.Context, st *stage) {
	log := s.log.With("stage", st.kind, "name", st.name)
	wait := restart
	for ctx.Err() == nil {
		began := time.Now()
		err := st.run(ctx)
		if ctx.Err() != nil {
			if err != nil && !errors.Is(err, context.Canceled) {
				log.Error("ended with an error while stopping", "err", err)
			}
			return
		}
		if code := cdc.HaltCode(err); code != "" {
			log.Error("halted: a person must decide", "code", code, "err", err, "explain", "chartwire explain "+code)
			s.mu.Lock()
			s.halted[st] = err
			s.mu.Unlock()
			return
		}
		if time.Since(began) > time.Minute {
			wait = restart
		}
		log.Error("ended; it starts again", "err", err, "in", wait)
		s.mu.Lock()
		s.failed[st] = err
		s.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
		s.mu.Lock()
		delete(s.failed, st)
		s.mu.Unlock()
		wait = min(2*wait, restartMax)
	}
}

// Report is what /status and `chartwire status` show of one stage.
type Report struct {
	Stage  string `json:"stage"`
	Name   string `json:"name"`
	Halted string `json:"halted,omitempty"` // the code
	Error  string `json:"error,omitempty"`
	Ready  string `json:"ready"` // "yes", or why not
	Status any    `json:"status,omitempty"`
}

func (s *supervisor) report() []Report {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Report
	if s.starting != "" {
		out = append(out, Report{Stage: "process", Name: "start", Ready: s.starting})
	}
	for _, st := range s.stages {
		r := Report{Stage: st.kind, Name: st.name, Ready: "yes", Status: st.status()}
		if err := st.ready(); err != nil {
			r.Ready = err.Error()
		}
		if err, ok := s.failed[st]; ok {
			r.Ready = fmt.Sprintf("ended, and starts again: %v", err)
		}
		if st.halt != nil {
			if code, text := st.halt(); code != "" {
				r.Halted, r.Error, r.Ready = code, text, "halted"
			}
		}
		if err := s.halted[st]; err != nil {
			r.Halted, r.Error, r.Ready = cdc.HaltCode(err), err.Error(), "halted"
		}
		out = append(out, r)
	}
	return out
}

// serve answers /metrics, /healthz, /readyz and /status until ctx ends.
func (s *supervisor) serve(ctx context.Context, addr string, metrics prometheus.Gatherer) error {
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	// Health is that the process answers, whatever its stages are at: a restart
	// mends neither a purged binlog nor a slow HubSpot.
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		status := http.StatusOK
		var lines []string
		for _, r := range s.report() {
			if r.Ready != "yes" {
				status = http.StatusServiceUnavailable
			}
			lines = append(lines, fmt.Sprintf("%s %s: %s", r.Stage, r.Name, r.Ready))
		}
		w.WriteHeader(status)
		for _, l := range lines {
			fmt.Fprintln(w, l)
		}
	})
	mux.HandleFunc("/status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(s.report())
	})
	mux.HandleFunc("/ack", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		ack := s.ack
		s.mu.Unlock()
		if ack == nil {
			http.NotFound(w, r)
			return
		}
		ack.ServeHTTP(w, r)
	})
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("listening for metrics and health (http.address): %w", err)
	}
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	select {
	case err := <-done:
		return fmt.Errorf("serving metrics and health: %w", err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	return srv.Shutdown(stop)
}
