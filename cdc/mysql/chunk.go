package mysql

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unsafe"

	"chartwire/cdc"
	"chartwire/cdc/mysql/image"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"
)

// snapshotTable is a table as it is read: the statement's parts and the encoder.
type snapshotTable struct {
	info *tableInfo
	enc  *image.Encoder
	mark mark
	keys []keyColumn
	// head is the statement up to its condition; the key's own text comes
	// before the columns. ends is the same for the key alone.
	head, ends, order string
	version           int
	// width is the bytes of a row and its key, as of the last full part.
	width int
}

type keyColumn struct {
	name   string // or the expression that compares as the index is sorted
	binary bool   // its text is hexadecimal
	number bool   // its text is a number
	real   bool   // its text is a number that is to be a double
	// charset and collation are a text's: it is compared as its index is sorted.
	charset, collation string
}

// describe prepares a table for reading.
func (w *worker) describe(q *chunkRequest) (*snapshotTable, error) {
	if t := w.tables[q.id]; t != nil && t.version == q.version {
		return t, nil
	}
	t, err := w.describeNow(q)
	if cdc.HaltCode(err) != "" {
		// The description takes several questions, and a table that is dropped
		// between them looks like one without a key: what stops everything must
		// look the same twice.
		time.Sleep(confirm)
		t, err = w.describeNow(q)
	}
	if err != nil {
		return nil, err
	}
	if len(w.tables) >= mostDescribed {
		clear(w.tables)
	}
	w.tables[q.id] = t
	return t, nil
}

// mostDescribed bounds what a worker remembers of tables.
const mostDescribed = 64

// confirm is the wait before a table is looked at again.
const confirm = 200 * time.Millisecond

func (w *worker) describeNow(q *chunkRequest) (*snapshotTable, error) {
	if _, err := settled(w.c, q.id); err != nil {
		return nil, err
	}
	t, err := w.s.prepareTable(w.c, w.v, q.id, q.columns)
	if err != nil {
		return nil, err
	}
	t.version = q.version
	t.mark = markFor(w.v, t.info.engine, q.p0ids != "")
	if w.s.mark != nil {
		t.mark = w.s.mark(t.mark)
	}
	return t, nil
}

// prepareTable describes a table as it is now, with the statement that reads it;
// a halt says why it cannot be read.
func (s *Source) prepareTable(c *conn, v *server, id cdc.TableID, columns []string) (*snapshotTable, error) {
	if h := misnamed(v, id); h != nil {
		return nil, h
	}
	info, err := describeTable(c, s.cfg.Name, v.maria, id)
	if err != nil {
		return nil, err
	}
	if info.view {
		return nil, cdc.Haltf(HaltTable, "%s is a view; select the tables behind it", id)
	}
	if info.versioned {
		return nil, cdc.Haltf(HaltVersioned, "%s keeps its history in itself (WITH SYSTEM VERSIONING), and history rows cannot be told from rows yet; take it out of the field maps", id)
	}
	info.meta.Dates = s.cfg.Dates[id]
	t := &snapshotTable{info: info}
	if t.enc, err = image.Compile(info.meta, columns); err != nil {
		return nil, err
	}
	s.metrics.count(t.enc)
	collations, err := keyCollations(c, id)
	if err != nil {
		return nil, err
	}
	t.statement(collations)
	return t, nil
}

// misnamed says that a table can be asked for by a name that its rows do not have
// in the log.
func misnamed(v *server, id cdc.TableID) *cdc.Halt {
	known := cdc.TableID{Database: strings.ToLower(id.Database), Name: strings.ToLower(id.Name)}
	if !v.lower || known == id {
		return nil
	}
	return cdc.Haltf(HaltTable, "the server keeps the names of tables in lower case (lower_case_table_names=1), and %s is %s in its log: call it so in the field maps", id, known)
}

// keyCollations are the character set and the collation of each text column of a
// table's key.
func keyCollations(c *conn, id cdc.TableID) (map[string][2]string, error) {
	r, err := c.query("SELECT c.COLUMN_NAME, c.CHARACTER_SET_NAME, c.COLLATION_NAME FROM information_schema.COLUMNS c JOIN information_schema.STATISTICS s USING (TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME) " +
		"WHERE TABLE_SCHEMA = " + text(id.Database) + " AND TABLE_NAME = " + text(id.Name) + " AND s.INDEX_NAME = 'PRIMARY' AND c.COLLATION_NAME IS NOT NULL")
	if err != nil {
		return nil, fmt.Errorf("asking for the collations of %s: %w", id, err)
	}
	out := map[string][2]string{}
	for _, row := range r {
		out[strings.Clone(row[0])] = [2]string{strings.Clone(row[1]), strings.Clone(row[2])}
	}
	return out, nil
}

