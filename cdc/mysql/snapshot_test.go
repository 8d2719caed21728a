package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"chartwire/cdc"
	"chartwire/integration/faults"
)

// The snapshot test of trap 25: writers at full speed while tables are read in
// chunks. Every row carries a version that only grows, through deletes too, so
// that a row which is older than what the stream said before is seen at once.

const (
	accounts   = 60
	accountDDL = "create table %s (id int primary key, ver bigint not null, amount int not null) engine=%s;"
	startWith  = 1000
)

// writers change rows until stopped.
type writers struct {
	t    *testing.T
	r    *rig
	rest time.Duration // between two steps
	move bool          // change keys too
	stop context.CancelFunc
	done sync.WaitGroup
}

func (r *rig) write(t *testing.T, engine string, rest time.Duration, move bool) *writers {
	ctx, cancel := context.WithCancel(context.Background())
	w := &writers{t: t, r: r, rest: rest, move: move, stop: cancel}
	for range 3 {
		conn, err := r.sql.Conn(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		w.done.Go(func() {
			defer conn.Close()
			for ctx.Err() == nil {
				time.Sleep(w.rest)
				if err := w.step(conn, engine); err != nil && !strings.Contains(err.Error(), "Deadlock") && ctx.Err() == nil {
					t.Errorf("writing: %v", err)
					return
				}
			}
		})
	}
	t.Cleanup(w.end)
	return w
}

func (w *writers) end() {
	w.stop()
	w.done.Wait()
}

// step moves an amount from a row of one table to one of the other, or deletes
// a row and puts it back, in one transaction where the engine has them.
func (w *writers) step(c *sql.Conn, engine string) error {
	a, b, n := rand.IntN(accounts), rand.IntN(accounts), rand.IntN(9)
	var q string
	switch {
	case w.move && rand.IntN(3) == 0: // to the other end of the table, or back
		q = fmt.Sprintf("update a set ver=ver+1, id=%d-id where id in (%d,%d) limit 1", 2*accounts, a, 2*accounts-a)
	case rand.IntN(5) == 0 && engine == "InnoDB":
		q = fmt.Sprintf("start transaction; select ver, amount into @v, @m from a where id=%d for update; delete from a where id=%d; "+
			"insert into a select %d, @v+1, @m where @v is not null; set @v=null; commit", a, a, a)
	default:
		q = fmt.Sprintf("start transaction; update a set amount=amount-%d, ver=ver+1 where id in (%d,%d); update b set amount=amount+%d, ver=ver+1 where id=%d; commit", n, a, 2*accounts-a, n, b)
	}
	_, err := c.ExecContext(context.Background(), q)
	if err != nil {
		_, _ = c.ExecContext(context.Background(), "rollback")
	}
	return err
}

// keeper is what a consumer would hold, and what it saw go wrong.
type keeper struct {
	rows  map[string]version // by table and key; deleted ones too
	stale int
	reads int
	sums  int // cuts at which the sum over both tables was looked at
	wrong int // and was wrong
	lacks int // rows that were missing once all was loaded
}

type version struct {
	ver, amount int64
	gone        bool
}

func (k *keeper) take(t *testing.T, txn *cdc.Txn, whole bool) {
	for _, c := range txn.Changes {
		id := c.Table.Name + " " + c.Key
		old, known := k.rows[id]
		if c.Op == cdc.Delete {
			old.gone = true
			k.rows[id] = old
			continue
		}
		now := parseVersion(t, rowText(t, c.Table, c.After))
		if c.Op == cdc.Read {
			k.reads++
			if known && (now.ver < old.ver || old.gone && now.ver <= old.ver) {
				k.stale++
			}
		}
		k.rows[id] = now
	}
	if !whole || !txn.End {
		return
	}
	k.sums++
	sum := int64(0)
	for _, v := range k.rows {
		if !v.gone {
			sum += v.amount
		}
	}
	if sum != 2*accounts*startWith {
		k.wrong++
	}
}

func parseVersion(t *testing.T, row string) (v version) {
	t.Helper()
	for _, f := range strings.Fields(row) {
		name, value, _ := strings.Cut(f, "=")
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		switch name {
		case "ver":
			v.ver = n
		case "amount":
			v.amount = n
		}
	}
	return v
}

// run reads both tables while they are written, over and over, for a while or
// until a stale row is seen. With behind, the consumer stops now and then, so
// that the stream is far behind the marks.
func (k *keeper) run(t *testing.T, r *rig, engine string, behind bool, mark func(mark) mark, until time.Duration, stop func(*keeper) bool) {
	for began := time.Now(); time.Since(began) < until && !stop(k); {
		k.rows = map[string]version{}
		s, err := New(r.cfg)
		if err != nil {
			t.Fatal(err)
		}
		s.mark = mark
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		loads := map[cdc.TableID]cdc.LoadPhase{}
		after, n := 0, 0
		for txn, err := range s.Stream(ctx, cdc.Resume{}) {
			if err != nil {
				t.Fatal(err)
			}
			for id, l := range txn.Loads {
				loads[id] = l.Phase
			}
			whole := loads[r.id("a")] == cdc.LoadDone && loads[r.id("b")] == cdc.LoadDone
			k.take(t, txn, whole && engine == "InnoDB")
			if whole {
				after++
			}
			if after > 30 || stop(k) {
				break
			}
			if n++; behind && n%30 == 0 {
				time.Sleep(40 * time.Millisecond)
			}
		}
		if ctx.Err() != nil {
			t.Fatalf("the tables were not loaded in time: %v", loads)
		}
		cancel()
		if !stop(k) {
			k.lacks += 2 * accounts
			for _, v := range k.rows {
				if !v.gone {
					k.lacks--
				}
			}
		}
	}
}

func snapshotRig(t *testing.T, k kind, engine string) *rig {
	r := newRig(t, k, fmt.Sprintf(accountDDL+accountDDL, "a", engine, "b", engine), "a", "b")
	var rows []string
	for i := range accounts {
		rows = append(rows, fmt.Sprintf("(%d,0,%d)", i, startWith))
	}
	for _, table := range []string{"a", "b"} {
		r.exec("insert into " + table + " values " + strings.Join(rows, ","))
	}
	r.cfg.Snapshot.ChunkRows = 7
	return r
}

func TestSnapshotBesideWriters(t *testing.T) {
	faults.Shows(t, "snapshot-beside-writers", "no row older than what the stream said, sums right at every cut, none missing")
	faults.Shows(t, "snapshot-myisam", "reads begin behind the place of the stream: no row older than what the stream said")
	each(t, func(t *testing.T, k kind) {
		for _, engine := range []string{"InnoDB", "MyISAM"} {
			for _, v := range []struct {
				name    string
				rest    time.Duration
				workers int
			}{{"ahead", 0, 1}, {"behind", 3 * time.Millisecond, 1}, {"parallel", 0, 4}, {"parallel-behind", 3 * time.Millisecond, 3}} {
				t.Run(engine+"/"+v.name, func(t *testing.T) {
					r := snapshotRig(t, k, engine)
					r.cfg.Snapshot.Workers = v.workers
					w := r.write(t, engine, v.rest, v.workers > 1)
					var kept keeper
					kept.run(t, r, engine, v.rest > 0, nil, 700*time.Millisecond, func(*keeper) bool { return false })
					w.end()
					t.Logf("%d rows read by snapshots, %d cuts looked at", kept.reads, kept.sums)
					if kept.stale > 0 || kept.wrong > 0 || kept.lacks > 0 {
						t.Errorf("of %d rows read, %d were older than what the stream said; at %d of %d cuts the sum was wrong; %d rows lack",
							kept.reads, kept.stale, kept.wrong, kept.sums, kept.lacks)
					}
				})
			}
		}
	})
}

// The mark that suggests itself, reading after the stream has passed a place,
// keeps old rows: the log is ahead of what reads see. If this test fails, the
// one above proves nothing.
func TestWrongMarksKeepStaleRows(t *testing.T) {
	faults.Shows(t, "snapshot-stale-mark", "takes its mark inside the read; the mark that suggests itself is shown to keep old rows")
	for _, k := range []kind{maria, mysqlGTID} {
		t.Run(k.name, func(t *testing.T) {
			r := snapshotRig(t, k, "InnoDB")
			if err := r.db.Exec("set global sync_binlog=1"); err != nil {
				t.Fatal(err)
			}
			defer func() { _ = r.db.Exec("set global sync_binlog=0") }()
			w := r.write(t, "InnoDB", 0, false)
			var kept keeper
			wrong := func(mark) mark { return markAfter }
			kept.run(t, r, "InnoDB", false, wrong, patience, func(k *keeper) bool { return k.stale > 0 || k.wrong > 0 })
			w.end()
			if kept.stale == 0 && kept.wrong == 0 {
				t.Errorf("no stale row among %d: the test cannot see them", kept.reads)
			}
			t.Logf("a stale row after %d", kept.reads)
		})
	}
}

// Where rows are read with locks and one of them is locked for long, what was
// locked before it is let go, and the log says what is waited for.
func TestSnapshotBesideLockedRow(t *testing.T) {
	r := newRig(t, mysqlFile, people+"InnoDB; insert into people values (1,'a',null),(2,'b',null)", "people")
	var log lines
	r.cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
	holder := r.session()
	say(t, holder, "begin; update people set name='c' where id=2")
	p := r.tap(cdc.Resume{})
	waitFor(t, func() bool { return log.has("locked") })
	r.exec("set innodb_lock_wait_timeout=20; update people set name='d' where id=1")
	say(t, holder, "commit")
	p.loaded()
}
