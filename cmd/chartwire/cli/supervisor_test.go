package cli

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"chartwire/cdc"

	"github.com/prometheus/client_golang/prometheus"
)

// TestSupervisorHalted: a stage that halted leaves the others running, and its
// code is in the metrics, for an alert.
func TestSupervisorHalted(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	fine := func() error { return nil }
	sup := newSupervisor(slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	sup.begin([]*stage{
		{kind: "capture", name: "om", ready: fine, status: func() any { return nil },
			run: func(context.Context) error {
				return fmt.Errorf("reading the source: %w", cdc.Haltf("binlog-purged", "gone"))
			}},
		{kind: "map", name: "people", ready: fine, status: func() any { return nil },
			run: func(ctx context.Context) error { <-ctx.Done(); return nil }},
		{kind: "deliver", name: "crm", ready: fine, status: func() any { return nil },
			halt: func() (string, string) { return "hubspot-credentials", "refused" },
			run:  func(ctx context.Context) error { <-ctx.Done(); return nil }},
	}, nil)
	reg := prometheus.NewRegistry()
	reg.MustRegister(sup)
	halted := func() map[string]float64 {
		all, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]float64{}
		for _, m := range all[0].GetMetric() {
			text := ""
			for _, l := range m.GetLabel() {
				text += l.GetValue() + " "
			}
			got[text] = m.GetGauge().GetValue()
		}
		return got
	}
	done := make(chan error)
	go func() { done <- sup.run(ctx) }()
	for halted()["binlog-purged om capture "] != 1 && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	got := halted()
	if len(got) != 3 || got["binlog-purged om capture "] != 1 || got[" people map "] != 0 || got["hubspot-credentials crm deliver "] != 1 {
		t.Errorf("the metrics say %v", got)
	}
	cancel()
	if err := <-done; cdc.HaltCode(err) != "binlog-purged" {
		t.Errorf("it ended with %v", err)
	}
}
