// Package lease makes one process the holder of a stage, and gives it the
// producer through which everything that the stage writes to Kafka goes.
//
// A lease is a transactional id, `<prefix>.<stage>.<name>`, and a topic with
// one partition. The holder commits a renewal at least every 300 ms, within the
// transaction of its own records when it is busy. A process that has seen no
// renewal for 1.5 s calls InitProducerID, which fences the holder at the
// brokers: from then on nothing of the old holder can be committed. It then
// reads the stage's state to its end, and works.
//
// # What holds
//
//   - Of two processes that both believe to be the holder, only the one that
//     initialised last can commit anything.
//   - The holder owns the stage until 1.5 s after it sent its last acknowledged
//     renewal, on the monotonic clock. After that it may start nothing outside
//     Kafka; a standby begins no earlier, because it saw the renewal no earlier
//     than it was sent.
//   - A holder whose process a standby sees to have ended, on the same machine
//     and in the same container, is not waited for: nothing of it starts any
//     more. Of any other, silence is all that a standby can know.
//   - After a commit that failed, or whose answer is unknown, nothing more is
//     written: the holder lets go of its client, initialises again and reads
//     the state again, which says what was committed.
//   - A process with the same configuration stands by. One with another
//     configuration is refused: a test system on the cluster and the prefix of
//     a production system would work on its state.
package lease
