// Package bench_test measures the whole road with real servers: MariaDB, Kafka
// and the schema registry as processes, Chartwire's stages in this one.
//
//	go test -run '^$' -bench . -benchtime 1x ./integration/bench
package bench_test
