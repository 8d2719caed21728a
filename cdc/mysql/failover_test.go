package mysql

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"chartwire/cdc"
	"chartwire/integration/faults"
	"chartwire/integration/servers"

	"github.com/prometheus/client_golang/prometheus"
)

// byID are the kinds of servers whose positions hold on another one.
func byID(t *testing.T, f func(t *testing.T, k kind)) {
	for _, k := range []kind{maria, mysqlGTID} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			f(t, k)
		})
	}
}

// replicaOf starts a replica of a server.
func replicaOf(t *testing.T, k kind, primary *servers.DB) *servers.DB {
	t.Helper()
	db := servers.Database(t, k.flavor, "--log-slave-updates", "--sync-binlog=1", "--innodb-flush-log-at-trx-commit=1")
	must(t, db.Follow(primary))
	return db
}

// on runs statements in the rig's database on another server.
func (r *rig) on(db *servers.DB, statements string) {
	r.t.Helper()
	c, err := db.Open(r.name)
	must(r.t, err)
	defer c.Close()
	if _, err := c.Exec(statements); err != nil {
		r.t.Fatalf("%s: %v", statements, err)
	}
}

// has says whether a row is in the rig's database on another server.
func (r *rig) has(db *servers.DB, table string, id int) bool {
	r.t.Helper()
	c, err := db.Open(r.name)
	must(r.t, err)
	defer c.Close()
	n := 0
	return c.QueryRow("select count(*) from "+table+" where id = ?", id).Scan(&n) == nil && n == 1
}

// locked keeps a replica from applying changes of a table until it is called.
func (r *rig) locked(db *servers.DB, table string) (unlock func()) {
	r.t.Helper()
	pool, err := db.Open(r.name)
	must(r.t, err)
	c, err := pool.Conn(context.Background())
	must(r.t, err)
	_, err = c.ExecContext(context.Background(), "lock tables "+table+" write")
	must(r.t, err)
	return sync.OnceFunc(func() { closeAll(c, pool) })
}

func closeAll(c *sql.Conn, pool *sql.DB) {
	_, _ = c.ExecContext(context.Background(), "unlock tables")
	_ = c.Close()
	_ = pool.Close()
}

// lines is a log that a test reads.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) has(s string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.b.String(), s)
}

// Of several servers one is read that holds what was read: a replica that has
// not caught up is waited for, one that missed some is passed by.
func TestFailoverByItself(t *testing.T) {
	faults.Shows(t, "gtid-failover", "of the source's addresses the first whose server holds what was read is read on, with no edit")
	faults.Shows(t, "gtid-behind", "a replica that is applying is waited for, for a minute and visibly, then halts with position-ahead")
	faults.Shows(t, "gtid-missing", "a server that lacks what was read is passed by while another may have it, then halts naming each")
	byID(t, func(t *testing.T, k kind) {
		p := servers.Database(t, k.flavor, "--sync-binlog=1", "--innodb-flush-log-at-trx-commit=1")
		late, missing := replicaOf(t, k, p), replicaOf(t, k, p)
		r := rigOn(t, p, people+"InnoDB", "people")
		r.exec("insert into people values (1,'all have it',null)")
		must(t, late.CatchUp(p, patience))
		must(t, missing.CatchUp(p, patience))
		must(t, missing.Promote())
		unlock := r.locked(late, "people")
		t.Cleanup(unlock)

		r.cfg.Others = []string{missing.Addr, late.Addr}
		r.cfg.Patience = 2 * time.Second
		reg := prometheus.NewRegistry()
		r.cfg.Metrics = reg
		q := r.tap(cdc.Resume{})
		q.loaded()
		r.exec("insert into people values (2,'in no replica yet',null)")
		want(t, show(t, q.next()), "c people 2: id=2 name=in no replica yet note=NULL")
		waitFor(t, func() bool { return received(t, k, late, p) })
		p.Kill()
		waitFor(t, func() bool { return gauge(t, reg, "chartwire_capture_server_behind_seconds") > 0 })

		// Alone, a replica that stays behind is waited for as long as it is said to.
		alone := *r
		alone.cfg.Addr, alone.cfg.Others, alone.cfg.Catchup, alone.cfg.Metrics = late.Addr, nil, 300*time.Millisecond, prometheus.NewRegistry()
		if err := alone.tap(q.resume()).halt(HaltErrant); !strings.Contains(err.Error(), "waited") {
			t.Errorf("%v", err)
		}
		if gauge(t, alone.cfg.Metrics.(*prometheus.Registry), "chartwire_capture_server_behind_seconds") != 0 {
			t.Error("nobody waits any more, and the gauge says so")
		}

		unlock()
		waitFor(t, func() bool { return r.has(late, "people", 2) }) // what it has only received, a promotion loses
		must(t, late.Promote())
		r.on(late, "insert into people values (3,'after the failover',null)")
		want(t, show(t, q.next()), "c people 3: id=3 name=after the failover note=NULL")
		if gauge(t, reg, "chartwire_capture_server_behind_seconds") != 0 {
			t.Error("the wait is over, and the gauge says that it goes on")
		}

		// The old primary comes back without what came since, and the new one goes.
		must(t, p.Start())
		late.Kill()
		text := q.halt(HaltErrant).Error()
		for _, db := range []*servers.DB{p, late, missing} {
			if !strings.Contains(text, db.Addr) {
				t.Errorf("%s is not in: %s", db.Addr, text)
			}
		}
	})
}

