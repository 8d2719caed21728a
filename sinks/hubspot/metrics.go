package hubspot

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"chartwire/cdc"
	"chartwire/sinks"
)

// metrics are the sink's counters. They are made even where nobody registers
// them, so that no code asks whether they are there.
type metrics struct {
	calls     *prometheus.CounterVec
	seconds   *prometheus.HistogramVec
	records   *prometheus.CounterVec
	refused   *prometheus.CounterVec
	throttled *prometheus.CounterVec
	breaker   *prometheus.GaugeVec
	splits    prometheus.Counter
	duplicate prometheus.Counter
	differs   *prometheus.CounterVec
	backward  *prometheus.CounterVec

	mismatches prometheus.Gauge
}

func newMetrics() *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "chartwire_hubspot_" + name, Help: help}, labels)
	}
	return &metrics{
		calls: counter("calls_total", "Calls to HubSpot by kind, lane, object and status; status 0 is no answer.", "call", "lane", "object", "status"),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "chartwire_hubspot_call_seconds", Help: "How long HubSpot took to answer.",
			Buckets: []float64{.01, .025, .05, .1, .15, .25, .5, 1, 2.5, 5, 10}}, []string{"call", "lane"}),
		records:   counter("records_total", "Records written by object and result: created, updated, archived, rejected, retried, halted.", "object", "result"),
		refused:   counter("refused_total", "Refusals by object, property and class; an empty property is the record.", "object", "property", "class"),
		throttled: counter("throttled_total", "Answers 429 by policy.", "policy"),
		breaker: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "chartwire_hubspot_breaker_state",
			Help: "Circuit breakers: 0 closed, 1 half open, 2 open."}, []string{"call", "lanes"}),
		splits:     prometheus.NewCounter(prometheus.CounterOpts{Name: "chartwire_hubspot_batch_splits_total", Help: "Batches refused as a whole and halved."}),
		duplicate:  prometheus.NewCounter(prometheus.CounterOpts{Name: "chartwire_hubspot_duplicate_inputs_total", Help: "Batches refused for one record given twice: a fault of Chartwire."}),
		differs:    counter("stored_differs_total", "Values that HubSpot holds otherwise than sent, beyond case and form.", "object", "property"),
		mismatches: prometheus.NewGauge(prometheus.GaugeOpts{Name: "chartwire_hubspot_mismatches", Help: "What the account does not offer of what the maps need, by the last comparison."}),
		backward:   counter("backward_total", "Values that HubSpot silently kept, cleared and set again.", "object", "property"),
	}
}

func (m *metrics) register(r prometheus.Registerer, s *Sink) error {
	gauge := func(name, help string, value func(Status) float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "chartwire_hubspot_" + name, Help: help}, func() float64 { return value(s.Status()) })
	}
	var problems []error
	for _, c := range []prometheus.Collector{m.calls, m.seconds, m.records, m.refused, m.throttled, m.breaker, m.splits, m.duplicate, m.differs, m.backward, m.mismatches,
		gauge("window_granted_calls", "Calls that may be made in 10 s.", func(st Status) float64 { return float64(st.Window.Granted) }),
		gauge("window_used_calls", "Calls of the last 10 s.", func(st Status) float64 { return float64(st.Window.Used) }),
		gauge("window_others_calls", "Calls of the last 10 s that others made with the same key.", func(st Status) float64 { return float64(st.Window.Others) }),
		gauge("daily_limit_calls", "The account's daily limit.", func(st Status) float64 { return float64(st.Daily.Limit) }),
		gauge("daily_used_calls", "Calls of all applications since the account's midnight.", func(st Status) float64 { return float64(st.Daily.Used) }),
		gauge("in_flight_calls", "Calls without an answer yet.", func(st Status) float64 { return float64(st.InFlight) }),
	} {
		if err := r.Register(c); err != nil {
			problems = append(problems, fmt.Errorf("registering the metrics of hubspot: %w", err))
		}
	}
	return errors.Join(problems...)
}

// called counts one call.
func (m *metrics) called(c *call, status int, took time.Duration) {
	m.calls.WithLabelValues(string(c.kind), c.lane.String(), c.object, strconv.Itoa(status)).Inc()
	m.seconds.WithLabelValues(string(c.kind), c.lane.String()).Observe(took.Seconds())
}

// wrote counts the result of one write.
func (m *metrics) wrote(w *sinks.Write, r *sinks.Result) {
	var refused *sinks.Rejected
	result := "updated"
	switch {
	case errors.As(r.Err, &refused):
		result = "rejected"
		m.refused.WithLabelValues(w.Record.Object, refused.Property, refused.Class).Inc()
	case cdc.HaltCode(r.Err) != "":
		result = "halted"
	case r.Err != nil:
		result = "retried"
	case w.Archive:
		result = "archived"
	case r.New:
		result = "created"
	}
	m.records.WithLabelValues(w.Record.Object, result).Inc()
}
