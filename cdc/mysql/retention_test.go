package mysql

import (
	"fmt"
	"log/slog"
	"math"
	"slices"
	"testing"
	"time"

	"chartwire/cdc"
	"chartwire/integration/faults"
	"chartwire/integration/servers"

	"github.com/prometheus/client_golang/prometheus"
)

// How long a capture may stand still is a number that can be watched, whatever
// it is that bounds it, and is refused where it is too short.
func TestRetention(t *testing.T) {
	faults.Shows(t, "binlog-retention-gauge", "a metric and the status say when the source may delete what follows the position, by age, by size, or by the provider's setting")
	for _, flavor := range []servers.Flavor{servers.MariaDBNew, servers.MySQLNew} {
		t.Run(flavor.Name, func(t *testing.T) {
			t.Parallel()
			db := servers.Database(t, flavor)
			r := rigOn(t, db, people+"InnoDB", "people")
			refused := func(want ...string) {
				t.Helper()
				if got := codes(t, check1(t, r.cfg)); !slices.Equal(got, want) {
					t.Errorf("the check says %v, want %v", got, want)
				}
			}
			const forever, unknown = time.Duration(math.MaxInt64), time.Duration(-1)
			var resume cdc.Resume
			left := func(least, most time.Duration) {
				t.Helper()
				reg := prometheus.NewRegistry()
				r.cfg.Metrics = reg
				s, err := New(r.cfg)
				must(t, err)
				p := tapSource(t, s, resume)
				if resume.Loads == nil {
					p.loaded()
				}
				r.exec("update people set note = uuid()")
				p.next()
				at, told := gaugeIf(t, reg, "chartwire_capture_position_purged_timestamp_seconds")
				if told != (least != unknown) {
					t.Errorf("the metric says %f, want %s to %s", at, least, most)
				}
				if got := at - float64(time.Now().Unix()); math.IsInf(at, 1) != (least == forever) || told && least < forever && got < least.Seconds()-float64(patience/time.Second) || told && least < forever && got > most.Seconds()+1 {
					t.Errorf("kept for %.0f seconds more, want %s to %s", got, least, most)
				}
				if shown := s.Purged(); shown.IsZero() != (math.IsInf(at, 1) || !told) {
					t.Errorf("the status says %s", shown)
				}
				p.stop()
				resume = p.resume()
			}
			set := func(name, value string) { must(t, db.Exec("set global "+name+" = "+value)) }

			r.exec("insert into people values (1,'a',null)")
			set("binlog_expire_logs_seconds", "864000")
			left(240*time.Hour, 240*time.Hour)
			refused()
			set("binlog_expire_logs_seconds", "86400")
			left(24*time.Hour, 24*time.Hour)
			refused("binlog-retention")

			// Changed while it is read, on a server that hangs up on who says nothing.
			set("wait_timeout", "1")
			reg, log := prometheus.NewRegistry(), &lines{}
			quiet := r.cfg
			quiet.Metrics, quiet.Log = reg, slog.New(slog.NewTextHandler(log, nil))
			s, err := New(quiet)
			must(t, err)
			s.askAgain = 2 * time.Second
			p := tapSource(t, s, resume)
			kept := func(days float64) func() bool {
				return func() bool {
					at, told := gaugeIf(t, reg, "chartwire_capture_position_purged_timestamp_seconds")
					return told && math.Abs(at-float64(time.Now().Unix())-days*86400) < 43200
				}
			}
			waitFor(t, kept(1))
			set("binlog_expire_logs_seconds", "432000")
			waitFor(t, kept(5))
			if log.has("asking how long the log is kept") {
				t.Errorf("the server hung up: %s", log.b.String())
			}
			p.stop()
			resume = p.resume()
			set("wait_timeout", "28800")
			set("binlog_expire_logs_seconds", "86400")

			r.cfg.Retention = 12 * time.Hour // somebody's decision
			refused()
			set("binlog_expire_logs_seconds", "0")
			left(forever, forever)
			if flavor.Name == "mysql" {
				set("binlog_expire_logs_seconds", "86400")
				set("binlog_expire_logs_auto_purge", "OFF")
				left(forever, forever)
			} else {
				set("max_binlog_total_size", "1048576")
				left(0, time.Hour)
				refused("binlog-retention?")
				set("max_binlog_total_size", "0")
			}

			must(t, db.Exec("create table mysql.rds_configuration (name varchar(60), value varchar(60)); insert into mysql.rds_configuration values ('binlog retention hours', null)"))
			refused("binlog-retention")
			left(0, 0)
			must(t, db.Exec("update mysql.rds_configuration set value = '200'"))
			refused()
			left(200*time.Hour, 200*time.Hour)
			must(t, db.Exec("alter table mysql.rds_configuration rename column value to hours"))
			refused("binlog-retention?")
			left(unknown, unknown)
		})
	}
}

// A server whose clock is off gives commit times that are right: lag is measured
// against this machine's clock.
func TestServerClock(t *testing.T) {
	faults.Shows(t, "source-clock", "commit times are corrected by the difference, measured at each connect and every few minutes; the check names it")
	const slow = 2 * time.Hour
	byID(t, func(t *testing.T, k kind) {
		db := servers.Database(t, k.flavor)
		r := rigOn(t, db, people+"InnoDB", "people")
		// The sessions of users without all rights have the wrong clock.
		wrong := fmt.Sprintf("set timestamp = unix_timestamp(sysdate(6)) - %d", int(slow.Seconds()))
		must(t, db.Exec("create user 'reader'@'%' identified by 'r'"))
		r.cfg.User, r.cfg.Password = "reader", "r"
		s, err := New(r.cfg)
		must(t, err)
		for _, grant := range s.Grants(k.name == "mariadb") {
			must(t, db.Exec(grant))
		}
		must(t, db.Exec("set global init_connect = '"+wrong+"'"))
		if got := codes(t, check1(t, r.cfg)); !slices.Contains(got, "server-clock?") {
			t.Errorf("the check says %v", got)
		}
		p := r.tap(cdc.Resume{})
		p.loaded()
		if k.name == "mysql" {
			wrong += fmt.Sprintf("; set original_commit_timestamp = cast((unix_timestamp(sysdate(6)) - %d) * 1000000 as unsigned)", int(slow.Seconds()))
		}
		before := time.Now()
		r.exec(wrong + "; insert into people values (1,'a',null)")
		txn := p.next()
		if txn.CommitTime.Before(before.Add(-2*time.Second)) || txn.CommitTime.After(time.Now().Add(2*time.Second)) {
			t.Errorf("committed at %s by our clock, and said to be at %s", before, txn.CommitTime)
		}

		// The sessions' clock stands: what they write later was committed later.
		p.stop()
		if s, err = New(r.cfg); err != nil {
			t.Fatal(err)
		}
		s.askAgain = time.Second
		p = tapSource(t, s, p.resume())
		began := time.Now()
		stands := fmt.Sprintf("set timestamp = %f", float64(began.Add(-slow).UnixMicro())/1e6)
		if k.name == "mysql" {
			stands += fmt.Sprintf("; set original_commit_timestamp = %d", began.Add(-slow).UnixMicro())
		}
		for n := 10; ; n++ {
			r.exec(fmt.Sprintf("%s; insert into people values (%d,'a',null)", stands, n))
			before = time.Now()
			if txn := p.next(); txn.CommitTime.After(began.Add(8 * time.Second)) {
				break
			}
			if before.Sub(began) > patience {
				t.Fatalf("%s later the clock was not measured again", before.Sub(began))
			}
			time.Sleep(500 * time.Millisecond)
		}
	})
}
