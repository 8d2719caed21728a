package notify

import (
	"chartwire/sinks"
	"chartwire/sinks/outcall"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	*outcall.Metrics
	calls        outcall.Calls
	pages        *prometheus.CounterVec
	misrouted    *prometheus.CounterVec
	escalated    *prometheus.CounterVec
	acknowledged prometheus.Counter
	watchdog     *prometheus.CounterVec
	journal      prometheus.Counter
}

func newMetrics(s *Sink) *metrics {
	m := outcall.NewMetrics("notify")
	m.Read("waiting_pages", "Pages that nobody has acknowledged yet.", func() float64 { return float64(s.Status().Waiting) })
	return &metrics{
		Metrics:      m,
		calls:        m.Calls(1, "route"),
		pages:        m.Counter("pages_total", "Pages by result: sent, rejected, retried, halted.", "result"),
		misrouted:    m.Counter("misrouted_total", "Pages that went to the default route because theirs is not there or refuses.", "route"),
		escalated:    m.Counter("escalated_total", "Pages told to the second person, and tries that failed.", "route", "result"),
		acknowledged: m.One("acknowledged_total", "Pages that somebody acknowledged in time."),
		watchdog:     m.Counter("watchdog_signals_total", "Signals to the watchdog: signalled, or silent.", "result"),
		journal:      m.One("journal_failures_total", "Times that the journal of pages could not be read or written."),
	}
}

func (m *metrics) wrote(r *sinks.Result) {
	result := outcall.Outcome(r.Err)
	if result == "" {
		result = "sent"
	}
	m.pages.WithLabelValues(result).Inc()
}
