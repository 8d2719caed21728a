package mysql

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"chartwire/cdc"
	"chartwire/integration/faults"
)

// rewound looks for a target in the rig's log, behind which lies now.
func (r *rig) rewound(now cdc.Position, to string) (*Rewind, error) {
	r.t.Helper()
	s, err := New(r.cfg)
	must(r.t, err)
	target, err := ParseTarget(to)
	must(r.t, err)
	return s.Rewind(context.Background(), now, target)
}

// A log is read again from any place between two transactions that was read, and
// from there exactly the rest comes.
func TestRewind(t *testing.T) {
	faults.Shows(t, "rewind", "finds the place in the log, shows what would be read again, and goes on there; what is no end of a transaction is refused with the nearest that are")
	each(t, func(t *testing.T, k kind) {
		r, p := own(t, k)
		p = r.tap(p.resume())
		p.loaded()
		var places []cdc.Resume
		var lines [][]string
		at := make([]time.Time, 6)
		for i := range at {
			at[i] = time.Now()
			r.exec(fmt.Sprintf("start transaction; insert into people values (%d,'x',null); update people set name='y' where id=%d; commit", 100+i, 100+i))
			txn := p.next()
			places, lines = append(places, p.resume()), append(lines, show(t, txn))
			if i == 2 {
				r.exec("flush logs")
			}
			time.Sleep(1100 * time.Millisecond) // a log's times are whole seconds, where they are least
		}
		p.stop()
		now := places[len(places)-1].Checkpoint.Position

		again := func(to string, from int) {
			t.Helper()
			w, err := r.rewound(now, to)
			if err != nil {
				t.Errorf("to %s: %v", to, err)
				return
			}
			left := len(lines) - from
			if w.Transactions != int64(left) || w.Rows[r.id("people")] != int64(2*left) || w.Estimated || w.Bytes == 0 || w.Files != 1 && from > 3 || w.Files != 2 && from < 3 {
				t.Errorf("to %s: %+v, want %d transactions", to, w, left)
			}
			if d := w.First.Sub(at[from]); d < -1100*time.Millisecond || d > patience {
				t.Errorf("to %s: the first is of %s, want about %s", to, w.First, at[from])
			}
			q := r.tap(cdc.Resume{Checkpoint: cdc.Checkpoint{Position: w.From}, Loads: p.loads})
			for _, want := range lines[from:] {
				if got := show(t, q.next()); strings.Join(got, "\n") != strings.Join(want, "\n") {
					t.Errorf("to %s: got %v, want %v", to, got, want)
					break
				}
			}
			q.stop()
		}
		for _, i := range []int{0, 2, 4} { // behind the first, the last of a file, one of the next
			pos := places[i].Checkpoint.Position
			again(fmt.Sprintf("%s:%d", pos.File, pos.Offset), i+1)
			if k.name == "mysql-file" {
				continue
			}
			again(pos.String(), i+1)
			if k.name == "mysql" {
				again(pos.Last.GTID, i+1)
			}
			again(at[i+1].Add(-50*time.Millisecond).Format(time.RFC3339Nano), i+1) // as far as clocks agree
		}

		refused := func(to, want string) {
			t.Helper()
			w, err := r.rewound(now, to)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("to %s: %+v, %v, want %q", to, w, err, want)
			}
		}
		first, second := places[0].Checkpoint.Position, places[1].Checkpoint.Position
		refused(fmt.Sprintf("%s:%d", second.File, second.Offset-1), fmt.Sprintf("the nearest places are file:%s:%d and file:%s:%d", first.File, first.Offset, second.File, second.Offset))
		refused(fmt.Sprintf("%s:%d", now.File, now.Offset+1), HaltForeign)
		refused("2001-01-01T00:00:00Z", HaltPurged)
		refused(time.Now().Add(time.Hour).Format(time.RFC3339), "not before")
		refused("binlog.000000:4", HaltPurged)
		r.exec("insert into people values (7,'unread',null)")
		if k.name == "mysql-file" {
			refused("00000000-0000-0000-0000-000000000001:5", "no such transaction ids")
		} else {
			ids, err := parseGTIDs(k.name == "mariadb", now.GTID)
			must(t, err)
			if k.name == "mariadb" {
				other, err := parseGTID(true, second.Last.GTID)
				must(t, err)
				other.server += 7
				refused(string(other.append(nil, true)), "no transaction "+string(other.append(nil, true)))
				ids.domains[0].n++
			} else {
				ids.sids[0].spans[0].hi++
			}
			refused(ids.String(), "were not read yet")
		}
		r.exec("purge binary logs to '" + now.File + "'")
		if files := logFiles(t, r); len(files) == 1 {
			refused(fmt.Sprintf("%s:%d", first.File, first.Offset), HaltPurged)
			refused(at[1].Format(time.RFC3339), HaltPurged)
			if k.name != "mysql-file" {
				refused(first.String(), HaltPurged)
			}
			again(fmt.Sprintf("%s:4", now.File), 3)
		}
	})
}