// received says whether a replica has got, though not applied, what its primary
// has: killed before that, the primary would take it along.
func received(t *testing.T, k kind, replica, primary *servers.DB) bool {
	t.Helper()
	sql, column := "show slave status", "Gtid_IO_Pos"
	if k.name == "mysql" {
		sql, column = "show replica status", "Retrieved_Gtid_Set"
	}
	c, err := replica.Open("")
	must(t, err)
	defer c.Close()
	text := field(t, c, sql, column)
	executed, err := primary.Executed()
	must(t, err)
	want, err := parseGTIDs(k.name != "mysql", executed)
	must(t, err)
	have, err := parseGTIDs(k.name != "mysql", strings.ReplaceAll(text, "\n", ""))
	must(t, err)
	if k.name == "mysql" {
		applied, err := replica.Executed()
		must(t, err)
		both, err := parseGTIDs(false, applied+","+have.String())
		must(t, err)
		have = both
	}
	missing := have.missing(&want)
	return missing.isZero()
}

// field is a column of a statement's first row.
func field(t *testing.T, c *sql.DB, statement, column string) string {
	t.Helper()
	rows, err := c.Query(statement)
	must(t, err)
	defer rows.Close()
	names, err := rows.Columns()
	must(t, err)
	if !rows.Next() {
		t.Fatalf("%s gives no row", statement)
	}
	v := make([]any, len(names))
	for i := range v {
		v[i] = new(sql.NullString)
	}
	must(t, rows.Scan(v...))
	return v[slices.Index(names, column)].(*sql.NullString).String
}

// gauge is the value of a metric.
func gauge(t *testing.T, reg *prometheus.Registry, name string) float64 {
	t.Helper()
	at, ok := gaugeIf(t, reg, name)
	if !ok {
		t.Fatalf("no metric %s", name)
	}
	return at
}

func gaugeIf(t *testing.T, reg *prometheus.Registry, name string) (value float64, ok bool) {
	t.Helper()
	families, err := reg.Gather()
	must(t, err)
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue(), true
		}
	}
	return 0, false
}

// A replica that has more than the primary had is read from where the position
// is; what only it ever had is among that, and named.
func TestFailoverErrant(t *testing.T) {
	faults.Shows(t, "gtid-ahead", "what it has more is read, in every domain")
	faults.Shows(t, "gtid-errant", "is read like the rest, and named in the log when the server changes")
	byID(t, func(t *testing.T, k kind) {
		p := servers.Database(t, k.flavor)
		replica := replicaOf(t, k, p)
		r := rigOn(t, p, people+"InnoDB; create table other (id int primary key)", "people")
		domain := func(n int) string {
			if k.name == "mysql" {
				return ""
			}
			return fmt.Sprintf("set gtid_domain_id=%d; ", n)
		}
		q := r.tap(cdc.Resume{})
		q.loaded()
		r.exec("insert into people values (1,'a',null); insert into other values (1)")
		r.exec(domain(7) + "insert into people values (2,'b',null)")
		q.next()
		q.next()
		r.exec(domain(8) + "insert into other values (2); insert into people values (3,'c',null)")
		q.next()
		q.stop()
		must(t, replica.CatchUp(p, patience))
		r.on(replica, domain(9)+"insert into people values (4,'of the replica alone',null)")
		r.exec(domain(7) + "insert into people values (5,'unread',null)")
		must(t, replica.CatchUp(p, patience))
		p.Kill()

		log := &lines{}
		r.cfg.Log = slog.New(slog.NewTextHandler(log, nil))
		r.cfg.Others = []string{replica.Addr}
		before := q.last.Position
		q = r.tap(q.resume())
		want(t, append(show(t, q.next()), show(t, q.next())...),
			"c people 4: id=4 name=of the replica alone note=NULL", "c people 5: id=5 name=unread note=NULL")
		if !log.has("of_servers_unknown=") {
			t.Errorf("the log does not name the errant transactions: %s", log.b.String())
		}

		// What a person asks of the log is asked of the server that is there.
		w, err := r.rewound(q.last.Position, before.String())
		must(t, err)
		if w.Rows[r.id("people")] != 2 {
			t.Errorf("from %s on there are %v", before, w.Rows)
		}
		s, err := New(r.cfg)
		must(t, err)
		passage, err := s.Passage(t.Context(), before)
		must(t, err)
		if passage.Rows != 1 {
			t.Errorf("behind %s is %+v", before, passage)
		}
		if _, err := s.Passage(t.Context(), q.last.Position); !errors.Is(err, errNothing) {
			t.Errorf("at the log's end: %v", err)
		}

		// A replica that lacks one domain's last transaction lacks what was read.
		if k.name == "mariadb" {
			ahead := q.resume()
			q.stop()
			ids, err := parseGTIDs(true, ahead.Checkpoint.Position.GTID)
			must(t, err)
			ids.domains[1].n++
			ahead.Checkpoint.Position.GTID = ids.String()
			must(t, replica.Promote())
			r.cfg.Addr, r.cfg.Others = replica.Addr, nil
			r.tap(ahead).halt(HaltErrant)
		}
	})
}
