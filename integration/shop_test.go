package integration_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"chartwire/integration/clinic"
	"chartwire/integration/shop"
	"chartwire/sinks/hubspot/hubspottest"
)

// store is a road whose source is the recorded shop.
type store struct {
	*road
	player *shop.Player
	list   []shop.Scenario // without the statements that make tables
	expect *shop.Expectation
	held   *shop.Account
}

// storeConfig is what a shop's owner would write.
const storeConfig = `installation: %s
data: data
kafka: {brokers: ["${KAFKA}"]}
registry: %s
site_key: ${CHARTWIRE_SITE_KEY}
sources:
%ssinks:
  hubspot: {url: "%s", token: "${HUBSPOT_TOKEN}", portal: 24117000, share: 90%%, timeout: 8s}
flows:
%slog: {level: info}
`

// newStore builds the shop with its tables, all empty.
func newStore(t *testing.T, partitions int) *store {
	t.Helper()
	t.Logf("CHARTWIRE_SEED=%d", seed(t))
	s := &store{road: newRoad(t, site{patients: 1}), expect: &shop.Expectation{SiteKey: []byte(shop.SiteKey)}}
	all, err := shop.Scenarios(1, shop.Last)
	if err != nil {
		t.Fatal(err)
	}
	s.held = &shop.Account{Sim: s.sim}
	if s.player, err = shop.Open(t.Context(), s.pool, clinic.Reader, all); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.player.Close() })
	_, s.list = shop.Split(shop.Deliverable(all))
	s.env = append(s.env, "CHARTWIRE_SITE_KEY="+shop.SiteKey)
	s.configure(fmt.Sprintf(storeConfig, s.name, sharedRegistry(t), shop.Source(s.addr, clinic.Reader, "${OM_PASSWORD}", fmt.Sprintf(", partitions: %d", partitions)),
		s.simAt, shop.Flow("shop")))
	s.provision()
	return s
}

func (s *store) play(txns []shop.Txn) {
	s.t.Helper()
	if err := s.player.Play(s.t.Context(), txns); err != nil {
		s.t.Fatal(err)
	}
}

// differs compares HubSpot with both oracles.
func (s *store) differs(past map[shop.ID]*shop.Past) []string {
	s.t.Helper()
	want, err := s.expect.Expect(s.t.Context(), s.pool)
	if err != nil {
		s.t.Fatal(err)
	}
	diff, err := s.held.Differences(want, past)
	if err != nil {
		s.t.Fatal(err)
	}
	return diff
}

