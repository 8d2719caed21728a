package mysql

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"time"

	"chartwire/cdc"
	"chartwire/cdc/mysql/image"

	"github.com/prometheus/client_golang/prometheus"
)

// MinMemory is the least Config.Memory.
const MinMemory = 32 << 20

// The defaults of Config.
const (
	DefaultHeartbeat = 500 * time.Millisecond
	DefaultPatience  = 5 * time.Minute
	DefaultCatchup   = time.Minute
	DefaultMemory    = 192 << 20
	DefaultChunkRows = 2000
	MostWorkers      = 32
)

// Config says which server to read, as whom, and what of it.
type Config struct {
	// Name is the source's name in the configuration and in topics.
	Name string
	// Addr is host:port, or the path of a Unix socket.
	Addr string
	// Others are servers that hold the same log, such as replicas, in the order
	// in which they are tried when the one that was read cannot be any more. What
	// can be read is decided by the position alone: no list can make a wrong
	// server right.
	Others   []string
	User     string
	Password string
	// TLS is nil for a plain connection. See TLS.
	TLS *tls.Config

	// Selections are the tables and columns to read.
	Selections []cdc.Selection

	// Dates says of columns what becomes of dates that cannot be said: null,
	// where it says nothing.
	Dates map[cdc.TableID]map[string]image.DatePolicy

	// ServerID is what the server knows this reader by. It must differ from
	// that of every server and reader of the same primary; zero means a random
	// one from the upper half, new with every Source.
	ServerID uint32

	// Heartbeat is how often the server says that it has nothing to say; at
	// most a second, because the age of the newest one is what health is
	// measured by.
	Heartbeat time.Duration
	// Patience is how long the server may be out of reach before the stream
	// ends with an error; its caller then starts over, or lets another try.
	Patience time.Duration
	// Catchup is how long a replica is waited for that has not come to what was
	// read, until that is a halt.
	Catchup time.Duration
	// Retention is how long the server must keep its log at least, or Check
	// refuses it.
	Retention time.Duration
	// Memory bounds, in bytes, what the stream and who takes from it hold in
	// memory: an event a quarter, pieces of transactions a 48th each, the keys
	// that change while rows are read a quarter.
	Memory int
	// Piece is the size in bytes from which on a transaction is given in
	// pieces; 0 leaves it to Memory.
	Piece int

	Snapshot Snapshot

	Log     *slog.Logger
	Metrics prometheus.Registerer
}

// Snapshot says how tables are read that are not loaded yet.
type Snapshot struct {
	// ChunkRows is the number of rows of one SELECT at the start of a table;
	// it adapts so that a chunk stays below Config.Piece bytes.
	ChunkRows int
	// Workers is how many chunks are read at once, of one table or of several.
	Workers int
	// Pause is the wait of each worker between two chunks, to spare the server.
	Pause time.Duration
	Pace  Pace
}

func (c *Config) setDefaults() {
	if c.Heartbeat == 0 {
		c.Heartbeat = DefaultHeartbeat
	}
	if c.Patience == 0 {
		c.Patience = DefaultPatience
	}
	if c.Retention == 0 {
		c.Retention = DefaultRetention
	}
	if c.Catchup == 0 {
		c.Catchup = DefaultCatchup
	}
	if c.Memory == 0 {
		c.Memory = DefaultMemory
	}
	if c.Piece == 0 {
		c.Piece = c.Memory / 48
	}
	if c.Snapshot.ChunkRows == 0 {
		c.Snapshot.ChunkRows = DefaultChunkRows
	}
	if c.Snapshot.Workers == 0 {
		c.Snapshot.Workers = 1
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Metrics == nil {
		c.Metrics = prometheus.NewRegistry()
	}
}

func (c *Config) addrs() []string { return append([]string{c.Addr}, c.Others...) }

// eventShare is how many of the largest events the memory would hold: the event
// as it came, as it is encoded, and as a record, and what else there is.
const eventShare = 4

func (c *Config) maxEvent() int { return c.Memory / eventShare }

// validate names everything that is wrong at once.
func (c *Config) validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.Name == "" {
		bad("the source has no name")
	}
	for i, addr := range c.addrs() {
		if _, _, err := net.SplitHostPort(addr); err != nil && !strings.HasPrefix(addr, "/") {
			bad("address %q is not host:port", addr)
		}
		if i > 0 && (addr == c.Addr || slices.Contains(c.Others[:i-1], addr)) {
			bad("address %q is named twice", addr)
		}
	}
	if c.User == "" {
		bad("the source has no user")
	}
	if len(c.Selections) == 0 {
		bad("no table is selected")
	}
	seen := map[cdc.TableID]bool{}
	for _, s := range c.Selections {
		if s.Table.Database == "" || s.Table.Name == "" {
			bad("selection %q lacks a database or a table", s.Table)
		}
		if seen[s.Table] {
			bad("table %s is selected twice", s.Table)
		}
		seen[s.Table] = true
	}
	for id, columns := range c.Dates {
		for name, p := range columns {
			if p != image.DateNull && p != image.DateRaw && p != image.DateReject {
				bad("dates of %s.%s are %q: must be null, raw or reject", id, name, p)
			}
		}
	}
	if c.Heartbeat < 50*time.Millisecond || c.Heartbeat > time.Second {
		bad("heartbeat %s is not between 50ms and 1s: health is the age of the newest one", c.Heartbeat)
	}
	if c.Memory < MinMemory {
		bad("memory of %d bytes is below %d MiB", c.Memory, MinMemory>>20)
	}
	if c.Piece < 64<<10 {
		bad("piece %d is below 65536 bytes: every piece costs a record of progress", c.Piece)
	}
	if c.Snapshot.ChunkRows < 1 {
		bad("chunk of %d rows is empty", c.Snapshot.ChunkRows)
	}
	if c.Snapshot.Workers < 1 || c.Snapshot.Workers > MostWorkers {
		bad("%d snapshot workers are not between 1 and %d: each is a connection that reads at full speed", c.Snapshot.Workers, MostWorkers)
	}
	p := &c.Snapshot.Pace
	if p.Threads < 0 || p.Rows < 0 || p.Lag < 0 {
		bad("a limit of the snapshot is negative")
	}
	if len(p.Replicas) > 0 && p.Lag == 0 {
		bad("the snapshot has replicas to spare, and no lag that they may have")
	}
	if len(p.Hours) > 0 && p.Zone == nil {
		bad("the snapshot has hours and no time zone")
	}
	if c.Snapshot.Pause < 0 {
		bad("pause %s is negative", c.Snapshot.Pause)
	}
	return errors.Join(errs...)
}
