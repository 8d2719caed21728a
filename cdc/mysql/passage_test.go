package mysql

import (
	"context"
	"errors"
	"strings"
	"testing"

	"chartwire/cdc"
	"chartwire/cdc/mysql/image"
	"chartwire/integration/faults"

	"github.com/go-mysql-org/go-mysql/replication"
)

// passed waits for the halt, looks at the transaction that it is about, and goes
// on behind it.
func (r *rig) passed(p *tap, code string) (*cdc.Passage, *tap) {
	r.t.Helper()
	err := p.halt(code)
	var h *cdc.Halt
	if !errors.As(err, &h) || h.At.IsZero() {
		r.t.Fatalf("the halt has no position: %v", err)
	}
	if h.At != p.last.Position && p.last.Rows == 0 {
		r.t.Errorf("the halt is at %s, and the consumer at %s", h.At, p.last.Position)
	}
	s, err := New(r.cfg)
	if err != nil {
		r.t.Fatal(err)
	}
	w, err := s.Passage(context.Background(), h.At)
	if err != nil {
		r.t.Fatal(err)
	}
	if w.From != h.At || w.Behind.IsZero() || w.Time.IsZero() || w.Bytes == 0 {
		r.t.Errorf("the passage is %+v", w)
	}
	return w, r.tap(cdc.Resume{Checkpoint: cdc.Checkpoint{Position: w.Behind}, Loads: p.loads})
}

// What stops a capture is described without a value, and exactly that
// transaction is passed over.
func TestPassage(t *testing.T) {
	faults.Shows(t, "skip", "shows the transaction's place, id, tables, kinds of events and number of rows; what follows it comes, nothing else is left out")
	each(t, func(t *testing.T, k kind) {
		f := func(name, code, ddl, statements string, unknown bool, rows int64) {
			t.Helper()
			t.Run(name, func(t *testing.T) {
				if ddl == "" {
					ddl = people + "InnoDB; insert into people values (1,'canary',null),(2,'x',null)"
				}
				r := newRig(t, k, ddl, "people")
				p := r.tap(cdc.Resume{})
				p.loaded()
				r.exec(statements + "; insert into people (id) values (77); insert into people (id) values (99)")
				w, q := r.passed(p, code)
				if w.Unknown != unknown || w.Rows != rows || len(w.Tables) > 1 || !unknown && (len(w.Tables) != 1 || w.Tables[0] != r.id("people")) {
					t.Errorf("the passage is %+v", w)
				}
				got := until(t, q)
				if len(got) != 2 || !strings.HasPrefix(got[0], "c people 77:") {
					t.Errorf("behind it come %v", got)
				}
				q.stop()
				again := r.tap(q.resume()) // and where it then stands can be found again
				r.exec("insert into people (id) values (99999)")
				if got := until(t, again); len(got) != 1 {
					t.Errorf("then come %v", got)
				}
			})
		}
		row := "create table people (id int primary key, name varchar(20), note text) engine=MyISAM"
		f("statement", HaltStatement, row, "set session binlog_format=statement; insert into people values (1,'canary',null); set session binlog_format=row", true, 0)
		f("minimal image", image.HaltPartial, "", "set session binlog_row_image=minimal; update people set name='canary'; set session binlog_row_image=full", false, 1)
		if k.name != maria.name {
			f("partial json", image.HaltPartial, "create table people (id int primary key, j json); insert into people values (1, json_object('a', repeat('canary',99), 'b', 1))",
				"set session binlog_row_value_options=partial_json; update people set j=json_set(j, '$.b', 2); set session binlog_row_value_options=''", false, 1)
		}
	})
}

