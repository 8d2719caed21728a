package shop

import "strings"

// question is a query whose rows are records: the first column is the key, the
// others are properties ("name form") and links ("link name"). Null says
// nothing.
type question struct {
	object, property string
	only             string // the value of the switch with which it is asked
	sql              string
}

const (
	stages = `CASE REPLACE(%s, 'wc-', '') WHEN 'pending' THEN 'Enrollment Pending' WHEN 'on-hold' THEN 'Enrollment Pending' WHEN 'processing' THEN 'Enrollment Processing'
 WHEN 'completed' THEN 'Enrollment Active' WHEN 'cancelled' THEN 'Enrollment Cancelled' WHEN 'failed' THEN 'Enrollment Cancelled' WHEN 'trash' THEN 'Enrollment Cancelled'
 WHEN 'refunded' THEN 'Enrollment Refunded' END`
	states = `CASE REPLACE(%s, 'wc-', '') WHEN 'pending' THEN 'Pending' WHEN 'active' THEN 'Active' WHEN 'on-hold' THEN 'On hold' WHEN 'pending-cancel' THEN 'Pending cancel'
 WHEN 'cancelled' THEN 'Cancelled' WHEN 'expired' THEN 'Expired' WHEN 'switched' THEN 'Switched' WHEN 'trash' THEN 'Cancelled' END`
	items = `(SELECT GROUP_CONCAT(CONCAT_WS(' × ', q.meta_value, i.order_item_name) ORDER BY i.order_item_id SEPARATOR ', ') FROM wp_woocommerce_order_items i
  LEFT JOIN wp_woocommerce_order_itemmeta q ON q.order_item_id = i.order_item_id AND q.meta_key = '_qty' WHERE i.order_id = %s AND i.order_item_type = 'line_item')`
	count = `(SELECT COALESCE(SUM(q.meta_value), 0) FROM wp_woocommerce_order_items i
  JOIN wp_woocommerce_order_itemmeta q ON q.order_item_id = i.order_item_id AND q.meta_key = '_qty' WHERE i.order_id = %s AND i.order_item_type = 'line_item')`
)

