package shop

import (
	"math/rand/v2"
	"slices"
	"strings"
)

// switchOption is the option that says which tables are the authority over
// orders.
const switchOption = "woocommerce_custom_orders_table_enabled"

// junk reports whether a change is noise that every request makes: its rows are
// shared by all shoppers, and no map reads them.
func junk(c *Change) bool {
	switch name := c.Table.Name; {
	case name == "wp_options":
		row := c.After
		if row == nil {
			row = c.Before
		}
		option, _ := c.Table.text(row, "option_name")
		return option != switchOption
	case strings.HasPrefix(name, "wp_actionscheduler_"), strings.HasPrefix(name, "wp_wc_admin_note"):
		return true
	default:
		return name == "wp_woocommerce_sessions" || name == "wp_wc_rate_limits" || name == "wp_wc_reserved_stock"
	}
}

// parents says which columns name a row of another table: WordPress has no
// foreign keys, but a shop writes no child before its parent.
var parents = map[string]map[string]string{
	"wp_usermeta":                     {"user_id": "wp_users"},
	"wp_postmeta":                     {"post_id": "wp_posts"},
	"wp_posts":                        {"post_parent": "wp_posts"},
	"wp_term_taxonomy":                {"term_id": "wp_terms"},
	"wp_term_relationships":           {"term_taxonomy_id": "wp_term_taxonomy"},
	"wp_wc_product_meta_lookup":       {"product_id": "wp_posts"},
	"wp_wc_orders":                    {"customer_id": "wp_users", "parent_order_id": "wp_wc_orders"},
	"wp_wc_orders_meta":               {"order_id": "wp_wc_orders"},
	"wp_wc_order_addresses":           {"order_id": "wp_wc_orders"},
	"wp_wc_order_operational_data":    {"order_id": "wp_wc_orders"},
	"wp_woocommerce_order_itemmeta":   {"order_item_id": "wp_woocommerce_order_items"},
	"wp_woocommerce_order_items":      {"order_id": "wp_posts"},
	"wp_wc_order_product_lookup":      {"order_id": "wp_posts", "product_id": "wp_posts"},
	"wp_woocommerce_payment_tokens":   {"user_id": "wp_users"},
	"wp_wc_order_stats":               {"order_id": "wp_posts"},
	"wp_woocommerce_order_tax_lookup": {"order_id": "wp_posts"},
}

// touched gives the keys of the rows that a transaction writes or names.
func touched(t *Txn) (writes, names []string) {
	for i := range t.Changes {
		c := &t.Changes[i]
		if junk(c) {
			continue
		}
		writes = append(writes, c.Key())
		for column, table := range parents[c.Table.Name] {
			for _, row := range [][]Value{c.Before, c.After} {
				if id, ok := c.Table.text(row, column); ok && id != "0" {
					names = append(names, table+"/"+id)
				}
			}
		}
	}
	return writes, names
}

// node is one transaction in the weave.
type node struct {
	txn    *Txn
	before int // transactions that must come first and have not
	after  []int
}

// Weave interleaves the scenarios as if so many shoppers came at once. Each
// scenario keeps its own order, a row's changes keep theirs, and no row is
// written before the rows that it names, nor after their end. The same seed
// gives the same order.
func Weave(list []Scenario, shoppers int, seed uint64) []Txn {
	nodes, starts := sequence(list)
	r := rand.New(rand.NewPCG(seed, 55))
	next := append([]int(nil), starts[:len(list)]...)
	var open []int // scenarios that have begun and not ended
	begun := 0
	out := make([]Txn, 0, len(nodes))
	for len(out) < len(nodes) {
		for begun < len(list) && len(open) < shoppers {
			if next[begun] < starts[begun+1] {
				open = append(open, begun)
			}
			begun++
		}
		// The scenario that began first is never blocked: all that it waits for
		// is in scenarios before it, which have ended.
		pick := r.IntN(len(open))
		for nodes[next[open[pick]]].before > 0 {
			pick = (pick + 1) % len(open)
		}
		s := open[pick]
		n := &nodes[next[s]]
		out = append(out, *n.txn)
		for _, a := range n.after {
			nodes[a].before--
		}
		if next[s]++; next[s] == starts[s+1] {
			open = append(open[:pick], open[pick+1:]...)
		}
	}
	return out
}

// WeaveAll is Weave with the switch among the scenarios: the shop copies all its
// orders from one place to the other before it switches, so those that were
// recorded before the copy come before it.
func WeaveAll(list []Scenario, shoppers int, seed uint64) []Txn {
	n := slices.IndexFunc(list, func(s Scenario) bool { return s.Number == Switched })
	if n < 0 {
		return Weave(list, shoppers, seed)
	}
	return append(Weave(list[:n], shoppers, seed), Weave(list[n:], shoppers, seed)...)
}

// sequence finds what must come before what. starts has each scenario's first
// node, and one more.
func sequence(list []Scenario) (nodes []node, starts []int) {
	written := map[string]int{} // the last transaction that wrote the row
	named := map[string][]int{} // those that named it since
	requires := func(n, first int) {
		if first != n {
			nodes[first].after = append(nodes[first].after, n)
			nodes[n].before++
		}
	}
	for s := range list {
		starts = append(starts, len(nodes))
		for i := range list[s].Txns {
			n := len(nodes)
			nodes = append(nodes, node{txn: &list[s].Txns[i]})
			if i > 0 {
				requires(n, n-1)
			}
			writes, names := touched(nodes[n].txn)
			for _, key := range names {
				if first, ok := written[key]; ok {
					requires(n, first)
				}
			}
			for _, key := range writes {
				if first, ok := written[key]; ok {
					requires(n, first)
				}
				for _, first := range named[key] {
					requires(n, first)
				}
				written[key], named[key] = n, nil
			}
			for _, key := range names {
				named[key] = append(named[key], n)
			}
		}
	}
	return nodes, append(starts, len(nodes))
}

// InOrder is the scenarios one after the other.
func InOrder(list []Scenario) []Txn {
	var out []Txn
	for _, s := range list {
		out = append(out, s.Txns...)
	}
	return out
}
