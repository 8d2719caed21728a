package broker_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"chartwire/cdc"
	"chartwire/integration/servers"
	"chartwire/pipeline/broker"
	"chartwire/pipeline/broker/brokertest"
	"chartwire/pipeline/lease"
	"chartwire/schemas"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

func TestConfigNamesEveryMistake(t *testing.T) {
	f := func(c broker.Config, want ...string) {
		t.Helper()
		_, err := c.Options()
		if err == nil {
			t.Errorf("%+v is taken", c)
			return
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%q does not say %q", err, w)
			}
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the password is in %q", err)
		}
	}
	broken := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(broken, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	at := []string{"127.0.0.1:1"}
	f(broker.Config{}, "no broker address")
	f(broker.Config{Brokers: at, TLS: &broker.TLS{CA: "/nowhere/ca.pem"}}, "CA certificates", "/nowhere/ca.pem")
	f(broker.Config{Brokers: at, TLS: &broker.TLS{CA: broken}}, "no PEM certificate", broken)
	f(broker.Config{Brokers: at, TLS: &broker.TLS{Cert: "a.pem"}}, "both")
	f(broker.Config{Brokers: at, TLS: &broker.TLS{Cert: "/nowhere/a.pem", Key: "/nowhere/b.pem"}}, "client certificate")
	f(broker.Config{Brokers: at, SASL: &broker.SASL{Mechanism: "PLAIN", Password: "hunter2"}}, "a user and a password")
	f(broker.Config{SASL: &broker.SASL{Mechanism: "GSSAPI", User: "u", Password: "hunter2"}}, "no broker address", `"GSSAPI"`, "SCRAM-SHA-512")
}

func TestSASL(t *testing.T) {
	for _, mechanism := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
		c := brokertest.Start(t, kfake.EnableSASL(), kfake.Superuser(mechanism, "chart", "wire"))
		c.SASL = &broker.SASL{Mechanism: strings.ToLower(mechanism), User: "chart", Password: "wire"}
		if err := ensure(t.Context(), c, "x"); err != nil {
			t.Errorf("%s: %v", mechanism, err)
		}
		c.SASL.Password = "other"
		if err := ensure(t.Context(), c, "x"); err == nil { // TestLeastACLs says how a real one refuses
			t.Errorf("%s with a wrong password is let in", mechanism)
		}
	}
}

func TestEnsureTopics(t *testing.T) {
	c := brokertest.Start(t)
	testEnsureTopics(t, c)
}

func TestEnsureTopicsKafka(t *testing.T) {
	c := broker.Config{Brokers: strings.Split(servers.Kafka(t).Addr, ","), Replication: 1}
	testEnsureTopics(t, c)
	cl, err := c.Client()
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	configs, err := kadm.NewClient(cl).DescribeTopicConfigs(t.Context(), "rows")
	if err != nil {
		t.Fatal(err)
	}
	for _, cfg := range configs[0].Configs {
		switch cfg.Key {
		case "cleanup.policy":
			if cfg.MaybeValue() != "compact" {
				t.Errorf("%s is %s", cfg.Key, cfg.MaybeValue())
			}
		case "min.compaction.lag.ms", "delete.retention.ms":
			if cfg.MaybeValue() != "1209600000" {
				t.Errorf("%s is %s", cfg.Key, cfg.MaybeValue())
			}
		}
	}
}

func testEnsureTopics(t *testing.T, c broker.Config) {
	cl, err := c.Client()
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	all := []broker.Topic{broker.Rows("rows", 3, 14*24*time.Hour), broker.Cuts("cuts"), broker.Lease("lease"), broker.Compacted("state"), {Name: "plain"}}
	var errs []error
	for range 3 { // at once, as several processes do
		errs = append(errs, nil)
	}
	done := make(chan struct{})
	for i := range errs {
		go func() { errs[i] = broker.EnsureTopics(t.Context(), cl, c, all...); done <- struct{}{} }()
	}
	for range errs {
		<-done
	}
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if err := broker.EnsureTopics(t.Context(), cl, c, all...); err != nil {
		t.Errorf("again: %v", err)
	}
	err = broker.EnsureTopics(t.Context(), cl, c, broker.Rows("rows", 2, time.Hour))
	if cdc.HaltCode(err) != "topic-partitions" {
		t.Errorf("another number: %v", err)
	}
	err = broker.EnsureTopics(t.Context(), cl, c, broker.Topic{Name: "with space"})
	if cdc.HaltCode(err) != "topic-name" {
		t.Errorf("a bad name: %v", err)
	}
}

