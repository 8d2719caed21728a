package mysql

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
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
	// before the columns.
	head, order string
}

type keyColumn struct {
	name   string
	binary bool // its text is hexadecimal
	number bool // its text is a number
}

// describe prepares a table for reading.
func (w *snapshotter) describe(q *chunkRequest) error {
	if w.table != nil && w.version == q.version && w.table.enc.Table().ID() == q.id {
		return nil
	}
	err := w.describeNow(q)
	if cdc.HaltCode(err) == "" {
		return err
	}
	// The description takes several questions, and a table that is dropped
	// between them looks like one without a key: what stops everything must
	// look the same twice.
	time.Sleep(confirm)
	return w.describeNow(q)
}

// confirm is the wait before a table is looked at again.
const confirm = 200 * time.Millisecond

func (w *snapshotter) describeNow(q *chunkRequest) error {
	info, err := describeTable(w.c, w.s.cfg.Name, w.v.maria, q.id)
	if err != nil {
		return err
	}
	if info.view {
		return cdc.Haltf(HaltTable, "%s is a view; select the tables behind it", q.id)
	}
	if info.versioned {
		return cdc.Haltf(HaltVersioned, "%s keeps its history in itself (WITH SYSTEM VERSIONING), and history rows cannot be told from rows yet; take it out of the field maps", q.id)
	}
	t := &snapshotTable{info: info}
	if t.enc, err = image.Compile(info.meta, q.columns); err != nil {
		return err
	}
	w.s.metrics.count(t.enc)
	for i := range t.enc.Table().Columns {
		info.columns = append(info.columns, t.enc.Table().Columns[i].Name)
	}
	t.mark = markFor(w.v, info.engine, q.p0ids != "")
	if w.s.mark != nil {
		t.mark = w.s.mark(t.mark)
	}
	if err := t.statement(); err != nil {
		return err
	}
	if w.rowsOf != q.id {
		w.rowsOf, w.rows = q.id, w.s.cfg.Snapshot.ChunkRows
	}
	w.table, w.version = t, q.version
	return nil
}

// statement puts the SELECT together. Key columns come first, in a form that
// goes back into a condition; the encoder's columns follow.
func (t *snapshotTable) statement() error {
	meta := t.info.meta
	var cols, order []string
	for _, k := range meta.Key {
		m := &meta.Columns[k]
		kc, expr := keyColumn{name: ident(m.Name)}, ident(m.Name)
		switch m.Type {
		case gomysql.MYSQL_TYPE_FLOAT, gomysql.MYSQL_TYPE_DOUBLE, gomysql.MYSQL_TYPE_BIT, gomysql.MYSQL_TYPE_GEOMETRY, gomysql.MYSQL_TYPE_JSON:
			return keyTypeHalt(t.info, m.Name)
		case gomysql.MYSQL_TYPE_TINY, gomysql.MYSQL_TYPE_SHORT, gomysql.MYSQL_TYPE_INT24, gomysql.MYSQL_TYPE_LONG,
			gomysql.MYSQL_TYPE_LONGLONG, gomysql.MYSQL_TYPE_NEWDECIMAL, gomysql.MYSQL_TYPE_YEAR:
			kc.number = true
		case gomysql.MYSQL_TYPE_STRING, gomysql.MYSQL_TYPE_VARCHAR, gomysql.MYSQL_TYPE_BLOB:
			switch real := byte(m.Meta >> 8); {
			case m.Type == gomysql.MYSQL_TYPE_STRING && (real == gomysql.MYSQL_TYPE_ENUM || real == gomysql.MYSQL_TYPE_SET):
				return keyTypeHalt(t.info, m.Name)
			case m.Declared == "uuid" || strings.HasPrefix(m.Declared, "inet"):
			case m.Collation == binaryCollation:
				kc.binary, expr = true, "HEX("+expr+")"
			default: // whatever its character set, as utf8mb4 the text goes back
				kc.binary, expr = false, "HEX(CONVERT("+expr+" USING utf8mb4))"
			}
		}
		t.keys = append(t.keys, kc)
		cols, order = append(cols, expr), append(order, kc.name)
	}
	cols = append(cols, t.enc.Select()...)
	t.head = "SELECT " + strings.Join(cols, ", ") + " FROM " + ident(meta.Database) + "." + ident(meta.Name)
	t.order = " ORDER BY " + strings.Join(order, ", ")
	return nil
}

