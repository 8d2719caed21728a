package mysql

import (
	"errors"

	"chartwire/cdc"
	"chartwire/cdc/mysql/image"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are what a source counts. All are labelled with its name.
type metrics struct {
	bytes, transactions, reconnects, loaded prometheus.Counter
	heartbeat, behind, left, needs, stuck   prometheus.Gauge
	unread                                  *prometheus.GaugeVec
	lost, heldRows                          *prometheus.CounterVec
	held, waits, purged                     *prometheus.GaugeVec
}

func newMetrics(r prometheus.Registerer, source string) *metrics {
	r = prometheus.WrapRegistererWith(prometheus.Labels{"source": source}, r)
	counter := func(name, help string) prometheus.Counter {
		return register(r, prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help}))
	}
	return &metrics{
		bytes:        counter("chartwire_capture_binlog_bytes_total", "Bytes read from the source's binlog."),
		transactions: counter("chartwire_capture_binlog_transactions_total", "Source transactions read, whether they touched a captured table or not."),
		reconnects:   counter("chartwire_capture_reconnects_total", "Connections to the source that broke and were opened again."),
		loaded:       counter("chartwire_capture_snapshot_rows_total", "Rows read by snapshots and given."),
		heartbeat: register(r, prometheus.NewGauge(prometheus.GaugeOpts{Name: "chartwire_capture_heartbeat_timestamp_seconds",
			Help: "When the source last said that it had nothing more to say."})),
		behind: register(r, prometheus.NewGauge(prometheus.GaugeOpts{Name: "chartwire_capture_server_behind_seconds",
			Help: "How long a replica has been waited for that lacks transactions that were read; 0 when none is."})),
		// None until it is known: 0 would say that it is gone already.
		purged: register(r, prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "chartwire_capture_position_purged_timestamp_seconds",
			Help: "When the source may delete the log that follows the position, at the earliest: less time() is how long a capture may stand still. +Inf: never. Told by the process that captures, and when it has halted."}, nil)),
		lost: register(r, prometheus.NewCounterVec(prometheus.CounterOpts{Name: "chartwire_capture_lost_values_total",
			Help: "Values that cannot be said and were written as null (zero and out-of-range dates), or with U+FFFD (broken text)."}, []string{"table", "column"})),
		heldRows: register(r, prometheus.NewCounterVec(prometheus.CounterOpts{Name: "chartwire_capture_held_rows_total",
			Help: "Row changes of tables that are held, which were read and not written."}, []string{"table"})),
		stuck: register(r, prometheus.NewGauge(prometheus.GaugeOpts{Name: "chartwire_capture_stuck_breaks",
			Help: "How often in a row the connection to the source broke off without getting any further, if more than once."})),
		unread: register(r, prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "chartwire_capture_snapshot_failures",
			Help: "How often in a row rows of a table could not be read, although they are to be."}, []string{"table"})),
		left: register(r, prometheus.NewGauge(prometheus.GaugeOpts{Name: "chartwire_capture_snapshot_left_rows",
			Help: "Rows of the tables that are being read that are still to come, as the source estimates."})),
		needs: register(r, prometheus.NewGauge(prometheus.GaugeOpts{Name: "chartwire_capture_snapshot_left_seconds",
			Help: "How long that takes at the speed of late, within the hours and the rate that are allowed."})),
		waits: register(r, prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "chartwire_capture_snapshot_waiting",
			Help: "1 for the reason for which no rows of tables are read now, although some are to be."}, []string{"reason"})),
		held: register(r, prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "chartwire_capture_held",
			Help: "1 for a table that is held: nothing of it is written until it is changed back or accepted."}, []string{"table"})),
	}
}

// left forgets how the source stands when its stream was not ended by itself:
// another process may go on, who knows more.
func (s *Source) left() {
	m := s.metrics
	s.purged.Store(0)
	s.stuck.Store(nil)
	s.waiting.Store(nil)
	m.stuck.Set(0)
	m.left.Set(0)
	m.needs.Set(0)
	for _, v := range []*prometheus.GaugeVec{m.purged, m.unread, m.held, m.waits} {
		v.Reset()
	}
}

// hold says whether a table is held.
func (m *metrics) hold(id cdc.TableID, held bool) {
	if held {
		m.held.WithLabelValues(id.String()).Set(1)
		return
	}
	m.held.DeleteLabelValues(id.String())
}

// register takes what is there under the same name: a Source may be made again.
func register[C prometheus.Collector](r prometheus.Registerer, c C) C {
	var there prometheus.AlreadyRegisteredError
	if err := r.Register(c); errors.As(err, &there) {
		return there.ExistingCollector.(C)
	} else if err != nil {
		panic(err) // another collector under our name: a mistake in the program
	}
	return c
}

// count lets the encoder of a table count what it cannot say.
func (m *metrics) count(enc *image.Encoder) {
	table := enc.Table().ID().String()
	enc.Lost = func(column string) { m.lost.WithLabelValues(table, column).Inc() }
}
