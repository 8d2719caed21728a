// Package lanes decides what a destination is asked to write next. It is
// pure: it knows neither Kafka nor a destination nor the time, makes no
// goroutines, and is used by one.
//
// A [Queue] holds the mutations that have arrived and are not yet written, as
// [Record]s. What holds:
//
//   - Changes of one record coalesce: of each property the newest version
//     stays. A record costs the memory of its newest values, and a few bytes
//     for every arrival whose offset waits for it.
//   - A record has at most one call in the air, over all lanes. What arrives
//     meanwhile waits for that call to land.
//   - A mutation of the safety lane is two parts: the safety properties, which
//     go in the safety lane, and the rest, which goes in a lane of its own. It
//     is complete when both are.
//   - Which records a call holds is decided when the call is made, not before:
//     safety, realtime and routine by earliest deadline, backfill by arrival.
//   - Every lane's window is bounded in records and bytes. The window of a lane
//     is charged until an arrival is complete. When it is full, its oldest
//     arrival is due, so that a far deadline cannot hold an offset for ever.
//   - A call in any lane but safety takes along everything that waits for its
//     records, whatever lane it came in: older lanes have nothing left to do.
package lanes
