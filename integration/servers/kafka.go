package servers

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// ClusterOptions says what cluster to start. The zero value is one broker,
// plaintext, of the newest version that install.sh brings.
type ClusterOptions struct {
	Brokers int  // 1 or 3; 3 are replicated threefold with min.insync.replicas 2
	Kafka39 bool // Apache Kafka 3.9 in place of 4.x
	// Secure adds a SASL_SSL listener with SCRAM and ACLs: Addr is then that
	// one, Internal the plaintext one, which is superuser.
	Secure bool
	// Properties are added to the broker's file, last, so that they win.
	Properties map[string]string
	// Listeners are further plaintext listeners of a single broker, each with
	// the address that it tells clients: that of a proxy, say.
	Listeners []Listener
	// HeapMB is the broker's heap, 256 by default.
	HeapMB int
}

// Listener is a port of a broker, and the address at which clients find it.
type Listener struct {
	Port       int
	Advertised string
}

// Cluster is a running Kafka cluster.
type Cluster struct {
	Addr     string // comma-separated bootstrap brokers for clients
	Internal string // the plaintext listeners of a secure cluster
	Brokers  []*Broker
	// CA is the PEM file of the authority of a secure cluster; AdminUser and
	// AdminPassword its superuser.
	CA                       string
	AdminUser, AdminPassword string
}

// Broker is one broker process of a cluster.
type Broker struct {
	*Process
	ID   int
	Addr string
	java []string
}

// Start starts a broker again that was stopped or killed.
func (b *Broker) Start() (err error) {
	b.Process, err = start("java", b.java...)
	return err
}

const clusterID = "AAAAAAAAAAAAAAAAAAAAAQ"

// StartKafka starts a cluster with its data below dir.
func StartKafka(dir string, o ClusterOptions) (*Cluster, error) {
	o.Brokers, o.HeapMB = max(o.Brokers, 1), max(o.HeapMB, 256)
	name := "kafka"
	if o.Kafka39 {
		name = "kafka39"
	}
	home := filepath.Join(Cache(), name)
	if _, err := os.Stat(filepath.Join(home, ".done")); err != nil {
		return nil, missing(name)
	}
	c := &Cluster{AdminUser: "admin", AdminPassword: "admin-secret"}
	nodes, err := plan(dir, o)
	if err != nil {
		return nil, err
	}
	if o.Secure {
		if c.CA, err = certificates(dir); err != nil {
			return nil, err
		}
	}
	var addrs, internal []string
	for _, n := range nodes {
		b, err := n.start(home, c, o)
		if err != nil {
			c.Close()
			return nil, err
		}
		c.Brokers = append(c.Brokers, b)
		addrs, internal = append(addrs, b.Addr), append(internal, fmt.Sprintf("127.0.0.1:%d", n.internal))
	}
	c.Addr, c.Internal = strings.Join(addrs, ","), strings.Join(internal, ",")
	if err := c.Wait(60 * time.Second); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// Wait waits until every broker of the cluster is registered: an open port is
// not readiness.
func (c *Cluster) Wait(timeout time.Duration) error {
	return c.Brokers[0].wait(timeout, func() error {
		// A client of its own for every look: one keeps the first answer.
		client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(c.Internal, ",")...), kgo.RequestRetries(0), kgo.DialTimeout(time.Second))
		if err != nil {
			return err
		}
		defer client.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		md, err := kadm.NewClient(client).BrokerMetadata(ctx)
		if err != nil {
			return err
		}
		if len(md.Brokers) < len(c.Brokers) {
			return fmt.Errorf("%d of %d brokers registered", len(md.Brokers), len(c.Brokers))
		}
		return nil
	})
}

// Close ends all brokers at once: nobody needs their data after.
func (c *Cluster) Close() {
	for _, b := range c.Brokers {
		b.Kill()
	}
}

// node is one broker before it runs.
type node struct {
	id                           int
	dir                          string
	client, internal, controller int
	voters                       string
}

func plan(dir string, o ClusterOptions) ([]*node, error) {
	var nodes []*node
	var voters []string
	for i := range o.Brokers {
		n := &node{id: i + 1, dir: filepath.Join(dir, fmt.Sprintf("kafka-%d", i+1))}
		for _, p := range []*int{&n.client, &n.internal, &n.controller} {
			var err error
			if *p, err = Port(); err != nil {
				return nil, err
			}
		}
		voters = append(voters, fmt.Sprintf("%d@127.0.0.1:%d", n.id, n.controller))
		nodes = append(nodes, n)
	}
	for _, n := range nodes {
		n.voters = strings.Join(voters, ",")
	}
	return nodes, nil
}

