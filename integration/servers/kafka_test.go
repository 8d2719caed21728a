package servers_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"chartwire/integration/servers"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

func TestKafka(t *testing.T) {
	c := servers.Kafka(t)
	roundTrip(t, kgo.SeedBrokers(c.Addr))
}

func TestKafkaSecureThree(t *testing.T) {
	c := servers.KafkaWith(t, servers.ClusterOptions{Brokers: 3, Secure: true})
	ca, err := os.ReadFile(c.CA)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	auth := scram.Auth{User: c.AdminUser, Pass: c.AdminPassword}
	roundTrip(t, kgo.SeedBrokers(strings.Split(c.Addr, ",")...), kgo.DialTLSConfig(&tls.Config{RootCAs: pool}), kgo.SASL(auth.AsSha512Mechanism()))
}

func roundTrip(t *testing.T, opts ...kgo.Opt) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	client, err := kgo.NewClient(append(opts, kgo.ConsumeTopics("t"), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := kadm.NewClient(client).CreateTopic(ctx, 1, -1, nil, "t"); err != nil {
		t.Fatal(err)
	}
	if err := client.ProduceSync(ctx, &kgo.Record{Topic: "t", Value: []byte("x")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if got := client.PollFetches(ctx).Records(); len(got) != 1 || string(got[0].Value) != "x" {
		t.Fatalf("got %v", got)
	}
}

func TestRegistry(t *testing.T) {
	resp, err := http.Get(servers.Registry(t) + "/config")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status)
	}
}
