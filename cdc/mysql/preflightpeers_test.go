package mysql

import (
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
		must(t, replica.Promote())
		f("replica-behind?")
		r.cfg.Others = []string{strings.Replace(p.Addr, "127.0.0.1", "localhost", 1)}
		pace.Replicas = nil
		f("failover-same?")
	})
}
