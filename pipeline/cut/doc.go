// Package cut is the record that ends a transaction of capture: how far a
// source has been read, and how far the topics show it.
//
// A [Cut] is written last in its Kafka transaction, to a topic with one
// partition per source. It lists what its transaction touched; a full one, at
// start, at the end and at least once a minute, lists everything. [Latest]
// folds the newest full one and what follows it.
package cut
