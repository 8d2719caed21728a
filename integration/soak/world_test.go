package soak

import (
	"fmt"
	"maps"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"chartwire/integration/servers"
	"chartwire/pipeline/broker"
	"chartwire/schemas/registry"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"context"
)

// world is what runs share: the servers, and what is counted.
type world struct {
	t        *testing.T
	kafka    broker.Config
	registry string
	toxi     *toxiproxy.ApiServer
	counts   counts
	started  atomic.Int64

	mu      sync.Mutex
	servers map[string]*server
}

// server is a database server; one that runs break is for one run at a time,
// and where positions hold on another server it has a replica.
type server struct {
	kind    kind
	db      *servers.DB
	replica *servers.DB // nil: none
	broken  sync.Mutex
}

// kind is how a source is set up.
type kind struct {
	name   string
	flavor servers.Flavor
	args   []string
}

var kinds = []kind{
	{"mariadb", servers.MariaDB1011, nil},
	{"mysql", servers.MySQLNew, nil},
	{"mysql-file", servers.MySQLNew, []string{"--gtid-mode=OFF", "--enforce-gtid-consistency=OFF"}},
}

// byID says that a position holds on another server too.
func (k kind) byID() bool { return k.name != "mysql-file" }

func (k kind) maria() bool { return k.flavor.Name == "mariadb" }

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, servers: map[string]*server{}, counts: counts{n: map[string]int{}},
		toxi: toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())}
	schemas := httptest.NewServer(registry.NewServer(func(context.Context, registry.Record) error { return nil }))
	t.Cleanup(schemas.Close)
	w.registry = schemas.URL
	w.kafka = broker.Config{Brokers: strings.Split(servers.Kafka(t).Addr, ",")}
	return w
}

// server gives a started server of the kind; one of its own for those who break
// it. MariaDB's has a replica, or is alone and may be killed: one that is killed
// amid changes may come up with other content than its replica, under the same
// ids. A capture halts there (history-changed), and so it should.
func (w *world) server(k kind, own, alone bool) (*server, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	name := k.name
	if own {
		name += "-own"
	}
	if alone = own && alone && k.maria(); alone {
		name += "-alone"
	}
	if s := w.servers[name]; s != nil {
		return s, nil
	}
	db, err := w.startDB(k)
	if err != nil {
		return nil, err
	}
	s := &server{kind: k, db: db}
	if own && k.byID() && !alone {
		if s.replica, err = w.startDB(k); err != nil {
			return nil, err
		}
		if err := s.replica.Follow(db); err != nil {
			return nil, err
		}
	}
	w.servers[name] = s
	return s, nil
}

func (w *world) startDB(k kind) (*servers.DB, error) {
	dir, err := os.MkdirTemp("", "chartwire-soak-")
	if err != nil {
		return nil, err
	}
	w.t.Cleanup(func() { os.RemoveAll(dir) })
	db, err := servers.StartDB(k.flavor, dir, append([]string{"--max-connections=500", "--max-binlog-size=4M", "--log-slave-updates", "--myisam-recover-options=FORCE,BACKUP"}, k.args...)...)
	if err == nil {
		w.t.Cleanup(func() { db.Close() })
	}
	return db, err
}

// failover makes the replica the server, and the server, which ends with or
// without a goodbye, its replica. Nothing is written meanwhile.
func (s *server) failover(kill bool) error {
	if err := s.replica.CatchUp(s.db, patience); err != nil {
		return err
	}
	if kill {
		s.db.Kill()
	} else {
		s.db.Stop(patience)
	}
	if err := s.replica.Promote(); err != nil {
		return err
	}
	s.db, s.replica = s.replica, s.db
	if err := s.replica.Start(); err != nil {
		return err
	}
	if s.kind.maria() { // it has all that it wrote itself
		if err := s.replica.Exec("set global gtid_slave_pos=@@gtid_binlog_pos"); err != nil {
			return err
		}
	}
	return s.replica.Follow(s.db)
}

// counts is how often what happened.
type counts struct {
	mu sync.Mutex
	n  map[string]int
}

func (c *counts) add(what string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n[what] += n
}

func (c *counts) of(what string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n[what]
}

func (c *counts) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(c.n)) {
		parts = append(parts, fmt.Sprintf("%s %d", k, c.n[k]))
	}
	return strings.Join(parts, ", ")
}
