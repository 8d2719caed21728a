package demo

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"chartwire/integration/clinic"
	"chartwire/integration/servers"
	"chartwire/integration/shop"
)

// store is the recorded shop, on a server of its own: WordPress's tables live
// beside no patients.
type store struct {
	db     *servers.DB
	pool   *sql.DB
	player *shop.Player
	// shoppers is what there is to play.
	shoppers []shop.Scenario
	held     *shop.Account
}

// opened is the last scenario before the first shopper comes.
const opened = 6

// setShop makes the shop as it was before its first shopper.
func (d *demo) setShop(ctx context.Context, s *stage) error {
	s.shop = &store{}
	var err error
	if s.shop.db, err = s.startDB("shop"); err != nil {
		return err
	}
	all, err := shop.Scenarios(1, shop.Last)
	if err != nil {
		return err
	}
	if err := s.shop.db.Exec(clinic.ReaderDDL(true)); err != nil {
		return err
	}
	if s.shop.pool, err = s.shop.db.Open(""); err != nil {
		return err
	}
	s.onStrike(func() { _ = s.shop.pool.Close() })
	if s.shop.player, err = shop.Open(ctx, s.shop.pool, clinic.Reader, all); err != nil {
		return err
	}
	s.onStrike(func() { _ = s.shop.player.Close() })
	_, list := shop.Split(shop.Deliverable(all))
	s.shop.shoppers = list[opened:]
	return s.shop.player.Play(ctx, shop.InOrder(list[:opened]))
}

// trade replays the recorded days of the shop, as if many shoppers came at once;
// the function it returns waits for the end and counts the transactions.
func (d *demo) trade(ctx context.Context, live time.Duration) func() (int, error) {
	type result struct {
		n   int
		err error
	}
	done := make(chan result, 1)
	txns := shop.WeaveAll(d.shop.shoppers, 12, d.Seed)
	d.shop.player.Pace = live / time.Duration(len(txns))
	go func() { done <- result{len(txns), d.shop.player.Play(ctx, txns)} }()
	return func() (int, error) { r := <-done; return r.n, r.err }
}

// shopDifferences compares HubSpot's records of the shop with what its tables
// say, and the log of their changes.
func (d *demo) shopDifferences(ctx context.Context) ([]string, error) {
	e := shop.Expectation{SiteKey: []byte(shop.SiteKey), Patients: map[string]bool{}}
	rows, err := d.pool.QueryContext(ctx, "SELECT DISTINCT LOWER(TRIM(Email)) FROM omaggregation WHERE TRIM(Email) <> ''")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var email string
		if err := rows.Scan(&email); err != nil {
			return nil, err
		}
		e.Patients[email] = true
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	want, err := e.Expect(ctx, d.shop.pool)
	if err != nil {
		return nil, fmt.Errorf("asking what the shop's records should be: %w", err)
	}
	return d.shop.held.Differences(want, e.Fold(d.shop.player.Played()))
}
