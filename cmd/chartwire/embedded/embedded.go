// Package embedded runs the Kafka broker and the schema registry of an
// installation on one machine, in whatever process of it comes first; the
// others attach to that one.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"chartwire/pipeline/broker"
	"chartwire/schemas"
	"chartwire/schemas/registry"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Services are the broker and the registry.
type Services struct {
	Broker   *broker.Embedded
	Registry string // its URL

	client *kgo.Client  // of a registry that is ours
	server *http.Server // nil when attached
}

// Start starts the services of a data folder, or attaches to those that run.
func Start(ctx context.Context, dir, installation string, log *slog.Logger) (*Services, error) {
	b, err := broker.OpenEmbedded(ctx, broker.EmbeddedOptions{Dir: filepath.Join(dir, "kafka"), Log: log})
	if err != nil {
		return nil, err
	}
	s := &Services{Broker: b}
	url := filepath.Join(dir, "registry.url")
	if b.Attached() {
		err = s.attach(ctx, url)
	} else {
		err = s.host(ctx, url, schemas.Topics{Prefix: installation})
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// host serves the registry from its topic, at the address it had before if that
// is free: other tools may know it.
func (s *Services) host(ctx context.Context, file string, topics schemas.Topics) error {
	cfg := s.Broker.Config()
	client, err := cfg.Client()
	if err != nil {
		return err
	}
	s.client = client
	if err := broker.EnsureTopics(ctx, client, cfg, broker.Compacted(topics.Schemas())); err != nil {
		return fmt.Errorf("starting the embedded registry: %w", err)
	}
	handler, err := registry.FromTopic(ctx, client, topics.Schemas())
	if err != nil {
		return fmt.Errorf("starting the embedded registry: %w", err)
	}
	addr := "127.0.0.1:0"
	if b, err := os.ReadFile(file); err == nil {
		addr = strings.TrimPrefix(strings.TrimSpace(string(b)), "http://")
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return fmt.Errorf("starting the embedded registry: %w", err)
		}
	}
	s.Registry = "http://" + l.Addr().String()
	s.server = &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = s.server.Serve(l) }()
	part := file + ".part"
	return errors.Join(os.WriteFile(part, []byte(s.Registry+"\n"), 0o600), os.Rename(part, file))
}

// attach waits for the registry of the process that hosts the broker.
func (s *Services) attach(ctx context.Context, file string) error {
	client := &http.Client{Timeout: 2 * time.Second}
	for deadline := time.Now().Add(10 * time.Second); ; {
		b, err := os.ReadFile(file)
		if err == nil {
			s.Registry = strings.TrimSpace(string(b))
			resp, err := client.Get(s.Registry + "/subjects")
			if err == nil {
				return resp.Body.Close()
			}
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the process that runs the embedded broker serves no schema registry (%s)", file)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Run watches the broker's size; see [broker.Embedded.Run].
func (s *Services) Run(ctx context.Context) error { return s.Broker.Run(ctx) }

// Close ends what is ours.
func (s *Services) Close() {
	if s.server != nil {
		_ = s.server.Close()
	}
	if s.client != nil {
		s.client.Close()
	}
	s.Broker.Close()
}