// A place between the prepare of an XA transaction and its commit is gone on
// from like any other: where it was prepared is found in older files.
func TestRewindPrepared(t *testing.T) {
	faults.Shows(t, "rewind", "to between an XA prepare and its commit: the rows come at the commit; where the log of the prepare is gone, it says so before")
	each(t, func(t *testing.T, k kind) {
		r, p := own(t, k)
		p = r.tap(p.resume())
		a := r.prepare("a", "insert into people values (80,'a',null); update people set name='b' where id=80")
		b := r.prepare("b", "insert into people values (81,'undone',null)")
		r.exec("flush binary logs; flush binary logs")
		c := r.prepare("c", "insert into people values (82,'c',null)")
		r.exec("insert into people values (83,'target',null)")
		p.next()
		target := p.last.Position
		r.exec("flush binary logs")
		say(t, b, "xa rollback %s", r.xaName("b"))
		say(t, a, "xa commit %s", r.xaName("a"))
		say(t, c, "xa commit %s", r.xaName("c"))
		r.exec("insert into people values (99,'id=99',null)")
		whole := until(t, p)
		p.stop()
		want(t, whole[:3], "c people 80: id=80 name=a note=NULL", "u people 80: id=80 name=a note=NULL -> id=80 name=b note=NULL", "c people 82: id=82 name=c note=NULL")

		to := fmt.Sprintf("%s:%d", target.File, target.Offset)
		w, err := r.rewound(p.last.Position, to)
		must(t, err)
		if len(w.Lost) > 0 || strings.Count(w.From.Prepared, r.name+".people") != 2 {
			t.Errorf("lost are %v, prepared %s", w.Lost, w.From.Prepared)
		}
		var any position // which there are is not known: each is looked for when it is committed
		any.setPrepared([]prepared{{XID: anyXID}})
		for _, text := range []string{w.From.Prepared, any.preparedText} {
			from := w.From
			from.Prepared = text
			q := r.tap(cdc.Resume{Checkpoint: cdc.Checkpoint{Position: from}, Loads: p.loads})
			want(t, until(t, q), whole...)
			q.stop()
		}

		waitFor(t, func() bool {
			r.exec("purge binary logs to '" + target.File + "'")
			return logFiles(t, r)[0] == target.File
		})
		w, err = r.rewound(p.last.Position, to)
		must(t, err)
		if len(w.Lost) != 1 || !strings.HasPrefix(w.Lost[0], fmt.Sprintf("%x", r.name+"a")) {
			t.Errorf("of the log from %s on lost are %q", target.File, w.Lost)
		}
	})
}

func FuzzTarget(f *testing.F) {
	for _, s := range []string{
		"2026-11-22T13:00:00Z", "2026-11-22T13:00:00.5+02:00", "0-1-42", "0-1-42,7-2-3", "gtid:0-1-42",
		"3e11fa47-71ca-11e1-9e33-c80aa9429562:23", "3E11FA47-71CA-11E1-9E33-C80AA9429562:1-5:11-18,4e11fa47-71ca-11e1-9e33-c80aa9429562:tag:1",
		"binlog.000012:4711", "file:a.b-c.1000000:4", "binlog.000012", "binlog:4", "x.1:-1", "", "file:", "gtid:",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := ParseTarget(text)
		if err != nil {
			return
		}
		b, err := ParseTarget(a.String())
		if err != nil || b.String() != a.String() || b.one != a.one || b.maria != a.maria || !b.time.Equal(a.time) || b.at != a.at {
			t.Fatalf("%q is read as %s, and that as %s (%v)", text, a, b, err)
		}
	})
}