func keyTypeHalt(info *tableInfo, column string) error {
	return cdc.Haltf(HaltKeyType, "%s.%s: its primary key holds column %s, whose type has no text that compares as its index does; take the table out of the field maps", info.meta.Database, info.meta.Name, column)
}

// condition limits the read to the rows after a key: (a > x) OR (a = x AND b > y),
// with a >= x before it, which is what an index is used for.
func (t *snapshotTable) condition(after []string) string {
	if after == nil {
		return ""
	}
	literals := make([]string, len(t.keys))
	for i, k := range t.keys {
		literals[i] = k.literal(t.info.meta.Columns[t.info.meta.Key[i]], after[i])
	}
	if len(t.keys) == 1 {
		return " WHERE " + t.keys[0].name + " > " + literals[0]
	}
	var or []string
	equal := ""
	for i, k := range t.keys {
		or = append(or, "("+equal+k.name+" > "+literals[i]+")")
		equal += k.name + " = " + literals[i] + " AND "
	}
	return " WHERE " + t.keys[0].name + " >= " + literals[0] + " AND (" + strings.Join(or, " OR ") + ")"
}

// literal is a key's text as a statement has it.
func (k keyColumn) literal(m image.ColumnMeta, value string) string {
	switch {
	case k.number:
		return value
	case k.binary:
		return "x'" + value + "'"
	case m.Collation != 0 && m.Collation != binaryCollation:
		b, _ := hex.DecodeString(value)
		return "CONVERT(" + text(string(b)) + " USING utf8mb4)"
	}
	return text(value)
}

// read fills a chunk.
func (w *snapshotter) read(ctx context.Context, q *chunkRequest, c *chunk) (err error) {
	if w.c == nil {
		if w.c, err = w.s.dial(ctx); err != nil {
			return err
		}
	}
	if err := w.describe(q); err != nil {
		return err
	}
	c.info, c.total = w.table.info, w.table.info.rows
	if err := w.ready(ctx, w.table.mark, q); err != nil {
		return err
	}
	began := time.Now()
	n, size, err := w.table.fill(w.c, q.after, w.rows, largeChunk*w.s.cfg.Piece, w.table.mark, c)
	if err == errLarge {
		w.rows = max(1, n/largeChunk)
	}
	if err == nil && w.table.mark == markSnapshot {
		_, err = w.c.query("COMMIT")
	}
	if code := serverCode(err); code != 0 && cdc.HaltCode(w.s.explain(err)) == "" {
		return fmt.Errorf("reading rows of %s: the server says %d", q.id, code) // its text may quote the statement, and so a key
	}
	if err != nil {
		return w.s.explain(fmt.Errorf("reading rows of %s: %w", q.id, said(err)))
	}
	c.end, c.at = n < w.rows, began
	w.adapt(n, size, time.Since(began))
	if c.high, err = w.v.logEnd(w.c); err != nil {
		return w.s.explain(err)
	}
	return nil
}

// A chunk of rows that are much larger than those before it is given up when it
// has the size of so many pieces, and read again in smaller parts.
const largeChunk = 8

var errLarge = errors.New("its rows are larger than those before")

// adapt sizes the next chunk: half a second at most, and no more bytes than a
// piece of a transaction.
func (w *snapshotter) adapt(n, size int, took time.Duration) {
	switch {
	case size > w.s.cfg.Piece || took > 500*time.Millisecond:
		w.rows = max(1, w.rows/2)
	case n == w.rows && size < w.s.cfg.Piece/4 && took < 100*time.Millisecond && w.rows < 10*w.s.cfg.Snapshot.ChunkRows:
		w.rows *= 2
	}
}

// fill reads and encodes the rows of one SELECT.
func (t *snapshotTable) fill(c *conn, after []string, limit, most int, m mark, out *chunk) (n, size int, err error) {
	sql := t.head + t.condition(after) + t.order + fmt.Sprintf(" LIMIT %d", limit)
	if m == markShare {
		sql += " FOR SHARE"
	}
	var arena []byte
	shape := t.enc.Table()
	last := make([][]byte, len(t.keys))
	err = c.each(sql, func(packet []byte) error {
		n++
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
		out.changes = append(out.changes, cdc.Change{Table: shape, Op: cdc.Read, Key: view(arena[end:]), After: row, ReadTime: time.Now()})
		if size += len(packet) + int(unsafe.Sizeof(cdc.Change{})); size > most && n > 1 {
			return errLarge
		}
		return nil
	})
	if err != nil || n == 0 {
		return n, size, err
	}
	for _, b := range last {
		out.after = append(out.after, string(b))
	}
	return n, size, nil
}