// TestScan reads exactly what was committed when it was called, though
// transactions are open and were aborted.
func TestScan(t *testing.T) { testScan(t, brokertest.Start(t)) }

func TestScanKafka(t *testing.T) {
	testScan(t, broker.Config{Brokers: strings.Split(servers.Kafka(t).Addr, ",")})
}

func testScan(t *testing.T, c broker.Config) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := ensure(ctx, c, "a", "b"); err != nil {
		t.Fatal(err)
	}
	if got := values(ctx, c, "a"); len(got) != 0 {
		t.Errorf("an empty topic gives %q", got)
	}
	cl, err := c.Client(kgo.TransactionalID("w"))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	txn := func(value string, end func()) {
		if err := cl.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		for _, topic := range []string{"a", "b"} {
			cl.Produce(ctx, &kgo.Record{Topic: topic, Key: []byte("k"), Value: []byte(value)}, nil)
		}
		if err := cl.Flush(ctx); err != nil {
			t.Fatal(err)
		}
		end()
	}
	commit := func(c kgo.TransactionEndTry) func() {
		return func() {
			if err := cl.EndTransaction(ctx, c); err != nil {
				t.Fatal(err)
			}
		}
	}
	txn("1", commit(kgo.TryCommit))
	txn("2", commit(kgo.TryAbort))
	txn("3", commit(kgo.TryCommit))
	txn("4", commit(kgo.TryAbort))
	txn("open", func() {})
	if got := values(ctx, c, "a"); !slices.Equal(got, []string{"1", "3"}) {
		t.Errorf("got %q", got)
	}
	n := 0
	ends, err := broker.Scan(ctx, c, func(*kgo.Record) error { n++; return nil }, "a", "b")
	if err != nil || n != 4 || ends["a"][0] != 8 {
		t.Errorf("%d records, ends %v, %v", n, ends, err)
	}
	stop := errors.New("stop")
	if _, err := broker.Scan(ctx, c, func(*kgo.Record) error { return stop }, "a"); !errors.Is(err, stop) {
		t.Errorf("got %v", err)
	}
}

