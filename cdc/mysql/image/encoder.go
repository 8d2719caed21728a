package image

import "chartwire/cdc"

// Encoder turns rows of one version of a table into [cdc.Row].
type Encoder struct {
	table *cdc.Table
}

// Compile makes the encoder of a table for the named columns; those of the
// primary key are taken whether named or not. No names means all columns.
// What the columns hold and cannot be read faithfully is a [*cdc.Halt]; so is
// a name that is not a column, and a table without a primary key.
func Compile(meta *TableMeta, columns []string) (*Encoder, error) {
	return nil, cdc.Haltf("column-type-unsupported", "%s.%s: no type is supported yet", meta.Database, meta.Name)
}

// Table describes the rows that the encoder makes: the selected columns in the
// table's order.
func (e *Encoder) Table() *cdc.Table { return e.table }

// Append encodes the row image at the start of image: its null bitmap and the
// values of the columns that are set in present (the event's bitmap for this
// image). It returns dst with the row appended, and what follows the image.
// An image without all columns is a [*cdc.Halt].
func (e *Encoder) Append(dst, image, present []byte) (row, rest []byte, err error) {
	return dst, image, cdc.Haltf("column-type-unsupported", "%s: no type is supported yet", e.table.ID())
}

// Skip finds the end of the row image at the start of image and encodes nothing.
func (e *Encoder) Skip(image, present []byte) (rest []byte, err error) {
	return image, cdc.Haltf("column-type-unsupported", "%s: no type is supported yet", e.table.ID())
}

// Select gives the SQL expressions, one for each column of Table, that
// AppendText takes the values of. The session must have character_set_results
// NULL (bytes as stored), time_zone '+00:00', and no PAD_CHAR_TO_FULL_LENGTH in
// its sql_mode.
func (e *Encoder) Select() []string { return nil }

// AppendText encodes a row of a query's result in the text protocol: the value
// of each of Select's expressions, nil for NULL.
func (e *Encoder) AppendText(dst []byte, values [][]byte) ([]byte, error) {
	return dst, cdc.Haltf("column-type-unsupported", "%s: no type is supported yet", e.table.ID())
}

// Nulled is how many values of each column of Table were written as null, or
// with replacement characters, because they cannot be said: zero, partial and
// out-of-range dates, and text that is not text in its charset.
func (e *Encoder) Nulled() []uint64 { return nil }
