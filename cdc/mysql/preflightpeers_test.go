package mysql

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"chartwire/integration/faults"
	"chartwire/integration/servers"
)

// The servers that a source names are looked at together, and all that is wrong
// is named at once: where a failover would not go on, and what a snapshot would
// wait for without end.
func TestCheckPeers(t *testing.T) {
	faults.Shows(t, "wrong-settings", "names addresses that cannot take over, and replicas that a snapshot would wait for: of another database, not logging, out of reach, not to be asked")
	faults.Shows(t, "gtid-errant", "the check names the transactions of its own that a replica in addresses has")
	byID(t, func(t *testing.T, k kind) {
		p := servers.Database(t, k.flavor)
		noLog := "--skip-log-slave-updates"
		replica := servers.Database(t, k.flavor, noLog)
		must(t, replica.Follow(p))
		foreign, _ := own(t, k)
		r := rigOn(t, p, people+"InnoDB", "people")
		user := "peer_" + r.name
		r.exec("create user " + user + "@'%' identified by 'pw'")
		r.cfg.User, r.cfg.Password = user, "pw"
		s, err := New(r.cfg)
		must(t, err)
		for _, g := range s.Grants(k.name == "mariadb") {
			r.exec(g)
		}
		must(t, replica.CatchUp(p, patience))
		must(t, foreign.db.Exec("create user "+user+"@'%' identified by 'pw'"))
		t.Cleanup(func() { _ = foreign.db.Exec("drop user " + user) })

		peers := func() []Problem {
			s, err := New(r.cfg)
			must(t, err)
			problems, err := s.CheckPeers(t.Context())
			must(t, err)
			return problems
		}
		f := func(wants ...string) {
			t.Helper()
			problems := peers()
			if got := codes(t, problems); !slices.Equal(got, wants) {
				t.Errorf("got %v (%v), want %v", got, problems, wants)
			}
			for _, p := range problems {
				if p.Fix == "" || strings.Contains(p.String(), "pw") {
					t.Errorf("%s: no way to mend it", p)
				}
			}
		}
		f()
		const dead = "127.0.0.1:1"
		r.cfg.Others = []string{foreign.db.Addr, replica.Addr, dead}
		pace := &r.cfg.Snapshot.Pace
		pace.Replicas, pace.Lag = []string{foreign.db.Addr, dead}, time.Minute
		f("failover-foreign", "failover-log", "replica-foreign", "replica-unreachable")

		r.cfg.Others, pace.Replicas = nil, []string{replica.Addr}
		if k.name == "mariadb" { // what reads a log may not ask for that here
			f("grant-missing")
			must(t, replica.Exec(peers()[0].Fix))
		}
		waitFor(t, func() bool { return len(peers()) == 0 })

		// Which of two wrote a transaction, and what only one of them has.
		r.cfg.Others, pace.Replicas = []string{replica.Addr}, nil
		must(t, replica.Exec("create database errant_"+r.name))
		f("failover-errant?", "failover-log")
		if text := peers()[0].Text; k.name == "mariadb" && !strings.Contains(text, "(0-") || k.name == "mysql" && !strings.Contains(text, ":1)") {
			t.Errorf("the errant transactions are not named: %s", text)
		}
		ids := func(db *servers.DB) (id int) {
			c, err := db.Open("")
			must(t, err)
			defer c.Close()
			must(t, c.QueryRow("select @@server_id").Scan(&id))
			return id
		}
		was := ids(replica)
		must(t, replica.Exec(fmt.Sprintf("set global server_id = %d", ids(p))))
		if got := codes(t, peers()); !slices.Contains(got, "failover-server-id") {
			t.Errorf("two servers with one server_id: %v", got)
		}
		must(t, replica.Exec(fmt.Sprintf("set global server_id = %d", was)))

		r.cfg.Others, pace.Replicas = nil, []string{replica.Addr}
		must(t, replica.Promote())
		f("replica-behind?")
		r.cfg.Others = []string{strings.Replace(p.Addr, "127.0.0.1", "localhost", 1)}
		pace.Replicas = nil
		f("failover-same?")
	})
}
