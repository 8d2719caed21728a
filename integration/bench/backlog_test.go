package bench_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"chartwire/cdc"
	"chartwire/cdc/mysql"
	"chartwire/integration/servers"
	"chartwire/pipeline"
	"chartwire/pipeline/broker"
	"chartwire/schemas"
	"chartwire/schemas/registry"

	"github.com/twmb/franz-go/pkg/kgo"
)

// reference is a row of 24 columns, about 270 bytes in the binlog.
const reference = `create table reference (id bigint primary key, patient bigint not null, name varchar(100) not null, code varchar(20) not null,
 value_text varchar(255), value_num decimal(12,4), low decimal(12,4), high decimal(12,4), unit varchar(40), taken datetime, reported datetime(3),
 changed timestamp not null default current_timestamp, flag tinyint, critical tinyint(1), provider varchar(100), site varchar(60), panel bigint,
 status enum('new','final','corrected'), weight double, height double, birth date, comment_text varchar(255), batch int unsigned, version int) charset utf8mb4`

func fill(offset, rows int) string {
	return fmt.Sprintf(`insert into reference select seq + %d, seq %% 90000, concat('Potassium in serum ', seq), concat('K', seq %% 977), '4.2', 4.2000, 3.5000, 5.1000, 'mmol/L',
 '2026-01-02 03:04:05', '2026-01-02 03:04:05.678', '2026-01-02 03:04:05', 2, 0, 'Dr. Schäfer, Internal Medicine', 'Laboratory North', seq %% 5000, 'final', 71.5, 180.25,
 '1980-02-29', 'no remark from the laboratory', seq %% 4000000000, 3 from seq_1_to_%d`, offset, rows)
}

func rows() int {
	if n, err := strconv.Atoi(os.Getenv("CHARTWIRE_BENCH_ROWS")); err == nil && n > 0 {
		return n
	}
	return 1_000_000
}

