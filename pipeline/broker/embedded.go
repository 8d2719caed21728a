package broker

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"chartwire/cdc"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
)

// EmbeddedLimit is the size of an embedded broker's directory above which it
// refuses, unless its options say otherwise.
const EmbeddedLimit = 4 << 30

// Embedded is a Kafka broker in the process, for a trial on one machine: one
// broker, without replicas, that never deletes anything. Its directory holds its
// data, its address and a lock: the process that has the lock is the broker,
// others attach to it.
type Embedded struct {
	dir     string
	limit   int64
	log     *slog.Logger
	lock    *os.File       // nil when attached
	cluster *kfake.Cluster // nil when attached
	address string
}

// EmbeddedOptions says where an embedded broker lives.
type EmbeddedOptions struct {
	Dir   string
	Limit int64        // bytes; 0 means EmbeddedLimit
	Log   *slog.Logger // nil: slog.Default()
}

// OpenEmbedded starts the broker of a directory, or attaches to the one that
// runs. A directory above its limit is a [cdc.Halt] "embedded-full".
func OpenEmbedded(ctx context.Context, o EmbeddedOptions) (*Embedded, error) {
	e := &Embedded{dir: o.Dir, limit: o.Limit, log: o.Log}
	if e.limit == 0 {
		e.limit = EmbeddedLimit
	}
	if e.log == nil {
		e.log = slog.Default()
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("opening the embedded broker: %w", err)
	}
	// The holder may end while we attach: then the lock is free a moment later.
	for deadline := time.Now().Add(10 * time.Second); ; {
		lock, err := lockFile(filepath.Join(o.Dir, "lock"))
		if err != nil && !errors.Is(err, errLocked) {
			return nil, fmt.Errorf("locking the embedded broker's directory: %w", err)
		}
		if err == nil {
			e.lock = lock
			if err := e.start(ctx); err != nil {
				lock.Close()
				return nil, err
			}
			return e, nil
		}
		if e.attach(ctx) {
			return e, nil
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("attaching to the embedded broker of %s: its directory is locked and nobody answers", o.Dir)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Config gives the way to the broker.
func (e *Embedded) Config() Config { return Config{Brokers: []string{e.address}, Embedded: true} }

// Attached reports whether the broker runs in another process.
func (e *Embedded) Attached() bool { return e.cluster == nil }

// Close stops the broker, if it is ours.
func (e *Embedded) Close() {
	if e.cluster != nil {
		e.cluster.Close()
		if err := os.Remove(e.runningFile()); err != nil {
			e.log.Warn("the embedded broker's directory will be read whole at its next start", "err", err)
		}
		e.lock.Close() // last: with the file the lock goes
	}
}

// Run watches the size of the broker's directory until ctx ends. It gives a
// [cdc.Halt] "embedded-full" when the limit is passed.
func (e *Embedded) Run(ctx context.Context) error {
	warned := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(10 * time.Second):
		}
		if e.Attached() {
			continue
		}
		size, err := e.check()
		if err != nil {
			return err
		}
		if !warned && size > e.limit*8/10 {
			warned = true
			e.log.Warn("the embedded broker is nearly full: it never deletes; move to a Kafka cluster", "bytes", size, "limit", e.limit)
		}
	}
}

func (e *Embedded) check() (size int64, err error) {
	err = filepath.WalkDir(e.dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return skipGone(err)
		}
		info, err := d.Info()
		if err == nil {
			size += info.Size()
		}
		return skipGone(err)
	})
	if err != nil {
		return 0, fmt.Errorf("measuring the embedded broker's directory: %w", err)
	}
	if size > e.limit {
		return size, cdc.Haltf("embedded-full", "the embedded broker in %s holds %d bytes, more than its limit of %d: "+
			"it is for a trial and never deletes. Set `kafka: brokers` to a Kafka cluster, or begin again with an empty directory", e.dir, size, e.limit)
	}
	return size, nil
}

func skipGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// clusterID is another one for each directory.
func (e *Embedded) clusterID() string {
	dir, err := filepath.Abs(e.dir)
	if err != nil {
		dir = e.dir
	}
	h := fnv.New64a()
	h.Write([]byte(dir))
	return fmt.Sprintf("embedded-%016x", h.Sum64())
}

func (e *Embedded) addressFile() string { return filepath.Join(e.dir, "address") }

// start starts the broker, on the port that it had before if that is free.
func (e *Embedded) start(ctx context.Context) error {
	if _, err := e.check(); err != nil {
		return err
	}
	port := 0
	if b, err := os.ReadFile(e.addressFile()); err == nil {
		_, p, _ := net.SplitHostPort(strings.TrimSpace(string(b)))
		port, _ = strconv.Atoi(p)
	}
	// Nobody is to find it before it is whole.
	if err := os.Remove(e.addressFile()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("starting the embedded broker: %w", err)
	}
	listen := func(network, address string) (net.Listener, error) {
		l, err := net.Listen(network, address)
		if err != nil && port != 0 {
			l, err = net.Listen(network, "127.0.0.1:0")
		}
		return l, err
	}
	cluster, err := kfake.NewCluster(
		kfake.NumBrokers(1), kfake.Ports(port), kfake.ListenFn(listen), kfake.ClusterID(e.clusterID()),
		kfake.DataDir(filepath.Join(e.dir, "data")), kfake.SyncWrites(),
		kfake.BrokerConfigs(map[string]string{"message.max.bytes": strconv.Itoa(MaxRecordBytes + 1<<16)}),
	)
	if err != nil {
		return fmt.Errorf("starting the embedded broker: %w", err)
	}
	e.cluster, e.address = cluster, cluster.ListenAddrs()[0]
	if err := e.open(ctx); err != nil {
		cluster.Close()
		return fmt.Errorf("starting the embedded broker: %w", err)
	}
	return nil
}

// runningFile is there from a start to the end that Close makes: what finds it
// follows a kill.
func (e *Embedded) runningFile() string { return filepath.Join(e.dir, "running") }

// open makes the directory whole if the last broker did not end by itself, and
// lets others attach.
func (e *Embedded) open(ctx context.Context) error {
	_, err := os.Stat(e.runningFile())
	if err == nil {
		e.log.Info("the embedded broker did not end by itself the last time: its records are read once", "dir", e.dir)
		err = e.endCutOff(ctx)
	} else if errors.Is(err, fs.ErrNotExist) {
		err = os.WriteFile(e.runningFile(), nil, 0o600)
	}
	if err != nil {
		return err
	}
	return e.publish()
}

// publish writes the address so that a reader sees the old one or the new one.
func (e *Embedded) publish() error {
	tmp := e.addressFile() + ".new"
	if err := os.WriteFile(tmp, []byte(e.address+"\n"), 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, e.addressFile())
}

// attach reports whether the published address answers.
func (e *Embedded) attach(ctx context.Context) bool {
	b, err := os.ReadFile(e.addressFile())
	if err != nil {
		return false
	}
	address := strings.TrimSpace(string(b))
	cl, err := Config{Brokers: []string{address}}.Client()
	if err != nil {
		return false
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	// Whoever has the port now may be another.
	if md, err := kadm.NewClient(cl).BrokerMetadata(ctx); err != nil || md.Cluster != e.clusterID() {
		return false
	}
	e.address = address
	return true
}
