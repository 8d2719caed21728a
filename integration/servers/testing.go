package servers

import (
	"flag"
	"time"
)

// MariaDB starts a private MariaDB of the system's version for the test.
func MariaDB(t TB, args ...string) *DB { return database(t, MariaDB1011, args) }

// Database starts a private server of the flavour for the test.
func Database(t TB, f Flavor, args ...string) *DB { return database(t, f, args) }

func database(t TB, f Flavor, args []string) *DB {
	t.Helper()
	skipShort(t)
	began := time.Now()
	db, err := StartDB(f, t.TempDir(), args...)
	if err != nil {
		t.Fatalf("starting %s: %v", f.install, err)
	}
	t.Cleanup(db.Close)
	t.Logf("%s %s on %s, up in %s", f.Name, db.Version, db.Addr, time.Since(began).Round(time.Millisecond))
	return db
}

func skipShort(t TB) {
	t.Helper()
	// Looked up by name, so that the demo need not link the testing package.
	if f := flag.Lookup("test.short"); f != nil && f.Value.String() == "true" {
		t.Skip("needs a real server: not under -short")
	}
}

// Kafka starts a private broker for the test.
func Kafka(t TB) *Cluster { return KafkaWith(t, ClusterOptions{}) }

// KafkaWith starts a private cluster for the test.
func KafkaWith(t TB, o ClusterOptions) *Cluster {
	t.Helper()
	skipShort(t)
	began := time.Now()
	c, err := StartKafka(t.TempDir(), o)
	if err != nil {
		t.Fatalf("starting kafka: %v", err)
	}
	t.Cleanup(c.Close)
	t.Logf("kafka on %s, up in %s", c.Addr, time.Since(began).Round(time.Millisecond))
	return c
}

// Registry starts a private schema registry for the test and gives its URL.
func Registry(t TB) string {
	t.Helper()
	skipShort(t)
	began := time.Now()
	url, p, err := StartRegistry()
	if err != nil {
		t.Fatalf("starting the schema registry: %v", err)
	}
	t.Cleanup(func() { p.Stop(10 * time.Second) })
	t.Logf("registry on %s, up in %s", url, time.Since(began).Round(time.Millisecond))
	return url
}
