package explain_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"chartwire/cdc"
	"chartwire/pipeline/broker"
	"chartwire/pipeline/broker/brokertest"
	"chartwire/pipeline/cut"
	"chartwire/pipeline/explain"
	"chartwire/pipeline/mapping"
	"chartwire/pipeline/shadow"
	"chartwire/pipeline/writes"
	"chartwire/schemas"
	"chartwire/schemas/hubspot"
	"chartwire/schemas/maps/ddl"
	"chartwire/sinks"

	"github.com/twmb/franz-go/pkg/kgo"
)

const shopDDL = `CREATE TABLE orders (
  id bigint unsigned NOT NULL, type varchar(20), customer bigint unsigned, email varchar(320), parent bigint unsigned, total decimal(26,8), PRIMARY KEY (id));
CREATE TABLE order_meta (
  meta_id bigint unsigned NOT NULL, order_id bigint unsigned, meta_key varchar(255), meta_value longtext, PRIMARY KEY (meta_id));
CREATE TABLE items (item_id bigint unsigned NOT NULL, order_id bigint unsigned, name text, PRIMARY KEY (item_id));
CREATE TABLE item_meta (
  meta_id bigint unsigned NOT NULL, item_id bigint unsigned, meta_key varchar(255), meta_value longtext, PRIMARY KEY (meta_id));
CREATE TABLE products (id bigint unsigned NOT NULL, title text, PRIMARY KEY (id));`

const ordersMap = `map: test/orders
source: shop
entity:
  root: orders
  where: type == "order"
  with:
    meta:     { table: order_meta, by: order_id, pivot: [meta_key, meta_value] }
    items:    { table: items, by: order_id, many: true }
    itemmeta: { table: item_meta, by: { item_id: items.item_id }, pivot: [meta_key, meta_value] }
    product:  { table: products, by: { id: itemmeta._product_id } }
    refunds:  { table: orders, by: parent, where: type == "refund", many: true }
record: hubspot.deals
key: { woocommerce_order_id: text(id) }
class: 15m
on_delete: archive
on_leave: archive
properties:
  dealname:  { from: '"Order " + text(id)' }
  amount:    { from: total, class: 5m }
  pipeline:  { is: ENNU Program Enrollment }
  dealstage: { is: Enrollment Pending }
  woo_items: { from: 'join(", ", items, product.title)' }
  woo_refunded_amount: { from: '0 - sum(refunds, .total)' }
  payment_method: { from: meta._payment_method }
  woo_item_count: { from: count(items) }
links:
  contact: { to: hubspot.contacts, key: { woocommerce_customer_id: 'customer > 0 ? text(customer) : guest(email)' } }
`

const guestsMap = `map: test/guests
source: shop
entity:
  root: orders
  where: type == "order" and customer == 0
  group: guest(email)
  latest: [id]
record: hubspot.contacts
key: { woocommerce_customer_id: guest(email) }
class: 15m
on_delete: keep
on_leave: keep
properties:
  firstname: { from: '"Guest with " + text(count(rows)) + " orders"' }
`

const customersMap = `map: test/customers
source: shop
entity: { root: products }
record: hubspot.contacts
key: { woocommerce_customer_id: '"p" + text(id)' }
class: 15m
on_delete: keep
properties:
  lastname: { from: title }
  city: { from: filled(title), on_null: clear }
`

// world is topics that hold what a small shop's stages wrote.
type world struct {
	t       *testing.T
	conn    broker.Config
	topics  schemas.Topics
	cl      *kgo.Client
	tables  map[string]*cdc.Table
	schemas []*schemas.RowSchema // by id
	ids     map[string]int
	program *mapping.Program
	seq     int64
}

