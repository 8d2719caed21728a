package notify_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"chartwire/sinks"
	"chartwire/sinks/notify"
	"chartwire/sinks/notify/notifytest"
	"chartwire/sinks/sinktest"
)

const key = "a key of more than sixteen characters"

// setup is a receiver over real HTTP and a sink before it, with two routes.
func setup(t *testing.T, change func(*notify.Config)) (*notify.Sink, *notifytest.Receiver) {
	t.Helper()
	r := notifytest.New(key)
	url := r.Start(t)
	cfg := notify.Config{
		Key:    func() (string, error) { return key, nil },
		Link:   "https://chartwire.example.com/r/{reference}",
		Routes: map[string]notify.Route{"default": {URL: url + "/default"}, "dr-lee": {URL: url + "/lee"}},
		Needs:  []string{"dr-lee"},
	}
	if change != nil {
		change(&cfg)
	}
	s, err := notify.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s, r
}

func set(name, value string) sinks.Property {
	return sinks.Property{Name: name, State: sinks.Set, Value: value, Lane: sinks.Safety}
}

// page is the n-th page of a rule.
func page(n int, more ...sinks.Property) sinks.Write {
	k := fmt.Sprintf("labs/critical:P-%05d:1", n)
	return sinks.Write{
		Record: sinks.Record{Object: notify.Object, Property: notify.KeyProperty, Key: k}, Trace: k, Lane: sinks.Safety, Create: true,
		Properties: append([]sinks.Property{
			set("title", "Critical laboratory result"), set("text", "See the ticket."), set("about", fmt.Sprintf("tickets/chartwire_ticket_key/P-%05d:1", n)),
		}, more...),
	}
}

// opaque are the ids by which a receiver knows pages: they are learnt from what
// the sink says of a page.
func opaque(t *testing.T, s *notify.Sink, w sinks.Write) string {
	t.Helper()
	w.Archive = true // tells the id, sends nothing
	return s.Apply(t.Context(), []sinks.Write{w})[0].ID
}

func TestNotifyKeepsTheContract(t *testing.T) {
	sinktest.Run(t, func(t *testing.T) sinktest.Harness {
		const timeout = 2 * time.Second
		s, r := setup(t, func(c *notify.Config) { c.CallTimeout = timeout })
		return sinktest.Harness{
			Sink:      s,
			Timeout:   timeout,
			Permanent: true,
			Write:     func(n int) sinks.Write { return page(n) },
			Spoil: func(w *sinks.Write) (string, string) {
				w.Properties = append(w.Properties, set("potassium", "6.9 mmol/l of Ann Canary"))
				return "potassium", "6.9 mmol/l of Ann Canary"
			},
			Count: func(w sinks.Write) int {
				n, id := 0, opaque(t, s, w)
				for _, p := range r.Pages() {
					if p.ID == id {
						n++
					}
				}
				return n
			},
			Fail: func(f sinktest.Fault) { r.Fail(faultOf(f)) },
		}
	})
}

func faultOf(f sinktest.Fault) notifytest.Fault {
	switch f.Kind {
	case sinktest.FaultThrottle:
		return notifytest.Fault{Status: http.StatusTooManyRequests, Retry: f.Wait}
	case sinktest.FaultLostAnswer:
		return notifytest.Fault{Lost: true}
	case sinktest.FaultSlow:
		return notifytest.Fault{Latency: f.Wait}
	case sinktest.FaultHalt:
		return notifytest.Fault{Status: http.StatusUnauthorized}
	}
	return notifytest.Fault{Status: http.StatusServiceUnavailable}
}