// BenchmarkBacklog drains a backlog of rows in transactions of 5,000 and of
// one from a real server into a real broker, exactly once, and beside it lets
// the same client produce the same records from memory.
func BenchmarkBacklog(b *testing.B) {
	db := servers.MariaDB(b)
	if err := db.Exec("create database bench; use bench; " + reference); err != nil {
		b.Fatal(err)
	}
	kafka := servers.KafkaWith(b, servers.ClusterOptions{HeapMB: 1024})
	conn := broker.Config{Brokers: []string{kafka.Addr}}
	reg, err := registry.New(registry.Options{URLs: []string{servers.Registry(b)}})
	if err != nil {
		b.Fatal(err)
	}
	next := 0
	for _, c := range []struct {
		name string
		rows int
		each int
	}{{"rows-per-transaction=5000", rows(), 5000}, {"rows-per-transaction=1", rows() / 5, 1}} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				topics := schemas.Topics{Prefix: fmt.Sprintf("bench%d", next)}
				run := capture(b, db, conn, reg, topics)
				run.until(b, 0) // loaded: what follows is stream alone
				run.stop()
				if err := write(db, next, c.rows, c.each); err != nil {
					b.Fatal(err)
				}
				next += c.rows
				run = capture(b, db, conn, reg, topics)
				run.until(b, int64(c.rows))
				// From the moment it holds the lease: taking over is measured
				// elsewhere, and a backlog is longer in real life.
				took := time.Since(run.c.Status().Since)
				run.stop()
				alone := produceAlone(b, conn, topics.Rows("src", cdc.TableID{Database: "bench", Name: "reference"}), c.rows)
				b.ReportMetric(float64(c.rows)/took.Seconds(), "rows/s")
				b.ReportMetric(float64(c.rows)/alone.Seconds(), "producer-rows/s")
				b.ReportMetric(alone.Seconds()/took.Seconds(), "of-producer")
				b.ReportMetric(0, "ns/op")
				if err := db.Exec("use bench; set sql_log_bin=0; truncate reference; set sql_log_bin=1"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func write(db *servers.DB, offset, n, each int) error {
	if each > 1 {
		for i := 0; i < n; i += each {
			if err := db.Exec("use bench; " + fill(offset+i, each)); err != nil {
				return err
			}
		}
		return nil
	}
	// One statement a row, run by the server itself.
	return db.Exec(fmt.Sprintf(`use bench; drop procedure if exists singles;
create procedure singles(a int, n int) begin declare i int default 0;
 while i < n do %s; set i = i + 1; end while; end; call singles(%d, %d)`,
		"insert into reference select a + i, seq % 90000, concat('Potassium in serum ', i), concat('K', i % 977), '4.2', 4.2000, 3.5000, 5.1000, 'mmol/L', '2026-01-02 03:04:05', '2026-01-02 03:04:05.678', '2026-01-02 03:04:05', 2, 0, 'Dr. Schäfer, Internal Medicine', 'Laboratory North', i % 5000, 'final', 71.5, 180.25, '1980-02-29', 'no remark from the laboratory', i, 3 from seq_1_to_1",
		offset, n))
}

// running is a capture in this process.
type running struct {
	c      *pipeline.Capture
	cancel context.CancelFunc
	done   chan error
}

func capture(b *testing.B, db *servers.DB, conn broker.Config, reg *registry.Client, topics schemas.Topics) *running {
	b.Helper()
	id := cdc.TableID{Database: "bench", Name: "reference"}
	tables, err := mysql.Tables(b.Context(), mysql.Config{Name: "src", Addr: db.Addr, User: db.User, Password: db.Password}, "bench")
	if err != nil {
		b.Fatal(err)
	}
	sel := cdc.Selection{Table: id}
	for _, c := range tables[0].Columns {
		sel.Columns = append(sel.Columns, c.Name)
	}
	src, err := mysql.New(mysql.Config{Name: "src", Addr: db.Addr, User: db.User, Password: db.Password, Selections: []cdc.Selection{sel}})
	if err != nil {
		b.Fatal(err)
	}
	c, err := pipeline.NewCapture(pipeline.CaptureOptions{Source: "src", Stream: src.Stream, Connection: conn, Topics: topics,
		Register: reg.Register, Tables: []cdc.TableID{id}})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{c: c, cancel: cancel, done: make(chan error, 1)}
	go func() { r.done <- c.Run(ctx) }()
	b.Cleanup(r.stop)
	return r
}

func (r *running) stop() {
	r.cancel()
	<-r.done
	r.done <- nil
}

// until waits until so many rows are committed, and every table is loaded.
func (r *running) until(b *testing.B, rows int64) {
	b.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(2 * time.Millisecond) {
		st := r.c.Status()
		loaded := len(st.Cut.Loads) > 0
		for _, l := range st.Cut.Loads {
			loaded = loaded && l.Phase == cdc.LoadDone
		}
		if loaded && st.Rows >= rows && !st.Committed.IsZero() {
			return
		}
		select {
		case err := <-r.done:
			r.done <- err
			b.Fatalf("capture ended: %v", err)
		default:
		}
		if time.Now().After(deadline) {
			b.Fatalf("%d of %d rows: %+v", st.Rows, rows, st)
		}
	}
}

// produceAlone reads the topic into memory and produces it again.
func produceAlone(b *testing.B, conn broker.Config, topic string, n int) time.Duration {
	b.Helper()
	recs := make([]*kgo.Record, 0, n)
	_, err := broker.Scan(b.Context(), conn, func(r *kgo.Record) error {
		recs = append(recs, &kgo.Record{Topic: topic + ".again", Key: r.Key, Value: r.Value, Headers: r.Headers})
		return nil
	}, topic)
	if err != nil {
		b.Fatal(err)
	}
	if len(recs) != n {
		b.Fatalf("%d records in the topic, want %d", len(recs), n)
	}
	client, err := conn.Client(kgo.MaxBufferedRecords(n))
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	if err := broker.EnsureTopics(b.Context(), client, conn, broker.Topic{Name: topic + ".again"}); err != nil {
		b.Fatal(err)
	}
	began := time.Now()
	for _, r := range recs {
		client.Produce(b.Context(), r, nil)
	}
	if err := client.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
	return time.Since(began)
}
