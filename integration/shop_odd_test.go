package integration_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"chartwire/integration/shop"
	"chartwire/sinks/hubspot/hubspottest"
)

// TestShopOdd: an address that HubSpot has for somebody else, an order of 2,000
// items and a product of 3,000 variations hold nothing up.
func TestShopOdd(t *testing.T) {
	t.Parallel()
	s := newStore(t, 1)
	// Made by another tool, without our key.
	other := strings.NewReader(`{"properties": {"email": "cust1@example.com", "firstname": "Other"}}`)
	req, err := http.NewRequest(http.MethodPost, "https://api.hubapi.com/crm/objects/2026-09/contacts", other)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+hubspottest.DefaultToken)
	req.Header.Set("Content-Type", "application/json")
	resp, err := (&http.Client{Transport: s.sim.Transport()}).Do(req)
	if err != nil || resp.StatusCode != http.StatusCreated {
		t.Fatal(resp, err)
	}
	resp.Body.Close()
	s.start("run", []string{"run"})
	s.play(shop.InOrder(s.list[:s.opened()]))

	customer := func() map[string]string {
		r, _ := s.sim.Lookup("contacts", "woocommerce_customer_id", "3")
		return r.Properties
	}
	s.until(60*time.Second, "the customer is a contact without the address", func() bool {
		out, _ := s.chartwire("dlq", "list", "--property", "email")
		return customer()["woo_email"] == "cust1@example.com" && customer()["lastname"] == "O'Neil" && strings.HasPrefix(out, "ID")
	})
	if customer()["email"] != "" {
		t.Error("two contacts have one address")
	}
	foreign := s.sim.Find("contacts", "email", "cust1@example.com")
	if len(foreign) != 1 {
		t.Fatalf("%d contacts have the address", len(foreign))
	}
	if err := s.sim.Archive("contacts", foreign[0].ID); err != nil {
		t.Fatal(err)
	}
	out, _ := s.chartwire("dlq", "list", "--property", "email")
	_, row, _ := strings.Cut(out, "\n")
	id, _, _ := strings.Cut(row, " ")
	if out, code := s.chartwire("dlq", "retry", id); code != 0 {
		t.Fatalf("chartwire dlq retry: %s", out)
	}
	s.until(60*time.Second, "the address is written after a retry", func() bool { return customer()["email"] == "cust1@example.com" })

	var items, meta, posts, lookups []string
	for i := range 2000 {
		items = append(items, fmt.Sprintf("(%d, 'A thing with a name of some length', 'line_item', 9000)", 50000+i))
		meta = append(meta, fmt.Sprintf("(%d, %d, '_qty', '2')", 90000+i, 50000+i))
	}
	for i := range 3000 {
		posts = append(posts, fmt.Sprintf("(%d, 'product_variation', 'publish', 'Size %d', '', '', '', '', '', 19)", 20000+i, i))
		lookups = append(lookups, fmt.Sprintf("(%d, 'SIZE-%d', 5, 5, 0, 0, 3, 'instock')", 20000+i, i))
	}
	for _, statement := range []string{
		"INSERT INTO wp.wp_posts (ID, post_type, post_status, post_title, post_content, post_excerpt, to_ping, pinged, post_content_filtered, post_parent) VALUES " + strings.Join(posts, ", "),
		"INSERT INTO wp.wp_wc_product_meta_lookup (product_id, sku, min_price, max_price, onsale, `virtual`, stock_quantity, stock_status) VALUES " + strings.Join(lookups, ", "),
		"INSERT INTO wp.wp_wc_orders (id, type, status, currency, total_amount, customer_id, date_created_gmt) VALUES (9000, 'shop_order', 'wc-processing', 'USD', 7, 3, '2026-01-02 03:04:05')",
		"INSERT INTO wp.wp_woocommerce_order_items (order_item_id, order_item_name, order_item_type, order_id) VALUES " + strings.Join(items, ", "),
		"INSERT INTO wp.wp_woocommerce_order_itemmeta (meta_id, order_item_id, meta_key, meta_value) VALUES " + strings.Join(meta, ", "),
		// Nobody's: their order never comes.
		"INSERT INTO wp.wp_woocommerce_order_items (order_item_id, order_item_name, order_item_type, order_id) VALUES (49999, 'Lost', 'line_item', 9999)",
	} {
		s.exec("SET sql_mode = ''; " + statement)
	}
	began := time.Now()
	s.until(90*time.Second, "the long order is a deal, linked to its customer", func() bool {
		r, ok := s.sim.Lookup("deals", "woocommerce_order_id", "9000")
		return ok && r.Properties["woo_item_count"] == "4000" && len(r.Links) == 1
	})
	s.until(90*time.Second, "each variation is a product", func() bool { return len(s.sim.Records("products")) >= 3015 })
	t.Logf("3,000 variations and 2,000 items after %s", time.Since(began).Round(10*time.Millisecond))
	r, _ := s.sim.Lookup("deals", "woocommerce_order_id", "9000")
	if n := len([]rune(r.Properties["woo_items"])); n > 60000 || n < 59990 { // a blank at its end goes
		t.Errorf("the list of items has %d characters, and is cut at 60000", n)
	}
	if r, ok := s.sim.Lookup("products", "woo_product_id", "22999"); !ok || r.Properties["woo_parent_product_id"] != "19" || r.Properties["hs_sku"] != "SIZE-2999" {
		t.Error("the last variation is not what its row says")
	}
	if _, ok := s.sim.Lookup("deals", "woocommerce_order_id", "9999"); ok {
		t.Error("an item without an order made a deal")
	}
	if out, _ := s.chartwire("dlq", "list"); out != "no dead letters\n" {
		t.Errorf("chartwire dlq list:\n%s", out)
	}
}
