// Package cut is the record that ends a transaction of capture: how far a
// source has been read, and how far the topics show it.
//
// A [Cut] is written last in its Kafka transaction, to a topic with one
// partition per source. It lists what its transaction touched; a full one, at
// start, at the end and at least once a minute, lists everything. [Latest]
// folds the newest full one and what follows it.
//
// # What holds
//
//   - At a cut the row topics, each read up to the cut's mark, show the source
//     as it was at one commit.
//   - A record whose checkpoint lies inside a source transaction is where
//     capture resumes, and never a cut to map at. It says which transaction that
//     is and with which seq it began; the record that ends it says with which.
//     So a reader of the row topics knows the whole transaction by its seqs, as
//     it does by the id and the ordinal that each row has (source.gtid, row).
//   - Full records have the source as their key, the others the source and
//     their number since the last full one ([Key]). So compaction keeps all that is
//     needed to know the newest cut, however long capture is down, and little
//     more.
package cut
