package soak

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"chartwire/cdc"
	"chartwire/cdc/mysql"
	"chartwire/pipeline"
	"chartwire/pipeline/broker"
	"chartwire/schemas"
	"chartwire/schemas/registry"

	"github.com/Shopify/toxiproxy/v2"
)

// spec is all that a capture needs to know, in this process or in another.
type spec struct {
	Addr, User, Password string
	Kafka                string // the proxy's address, whatever the broker advertises
	Embedded             bool
	Registry, Prefix     string
	Tables               []cdc.TableID
	ChunkRows, Piece     int
	Workers              int
}

const source = "soak"

func (s *spec) topics() schemas.Topics { return schemas.Topics{Prefix: s.Prefix} }

func (s *spec) capture(log *slog.Logger) (*pipeline.Capture, error) {
	cfg := mysql.Config{Name: source, Addr: s.Addr, User: s.User, Password: s.Password, Heartbeat: 200 * time.Millisecond,
		Patience: time.Minute, Piece: s.Piece, Snapshot: mysql.Snapshot{ChunkRows: s.ChunkRows, Workers: s.Workers}, Log: log}
	for _, id := range s.Tables {
		cfg.Selections = append(cfg.Selections, cdc.Selection{Table: id})
	}
	src, err := mysql.New(cfg)
	if err != nil {
		return nil, err
	}
	reg, err := registry.New(registry.Options{URLs: []string{s.Registry}})
	if err != nil {
		return nil, err
	}
	return pipeline.NewCapture(pipeline.CaptureOptions{Source: source, Stream: src.Stream, Topics: s.topics(), Tables: s.Tables, Log: log,
		Connection: broker.Config{Brokers: []string{s.Kafka}, Embedded: s.Embedded, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, s.Kafka)
		}}, Register: reg.Register, Fingerprint: "soak"})
}

// process is a capture with roads of its own to the database and to Kafka.
type process struct {
	run       *run
	name      string
	db, kafka *toxiproxy.Proxy
	cmd       *exec.Cmd // nil: in this process
	stdin     io.Closer
	cancel    context.CancelFunc
	done      chan struct{}
	err       error
	killed    bool
}

// start starts a capture, as a process of its own or in this one.
func (r *run) start(child bool) (*process, error) {
	r.procs++
	p := &process{run: r, name: fmt.Sprintf("capture %d", r.procs), done: make(chan struct{})}
	var err error
	if p.db, err = r.proxy(r.server.db.Addr); err != nil {
		return nil, err
	}
	if p.kafka, err = r.proxy(r.kafka.Brokers[0]); err != nil {
		return nil, err
	}
	s := r.spec
	s.Addr, s.Kafka = p.db.Listen, p.kafka.Listen
	if child {
		return p, p.startChild(&s)
	}
	r.log("%s starts", p.name)
	c, err := s.capture(slog.New(slog.NewTextHandler(&r.tail, &slog.HandlerOptions{Level: slog.LevelInfo})).With("capture", r.procs))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	go func() {
		defer close(p.done)
		p.err = c.Run(ctx)
	}()
	return p, nil
}

// proxy listens below the ports that systems give to connections: one that is cut
// listens there again, and would find a connection's in use.
func (r *run) proxy(upstream string) (p *toxiproxy.Proxy, err error) {
	for range 20 {
		p = toxiproxy.NewProxy(r.world.toxi, "soak", fmt.Sprintf("127.0.0.1:%d", 20_000+rand.IntN(10_000)), upstream)
		if err = p.Start(); err == nil {
			r.cleanup = append(r.cleanup, p.Stop)
			return p, nil
		}
	}
	return nil, err
}

// childSpec names the environment variable that makes this binary a capture.
const childSpec = "CHARTWIRE_SOAK_CAPTURE"

func (p *process) startChild(s *spec) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	p.cmd = exec.Command(os.Args[0], "-test.run=^TestCaptureChild$")
	p.cmd.Env = append(os.Environ(), childSpec+"="+string(text))
	p.cmd.Stdout, p.cmd.Stderr = &p.run.tail, &p.run.tail
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return err
	}
	p.run.log("%s starts as a process", p.name)
	if err := p.cmd.Start(); err != nil {
		return err
	}
	go func() {
		defer close(p.done)
		if err := p.cmd.Wait(); err != nil {
			p.err = fmt.Errorf("%s: %w", p.name, err)
		}
	}()
	return nil
}

// TestCaptureChild is the process that a run starts and kills.
func TestCaptureChild(t *testing.T) {
	text := os.Getenv(childSpec)
	if text == "" {
		t.Skip("no test: a process of TestSoak")
	}
	var s spec
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		t.Fatal(err)
	}
	c, err := s.capture(slog.New(slog.NewTextHandler(os.Stderr, nil)).With("capture", os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() { // its standard input ends with its parent
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	if err := c.Run(ctx); err != nil {
		t.Fatal(err)
	}
}

// kill ends it without a chance to say goodbye. In this process, that is the
// end of its connections and nothing more from it.
func (p *process) kill() {
	p.killed = true
	if p.cmd != nil {
		_ = p.cmd.Process.Kill()
		<-p.done
		return
	}
	p.kafka.Stop()
	p.db.Stop()
	p.cancel()
}

// stop ends it in order.
func (p *process) stop() error {
	if p.cmd != nil {
		return p.stopChild()
	}
	p.cancel()
	select {
	case <-p.done:
	case <-time.After(patience):
		return errors.New(p.name + " does not end")
	}
	return p.err
}

func (p *process) stopChild() error {
	p.killed = true
	_ = p.stdin.Close()
	select {
	case <-p.done:
	case <-time.After(patience):
		_ = p.cmd.Process.Kill()
		return errors.New(p.name + " does not end")
	}
	return p.err
}

// ended says why it ended by itself.
func (p *process) ended() error {
	select {
	case <-p.done:
		if p.killed {
			return nil
		}
		return fmt.Errorf("%s ended by itself: %w", p.name, p.err)
	default:
		return nil
	}
}