func newWorld(t *testing.T, maps ...string) *world {
	t.Helper()
	w := &world{t: t, conn: brokertest.Start(t), topics: schemas.Topics{Prefix: "crm"}, tables: map[string]*cdc.Table{}, ids: map[string]int{}, seq: 100}
	tables, err := ddl.Parse("shop", "db", shopDDL)
	w.must(err)
	objects, err := hubspot.Default()
	w.must(err)
	var files []mapping.File
	for i, m := range maps {
		files = append(files, mapping.File{Name: fmt.Sprintf("test/%d.yaml", i), Text: []byte(m)})
	}
	w.program, err = mapping.Compile(files, mapping.Env{Sources: []mapping.Source{{Name: "shop", Zone: time.UTC}}, Tables: tables,
		Objects: map[string]*hubspot.Schema{"hubspot": objects}, SiteKey: []byte("a key of the tests, long enough")})
	w.must(err)
	w.cl, err = w.conn.Client()
	w.must(err)
	t.Cleanup(w.cl.Close)
	need := []broker.Topic{broker.Cuts(w.topics.Cuts("shop"))}
	for _, table := range tables {
		s, err := schemas.NewRowSchema(table)
		w.must(err)
		w.tables[table.Name], w.ids[table.Name] = table, len(w.schemas)
		w.schemas = append(w.schemas, s)
		need = append(need, broker.Rows(w.topics.Rows("shop", table.ID()), 2, time.Hour))
	}
	w.must(broker.EnsureTopics(t.Context(), w.cl, w.conn, need...))
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) produce(recs ...*kgo.Record) {
	w.t.Helper()
	var need []broker.Topic
	for _, r := range recs {
		if !strings.Contains(r.Topic, ".rows.") {
			need = append(need, broker.Compacted(r.Topic))
		}
	}
	w.must(broker.EnsureTopics(w.t.Context(), w.cl, w.conn, need...))
	w.must(w.cl.ProduceSync(w.t.Context(), recs...).FirstErr())
}

// put writes a row as it is now: its columns are given as "name=text".
func (w *world) put(table string, columns ...string) {
	w.t.Helper()
	cells := map[string]*string{}
	for _, c := range columns {
		name, text, _ := strings.Cut(c, "=")
		cells[name] = &text
	}
	row, err := mapping.EncodeRow(w.tables[table], cells)
	w.must(err)
	w.change(table, row, &schemas.Envelope{After: row, Op: cdc.Update})
}

func (w *world) change(table string, row cdc.Row, e *schemas.Envelope) {
	w.t.Helper()
	key, err := schemas.AppendKey(nil, w.tables[table], row)
	w.must(err)
	w.seq++
	e.Source = schemas.Source{Name: "shop", Database: "db", Table: table, Seq: w.seq, CommitMs: 1_790_000_000_000 + w.seq*1000, GTID: fmt.Sprint("0-1-", w.seq)}
	w.produce(&kgo.Record{Topic: w.topics.Rows("shop", w.tables[table].ID()), Partition: int32(len(key) % 2), Key: key,
		Value: schemas.AppendEnvelope(nil, w.ids[table], e)})
}

func (w *world) mutation(m *sinks.Mutation) {
	w.t.Helper()
	m.Sink, m.Flow, m.Existence, m.Reason = "hubspot", "shop", sinks.Present, mapping.ReasonChange
	r, err := writes.Record(w.topics, m)
	w.must(err)
	r.Timestamp = time.UnixMilli(1_790_000_500_000 + m.Version)
	w.produce(r)
}

func (w *world) held(r sinks.Record, at int64, e *shadow.Entry) {
	w.t.Helper()
	w.produce(&kgo.Record{Topic: w.topics.Shadow("hubspot"), Key: []byte(r.ID()), Value: e.Append(nil), Timestamp: time.UnixMilli(at)})
}

func (w *world) explain(m int, key string) (*explain.Report, error) {
	return explain.Record(w.t.Context(), explain.Options{Connection: w.conn, Topics: w.topics, Flow: "shop", Map: w.program.Maps[m],
		Schema: func(_ context.Context, id int) (*schemas.RowSchema, error) { return w.schemas[id], nil }}, key)
}

// said is what an explanation says of a property, and what it read.
func said(r *explain.Report, name string) string {
	for i := range r.Properties {
		x := &r.Properties[i]
		if x.Name != name {
			continue
		}
		text := fmt.Sprintf("%s %s%s <- %s", x.State, x.Value, x.Why, x.From)
		for _, in := range x.Readings {
			value := in.Value
			if in.Null {
				value = "null"
			}
			text += fmt.Sprintf("; %s %s/%s %s%s=%s @%d", in.Alias, in.Table.Name, in.Row, in.Column, in.Pivot, value, in.Seq)
		}
		return text
	}
	return "not there"
}

