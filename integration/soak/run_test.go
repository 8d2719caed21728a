package soak

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"chartwire/cdc"
	"chartwire/integration/servers"
	"chartwire/pipeline/broker"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
)

// patience is how long a run waits for what must come.
const patience = 30 * time.Second

// run is one run: a database, its writers, its captures and what befell them.
type run struct {
	world  *world
	seed   uint64
	d      *rand.Rand // of the run itself; writers have their own
	server *server
	own    bool // the server may be broken
	kafka  broker.Config
	spec   spec
	name   string // of the database
	tables []*table
	rest   time.Duration // of writers
	maxDDL int32

	procs   int
	current *process
	all     []*process
	cleanup []func()
	tail    servers.Tail

	db   atomic.Pointer[sql.DB]
	tags atomic.Int64
	ddls atomic.Int32

	writing  sync.RWMutex // held while the server is replaced
	altering sync.Mutex   // held during DDL

	mu        sync.Mutex
	capturing bool            // a cut was seen: from now on every change must come
	expected  map[int64]int64 // rows written by tag; negative: unknown
	history   []string
	began     time.Time
}

func (r *run) pool() *sql.DB { return r.db.Load() }

func (r *run) log(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.history = append(r.history, fmt.Sprintf("%7.3f ", time.Since(r.began).Seconds())+fmt.Sprintf(format, args...))
}

func (r *run) begin(tag int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.expected[tag] = 0; !r.capturing {
		r.expected[tag] = -1
	}
}

func (r *run) wrote(tag, n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.expected[tag] >= 0 {
		r.expected[tag] = n
	}
}

func (r *run) forget(tag int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.expected[tag] = -1
}

// run does one run; its error says all that is known of a difference.
func (w *world) run(ctx context.Context, seed uint64) error {
	r := &run{world: w, seed: seed, d: rand.New(rand.NewPCG(seed, 1)), expected: map[int64]int64{}, began: time.Now()}
	r.tail.Max = 64 << 10
	defer r.close()
	err := r.do(ctx)
	if err == nil || ctx.Err() != nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return fmt.Errorf("%w\n\nWhat happened:\n  %s\n\nThe end of the log:\n%s", err, strings.Join(r.history, "\n  "), r.tail.String())
}

func (r *run) do(ctx context.Context) error {
	if err := r.build(); err != nil {
		return err
	}
	early := r.d.IntN(2) == 0 // the capture starts before the writers
	if early {
		if err := r.launch(); err != nil {
			return err
		}
	}
	cuts, err := r.follow(ctx)
	if err != nil {
		return err
	}
	defer cuts.close()
	wctx, stop := context.WithCancel(ctx)
	defer stop()
	writers := 1 + r.d.IntN(3)
	done, enough := make(chan error, writers), make(chan struct{})
	for i := range writers {
		d := rand.New(rand.NewPCG(r.seed, uint64(100+i)))
		go func() { done <- r.write(wctx, d, 20+d.IntN(80)/writers, enough) }()
	}
	if !early {
		time.Sleep(time.Duration(r.d.IntN(int(200 * time.Millisecond))))
		if err := r.launch(); err != nil {
			return err
		}
	}
	for range 1 + r.d.IntN(4) {
		if err := r.disturb(); err != nil {
			return err
		}
	}
	close(enough)
	for range writers {
		if err := <-done; err != nil {
			return err
		}
	}
	if err := r.last(ctx, cuts); err != nil {
		return err
	}
	if err := r.current.stop(); err != nil {
		return err
	}
	r.world.counts.add(r.server.kind.name, 1)
	return r.verify(ctx)
}

// build makes the tables and decides what everything is.
func (r *run) build() (err error) {
	r.own = r.seed%10 == 0 || os.Getenv("CHARTWIRE_BREAK") != ""
	k := kinds[r.d.IntN(len(kinds))]
	if r.server, err = r.world.server(k, r.own, r.seed%20 == 0); err != nil {
		return err
	}
	if r.own {
		r.server.broken.Lock()
		r.cleanup = append(r.cleanup, r.server.broken.Unlock)
	}
	r.name = fmt.Sprintf("s%d_%d", r.seed, r.world.started.Add(1))
	r.rest = time.Duration(2+r.d.IntN(40)) * time.Millisecond
	r.maxDDL = int32(r.d.IntN(8))
	if err := r.exec("drop database if exists " + r.name + "; create database " + r.name + " character set utf8mb4"); err != nil {
		return err
	}
	if err := r.open(); err != nil {
		return err
	}
	r.spec = spec{User: r.server.db.User, Password: r.server.db.Password, Registry: r.world.registry, Prefix: fmt.Sprintf("%s-%d", r.name, time.Now().UnixNano()%1e6),
		ChunkRows: 3 + r.d.IntN(30), Piece: 64 << 10, Workers: 1 + r.d.IntN(3)}
	ddl := "set time_zone='+00:00', sql_mode=''; create table marker (id int primary key);"
	for i := range 1 + r.d.IntN(3) {
		t := newTable(r.d, fmt.Sprintf("t%d", i), r.d.IntN(3) == 0)
		r.tables = append(r.tables, t)
		ddl += t.ddl() + ";"
		var rows []string
		for range r.d.IntN(80) {
			rows = append(rows, t.row(r.d, r.tags.Add(1)))
		}
		if rows != nil {
			ddl += fmt.Sprintf("insert ignore into %s (%s) values %s;", t.name, t.names(), strings.Join(rows, ","))
		}
		r.spec.Tables = append(r.spec.Tables, cdc.TableID{Database: r.name, Name: t.name})
	}
	r.spec.Tables = append(r.spec.Tables, cdc.TableID{Database: r.name, Name: "marker"})
	if _, err := r.pool().Exec(ddl); err != nil {
		return fmt.Errorf("making the tables: %w", err)
	}
	r.log("seed %d on %s, chunks of %d rows", r.seed, k.name, r.spec.ChunkRows)
	for _, t := range r.tables {
		r.log("%s", t.ddl())
	}
	return r.chooseKafka()
}

