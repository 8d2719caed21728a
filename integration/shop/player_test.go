package shop

import (
	"compress/gzip"
	"context"
	"database/sql"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"chartwire/integration/servers"
)

// TestWeaveKeepsEveryOrder: the same transactions, each scenario's and each
// row's in their order, and otherwise mixed.
func TestWeaveKeepsEveryOrder(t *testing.T) {
	_, list := Split(mustScenarios(t, 1, Last))
	plain := InOrder(list)
	for seed := range uint64(20) {
		woven := Weave(list, 8, seed)
		if len(woven) != len(plain) {
			t.Fatalf("seed %d: %d transactions of %d", seed, len(woven), len(plain))
		}
		if got, want := rowOrders(woven), rowOrders(plain); got != want {
			t.Fatalf("seed %d: a row's changes are not in their order", seed)
		}
		switches := 0
		last := map[int]int{}
		for i, txn := range woven {
			if i > 0 && woven[i-1].Scenario != txn.Scenario {
				switches++
			}
			last[txn.Scenario]++
		}
		if switches < len(woven)/3 {
			t.Errorf("seed %d: %d changes of scenario among %d transactions: hardly interleaved", seed, switches, len(woven))
		}
		again := Weave(list, 8, seed)
		if !slices.EqualFunc(woven, again, func(a, b Txn) bool { return a.Scenario == b.Scenario && len(a.Changes) == len(b.Changes) }) {
			t.Fatalf("seed %d: another order the second time", seed)
		}
	}
}

// rowOrders is what happened to each row, and in each scenario, in order.
func rowOrders(txns []Txn) string {
	orders := map[string]*strings.Builder{}
	add := func(key, what string) {
		if orders[key] == nil {
			orders[key] = &strings.Builder{}
		}
		orders[key].WriteString(what)
	}
	for i := range txns {
		for k := range txns[i].Changes {
			c := &txns[i].Changes[k]
			if !junk(c) {
				add(c.Key(), c.Statement())
			}
			add(string(rune(txns[i].Scenario)), c.Key())
		}
	}
	keys := make([]string, 0, len(orders))
	for k := range orders {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	var all strings.Builder
	for _, k := range keys {
		all.WriteString(k + ":" + orders[k].String() + "\n")
	}
	return all.String()
}

// compared are tables whose dumps were not cleaned; of the posts, what the shop
// made.
var compared = []string{
	"wp_posts where post_type not in ('post', 'page', 'attachment', 'revision')", "wp_terms", "wp_term_taxonomy", "wp_term_relationships", "wp_wc_orders", "wp_wc_orders_meta",
	"wp_wc_order_addresses", "wp_wc_order_operational_data", "wp_wc_product_meta_lookup",
	"wp_woocommerce_order_items", "wp_woocommerce_order_itemmeta", "wp_wc_order_stats", "wp_postmeta",
}

// TestReplayEndsAsTheShopDid plays the recorded rows into a MariaDB and compares
// its tables with dumps of the shop that were made when the recording was.
func TestReplayEndsAsTheShopDid(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a MariaDB: not under -short")
	}
	db := servers.Database(t, servers.MariaDB1011)
	pool, err := db.Open("")
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	all := mustScenarios(t, 1, Last)
	ddl, list := Split(all)
	half := slices.IndexFunc(list, func(s Scenario) bool { return s.Number == Switched })
	for name, parts := range map[string][2][]Txn{
		"in order": {InOrder(list[:half]), InOrder(list[half:])},
		"woven":    {Weave(list[:half], 10, 1), Weave(list[half:], 10, 1)},
	} {
		t.Run(name, func(t *testing.T) {
			exec(t, pool, "drop database if exists wp", "create database wp character set utf8mb4 collate utf8mb4_unicode_520_ci")
			p, err := NewPlayer(t.Context(), pool)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			if err := p.Install(t.Context(), ddl); err != nil {
				t.Fatal(err)
			}
			for i, dump := range []string{"testdata/woo-9.9.5-hpos.sql.gz", "testdata/woo-9.9.5-legacy-after-hpos.sql.gz"} {
				if err := p.Play(t.Context(), parts[i]); err != nil {
					t.Fatal(err)
				}
				load(t, pool, dump)
				for _, table := range compared {
					got, want := rows(t, pool, "wp."+table), rows(t, pool, "dump."+table)
					if slices.Equal(got, want) {
						continue
					}
					t.Errorf("%s after %s: %d rows, dumped %d; first differences:\n%s", table, dump, len(got), len(want), differing(got, want))
				}
			}
		})
	}
}

func differing(got, want []string) string {
	var out []string
	for _, r := range got {
		if !slices.Contains(want, r) && len(out) < 3 {
			out = append(out, "played "+r)
		}
	}
	for _, r := range want {
		if !slices.Contains(got, r) && len(out) < 6 {
			out = append(out, "dumped "+r)
		}
	}
	return strings.Join(out, "\n")
}

func load(t *testing.T, pool *sql.DB, path string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	exec(t, pool, "drop database if exists dump", "create database dump")
	conn, err := pool.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, s := range []string{"use dump", "set sql_mode = ''", string(text)} {
		if _, err := conn.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("loading %s: %v", path, err)
		}
	}
}

func exec(t *testing.T, pool *sql.DB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := pool.Exec(s); err != nil {
			t.Fatalf("executing %q: %v", s, err)
		}
	}
}

// rows gives a table's rows as texts, in order.
func rows(t *testing.T, pool *sql.DB, table string) []string {
	t.Helper()
	r, err := pool.Query("select * from " + table + " order by 1, 2")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	names, err := r.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for r.Next() {
		values := make([]sql.NullString, len(names))
		into := make([]any, len(names))
		for i := range values {
			into[i] = &values[i]
		}
		if err := r.Scan(into...); err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		for i, v := range values {
			b.WriteString(names[i] + "=" + v.String + " ")
		}
		out = append(out, b.String())
	}
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return out
}

func mustScenarios(t *testing.T, first, last int) []Scenario {
	t.Helper()
	list, err := Scenarios(first, last)
	if err != nil {
		t.Fatal(err)
	}
	return list
}