func (w *world) want(r *explain.Report, name, want string) {
	w.t.Helper()
	if got := said(r, name); got != want {
		w.t.Errorf("%s:\n%s, want\n%s", name, got, want)
	}
}

// TestRecord explains a deal of five tables: rows that moved to another order
// or are gone count no more, and a refund, whose row is of the root's table and
// named by the mutation, is not taken for the order.
func TestRecord(t *testing.T) {
	w := newWorld(t, ordersMap)
	w.put("orders", "id=70", "type=order", "customer=5", "total=1")
	w.put("orders", "id=71", "type=order", "customer=0", "email=ann@example.com", "total=40")   // 102
	w.put("orders", "id=71", "type=order", "customer=0", "email=ann@example.com", "total=49.5") // 103
	w.put("items", "item_id=5", "order_id=71", "name=x")
	w.put("items", "item_id=6", "order_id=71", "name=x")
	w.put("items", "item_id=7", "order_id=71", "name=x")
	w.put("items", "item_id=7", "order_id=70", "name=x") // moved: 107
	w.put("item_meta", "meta_id=1", "item_id=5", "meta_key=_product_id", "meta_value=900")
	w.put("item_meta", "meta_id=2", "item_id=6", "meta_key=_product_id", "meta_value=901")
	w.put("item_meta", "meta_id=3", "item_id=7", "meta_key=_product_id", "meta_value=902")
	w.put("products", "id=900", "title=Tea") // 111
	w.put("products", "id=901", "title=Cup")
	w.put("products", "id=902", "title=Pot")
	w.put("order_meta", "meta_id=1", "order_id=71", "meta_key=_payment_method", "meta_value=card") // 114
	w.put("order_meta", "meta_id=2", "order_id=71", "meta_key=_else", "meta_value=card")
	w.put("orders", "id=72", "type=refund", "parent=71", "total=-9.5") // 116
	w.put("orders", "id=73", "type=refund", "parent=71", "total=-1")
	gone, err := mapping.EncodeRow(w.tables["orders"], map[string]*string{"id": text("73")})
	w.must(err)
	w.change("orders", gone, &schemas.Envelope{Before: gone, Op: cdc.Delete})

	record := sinks.Record{Object: "deals", Property: "woocommerce_order_id", Key: "71"}
	w.mutation(&sinks.Mutation{Map: "test/orders", Record: record, Lane: sinks.Backfill, Version: 1,
		Origin: []sinks.Origin{{Source: "shop", Table: "db.orders", Row: "71", Seq: 102}}, Properties: []sinks.Property{{Name: "amount", State: sinks.Set, Value: "40"}}})
	w.mutation(&sinks.Mutation{Map: "test/orders", Record: record, Lane: sinks.Routine, Version: 9,
		Origin: []sinks.Origin{{Source: "shop", Table: "db.orders", Row: "72", Seq: 116}}, Properties: []sinks.Property{{Name: "amount", State: sinks.Set, Value: "49.5"}}})
	w.held(record, 1000, &shadow.Entry{ID: "9001", Version: 1, Properties: []shadow.Property{{Name: "amount", Held: true, Value: "40", Version: 1}, {Name: "dealname", Held: true, Value: "Order 71", Version: 1}}})
	w.held(record, 2000, &shadow.Entry{ID: "9001", Version: 9, Properties: []shadow.Property{{Name: "amount", Held: true, Value: "49.5", Version: 9}, {Name: "dealname", Held: true, Value: "Order 71", Version: 9}}})

	r, err := w.explain(0, "71")
	w.must(err)
	if r.Mutation.Version != 9 || r.Root != "71" || r.Entry.ID != "9001" || r.Presence != mapping.Present || len(r.Letters) != 0 {
		t.Errorf("%+v", r)
	}
	if r.Since["amount"].UnixMilli() != 2000 || r.Since["dealname"].UnixMilli() != 1000 || r.Before["amount"] {
		t.Errorf("held since %v, %v", r.Since, r.Before)
	}
	w.want(r, "dealname", `set Order 71 <- "Order " + text(id);  orders/71 id=71 @103`)
	w.want(r, "amount", `set 49.5 <- total;  orders/71 total=49.5 @103`)
	w.want(r, "pipeline", `set ENNU Program Enrollment <- `)
	w.want(r, "payment_method", `set card <- meta._payment_method; meta order_meta/1 meta_value_payment_method=card @114`)
	w.want(r, "woo_refunded_amount", `set 9.5 <- 0 - sum(refunds, .total); refunds orders/72 total=-9.5 @116`)
	w.want(r, "woo_items", `set Tea, Cup <- join(", ", items, product.title); items items/5 = @104; items items/6 = @105; product products/900 title=Tea @111; product products/901 title=Cup @112`)
	w.want(r, "woo_item_count", `set 2 <- count(items); items items/5 = @104; items items/6 = @105`)
	if got := said(r, "contact"); !strings.Contains(got, "set contacts guest:") || !strings.Contains(got, "orders/71 email=ann@example.com @103") {
		t.Error(got)
	}
	if _, err := w.explain(0, "nobody"); !errors.Is(err, explain.ErrNothing) {
		t.Errorf("an unknown record: %v", err)
	}

	// A table that was emptied has no rows, whatever its topic holds.
	value, err := cut.Encode(&cut.Cut{Source: "shop", Seq: 200, Full: true, Epochs: []cdc.Epoch{{Table: w.tables["items"].ID(), Kind: cdc.EpochTruncate, Seq: 150}}})
	w.must(err)
	w.produce(&kgo.Record{Topic: w.topics.Cuts("shop"), Key: []byte("shop"), Value: value})
	r, err = w.explain(0, "71")
	w.must(err)
	w.want(r, "woo_item_count", `set 0 <- count(items)`)
}

