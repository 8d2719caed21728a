package shop

import (
	"regexp"
	"slices"
	"strings"
)

// Past is what the changes in their order say of one record.
type Past struct {
	Live bool // its rows say that there should be such a record
	// Values are those that a property had while the record was live, each once,
	// in the order in which they came.
	Values map[string][]string
}

// fold goes through the log of changes and keeps what the tables hold, as a
// person would follow it on paper.
type fold struct {
	e      *Expectation
	tables map[string]map[string]image
	past   map[ID]*Past
	hpos   bool // the HPOS tables are the authority
}

// image is a row by column; a null is not in it.
type image map[string]string

// Fold says what became of every record that there ever was, from the changes
// in the order in which they were committed.
func (e *Expectation) Fold(txns []Txn) map[ID]*Past {
	f := &fold{e: e, tables: map[string]map[string]image{}, past: map[ID]*Past{}}
	for i := range txns {
		touched := map[string]bool{}
		for k := range txns[i].Changes {
			c := &txns[i].Changes[k]
			if !junk(c) {
				f.apply(c, touched)
			}
		}
		f.look(touched)
	}
	return f.past
}

// apply takes one change in, and notes whose record it is about: "order 7".
func (f *fold) apply(c *Change, touched map[string]bool) {
	rows := f.tables[c.Table.Name]
	if rows == nil {
		rows = map[string]image{}
		f.tables[c.Table.Name] = rows
	}
	if c.Before != nil {
		f.touch(c.Table.Name, picture(c.Table, c.Before), touched)
		delete(rows, c.rowKey(c.Before))
	}
	if c.After != nil {
		img := picture(c.Table, c.After)
		f.touch(c.Table.Name, img, touched)
		rows[c.rowKey(c.After)] = img
	}
}

func picture(t *Table, row []Value) image {
	img := image{}
	for i, v := range row {
		if !v.Null {
			img[t.Columns[i].Name] = v.Text
		}
	}
	return img
}

func (c *Change) rowKey(row []Value) string {
	var key strings.Builder
	for _, i := range c.Table.Key {
		key.WriteString("/" + row[i].Text)
	}
	return key.String()
}

func (f *fold) touch(table string, row image, touched map[string]bool) {
	order := func(id string) {
		touched["order "+id] = true
		touched["subscription "+id] = true
	}
	switch table {
	case "wp_options":
		touched["switch"] = true
	case "wp_users":
		touched["customer "+row["ID"]] = true
	case "wp_usermeta":
		touched["customer "+row["user_id"]] = true
	case "wp_posts":
		touched["product "+row["ID"]] = true
		order(row["ID"])
		order(row["post_parent"])
	case "wp_postmeta":
		order(row["post_id"])
	case "wp_wc_product_meta_lookup":
		touched["product "+row["product_id"]] = true
	case "wp_wc_orders":
		order(row["id"])
		order(row["parent_order_id"])
		touched["customer "+row["customer_id"]] = true
		touched["guest "+strings.ToLower(row["billing_email"])] = true
	case "wp_wc_order_operational_data", "wp_wc_orders_meta", "wp_wc_order_addresses":
		order(row["order_id"])
	}
}

