package soak

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chartwire/integration/faults"
)

// runs is how many there are without CHARTWIRE_RUNS.
const runs = 200

func number(name string, otherwise uint64) uint64 {
	n, err := strconv.ParseUint(os.Getenv(name), 10, 64)
	if err != nil {
		return otherwise
	}
	return n
}

// TestSoak runs until one run differs, or until all are done.
func TestSoak(t *testing.T) {
	faults.Shows(t, "packet-loss", "after cuts, delays and stalls on both sides the topics equal the tables, by value")
	faults.Shows(t, "kafka-cut", "rows and position are in one Kafka transaction: nothing twice, nothing lost, order kept")
	faults.Shows(t, "duplicates", "none for a read-committed reader, through kills and cuts at random moments")
	faults.Shows(t, "snapshot-restart", "a kill between two chunks loses and repeats nothing; the contents are equal")
	faults.Shows(t, "ddl-modify-column", "the table is read again where a type changed; the contents are equal")
	faults.Shows(t, "snapshot-ddl", "what was read and not given is given up; the contents are equal")
	faults.Shows(t, "snapshot-missing", "done is said behind the last row: every table that is done equals the server's, by value")
	faults.Shows(t, "silent-server", "is left after three heartbeats and connected to again; the contents are equal")
	faults.Shows(t, "xa", "rows come at the commit, whoever is killed between the two phases")
	if testing.Short() {
		t.Skip("needs real servers: not under -short")
	}
	base := number("CHARTWIRE_SEED", uint64(time.Now().UnixNano()/1e6))
	total := number("CHARTWIRE_RUNS", runs)
	if os.Getenv("CHARTWIRE_SEED") != "" && os.Getenv("CHARTWIRE_RUNS") == "" {
		total = 1
	}
	workers := int(number("CHARTWIRE_WORKERS", uint64(4*runtime.GOMAXPROCS(0))))
	repeat := os.Getenv("CHARTWIRE_REPEAT") != ""
	t.Logf("CHARTWIRE_SEED=%d CHARTWIRE_RUNS=%d", base, total)
	w := newWorld(t)
	var next, done atomic.Uint64
	var failed atomic.Bool
	began := time.Now()
	work := func() {
		for !failed.Load() {
			n := next.Add(1) - 1
			if total > 0 && n >= total {
				return
			}
			seed := base + n
			if repeat {
				seed = base
			}
			if err := w.run(t.Context(), seed); err != nil {
				if failed.CompareAndSwap(false, true) { // the others are as good as interrupted
					t.Errorf("CHARTWIRE_SEED=%d differs: %v\n\nAgain:\n  %s", seed, err, again(seed))
				}
				return
			}
			if d := done.Add(1); d%25 == 0 || total == 0 && d%5 == 0 {
				w.progress(d, time.Since(began), seed)
			}
		}
	}
	var all sync.WaitGroup
	for range workers {
		all.Go(work)
	}
	all.Wait()
	w.progress(done.Load(), time.Since(began), base)
	w.enough(t, done.Load())
}

// again is the command that repeats a seed until it differs, or twenty times.
func again(seed uint64) string {
	var b strings.Builder
	fmt.Fprintf(&b, "CHARTWIRE_SEED=%d CHARTWIRE_REPEAT=1 CHARTWIRE_RUNS=20", seed)
	for _, name := range []string{"CHARTWIRE_BREAK", "CHARTWIRE_WORKERS"} {
		if v := os.Getenv(name); v != "" {
			fmt.Fprintf(&b, " %s=%s", name, v)
		}
	}
	return b.String() + " go test -race -count=1 -timeout 0 -v -run TestSoak ./integration/soak"
}

// progress says how far it has come.
func (w *world) progress(done uint64, took time.Duration, seed uint64) {
	fmt.Fprintf(os.Stderr, "soak: %d runs in %s (%.1f a minute), last seed %d; %s\n",
		done, took.Round(time.Second), float64(done)/took.Minutes(), seed, w.counts.String())
}
