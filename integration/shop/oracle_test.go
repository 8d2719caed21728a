package shop

import (
	"slices"
	"testing"

	"chartwire/integration/servers"
)

// TestOraclesAgree asks both oracles after every scenario: the tables and the
// log of changes know the same records, and where both speak of a property they
// say the same.
func TestOraclesAgree(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a MariaDB: not under -short")
	}
	db := servers.Database(t, servers.MariaDB1011)
	pool, err := db.Open("")
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	exec(t, pool, "create database wp character set utf8mb4 collate utf8mb4_unicode_520_ci")
	p, err := NewPlayer(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	ddl, list := Split(mustScenarios(t, 1, Last))
	if err := p.Install(t.Context(), ddl); err != nil {
		t.Fatal(err)
	}
	e := &Expectation{SiteKey: []byte("a site key of the tests")}
	most := map[string]int{}
	for _, s := range list {
		if err := p.Play(t.Context(), s.Txns); err != nil {
			t.Fatal(err)
		}
		if s.Number < 3 {
			continue // the switch is not there yet
		}
		expected, err := e.Expect(t.Context(), pool)
		if err != nil {
			t.Fatalf("scenario %d: %v", s.Number, err)
		}
		past := e.Fold(p.Played())
		count := map[string]int{}
		for id, r := range expected {
			count[id.Property]++
			if past[id] == nil || !past[id].Live {
				t.Errorf("scenario %d: %v is in the tables, and not by the log", s.Number, id)
				continue
			}
			for name, values := range past[id].Values {
				if v, said := r.Properties[name]; said && v != "" && !slices.Contains(values, v) {
					t.Errorf("scenario %d: %v: %s is %q in the tables and %q by the log", s.Number, id, name, v, values)
				}
			}
		}
		for id, past := range past {
			if past.Live && expected[id] == nil {
				t.Errorf("scenario %d: %v lives by the log, and is not in the tables", s.Number, id)
			}
		}
		for property, n := range count {
			most[property] = max(most[property], n)
		}
	}
	t.Log(most)
	if most["woo_product_id"] < 15 || most["woocommerce_customer_id"] < 10 || most["woocommerce_order_id"] < 15 || most["woocommerce_subscription_id"] < 3 {
		t.Errorf("at most %v records were expected: hardly a shop", most)
	}
}
