package shop

import (
	"slices"
	"strings"
)

// Statement is the change as SQL that does again what was recorded.
func (c *Change) Statement() string {
	switch {
	case c.Before == nil:
		return c.insert("INSERT")
	case c.After == nil:
		return "DELETE FROM " + c.Table.Name + c.where()
	}
	var b strings.Builder
	for i, v := range c.After {
		if v == c.Before[i] {
			continue
		}
		if b.Len() > 0 {
			b.WriteString(", ")
		}
		b.WriteString("`" + c.Table.Columns[i].Name + "` = " + c.literal(i, v))
	}
	if b.Len() == 0 { // a row that was written again as it was
		b.WriteString("`" + c.Table.Columns[0].Name + "` = `" + c.Table.Columns[0].Name + "`")
	}
	return "UPDATE " + c.Table.Name + " SET " + b.String() + c.where()
}

// loose is the change as SQL that succeeds whatever the row is like: for junk
// whose order among the scenarios nobody keeps.
func (c *Change) loose() string {
	if c.After == nil {
		return "DELETE FROM " + c.Table.Name + c.where()
	}
	return c.insert("REPLACE")
}

// same reports whether the row was written as it was.
func (c *Change) same() bool { return slices.Equal(c.Before, c.After) }

func (c *Change) insert(verb string) string {
	var names, values strings.Builder
	for i, v := range c.After {
		if i > 0 {
			names.WriteString(", ")
			values.WriteString(", ")
		}
		names.WriteString("`" + c.Table.Columns[i].Name + "`")
		values.WriteString(c.literal(i, v))
	}
	return verb + " INTO " + c.Table.Name + " (" + names.String() + ") VALUES (" + values.String() + ")"
}

func (c *Change) where() string {
	row := c.Before
	if row == nil {
		row = c.After
	}
	var b strings.Builder
	for n, i := range c.Table.Key {
		if n > 0 {
			b.WriteString(" AND ")
		}
		b.WriteString("`" + c.Table.Columns[i].Name + "` = " + c.literal(i, row[i]))
	}
	return " WHERE " + b.String()
}

var quoting = strings.NewReplacer("\\", "\\\\", "'", "\\'", "\x00", "\\0", "\n", "\\n", "\r", "\\r", "\x1a", "\\Z")

func (c *Change) literal(column int, v Value) string {
	switch {
	case v.Null:
		return "NULL"
	case c.Table.Columns[column].number():
		return v.Text
	}
	return "'" + quoting.Replace(v.Text) + "'"
}

// Key is what tells the row from all others: its table and primary key.
func (c *Change) Key() string {
	row := c.After
	if row == nil {
		row = c.Before
	}
	key := c.Table.Name
	for _, i := range c.Table.Key {
		key += "/" + row[i].Text
	}
	return key
}

// Text gives a column of a row image; no row and no column are null.
func (t *Table) text(row []Value, column string) (string, bool) {
	i := t.Column(column)
	if row == nil || i < 0 || row[i].Null {
		return "", false
	}
	return row[i].Text, true
}
