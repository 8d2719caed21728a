package pipeline

import (
	"slices"
	"time"

	"chartwire/pipeline/cut"

	"github.com/prometheus/client_golang/prometheus"
)

type captureMetrics struct {
	reg        prometheus.Registerer
	collectors []prometheus.Collector

	rows        *prometheus.CounterVec
	txns, bytes prometheus.Counter
	commits     prometheus.Histogram
}

func newCaptureMetrics(c *Capture) *captureMetrics {
	labels := prometheus.Labels{"source": c.o.Source}
	since := func(name, help string, f func(*CaptureStatus) time.Time) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: labels}, func() float64 {
			c.mu.Lock()
			defer c.mu.Unlock()
			if t := f(&c.status); c.status.Holding && !t.IsZero() {
				return time.Since(t).Seconds()
			}
			return 0
		})
	}
	m := &captureMetrics{
		reg: c.o.Metrics,
		rows: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "chartwire_capture_rows_total", ConstLabels: labels,
			Help: "Row changes committed to Kafka, by table."}, []string{"table"}),
		txns: prometheus.NewCounter(prometheus.CounterOpts{Name: "chartwire_capture_transactions_total", ConstLabels: labels,
			Help: "Source transactions committed to Kafka, heartbeats among them."}),
		bytes: prometheus.NewCounter(prometheus.CounterOpts{Name: "chartwire_capture_bytes_total", ConstLabels: labels,
			Help: "Bytes of keys and values committed to Kafka, before compression."}),
		commits: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "chartwire_capture_collect_seconds", ConstLabels: labels,
			Help:    "From a batch's first change to its commit in Kafka.",
			Buckets: []float64{.001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5}}),
	}
	m.collectors = []prometheus.Collector{m.rows, m.txns, m.bytes, m.commits,
		since("chartwire_capture_lag_seconds", "Age of the newest commit time of the source that is in Kafka; heartbeats keep it low when nothing changes.",
			func(s *CaptureStatus) time.Time { return s.Cut.Commit }),
		since("chartwire_capture_heard_seconds", "Since the source last gave anything, a heartbeat at least; since the capture began, if it gave nothing yet.",
			func(s *CaptureStatus) time.Time {
				if s.Heard.IsZero() {
					return s.Since
				}
				return s.Heard
			}),
		since("chartwire_capture_cut_seconds", "Since Kafka last took a cut.",
			func(s *CaptureStatus) time.Time { return s.Committed }),
	}
	m.collectors = append(m.collectors, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "chartwire_capture_registry_waiting", ConstLabels: labels,
		Help: "1 while everything waits for the schema registry to give the id of a new schema."}, func() float64 {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.status.Waiting != "" {
			return 1
		}
		return 0
	}))
	if m.reg != nil {
		m.reg.MustRegister(m.collectors...)
	}
	return m
}

func (m *captureMetrics) unregister() {
	if m.reg == nil {
		return
	}
	for _, c := range m.collectors {
		m.reg.Unregister(c)
	}
}

// committed counts a transaction that Kafka has.
func (c *Capture) committed(d *cut.Cut, rows []tableRows, since gathered, heard time.Time) {
	now, total := time.Now(), 0
	for _, r := range rows {
		c.metrics.rows.WithLabelValues(r.table.source.Database + "." + r.table.source.Table).Add(float64(r.rows))
		total += r.rows
	}
	c.metrics.txns.Add(float64(since.txns))
	c.metrics.bytes.Add(float64(since.bytes))
	if !since.began.IsZero() {
		c.metrics.commits.Observe(now.Sub(since.began).Seconds())
	}
	c.update(func(s *CaptureStatus) {
		s.Cut.Fold(d)
		s.Rows += int64(total)
		s.Bytes += int64(since.bytes)
		s.Txns += int64(since.txns)
		s.Committed = now
		if !heard.IsZero() {
			s.Heard = heard
		}
	})
}

// Status gives where the capture stands. The keys up to which tables were read and
// the conditions of those that are read again are left out: they are of rows, and
// many may see a status.
func (c *Capture) Status() CaptureStatus {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.status
	s.Trouble = c.trouble.now(s.Holding)
	s.Cut = cut.Cut{}
	s.Cut.Fold(&c.status.Cut) // with maps of its own
	for id, l := range s.Cut.Loads {
		l.After, l.Again = nil, slices.Clone(l.Again)
		for i := range l.Again {
			l.Again[i].After, l.Again[i].Where = nil, ""
		}
		s.Cut.Loads[id] = l
	}
	return s
}
