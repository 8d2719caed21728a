package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"chartwire/pipeline"
	"chartwire/pipeline/broker/brokertest"
	"chartwire/pipeline/mapping"

	"github.com/prometheus/client_golang/prometheus"
)

// What Map promises, on the broker in the process and on a real one.
var mapPromises = []struct {
	name string
	test func(t *testing.T, w *mapWorld)
}{
	{"lanes, deadlines and existence", testMapLanes},
	{"fresh critical results", testMapFresh},
	{"a changed map", testMapRemap},
	{"retries", testMapRetry},
	{"written once", testMapOnce},
	{"the best value", testMapBest},
	{"each change of a value", testMapChanges},
	{"a change made again", testMapChangesRetry},
	{"refused values", testMapRefused},
	{"tables that change", testMapShapes},
	{"days", testMapDays},
	{"a day, killed in the middle", testMapDayKilled},
	{"lost requests and answers", testMapFaults},
	{"heartbeats", testMapHeartbeats},
	{"a foreign record", testMapForeign},
	{"a standby takes over, warm", testMapStandby},
	{"a table emptied, and a row that came and went", testMapEmptied},
	{"a table emptied, killed in the middle", testMapEmptiedHalf},
	{"equal to the reference, killed at any moment", testMapModel},
}

func TestMapInProcess(t *testing.T) {
	for _, p := range mapPromises {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			p.test(t, newMapWorld(t, brokertest.Start(t), "t"))
		})
	}
}

func TestMapKafka(t *testing.T) {
	conn := sharedKafka(t)
	for i, p := range mapPromises {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			p.test(t, newMapWorld(t, conn, fmt.Sprintf("m%d", i)))
		})
	}
}

// mapRun is a Map that runs.
type mapRun struct {
	*pipeline.Map
	stop func() error
}

func (w *mapWorld) options(dir string, p *mapping.Program) pipeline.MapOptions {
	return pipeline.MapOptions{
		Flow: w.flow, Connection: w.mapConn, Topics: w.topics, Schema: w.find, Program: p, Dir: dir, Fingerprint: "a",
		Metrics: prometheus.NewRegistry(), Log: slog.New(slog.NewTextHandler(w.Output(), nil)),
	}
}

func (w *mapWorld) run(o pipeline.MapOptions) *mapRun {
	w.Helper()
	m, err := pipeline.NewMap(o)
	if err != nil {
		w.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.Context())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	r := &mapRun{Map: m}
	r.stop = func() error {
		cancel()
		select {
		case err := <-done:
			done <- err
			return err
		case <-time.After(2 * time.Minute):
			return errors.New("Run did not end")
		}
	}
	w.Cleanup(func() { _ = r.stop() })
	return r
}

// until waits for the map to have mapped everything.
func (w *mapWorld) until(m *mapRun) {
	w.Helper()
	w.wait(m, "all is mapped", func(s pipeline.MapStatus) bool { return s.Sources["clinic"].Seq >= w.seq && len(s.Remapping) == 0 })
}

func (w *mapWorld) wait(m *mapRun, what string, ok func(pipeline.MapStatus) bool) {
	w.Helper()
	for start := time.Now(); !ok(m.Status()); {
		if time.Since(start) > 60*time.Second {
			w.Fatalf("waited for: %s; seq %d, status %+v", what, w.seq, m.Status())
		}
		time.Sleep(5 * time.Millisecond)
	}
}
