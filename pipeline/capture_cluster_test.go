package pipeline_test

import (
	"strings"
	"testing"
	"time"

	"chartwire/integration/faults"
	"chartwire/integration/servers"
	"chartwire/pipeline/broker"
	"chartwire/schemas"
)

// TestCaptureBrokersKilled kills each broker of three under a running capture:
// leaders of partitions, the coordinator of the transactions, the controller.
func TestCaptureBrokersKilled(t *testing.T) {
	faults.Shows(t, "broker-killed", "every change once and in order")
	cluster := servers.KafkaWith(t, servers.ClusterOptions{Brokers: 3})
	s := &stand{T: t, conn: broker.Config{Brokers: strings.Split(cluster.Addr, ","), Replication: 3}, topics: schemas.Topics{Prefix: "t"}, bank: newBank()}
	s.bank.txns = 20_000
	s.bank.every.Store(int64(2 * time.Millisecond))
	s.run(s.conn)
	s.run(s.conn) // a standby, which may take over
	s.untilCut(500)
	for _, b := range cluster.Brokers {
		b.Kill()
		time.Sleep(time.Second)
		if err := b.Start(); err != nil {
			t.Fatal(err)
		}
		if err := cluster.Wait(60 * time.Second); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second) // back in sync before the next goes
	}
	s.bank.every.Store(int64(0))
	s.untilCut(s.bank.txns)
	s.verify(s.bank.txns)
}
