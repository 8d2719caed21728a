// Package registry keeps schemas where Kafka's other tools look for them: a
// client of the Confluent API that registers and finds the schemas of row
// topics, Chartwire's own check of what a table may change into, and a server
// of the part of that API that needs no other process, for an installation on
// one machine.
package registry
