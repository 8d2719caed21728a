package mysql

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/go-mysql-org/go-mysql/replication"
)

// retention is how long a server keeps its log.
type retention struct {
	age  time.Duration // 0: for ever
	size uint64        // bytes; 0: whatever it takes
	// hosted says that a provider keeps the log by its own setting; with no age
	// that deletes a file as soon as nobody has it open.
	hosted bool
	// unseen says that the setting may not be read.
	unseen bool
}

func askRetention(c *conn) (r retention, err error) {
	vars, err := c.query("SHOW GLOBAL VARIABLES WHERE Variable_name IN ('binlog_expire_logs_seconds', 'expire_logs_days', " +
		"'binlog_expire_logs_auto_purge', 'max_binlog_total_size', 'basedir')")
	if err != nil {
		return r, fmt.Errorf("asking how long the log is kept: %w", err)
	}
	v := map[string]string{}
	for _, row := range vars {
		v[strings.ToLower(row[0])] = row[1]
	}
	seconds, _ := strconv.ParseFloat(v["binlog_expire_logs_seconds"], 64)
	days, _ := strconv.ParseFloat(v["expire_logs_days"], 64)
	switch {
	case v["binlog_expire_logs_auto_purge"] == "OFF":
	case seconds > 0:
		r.age = time.Duration(seconds * float64(time.Second))
	case days > 0:
		r.age = time.Duration(days * 24 * float64(time.Hour))
	}
	r.size, _ = strconv.ParseUint(v["max_binlog_total_size"], 10, 64)
	// Amazon RDS keeps the log by a table of its own, whatever the variables say.
	return r, r.askHosted(c, strings.Contains(v["basedir"], "rdsdbbin"))
}

func (r *retention) askHosted(c *conn, rds bool) error {
	there, err := c.value("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'mysql' AND TABLE_NAME = 'rds_configuration'")
	if err != nil {
		return fmt.Errorf("asking whether the server is hosted: %w", err)
	}
	if there == "0" {
		r.hosted, r.unseen = rds, rds
		return nil
	}
	hours, err := c.value("SELECT value FROM mysql.rds_configuration WHERE name = 'binlog retention hours'")
	if serverCode(err) != 0 {
		r.hosted, r.unseen = true, true
		return nil
	} else if err != nil {
		return fmt.Errorf("asking how long the log is kept: %w", err)
	}
	n, _ := strconv.ParseFloat(hours, 64)
	r.hosted, r.age = true, time.Duration(n*float64(time.Hour))
	return nil
}

// askAgain asks once in a while for what may change at a server that is read on
// and on: how long it keeps its log, and what its clock says.
func (st *stream) askAgain() (err error) {
	if st.readTime.Sub(st.keepsAt) <= st.s.askAgain {
		return nil
	}
	if st.v.offset, err = clock(st.side); err == nil {
		err = st.askKept(st.side.ctx)
	}
	if err != nil {
		return st.s.explain(err)
	}
	return nil
}

// askKept notes how long the server keeps its log.
func (st *stream) askKept(ctx context.Context) (err error) {
	st.keeps, err = st.kept(ctx)
	st.keepsAt = time.Now()
	return err
}

// kept is how long what is written now stays in the log, at least: by its age,
// or by its size as fast as it grew until now. It is endless if so long that
// nobody need count, and untold if the server does not say it.
func (st *stream) kept(ctx context.Context) (time.Duration, error) {
	r, err := askRetention(st.side)
	if err != nil {
		return 0, err
	}
	kept := r.age
	switch {
	case r.unseen:
		return untold, nil
	case kept == 0 && !r.hosted:
		kept = endless
	}
	if r.size == 0 {
		return kept, nil
	}
	files, err := logs(st.side)
	if err != nil || len(files) == 0 {
		return kept, err
	}
	oldest, err := st.created(ctx, files[0].file)
	if err != nil {
		return kept, err
	}
	total := uint64(0)
	for _, f := range files {
		total += f.offset
	}
	if total == 0 {
		return kept, nil
	}
	bySize := max(time.Since(oldest), time.Second).Seconds() * float64(r.size) / float64(total)
	return min(kept, time.Duration(min(bySize, endless.Seconds())*float64(time.Second))), nil
}

const (
	endless = 100 * 365 * 24 * time.Hour
	untold  = time.Duration(-1)
)

// lasting notes until when the log holds what follows a time that was read up to.
func (st *stream) lasting(read time.Time) {
	if st.keeps == untold { // a time would page somebody, or promise something
		st.s.metrics.purged.Reset()
		st.s.purged.Store(0)
		return
	}
	at := math.Inf(1)
	if st.keeps < endless {
		at = float64(read.Add(st.keeps).UnixMilli()) / 1000
	}
	if bits := math.Float64bits(at); st.s.purged.Swap(bits) != bits { // once a transaction
		st.s.metrics.purged.WithLabelValues().Set(at)
	}
}

// Purged is when the server may delete what follows the position, at the
// earliest. Zero: it is not known, or not soon.
func (s *Source) Purged() time.Time {
	if at := math.Float64frombits(s.purged.Load()); at != 0 && !math.IsInf(at, 1) {
		return time.UnixMilli(int64(at * 1000))
	}
	return time.Time{}
}

// created is when a file of the log was begun, by our clock.
func (st *stream) created(ctx context.Context, file string) (at time.Time, err error) {
	err = st.pass(ctx, origin{at: place{file, 4}}, func(raw []byte) error {
		if len(raw) < headerSize || replication.EventType(raw[4]) != replication.FORMAT_DESCRIPTION_EVENT {
			return nil
		}
		at = time.Unix(int64(binary.LittleEndian.Uint32(raw)), 0).Add(st.v.offset)
		return errEnough
	})
	if err != nil {
		return at, fmt.Errorf("asking for the start of %s: %w", file, err)
	}
	return at.UTC(), nil
}
