package demo

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// board is the live table.
type board struct {
	d *demo

	mu    sync.Mutex
	lines int // drawn last, to be drawn over
	last  snapshot
}

// snapshot is what one look at the processes gives.
type snapshot struct {
	rows, mutations, calls, letters float64
	lanes                           map[string]latency
}

type latency struct {
	count    float64
	p50, p99 float64
}

func newBoard(d *demo) *board { return &board{d: d} }

// show draws the table until the function it returns is called.
func (b *board) show(ctx context.Context) func() {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	every := time.Second
	if !b.d.Terminal {
		every = 5 * time.Second
	}
	go func() {
		defer close(done)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				b.draw()
			}
		}
	}()
	return func() { cancel(); <-done; b.draw() }
}

// say prints a line above the table.
func (b *board) say(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wipe()
	b.d.say(format, args...)
}

func (b *board) wipe() {
	if b.d.Terminal && b.lines > 0 {
		fmt.Fprintf(b.d.Out, "\033[%dA\033[J", b.lines)
	}
	b.lines = 0
}

func (b *board) draw() {
	s := b.look()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wipe()
	b.last = s
	text := fmt.Sprintf("   %6s  rows captured %.0f   mutations %.0f   API calls %.0f   dead letters %.0f\n", b.d.since(), s.rows, s.mutations, s.calls, s.letters)
	for _, lane := range []string{"safety", "realtime", "routine", "backfill"} {
		if l := s.lanes[lane]; l.count > 0 {
			text += fmt.Sprintf("           %-9s %6.0f written   commit → answer p50 %s  p99 %s\n", lane, l.count, seconds(l.p50), seconds(l.p99))
		}
	}
	if n := b.d.shop.committed.Load(); n > 0 {
		text += fmt.Sprintf("           shop      %6d transactions   %d deals and %d products are in HubSpot\n", n, b.d.there("deals"), b.d.there("products"))
	}
	fmt.Fprint(b.d.Out, text)
	b.lines = strings.Count(text, "\n")
}

func seconds(f float64) string {
	return time.Duration(f * float64(time.Second)).Round(time.Millisecond).String()
}

// look reads the metrics of all processes.
func (b *board) look() snapshot {
	s := snapshot{lanes: map[string]latency{}}
	for _, addr := range b.d.http {
		for name, f := range scrape(addr) {
			switch name {
			case "chartwire_capture_rows_total":
				s.rows += sum(f)
			case "chartwire_map_mutations_total":
				s.mutations += sum(f)
			case "chartwire_deliver_dead_letters_total":
				s.letters += sum(f)
			case "chartwire_deliver_latency_seconds":
				for lane, h := range byLane(f) {
					s.lanes[lane] = latency{h.count, h.quantile(0.5), h.quantile(0.99)}
				}
			}
		}
	}
	for _, n := range b.d.sim.CallCounts() {
		s.calls += float64(n)
	}
	return s
}

func scrape(addr string) map[string]*dto.MetricFamily {
	client := http.Client{Timeout: time.Second}
	resp, err := client.Get("http://" + addr + "/metrics")
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	p := expfmt.NewTextParser(model.UTF8Validation)
	families, err := p.TextToMetricFamilies(resp.Body)
	if err != nil {
		return nil
	}
	return families
}

func sum(f *dto.MetricFamily) (total float64) {
	for _, m := range f.Metric {
		total += m.GetCounter().GetValue() + m.GetGauge().GetValue()
	}
	return total
}

// histogram is the buckets of one lane over all sinks.
type histogram struct {
	count  float64
	bounds []float64
	counts []float64 // cumulative
}

func byLane(f *dto.MetricFamily) map[string]*histogram {
	out := map[string]*histogram{}
	for _, m := range f.Metric {
		lane := ""
		for _, l := range m.Label {
			if l.GetName() == "lane" {
				lane = l.GetValue()
			}
		}
		h := out[lane]
		if h == nil {
			h = &histogram{}
			for _, b := range m.GetHistogram().Bucket {
				h.bounds = append(h.bounds, b.GetUpperBound())
			}
			h.counts = make([]float64, len(h.bounds))
			out[lane] = h
		}
		h.count += float64(m.GetHistogram().GetSampleCount())
		for i, b := range m.GetHistogram().Bucket {
			if i < len(h.counts) {
				h.counts[i] += float64(b.GetCumulativeCount())
			}
		}
	}
	return out
}

// quantile interpolates within the bucket, as Prometheus does.
func (h *histogram) quantile(q float64) float64 {
	rank, low, below := q*h.count, 0.0, 0.0
	for i, upper := range h.bounds {
		if h.counts[i] >= rank {
			if n := h.counts[i] - below; n > 0 && upper < 1e9 {
				return low + (upper-low)*(rank-below)/n
			}
			return low
		}
		low, below = upper, h.counts[i]
	}
	return low
}
