package hubspot

import (
	"errors"
	"time"

	"chartwire/sinks"
	"chartwire/sinks/outcall"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	*outcall.Metrics
	calls     outcall.Calls
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

func newMetrics(s *Sink) *metrics {
	m := outcall.NewMetrics("hubspot")
	read := func(name, help string, value func(Status) int) {
		m.Read(name, help, func() float64 { return float64(value(s.Status())) })
	}
	read("window_granted_calls", "Calls that may be made in 10 s.", func(st Status) int { return st.Window.Granted })
	read("window_used_calls", "Calls of the last 10 s.", func(st Status) int { return st.Window.Used })
	read("window_others_calls", "Calls of the last 10 s that others made with the same key.", func(st Status) int { return st.Window.Others })
	read("daily_limit_calls", "The account's daily limit.", func(st Status) int { return st.Daily.Limit })
	read("daily_used_calls", "Calls of all applications since the account's midnight.", func(st Status) int { return st.Daily.Used })
	read("in_flight_calls", "Calls without an answer yet.", func(st Status) int { return st.InFlight })
	return &metrics{
		Metrics:    m,
		calls:      m.Calls(2, "call", "lane", "object"),
		records:    m.Counter("records_total", "Records written by object and result: created, updated, archived, linked, rejected, retried, halted.", "object", "result"),
		refused:    m.Counter("refused_total", "Refusals by object, property and class; an empty property is the record.", "object", "property", "class"),
		throttled:  m.Counter("throttled_total", "Answers 429 by policy.", "policy"),
		breaker:    m.Gauge("breaker_state", "Circuit breakers: 0 closed, 1 half open, 2 open.", "call", "lanes"),
		splits:     m.One("batch_splits_total", "Batches refused as a whole and halved."),
		duplicate:  m.One("duplicate_inputs_total", "Batches refused for one record given twice: a fault of Chartwire."),
		differs:    m.Counter("stored_differs_total", "Values that HubSpot holds otherwise than sent, beyond case and form.", "object", "property"),
		mismatches: m.Gauge("mismatches", "What the account does not offer of what the maps need, by the last comparison.").WithLabelValues(),
		backward:   m.Counter("backward_total", "Values that HubSpot silently kept, cleared and set again.", "object", "property"),
	}
}

// called counts one call.
func (m *metrics) called(c *call, status int, took time.Duration) {
	m.calls.Done(status, took, string(c.kind), c.lane.String(), c.object)
}

// wrote counts the result of one write.
func (m *metrics) wrote(w *sinks.Write, r *sinks.Result) {
	var refused *sinks.Rejected
	result := outcall.Outcome(r.Err)
	switch {
	case errors.As(r.Err, &refused):
		m.refused.WithLabelValues(w.Record.Object, refused.Property, refused.Class).Inc()
	case result != "":
	case len(w.Links) > 0:
		result = "linked"
	case w.Archive:
		result = "archived"
	case r.New:
		result = "created"
	default:
		result = "updated"
	}
	m.records.WithLabelValues(w.Record.Object, result).Inc()
}
