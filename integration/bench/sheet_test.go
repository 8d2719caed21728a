package bench_test

import (
	"fmt"
	"os"
	"sync"
	"text/tabwriter"
	"time"
)

// sheet collects the figures of a comparison as they come, and prints them as a
// table at the end: a line each for what stands beside what.
type sheet struct {
	mu    sync.Mutex
	title string
	lines [][]string
}

// put adds a line: what, ours, what is beside it, how they relate, the goal.
func (s *sheet) put(what, ours, beside, ratio, goal string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, []string{what, ours, beside, ratio, goal})
	fmt.Printf("# %s: %s beside %s, %s\n", what, ours, beside, ratio)
}

// print writes the table.
func (s *sheet) print() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.lines) == 0 {
		return
	}
	fmt.Printf("\n%s\n", s.title)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "what\tChartwire\tbeside it\tratio\tgoal")
	for _, l := range s.lines {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", l[0], l[1], l[2], l[3], l[4])
	}
	_ = w.Flush()
	fmt.Println()
}

func perSec(f float64) string     { return fmt.Sprintf("%.0f rows/s", f) }
func megabytes(n int64) string    { return fmt.Sprintf("%.0f MB", float64(n)/1e6) }
func micros(f float64) string     { return fmt.Sprintf("%.2f µs", f) }
func ms(d time.Duration) string   { return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000) }
func secs(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }
func times(a, b float64) string   { return fmt.Sprintf("%.2f", a/b) }
