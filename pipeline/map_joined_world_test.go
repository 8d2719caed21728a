package pipeline_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"chartwire/cdc"
	"chartwire/pipeline"
	"chartwire/pipeline/broker"
	"chartwire/pipeline/broker/brokertest"
	"chartwire/pipeline/mapping"
	"chartwire/schemas"
	"chartwire/schemas/hubspot"
)

// shopMaps join a shop's tables over two steps, by look-ups that fan out and
// with a table of another source, and group orders by their e-mail.
const shopOrders = `
map: shop/orders
source: shop
entity:
  root: orders
  where: kind == "order"
  with:
    items:    { table: items, by: order_id, many: true }
    itemmeta: { table: metas, by: { item_id: items.id }, pivot: [k, v] }
    product:  { table: products, by: { id: itemmeta.product } }
    refunds:  { table: orders, by: parent, where: kind == "refund", many: true }
    term:     { table: terms, by: { id: term_id } }
    people:   { source: om, table: people, by: { lower(email): lower(email) }, many: true }
  settle: 60ms up to 400ms
phi: []
record: hubspot.orders
key: { ext_id: text(id) }
class: 5m
on_delete: archive
on_leave: archive
properties:
  status:   { from: status, on_null: clear }
  total:    { from: 'total + sum(refunds, .total)' }
  items:    { from: 'join("|", items, coalesce(.name, "-") + ":" + coalesce(itemmeta.qty, "-") + ":" + coalesce(product.title, "-"))', on_null: clear }
  term:     { from: term.name, on_null: clear }
  people:   { from: text(count(people)) }
`

const shopGuests = `
map: shop/guests
source: shop
entity:
  root: orders
  where: kind == "order" and customer == 0
  group: lower(email)
  latest: [id]
  with:
    term: { table: terms, by: { id: term_id } }
  settle: 60ms up to 400ms
phi: []
record: hubspot.guests
key: { ext_id: lower(email) }
class: 5m
on_delete: archive
on_leave: archive
properties:
  status: { from: status, on_null: clear }
  total:  { from: 'sum(rows, .total)' }
  term:   { from: term.name, on_null: clear }
  items:  { from: 'join("/", rows, text(.id))', on_null: clear }
`

// cells are the texts of a row's columns; what is not there is null.
type cells map[string]string

// joinedWorld is a shop and a clinic, and what a Map should make of them.
type joinedWorld struct {
	*mapWorld // the shop
	om        *mapWorld
	rows      map[string]map[int]cells // by table
	gone      map[string]bool          // records that were not there at some moment since they were
	there     map[string]bool
	maps      string // as they were compiled last
}

func newJoinedWorld(t testing.TB, conn broker.Config, prefix string, partitions func() int) *joinedWorld {
	t.Helper()
	w := &joinedWorld{mapWorld: newMapSource(t, conn, prefix, "shop"), om: newMapSource(t, conn, prefix, "om"),
		rows: map[string]map[int]cells{}, gone: map[string]bool{}, there: map[string]bool{}}
	w.road, w.mapConn = brokertest.NewRoad(conn)
	w.flow = "shop"
	text := cdc.Type{Kind: cdc.KindText, Charset: "utf8mb4"}
	number := cdc.Type{Kind: cdc.KindInt, Bits: 64}
	add := func(in *mapWorld, name, columns string) {
		list := []cdc.Column{{Name: "id", Type: number}}
		for _, c := range strings.Fields(columns) {
			c, isNumber := strings.CutSuffix(c, "#")
			typ := text
			if isNumber {
				typ = number
			}
			list = append(list, cdc.Column{Name: c, Type: typ})
		}
		in.table(name, list...)
		in.parts[in.topics.Rows(in.source, in.tables[name].ID())] = partitions()
		w.rows[name] = map[int]cells{}
	}
	add(w.mapWorld, "orders", "kind status customer# email parent# total# term_id#")
	add(w.mapWorld, "items", "order_id# name")
	add(w.mapWorld, "metas", "item_id# k v")
	add(w.mapWorld, "products", "title")
	add(w.mapWorld, "terms", "name")
	add(w.mapWorld, "options", "name value")
	add(w.om, "people", "email")
	for name := range w.om.tables {
		w.om.ids[name] += omSchemas
	}
	w.ensure()
	w.om.ensure()
	return w
}

// find knows the schemas of both sources.
func (w *joinedWorld) find(ctx context.Context, id int) (*schemas.RowSchema, error) {
	if id > omSchemas {
		return w.om.find(ctx, id-omSchemas)
	}
	return w.mapWorld.find(ctx, id)
}

// omSchemas is what the ids of the clinic's schemas begin after.
const omSchemas = 1000

func (w *joinedWorld) source(table string) *mapWorld {
	if table == "people" {
		return w.om
	}
	return w.mapWorld
}

