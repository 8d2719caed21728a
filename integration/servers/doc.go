// Package servers starts the real servers that tests, benchmarks and the demo
// run against, as private local processes on 127.0.0.1: MariaDB, MySQL, Apache
// Kafka and a schema registry.
//
// What a machine lacks is installed by install.sh in this folder (make servers);
// a server that is missing fails the test with that command. Tests that need
// one are skipped under -short, which needs nothing but Go.
//
// A process ends with the test that started it, and with the test binary
// however that ends (the kernel sends it SIGKILL).
package servers