func (r *run) chooseKafka() error {
	if r.kafka = r.world.kafka; r.d.IntN(2) == 0 {
		c, err := kfake.NewCluster(kfake.NumBrokers(1))
		if err != nil {
			return err
		}
		r.cleanup = append(r.cleanup, c.Close)
		r.kafka, r.spec.Embedded = broker.Config{Brokers: c.ListenAddrs(), Embedded: true}, true
	} else {
		r.cleanup = append(r.cleanup, r.deleteTopics)
	}
	r.log("kafka: embedded %v, prefix %s", r.spec.Embedded, r.spec.Prefix)
	return nil
}

func (r *run) deleteTopics() {
	cl, err := r.kafka.Client()
	if err != nil {
		return
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, _ = kadm.NewClient(cl).DeleteTopics(ctx, append(r.rowTopics(), r.spec.topics().Cuts(source), r.spec.topics().Lease("capture", source))...)
}

func (r *run) rowTopics() (list []string) {
	for _, id := range r.spec.Tables {
		list = append(list, r.spec.topics().Rows(source, id))
	}
	return list
}

func (r *run) exec(statements string) error { return r.server.db.Exec(statements) }

// open opens the pool of the server that is the source now.
func (r *run) open() error {
	pool, err := r.server.db.Open(r.name)
	if err != nil {
		return err
	}
	if old := r.db.Swap(pool); old != nil {
		_ = old.Close()
	}
	return nil
}

// launch starts a capture that takes the place of the one there was.
func (r *run) launch() error {
	p, err := r.start(r.d.IntN(8) == 0)
	if err != nil {
		return err
	}
	r.current, r.all = p, append(r.all, p)
	return nil
}

// last writes the row that ends the run, and waits until it has come and all
// tables are read.
func (r *run) last(ctx context.Context, cuts *cuts) error {
	if err := r.settle(); err != nil {
		return fmt.Errorf("ending what is prepared: %w", err)
	}
	if r.d.IntN(2) == 0 { // else nobody may write to a table after its last change of shape
		r.log("the last rows")
		for _, t := range r.tables {
			if err := r.surely(fmt.Sprintf("set sql_mode=''; replace into %s (%s) values %s", t.name, t.names(), t.row(r.d, r.tags.Add(1)))); err != nil {
				return fmt.Errorf("writing the last rows: %w", err)
			}
		}
	} else if err := r.lastDDL(ctx); err != nil {
		return fmt.Errorf("changing a table at last: %w", err)
	}
	if err := r.surely("replace into marker values (1)"); err != nil {
		return fmt.Errorf("writing the last row: %w", err)
	}
	r.log("the writers are done")
	deadline := time.Now().Add(patience)
	for !cuts.whole() {
		if err := r.current.ended(); err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return errors.New("the last row does not come: " + cuts.String() + r.standstill())
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
	r.log("everything has come")
	return nil
}

// lastDDL changes a table that nobody writes to any more.
func (r *run) lastDDL(ctx context.Context) error {
	w := &writer{run: r, d: r.d, pending: map[int64]int64{}}
	defer w.close()
	if err := w.connected(ctx); err != nil {
		return err
	}
	if err := w.ddl(ctx); err != nil && !expected(err) {
		return err
	}
	return nil
}

// surely executes what may be executed twice: the pool may have connections
// to a server that is no more.
func (r *run) surely(statement string) (err error) {
	for range 20 {
		if _, err = r.pool().Exec(statement); err == nil {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return err
}

// standstill is what the server and the captures of this process are at.
func (r *run) standstill() string {
	var b strings.Builder
	if rows, err := r.pool().Query("select id, user, ifnull(db, ''), command, time, ifnull(state, ''), left(ifnull(info, ''), 200) from information_schema.processlist"); err == nil {
		defer rows.Close()
		for rows.Next() {
			var v [7]string
			if rows.Scan(&v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &v[6]) == nil {
				fmt.Fprintf(&b, "\n%q", v)
			}
		}
	}
	stacks := make([]byte, 4<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	for s := range strings.SplitSeq(string(stacks), "\n\n") {
		if strings.Contains(s, "chartwire/cdc/mysql.") || strings.Contains(s, "chartwire/pipeline.") {
			b.WriteString("\n\n" + s)
		}
	}
	return b.String()
}

func (r *run) close() {
	for _, p := range r.all {
		if p.cmd != nil {
			_ = p.stopChild()
		} else {
			p.cancel()
		}
	}
	if db := r.pool(); db != nil {
		if os.Getenv("CHARTWIRE_KEEP") == "" {
			_, _ = db.Exec("drop database " + r.name)
		}
		_ = db.Close()
	}
	for i := len(r.cleanup) - 1; i >= 0; i-- {
		r.cleanup[i]()
	}
}
