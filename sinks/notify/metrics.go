package notify

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"chartwire/cdc"
	"chartwire/sinks"
)

type metrics struct {
	calls        *prometheus.CounterVec
	seconds      *prometheus.HistogramVec
	pages        *prometheus.CounterVec
	misrouted    *prometheus.CounterVec
	escalated    *prometheus.CounterVec
	acknowledged prometheus.Counter
	watchdog     *prometheus.CounterVec
	journal      prometheus.Counter
}

func newMetrics() *metrics {
	vec := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "chartwire_notify_" + name, Help: help}, labels)
	}
	one := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "chartwire_notify_" + name, Help: help})
	}
	return &metrics{
		calls: vec("calls_total", "Calls to receivers by route and status; status 0 is no answer.", "route", "status"),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "chartwire_notify_call_seconds", Help: "How long receivers took to answer.",
			Buckets: []float64{.01, .05, .1, .25, .5, 1, 2.5, 5, 10}}, []string{"route"}),
		pages:        vec("pages_total", "Pages by result: sent, rejected, retried, halted.", "result"),
		misrouted:    vec("misrouted_total", "Pages that went to the default route because theirs is not there or refuses.", "route"),
		escalated:    vec("escalated_total", "Pages told to the second person, and tries that failed.", "route", "result"),
		acknowledged: one("acknowledged_total", "Pages that somebody acknowledged in time."),
		watchdog:     vec("watchdog_signals_total", "Signals to the watchdog: signalled, or silent.", "result"),
		journal:      one("journal_failures_total", "Times that the journal of pages could not be read or written."),
	}
}

func (m *metrics) register(r prometheus.Registerer, s *Sink) error {
	waiting := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "chartwire_notify_waiting_pages", Help: "Pages that nobody has acknowledged yet."},
		func() float64 { return float64(s.Status().Waiting) })
	var problems []error
	for _, c := range []prometheus.Collector{m.calls, m.seconds, m.pages, m.misrouted, m.escalated, m.acknowledged, m.watchdog, m.journal, waiting} {
		if err := r.Register(c); err != nil {
			problems = append(problems, fmt.Errorf("registering the metrics of notify: %w", err))
		}
	}
	return errors.Join(problems...)
}

func (m *metrics) called(route string, status int, took time.Duration) {
	m.calls.WithLabelValues(route, strconv.Itoa(status)).Inc()
	m.seconds.WithLabelValues(route).Observe(took.Seconds())
}

func (m *metrics) wrote(r *sinks.Result) {
	var refused *sinks.Rejected
	result := "sent"
	switch {
	case errors.As(r.Err, &refused):
		result = "rejected"
	case cdc.HaltCode(r.Err) != "":
		result = "halted"
	case r.Err != nil:
		result = "retried"
	}
	m.pages.WithLabelValues(result).Inc()
}
