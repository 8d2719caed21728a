package shop

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
)

// Maps are the maps of the shop, for the section `flows` of a configuration.
var Maps = []string{
	"woocommerce/products", "woocommerce/customers", "woocommerce/customers-legacy", "woocommerce/guests", "woocommerce/guests-legacy",
	"woocommerce/orders", "woocommerce/orders-legacy", "woocommerce/subscriptions", "woocommerce/subscriptions-legacy",
}

// SiteKey is the site's key of tests and demo.
const SiteKey = "a-site-key-of-tests-and-demo"

// Source is the shop in the section `sources` of a configuration, as it is read
// by a user with a password in the environment; more is such as ", partitions: 4".
func Source(address, user, password, more string) string {
	return fmt.Sprintf("  shop: {kind: woocommerce, address: %q, database: %s, user: %s, password: %q, zone: UTC%s}\n", address, Database, user, password, more)
}

// Flow is a flow in the section `flows`: the shop's maps, after others. So small
// a shop would be held for each order that is deleted.
func Flow(name string, others ...string) string {
	return fmt.Sprintf("  %s: {maps: [%s], hold: {share: 90%%, records: 5000}}\n", name, strings.Join(append(others, Maps...), ", "))
}

// Open makes the shop's database and its tables, empty, and lets a reader read
// them. What it returns plays the scenarios.
func Open(ctx context.Context, pool *sql.DB, reader string, scenarios []Scenario) (*Player, error) {
	for _, statement := range []string{
		"CREATE DATABASE " + Database + " CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci",
		"GRANT SELECT ON " + Database + ".* TO " + reader + "@'%'",
	} {
		if _, err := pool.ExecContext(ctx, statement); err != nil {
			return nil, fmt.Errorf("making the shop's database: %w", err)
		}
	}
	p, err := NewPlayer(ctx, pool)
	if err != nil {
		return nil, err
	}
	ddl, _ := Split(scenarios)
	if err := p.Install(ctx, ddl); err != nil {
		_ = p.Close()
		return nil, err
	}
	return p, nil
}
