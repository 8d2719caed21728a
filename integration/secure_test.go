package integration_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"chartwire/integration/servers"
	"chartwire/schemas"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// secured is a cluster of three brokers as an administrator sees it.
type secured struct {
	t   *testing.T
	c   *servers.Cluster
	adm *kadm.Client
}

func newSecured(t *testing.T) *secured {
	t.Helper()
	if testing.Short() {
		t.Skip("needs real servers: not under -short")
	}
	c := servers.KafkaWith(t, servers.ClusterOptions{Brokers: 3, Secure: true})
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(c.Internal, ",")...), kgo.MetadataMinAge(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return &secured{t, c, kadm.NewClient(client)}
}

// user makes a user that may nothing yet.
func (s *secured) user(name, password string) {
	s.t.Helper()
	got, err := s.adm.AlterUserSCRAMs(s.t.Context(), nil, []kadm.UpsertSCRAM{{User: name, Mechanism: kadm.ScramSha512, Iterations: 8192, Password: password}})
	if err == nil {
		err = got.Error()
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// grant carries out the lines that `chartwire check` prints for kafka-acls.sh,
// and nothing else.
func (s *secured) grant(lines []string) {
	s.t.Helper()
	if len(lines) == 0 {
		s.t.Fatal("chartwire check prints no ACLs")
	}
	for _, line := range lines {
		b := kadm.NewACLs()
		var operations []kadm.ACLOperation
		words := strings.Fields(line)
		for i := 0; i+1 < len(words); i++ {
			arg := words[i+1]
			switch words[i] {
			case "--allow-principal":
				b.Allow(arg).AllowHosts("*")
			case "--topic":
				b.Topics(arg)
			case "--transactional-id":
				b.TransactionalIDs(arg)
			case "--resource-pattern-type":
				b.ResourcePatternType(map[string]kadm.ACLPattern{"prefixed": kmsg.ACLResourcePatternTypePrefixed, "literal": kmsg.ACLResourcePatternTypeLiteral}[arg])
			case "--operation":
				op, err := kmsg.ParseACLOperation(strings.ToUpper(arg))
				if err != nil {
					s.t.Fatalf("%q: %v", line, err)
				}
				operations = append(operations, op)
			}
		}
		b.Operations(operations...)
		created, err := s.adm.CreateACLs(s.t.Context(), b)
		if err != nil {
			s.t.Fatal(err)
		}
		for _, c := range created {
			if c.Err != nil {
				s.t.Fatalf("%q: %v", line, c.Err)
			}
		}
	}
}

// leader gives the broker that leads the only partition of a topic.
func (s *secured) leader(topic string) *servers.Broker {
	s.t.Helper()
	topics, err := s.adm.ListTopics(s.t.Context(), topic)
	if err != nil || len(topics[topic].Partitions) != 1 {
		s.t.Fatalf("topic %s: %d partitions, %v", topic, len(topics[topic].Partitions), err)
	}
	return s.broker(topics[topic].Partitions[0].Leader)
}

// coordinator gives the broker that coordinates the transactions of an id.
func (s *secured) coordinator(id string) *servers.Broker {
	s.t.Helper()
	got := s.adm.FindTxnCoordinators(s.t.Context(), id)
	if err := got.Error(); err != nil {
		s.t.Fatal(err)
	}
	return s.broker(got[id].NodeID)
}

func (s *secured) broker(id int32) *servers.Broker {
	for _, b := range s.c.Brokers {
		if b.ID == int(id) {
			return b
		}
	}
	s.t.Fatalf("there is no broker %d", id)
	return nil
}

// whole waits until every partition has all of its replicas again.
func (s *secured) whole() {
	s.t.Helper()
	var missing []string
	for end := time.Now().Add(90 * time.Second); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(s.t.Context(), 5*time.Second)
		topics, err := s.adm.ListTopicsWithInternal(ctx)
		cancel()
		if missing = nil; err != nil {
			missing = append(missing, err.Error())
			continue
		}
		for _, topic := range slices.Sorted(maps.Keys(topics)) {
			for _, p := range topics[topic].Partitions {
				if len(p.ISR) < len(p.Replicas) || len(p.Replicas) < 3 {
					missing = append(missing, fmt.Sprintf("%s/%d: %d of %d", topic, p.Partition, len(p.ISR), len(p.Replicas)))
				}
			}
		}
		if missing == nil {
			return
		}
	}
	s.t.Fatalf("not in sync, or not replicated threefold: %v", missing)
}

// TestSecuredCluster runs the road over three brokers that encrypt, ask who is
// there and allow exactly what `chartwire check` prints, and kills the brokers
// that matter most while the tables change.
func TestSecuredCluster(t *testing.T) {
	s := newSecured(t)
	s.user("chartwire", "kafka-secret")
	kafka := fmt.Sprintf(`{brokers: ["%s"], tls: {ca: "%s"}, sasl: {mechanism: SCRAM-SHA-512, user: chartwire, password: "${KAFKA_PASSWORD}"}, replication: 3}`,
		strings.ReplaceAll(s.c.Addr, ",", `", "`), s.c.CA)
	r := newRoad(t, site{brokers: s.c.Addr, kafka: kafka})
	r.env = append(r.env, "KAFKA_PASSWORD=kafka-secret")

	out, _ := r.chartwire("check", "--create-properties")
	_, acls, _ := strings.Cut(out, "the least ACLs")
	var lines []string
	for _, line := range strings.Split(acls, "\n") {
		if strings.HasPrefix(strings.TrimSpace(line), "--add") {
			lines = append(lines, line)
		}
	}
	s.grant(lines)
	t.Logf("granted:\n%s", strings.Join(lines, "\n"))

	for _, stage := range stages {
		r.start(stage, []string{stage})
	}
	r.until(120*time.Second, "every patient is a contact", func() bool { return len(r.sim.Records("contacts")) >= 200 })
	s.whole()
	// The least ACLs are enough to look in, too.
	for topic, want := range map[string]string{"omaggregation": `"after": {`, "cuts.om": `"checkpoint": {`, "shadow.hubspot": `"properties": [`} {
		if out, code := r.chartwire("topics", "show", topic, "--limit", "3"); code != 0 || !strings.Contains(out, want) || strings.Count(out, "\nkey ") != 3 {
			t.Errorf("topics show %s: exit code %d:\n%.2000s", topic, code, out)
		}
	}
	f := newFlips(r)
	stop := r.traffic(15*time.Millisecond, f.next, f.next, r.gen.Change)
	topics := schemas.Topics{Prefix: r.name}
	for _, victim := range []struct {
		what   string
		broker func() *servers.Broker
	}{
		{"the leader of the patients' rows", func() *servers.Broker {
			return s.leader(topics.Rows("om", tableID("omaggregation")))
		}},
		{"the coordinator of the capture's transactions", func() *servers.Broker { return s.coordinator(r.name + ".capture.om") }},
		{"the coordinator of HubSpot's transactions", func() *servers.Broker { return s.coordinator(r.name + ".deliver.hubspot") }},
	} {
		time.Sleep(time.Second)
		b := victim.broker()
		t.Logf("%s broker %d is killed: %s", time.Now().Format("15:04:05.000"), b.ID, victim.what)
		b.Kill()
		began := time.Now()
		writes := r.sim.Totals("tickets").Created
		r.until(60*time.Second, "tickets are made again", func() bool { return r.sim.Totals("tickets").Created > writes+3 })
		t.Logf("    more tickets after %s, on two brokers", time.Since(began).Round(10*time.Millisecond))
		if err := b.Start(); err != nil {
			t.Fatal(err)
		}
		s.whole()
	}
	t.Logf("%d statements", stop())
	r.equal(90 * time.Second)
}
