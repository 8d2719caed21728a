package integration_test

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"chartwire/cdc"
	"chartwire/integration/clinic"
	"chartwire/integration/faults"
	"chartwire/pipeline/broker"
	"chartwire/pipeline/cut"
	"chartwire/schemas"

	"github.com/twmb/franz-go/pkg/kgo"
)

// grow makes of the patients that there are so many. The log has nothing of it:
// to a capture that has loaded the table their updates are the first it sees.
func (r *road) grow(patients int) {
	r.t.Helper()
	var columns string
	if err := r.pool.QueryRow(`SELECT GROUP_CONCAT(column_name ORDER BY ordinal_position) FROM information_schema.columns
 WHERE table_schema = DATABASE() AND table_name = 'omaggregation' AND column_name NOT IN ('PatNum', 'AggregationKeyID') AND extra NOT LIKE '%GENERATED%'`).Scan(&columns); err != nil {
		r.t.Fatal(err)
	}
	for {
		var n, last int
		if err := r.pool.QueryRow("SELECT COUNT(*), MAX(PatNum) FROM omaggregation").Scan(&n, &last); err != nil {
			r.t.Fatal(err)
		}
		if n >= patients {
			return
		}
		r.exec(fmt.Sprintf("SET sql_log_bin = 0; INSERT INTO omaggregation (PatNum, AggregationKeyID, %[1]s) SELECT PatNum + %[2]d, CONCAT(PatNum + %[2]d, '-', AggregationKeyID), %[1]s FROM omaggregation ORDER BY PatNum LIMIT %[3]d; SET sql_log_bin = 1",
			columns, last, min(n, patients-n)))
	}
}

// heap samples how many bytes of a process's heap are in use, until stop, which
// gives the most.
func (p *process) heap() (stop func() int) {
	ctx, cancel := context.WithCancel(context.Background())
	most := 0
	var done sync.WaitGroup
	line := regexp.MustCompile(`(?m)^go_memstats_heap_inuse_bytes (\S+)$`)
	done.Go(func() {
		for ctx.Err() == nil {
			if m := line.FindStringSubmatch(p.get("/metrics")); m != nil {
				if f, err := strconv.ParseFloat(m[1], 64); err == nil {
					most = max(most, int(f))
				}
			}
			time.Sleep(50 * time.Millisecond)
		}
	})
	p.t.Cleanup(cancel)
	return func() int {
		cancel()
		done.Wait()
		return most
	}
}

// TestHugeTransaction lets one transaction update all of 200,000 patients by one
// statement, as a nightly run does, and those with long texts again and again until
// it is CHARTWIRE_TRANSACTION_MB large, several times what the capture may hold:
// the heap stays within the bound, each row is there once and in order, under the
// transaction's own id, and the cuts say where it begins and ends.
func TestHugeTransaction(t *testing.T) {
	t.Parallel()
	const patients = 200_000
	for _, flavor := range flavors {
		t.Run(flavor.Name, func(t *testing.T) {
			t.Parallel()
			faults.Shows(t, "update-burst", "came through in pieces, every row once, under one transaction id; the heap stayed within the configured memory")
			faults.Shows(t, "transaction-huge", "spanned several of Kafka's, its begin and end told by the cuts; the heap stayed within the configured memory")
			const memory = 128
			r := newRoad(t, site{flavor: flavor, patients: longTexts, snapshot: fmt.Sprintf(", memory: %dMiB", memory), args: []string{}})
			r.exec("ALTER TABLE omaggregation MODIFY Address2 MEDIUMTEXT NOT NULL")
			p := r.start("capture", []string{"capture", "om"})
			topics := schemas.Topics{Prefix: r.name}
			r.until(120*time.Second, "the table is loaded", p.loaded)
			r.grow(patients)
			r.exec(fmt.Sprintf("SET sql_log_bin = 0; UPDATE omaggregation SET Address2 = REPEAT('long ', %d) ORDER BY PatNum LIMIT %d; SET sql_log_bin = 1", longText/5, longTexts))
			stop := p.heap()
			want := r.huge(number(t, "CHARTWIRE_TRANSACTION_MB", 500) << 20)
			c := &counted{}
			r.until(10*time.Minute, "the transaction is there", func() bool { return c.ended(t, r, topics) })
			most := stop()
			t.Logf("%d rows in %d cuts; at most %d MiB of the heap were in use", c.rows(t, r, topics), c.inside, most>>20)
			if c.rows(t, r, topics) != want {
				t.Errorf("%d rows, want %d", c.rows(t, r, topics), want)
			}
			if most > memory<<20 {
				t.Errorf("%d MiB of the heap were in use, the bound is %d", most>>20, memory)
			}
		})
	}
}

// So many patients have a text so long.
const longTexts, longText = 200, 50_000

func (p *process) loaded() bool { return strings.Contains(p.get("/status"), `"phase":"done"`) }

// huge runs one transaction that writes so many bytes of binlog at least, each
// row before and after, and gives the number of its rows.
func (r *road) huge(bytes int) (rows int) {
	r.t.Helper()
	tx, err := r.pool.Begin()
	if err != nil {
		r.t.Fatal(err)
	}
	update := func(which string) {
		res, err := tx.Exec("UPDATE omaggregation SET BalTotal = BalTotal + 1" + which)
		if err != nil {
			r.t.Fatal(err)
		}
		n, _ := res.RowsAffected()
		rows += int(n)
	}
	update("")
	for written := 0; written < bytes; written += longTexts * longText * 2 {
		update(fmt.Sprintf(" ORDER BY PatNum LIMIT %d", longTexts))
	}
	if err := tx.Commit(); err != nil {
		r.t.Fatal(err)
	}
	return rows
}

// counted is what the topics hold of a huge transaction.
type counted struct {
	txn    *cut.Transaction
	inside int // cuts in it
	seen   int
}

// ended looks whether a cut says that a transaction in pieces has ended.
func (c *counted) ended(t testing.TB, r *road, topics schemas.Topics) bool {
	time.Sleep(200 * time.Millisecond)
	c.txn, c.inside = nil, 0
	if _, err := broker.Scan(t.Context(), broker.Config{Brokers: []string{r.brokers}}, func(rec *kgo.Record) error {
		d, err := cut.Decode(rec.Value)
		if err != nil || d.Transaction == nil {
			return err
		}
		if c.inside++; d.Transaction.End != 0 {
			c.txn = d.Transaction
		}
		return nil
	}, topics.Cuts("om")); err != nil {
		t.Fatal(err)
	}
	return c.txn != nil
}

// rows counts the updates in the topic that are of the transaction, and wants
// them to be no others than those between its begin and its end.
func (c *counted) rows(t testing.TB, r *road, topics schemas.Topics) int {
	if c.seen > 0 {
		return c.seen
	}
	last := int64(0)
	topic := topics.Rows("om", cdc.TableID{Database: clinic.Database, Name: "omaggregation"})
	if _, err := broker.Scan(t.Context(), broker.Config{Brokers: []string{r.brokers}}, func(rec *kgo.Record) error {
		seq, err := schemas.ParseSeq(rec.Headers[0].Value)
		if err != nil || rec.Value == nil || rec.Headers[1].Value[0] != byte(cdc.Update) {
			return err
		}
		if seq < c.txn.Begin || seq > c.txn.End || seq <= last {
			return fmt.Errorf("seq %d after %d, in a transaction of %d to %d", seq, last, c.txn.Begin, c.txn.End)
		}
		last = seq
		c.seen++
		return nil
	}, topic); err != nil {
		t.Fatal(err)
	}
	return c.seen
}
