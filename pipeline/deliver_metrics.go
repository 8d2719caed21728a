package pipeline

import (
	"errors"
	"time"

	"chartwire/sinks"

	"github.com/prometheus/client_golang/prometheus"
)

// deliverMetrics are a Deliver's, all with its sink's name.
type deliverMetrics struct {
	registerer prometheus.Registerer
	all        []prometheus.Collector

	waiting    *prometheus.GaugeVec
	bytes      *prometheus.GaugeVec
	overdue    *prometheus.GaugeVec
	latency    [len(sinks.Lanes)]prometheus.Observer
	calls      *prometheus.HistogramVec
	writes     *prometheus.CounterVec
	suppressed *prometheus.CounterVec
	retries    *prometheus.CounterVec
	letters    *prometheus.CounterVec
	mended     prometheus.Counter
	stored     *prometheus.CounterVec
	linked     *prometheus.CounterVec
	pending    prometheus.Gauge
	pendingAge prometheus.Gauge
	lost       prometheus.Counter
	lapsed     prometheus.Counter
	doubt      prometheus.Gauge
	heartbeat  *prometheus.GaugeVec
	halts      *prometheus.GaugeVec
	held       *prometheus.GaugeVec
	withheld   *prometheus.CounterVec
}

func newDeliverMetrics(r prometheus.Registerer, sink string) (*deliverMetrics, error) {
	m := &deliverMetrics{registerer: r}
	labels := prometheus.Labels{"sink": sink}
	gauge := func(name, help string, by ...string) *prometheus.GaugeVec {
		v := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "chartwire_deliver_" + name, Help: help, ConstLabels: labels}, by)
		m.all = append(m.all, v)
		return v
	}
	counter := func(name, help string, by ...string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "chartwire_deliver_" + name, Help: help, ConstLabels: labels}, by)
		m.all = append(m.all, v)
		return v
	}
	histogram := func(name, help string, buckets []float64) *prometheus.HistogramVec {
		v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "chartwire_deliver_" + name, Help: help, ConstLabels: labels, Buckets: buckets}, []string{"lane"})
		m.all = append(m.all, v)
		return v
	}
	m.waiting = gauge("waiting_records", "Records that wait in the lane.", "lane")
	m.bytes = gauge("window_bytes", "Bytes of the lane's window that are in use.", "lane")
	m.overdue = gauge("overdue_seconds", "How far the oldest deadline of the lane has passed; 0 if none has.", "lane")
	latency := histogram("latency_seconds", "From the commit at the source to the destination's answer.",
		[]float64{.01, .02, .04, .08, .15, .25, .5, 1, 2, 5, 10, 30, 60, 300, 900, 1800, 3600, 86400})
	for _, lane := range sinks.Lanes {
		m.latency[lane] = latency.WithLabelValues(lane.String())
	}
	m.calls = histogram("call_seconds", "Calls of the sink and how long they took.", []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30})
	m.writes = counter("writes_total", "Writes sent to the sink, repeats included.", "lane")
	m.suppressed = counter("suppressed_total", "Mutations that changed nothing at the destination.", "lane")
	m.retries = counter("retries_total", "Writes that had to be sent again.", "lane", "reason")
	m.letters = counter("dead_letters_total", "Refusals.", "lane", "flow")
	m.mended = counter("dead_letters_mended_total", "Refusals that were taken after all.").WithLabelValues()
	m.stored = counter("stored_otherwise_total", "Values that the destination holds in another form (normalised) or as another text (other).", "how")
	m.linked = counter("links_total", "Links between records that were made or removed.", "how")
	m.pending = gauge("pending_links", "Links that are wanted and not made yet: their far end is not there, or their call is still to come.").WithLabelValues()
	m.pendingAge = gauge("pending_link_age_seconds", "How long the oldest pending link waits; 0 if none does.").WithLabelValues()
	m.lost = counter("records_lost_total", "Records that the destination had lost or merged, and that were written whole.").WithLabelValues()
	m.lapsed = counter("lease_lapsed_total", "Times at which no call could start because the lease was over.").WithLabelValues()
	m.doubt = gauge("doubt_records", "Records in doubt that wait or are in the air.").WithLabelValues()
	m.heartbeat = gauge("heartbeat_timestamp_seconds", "Commit time of the newest heartbeat before which everything of the flow and lane is delivered.", "flow", "lane")
	m.held = gauge("held", "1 for a flow that is held until a person releases it.", "flow")
	m.withheld = counter("held_back_total", "Mutations that were held back, in whole or in part.", "flow")
	m.halts = gauge("halted", "1 for a flow that is halted, by the halt's code.", "flow", "code")
	if r == nil {
		return m, nil
	}
	var errs []error
	for _, c := range m.all {
		errs = append(errs, r.Register(c))
	}
	return m, errors.Join(errs...)
}

func (m *deliverMetrics) unregister() {
	if m.registerer == nil {
		return
	}
	for _, c := range m.all {
		m.registerer.Unregister(c)
	}
}

func (m *deliverMetrics) report(lane sinks.Lane, l DeliverLane, now time.Time) {
	m.waiting.WithLabelValues(lane.String()).Set(float64(l.Waiting))
	m.bytes.WithLabelValues(lane.String()).Set(float64(l.Bytes))
	over := 0.0
	if !l.Due.IsZero() && now.After(l.Due) {
		over = now.Sub(l.Due).Seconds()
	}
	m.overdue.WithLabelValues(lane.String()).Set(over)
}
