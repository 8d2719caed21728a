package pipeline

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// mapMetrics are what a Map counts.
type mapMetrics struct {
	registerer prometheus.Registerer
	all        []prometheus.Collector

	changes    *prometheus.CounterVec // by source
	lag        *prometheus.GaugeVec   // by source
	entities   *prometheus.CounterVec // by reason
	mutations  *prometheus.CounterVec // by sink, lane
	firings    *prometheus.CounterVec // by rule
	refused    *prometheus.CounterVec // by map, property
	failed     *prometheus.CounterVec // by map
	flagged    *prometheus.CounterVec // by map, alias
	pending    prometheus.Gauge
	misfits    prometheus.Gauge
	stale      prometheus.Counter
	waiting    prometheus.Gauge
	bytes      prometheus.Gauge
	commitTime prometheus.Histogram
}

func newMapMetrics(r prometheus.Registerer, flow string) (*mapMetrics, error) {
	m := &mapMetrics{}
	if r != nil {
		m.registerer = prometheus.WrapRegistererWith(prometheus.Labels{"flow": flow}, r)
	}
	m.changes = addMetric(m, prometheus.NewCounterVec(prometheus.CounterOpts{Name: "chartwire_map_changes_total", Help: "Row changes read."}, []string{"source"}))
	m.lag = addMetric(m, prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "chartwire_map_lag_seconds", Help: "Time from the source's commit to the commit of its mutations, of the newest mapped cut."}, []string{"source"}))
	m.entities = addMetric(m, prometheus.NewCounterVec(prometheus.CounterOpts{Name: "chartwire_map_entities_total", Help: "Entities evaluated."}, []string{"reason"}))
	m.mutations = addMetric(m, prometheus.NewCounterVec(prometheus.CounterOpts{Name: "chartwire_map_mutations_total", Help: "Mutations committed."}, []string{"sink", "lane"}))
	m.firings = addMetric(m, prometheus.NewCounterVec(prometheus.CounterOpts{Name: "chartwire_map_firings_total", Help: "Firings of rules committed."}, []string{"rule"}))
	m.refused = addMetric(m, prometheus.NewCounterVec(prometheus.CounterOpts{Name: "chartwire_map_refused_total", Help: "Values left out because they have no place in their property."}, []string{"map", "property"}))
	m.failed = addMetric(m, prometheus.NewCounterVec(prometheus.CounterOpts{Name: "chartwire_map_failed_total", Help: "Rows that a map could make nothing of."}, []string{"map"}))
	m.flagged = addMetric(m, prometheus.NewCounterVec(prometheus.CounterOpts{Name: "chartwire_map_flagged_total", Help: "Oddities among the rows of joined entities that were decided by rule."}, []string{"map", "alias"}))
	m.pending = addMetric(m, prometheus.NewGauge(prometheus.GaugeOpts{Name: "chartwire_map_pending_entities", Help: "Joined entities that changed and wait to be mapped, as many as are in memory."}))
	m.misfits = addMetric(m, prometheus.NewGauge(prometheus.GaugeOpts{Name: "chartwire_map_misfits", Help: "Changes of tables that the maps do not fit: what reads those columns is left as it is."}))
	m.stale = addMetric(m, prometheus.NewCounter(prometheus.CounterOpts{Name: "chartwire_map_stale_changes_total", Help: "Row changes ignored because a later one of their partition had been read."}))
	m.waiting = addMetric(m, prometheus.NewGauge(prometheus.GaugeOpts{Name: "chartwire_map_waiting_changes", Help: "Row changes read and not yet mapped."}))
	m.bytes = addMetric(m, prometheus.NewGauge(prometheus.GaugeOpts{Name: "chartwire_map_state_bytes", Help: "Size of the local state."}))
	m.commitTime = addMetric(m, prometheus.NewHistogram(prometheus.HistogramOpts{Name: "chartwire_map_commit_seconds", Help: "Duration of Kafka transactions.", Buckets: prometheus.ExponentialBuckets(0.001, 2, 13)}))
	if m.registerer == nil {
		return m, nil
	}
	for i, c := range m.all {
		if err := m.registerer.Register(c); err != nil {
			m.all = m.all[:i]
			m.unregister()
			return nil, fmt.Errorf("registering the metrics of map: %w", err)
		}
	}
	return m, nil
}

func addMetric[C prometheus.Collector](m *mapMetrics, c C) C {
	m.all = append(m.all, c)
	return c
}

func (m *mapMetrics) unregister() {
	if m.registerer == nil {
		return
	}
	for _, c := range m.all {
		m.registerer.Unregister(c)
	}
}

// committed takes note of a transaction.
func (m *mapMetrics) committed(d time.Duration) { m.commitTime.Observe(d.Seconds()) }