var questions = []question{
	{"products", "woo_product_id", "", products},
	{"contacts", "woocommerce_customer_id", "yes", `SELECT u.ID,` + person + `,
 (SELECT COALESCE(SUM(o.total_amount + COALESCE((SELECT SUM(r.total_amount) FROM wp_wc_orders r WHERE r.parent_order_id = o.id AND r.type = 'shop_order_refund'), 0)), 0)
   FROM wp_wc_orders o WHERE o.customer_id = u.ID AND o.type = 'shop_order' AND o.status IN ('wc-processing', 'wc-completed')) AS "woocommerce_lifetime_value number"
 FROM wp_users u WHERE ` + shopper + ` OR EXISTS (SELECT 1 FROM wp_wc_orders o WHERE o.customer_id = u.ID AND o.type = 'shop_order' AND o.status NOT IN ('auto-draft', 'draft', 'wc-checkout-draft'))`},
	{"contacts", "woocommerce_customer_id", "no", `SELECT u.ID,` + person + `,
 (SELECT COALESCE(SUM(` + total("o.ID") + ` + COALESCE((SELECT SUM(` + total("r.ID") + `) FROM wp_posts r WHERE r.post_parent = o.ID AND r.post_type = 'shop_order_refund'), 0)), 0)
   FROM wp_posts o JOIN wp_postmeta c ON c.post_id = o.ID AND c.meta_key = '_customer_user' WHERE c.meta_value = u.ID AND o.post_type = 'shop_order'
   AND o.post_status IN ('wc-processing', 'wc-completed')) AS "woocommerce_lifetime_value number"
 FROM wp_users u WHERE ` + shopper + ` OR EXISTS (SELECT 1 FROM wp_posts o JOIN wp_postmeta c ON c.post_id = o.ID AND c.meta_key = '_customer_user'
   WHERE c.meta_value = u.ID AND o.post_type = 'shop_order' AND o.post_status NOT IN ('auto-draft', 'draft', 'wc-checkout-draft'))`},
	{"contacts", "woocommerce_customer_id", "yes", `SELECT CONCAT('mail:', LOWER(g.billing_email)), LOWER(g.billing_email) AS woo_email,
 IF(EXISTS (SELECT 1 FROM wp_users u WHERE LOWER(u.user_email) = LOWER(g.billing_email)), '', LOWER(g.billing_email)) AS email,
 a.first_name AS firstname, a.last_name AS lastname, a.phone AS "phone phone", a.address_1 AS address, a.city, a.state, a.postcode AS zip, 'true' AS woo_record_active,
 (SELECT COALESCE(SUM(o.total_amount + COALESCE((SELECT SUM(r.total_amount) FROM wp_wc_orders r WHERE r.parent_order_id = o.id AND r.type = 'shop_order_refund'), 0)), 0)
   FROM wp_wc_orders o WHERE o.customer_id = 0 AND LOWER(o.billing_email) = LOWER(g.billing_email) AND o.type = 'shop_order' AND o.status IN ('wc-processing', 'wc-completed'))
   AS "woocommerce_lifetime_value number"
 FROM wp_wc_orders g LEFT JOIN wp_wc_order_addresses a ON a.order_id = g.id AND a.address_type = 'billing'
 WHERE g.id IN (SELECT MAX(id) FROM wp_wc_orders WHERE type = 'shop_order' AND customer_id = 0 AND billing_email <> '' AND status NOT IN ('auto-draft', 'draft', 'wc-checkout-draft') GROUP BY LOWER(billing_email))`},
	{"contacts", "woocommerce_customer_id", "no", `SELECT CONCAT('mail:', LOWER(g.meta_value)), LOWER(g.meta_value) AS woo_email,
 IF(EXISTS (SELECT 1 FROM wp_users u WHERE LOWER(u.user_email) = LOWER(g.meta_value)), '', LOWER(g.meta_value)) AS email,
 ` + fact("g.post_id", "_billing_first_name") + ` AS firstname, ` + fact("g.post_id", "_billing_last_name") + ` AS lastname, ` + fact("g.post_id", "_billing_phone") + ` AS "phone phone",
 ` + fact("g.post_id", "_billing_address_1") + ` AS address, ` + fact("g.post_id", "_billing_city") + ` AS city, ` + fact("g.post_id", "_billing_state") + ` AS state,
 ` + fact("g.post_id", "_billing_postcode") + ` AS zip, 'true' AS woo_record_active,
 (SELECT COALESCE(SUM(` + total("o.ID") + ` + COALESCE((SELECT SUM(` + total("r.ID") + `) FROM wp_posts r WHERE r.post_parent = o.ID AND r.post_type = 'shop_order_refund'), 0)), 0)
   FROM wp_posts o JOIN wp_postmeta b ON b.post_id = o.ID AND b.meta_key = '_billing_email' JOIN wp_postmeta c ON c.post_id = o.ID AND c.meta_key = '_customer_user'
   WHERE c.meta_value = '0' AND LOWER(b.meta_value) = LOWER(g.meta_value) AND o.post_type = 'shop_order' AND o.post_status IN ('wc-processing', 'wc-completed')) AS "woocommerce_lifetime_value number"
 FROM wp_postmeta g WHERE g.meta_id IN (SELECT MAX(b.meta_id) FROM wp_posts o JOIN wp_postmeta b ON b.post_id = o.ID AND b.meta_key = '_billing_email'
   JOIN wp_postmeta c ON c.post_id = o.ID AND c.meta_key = '_customer_user' JOIN
   (SELECT MAX(o.ID) AS latest FROM wp_posts o JOIN wp_postmeta b ON b.post_id = o.ID AND b.meta_key = '_billing_email' JOIN wp_postmeta c ON c.post_id = o.ID AND c.meta_key = '_customer_user'
     WHERE o.post_type = 'shop_order' AND c.meta_value = '0' AND b.meta_value <> '' AND o.post_status NOT IN ('auto-draft', 'draft', 'wc-checkout-draft') GROUP BY LOWER(b.meta_value)) l ON l.latest = o.ID
   GROUP BY o.ID)`},
	{"deals", "woocommerce_order_id", "yes", `SELECT o.id, CONCAT('Order ', o.id) AS dealname, 'ENNU Program Enrollment' AS pipeline, ` + of(stages, "o.status") + ` AS dealstage,
 o.total_amount AS "amount number", o.currency AS woo_currency, o.date_created_gmt AS "woo_order_date time",
 (SELECT d.date_paid_gmt FROM wp_wc_order_operational_data d WHERE d.order_id = o.id) AS "woo_paid_date time", COALESCE(o.payment_method, '') AS payment_method,
 (SELECT COALESCE(-SUM(r.total_amount), 0) FROM wp_wc_orders r WHERE r.parent_order_id = o.id AND r.type = 'shop_order_refund') AS "woo_refunded_amount number",
 IF(EXISTS (SELECT 1 FROM wp_wc_orders r WHERE r.parent_order_id = o.id AND r.type = 'shop_order_refund' AND r.total_amount = 0), 'true', 'false') AS woo_refund_review,
 COALESCE(` + of(items, "o.id") + `, '') AS "woo_items html", ` + of(count, "o.id") + ` AS "woo_item_count number",
 IF(o.customer_id > 0, o.customer_id, CONCAT('mail:', o.billing_email)) AS "link contact"
 FROM wp_wc_orders o WHERE o.type = 'shop_order' AND o.status NOT IN ('auto-draft', 'draft', 'wc-checkout-draft')`},
	{"deals", "woocommerce_order_id", "no", `SELECT o.ID, CONCAT('Order ', o.ID) AS dealname, 'ENNU Program Enrollment' AS pipeline, ` + of(stages, "o.post_status") + ` AS dealstage,
 ` + total("o.ID") + ` AS "amount number", ` + fact("o.ID", "_order_currency") + ` AS woo_currency, o.post_date_gmt AS "woo_order_date time",
 NULLIF(` + fact("o.ID", "_date_paid") + `, '') AS "woo_paid_date epoch", COALESCE(` + fact("o.ID", "_payment_method") + `, '') AS payment_method,
 (SELECT COALESCE(-SUM(` + total("r.ID") + `), 0) FROM wp_posts r WHERE r.post_parent = o.ID AND r.post_type = 'shop_order_refund') AS "woo_refunded_amount number",
 IF(EXISTS (SELECT 1 FROM wp_posts r WHERE r.post_parent = o.ID AND r.post_type = 'shop_order_refund' AND ` + total("r.ID") + ` = 0), 'true', 'false') AS woo_refund_review,
 COALESCE(` + of(items, "o.ID") + `, '') AS "woo_items html", ` + of(count, "o.ID") + ` AS "woo_item_count number", ` + buyer("o.ID") + ` AS "link contact"
 FROM wp_posts o WHERE o.post_type = 'shop_order' AND o.post_status NOT IN ('auto-draft', 'draft', 'wc-checkout-draft')`},
	{"deals", "woocommerce_subscription_id", "yes", `SELECT o.id, CONCAT('Subscription ', o.id) AS dealname, 'ENNU Subscriptions' AS pipeline, ` + of(states, "o.status") + ` AS dealstage,
 ` + of(states, "o.status") + ` AS subscription_status, o.total_amount AS "amount number", o.currency AS woo_currency, COALESCE(o.payment_method, '') AS payment_method,` + schedule("wp_wc_orders_meta", "order_id", "o.id") + `,
 IF(o.customer_id > 0, o.customer_id, CONCAT('mail:', o.billing_email)) AS "link contact", IF(o.parent_order_id > 0, o.parent_order_id, '') AS "link order"
 FROM wp_wc_orders o WHERE o.type = 'shop_subscription' AND o.status NOT IN ('auto-draft', 'draft')`},
	{"deals", "woocommerce_subscription_id", "no", `SELECT o.ID, CONCAT('Subscription ', o.ID) AS dealname, 'ENNU Subscriptions' AS pipeline, ` + of(states, "o.post_status") + ` AS dealstage,
 ` + of(states, "o.post_status") + ` AS subscription_status, ` + total("o.ID") + ` AS "amount number", ` + fact("o.ID", "_order_currency") + ` AS woo_currency,
 COALESCE(` + fact("o.ID", "_payment_method") + `, '') AS payment_method,` + schedule("wp_postmeta", "post_id", "o.ID") + `,
 ` + buyer("o.ID") + ` AS "link contact", IF(o.post_parent > 0, o.post_parent, '') AS "link order"
 FROM wp_posts o WHERE o.post_type = 'shop_subscription' AND o.post_status NOT IN ('auto-draft', 'draft')`},
}

