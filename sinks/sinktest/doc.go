// Package sinktest is the contract of [sinks.Sink] as a test suite, and
// [Memory], a sink that keeps its records in memory for tests of what stands
// before a sink.
//
// A new sink runs the suite from its own tests:
//
//	func TestContract(t *testing.T) {
//		sinktest.Run(t, func(t *testing.T) sinktest.Harness { … })
//	}
//
// Each subtest is one sentence of the contract and gets a destination of its
// own from the harness.
package sinktest
