package servers

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Debezium is a Kafka Connect worker with one Debezium connector: what the
// benchmarks set beside capture. Its settings are the best of those tried.
type Debezium struct {
	*Process
	Java string // the version that runs it
	rest string
	args []string
	dir  string
}

// DebeziumOptions says what it reads, and to where.
type DebeziumOptions struct {
	DB     *DB
	Kafka  string
	Prefix string // of its topics
	Table  string // database.table, all that it reads
	Name   string // of the connector
}

// NewDebezium writes the settings of a connector below dir, where its positions
// are kept too. Nothing runs until Start.
func NewDebezium(dir string, o DebeziumOptions) (*Debezium, error) {
	home := filepath.Join(Cache(), "debezium")
	if _, err := os.Stat(filepath.Join(home, ".done")); err != nil {
		return nil, missing("debezium")
	}
	port, err := Port()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	java := newestJava()
	d := &Debezium{dir: dir, rest: fmt.Sprintf("http://127.0.0.1:%d/connectors/%s", port, o.Name), args: []string{
		java, "-XX:+UseParallelGC", "-Xms1g", "-Xmx2g", "-Dlog4j2.configurationFile=" + filepath.Join(home, "log4j2.xml"),
		"-cp", filepath.Join(home, "lib", "*"), "org.apache.kafka.connect.cli.ConnectStandalone",
		filepath.Join(dir, "worker.properties"), filepath.Join(dir, "connector.properties")}}
	if out, err := exec.Command(java, "-version").CombinedOutput(); err == nil {
		d.Java, _, _ = strings.Cut(string(out), "\n")
	}
	host, dbPort, err := net.SplitHostPort(o.DB.Addr)
	if err != nil {
		return nil, err
	}
	connector := map[string]string{
		"name": o.Name, "connector.class": "io.debezium.connector.mariadb.MariaDbConnector", "tasks.max": "1",
		"database.hostname": host, "database.port": dbPort, "database.user": o.DB.User, "database.password": o.DB.Password,
		"database.server.id": fmt.Sprint(900_000_000 + os.Getpid()%1_000_000), "database.ssl.mode": "disable",
		"topic.prefix": o.Prefix, "database.include.list": strings.Split(o.Table, ".")[0], "table.include.list": o.Table,
		"schema.history.internal":               "io.debezium.storage.file.history.FileSchemaHistory",
		"schema.history.internal.file.filename": filepath.Join(dir, "history"),
		"snapshot.mode":                         "initial", "snapshot.locking.mode": "none",
		"max.batch.size": "8192", "max.queue.size": "32768", "poll.interval.ms": "10",
		"topic.creation.default.replication.factor": "1", "topic.creation.default.partitions": "1",
	}
	worker := map[string]string{
		"bootstrap.servers": o.Kafka, "listeners": fmt.Sprintf("http://127.0.0.1:%d", port),
		"key.converter": "org.apache.kafka.connect.json.JsonConverter", "key.converter.schemas.enable": "false",
		"value.converter": "org.apache.kafka.connect.json.JsonConverter", "value.converter.schemas.enable": "false",
		"offset.storage.file.filename": filepath.Join(dir, "offsets"), "offset.flush.interval.ms": "1000",
		"plugin.discovery": "hybrid_warn",
		"producer.acks":    "all", "producer.compression.type": "lz4", "producer.linger.ms": "10", "producer.batch.size": "524288",
	}
	if err := properties(filepath.Join(dir, "connector.properties"), connector); err != nil {
		return nil, err
	}
	return d, properties(filepath.Join(dir, "worker.properties"), worker)
}

// Prompt makes it send each change at once, from its next start on: for latency.
func (d *Debezium) Prompt() error {
	for file, lines := range map[string]string{"connector.properties": "poll.interval.ms=1\n", "worker.properties": "producer.linger.ms=0\n"} {
		f, err := os.OpenFile(filepath.Join(d.dir, file), os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		_, err = f.WriteString(lines) // what comes last wins
		if cerr := f.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Start starts the worker, and with it the connector where it was.
func (d *Debezium) Start() (err error) {
	d.Process, err = start(d.args[0], d.args[1:]...)
	return err
}

// Pause stops the connector and leaves the worker, as warm as it is.
func (d *Debezium) Pause() error { return d.put("/stop", "STOPPED") }

// Resume lets the connector go on.
func (d *Debezium) Resume() error { return d.put("/resume", "RUNNING") }

func (d *Debezium) put(path, want string) error {
	client := &http.Client{Timeout: 30 * time.Second}
	err := d.wait(30*time.Second, func() error {
		req, err := http.NewRequest(http.MethodPut, d.rest+path, nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode >= 300 {
			return fmt.Errorf("the worker answers %s", resp.Status)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return d.wait(30*time.Second, func() error {
		resp, err := client.Get(d.rest + "/status")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		var st struct {
			Connector struct{ State string }
			Tasks     []struct{ State, Trace string }
		}
		if err := json.NewDecoder(resp.Body).Decode(&st); err != nil {
			return err
		}
		for _, t := range st.Tasks {
			if t.State == "FAILED" {
				return fmt.Errorf("the connector's task failed: %.2000s", t.Trace)
			}
		}
		if st.Connector.State != want || (want == "STOPPED") != (len(st.Tasks) == 0) {
			return fmt.Errorf("the connector is %s with %d tasks", st.Connector.State, len(st.Tasks))
		}
		return nil
	})
}

func properties(path string, p map[string]string) error {
	var b strings.Builder
	for k, v := range p {
		fmt.Fprintf(&b, "%s=%s\n", k, v)
	}
	return os.WriteFile(path, []byte(b.String()), 0o600)
}

// newestJava is the newest of the runtimes that Debian knows, or the one of the
// path: Debezium is faster on a newer one.
func newestJava() string {
	for _, pattern := range []string{"/usr/lib/jvm/*-25-*/bin/java", "/usr/lib/jvm/*-21-*/bin/java"} {
		if found, err := filepath.Glob(pattern); err == nil && len(found) > 0 {
			return found[0]
		}
	}
	return "java"
}
