package mysql

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"chartwire/cdc"
)

// wide makes a table of 24 columns and gives the values of a row of it.
func wide(r *rig) (row string) {
	cols, vals := []string{"id int primary key auto_increment"}, []string{"null"}
	for i := range 23 {
		switch i % 4 {
		case 0:
			cols, vals = append(cols, fmt.Sprintf("c%d int", i)), append(vals, "123456")
		case 1:
			cols, vals = append(cols, fmt.Sprintf("c%d varchar(40)", i)), append(vals, "'some text of a row'")
		case 2:
			cols, vals = append(cols, fmt.Sprintf("c%d datetime", i)), append(vals, "'2024-01-02 03:04:05'")
		case 3:
			cols, vals = append(cols, fmt.Sprintf("c%d decimal(10,2)", i)), append(vals, "1234.56")
		}
	}
	r.exec("create table wide (" + strings.Join(cols, ",") + ")")
	return "(" + strings.Join(vals, ",") + ")"
}

// BenchmarkSnapshot reads such a table from a real server, with one worker and
// with two, and beside it drains one SELECT of all of it raw.
func BenchmarkSnapshot(b *testing.B) {
	if testing.Short() {
		b.Skip("needs a real server: not under -short")
	}
	const rows = 400_000
	r := newRig(b, maria, "", "wide")
	insert := "insert into wide values " + strings.TrimSuffix(strings.Repeat(wide(r)+",", 1000), ",")
	for range rows / 1000 {
		r.exec(insert)
	}
	report := func(b *testing.B) {
		b.ReportMetric(rows*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/rows/float64(b.N), "ns/row")
	}
	for _, workers := range []int{1, 2} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			r.cfg.Snapshot.Workers = workers
			s, err := New(r.cfg)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				seen := 0
				for txn, err := range s.Stream(b.Context(), cdc.Resume{}) {
					if err != nil {
						b.Fatal(err)
					}
					if seen += len(txn.Changes); txn.Loads[r.id("wide")].Phase == cdc.LoadDone {
						break
					}
				}
				if seen != rows {
					b.Fatalf("%d rows", seen)
				}
			}
			report(b)
		})
	}
	b.Run("raw", func(b *testing.B) {
		s, err := New(r.cfg)
		if err != nil {
			b.Fatal(err)
		}
		c, err := s.dial(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		defer c.close()
		b.ReportAllocs()
		for b.Loop() {
			if err := c.each("select * from "+ident(r.id("wide").Database)+".wide", func([]byte) error { return nil }); err != nil {
				b.Fatal(err)
			}
		}
		report(b)
	})
}

// BenchmarkStream reads rows of 24 columns from a real server's log, in large
// transactions and one by one.
func BenchmarkStream(b *testing.B) {
	if testing.Short() {
		b.Skip("needs a real server: not under -short")
	}
	for _, rows := range []int{1000, 1} {
		b.Run(fmt.Sprintf("rows=%d", rows), func(b *testing.B) {
			r := newRig(b, maria, "", "wide")
			row := wide(r)
			s, err := New(r.cfg)
			if err != nil {
				b.Fatal(err)
			}
			// Start where the table is empty, and write everything behind it.
			var from cdc.Resume
			for txn, err := range s.Stream(context.Background(), cdc.Resume{}) {
				if err != nil {
					b.Fatal(err)
				}
				from.Checkpoint = txn.Checkpoint
				if l := txn.Loads[r.id("wide")]; l.Phase == cdc.LoadDone {
					from.Loads = txn.Loads
					break
				}
			}
			insert := "insert into wide values " + strings.TrimSuffix(strings.Repeat(row+",", rows), ",")
			n := max(b.N, rows)
			for i := 0; i < n; i += rows {
				r.exec(insert)
			}
			b.ReportAllocs()
			b.ResetTimer()
			began := time.Now()
			seen := 0
			for txn, err := range s.Stream(context.Background(), from) {
				if err != nil {
					b.Fatal(err)
				}
				if seen += len(txn.Changes); seen >= n/rows*rows {
					break
				}
			}
			b.ReportMetric(float64(seen)/time.Since(began).Seconds(), "rows/s")
		})
	}
}