// level waits until HubSpot holds what both oracles say, so many looks in a row.
func (s *store) level(patience time.Duration, looks int) {
	s.t.Helper()
	past := s.expect.Fold(s.player.Played())
	deadline := time.Now().Add(patience)
	for calm := 0; ; {
		diff := s.differs(past)
		if calm++; len(diff) > 0 {
			calm = 0
		}
		if calm >= looks {
			return
		}
		for _, p := range s.procs {
			if !p.running() && !p.wanted {
				s.t.Fatalf("%s ended by itself (%v); %d differences", p.name, p.err, len(diff))
			}
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("after %s, seed %d, %d differences:\n  %s", patience, seed(s.t), len(diff), strings.Join(diff[:min(len(diff), 30)], "\n  "))
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// single holds that nothing was made twice and nothing waits: a record is
// created once, and once more only after it was archived.
func (s *store) single() {
	s.t.Helper()
	for _, object := range []string{"contacts", "deals", "products"} {
		live, n := s.sim.Records(object), s.sim.Totals(object)
		live = slices.DeleteFunc(live, func(r hubspottest.Record) bool { return r.Archived })
		if n.Created != len(live)+n.Archived || n.Merged+n.Deleted > 0 {
			s.t.Errorf("%s: %d there, but %+v", object, len(live), n)
		}
		if object == "contacts" && n.Archived > 0 {
			s.t.Errorf("%d contacts were archived", n.Archived)
		}
	}
	if out, code := s.chartwire("dlq", "list"); out != "no dead letters\n" || code != 0 {
		s.t.Errorf("chartwire dlq list: exit code %d\n%s", code, out)
	}
}

// TestShopScenarios replays the shop's scenarios as live traffic, orders in
// their own tables first, then the switch to posts: after each, HubSpot is what
// the tables and the log of changes say.
func TestShopScenarios(t *testing.T) {
	t.Parallel()
	s := newStore(t, 1)
	s.start("run", []string{"run"})
	s.player.Pace = time.Millisecond
	for _, scenario := range s.list {
		s.play(scenario.Txns)
		if scenario.Number <= shop.Installed {
			continue // no traffic: their end is the next one's beginning
		}
		began, calls := time.Now(), s.calls()
		s.level(60*time.Second, 1)
		t.Logf("%2d %-32s %4d transactions, equal %5d ms after the last, %2d calls", scenario.Number, scenario.Name, len(scenario.Txns),
			time.Since(began).Milliseconds(), s.calls()-calls)
	}
	s.level(30*time.Second, 10)
	s.single()
}

// calls counts the calls that write.
func (s *store) calls() (n int) {
	for kind, count := range s.sim.CallCounts() {
		if kind.Method == "POST" && !strings.HasSuffix(kind.Route, "/read") && !strings.HasSuffix(kind.Route, "/search") {
			n += count
		}
	}
	return n
}

// TestShopManyShoppers interleaves the scenarios as if many shoppers came at
// once, while the shop's switch from one set of order tables to the other is
// among them; topics of one partition and of four.
func TestShopManyShoppers(t *testing.T) {
	t.Parallel()
	for i, partitions := range []int{1, 4} {
		t.Run(fmt.Sprintf("%d partitions", partitions), func(t *testing.T) {
			t.Parallel()
			s := newStore(t, partitions)
			s.start("run", []string{"run"})
			opened := s.opened()
			s.play(shop.InOrder(s.list[:opened]))
			s.player.Pace = 2 * time.Millisecond
			s.play(shop.WeaveAll(s.list[opened:], 12, seed(t)+uint64(i)))
			s.level(60*time.Second, 10)
			s.single()
		})
	}
}

// opened counts the scenarios before the first shopper comes.
func (s *store) opened() int {
	return slices.IndexFunc(s.list, func(x shop.Scenario) bool { return x.Name == "checkout_guest_storeapi" })
}

// TestShopBreaks interleaves the scenarios while each stage is killed at random
// moments, Map's folder of local state is deleted, and HubSpot fails.
func TestShopBreaks(t *testing.T) {
	t.Parallel()
	s := newStore(t, 4)
	procs := map[string]*process{}
	for _, stage := range stages {
		procs[stage] = s.start(stage, []string{stage})
	}
	opened := s.opened()
	s.play(shop.InOrder(s.list[:opened]))
	txns := shop.WeaveAll(s.list[opened:], 12, seed(t))
	s.player.Pace = 4 * time.Millisecond
	played := make(chan error, 1)
	go func() { played <- s.player.Play(t.Context(), txns) }()

	draw := rand.New(rand.NewPCG(seed(t), 77))
	kill := func(stage string, forget bool) func() {
		return func() {
			p := procs[stage]
			p.kill()
			if forget {
				if err := os.RemoveAll(filepath.Join(p.dir, "data")); err != nil {
					t.Error(err)
				}
			}
			p.launch()
		}
	}
	hubspot := func(f hubspottest.Fault) func() {
		return func() {
			id := s.sim.Inject(f)
			time.Sleep(time.Duration(500+draw.IntN(1500)) * time.Millisecond)
			s.sim.Clear(id)
		}
	}
	breaks := []func(){
		kill("capture", false), kill("map", false), kill("map", true), kill("deliver", false), kill("deliver", true), kill("map", true),
		hubspot(hubspottest.Fault{Kind: hubspottest.Down}), hubspot(hubspottest.Fault{Kind: hubspottest.AnswerLost, Probability: .5}),
		hubspot(hubspottest.Fault{Kind: hubspottest.InternalError, Probability: .5}), hubspot(hubspottest.Fault{Kind: hubspottest.TooManyBurst, Probability: .5, RetryAfter: time.Second}),
	}
	for _, i := range draw.Perm(len(breaks)) {
		time.Sleep(time.Duration(300+draw.IntN(1500)) * time.Millisecond)
		breaks[i]()
	}
	if err := <-played; err != nil {
		t.Fatal(err)
	}
	s.level(120*time.Second, 10)
	s.single()
}
