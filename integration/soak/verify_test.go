package soak

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"chartwire/cdc"
)

// held is what a reader holds of one key.
type held struct {
	seq int64
	row map[string]string // nil: there is none
}

// verify reads the topics as a consumer must, and compares with the tables.
func (r *run) verify(ctx context.Context) error {
	steps, err := r.steps(ctx)
	if err != nil {
		return err
	}
	content := map[string]map[string]*held{}
	for _, t := range r.tables {
		content[t.name] = map[string]*held{}
	}
	tags := map[int64]int64{}
	for _, s := range steps {
		if s.epoch != nil {
			name := s.epoch.Table.Name
			if s.epoch.Kind == cdc.EpochTruncate {
				for _, h := range content[name] {
					h.row = nil
				}
				continue
			}
			for _, h := range content[name] { // perhaps not there any more; all refills are complete in the end
				h.seq = -1
			}
			continue
		}
		if s.change.table == "marker" {
			continue
		}
		if err := take(content[s.change.table], s.change); err != nil {
			return fmt.Errorf("table %s, key %q, seq %d: %w", s.change.table, s.change.key, s.seq, err)
		}
		if c := s.change; c.op == cdc.Create || c.op == cdc.Update {
			tag, _ := strconv.ParseInt(c.after["tag"], 10, 64)
			tags[tag]++
		}
	}
	r.world.counts.add("changes", len(steps))
	if err := r.counted(tags); err != nil {
		return err
	}
	for _, t := range r.tables {
		if err := r.compare(ctx, t, content[t.name]); err != nil {
			return err
		}
	}
	return nil
}

// take applies a change, and holds that it follows from the one before of its
// key: a change that is lost or comes twice breaks the chain.
func take(rows map[string]*held, c *change) error {
	h, known := rows[c.key]
	if !known {
		h = &held{seq: -1}
		rows[c.key] = h
	} else if h.seq >= 0 {
		switch {
		case c.op == cdc.Create && h.row != nil:
			return fmt.Errorf("created, and is there since seq %d", h.seq)
		case c.op == cdc.Read && h.row == nil:
			return fmt.Errorf("read by the snapshot, and gone since seq %d", h.seq)
		case c.op == cdc.Read && differs(h.row, c.after):
			return fmt.Errorf("read by the snapshot as\n  %s\nand since seq %d\n  %s", show(c.after), h.seq, show(h.row))
		case (c.op == cdc.Update || c.op == cdc.Delete) && h.row == nil:
			return fmt.Errorf("%s, and gone since seq %d", c.op, h.seq)
		case (c.op == cdc.Update || c.op == cdc.Delete) && differs(h.row, c.before):
			return fmt.Errorf("%s of\n  %s\nand since seq %d it is\n  %s", c.op, show(c.before), h.seq, show(h.row))
		}
	}
	h.seq, h.row = c.seq, c.after
	return nil
}

// differs compares the columns that both have, but for those that DDL changes
// without an event.
func differs(a, b map[string]string) bool {
	for k, v := range a {
		if w, both := b[k]; both && v != w && !strings.HasPrefix(k, "x") {
			return true
		}
	}
	return false
}

// counted holds every statement's rows against those that came with its tag.
func (r *run) counted(tags map[int64]int64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for tag, want := range r.expected {
		if want < 0 {
			continue
		}
		n++
		if tags[tag] != want {
			return fmt.Errorf("the statement with tag %d wrote %d rows, and %d came", tag, want, tags[tag])
		}
	}
	r.world.counts.add("counted", n)
	return nil
}

// compare holds a table as its server prints it against what the reader has.
func (r *run) compare(ctx context.Context, t *table, rows map[string]*held) error {
	columns, have, err := r.server.print(ctx, r.pool(), r.name, t.name)
	if err != nil {
		return fmt.Errorf("reading table %s: %w", t.name, err)
	}
	var got []string
	for key, h := range rows {
		if h.row == nil || h.seq < 0 { // the refill after an epoch did not write it again
			continue
		}
		var parts []string
		for _, c := range columns {
			v, ok := h.row[c]
			if !ok {
				return fmt.Errorf("table %s, key %q, seq %d: no column %s, which the table has", t.name, key, h.seq, c)
			}
			parts = append(parts, fmt.Sprintf("%s=%q", c, v))
		}
		got = append(got, strings.Join(parts, " "))
	}
	slices.Sort(got)
	slices.Sort(have)
	r.world.counts.add("rows compared", len(have))
	if slices.Equal(got, have) {
		return nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, "table %s has %d rows, the reader %d", t.name, len(have), len(got))
	for _, line := range have {
		if !slices.Contains(got, line) {
			fmt.Fprintf(&b, "\n  the table only: %s", line)
		}
	}
	for _, line := range got {
		if !slices.Contains(have, line) {
			fmt.Fprintf(&b, "\n  the reader only: %s", line)
		}
	}
	return fmt.Errorf("%s", b.String())
}

// print gives a table as the server prints it: its columns, and a line per row.
func (s *server) print(ctx context.Context, db *sql.DB, database, name string) (columns, lines []string, err error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, "set time_zone='+00:00'"); err != nil {
		return nil, nil, err
	}
	types, err := conn.QueryContext(ctx, "select column_name, data_type from information_schema.columns where table_schema=? and table_name=? order by ordinal_position", database, name)
	if err != nil {
		return nil, nil, err
	}
	defer types.Close()
	var kinds, exprs []string
	for types.Next() {
		var column, kind string
		if err := types.Scan(&column, &kind); err != nil {
			return nil, nil, err
		}
		columns, kinds, exprs = append(columns, column), append(kinds, kind), append(exprs, expression(column, kind))
	}
	rows, err := conn.QueryContext(ctx, "select "+strings.Join(exprs, ",")+" from "+name)
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	cells := make([]sql.NullString, len(columns))
	into := make([]any, len(cells))
	for i := range cells {
		into[i] = &cells[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return nil, nil, err
		}
		var parts []string
		for i, c := range cells {
			v := null
			if c.Valid {
				v = canonical(c.String, kinds[i])
			}
			parts = append(parts, fmt.Sprintf("%s=%q", columns[i], v))
		}
		lines = append(lines, strings.Join(parts, " "))
	}
	return columns, lines, rows.Err()
}

func expression(column, kind string) string {
	switch kind {
	case "varbinary", "binary":
		return "lower(hex(" + column + "))"
	case "bit":
		return column + "+0"
	}
	return column
}

// canonical writes the server's text of a value as Chartwire does.
func canonical(v, kind string) string {
	point := strings.Contains(v, ".")
	switch kind {
	case "decimal", "time", "datetime", "timestamp":
		if point {
			v = strings.TrimSuffix(strings.TrimRight(v, "0"), ".")
		}
	}
	switch kind {
	case "datetime":
		v = strings.Replace(v, " ", "T", 1)
	case "timestamp":
		v = strings.Replace(v, " ", "T", 1) + "Z"
	}
	return v
}
