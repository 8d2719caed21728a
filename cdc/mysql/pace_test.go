package mysql

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"chartwire/cdc"
	"chartwire/integration/faults"
	"chartwire/integration/servers"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

func TestHours(t *testing.T) {
	f := func(text string, at string, in bool) {
		t.Helper()
		h, err := ParseHours(text)
		if err != nil {
			t.Fatal(err)
		}
		when, err := time.Parse("Mon 2006-01-02 15:04:05", at)
		if err != nil {
			t.Fatal(err)
		}
		if h.has(when) != in {
			t.Errorf("%s in %s: not %t", at, text, in)
		}
	}
	f("20:00-06:00", "Fri 2026-11-20 19:59:59", false)
	f("20:00-06:00", "Fri 2026-11-20 20:00:00", true)
	f("20:00-06:00", "Sat 2026-11-21 05:59:59", true)
	f("20:00-06:00", "Sat 2026-11-21 06:00:00", false)
	f("mon-fri 20:00-06:00", "Sat 2026-11-21 05:00:00", true) // Friday's night
	f("mon-fri 20:00-06:00", "Sun 2026-11-22 05:00:00", false)
	f("mon-fri 20:00-06:00", "Sat 2026-11-21 21:00:00", false)
	f("sat,sun 00:00-24:00", "Sun 2026-11-22 23:59:59", true)
	f("sat,sun 00:00-24:00", "Mon 2026-11-23 00:00:00", false)
	f("fri-mon 12:00-13:00", "Sun 2026-11-22 12:30:00", true)
	f("fri-mon 12:00-13:00", "Tue 2026-11-24 12:30:00", false)
	f("00:00-00:00", "Tue 2026-11-24 12:30:00", true) // a whole day
	for _, bad := range []string{"", "x", "8-18", "24:00-06:00", "25:00-06:00", "08:60-09:00", "monday 08:00-09:00", "mon 08:00", "mon tue 08:00-09:00", "-08:00-09:00"} {
		if h, err := ParseHours(bad); err == nil {
			t.Errorf("%q gave %s", bad, h)
		}
	}
}

func FuzzParseHours(f *testing.F) {
	f.Add("mon-fri,sun 20:00-06:00")
	f.Add("00:00-24:00")
	f.Fuzz(func(t *testing.T, text string) {
		h, err := ParseHours(text)
		if err != nil {
			return
		}
		if again, err := ParseHours(h.String()); err != nil || again != h {
			t.Errorf("%q became %s, and that %s (%v)", text, h, again, err)
		}
	})
}

// The hours are those of the source's zone, and a rate is kept over time.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		zone, err := time.LoadLocation("America/New_York")
		must(t, err)
		night, err := ParseHours("20:00-06:00")
		must(t, err)
		p := &pacer{p: &Pace{Hours: []Hours{night}, Zone: zone, Rows: 1000}, every: lookEvery}
		if w := p.waits(time.Date(2026, 1, 5, 12, 0, 0, 0, zone)); w.reason != waitHours {
			t.Errorf("at noon: %+v", w)
		}
		p.p.Hours = nil
		began, rows := time.Now(), 0
		for rows < 10_000 {
			if w := p.waits(time.Now()); w.reason != "" {
				time.Sleep(w.about)
				continue
			}
			n := p.most(2000)
			p.read(time.Now(), n)
			rows += n
		}
		if took := time.Since(began); took < 9*time.Second || took > 10*time.Second {
			t.Errorf("%d rows at 1000 a second took %s", rows, took)
		}
	})
}

// paced is a rig with rows that are only read when the pace lets them.
func paced(t *testing.T, k kind, pace Pace) (*rig, *Source, *boss) {
	r := newRig(t, k, people+"InnoDB", "people")
	fill(r, "people", 50)
	r.cfg.Snapshot = Snapshot{ChunkRows: 5, Workers: 2, Pace: pace}
	r.cfg.Metrics = prometheus.NewRegistry()
	s, err := New(r.cfg)
	must(t, err)
	b := r.boss()
	b.p = tapSource(t, s, cdc.Resume{Orders: b.ch})
	return r, s, b
}

func waitingFor(s *Source, reason string) float64 {
	var m dto.Metric
	if err := s.metrics.waits.WithLabelValues(reason).Write(&m); err != nil {
		return -1
	}
	return m.GetGauge().GetValue()
}

