// Package shadow keeps what we know a destination holds: per record its id
// there, per property the value, the version of the mutation that said so last,
// and when the row behind the value changed, and the links that there should be
// and that may be there. Archived records stay.
//
// The truth is the compacted topic shadow.<sink>, which only Deliver writes; a
// [Store] is its copy on the local disk, in Pebble, so that memory does not
// grow with the number of records. The copy knows up to which offset it has
// read, and for which topic: another topic makes it start anew. Its log is off:
// what a crash takes from it, the topic gives back.
//
// In the same topic, under the key [ProgressKey], stands the [Progress]: the
// offsets of the mutations that are done. It is written in the transaction of
// the entries that it is about, and found by the same reading; so there is no
// moment at which a reader could see one without the other, and no consumer
// group whose coordinator would have to be reached, and allowed, as well.
//
// What holds:
//
//   - What a transaction has not committed is seen by [Store.Get] and by nobody
//     else: it reaches Pebble after the commit, in one batch with the offset.
//   - An [Entry] that was handed out does not change.
package shadow