// statement puts the SELECT together. Key columns come first, in a form that
// goes back into a condition; the encoder's columns follow.
func (t *snapshotTable) statement(collations map[string][2]string) {
	meta := t.info.meta
	var cols, order []string
	for _, k := range meta.Key {
		m := &meta.Columns[k]
		kc, expr := keyColumn{name: ident(m.Name)}, ident(m.Name)
		switch m.Type {
		case gomysql.MYSQL_TYPE_FLOAT, gomysql.MYSQL_TYPE_DOUBLE:
			kc.real, expr = true, expr+"+0e0" // all its digits
		case gomysql.MYSQL_TYPE_BIT:
			kc.number, expr = true, expr+"+0"
		case gomysql.MYSQL_TYPE_YEAR:
			if kc.number = true; m.Declared == "year(2)" { // printed and compared without its century
				kc.name, expr = "YEAR("+expr+")", "YEAR("+expr+")"
			}
		case gomysql.MYSQL_TYPE_TINY, gomysql.MYSQL_TYPE_SHORT, gomysql.MYSQL_TYPE_INT24, gomysql.MYSQL_TYPE_LONG,
			gomysql.MYSQL_TYPE_LONGLONG, gomysql.MYSQL_TYPE_NEWDECIMAL:
			kc.number = true
		case gomysql.MYSQL_TYPE_STRING, gomysql.MYSQL_TYPE_VARCHAR, gomysql.MYSQL_TYPE_BLOB:
			switch real := byte(m.Meta >> 8); {
			case m.Type == gomysql.MYSQL_TYPE_STRING && (real == gomysql.MYSQL_TYPE_ENUM || real == gomysql.MYSQL_TYPE_SET):
				// Sorted by their numbers. Without CAST they would be compared as
				// doubles, which a SET of 64 labels is too large for. No index is
				// used to find the place, only to walk from the first row on.
				kc.number, kc.name, expr = true, "CAST("+expr+" AS UNSIGNED)", "CAST("+expr+" AS UNSIGNED)"
			case m.Declared == "uuid" || strings.HasPrefix(m.Declared, "inet"):
			case m.Collation == binaryCollation:
				kc.binary, expr = true, "HEX("+expr+")"
			default: // its own bytes, which the collation sorts
				c := collations[m.Name]
				kc.charset, kc.collation = c[0], c[1]
				expr = "CONCAT('" + rawText + "', HEX(" + expr + "))"
			}
		}
		t.keys = append(t.keys, kc)
		cols, order = append(cols, expr), append(order, ident(m.Name))
	}
	from := " FROM " + ident(meta.Database) + "." + ident(meta.Name)
	t.ends = "SELECT " + strings.Join(cols, ", ") + from
	cols = append(cols, t.enc.Select()...)
	t.head = "SELECT " + strings.Join(cols, ", ") + from
	t.order = " ORDER BY " + strings.Join(order, ", ")
}

// rawText is before the hexadecimal bytes of a text in a key: those without it,
// of older cuts, are of the text in utf8mb4.
const rawText = "x"

// keyed says whether the keys of a request are of the table as it is.
func (t *snapshotTable) keyed(q *chunkRequest) bool {
	for _, key := range [][]string{q.after, q.until} {
		if key != nil && (len(key) != len(t.keys) || q.key != nil && !slices.Equal(q.key, t.enc.Table().KeyNames())) {
			return false
		}
	}
	return true
}

// condition limits the read to the rows behind a key, up to another, either of
// which may be nil, and to those that somebody asked for.
func (t *snapshotTable) condition(after, until []string, where string) string {
	var and []string
	if after != nil {
		and = append(and, t.beyond(after, ">", ">"))
	}
	if until != nil {
		and = append(and, t.beyond(until, "<", "<="))
	}
	if where != "" {
		and = append(and, "("+where+")")
	}
	if and == nil {
		return ""
	}
	return " WHERE " + strings.Join(and, " AND ")
}

// beyond compares the key as a whole: a >= x AND ((a > x) OR (a = x AND b > y)).
// What comes first is what an index is used for. Last is the comparison of the
// last column.
func (t *snapshotTable) beyond(key []string, than, last string) string {
	literals := make([]string, len(t.keys))
	for i, k := range t.keys {
		literals[i] = k.literal(t.info.meta.Columns[t.info.meta.Key[i]], key[i])
	}
	if len(t.keys) == 1 {
		return t.keys[0].name + " " + last + " " + literals[0]
	}
	var or []string
	equal := ""
	for i, k := range t.keys {
		op := than
		if i == len(t.keys)-1 {
			op = last
		}
		or = append(or, "("+equal+k.name+" "+op+" "+literals[i]+")")
		equal += k.name + " = " + literals[i] + " AND "
	}
	return t.keys[0].name + " " + than + "= " + literals[0] + " AND (" + strings.Join(or, " OR ") + ")"
}