// Outside the hours no row is read, the stream goes on, and it says why.
func TestPaceHours(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		faults.Shows(t, "snapshot-load", "reads nothing outside the configured hours, above a limit of running threads, beside a replica that is behind, and beyond a rate; the stream goes on, and status, metric and log say what is waited for")
		soon := time.Now().UTC().Add(3 * time.Hour)
		h, err := ParseHours(fmt.Sprintf("%02d:00-%02d:00", soon.Hour(), (soon.Hour()+1)%24))
		must(t, err)
		r, s, b := paced(t, k, Pace{Hours: []Hours{h}, Zone: time.UTC})
		b.quiet()
		r.exec("update people set note='x' where id=1")
		lines := b.until("a change", func(txn *cdc.Txn) bool { return len(txn.Changes) > 0 })
		if more := append(lines, b.quiet()...); len(more) != 1 || !strings.HasPrefix(more[0], "u people 1:") {
			t.Errorf("came %q", more)
		}
		if w := s.Snapshot(); !strings.Contains(w.Waits, "hours") || w.Since.IsZero() || waitingFor(s, waitHours) != 1 {
			t.Errorf("the status is %+v, the metric %f", w, waitingFor(s, waitHours))
		}
	})
}

// While more threads run than may, no row is read; then all of them are.
func TestPaceThreads(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		db := servers.Database(t, k.flavor, k.args...) // what others do on a shared one counts too
		r := rigOn(t, db, people+"InnoDB", "people")
		fill(r, "people", 50)
		r.cfg.Snapshot = Snapshot{ChunkRows: 5, Workers: 2, Pace: Pace{Threads: 5}}
		s, err := New(r.cfg)
		must(t, err)
		done := make(chan struct{})
		for range 9 {
			go func() { _, _ = r.sql.Exec("select get_lock('x', 100) and sleep(100)"); done <- struct{}{} }()
		}
		waitFor(t, func() bool {
			var name string
			var n int
			return r.sql.QueryRow("show global status like 'Threads_running'").Scan(&name, &n) == nil && n >= 9
		})
		b := r.boss()
		b.p = tapSource(t, s, cdc.Resume{Orders: b.ch})
		b.until("a wait", func(*cdc.Txn) bool { return waitingFor(s, waitThreads) == 1 })
		if more := b.quiet(); len(more) > 0 || !strings.Contains(s.Snapshot().Waits, "threads") {
			t.Errorf("came %q while it waits %+v", more, s.Snapshot())
		}
		rows, err := r.sql.Query("select id from information_schema.processlist where info like '%get_lock%' and id <> connection_id()")
		must(t, err)
		var ids []int
		for rows.Next() {
			var id int
			must(t, rows.Scan(&id))
			ids = append(ids, id)
		}
		rows.Close()
		for _, id := range ids {
			_, _ = r.sql.Exec(fmt.Sprintf("kill %d", id))
		}
		for range 9 {
			<-done
		}
		lines := b.until("the end", func(*cdc.Txn) bool { return b.load("people").Phase == cdc.LoadDone })
		if len(lines) != 50 || s.Snapshot().Waits != "" {
			t.Errorf("%d rows came; it waits %+v", len(lines), s.Snapshot())
		}
	})
}

// A replica that does not replicate, or is behind, is waited for.
func TestPaceReplica(t *testing.T) {
	for _, k := range []kind{maria, mysqlGTID} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			db := servers.Database(t, k.flavor)
			replica := servers.Database(t, k.flavor)
			must(t, replica.Follow(db))
			r := rigOn(t, db, people+"InnoDB", "people")
			fill(r, "people", 50)
			r.cfg.Snapshot = Snapshot{ChunkRows: 5, Pace: Pace{Replicas: []string{replica.Addr}, Lag: 10 * time.Second}}
			s, err := New(r.cfg)
			must(t, err)
			must(t, replica.Exec("stop "+map[string]string{"mysql": "replica", "mariadb": "slave"}[k.name]))
			b := r.boss()
			b.p = tapSource(t, s, cdc.Resume{Orders: b.ch})
			b.until("a wait", func(*cdc.Txn) bool { return waitingFor(s, waitReplica) == 1 })
			if more := b.quiet(); len(more) > 0 {
				t.Errorf("came %q", more)
			}
			must(t, replica.Exec("start "+map[string]string{"mysql": "replica", "mariadb": "slave"}[k.name]))
			if lines := b.until("the end", func(*cdc.Txn) bool { return b.load("people").Phase == cdc.LoadDone }); len(lines) != 50 {
				t.Errorf("%d rows came", len(lines))
			}
		})
	}
}

