// Package schemas says what Chartwire puts on Kafka: the names of topics, the
// Avro schema of a table, the row and its envelope, the text of a row's key and
// the headers of a record. TYPES.md is its table of types.
//
// # What holds
//
//   - A [cdc.Row] is the Avro binary of its table's row record and is read only
//     through the schema it was written with: a [RowSchema], made from a
//     [cdc.Table] where rows are written and from the registered Avro where
//     they are read. There is no schema resolution.
//   - Equal values have equal bytes. Whether a column changed is a comparison of
//     two spans ([Fields.Span]), without decoding.
//   - Whatever a row holds, reading it gives a value or an error, never a panic,
//     and neither errors nor formatted values hold a row's content.
//   - Names that an alphabet refuses are escaped, and every escape has an inverse.
package schemas