var products = `SELECT p.ID, p.post_title AS "name html", p.post_content AS "description html", COALESCE(l.min_price, '') AS "price number", COALESCE(l.max_price, '') AS "woo_max_price number",
 IF(l.onsale IS NULL, NULL, IF(l.onsale <> 0, 'true', 'false')) AS woo_on_sale, COALESCE(l.sku, '') AS woo_sku,
 IF(COALESCE(l.sku, '') <> '' AND (SELECT COUNT(*) FROM wp_wc_product_meta_lookup s WHERE s.sku = l.sku) = 1, l.sku, '') AS hs_sku,
 IF(l.virtual <> 0, 'service', 'inventory') AS hs_product_type, COALESCE(l.stock_quantity, '') AS "woo_stock_quantity number",
 CASE l.stock_status WHEN 'instock' THEN 'In stock' WHEN 'outofstock' THEN 'Out of stock' WHEN 'onbackorder' THEN 'On backorder' END AS woo_stock_status,
 IF(p.post_parent > 0, p.post_parent, '') AS woo_parent_product_id,
 COALESCE((SELECT GROUP_CONCAT(t.name ORDER BY r.term_taxonomy_id SEPARATOR ', ') FROM wp_term_relationships r
   JOIN wp_term_taxonomy x ON x.term_taxonomy_id = r.term_taxonomy_id AND x.taxonomy = 'product_cat' JOIN wp_terms t ON t.term_id = x.term_id WHERE r.object_id = p.ID), '') AS "woo_categories html"
 FROM wp_posts p LEFT JOIN wp_wc_product_meta_lookup l ON l.product_id = p.ID
 WHERE p.post_type IN ('product', 'product_variation') AND p.post_status = 'publish'`

