package demo

import (
	"context"
	"database/sql"

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
	ddl, list := shop.Split(all)
	if err := s.shop.db.Exec("CREATE DATABASE " + shop.Database + " CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci"); err != nil {
		return err
	}
	if s.shop.pool, err = s.shop.db.Open(shop.Database); err != nil {
		return err
	}
	s.onStrike(func() { _ = s.shop.pool.Close() })
	if s.shop.player, err = shop.NewPlayer(ctx, s.shop.pool); err != nil {
		return err
	}
	s.onStrike(func() { _ = s.shop.player.Close() })
	if err := s.shop.player.Install(ctx, ddl); err != nil {
		return err
	}
	s.shop.shoppers = list[opened:]
	return s.shop.player.Play(ctx, shop.InOrder(list[:opened]))
}
