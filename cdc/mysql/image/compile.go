package image

import (
	"errors"
	"slices"
	"strconv"

	"chartwire/cdc"
)

var (
	errMeta        = errors.New("its metadata in the table-map event is out of range")
	errUnsupported = errors.New("this type cannot be captured yet")
	errOldFraction = errors.New("it has fractional digits in the storage format of before MySQL 5.6; ALTER TABLE … FORCE rewrites it (MariaDB: with mysql56_temporal_format=ON)")
	errLabels      = errors.New("the table-map event does not list its labels: set binlog_row_metadata=FULL")
	errCharset     = errors.New("its character set cannot be read")
)

// Compile makes the encoder of a table for the named columns; those of the
// primary key are taken whether named or not, and nil means all. A name that
// the table does not have is no error: this version of the table lacks it
// (see [Encoder.Missing]); columns that a server keeps for itself are not among
// all. What the columns hold and cannot be read faithfully
// is a [*cdc.Halt]; so is a table without a primary key.
func Compile(meta *TableMeta, columns []string) (*Encoder, error) {
	t := &cdc.Table{Source: meta.Source, Database: meta.Database, Name: meta.Name}
	e := &Encoder{table: t, columns: make([]column, len(meta.Columns)), nullBytes: (len(meta.Columns) + 7) / 8, most: meta.Most}
	if len(meta.Key) == 0 {
		return nil, cdc.Haltf(HaltNoKey, "%s has no primary key, so its rows cannot be told apart; add one, or leave the table out", t.ID())
	}
	out := make([]int, len(meta.Columns)) // column of the table to column of the row
	own := meta.ownColumns()
	for i := range meta.Columns {
		m := &meta.Columns[i]
		if m.Name == "" {
			return nil, cdc.Haltf(HaltMetadata, "the stream does not name the columns of %s; run SET GLOBAL binlog_row_metadata=FULL at the source, and capture from there", t.ID())
		}
		c, real, err := compileColumn(m)
		take := columns == nil && i < own || slices.Contains(columns, m.Name) || slices.Contains(meta.Key, i)
		if err != nil { // a value whose end is unknown cannot even be skipped
			return nil, halt(t, m, real, err)
		}
		out[i] = -1
		if take {
			typ, err := c.describe(m, real)
			if err == nil && c.charset != nil && !meta.MariaDB && m.Collation > mysqlCollations {
				err = errCharset
			}
			if err != nil {
				return nil, halt(t, m, real, err)
			}
			c.take, out[i] = true, len(t.Columns)
			t.Columns = append(t.Columns, cdc.Column{Name: m.Name, Type: typ})
			e.selected = append(e.selected, i)
			if p := meta.Dates[m.Name]; m.Dated() {
				c.raw, c.reject = p == DateRaw, p == DateReject
			}
			if c.raw {
				t.Columns = append(t.Columns, cdc.Column{Name: m.Name + RawSuffix, Type: cdc.Type{Kind: cdc.KindText, Charset: "utf8mb4"}})
			}
		}
		e.columns[i] = c
	}
	for _, k := range meta.Key {
		if k < 0 || k >= len(out) {
			return nil, cdc.Haltf(HaltMetadata, "the stream's primary key of %s names column %d of %d", t.ID(), k, len(out))
		}
		t.Key = append(t.Key, out[k])
	}
	for name, p := range meta.Dates {
		if p == DateRaw && slices.ContainsFunc(meta.Columns, func(c ColumnMeta) bool { return c.Name == name+RawSuffix }) {
			return nil, cdc.Haltf(HaltType, "%s has a column %s itself, so that the text of the dates in %s has no place; take raw away from it in the source's dates", t.ID(), name+RawSuffix, name)
		}
	}
	for _, name := range columns {
		if t.Column(name) < 0 {
			e.missing = append(e.missing, name)
		}
	}
	return e, nil
}

func halt(t *cdc.Table, m *ColumnMeta, real byte, err error) error {
	code := HaltType
	switch err {
	case errCharset:
		return cdc.Haltf(HaltCharset, "%s column %s has collation %d, whose character set cannot be read; convert the column to a collation of utf8mb4 that comes with the server, or take it out of the field maps", t.ID(), m.Name, m.Collation)
	case errLabels:
		code = HaltMetadata
	}
	return cdc.Haltf(code, "%s column %s is %s: %v; change the column's type, or take it out of the field maps", t.ID(), m.Name, declaredName(m, real), err)
}

// Missing are the columns that Compile was asked for and the table lacks.
func (e *Encoder) Missing() []string { return e.missing }

func itoa(n int) string { return strconv.Itoa(n) }
