// Package image turns rows of MySQL and MariaDB into [cdc.Row]: straight from
// the bytes of a binlog row image, and from the text that a query's result
// carries. An [Encoder] is compiled once per version of a table, from what the
// stream's table-map event says of it.
//
// # What holds
//
//   - A value has the same bytes whichever way it came: the binlog, or a query
//     in a session as [Encoder.Select] describes.
//   - The bytes are what goavro writes for the value with the schema of package
//     schemas.
//   - Encoding a row allocates nothing but room in the caller's buffer, except
//     for MySQL's JSON and MariaDB's COMPRESSED columns.
//   - What cannot be read faithfully is a [*cdc.Halt] when the table is compiled,
//     or when the row arrives; no error holds a value.
//   - An Encoder does not change and may be used by several goroutines.
package image
