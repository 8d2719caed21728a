package mysql

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"
)

// DefaultRetention is how long a server must keep its log at least: a weekend,
// and a few days to notice.
const DefaultRetention = 7 * 24 * time.Hour

// check is one run of Check.
type check struct {
	s        *Source
	c        *conn
	v        *server
	vars     map[string]string
	problems []Problem
}

// Check connects and names every problem at once. An error means that the
// server could not be asked.
func (s *Source) Check(ctx context.Context) ([]Problem, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c, err := s.dial(ctx)
	if err != nil {
		return nil, fmt.Errorf("source %s: %w", s.cfg.Name, err)
	}
	defer c.close()
	k := &check{s: s, c: c}
	if k.v, err = ask(c); err != nil {
		return nil, fmt.Errorf("source %s: %w", s.cfg.Name, s.explain(err))
	}
	if err := k.readVariables(); err != nil {
		return nil, fmt.Errorf("source %s: %w", s.cfg.Name, err)
	}
	k.server()
	k.log()
	if err := k.replica(); err != nil {
		return nil, fmt.Errorf("source %s: %w", s.cfg.Name, err)
	}
	if err := k.retention(); err != nil {
		return nil, fmt.Errorf("source %s: %w", s.cfg.Name, err)
	}
	if err := k.rights(ctx); err != nil {
		return nil, fmt.Errorf("source %s: %w", s.cfg.Name, err)
	}
	if err := k.tables(); err != nil {
		return nil, fmt.Errorf("source %s: %w", s.cfg.Name, err)
	}
	return k.problems, nil
}

func (k *check) problem(code, text, fix string) {
	k.problems = append(k.problems, Problem{Code: code, Text: text, Fix: fix})
}

func (k *check) warning(code, text, fix string) {
	k.problems = append(k.problems, Problem{Code: code, Text: text, Fix: fix, Warning: true})
}

func (k *check) readVariables() error {
	r, err := k.c.query("SHOW GLOBAL VARIABLES WHERE Variable_name IN ('binlog_format', 'binlog_row_image', 'binlog_row_metadata', " +
		"'binlog_row_value_options', 'gtid_mode', 'gtid_strict_mode', 'server_id', " +
		"'log_bin', 'require_secure_transport', 'log_slave_updates', 'log_replica_updates')")
	if err != nil {
		return fmt.Errorf("reading the server's settings: %w", err)
	}
	k.vars = map[string]string{}
	for _, row := range r {
		k.vars[strings.ToLower(row[0])] = strings.Clone(row[1])
	}
	return nil
}

// server looks at the version, the connection and the clock.
func (k *check) server() {
	n := versionNumber(k.v.version)
	if k.v.maria && n < 100600 || !k.v.maria && n < 80000 {
		k.problem("server-version", "the server is "+k.v.version+"; read are MySQL from 8.0 and MariaDB from 10.6", "upgrade the server, or read a replica of a newer version")
	}
	if host, _, err := net.SplitHostPort(k.s.cfg.Addr); err == nil && k.s.cfg.TLS == nil {
		if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			k.warning("connection-plain", "rows and password travel to "+host+" without TLS, and caching_sha2_password then trusts whoever answers", "tls: { ca: server-ca.pem } in the source's section")
		}
	}
	if off := k.v.offset.Abs(); off > 5*time.Second {
		k.warning("server-clock", fmt.Sprintf("the server's clock differs from this machine's by %s; commit times are corrected for it", off.Round(time.Second)), "synchronise both with NTP")
	}
}

// set says how a variable is set for good on this server.
func (k *check) set(name, value string) string {
	if k.v.maria {
		return fmt.Sprintf("SET GLOBAL %s = %s; -- and %s = %s in the server's file", name, value, name, strings.Trim(value, "'"))
	}
	return fmt.Sprintf("SET PERSIST %s = %s;", name, value)
}

// log looks at what the binlog holds.
func (k *check) log() {
	if !k.v.binlog {
		k.problem(HaltBinlogOff, "the server writes no binlog", "log_bin = binlog and server_id = 1 in the server's file, section [mysqld]; then restart it")
	}
	wants := []struct{ name, value, code, why string }{
		{"binlog_format", "ROW", "binlog-format", "changes are logged as statements, not as rows"},
		{"binlog_row_image", "FULL", "row-image", "rows are logged without all their columns"},
		{"binlog_row_metadata", "FULL", "row-metadata", "the log does not say column names, keys and labels"},
		{"binlog_row_value_options", "", "partial-json", "JSON values are logged as differences"},
	}
	for _, w := range wants {
		have, ok := k.vars[w.name]
		if !ok && w.value == "" || strings.EqualFold(have, w.value) {
			continue
		}
		k.problem(w.code, fmt.Sprintf("%s is %q: %s. Sessions keep the old value until they reconnect", w.name, have, w.why), k.set(w.name, "'"+w.value+"'"))
	}
	switch {
	case k.vars["server_id"] == "0":
		k.problem("server-id", "server_id is 0: the server refuses readers of its log", k.set("server_id", "1"))
	case k.v.maria && k.vars["gtid_strict_mode"] == "OFF":
		k.warning("gtid-strict", "gtid_strict_mode is OFF: ids may come out of order, and a position by ids may then miss some", k.set("gtid_strict_mode", "ON"))
	case !k.v.maria && !k.v.gtid:
		k.warning("gtid-mode", "gtid_mode is "+k.vars["gtid_mode"]+": the position is a file and an offset, and a failover makes all tables be read again. A capture that began so keeps to that until chartwire reload",
			"SET PERSIST enforce_gtid_consistency = ON; SET PERSIST gtid_mode = OFF_PERMISSIVE; SET PERSIST gtid_mode = ON_PERMISSIVE; SET PERSIST gtid_mode = ON;")
	}
}

