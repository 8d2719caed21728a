// Package containers starts the servers of the integration tests in containers
// (testcontainers-go), where an engine answers; the same servers as local
// processes are package servers.
//
// The images come from the environment, the public ones by default:
// CHARTWIRE_IMAGE_MARIADB, CHARTWIRE_IMAGE_MYSQL, CHARTWIRE_IMAGE_KAFKA.
package containers

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"time"

	"chartwire/integration/servers"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/wait"
)

// Chosen reports whether tests should use containers: CHARTWIRE_SERVERS says
// `containers` or `local`; unsaid, they do where an engine answers and the
// images are here or can be pulled.
func Chosen() bool {
	switch os.Getenv("CHARTWIRE_SERVERS") {
	case "containers":
		return true
	case "local":
		return false
	}
	return usable()
}

var usable = sync.OnceValue(func() bool {
	if !servers.Engine() {
		return false
	}
	for _, img := range []string{imageMariaDB(), imageMySQL(), imageKafka()} {
		if exec.Command("docker", "image", "inspect", img).Run() != nil && exec.Command("docker", "pull", "-q", img).Run() != nil {
			return false
		}
	}
	return true
})

func imageMariaDB() string { return image("CHARTWIRE_IMAGE_MARIADB", "mariadb:11") }
func imageMySQL() string   { return image("CHARTWIRE_IMAGE_MYSQL", "mysql:9") }
func imageKafka() string   { return image("CHARTWIRE_IMAGE_KAFKA", "apache/kafka:4.1.1") }

func image(env, def string) string {
	if name := os.Getenv(env); name != "" {
		return name
	}
	return def
}

const password = "test-secret"

// DB is a database in a container; User has all rights.
type DB struct{ Addr, User, Password string }

// MariaDB starts MariaDB for the test.
func MariaDB(t servers.TB, args ...string) DB {
	args = append([]string{"--gtid-strict-mode=ON"}, args...)
	return database(t, imageMariaDB(), "MARIADB_ROOT_PASSWORD", args)
}

// MySQL starts MySQL for the test.
func MySQL(t servers.TB, args ...string) DB {
	args = append([]string{"--gtid-mode=ON", "--enforce-gtid-consistency=ON"}, args...)
	return database(t, imageMySQL(), "MYSQL_ROOT_PASSWORD", args)
}

func database(t servers.TB, img, passwordEnv string, args []string) DB {
	t.Helper()
	args = append([]string{"--server-id=1", "--log-bin=binlog", "--binlog-format=ROW", "--binlog-row-image=FULL",
		"--binlog-row-metadata=FULL"}, args...)
	addr := run(t, img, 3306, map[string]string{passwordEnv: password},
		testcontainers.WithCmd(args...),
		testcontainers.WithWaitStrategyAndDeadline(2*time.Minute, wait.ForSQL("3306/tcp", "mysql", func(host string, port network.Port) string {
			return fmt.Sprintf("root:%s@tcp(%s:%d)/", password, host, port.Num())
		})))
	return DB{Addr: addr, User: "root", Password: password}
}

// Kafka starts one broker for the test and gives its address.
func Kafka(t servers.TB) string {
	t.Helper()
	// The port must be known before the broker starts: it is what it advertises.
	port, err := servers.Port()
	if err != nil {
		t.Fatalf("finding a port: %v", err)
	}
	one := "1"
	return run(t, imageKafka(), 9092, map[string]string{
		"KAFKA_NODE_ID": one, "KAFKA_PROCESS_ROLES": "broker,controller",
		"KAFKA_LISTENERS":                                "PLAINTEXT://:9092,CONTROLLER://:9093",
		"KAFKA_ADVERTISED_LISTENERS":                     "PLAINTEXT://127.0.0.1:" + strconv.Itoa(port),
		"KAFKA_LISTENER_SECURITY_PROTOCOL_MAP":           "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
		"KAFKA_CONTROLLER_LISTENER_NAMES":                "CONTROLLER",
		"KAFKA_CONTROLLER_QUORUM_VOTERS":                 "1@localhost:9093",
		"KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR":         one,
		"KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": one,
		"KAFKA_TRANSACTION_STATE_LOG_MIN_ISR":            one,
		"KAFKA_AUTO_CREATE_TOPICS_ENABLE":                "false",
	},
		testcontainers.WithHostConfigModifier(func(h *container.HostConfig) {
			h.PortBindings = network.PortMap{network.MustParsePort("9092/tcp"): {{HostIP: netip.MustParseAddr("127.0.0.1"), HostPort: strconv.Itoa(port)}}}
		}),
		testcontainers.WithWaitStrategyAndDeadline(2*time.Minute, wait.ForLog("Kafka Server started")))
}

func run(t servers.TB, img string, port int, env map[string]string, opts ...testcontainers.ContainerCustomizer) string {
	t.Helper()
	exposed := fmt.Sprintf("%d/tcp", port)
	opts = append([]testcontainers.ContainerCustomizer{testcontainers.WithEnv(env), testcontainers.WithExposedPorts(exposed)}, opts...)
	ctx := context.Background()
	c, err := testcontainers.Run(ctx, img, opts...)
	if c != nil {
		t.Cleanup(func() { _ = testcontainers.TerminateContainer(c) })
	}
	if err != nil {
		t.Fatalf("starting %s: %v", img, err)
	}
	mapped, err := c.MappedPort(ctx, exposed)
	if err != nil {
		t.Fatalf("asking for the port of %s: %v", img, err)
	}
	t.Logf("%s on 127.0.0.1:%d", img, mapped.Num())
	return fmt.Sprintf("127.0.0.1:%d", mapped.Num())
}