// What a stream said of its reading is taken back when it ends: whoever goes on
// finds out anew. And it says why a replica does not answer.
func TestPaceIsTakenBack(t *testing.T) {
	r := newRig(t, maria, people+"InnoDB", "people")
	r.cfg.Metrics = prometheus.NewRegistry()
	r.cfg.Snapshot.Pace = Pace{Replicas: []string{"127.0.0.1:1"}, Lag: time.Second}
	s, err := New(r.cfg)
	must(t, err)
	p := tapSource(t, s, cdc.Resume{})
	waitFor(t, func() bool { return strings.Contains(s.Snapshot().Waits, "refused") })
	p.stop()
	if got := s.Snapshot(); got != (SnapshotStatus{}) || waitingFor(s, waitReplica) != 0 {
		t.Errorf("it has ended, and says %+v", got)
	}
	r = newRig(t, maria, people+"InnoDB", "nothere", "people")
	s, err = New(r.cfg)
	must(t, err)
	b := r.boss()
	b.p = tapSource(t, s, cdc.Resume{Orders: b.ch})
	waitFor(t, func() bool { return s.Snapshot().Failing != "" })
	b.p.stop()
	if got := s.Snapshot(); got != (SnapshotStatus{}) {
		t.Errorf("it has ended, and says %+v", got)
	}
}

// Nothing is read yet, and what is to be read is known, and how long that takes.
func TestSnapshotExpects(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		r := newRig(t, k, people+"InnoDB", "people")
		fill(r, "people", 50)
		r.exec("analyze table people")
		soon := time.Now().UTC().Add(3 * time.Hour)
		h, err := ParseHours(fmt.Sprintf("%02d:00-%02d:00", soon.Hour(), (soon.Hour()+1)%24))
		must(t, err)
		r.cfg.Metrics = prometheus.NewRegistry()
		r.cfg.Snapshot.Pace = Pace{Hours: []Hours{h}, Zone: time.UTC, Rows: 10}
		s, err := New(r.cfg)
		must(t, err)
		p := tapSource(t, s, cdc.Resume{})
		waitFor(t, func() bool { return s.Snapshot().Waits != "" })
		var left, needs dto.Metric
		must(t, s.metrics.left.Write(&left))
		must(t, s.metrics.needs.Write(&needs))
		if n, took := left.GetGauge().GetValue(), needs.GetGauge().GetValue(); n != 50 || took < 100 {
			t.Errorf("%.0f rows are left, which takes %.0f s", n, took)
		}
		p.stop()
	})
}

// A rate counts the rows that the server looks at, not those that a condition
// takes of them.
func TestPaceWhere(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		r, p := started(t, k, people+"InnoDB", "people")
		fill(r, "people", 400)
		p.seen("c people 400: id=400 name=n400 note=NULL")
		p.stop()
		r.cfg.Snapshot.Pace = Pace{Rows: 400}
		b := r.boss()
		resume := p.resume()
		resume.Orders = b.ch
		b.p = r.tap(resume)
		b.order(cdc.Order{Act: cdc.ActStart, Table: r.id("people"), Where: "id < 0"})
		b.until("the order", b.obeyed)
		b.until("the end", b.allAgain("people"))
		if a := b.again("people"); a.Rows != 0 || a.Ended.Sub(a.Started) < 500*time.Millisecond {
			t.Errorf("400 rows were looked at in %s, at 400 a second: %+v", a.Ended.Sub(a.Started), a)
		}
	})
}

// A read that takes longer than the log is kept is told at its start, and not
// begun again without a person's word.
func TestSnapshotRetention(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		faults.Shows(t, "snapshot-retention", "warns when what is left takes longer than the source keeps its log, and refuses to begin again without --force")
		db := servers.Database(t, k.flavor, k.args...)
		must(t, db.Exec("set global binlog_expire_logs_seconds=2"))
		r := rigOn(t, db, people+"InnoDB", "people")
		fill(r, "people", 60)
		r.cfg.Snapshot = Snapshot{ChunkRows: 5, Pace: Pace{Rows: 15}}
		s, err := New(r.cfg)
		must(t, err)
		b := r.boss()
		b.p = tapSource(t, s, cdc.Resume{Orders: b.ch})
		b.until("a warning", func(*cdc.Txn) bool { return s.Snapshot().Warning != "" })
		b.until("the end", func(*cdc.Txn) bool { return b.load("people").Phase == cdc.LoadDone })
		if w := s.Snapshot().Warning; w != "" {
			t.Errorf("all is read, and it warns: %s", w)
		}
		refused := ""
		answer := func(txn *cdc.Txn) bool { refused = txn.Refused; return b.obeyed(txn) }
		b.order(cdc.Order{Act: cdc.ActStart})
		b.until("an answer", answer)
		if !strings.Contains(refused, "--force") || len(b.load("people").Again) > 0 {
			t.Errorf("answered %q", refused)
		}
		b.order(cdc.Order{Act: cdc.ActStart, Force: true})
		b.until("an answer", answer)
		if refused != "" || len(b.load("people").Again) != 1 {
			t.Errorf("answered %q", refused)
		}
	})
}