func (w *joinedWorld) compile(files ...string) *mapping.Program {
	w.Helper()
	object := func(name string) *hubspot.Object {
		o := &hubspot.Object{Name: name, Properties: []*hubspot.Property{{Name: "ext_id", Type: hubspot.String, Unique: true}, {Name: "total", Type: hubspot.Number}}}
		for _, p := range []string{"status", "items", "term", "people"} {
			o.Properties = append(o.Properties, &hubspot.Property{Name: p, Type: hubspot.String})
		}
		return o
	}
	env := mapping.Env{Sources: []mapping.Source{{Name: "shop", Zone: time.UTC}, {Name: "om", Zone: time.UTC}},
		Objects: map[string]*hubspot.Schema{"hubspot": {Objects: []*hubspot.Object{object("orders"), object("guests")}}}}
	for _, in := range []*mapWorld{w.mapWorld, w.om} {
		for _, name := range slices.Sorted(maps.Keys(in.tables)) {
			env.Tables = append(env.Tables, in.tables[name])
		}
	}
	var in []mapping.File
	for i, text := range files {
		in = append(in, mapping.File{Name: fmt.Sprintf("%d.yaml", i), Text: []byte(text)})
	}
	w.maps = strings.Join(files, "")
	p, err := mapping.Compile(in, env)
	if err != nil {
		w.Fatalf("compiling the shop's maps:\n%v", err)
	}
	return p
}

func (w *joinedWorld) options(dir string, p *mapping.Program) pipeline.MapOptions {
	o := w.mapWorld.options(dir, p)
	o.Schema, o.Quiet = w.find, time.Millisecond
	return o
}

// rowEdit sets a row; nil cells delete it.
type rowEdit struct {
	table string
	id    int
	cells cells
}

func (w *joinedWorld) image(table string, id int, c cells) cdc.Row {
	if c == nil {
		return nil
	}
	all := map[string]*string{"id": new(string)}
	*all["id"] = strconv.Itoa(id)
	for k, v := range c {
		all[k] = &v
	}
	row, err := mapping.EncodeRow(w.source(table).tables[table], all)
	if err != nil {
		w.Fatal(err)
	}
	return row
}

// change carries an edit out in the database, and gives it as the stream shows
// it; false if it changes nothing.
func (w *joinedWorld) change(e rowEdit) (worldChange, bool) {
	c := worldChange{table: e.table, id: e.id, op: cdc.Update}
	c.before, c.after = w.image(e.table, e.id, w.rows[e.table][e.id]), w.image(e.table, e.id, e.cells)
	if e.cells == nil {
		delete(w.rows[e.table], e.id)
	} else {
		w.rows[e.table][e.id] = e.cells
	}
	switch {
	case c.before == nil && c.after == nil:
		return c, false
	case c.before == nil:
		c.op = cdc.Create
	case c.after == nil:
		c.op = cdc.Delete
	}
	return c, true
}

// transact adds a transaction of each source that the edits are in.
func (w *joinedWorld) transact(shop, om *batch, edits ...rowEdit) {
	var changes, others []worldChange
	for _, e := range edits {
		c, ok := w.change(e)
		switch {
		case !ok:
		case e.table == "people":
			others = append(others, c)
		default:
			changes = append(changes, c)
		}
	}
	if len(changes) > 0 {
		shop.txn(changes...)
	}
	if len(others) > 0 {
		om.txn(others...)
	}
	w.look()
}

// edit makes transactions of edits, each with its cut.
func (w *joinedWorld) edit(edits ...rowEdit) {
	w.Helper()
	shop, om := w.batch(), w.om.batch()
	w.transact(shop, om, edits...)
	shop.commit(0)
	om.commit(0)
}

// look notes which records are there.
func (w *joinedWorld) look() {
	now := w.expected()
	for key := range w.there {
		if now[key] == "" {
			w.gone[key] = true
		}
	}
	for key := range now {
		w.there[key] = true
	}
}

// until waits until all changes are read and committed, mapped or not.
func (w *joinedWorld) until(m *mapRun) {
	w.Helper()
	w.wait(m, "all is read", func(s pipeline.MapStatus) bool {
		return s.Holding && !s.Rebuilding && w.read(s)
	})
}

func (w *joinedWorld) read(s pipeline.MapStatus) bool {
	return s.Sources["shop"].Seq >= w.seq && (s.Sources["om"].Seq >= w.om.seq || !strings.Contains(w.maps, "source: om"))
}

// settled waits until everything is mapped.
func (w *joinedWorld) settled(m *mapRun) {
	w.Helper()
	w.wait(m, "all is mapped", func(s pipeline.MapStatus) bool {
		return s.Holding && !s.Rebuilding && s.Pending == 0 && len(s.Remapping) == 0 && w.read(s)
	})
}