// literal is a key's text as a statement has it.
func (k keyColumn) literal(m image.ColumnMeta, value string) string {
	switch {
	case k.number:
		return value
	case k.real && !strings.Contains(value, "e"):
		return value + "e0" // or it would be a decimal
	case k.real:
		return value
	case k.binary:
		return "x'" + value + "'"
	case k.charset != "":
		if raw, ok := strings.CutPrefix(value, rawText); ok {
			return "_" + k.charset + " x'" + raw + "' COLLATE " + k.collation
		}
		return "CONVERT(_utf8mb4 x'" + value + "' USING " + k.charset + ") COLLATE " + k.collation
	}
	return text(value)
}

// read fills a chunk. Where the part's end is to be found first, that is told as
// soon as it is known, so that another worker can go on behind it.
func (w *worker) read(ctx context.Context, q *chunkRequest, c *chunk, results chan<- *chunk) (err error) {
	if w.c == nil {
		if w.c, err = w.s.dial(ctx); err != nil {
			return err
		}
	}
	t, err := w.describe(q)
	if err != nil {
		return err
	}
	if !t.keyed(q) {
		return fmt.Errorf("reading rows of %s: its key is another than that of the rows read before; the log comes to the statement that changed it, "+
			"or else `chartwire snapshot stop` and start begin anew", q.id)
	}
	c.info, c.total, c.shape = t.info, t.info.rows, t.enc.Table()
	if q.plan {
		if err := w.findEnd(t, q); err != nil {
			return w.unread(q, err)
		}
		select {
		case results <- &chunk{id: q.id, part: q.part, window: q.window, planned: true, until: q.until, end: q.last}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := w.ready(ctx, t.mark, q); err != nil {
		return err
	}
	began := time.Now()
	limit := q.rows
	if q.until != nil || q.last {
		limit *= 2 // it may have grown since its end was found
	}
	err = t.fill(w.c, q, limit, largeChunk*w.s.cfg.Piece, c)
	if cdc.HaltCode(err) == image.HaltCorrupt {
		err = w.changed(ctx, q, t, err)
	}
	if err == nil && t.mark == markSnapshot {
		_, err = w.c.query("COMMIT")
	}
	if err != nil {
		return w.unread(q, err)
	}
	c.end, c.at, c.took = c.n < limit, began, time.Since(began)
	if c.high, err = w.v.logEnd(w.c); err != nil {
		return w.s.explain(err)
	}
	return nil
}

// findEnd finds the last key of a part of so many rows, whatever is asked of
// them: every part takes about as long.
func (w *worker) findEnd(t *snapshotTable, q *chunkRequest) error {
	r, err := w.c.query(t.ends + t.condition(q.after, nil, "") + t.order + fmt.Sprintf(" LIMIT 1 OFFSET %d", q.rows-1))
	if err != nil {
		return err
	}
	if q.last = len(r) == 0; !q.last {
		for _, v := range r[0] {
			q.until = append(q.until, strings.Clone(v))
		}
	}
	return nil
}

// A chunk of rows that are much larger than those before it is given up when it
// has the size of so many pieces, and read again in smaller parts.
const largeChunk = 8

var errLarge = errors.New("its rows are larger than those before")

// fill reads and encodes the rows of one SELECT.
func (t *snapshotTable) fill(c *conn, q *chunkRequest, limit, most int, out *chunk) error {
	sql := t.head + t.condition(q.after, q.until, q.where) + t.order + fmt.Sprintf(" LIMIT %d", limit)
	if t.mark == markShare {
		sql += " FOR SHARE"
	}
	// Growing would copy them again and again, and keep what they grew out of.
	arena := withRoom(out.arena, min(q.rows*(t.width+t.width/16), most))
	out.changes = withRoom(out.changes, q.rows)
	defer func() { out.arena = arena }()
	shape, now := t.enc.Table(), time.Now()
	last := make([][]byte, len(t.keys))
	err := c.each(sql, func(packet []byte) (err error) {
		if out.n++; out.n%64 == 0 {
			now = time.Now()
		}
		rest := packet
		for i := range last {
			v := cursor{b: rest}
			b := v.packedBytes()
			if v.bad {
				return errShort
			}
			last[i], rest = append(last[i][:0], b...), v.b
		}
		start := len(arena)
		if arena, err = t.enc.AppendPacket(arena, rest); err != nil {
			return err
		}
		end := len(arena)
		row := cdc.Row(arena[start:end:end])
		if arena, err = t.enc.AppendKey(arena, row); err != nil {
			return err
		}
		out.changes = append(out.changes, cdc.Change{Table: shape, Op: cdc.Read, Key: view(arena[end:]), After: row, ReadTime: now})
		if out.size += len(packet) + int(unsafe.Sizeof(cdc.Change{})); out.size > most && out.n > 1 {
			return errLarge
		}
		return nil
	})
	if err != nil || out.n == 0 {
		return err
	}
	if out.n >= q.rows {
		t.width = len(arena)/out.n + 1
	}
	for _, b := range last {
		out.after = append(out.after, string(b))
	}
	return nil
}

// withRoom gives an empty slice with room for n, in the same memory if that does.
func withRoom[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, 0, n)
	}
	return s[:0]
}
