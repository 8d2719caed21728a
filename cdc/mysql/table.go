package mysql

import (
	"bytes"
	"errors"
	"slices"

	"chartwire/cdc"
	"chartwire/cdc/mysql/image"

	"github.com/cespare/xxhash/v2"
)

// table is one version of a table as a table-map event describes it.
type table struct {
	raw  []byte // the event, but for its table number
	m    tableMap
	id   cdc.TableID
	name string // for fingerprints
	// selection is nil for a table that nobody asked for.
	selection *cdc.Selection
	// enc and shape are made when the first row comes: a table that never
	// changes needs no supported types.
	enc   *image.Encoder
	shape *cdc.Table
	load  *load
}

// tables knows every version of a table that the log described, by number and
// by content: a server describes a table before each statement, and gives it a
// new number whenever it opens it.
type tables struct {
	byNumber  map[uint64]*table
	byContent map[uint64]*table
	selected  map[cdc.TableID]*cdc.Selection
}

func newTables(selected map[cdc.TableID]*cdc.Selection) tables {
	return tables{byNumber: map[uint64]*table{}, byContent: map[uint64]*table{}, selected: selected}
}

// maxTables bounds what is remembered of a server with very many tables.
const maxTables = 10_000

// learn notes which table the rows with a number belong to.
func (ts *tables) learn(body []byte) (*table, error) {
	number, rest, err := tableMapID(body)
	if err != nil {
		return nil, err
	}
	if t := ts.byNumber[number]; t != nil && bytes.Equal(t.raw, rest) {
		return t, nil
	}
	sum := xxhash.Sum64(rest)
	t := ts.byContent[sum]
	if t == nil || !bytes.Equal(t.raw, rest) {
		t = &table{raw: bytes.Clone(rest)}
		if t.m, err = parseTableMap(t.raw); err != nil {
			return nil, err
		}
		t.id = cdc.TableID{Database: string(t.m.database), Name: string(t.m.name)}
		t.name = t.id.String()
		t.selection = ts.selected[t.id]
		ts.byContent[sum] = t
	}
	ts.byNumber[number] = t
	return t, nil
}

// bound forgets tables when very many are known. It is called between
// transactions: within one, rows refer to what was described before them.
func (ts *tables) bound() {
	if len(ts.byContent) >= maxTables || len(ts.byNumber) >= maxTables {
		clear(ts.byContent)
		clear(ts.byNumber)
	}
}

// forget drops what is known of a table, so that it is looked at anew.
func (ts *tables) forget(id cdc.TableID) {
	for _, m := range []map[uint64]*table{ts.byNumber, ts.byContent} {
		for k, t := range m {
			if t.id == id {
				delete(m, k)
			}
		}
	}
}

// sameShape says whether two tables describe rows in the same way.
func sameShape(a, b *cdc.Table) bool {
	return a.ID() == b.ID() && slices.Equal(a.Key, b.Key) && slices.EqualFunc(a.Columns, b.Columns, sameColumn)
}

func sameColumn(a, b cdc.Column) bool { return a.Name == b.Name && sameType(a.Type, b.Type) }

func sameType(a, b cdc.Type) bool {
	labels := slices.Equal(cdc.KnownLabels(a.Labels), cdc.KnownLabels(b.Labels))
	a.Labels, b.Labels = nil, nil
	return labels && a.Kind == b.Kind && a.Unsigned == b.Unsigned && a.Bits == b.Bits && a.Length == b.Length &&
		a.Precision == b.Precision && a.Scale == b.Scale && a.Charset == b.Charset
}

// skip passes the image of a row, or the pair of an update.
func (t *table) skip(r *rowsEvent, images []byte) (rest []byte, err error) {
	rest = images
	if r.before != nil {
		rest, err = t.m.walk(rest, r.before, false)
	}
	if r.after != nil && err == nil {
		rest, err = t.m.walk(rest, r.after, r.partial)
	}
	if err == nil && len(rest) == len(images) {
		err = errors.New("rows that hold nothing")
	}
	return rest, err
}

// count counts the row images of an event, or the pairs of an update.
func (t *table) count(r *rowsEvent) (n int64, err error) {
	for images := r.images; len(images) > 0; n++ {
		if images, err = t.skip(r, images); err != nil {
			return n, err
		}
	}
	return n, nil
}
