package containers_test

import (
	"database/sql"
	"testing"

	"chartwire/integration/containers"

	_ "github.com/go-sql-driver/mysql"
	"github.com/twmb/franz-go/pkg/kgo"
)

func TestContainers(t *testing.T) {
	if testing.Short() {
		t.Skip("needs containers: not under -short")
	}
	if !containers.Chosen() {
		t.Skip("no container engine answers; the same servers run as local processes in the other tests")
	}
	t.Run("databases", func(t *testing.T) {
		for _, db := range []containers.DB{containers.MariaDB(t), containers.MySQL(t)} {
			pool, err := sql.Open("mysql", db.User+":"+db.Password+"@tcp("+db.Addr+")/")
			if err != nil {
				t.Fatal(err)
			}
			defer pool.Close()
			var name, metadata string
			if err := pool.QueryRow("show variables like 'binlog_row_metadata'").Scan(&name, &metadata); err != nil || metadata != "FULL" {
				t.Fatalf("metadata %q, %v", metadata, err)
			}
		}
	})
	t.Run("kafka", func(t *testing.T) {
		client, err := kgo.NewClient(kgo.SeedBrokers(containers.Kafka(t)))
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		if err := client.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}
