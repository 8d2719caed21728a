package shop

import "strings"

// order is an order, a refund or a subscription, whichever tables hold it.
type order struct {
	id, kind, status, customer, email string
	date, paid, start                 string // as HubSpot stores them
}

func (o *order) draft() bool {
	return o.status == "auto-draft" || o.status == "draft" || o.status == "wc-checkout-draft"
}

// order finds an order by its id, nil if the authority has none.
func (f *fold) order(id string) *order {
	if f.hpos {
		return f.row(f.tables["wp_wc_orders"]["/"+id])
	}
	return f.post(f.tables["wp_posts"]["/"+id])
}

// orders are all orders of the authority.
func (f *fold) orders() (list []*order) {
	if f.hpos {
		for _, r := range f.tables["wp_wc_orders"] {
			list = append(list, f.row(r))
		}
		return list
	}
	for _, p := range f.tables["wp_posts"] {
		if o := f.post(p); o != nil {
			list = append(list, o)
		}
	}
	return list
}

func (f *fold) row(r image) *order {
	if r == nil {
		return nil
	}
	o := &order{id: r["id"], kind: r["type"], status: r["status"], customer: r["customer_id"], email: r["billing_email"], date: shape("time", r["date_created_gmt"])}
	for _, d := range f.tables["wp_wc_order_operational_data"] {
		if d["order_id"] == o.id {
			o.paid = shape("time", d["date_paid_gmt"])
		}
	}
	if o.kind == "shop_subscription" {
		o.start = shape("time", f.meta("wp_wc_orders_meta", "order_id", o.id)["_schedule_start"])
	}
	return o
}

func (f *fold) post(p image) *order {
	if p == nil || !strings.HasPrefix(p["post_type"], "shop_") || p["post_type"] == "shop_order_placehold" {
		return nil
	}
	meta := f.meta("wp_postmeta", "post_id", p["ID"])
	return &order{id: p["ID"], kind: p["post_type"], status: p["post_status"], customer: meta["_customer_user"], email: meta["_billing_email"],
		date: shape("time", p["post_date_gmt"]), paid: shape("epoch", meta["_date_paid"]), start: shape("time", meta["_schedule_start"])}
}

// meta is the meta of one owner.
func (f *fold) meta(table, column, owner string) image {
	out := image{}
	for _, r := range f.tables[table] {
		if r[column] == owner {
			out[r["meta_key"]] = r["meta_value"]
		}
	}
	return out
}

// billing is the address that an order is billed to.
func (f *fold) billing(id string) map[string]string {
	if !f.hpos {
		m := f.meta("wp_postmeta", "post_id", id)
		return map[string]string{"firstname": m["_billing_first_name"], "lastname": m["_billing_last_name"], "phone": shape("phone", m["_billing_phone"]),
			"address": m["_billing_address_1"], "city": m["_billing_city"], "state": m["_billing_state"], "zip": m["_billing_postcode"]}
	}
	for _, a := range f.tables["wp_wc_order_addresses"] {
		if a["order_id"] == id && a["address_type"] == "billing" {
			return map[string]string{"firstname": a["first_name"], "lastname": a["last_name"], "phone": shape("phone", a["phone"]),
				"address": a["address_1"], "city": a["city"], "state": a["state"], "zip": a["postcode"]}
		}
	}
	return map[string]string{}
}
