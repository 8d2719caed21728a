// Package brokertest is what tests of the stages need of Kafka: a broker in
// the process, and a road to any broker that can be blocked and cut.
package brokertest
