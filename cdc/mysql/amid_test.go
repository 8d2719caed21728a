package mysql

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"chartwire/cdc"
	"chartwire/integration/faults"
)

// amid reads a table in small chunks and runs statements when the first one has
// come: the next is asked for by then, and is read behind them. The consumer is
// held meanwhile, so that the stream comes to them later than the read does.
func amid(t *testing.T, r *rig, resume cdc.Resume, statements string) (lines []string, last cdc.Load) {
	t.Helper()
	r.cfg.Snapshot = Snapshot{ChunkRows: 5, Pause: 300 * time.Millisecond}
	s, err := New(r.cfg)
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	given, altered := 0, false
	for txn, err := range s.Stream(ctx, resume) {
		if err != nil {
			t.Fatal(err)
		}
		if l, ok := txn.Loads[r.id("people")]; ok {
			last = l
		}
		lines = append(lines, show(t, txn)...)
		if given += len(txn.Changes); given > 0 && !altered {
			altered = true
			r.exec(statements)
			time.Sleep(500 * time.Millisecond) // the read that was asked for is done
		}
		if _, open := (&load{state: last}).task(); given > 0 && !open {
			return lines, last
		}
	}
	t.Fatalf("it was not read in time: %+v", last)
	return nil, last
}

// TestSnapshotAmidTypeChange changes a column's type between two chunks, so that
// its text is none of the type that was described.
func TestSnapshotAmidTypeChange(t *testing.T) {
	faults.Shows(t, "snapshot-ddl", "a chunk read behind a statement that the stream has not come to, of other types or another key, is read again as the table is then")
	each(t, func(t *testing.T, k kind) {
		r := newRig(t, k, "create table people (id int primary key, amount int, born date)", "people")
		for i := range 20 {
			r.exec(fmt.Sprintf("insert into people values (%d, %d, '2001-02-03')", i, i))
		}
		lines, _ := amid(t, r, cdc.Resume{}, "alter table people modify amount decimal(10,2), modify born datetime")
		for i := range 20 {
			if line := fmt.Sprintf("r people %d: id=%d amount=%d born=2001-02-03T00:00:00", i, i, i); !slices.Contains(lines, line) {
				t.Errorf("%s did not come: %q", line, lines)
				break
			}
		}
	})
}

// TestSnapshotAmidKeyChange gives a table another key between two chunks, with the
// stream behind it, and while nobody reads: what was read up to is no place in the
// new order.
func TestSnapshotAmidKeyChange(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		table := "create table people (id int primary key, code varchar(9) not null, note varchar(9)); insert into people values "
		var rows []string
		for i := range 20 {
			rows = append(rows, fmt.Sprintf("(%d,'c%02d',null)", i, i))
		}
		table += strings.Join(rows, ",")
		all := func(t *testing.T, lines []string, key string) {
			t.Helper()
			at := slices.Index(lines, "epoch reload people")
			if at < 0 {
				t.Fatalf("no epoch came: %q", lines)
			}
			for i := range 20 {
				if line := fmt.Sprintf("r people "+key+": id=%d code=c%02d note=NULL", i, i, i, i); !slices.Contains(lines[at:], line) {
					t.Fatalf("%q did not come behind the epoch: %q", line, lines)
				}
			}
		}
		t.Run("between chunks", func(t *testing.T) {
			lines, _ := amid(t, newRig(t, k, table, "people"), cdc.Resume{}, "alter table people drop primary key, add primary key (code, id)")
			all(t, lines, "c%02[2]d/%[1]d")
		})
		t.Run("while nobody reads", func(t *testing.T) {
			r := newRig(t, k, table, "people")
			r.cfg.Snapshot = Snapshot{ChunkRows: 5, Pause: 50 * time.Millisecond}
			p := r.tap(cdc.Resume{})
			for p.loads[r.id("people")].Rows == 0 {
				p.next()
			}
			p.stop()
			if l := p.loads[r.id("people")]; l.Phase != cdc.LoadReading {
				t.Fatalf("it is %+v", l)
			}
			r.exec("update people set note='x' where id=0; update people set note=null where id=0") // what is read first, and a chunk is asked for
			r.exec("alter table people drop primary key, add primary key (code, id)")
			all(t, r.tap(p.resume()).loaded(), "c%02[2]d/%[1]d")
		})
	})
}

// TestSnapshotAmidDropOfColumn drops a column between two chunks of rows that a
// condition names: it is not the condition that the server does not take.
func TestSnapshotAmidDropOfColumn(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		r, p := started(t, k, people+"InnoDB", "people")
		fill(r, "people", 20)
		p.seen("c people 20: id=20 name=n20 note=NULL")
		p.stop()
		resume, ch := p.resume(), make(chan cdc.Order, 1)
		resume.Orders = ch
		ch <- cdc.Order{ID: 1, Act: cdc.ActStart, Table: r.id("people"), Where: "id > 10"}
		lines, last := amid(t, r, resume, "alter table people drop column note")
		if a := last.Again[0]; a.Problem != "" || a.Rows != 10 || !strings.HasPrefix(lines[len(lines)-1], "r people 20: id=20 name=n20") {
			t.Errorf("ended as %+v: %q", a, lines)
		}
	})
}
