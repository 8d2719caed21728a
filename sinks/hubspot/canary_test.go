package hubspot_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"chartwire/sinks"
	"chartwire/sinks/hubspot"
	"chartwire/sinks/hubspot/hubspottest"
)

// locked is a buffer that several goroutines may log to.
type locked struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *locked) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

// urls keeps the addresses that were called.
type urls struct {
	mu   sync.Mutex
	seen []string
}

func (u *urls) RoundTrip(r *http.Request) (*http.Response, error) {
	u.mu.Lock()
	u.seen = append(u.seen, r.URL.String())
	u.mu.Unlock()
	return http.DefaultTransport.RoundTrip(r)
}

// TestValuesStayWhereTheyBelong plants canaries in a patient and lets every
// kind of call fail: no error, log line, metric or address may hold them.
func TestValuesStayWhereTheyBelong(t *testing.T) {
	const canary = "Kanarienvogel"
	log, called, registry := &locked{}, &urls{}, prometheus.NewRegistry()
	a := newAccount(t, hubspottest.Options{WholeBatchConflicts: true}, func(c *hubspot.Config) {
		c.Log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		c.Transport, c.Metrics = called, registry
	})
	plant := func(n int, more ...sinks.Property) sinks.Write {
		w := contact(n, more...)
		w.Record.Key = canary + "-" + w.Record.Key
		w.Properties[0].Value = canary
		w.Properties[1].Value = canary + w.Properties[1].Value
		return w
	}
	a.mustApply(t, plant(1, stage("Customer"), set("aggregation_key_id", canary+"-A")))
	backwards := plant(1, set("lifecyclestage", "Lead"))
	var said []string
	try := func(ws ...sinks.Write) {
		for _, r := range a.apply(t, ws...) {
			if r.Err != nil {
				said = append(said, r.Err.Error())
			}
		}
	}
	try(backwards)
	try(plant(2, set("aggregation_key_id", canary+"-A")), plant(3))
	try(plant(4, set("account_balance", canary)), plant(5, set("patient_birth_date", canary)), plant(6, set("lifecyclestage", canary)))
	taken := plant(7)
	taken.Properties[1].Value = plant(1).Properties[1].Value
	try(taken, plant(8))
	for _, kind := range []hubspottest.FaultKind{hubspottest.TooManyBurst, hubspottest.Locked, hubspottest.InternalError,
		hubspottest.BadGateway, hubspottest.AnswerLost, hubspottest.BadToken} {
		id := a.sim.Inject(hubspottest.Fault{Kind: kind, Path: "contacts/batch"})
		w := plant(9)
		for _, r := range a.Apply(t.Context(), []sinks.Write{w, archive(plant(10), "")}) {
			if r.Err == nil {
				t.Errorf("%s: no error", kind)
				continue
			}
			said = append(said, r.Err.Error())
		}
		a.sim.Clear(id)
	}
	said = append(said, log.b.String(), strings.Join(called.seen, "\n"), scrape(t, registry))
	if len(said) < 12 {
		t.Errorf("only %d texts to search", len(said))
	}
	for _, text := range said {
		if at := strings.Index(strings.ToLower(text), strings.ToLower(canary)); at >= 0 {
			t.Errorf("holds a patient's value: …%s…", text[max(0, at-80):min(len(text), at+40)])
		}
	}
}

func scrape(t *testing.T, g prometheus.Gatherer) string {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&b, f); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

func TestMetrics(t *testing.T) {
	registry := prometheus.NewRegistry()
	a := newAccount(t, hubspottest.Options{}, func(c *hubspot.Config) { c.Metrics = registry })
	bad := contact(2)
	bad.Properties[1].Value = "nobody"
	a.apply(t, contact(1), bad)
	a.mustApply(t, contact(1, set("city", "Graz")))
	text := scrape(t, registry)
	for _, want := range []string{
		`chartwire_hubspot_records_total{object="contacts",result="created"} 1`,
		`chartwire_hubspot_records_total{object="contacts",result="updated"} 1`,
		`chartwire_hubspot_refused_total{class="invalid_value",object="contacts",property="email"} 1`,
		`chartwire_hubspot_calls_total{call="upsert",lane="realtime",object="contacts",status="207"} 1`,
		`chartwire_hubspot_daily_limit_calls 1e+06`,
		`chartwire_hubspot_window_granted_calls 171`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("missing %s", want)
		}
	}
	if _, err := hubspot.New(a.cfg); err == nil {
		t.Error("a second sink on the same registry was made: metrics would be counted twice or not at all")
	}
}
