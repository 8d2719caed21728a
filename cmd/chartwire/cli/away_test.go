package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"chartwire/integration/servers"

	"github.com/prometheus/client_golang/prometheus"
)

// TestNobodyAnswers: what a verb says while neither Kafka nor the registry, nor
// a database, answers is what is the matter, and not that somebody captures.
func TestNobodyAnswers(t *testing.T) {
	file := embeddedSite(t)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	away := strings.NewReplacer("kafka: embedded", `kafka: {brokers: ["127.0.0.1:1"]}`, "registry: embedded", "registry: http://127.0.0.1:1").Replace(string(text))
	if err := os.WriteFile(file, []byte(away), 0o600); err != nil {
		t.Fatal(err)
	}
	verb := func(line string) (int, string) {
		var out, errs bytes.Buffer
		code := Main(append([]string{"--config", file}, strings.Fields(line)...), &out, &errs)
		return code, out.String() + errs.String()
	}
	for _, line := range []string{"snapshot status", "snapshot start om", "tables add om t --columns a", "columns add om t a", "schemas list", "skip om --reason x",
		"rewind om --to 0-1-1", "reload om", "dlq list", "flow status", "topics list", "maps explain om-aggregation/contacts 1"} {
		code, said := verb(line)
		if code != 1 || !strings.Contains(said, "no Kafka broker answers at 127.0.0.1:1") || strings.Contains(said, "captured") {
			t.Errorf("%s: code %d: %s", line, code, said)
		}
	}
	code, said := verb("check")
	for _, want := range []string{"source om: connecting to 127.0.0.1:1", "no Kafka broker answers at 127.0.0.1:1", "the schema registry does not answer"} {
		if code != 1 || !strings.Contains(said, "WRONG") || !strings.Contains(said, want) {
			t.Errorf("check, code %d, lacks %q:\n%s", code, want, said)
		}
	}
}

// TestStatusOfAStart: a process that waits to start says what for, and is told
// to end without that being an error.
func TestStatusOfAStart(t *testing.T) {
	file := embeddedSite(t) // no database is there
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var log bytes.Buffer
	a := &app{out: &bytes.Buffer{}, err: &log, configPath: file}
	port, err := servers.Port()
	if err != nil {
		t.Fatal(err)
	}
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	done := make(chan error, 1)
	go func() { done <- a.runStages(ctx, addr, []string{"capture"}, nil) }()
	var out, errs bytes.Buffer
	code := 0
	for end := time.Now().Add(time.Minute); !strings.Contains(out.String(), "waiting for the databases of"); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("status said %q, %q", out.String(), errs.String())
		}
		out.Reset()
		errs.Reset()
		code = Main([]string{"status", "--address", addr}, &out, &errs)
	}
	if code != 0 || errs.Len() > 0 {
		t.Errorf("status: code %d, %s", code, errs.String())
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("told to end while it waited, it ended with %v", err)
	}
}

// TestSupervisorRestarts: a stage that ends and is to start again is not one
// that stands by.
func TestSupervisorRestarts(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	sup := newSupervisor(slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	sup.begin([]*stage{{kind: "map", name: "people", ready: func() error { return nil }, status: func() any { return nil },
		run: func(context.Context) error { return errors.New("no space left") }}}, nil)
	done := make(chan error, 1)
	go func() { done <- sup.run(ctx) }()
	for end := time.Now().Add(time.Minute); sup.report()[0].Ready != "ended, and starts again: no space left"; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it says %q", sup.report()[0].Ready)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
