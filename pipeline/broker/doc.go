// Package broker is the way to Kafka: the client options of a configured
// cluster, the topics as the design wants them, the least ACLs, and the
// embedded broker for a trial on one machine.
//
// # What holds
//
//   - A topic's partition number is fixed when it is created. [EnsureTopics]
//     refuses a topic that has another one: rows would change their partition,
//     and their order with it.
//   - Every client reads committed records only, and waits for all in-sync
//     replicas.
//   - The embedded broker compacts nothing and deletes nothing: both lost
//     acknowledged records there when it was killed at the wrong moment.
package broker
