package hubspot_test

import (
	"fmt"
	"testing"
	"time"

	"chartwire/sinks"
	"chartwire/sinks/hubspot"
	"chartwire/sinks/hubspot/hubspottest"
	"chartwire/sinks/sinktest"
)

func TestHubSpotKeepsTheContract(t *testing.T) {
	sinktest.Run(t, func(t *testing.T) sinktest.Harness {
		const timeout = 2 * time.Second
		a := newAccount(t, hubspottest.Options{Seed: 1}, func(c *hubspot.Config) { c.CallTimeout = timeout })
		a.label(t, "contacts", "tickets", "Payer")
		a.label(t, "contacts", "tickets", "Recipient")
		return sinktest.Harness{
			Sink:    a.Sink,
			Timeout: timeout,
			Write:   func(n int) sinks.Write { return contact(n) },
			Spoil: func(w *sinks.Write) (string, string) {
				w.Properties[1].Value = "annabel-at-nowhere"
				return "email", "annabel-at-nowhere"
			},
			Count: func(w sinks.Write) int {
				n := 0
				for _, r := range a.sim.Find("contacts", w.Record.Property, w.Record.Key) {
					if !r.Archived {
						n++
					}
				}
				return n
			},
			Holds: func(w sinks.Write, property string) string {
				r, _ := a.sim.Lookup("contacts", w.Record.Property, w.Record.Key)
				return r.Properties[property]
			},
			End: func(n int) sinks.Write {
				return ticket(fmt.Sprint("T-", n), set("subject", fmt.Sprint("Alert ", n)), set("hs_pipeline", "Patient Safety"), set("hs_pipeline_stage", "New"))
			},
			Linked: func(w sinks.Write, to sinks.Record, label string) bool { return a.linked(t, w, to, label) },
			Labels: []string{"Payer", "Recipient"},
			Fail:   func(f sinktest.Fault) { a.sim.Inject(faultOf(f)) },
		}
	})
}

func faultOf(f sinktest.Fault) hubspottest.Fault {
	fault := hubspottest.Fault{Path: "/batch/", Count: 1, RetryAfter: f.Wait}
	switch f.Kind {
	case sinktest.FaultThrottle:
		fault.Kind = hubspottest.TooManyBurst
	case sinktest.FaultUnavailable:
		fault.Kind = hubspottest.Unavailable
	case sinktest.FaultLostAnswer:
		fault.Kind = hubspottest.AnswerLost
	case sinktest.FaultSlow:
		fault.Kind, fault.Latency = hubspottest.SlowAnswer, hubspottest.Latency{Fixed: f.Wait}
	case sinktest.FaultHalt:
		// One refusal is asked about; the second is believed.
		fault.Kind, fault.Path, fault.Count = hubspottest.BadToken, "", 2
	}
	return fault
}
