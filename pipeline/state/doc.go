// Package state is what a flow's Map keeps on its own disk, in Pebble: the
// newest row of every key of every table it reads, the indexes by which joined
// maps find rows, the changes that were read and not yet mapped, the entities
// that were touched and not yet mapped, and a copy of the flow's changelog.
//
// It is a copy and never the truth. Everything in it can be rebuilt from Kafka,
// and [Open] throws it away when it is of another format, of another flow or
// too old.
//
// # What holds
//
//   - Everything changes in a [Batch], all of it or nothing, and the batch also
//     holds the [Meta] that says how far the topics are in the state: after a
//     crash rows and offsets agree.
//   - There is no write-ahead log. A crash loses the newest batches, never one
//     between two others, so the state is one it was in before.
//   - The state follows the flow's progress in Kafka and never leads it: a row
//     is put only when what it causes is committed there. What was read and not
//     yet mapped waits beside the rows, ordered by table, key and seq.
//   - A row, its index entries, and what says which entities it touched change in
//     one batch. An index has an entry for a row exactly where the row that is
//     stored gives its text.
//   - Memory is bounded by [Options.Cache] and [Options.MemTable], whatever the
//     size of a table, a transaction or a backlog.
package state
