package cli

import (
	"chartwire/cdc"

	"github.com/prometheus/client_golang/prometheus"
)

// haltedStage is what an alert asks first: whether a person must decide.
var haltedStage = prometheus.NewDesc("chartwire_stage_halted", "1 for a stage that has halted until a person decides, by the code that chartwire explain knows; 0 without a code for one that has not.",
	[]string{"stage", "name", "code"}, nil)

// Describe is of [prometheus.Collector].
func (s *supervisor) Describe(ch chan<- *prometheus.Desc) { ch <- haltedStage }

// Collect is of [prometheus.Collector].
func (s *supervisor) Collect(ch chan<- prometheus.Metric) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, st := range s.stages {
		code, value := cdc.HaltCode(s.halted[st]), 0.
		if st.halt != nil && code == "" {
			code, _ = st.halt()
		}
		if code != "" {
			value = 1
		}
		ch <- prometheus.MustNewConstMetric(haltedStage, prometheus.GaugeValue, value, st.kind, st.name, code)
	}
}
