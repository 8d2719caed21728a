package mysql

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"chartwire/cdc"
	"chartwire/integration/faults"

	"github.com/prometheus/client_golang/prometheus"
)

// What breaks off at one place for ever is seen while it does, and halts in the
// end; another server is read on, and what gets on again is forgotten.
func TestStuck(t *testing.T) {
	faults.Shows(t, "packet-damaged", "packets out of sequence, whenever they are read, halt with stream-stuck and the position; a metric and the status say it before")
	faults.Shows(t, "stream-stuck", "is tried with growing pauses, shown by a metric and the status, then read from another server, else it halts with stream-stuck and the choices")
	each(t, func(t *testing.T, k kind) {
		r, p := started(t, k, people+"InnoDB", "people")
		p.stop()
		direct := r.cfg.Addr
		m := meddle(t, direct)
		r.cfg.Addr, r.cfg.Patience = m.Addr().String(), time.Second
		whenCanary := func(edit func(p []byte) []byte) {
			m.set(func(packet []byte) []byte {
				if strings.Contains(string(packet), "canary") {
					return edit(packet)
				}
				return packet
			})
		}
		whenCanary(onRows(func(p []byte) []byte { p[3] ^= 4; return p }))
		reg := prometheus.NewRegistry()
		r.cfg.Metrics = reg
		s, err := New(r.cfg)
		must(t, err)
		p = tapSource(t, s, p.resume())
		r.exec("insert into people values (1,'good',null); insert into people values (2,'canary',null)")
		want(t, show(t, p.next()), "c people 1: id=1 name=good note=NULL")
		waitFor(t, func() bool { return gauge(t, reg, "chartwire_capture_stuck_breaks") > 1 })
		if k := s.Stuck(); k == nil || k.Times < 2 || !strings.Contains(k.Why, "packet ") {
			t.Errorf("the status says %+v", k)
		}
		text := p.halt(HaltStuck).Error()
		if !strings.Contains(text, p.last.Position.String()) || !strings.Contains(text, "load the tables again") || strings.Contains(text, "canary") {
			t.Errorf("the halt says: %s", text)
		}

		// A connection that is cut there each time, for longer than a server may be away.
		whenCanary(onRows(func([]byte) []byte { return nil }))
		if err := r.tap(p.resume()).halt(HaltStuck); !strings.Contains(err.Error(), "times in") {
			t.Errorf("the halt says: %v", err)
		}

		// It gets through after all.
		s, err = New(r.cfg)
		must(t, err)
		q := tapSource(t, s, p.resume())
		waitFor(t, func() bool { return s.Stuck() != nil })
		q.stop() // another process takes it over
		if s.Stuck() != nil || gauge(t, reg, "chartwire_capture_stuck_breaks") != 0 {
			t.Errorf("nobody reads, and the status says %+v", s.Stuck())
		}
		q = tapSource(t, s, p.resume())
		waitFor(t, func() bool { return s.Stuck() != nil })
		m.set(nil)
		want(t, show(t, q.next()), "c people 2: id=2 name=canary note=NULL")
		id := 1000
		waitFor(t, func() bool { // on a server that always has something to say, too
			id++
			r.exec(fmt.Sprintf("insert into people values (%d,'busy',null)", id))
			return s.Stuck() == nil && gauge(t, reg, "chartwire_capture_stuck_breaks") == 0
		})
		q.stop()

		// Another server, of the same source, is read on.
		whenCanary(onRows(func(p []byte) []byte { p[3] ^= 4; return p }))
		r.cfg.Others = []string{direct}
		want(t, show(t, r.tap(p.resume()).next()), "c people 2: id=2 name=canary note=NULL")
	})
}

// A table that cannot be read is tried again for ever, and seen meanwhile.
func TestTableUnread(t *testing.T) {
	faults.Shows(t, "stream-stuck", "a table whose rows cannot be read is tried again, the stream goes on; a metric and the status say which and why")
	each(t, func(t *testing.T, k kind) {
		r := newRig(t, k, people+"InnoDB; insert into people values (1,'a',null)", "people", "gone")
		reg := prometheus.NewRegistry()
		r.cfg.Metrics = reg
		s, err := New(r.cfg)
		must(t, err)
		p := tapSource(t, s, cdc.Resume{})
		const failures = "chartwire_capture_snapshot_failures"
		failing := func() bool { return strings.Contains(s.Snapshot().Failing, ".gone could not be read") }
		waitFor(t, failing)
		p.stop()
		if n, told := gaugeIf(t, reg, failures); told {
			t.Errorf("nobody reads, and %s is %f", failures, n)
		}
		p = tapSource(t, s, cdc.Resume{})
		waitFor(t, func() bool { n, _ := gaugeIf(t, reg, failures); return n > 0 && failing() })
		r.exec("insert into people values (2,'b',null); create table gone (id int primary key)")
		for p.loads[r.id("gone")].Phase != cdc.LoadDone || p.loads[r.id("people")].Phase != cdc.LoadDone {
			p.next()
		}
		if s.Snapshot().Failing != "" {
			t.Errorf("the status says %+v", s.Snapshot())
		}
	})
}