// look sees what the touched records are now.
func (f *fold) look(touched map[string]bool) {
	if touched["switch"] {
		f.hpos = false
		for _, o := range f.tables["wp_options"] {
			if o["option_name"] == switchOption {
				f.hpos = o["option_value"] == "yes"
			}
		}
		// Another authority: everything is looked at again.
		for _, o := range f.tables["wp_wc_orders"] {
			f.touch("wp_wc_orders", o, touched)
		}
		for _, p := range f.tables["wp_posts"] {
			f.touch("wp_posts", p, touched)
		}
		for _, u := range f.tables["wp_users"] {
			f.touch("wp_users", u, touched)
		}
	}
	orders := map[string]bool{}
	for t := range touched {
		if kind, id, _ := strings.Cut(t, " "); kind == "order" {
			orders[id] = true
		}
	}
	for id := range orders {
		if o := f.order(id); o != nil {
			touched["customer "+o.customer] = true
			touched["guest "+strings.ToLower(o.email)] = true
		}
	}
	for t := range touched {
		kind, id, _ := strings.Cut(t, " ")
		if id == "" || id == "0" {
			continue
		}
		switch kind {
		case "order":
			o := f.order(id)
			if o == nil || o.kind != "shop_order" || o.draft() {
				f.gone(ID{"deals", "woocommerce_order_id", id})
				continue
			}
			f.saw(ID{"deals", "woocommerce_order_id", id}, map[string]string{"woo_order_date": o.date, "woo_paid_date": o.paid})
		case "subscription":
			o := f.order(id)
			if o == nil || o.kind != "shop_subscription" || o.draft() {
				f.gone(ID{"deals", "woocommerce_subscription_id", id})
				continue
			}
			f.saw(ID{"deals", "woocommerce_subscription_id", id}, map[string]string{"woo_subscription_start": o.start})
		case "product":
			p := f.tables["wp_posts"]["/"+id]
			if p == nil || p["post_type"] != "product" && p["post_type"] != "product_variation" || p["post_status"] != "publish" {
				f.gone(ID{"products", "woo_product_id", id})
				continue
			}
			f.saw(ID{"products", "woo_product_id", id}, nil)
		case "customer":
			f.customer(id)
		case "guest":
			f.guest(id)
		}
	}
}

var staff = regexp.MustCompile(`"(administrator|editor|author|contributor|shop_manager)"`)

func (f *fold) customer(id string) {
	key := ID{"contacts", "woocommerce_customer_id", id}
	user := f.tables["wp_users"]["/"+id]
	if user == nil {
		f.gone(key)
		return
	}
	meta := f.meta("wp_usermeta", "user_id", id)
	caps, known := meta["wp_capabilities"]
	if !known || staff.MatchString(caps) {
		if !slices.ContainsFunc(f.orders(), func(o *order) bool { return o.customer == id && o.kind == "shop_order" && !o.draft() }) {
			f.gone(key)
			return
		}
	}
	either := func(a, b string) string {
		if v := strings.TrimSpace(meta[a]); v != "" {
			return v
		}
		return meta[b]
	}
	f.saw(key, map[string]string{
		"woo_email": strings.ToLower(user["user_email"]), "woocommerce_registration_date": shape("time", user["user_registered"]),
		"firstname": either("first_name", "billing_first_name"), "lastname": either("last_name", "billing_last_name"),
		"phone": shape("phone", meta["billing_phone"]), "address": meta["billing_address_1"], "city": meta["billing_city"],
		"state": meta["billing_state"], "zip": meta["billing_postcode"],
	})
}

func (f *fold) guest(email string) {
	key := ID{"contacts", "woocommerce_customer_id", f.e.name("mail:" + email)}
	var newest *order
	for _, o := range f.orders() {
		if o.kind == "shop_order" && !o.draft() && o.customer == "0" && strings.EqualFold(o.email, email) &&
			(newest == nil || o.date > newest.date || o.date == newest.date && len(o.id) >= len(newest.id) && o.id > newest.id) {
			newest = o
		}
	}
	if newest == nil {
		f.gone(key)
		return
	}
	values := f.billing(newest.id)
	values["woo_email"] = email
	f.saw(key, values)
}

func (f *fold) gone(id ID) {
	if p := f.past[id]; p != nil {
		p.Live = false
	}
}

func (f *fold) saw(id ID, values map[string]string) {
	p := f.past[id]
	if p == nil {
		p = &Past{Values: map[string][]string{}}
		f.past[id] = p
	}
	p.Live = true
	for name, v := range values {
		if v != "" && !slices.Contains(p.Values[name], v) {
			p.Values[name] = append(p.Values[name], v)
		}
	}
}
