// Package sinks says what a destination is: the [Sink] contract, the
// [Mutation] that Map makes and Deliver carries, and the kinds of errors that
// decide what happens next. sinktest holds the contract as a test suite.
package sinks
