package mysql

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// server is what one connection says of the server behind it.
type server struct {
	maria    bool
	version  string
	identity string // what position.Server holds
	gtid     bool   // transactions have ids that hold on every server
	binlog   bool
	lower    bool    // it keeps the names of tables in lower case, as it does on Windows
	sums     bool    // events carry checksums: of the newest log file, whose format description says it again
	executed gtidSet // MySQL: gtid_executed; MariaDB: gtid_binlog_pos
	purged   gtidSet // MySQL only
	applied  gtidSet // MariaDB only: gtid_slave_pos, with what was empty and is not in its log
	// offset is what to add to the server's clock to have ours.
	offset time.Duration
}

// versionNumber reads "10.11.19-MariaDB-…" as 101119 and "8.4.3" as 80403.
func versionNumber(version string) int {
	var n [3]int
	for i, part := range strings.SplitN(version, ".", 3) {
		for j := 0; j < len(part) && part[j] >= '0' && part[j] <= '9'; j++ {
			n[i] = n[i]*10 + int(part[j]-'0')
		}
	}
	return n[0]*10000 + n[1]*100 + min(n[2], 99)
}

func isMaria(version string) bool { return strings.Contains(version, "MariaDB") }

// ask reads what the stream needs to know of the server.
func ask(c *conn) (*server, error) {
	v := &server{version: c.GetServerVersion()}
	var err error
	if v.version, err = c.value("SELECT @@version"); err != nil {
		return nil, fmt.Errorf("asking the server's version: %w", err)
	}
	v.maria = isMaria(v.version) || isMaria(c.GetServerVersion())
	r, err := c.query("SELECT @@log_bin, @@GLOBAL.binlog_checksum, @@lower_case_table_names")
	if err != nil {
		return nil, fmt.Errorf("asking for the binlog: %w", err)
	}
	v.binlog, v.sums = r[0][0] == "1", r[0][1] == "CRC32"
	v.lower = r[0][2] == "1"
	if v.maria {
		err = v.askMaria(c)
	} else {
		err = v.askMySQL(c)
	}
	if err != nil {
		return nil, fmt.Errorf("asking who the server is: %w", err)
	}
	v.offset, err = clock(c)
	return v, err
}

func (v *server) askMaria(c *conn) error {
	id, err := c.value("SELECT @@server_id")
	if err != nil {
		return err
	}
	// Older versions have no server_uid; then the id is all there is.
	uid, err := c.value("SELECT @@server_uid")
	if err != nil && serverCode(err) == 0 {
		return err
	}
	v.identity = strings.TrimSuffix("mariadb:"+id+":"+uid, ":")
	v.gtid = true
	r, err := c.query("SELECT @@gtid_binlog_pos, @@gtid_slave_pos")
	if err != nil {
		return err
	}
	if v.executed, err = parseGTIDs(true, r[0][0]); err != nil {
		return err
	}
	v.applied, err = parseGTIDs(true, r[0][1])
	return err
}

func (v *server) askMySQL(c *conn) error {
	r, err := c.query("SELECT @@server_uuid, @@gtid_mode, @@gtid_executed, @@gtid_purged")
	if err != nil {
		return err
	}
	v.identity = "mysql:" + r[0][0]
	v.gtid = r[0][1] == "ON"
	if v.executed, err = parseGTIDs(false, r[0][2]); err != nil {
		return err
	}
	v.purged, err = parseGTIDs(false, r[0][3])
	return err
}

// clock measures how far the server's clock is behind ours, from the shortest
// of a few questions.
func clock(c *conn) (time.Duration, error) {
	var best, offset time.Duration
	for i := range 3 {
		before := time.Now()
		text, err := c.value("SELECT UNIX_TIMESTAMP(NOW(6))")
		took := time.Since(before)
		if err != nil {
			return 0, fmt.Errorf("asking the server's clock: %w", err)
		}
		seconds, fraction, _ := strings.Cut(text, ".")
		s, err := strconv.ParseInt(seconds, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("the server's clock says %q", text)
		}
		us, _ := strconv.ParseInt((fraction + "000000")[:6], 10, 64)
		if i == 0 || took < best {
			best, offset = took, before.Add(took/2).Sub(time.UnixMicro(s*1e6+us))
		}
	}
	return offset, nil
}

// logEnd is the place behind the newest event in the log: it leads what reads
// can see, never follows it.
func (v *server) logEnd(c *conn) (place, error) {
	sql := "SHOW BINARY LOG STATUS"
	if v.maria || versionNumber(v.version) < 80200 {
		sql = "SHOW MASTER STATUS"
	}
	r, err := c.query(sql)
	if err != nil {
		return place{}, fmt.Errorf("asking for the end of the binlog: %w", err)
	}
	if len(r) == 0 {
		return place{}, fmt.Errorf("asking for the end of the binlog: the server has none")
	}
	offset, err := strconv.ParseUint(r[0][1], 10, 64)
	return place{strings.Clone(r[0][0]), offset}, err
}

// logs are the log files that the server still has, the oldest first, each with
// its size.
func logs(c *conn) ([]place, error) {
	r, err := c.query("SHOW BINARY LOGS")
	if err != nil {
		return nil, fmt.Errorf("asking for the binlog's files: %w", err)
	}
	var out []place
	for _, row := range r {
		size, err := strconv.ParseUint(row[1], 10, 64)
		if err != nil {
			return nil, err
		}
		out = append(out, place{strings.Clone(row[0]), size})
	}
	return out, nil
}

// applies says whether the server is applying another one's log. One that may
// not be asked is taken not to.
func (v *server) applies(c *conn) (bool, error) {
	column, sql := 11, "SHOW REPLICA STATUS"
	switch {
	case v.maria:
		column, sql = 1, "SHOW GLOBAL STATUS LIKE 'Slaves_running'"
	case versionNumber(v.version) < 80022:
		sql = "SHOW SLAVE STATUS"
	}
	r, err := c.query(sql)
	if err != nil && serverCode(err) == 0 {
		return false, fmt.Errorf("asking whether the server is a replica: %w", err)
	}
	for _, row := range r {
		if column < len(row) && row[column] != "0" && row[column] != "No" && row[column] != "" {
			return true, nil
		}
	}
	return false, nil
}