func (n *node) start(home string, c *Cluster, o ClusterOptions) (*Broker, error) {
	if err := os.MkdirAll(n.dir, 0o755); err != nil {
		return nil, err
	}
	config := filepath.Join(n.dir, "s.properties")
	if err := os.WriteFile(config, []byte(n.properties(c, o)), 0o600); err != nil {
		return nil, err
	}
	logging := "-Dlog4j2.configurationFile=" + filepath.Join(home, "log4j2.xml")
	if o.Kafka39 {
		logging = "-Dlog4j.configuration=file:" + filepath.Join(home, "log4j.properties")
	}
	lib := filepath.Join(home, "lib", "*")
	format := []string{"-XX:TieredStopAtLevel=1", logging, "-cp", lib, "kafka.tools.StorageTool", "format", "-t", clusterID, "-c", config}
	if o.Secure {
		format = append(format, "--add-scram", fmt.Sprintf("SCRAM-SHA-512=[name=%s,password=%s]", c.AdminUser, c.AdminPassword))
	}
	data := filepath.Join(n.dir, "data")
	if o.Secure || o.Brokers > 1 {
		if err := run(nil, "java", format...); err != nil {
			return nil, err
		}
	} else {
		// With static voters a formatted folder holds no port: one serves all.
		template := filepath.Join(Cache(), "template-"+filepath.Base(home))
		err := once(template, func(tmp string) error {
			if err := run(nil, "java", format...); err != nil {
				return err
			}
			return run(nil, "cp", "-a", data+"/.", tmp)
		})
		if err != nil {
			return nil, err
		}
		if err := run(nil, "cp", "-a", template+"/.", data); err != nil {
			return nil, err
		}
	}
	heap := fmt.Sprintf("-Xmx%dm", o.HeapMB)
	args := []string{"-Xms128m", heap, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"}
	archive := filepath.Join(home, "kafka.jsa")
	if err := classArchive(home, archive, args, logging, lib, o); err != nil {
		return nil, err
	}
	args = append(args, "-Xlog:cds=off", "-Xlog:cds+dynamic=off", "-XX:SharedArchiveFile="+archive, logging, "-cp", lib, "kafka.Kafka", config)
	b := &Broker{ID: n.id, Addr: fmt.Sprintf("127.0.0.1:%d", n.internal), java: args}
	if o.Secure {
		b.Addr = fmt.Sprintf("127.0.0.1:%d", n.client)
	}
	return b, b.Start()
}

func (n *node) properties(c *Cluster, o ClusterOptions) string {
	replicas, isr := 1, 1
	if o.Brokers > 1 {
		replicas, isr = 3, 2
	}
	p := map[string]string{
		"process.roles": "broker,controller", "node.id": fmt.Sprint(n.id),
		"listeners":                                fmt.Sprintf("INTERNAL://127.0.0.1:%d,CONTROLLER://127.0.0.1:%d", n.internal, n.controller),
		"advertised.listeners":                     fmt.Sprintf("INTERNAL://127.0.0.1:%d", n.internal),
		"listener.security.protocol.map":           "INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT,CLIENT:SASL_SSL",
		"inter.broker.listener.name":               "INTERNAL",
		"controller.listener.names":                "CONTROLLER",
		"controller.quorum.voters":                 n.voters,
		"log.dirs":                                 filepath.Join(n.dir, "data"),
		"default.replication.factor":               fmt.Sprint(replicas),
		"min.insync.replicas":                      fmt.Sprint(isr),
		"auto.create.topics.enable":                "false",
		"group.initial.rebalance.delay.ms":         "0",
		"offsets.topic.num.partitions":             "4",
		"transaction.state.log.num.partitions":     "4",
		"log.initial.task.delay.ms":                "500",
		"log.cleaner.backoff.ms":                   "1000",
		"log.retention.check.interval.ms":          "1000",
		"log.cleaner.dedupe.buffer.size":           "8388608",
		"offsets.topic.replication.factor":         fmt.Sprint(replicas),
		"transaction.state.log.replication.factor": fmt.Sprint(replicas),
		"transaction.state.log.min.isr":            fmt.Sprint(isr),
	}
	if !o.Kafka39 {
		p["share.coordinator.state.topic.replication.factor"] = fmt.Sprint(replicas)
		p["share.coordinator.state.topic.min.isr"] = fmt.Sprint(isr)
		p["group.consumer.min.heartbeat.interval.ms"] = "500"
		p["group.consumer.heartbeat.interval.ms"] = "500"
	}
	if o.Brokers > 1 {
		p["broker.session.timeout.ms"], p["broker.heartbeat.interval.ms"], p["replica.lag.time.max.ms"] = "3000", "500", "4000"
	}
	if o.Secure {
		p["listeners"] += fmt.Sprintf(",CLIENT://127.0.0.1:%d", n.client)
		p["advertised.listeners"] += fmt.Sprintf(",CLIENT://127.0.0.1:%d", n.client)
		scram := "org.apache.kafka.common.security.scram.ScramLoginModule required;"
		p["listener.name.client.sasl.enabled.mechanisms"] = "SCRAM-SHA-512,SCRAM-SHA-256"
		p["listener.name.client.scram-sha-512.sasl.jaas.config"] = scram
		p["listener.name.client.scram-sha-256.sasl.jaas.config"] = scram
		p["listener.name.client.ssl.keystore.type"] = "PEM"
		p["listener.name.client.ssl.keystore.location"] = filepath.Join(filepath.Dir(c.CA), "server.pem")
		p["authorizer.class.name"] = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
		p["super.users"] = "User:" + c.AdminUser + ";User:ANONYMOUS" // ANONYMOUS is the internal listener
	}
	for i, l := range o.Listeners {
		p["listeners"] += fmt.Sprintf(",EXTRA%d://127.0.0.1:%d", i, l.Port)
		p["advertised.listeners"] += fmt.Sprintf(",EXTRA%d://%s", i, l.Advertised)
		p["listener.security.protocol.map"] += fmt.Sprintf(",EXTRA%d:PLAINTEXT", i)
	}
	for k, v := range o.Properties {
		p[k] = v
	}
	var b strings.Builder
	for k, v := range p {
		fmt.Fprintf(&b, "%s=%s\n", k, v)
	}
	return b.String()
}
