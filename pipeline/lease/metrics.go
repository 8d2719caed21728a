package lease

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	reg        prometheus.Registerer
	collectors []prometheus.Collector

	held, standby     prometheus.Gauge
	takeovers, losses prometheus.Counter
	commits           prometheus.Histogram
}

func newMetrics(o Options) *metrics {
	labels := prometheus.Labels{"stage": o.Stage, "name": o.Name}
	m := &metrics{
		reg: o.Metrics,
		held: prometheus.NewGauge(prometheus.GaugeOpts{Name: "chartwire_lease_held_bool", ConstLabels: labels,
			Help: "1 while this process holds the lease."}),
		standby: prometheus.NewGauge(prometheus.GaugeOpts{Name: "chartwire_lease_standby_bool", ConstLabels: labels,
			Help: "1 while this process stands by for the lease."}),
		takeovers: prometheus.NewCounter(prometheus.CounterOpts{Name: "chartwire_lease_takeovers_total", ConstLabels: labels,
			Help: "Times this process took the lease."}),
		losses: prometheus.NewCounter(prometheus.CounterOpts{Name: "chartwire_lease_losses_total", ConstLabels: labels,
			Help: "Times this process lost the lease, by a standby or by a commit that failed."}),
		commits: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "chartwire_lease_commit_seconds", ConstLabels: labels,
			Help:    "Duration of Kafka transactions, renewals among them.",
			Buckets: []float64{.001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10}}),
	}
	m.collectors = []prometheus.Collector{m.held, m.standby, m.takeovers, m.losses, m.commits}
	if m.reg != nil {
		m.reg.MustRegister(m.collectors...)
	}
	return m
}

func (m *metrics) unregister() {
	if m.reg == nil {
		return
	}
	for _, c := range m.collectors {
		m.reg.Unregister(c)
	}
}

func (m *metrics) committed(d time.Duration) { m.commits.Observe(d.Seconds()) }
