// Package deadletter keeps what a destination refused for good: one [Letter]
// per record and property, in the compacted topic deadletters.<sink>. Deliver
// writes them in the transaction that lets the mutation's offset pass, and
// empties one (a tombstone) in the transaction in which the destination took
// the record or the property after all.
//
// A letter holds the row that the value came from, never the value: [Retry]
// asks Map to map that row again, so that what is then sent is what the row
// holds then.
package deadletter