// person is what an account says of who somebody is.
var person = ` LOWER(u.user_email) AS email, LOWER(u.user_email) AS woo_email, u.user_registered AS "woocommerce_registration_date time", 'true' AS woo_record_active,
 COALESCE(NULLIF(TRIM(` + trait("first_name") + `), ''), ` + trait("billing_first_name") + `) AS firstname,
 COALESCE(NULLIF(TRIM(` + trait("last_name") + `), ''), ` + trait("billing_last_name") + `) AS lastname, ` + trait("billing_phone") + ` AS "phone phone",
 ` + trait("billing_address_1") + ` AS address, ` + trait("billing_city") + ` AS city, ` + trait("billing_state") + ` AS state, ` + trait("billing_postcode") + ` AS zip`

var shopper = trait("wp_capabilities") + ` NOT REGEXP '"(administrator|editor|author|contributor|shop_manager)"'`

func trait(key string) string {
	return `(SELECT m.meta_value FROM wp_usermeta m WHERE m.user_id = u.ID AND m.meta_key = '` + key + `' ORDER BY m.umeta_id DESC LIMIT 1)`
}

func fact(post, key string) string {
	return `(SELECT f.meta_value FROM wp_postmeta f WHERE f.post_id = ` + post + ` AND f.meta_key = '` + key + `' ORDER BY f.meta_id DESC LIMIT 1)`
}

func total(post string) string { return `CAST(` + fact(post, "_order_total") + ` AS DECIMAL(26,8))` }

func buyer(post string) string {
	return `IF(` + fact(post, "_customer_user") + ` > 0, ` + fact(post, "_customer_user") + `, CONCAT('mail:', ` + fact(post, "_billing_email") + `))`
}

// schedule is what a subscription's meta says.
func schedule(table, owner, id string) string {
	meta := func(key string) string {
		return `(SELECT m.meta_value FROM ` + table + ` m WHERE m.` + owner + ` = ` + id + ` AND m.meta_key = '` + key + `' LIMIT 1)`
	}
	return ` COALESCE(` + meta("_schedule_next_payment") + `, '') AS "woo_next_payment_date time", ` + meta("_schedule_start") + ` AS "woo_subscription_start time",
 COALESCE(` + meta("_schedule_end") + `, '') AS "woo_subscription_end time", COALESCE(` + meta("_schedule_trial_end") + `, '') AS "woo_subscription_trial_end time",
 CONCAT(` + meta("_billing_interval") + `, ' ', ` + meta("_billing_period") + `) AS billing_frequency`
}

// of puts what a text is said of into it.
func of(text, what string) string { return strings.ReplaceAll(text, "%s", what) }
