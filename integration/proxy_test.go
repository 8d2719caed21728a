package integration_test

import (
	"context"
	"strings"
	"testing"

	"chartwire/integration/servers"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// link is the way from one process to Kafka, which a test can cut.
type link struct {
	t     testing.TB
	proxy *toxiproxy.Proxy
}

// links makes n ways to a broker that does not run yet, and the listeners that
// it must have for them.
func links(t testing.TB, n int) (list []*link, listeners []servers.Listener) {
	t.Helper()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())
	for range n {
		port, err := servers.Port()
		if err != nil {
			t.Fatal(err)
		}
		p := toxiproxy.NewProxy(server, "kafka", "127.0.0.1:0", localhost(port))
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Stop)
		list = append(list, &link{t, p})
		listeners = append(listeners, servers.Listener{Port: port, Advertised: p.Listen})
	}
	return list, listeners
}

// addr is what a process is told as its broker.
func (l *link) addr() string { return l.proxy.Listen }

// silence lets nothing through any more, on connections that stay open: the
// other end never learns of it. What it returns ends that.
func (l *link) silence() (heal func()) {
	l.t.Helper()
	for _, stream := range []string{"upstream", "downstream"} {
		toxic := `{"name": "` + stream + `", "type": "timeout", "stream": "` + stream + `", "attributes": {"timeout": 0}}`
		if _, err := l.proxy.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
			l.t.Fatal(err)
		}
	}
	return func() {
		for _, stream := range []string{"upstream", "downstream"} {
			if err := l.proxy.Toxics.RemoveToxic(context.Background(), stream); err != nil {
				l.t.Error(err)
			}
		}
	}
}

// sever ends all connections and refuses new ones.
func (l *link) sever() (heal func()) {
	l.t.Helper()
	l.proxy.Stop()
	return func() {
		if err := l.proxy.Start(); err != nil {
			l.t.Error(err)
		}
	}
}
