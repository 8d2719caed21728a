// Package cdc is the vocabulary of change data capture that every other
// package of Chartwire shares: a [Table] and its columns, a [Change] of one
// row, the [Txn] it was committed in, and the [Position] after it.
//
// It imports the standard library only, and nothing of Chartwire.
//
// # What holds
//
//   - A [Row] is Avro: the binary encoding of its table's row record, made once
//     where the row is read and never decoded again inside Chartwire except by
//     accessors compiled per schema and column.
//   - A position is a place between two source transactions. A place inside one
//     is a [Checkpoint] with Rows > 0: its transaction's start, and how many row
//     images of it were already taken.
//   - Row values never reach a log line: the types say how they are logged.
package cdc
