package demo

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"chartwire/integration/clinic"
	"chartwire/integration/servers"
	"chartwire/integration/shop"
	"chartwire/sinks/hubspot/hubspottest"
)

// store is the recorded shop, on a server of its own.
type store struct {
	db     *servers.DB
	pool   *sql.DB
	player *shop.Player
	held   *shop.Account
	// coming are the scenarios that were not played yet, the first shopper's first.
	coming    []shop.Scenario
	committed atomic.Int64 // transactions
	order     string       // that the first shopper made
	// past is what the log of changes says, once there are no more.
	past map[shop.ID]*shop.Past
}

// opening is the scenario of the first shopper; those before it build the shop.
const opening = "checkout_guest_storeapi"

// setShop makes the shop as it was before its first shopper.
func (d *demo) setShop(ctx context.Context, s *stage) error {
	s.shop = &store{}
	var err error
	if s.shop.db, err = s.startDB("shop"); err != nil {
		return err
	}
	if err := s.shop.db.Exec(clinic.ReaderDDL(true)); err != nil {
		return err
	}
	if s.shop.pool, err = s.shop.db.Open(""); err != nil {
		return err
	}
	s.onStrike(func() { _ = s.shop.pool.Close() })
	all, err := shop.Scenarios(1, shop.Last)
	if err != nil {
		return err
	}
	if s.shop.player, err = shop.Open(ctx, s.shop.pool, clinic.Reader, all); err != nil {
		return err
	}
	s.onStrike(func() { _ = s.shop.player.Close() })
	_, list := shop.Split(shop.Deliverable(all))
	opened := slices.IndexFunc(list, func(x shop.Scenario) bool { return x.Name == opening })
	s.shop.coming = list[opened:]
	if err := s.shop.player.Play(ctx, shop.InOrder(list[:opened])); err != nil {
		return err
	}
	// The probe is a customer too: the address stays the patient's.
	var email string
	if err := s.shop.pool.QueryRowContext(ctx, "SELECT MAX(user_email) FROM "+shop.Database+".wp_users").Scan(&email); err != nil {
		return err
	}
	if _, err := s.pool.ExecContext(ctx, "UPDATE omaggregation SET Email = ? WHERE PatNum = ?", email, probePatient); err != nil {
		return err
	}
	s.shop.player.Committed = func(*shop.Txn, time.Time) { s.shop.committed.Add(1) }
	return nil
}

// checkout plays the first shopper's visit while all else is at rest, and
// measures what becomes of it.
func (d *demo) checkout(ctx context.Context) error {
	visit := d.shop.coming[0]
	d.shop.coming = d.shop.coming[1:]
	before := d.sim.CallCounts()
	d.shop.player.Pace = 10 * time.Millisecond
	if err := d.shop.player.Play(ctx, visit.Txns); err != nil {
		return err
	}
	began := time.Now()
	if err := d.shopEqual(ctx, 30*time.Second, "the checkout is a deal with its contact"); err != nil {
		return err
	}
	took := time.Since(began)
	// A call that comes late is a call as well.
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Second):
	}
	order, rows, tables := bought(&visit)
	d.shop.order = order
	deal, ok := d.sim.Lookup("deals", "woocommerce_order_id", order)
	if !ok || !slices.ContainsFunc(deal.Links, func(l hubspottest.Link) bool { return l.Object == "contacts" }) {
		return fmt.Errorf("order %s is no deal with a contact", order)
	}
	n, kinds := callsSince(before, d.sim.CallCounts())
	d.board.say("   order %s: %d row changes in %d transactions over %d tables became 1 deal with its contact\n   %.1f s after the last of them, in %d HubSpot calls (%s).",
		order, rows, len(visit.Txns), tables, took.Seconds(), n, kinds)
	return nil
}

// bought says which order a visit made, and how much it wrote.
func bought(visit *shop.Scenario) (order string, rows, tables int) {
	names := map[string]bool{}
	for _, t := range visit.Txns {
		for _, c := range t.Changes {
			rows++
			names[c.Table.Name] = true
			if c.Before == nil && c.Table.Name == "wp_wc_orders" {
				order = c.After[c.Table.Column("id")].Text
			}
		}
	}
	return order, rows, len(names)
}

// callsSince counts the calls between two looks, and says what they were about.
func callsSince(before, after map[hubspottest.CallKind]int) (total int, kinds string) {
	about := map[string]int{}
	for kind, n := range after {
		if n -= before[kind]; n > 0 {
			what := kind.Object
			if strings.Contains(kind.Route, "/associations/") {
				what = "links"
			}
			total += n
			about[what] += n
		}
	}
	var list []string
	for what, n := range about {
		list = append(list, fmt.Sprintf("%d for %s", n, what))
	}
	slices.Sort(list)
	return total, strings.Join(list, ", ")
}

// trade replays what the recorded shop did from then on, as if a dozen shoppers
// came at once; the function it returns waits for its end and counts the
// transactions. What WooCommerce does in order stays in order: it copies its
// orders from their own tables to the posts, keeps both in step for a checkout,
// and only then makes the posts the authority.
func (d *demo) trade(ctx context.Context, live time.Duration) func() (int, error) {
	named := func(name string) int {
		return slices.IndexFunc(d.shop.coming, func(s shop.Scenario) bool { return s.Name == name })
	}
	copied, turned := named("hpos_sync_on"), named("legacy_cpt_on")
	txns := slices.Concat(shop.Weave(d.shop.coming[:copied], 12, d.Seed), shop.InOrder(d.shop.coming[copied:turned]),
		shop.Weave(d.shop.coming[turned:], 12, d.Seed))
	d.shop.player.Pace = live / time.Duration(len(txns))
	done := make(chan error, 1)
	go func() { done <- d.shop.player.Play(ctx, txns) }()
	return func() (int, error) {
		err := <-done
		d.shop.past = expectation(nil).Fold(d.shop.player.Played())
		return len(txns), err
	}
}

// shopEqual waits until HubSpot holds of the shop what it should.
func (d *demo) shopEqual(ctx context.Context, patience time.Duration, what string) error {
	d.shop.past = expectation(nil).Fold(d.shop.player.Played())
	var diff []string
	var failed error
	err := d.until(ctx, patience, what, func() bool {
		diff, failed = d.shopDifferences(ctx)
		return failed != nil || len(diff) == 0
	})
	switch {
	case failed != nil:
		return failed
	case err != nil && len(diff) > 0:
		return fmt.Errorf("%w; %d differences, the first: %s", err, len(diff), diff[0])
	}
	return err
}

func expectation(patients map[string]bool) *shop.Expectation {
	return &shop.Expectation{SiteKey: []byte(shop.SiteKey), Patients: patients}
}

// shopDifferences compares HubSpot's records of the shop with what its tables
// say, and with the log of their changes.
func (d *demo) shopDifferences(ctx context.Context) ([]string, error) {
	patients, err := d.addresses(ctx)
	if err != nil {
		return nil, err
	}
	want, err := expectation(patients).Expect(ctx, d.shop.pool)
	if err != nil {
		return nil, err
	}
	return d.shop.held.Differences(want, d.shop.past)
}

// addresses are those that patients have: no customer gets them.
func (d *demo) addresses(ctx context.Context) (map[string]bool, error) {
	rows, err := d.pool.QueryContext(ctx, "SELECT DISTINCT LOWER(TRIM(Email)) FROM omaggregation WHERE TRIM(Email) <> ''")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[string]bool{}
	for rows.Next() {
		var email string
		if err := rows.Scan(&email); err != nil {
			return nil, err
		}
		out[email] = true
	}
	return out, rows.Err()
}