// replica looks at whether a replica's log has what it replicates.
func (k *check) replica() error {
	applies, err := k.v.applies(k.c)
	if err == nil && applies && (k.vars["log_slave_updates"] == "OFF" || k.vars["log_replica_updates"] == "OFF") {
		k.problem("replica-log", "the server is a replica and does not log what it replicates: its log lacks all that its source changes",
			"log_slave_updates = ON in the server's file, section [mysqld] (MySQL: log_replica_updates); then restart it")
	}
	return err
}

// retention looks at how long the log is kept.
func (k *check) retention() error {
	r, err := askRetention(k.c)
	if err != nil {
		return err
	}
	least := k.s.cfg.Retention
	const code, why = "binlog-retention", "a longer outage makes all tables be read again"
	set := k.set("binlog_expire_logs_seconds", "1209600")
	if r.hosted {
		set = "CALL mysql.rds_set_configuration('binlog retention hours', 336);"
	}
	switch {
	case r.unseen:
		k.warning(code, "the provider keeps the log by a setting that the user may not read", "GRANT SELECT ON mysql.rds_configuration TO "+text(k.s.cfg.User)+"@'%';")
	case r.hosted && r.age == 0:
		k.problem(code, "the provider deletes the log as soon as it can (binlog retention hours is NULL): "+why, set)
	case r.age > 0 && r.age < least:
		k.problem(code, fmt.Sprintf("the log is kept for %s, less than %s: %s", r.age, least, why), set)
	}
	if r.size > 0 {
		k.warning(code, fmt.Sprintf("max_binlog_total_size is %d: a burst of changes shortens the time that the log is kept", r.size), k.set("max_binlog_total_size", "0"))
	}
	return nil
}

// Grants are the least rights that reading needs, as statements. MariaDB and
// MySQL call them differently.
func (s *Source) Grants(maria bool) []string {
	who := text(s.cfg.User) + "@'%'"
	look := "REPLICATION CLIENT"
	if maria {
		look = "BINLOG MONITOR"
	}
	out := []string{"GRANT REPLICATION SLAVE, " + look + " ON *.* TO " + who + ";"}
	for i := range s.cfg.Selections {
		id := s.cfg.Selections[i].Table
		out = append(out, "GRANT SELECT ON "+ident(id.Database)+"."+ident(id.Name)+" TO "+who+";")
	}
	if !maria { // to see at a first start which XA transactions are open; without it, the commit of such a one stops the capture
		out = append(out, "GRANT XA_RECOVER_ADMIN ON *.* TO "+who+";")
	}
	return out
}

// rights tries what the stream will do.
func (k *check) rights(ctx context.Context) error {
	grants := k.s.Grants(k.v.maria)
	if k.v.binlog {
		end, err := k.c.query("SHOW BINARY LOGS")
		if err == nil {
			end, err = k.logStatus()
		}
		switch {
		case serverCode(err) == 1227:
			k.problem("grant-missing", "the user may not see where the log ends", grants[0])
		case err != nil:
			return fmt.Errorf("asking for the log: %w", err)
		case len(end) > 0 && len(end[0]) > 3 && end[0][2]+end[0][3] != "":
			k.problem("binlog-filter", fmt.Sprintf("the server logs changes of some databases only (binlog_do_db %q, binlog_ignore_db %q)", end[0][2], end[0][3]),
				"remove binlog_do_db and binlog_ignore_db from the server's file; then restart it")
		}
	}
	c, err := k.s.dial(ctx)
	if err != nil {
		return err
	}
	defer c.close()
	c.patience(queryTimeout)
	if err := k.s.register(c, k.s.cfg.ServerID); serverCode(err) != 0 {
		k.problem("grant-missing", "the user may not read the log", grants[0])
	} else if err != nil {
		return fmt.Errorf("registering as a reader: %w", err)
	}
	return nil
}

func (k *check) logStatus() (rows, error) {
	if k.v.maria || versionNumber(k.v.version) < 80200 {
		return k.c.query("SHOW MASTER STATUS")
	}
	return k.c.query("SHOW BINARY LOG STATUS")
}