// An event that is damaged in the log does not hide where its transaction ends.
func TestPassageOfDamage(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		f := func(name, code string, unknown bool, edit func([]byte) []byte) {
			t.Helper()
			t.Run(name, func(t *testing.T) {
				r, p := started(t, k, people+"InnoDB", "people")
				p.stop()
				m := meddle(t, r.cfg.Addr)
				m.set(func(packet []byte) []byte { // the same one at each reading
					if strings.Contains(string(packet), "bad-canary") {
						return edit(packet)
					}
					return packet
				})
				r.cfg.Addr = m.Addr().String()
				p = r.tap(p.resume())
				r.exec("insert into people values (1,'good',null); start transaction; insert into people values (2,'before',null); insert into people values (3,'bad-canary',null); " +
					"insert into people values (4,'behind',null); commit; insert into people values (99,'id=99',null)")
				want(t, show(t, p.next()), "c people 1: id=1 name=good note=NULL")
				w, q := r.passed(p, code)
				if w.Unknown != unknown || w.Rows < 2 || len(w.Tables) != 1 {
					t.Errorf("the passage is %+v", w)
				}
				want(t, until(t, q), "c people 99: id=99 name=id=99 note=NULL")
			})
		}
		f("checksum", HaltDamaged, true, onRows(func(p []byte) []byte { p[len(p)-6] ^= 0x10; return p }))
		f("size", HaltDamaged, true, onRows(func(p []byte) []byte { p[packetHead+1+9]++; return p }))
		f("ends early", image.HaltCorrupt, true, onRows(func(p []byte) []byte { b := bare(p); return repack(p[3], b[:len(b)-5]) }))
		f("unknown kind", HaltUnknownEvent, true, onRows(func(p []byte) []byte { b := bare(p); b[4] = 77; return repack(p[3], b) }))
		f("incident", HaltIncident, true, onRows(func(p []byte) []byte { b := bare(p); b[4] = byte(replication.INCIDENT_EVENT); return repack(p[3], b) }))
	})
}

// Nor does a damaged announcement, where a transaction can be passed over without
// its id.
func TestPassageOfDamagedAnnouncement(t *testing.T) {
	faults.Shows(t, "skip", "a transaction whose announcement is damaged too: on MariaDB and where positions are files and offsets; on MySQL with ids it says that only a replica or a reload helps")
	each(t, func(t *testing.T, k kind) {
		r, p := started(t, k, people+"InnoDB", "people")
		p.stop()
		m := meddle(t, r.cfg.Addr)
		next, victim := false, ""
		m.set(func(packet []byte) []byte { // the announcement behind the row "good", at each reading
			next = next || strings.Contains(string(packet), "good")
			switch wireKind(packet) {
			case replication.GTID_EVENT, replication.ANONYMOUS_GTID_EVENT, replication.MARIADB_GTID_EVENT:
				place := string(packet[packetHead+1+13 : packetHead+1+17])
				if next && victim == "" {
					victim = place
				}
				if place == victim {
					packet[len(packet)-1] ^= 1
				}
			}
			return packet
		})
		r.cfg.Addr = m.Addr().String()
		p = r.tap(p.resume())
		r.exec("insert into people values (1,'good',null)")
		want(t, show(t, p.next()), "c people 1: id=1 name=good note=NULL")
		r.exec("insert into people values (2,'passed',null); insert into people values (99,'id=99',null)")
		if k.name == "mysql" {
			var h *cdc.Halt
			if err := p.halt(HaltDamaged); !errors.As(err, &h) {
				t.Fatal(err)
			}
			s, err := New(r.cfg)
			must(t, err)
			if _, err := s.Passage(t.Context(), h.At); cdc.HaltCode(err) != HaltPassage {
				t.Errorf("passing over it: %v", err)
			}
			return
		}
		w, q := r.passed(p, HaltDamaged)
		if !w.Unknown {
			t.Errorf("the passage is %+v", w)
		}
		want(t, until(t, q), "c people 99: id=99 name=id=99 note=NULL")
		q.stop()
		again := r.tap(q.resume())
		r.exec("update people set note='x' where id=99")
		want(t, show(t, again.next()), "u people 99: id=99 name=id=99 note=NULL -> id=99 name=id=99 note=x")
	})
}
