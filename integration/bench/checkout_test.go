package bench_test

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"chartwire/integration/servers"
	"chartwire/integration/shop"
	"chartwire/sinks/hubspot/hubspottest"
)

// BenchmarkCheckout plays the order's own rows of a recorded checkout again and
// again, each time with other ids and another guest, when the one before has
// arrived. It measures from the client's return of the last commit to the deal
// with its contact being complete at HubSpot's stand-in, whose answers take 150
// ms: the settle time of the map, mapping, and up to three calls.
func BenchmarkCheckout(b *testing.B) {
	for b.Loop() {
		s := newStore(b, 150*time.Millisecond)
		took, calls := s.measure(b, 60)
		report(b, "answered", took)
		b.ReportMetric(calls, "calls/checkout")
		b.ReportMetric(float64(len(s.visit)), "transactions/checkout")
		b.ReportMetric(0, "ns/op")
	}
}

// store is the recorded shop with Chartwire behind it.
type store struct {
	sim    *hubspottest.Server
	player *shop.Player
	visit  []shop.Txn // the order's own part of a checkout
	order  int64
	email  string
}

// ids are the columns of an order's tables that hold its ids.
var ids = map[string][]string{
	"wp_wc_orders":                  {"id"},
	"wp_wc_order_addresses":         {"id", "order_id"},
	"wp_wc_order_operational_data":  {"id", "order_id"},
	"wp_wc_orders_meta":             {"id", "order_id"},
	"wp_woocommerce_order_items":    {"order_item_id", "order_id"},
	"wp_woocommerce_order_itemmeta": {"meta_id", "order_item_id"},
}

const visit = "checkout_guest_storeapi"

func newStore(b *testing.B, latency time.Duration) *store {
	b.Helper()
	db := servers.MariaDB(b)
	pool, err := db.Open("")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { pool.Close() })
	s := &store{sim: hubspottest.New(hubspottest.Options{})}
	s.record(b, pool)
	start(b, s.sim, latency, []string{"DB=" + db.Password, "SITE_KEY=" + shop.SiteKey}, fmt.Sprintf(`kafka: {brokers: ["%s"]}
registry: %s
site_key: ${SITE_KEY}
sources:
%ssinks:
  hubspot: {url: "%s", token: "${TOKEN}", portal: 24117000, share: 100%%}
flows:
%s`, servers.Kafka(b).Addr, servers.Registry(b), shop.Source(db.Addr, "test", "${DB}", ""), serve(b, s.sim), shop.Flow("shop")))
	return s
}

// record makes the shop as it was before the visit, and keeps the visit.
func (s *store) record(b *testing.B, pool *sql.DB) {
	b.Helper()
	all, err := shop.Scenarios(1, shop.Last)
	if err != nil {
		b.Fatal(err)
	}
	_, list := shop.Split(shop.Deliverable(all))
	n := slices.IndexFunc(list, func(x shop.Scenario) bool { return x.Name == visit })
	if s.player, err = shop.Open(b.Context(), pool, "test", all); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.player.Close() })
	if err := s.player.Play(b.Context(), shop.InOrder(list[:n])); err != nil {
		b.Fatal(err)
	}
	for _, t := range list[n].Txns {
		t.Changes = slices.DeleteFunc(slices.Clone(t.Changes), func(c shop.Change) bool { return ids[c.Table.Name] == nil })
		for _, c := range t.Changes {
			if c.Table.Name == "wp_wc_orders" && c.After != nil {
				s.order, _ = strconv.ParseInt(c.After[c.Table.Column("id")].Text, 10, 64)
				s.email = c.After[c.Table.Column("billing_email")].Text
			}
		}
		if len(t.Changes) > 0 {
			s.visit = append(s.visit, t)
		}
	}
	if s.order == 0 || s.email == "" {
		b.Fatal("the recorded visit has no order")
	}
}

// apart is the distance between the ids of two visits.
const apart = 1_000_000

// again gives the visit's transactions as the n-th guest's.
func (s *store) again(n int64) []shop.Txn {
	email := fmt.Sprintf("guest%d@example.com", n)
	out := slices.Clone(s.visit)
	for i := range out {
		out[i].Changes = slices.Clone(out[i].Changes)
		for k := range out[i].Changes {
			c := &out[i].Changes[k]
			c.Before, c.After = slices.Clone(c.Before), slices.Clone(c.After)
			for _, row := range [][]shop.Value{c.Before, c.After} {
				for j := range row {
					row[j].Text = strings.ReplaceAll(row[j].Text, s.email, email)
				}
				for _, name := range ids[c.Table.Name] {
					if at := c.Table.Column(name); row != nil {
						id, _ := strconv.ParseInt(row[at].Text, 10, 64)
						row[at].Text = strconv.FormatInt(id+n*apart, 10)
					}
				}
			}
		}
	}
	return out
}

// measure plays n visits after some that are not counted.
func (s *store) measure(b *testing.B, n int) (took []time.Duration, calls float64) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), 5*time.Minute)
	defer cancel()
	s.player.Pace = 10 * time.Millisecond
	const warm = 5
	var like hubspottest.Record
	before := 0
	for i := range n + warm {
		if i == warm {
			before = s.calls()
		}
		if err := s.player.Play(ctx, s.again(int64(i+1))); err != nil {
			b.Fatal(err)
		}
		committed := time.Now()
		deal := s.complete(ctx, b, int64(i+1), &like)
		if i == 0 { // what the others must come to
			time.Sleep(5 * time.Second)
			like, _ = s.sim.Lookup("deals", "woocommerce_order_id", deal)
			continue
		}
		if i >= warm {
			took = append(took, time.Since(committed))
		}
		time.Sleep(time.Duration(60+i%23) * time.Millisecond)
	}
	time.Sleep(time.Second) // a call that comes late is a call as well
	return took, float64(s.calls()-before) / float64(n)
}

// complete waits until a visit's deal holds what the deal it is like holds, and
// has its contact.
func (s *store) complete(ctx context.Context, b *testing.B, n int64, like *hubspottest.Record) (key string) {
	b.Helper()
	key = strconv.FormatInt(s.order+n*apart, 10)
	for ctx.Err() == nil {
		d, ok := s.sim.Lookup("deals", "woocommerce_order_id", key)
		linked := slices.ContainsFunc(d.Links, func(l hubspottest.Link) bool { return l.Object == "contacts" })
		if ok && linked && len(d.Properties) >= len(like.Properties) && d.Properties["dealstage"] == cmp.Or(like.Properties["dealstage"], d.Properties["dealstage"]) &&
			d.Properties["amount"] == cmp.Or(like.Properties["amount"], d.Properties["amount"]) {
			return key
		}
		time.Sleep(time.Millisecond)
	}
	b.Fatalf("visit %d never became a deal with its contact", n)
	return ""
}

func (s *store) calls() (n int) {
	for _, count := range s.sim.CallCounts() {
		n += count
	}
	return n
}
