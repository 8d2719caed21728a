package sinktest_test

import (
	"fmt"
	"testing"
	"time"

	"chartwire/sinks"
	"chartwire/sinks/sinktest"
)

func TestMemoryKeepsTheContract(t *testing.T) {
	sinktest.Run(t, func(t *testing.T) sinktest.Harness {
		m := sinktest.NewMemory("memory")
		m.Timeout = 200 * time.Millisecond
		m.RefuseProperty("email", "not-an-address")
		return sinktest.Harness{
			Sink:    m,
			Timeout: m.Timeout,
			Write: func(n int) sinks.Write {
				return sinks.Write{
					Record: sinks.Record{Object: "contacts", Property: "patient_id", Key: fmt.Sprintf("P-%05d", n)},
					Trace:  fmt.Sprint("t", n), Lane: sinks.Realtime, Create: true,
					Properties: []sinks.Property{
						{Name: "firstname", State: sinks.Set, Value: fmt.Sprint("Ann", n)},
						{Name: "email", State: sinks.Set, Value: fmt.Sprintf("ann%d@example.com", n)},
					},
				}
			},
			Spoil: func(w *sinks.Write) (string, string) {
				w.Properties[1].Value = "not-an-address"
				return "email", "not-an-address"
			},
			Count: func(w sinks.Write) int {
				if s, ok := m.Find(w.Record); ok && !s.Archived {
					return 1
				}
				return 0
			},
			Holds: func(w sinks.Write, property string) string {
				s, _ := m.Find(w.Record)
				return s.Properties[property]
			},
			End: func(n int) sinks.Write {
				return sinks.Write{Record: sinks.Record{Object: "deals", Property: "order_id", Key: fmt.Sprint(n)}, Trace: fmt.Sprint("d", n), Lane: sinks.Realtime, Create: true,
					Properties: []sinks.Property{{Name: "dealname", State: sinks.Set, Value: fmt.Sprint("Order ", n)}}}
			},
			Linked: func(w sinks.Write, to sinks.Record, label string) bool {
				s, _ := m.Find(w.Record)
				return s.Links[sinks.Link{To: to, Label: label}]
			},
			Labels: []string{"payer", "recipient"},
			Fail:   func(f sinktest.Fault) { m.Fail(f) },
		}
	})
}
