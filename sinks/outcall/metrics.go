package outcall

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"chartwire/cdc"
	"chartwire/sinks"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics makes the metrics of one sink. They are made even where nobody
// registers them, so that no code asks whether they are there.
type Metrics struct {
	sink string
	all  []prometheus.Collector
}

// NewMetrics makes metrics named chartwire_<sink>_….
func NewMetrics(sink string) *Metrics { return &Metrics{sink: sink} }

func (m *Metrics) name(name string) string { return "chartwire_" + m.sink + "_" + name }

// Counter makes a counter with labels.
func (m *Metrics) Counter(name, help string, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: m.name(name), Help: help}, labels)
	m.all = append(m.all, c)
	return c
}

// One makes a counter without labels.
func (m *Metrics) One(name, help string) prometheus.Counter {
	return m.Counter(name, help).WithLabelValues()
}

// Gauge makes a gauge with labels.
func (m *Metrics) Gauge(name, help string, labels ...string) *prometheus.GaugeVec {
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: m.name(name), Help: help}, labels)
	m.all = append(m.all, g)
	return g
}

// Seconds makes a histogram of the time that answers take.
func (m *Metrics) Seconds(name, help string, labels ...string) *prometheus.HistogramVec {
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: m.name(name), Help: help,
		Buckets: []float64{.01, .025, .05, .1, .15, .25, .5, 1, 2.5, 5, 10}}, labels)
	m.all = append(m.all, h)
	return h
}

// Read makes a gauge that is read when it is asked for.
func (m *Metrics) Read(name, help string, value func() float64) {
	m.all = append(m.all, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: m.name(name), Help: help}, value))
}

// Register registers what was made; with nil it does nothing.
func (m *Metrics) Register(r prometheus.Registerer) error {
	if r == nil {
		return nil
	}
	var problems []error
	for _, c := range m.all {
		if err := r.Register(c); err != nil {
			problems = append(problems, fmt.Errorf("registering the metrics of %s: %w", m.sink, err))
		}
	}
	return errors.Join(problems...)
}

// Calls are the metrics of a sink's calls: labels, status and time.
type Calls struct {
	total   *prometheus.CounterVec
	seconds *prometheus.HistogramVec
	timed   int
}

// Calls makes the metrics of calls with labels, of which the first so many are
// those of the time.
func (m *Metrics) Calls(timed int, labels ...string) Calls {
	return Calls{
		total: m.Counter("calls_total", "Calls that were made, by the status of their answer; 0 is none.",
			append(labels[:len(labels):len(labels)], "status")...),
		seconds: m.Seconds("call_seconds", "How long answers took.", labels[:timed]...),
		timed:   timed,
	}
}

// Done counts one call.
func (c Calls) Done(status int, took time.Duration, labels ...string) {
	c.seconds.WithLabelValues(labels[:c.timed]...).Observe(took.Seconds())
	c.total.WithLabelValues(append(labels[:len(labels):len(labels)], strconv.Itoa(status))...).Inc()
}

// Outcome names what an error of a Result means for its write: rejected,
// halted, retried, or "" for success.
func Outcome(err error) string {
	var refused *sinks.Rejected
	switch {
	case err == nil:
		return ""
	case errors.As(err, &refused):
		return "rejected"
	case cdc.HaltCode(err) != "":
		return "halted"
	}
	return "retried"
}