// TestGroup explains a guest: the rows of all orders with one e-mail address.
func TestGroup(t *testing.T) {
	w := newWorld(t, guestsMap)
	w.put("orders", "id=1", "type=order", "customer=0", "email=ann@example.com")
	w.put("orders", "id=2", "type=order", "customer=0", "email=bob@example.com")
	w.put("orders", "id=3", "type=order", "customer=0", "email= Ann@Example.com")
	key := ""
	e := w.program.Maps[0].Evaluator()
	row, err := mapping.EncodeRow(w.tables["orders"], map[string]*string{"id": text("3"), "email": text("ann@example.com")})
	w.must(err)
	key, _, err = e.RecordKey(&mapping.Row{Key: "3", Schema: w.schemas[w.ids["orders"]], Data: row})
	w.must(err)
	if !strings.HasPrefix(key, "guest:") {
		t.Fatalf("key %q", key)
	}
	w.mutation(&sinks.Mutation{Map: "test/guests", Record: sinks.Record{Object: "contacts", Property: "woocommerce_customer_id", Key: key}, Version: 1,
		Origin: []sinks.Origin{{Source: "shop", Table: "db.orders", Row: "1"}}})
	for _, ask := range []string{key, "1"} { // the record, or a row
		r, err := w.explain(0, ask)
		w.must(err)
		w.want(r, "firstname", `set Guest with 2 orders <- "Guest with " + text(count(rows)) + " orders";  orders/1 = @101;  orders/3 = @103`)
	}
}

// TestOneTable explains records of a map of one table: as it is, with what is
// made empty, and when the row is gone.
func TestOneTable(t *testing.T) {
	w := newWorld(t, customersMap)
	w.put("products", "id=4", "title=Tea")
	w.put("products", "id=5", "title=")
	record := func(key string) sinks.Record {
		return sinks.Record{Object: "contacts", Property: "woocommerce_customer_id", Key: key}
	}
	for _, id := range []string{"4", "5", "6"} {
		w.mutation(&sinks.Mutation{Map: "test/customers", Record: record("p" + id), Version: 1, Origin: []sinks.Origin{{Source: "shop", Table: "db.products", Row: id}}})
	}
	r, err := w.explain(0, "p4")
	w.must(err)
	w.want(r, "lastname", `set Tea <- title;  products/4 title=Tea @101`)
	r, err = w.explain(0, "5")
	w.must(err)
	w.want(r, "city", `clear  <- filled(title);  products/5 title= @102`)
	if r, err = w.explain(0, "p6"); err != nil || r.Mapped || r.Entry != nil {
		t.Errorf("a row that is gone: %+v, %v", r, err)
	}
}

func text(s string) *string { return &s }
