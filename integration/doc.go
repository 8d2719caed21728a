// Package integration holds the tests and benchmarks of more than one package,
// and the rules of the repository that are tests.
package integration