// TestLeastACLs runs a lease, topics and reading as a user that may do what
// ACLs says and nothing else, and wants each permission to be needed.
func TestLeastACLs(t *testing.T) {
	cluster := servers.KafkaWith(t, servers.ClusterOptions{Secure: true})
	admin := broker.Config{Brokers: strings.Split(cluster.Addr, ","), TLS: &broker.TLS{CA: cluster.CA},
		SASL: &broker.SASL{Mechanism: "SCRAM-SHA-512", User: cluster.AdminUser, Password: cluster.AdminPassword}}
	cl, err := admin.Client()
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	try := func(user string, acls []broker.ACL) error {
		t.Helper()
		if r, err := adm.AlterUserSCRAMs(t.Context(), nil, []kadm.UpsertSCRAM{{User: user, Mechanism: kadm.ScramSha256, Iterations: 4096, Password: "secret-" + user}}); err != nil || r.Error() != nil {
			t.Fatal(err, r)
		}
		for _, a := range acls {
			if len(a.Operations) == 0 {
				continue
			}
			b := kadm.NewACLs().Allow("User:" + user).AllowHosts("*").ResourcePatternType(kadm.ACLPatternPrefixed).Operations(operations(t, a)...)
			if a.Resource == "topic" {
				b = b.Topics(a.Prefix)
			} else {
				b = b.TransactionalIDs(a.Prefix)
			}
			r, err := adm.CreateACLs(t.Context(), b)
			if err != nil || r[0].Err != nil {
				t.Fatal(err, r)
			}
		}
		c := admin
		c.SASL = &broker.SASL{Mechanism: "SCRAM-SHA-256", User: user, Password: "secret-" + user}
		return exercise(t, c, "p")
	}
	acls := broker.ACLs(schemas.Topics{Prefix: "p"}, admin)
	if err := try("whole", acls); err != nil {
		t.Errorf("with the printed ACLs: %v", err)
	}
	if err := try("none", nil); cdc.HaltCode(err) != "kafka-denied" {
		t.Errorf("without ACLs: %v", err)
	}
	for i, a := range acls {
		for j := range a.Operations {
			if a.Operations[j] == "Create" {
				continue // the topics are there
			}
			less := slices.Clone(acls)
			less[i].Operations = slices.Delete(slices.Clone(a.Operations), j, j+1)
			if err := try(fmt.Sprintf("less-%d-%d", i, j), less); cdc.HaltCode(err) != "kafka-denied" {
				t.Errorf("without %s on %s: %v", a.Operations[j], a.Resource, err)
			}
		}
	}
	admin.MaxRecord = 8 << 20 // the topics are there, for smaller ones
	if err := try("larger", acls); cdc.HaltCode(err) != "kafka-denied" {
		t.Errorf("larger records, and topics that cannot be changed: %v", err)
	}
	if err := try("largest", broker.ACLs(schemas.Topics{Prefix: "p"}, admin)); err != nil {
		t.Errorf("with the printed ACLs for larger records: %v", err)
	}
	wrong := admin
	wrong.SASL = &broker.SASL{Mechanism: "SCRAM-SHA-512", User: "whole", Password: "guess"}
	if err := exercise(t, wrong, "p"); cdc.HaltCode(err) != "kafka-denied" {
		t.Errorf("a wrong password: %v", err)
	}
	untrusted := admin
	untrusted.TLS = &broker.TLS{}
	ucl, err := untrusted.Client()
	if err != nil {
		t.Fatal(err)
	}
	defer ucl.Close()
	var cert *tls.CertificateVerificationError
	if err := ucl.Ping(t.Context()); !errors.As(err, &cert) {
		t.Errorf("without the CA: %v", err)
	}
}

func operations(t *testing.T, a broker.ACL) (ops []kadm.ACLOperation) {
	t.Helper()
	for _, name := range a.Operations {
		switch name {
		case "Create":
			ops = append(ops, kadm.OpCreate)
		case "Read":
			ops = append(ops, kadm.OpRead)
		case "Write":
			ops = append(ops, kadm.OpWrite)
		case "AlterConfigs":
			ops = append(ops, kadm.OpAlterConfigs)
		default:
			t.Fatalf("operation %s", name)
		}
	}
	return ops
}

// exercise does what stages do: makes topics, holds a lease, writes, reads.
func exercise(t *testing.T, c broker.Config, prefix string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cl, err := c.Client()
	if err != nil {
		return err
	}
	defer cl.Close()
	topic := prefix + ".rows.x"
	if err := broker.EnsureTopics(ctx, cl, c, broker.Rows(topic, 1, 14*24*time.Hour)); err != nil {
		return broker.Denied(err)
	}
	return lease.Run(ctx, lease.Options{Connection: c, Topics: schemas.Topics{Prefix: prefix}, Stage: "map", Name: "x"},
		func(ctx context.Context, p *lease.Producer) error {
			p.Produce(&kgo.Record{Topic: topic, Key: []byte("k"), Value: []byte("v")})
			if err := p.Commit(ctx); err != nil {
				return err
			}
			if _, err := broker.Scan(ctx, c, func(*kgo.Record) error { return nil }, topic); err != nil {
				return broker.Denied(err)
			}
			return nil
		})
}
