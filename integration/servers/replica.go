package servers

import (
	"database/sql"
	"fmt"
	"strings"
	"time"
)

// Follow makes the server a replica of primary, by transaction ids, from what it
// has executed on. It stays writable, so that tests can make it differ.
// It goes on trying while its primary is away: MySQL's own 10 times are over
// before a server that was killed is back on a busy machine.
func (db *DB) Follow(primary *DB) error {
	if db.Flavor.Name == "mysql" {
		return db.Exec(fmt.Sprintf("stop replica; change replication source to source_host='127.0.0.1', source_port=%d, source_user='%s', "+
			"source_password='%s', source_auto_position=1, source_connect_retry=1, source_retry_count=100000, get_source_public_key=1; start replica",
			primary.Port, primary.User, primary.Password))
	}
	return db.Exec(fmt.Sprintf("stop slave; change master to master_host='127.0.0.1', master_port=%d, master_user='%s', "+
		"master_password='%s', master_connect_retry=1, master_use_gtid=slave_pos; start slave", primary.Port, primary.User, primary.Password))
}

// Promote makes a replica a server of its own, which keeps the log it has.
func (db *DB) Promote() error {
	if err := db.replica("stop", ""); err != nil {
		return err
	}
	return db.replica("reset", " all")
}

func (db *DB) replica(verb, what string) error {
	if db.Flavor.Name == "mysql" {
		return db.Exec(verb + " replica" + what)
	}
	return db.Exec(verb + " slave" + what)
}

// Executed is what the server's log has come to, as transaction ids.
func (db *DB) Executed() (ids string, err error) {
	sql := "select @@gtid_binlog_pos"
	if db.Flavor.Name == "mysql" {
		sql = "select @@gtid_executed"
	}
	return ids, db.root.QueryRow(sql).Scan(&ids)
}

// CatchUp waits until the replica has executed all that primary has.
func (db *DB) CatchUp(primary *DB, timeout time.Duration) error {
	want, err := primary.Executed()
	if err != nil {
		return err
	}
	sql := "select master_gtid_wait(?, ?)"
	if db.Flavor.Name == "mysql" {
		sql = "select wait_for_executed_gtid_set(?, ?)"
	}
	var late int
	if err := db.root.QueryRow(sql, want, timeout.Seconds()).Scan(&late); err != nil {
		return fmt.Errorf("waiting for the replica: %w", err)
	}
	if late != 0 {
		return fmt.Errorf("the replica has not come to %s within %s: %s\n%s", want, timeout, db.replicating(), db.Log())
	}
	return nil
}

// replicating is what a replica says of itself, and what its threads do.
func (db *DB) replicating() string {
	var b strings.Builder
	status := "show slave status"
	if db.Flavor.Name == "mysql" {
		status = "show replica status"
	}
	for _, question := range []string{status, "show full processlist"} {
		rows, err := db.root.Query(question)
		if err != nil {
			fmt.Fprintf(&b, "\n%s: %v", question, err)
			continue
		}
		names, _ := rows.Columns()
		values, into := make([]sql.NullString, len(names)), make([]any, len(names))
		for i := range values {
			into[i] = &values[i]
		}
		for rows.Next() && rows.Scan(into...) == nil {
			b.WriteByte('\n')
			for i, v := range values {
				if v.String != "" && v.String != "0" {
					fmt.Fprintf(&b, "%s=%s ", names[i], v.String)
				}
			}
		}
		_ = rows.Close()
	}
	return b.String()
}
