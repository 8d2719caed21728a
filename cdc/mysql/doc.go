// Package mysql reads MySQL (8.0 and later) and MariaDB (10.6 and later): the
// binlog as a stream of transactions, tables by chunks beside it, and the
// settings of a server before anything is read.
//
// # What holds
//
//   - A [Source] writes nothing to the server and holds no lock while it waits.
//   - A position lies between two transactions. It is taken after the event
//     that commits, never when the transaction's id is announced.
//   - One goroutine owns a connection, and every read of it has a deadline:
//     three heartbeats without a byte is a broken connection, which is opened
//     again where the last transaction ended.
//   - Memory does not grow with a transaction, a table or a slow consumer: rows
//     leave in pieces, and while nobody takes them, nothing more is read.
//   - What cannot be read faithfully is a [cdc.Halt] with the place where it is.
//     Nothing is skipped silently.
//   - Row values appear in no error, log line or metric.
package mysql
