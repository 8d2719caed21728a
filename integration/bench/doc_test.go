// Package bench_test measures the whole road with real servers: MariaDB, Kafka,
// the schema registry and Debezium as processes, Chartwire's stages in this one
// or, where it is set beside something, as its binary.
//
//	go test -run '^$' -bench . -benchtime 1x ./integration/bench
//
// Sizes for a look: CHARTWIRE_BENCH_ROWS (1,000,000 rows of a backlog and of a
// table), CHARTWIRE_BENCH_ROUNDS (3 times each), CHARTWIRE_BENCH_TRANSACTION_MB
// (1024), CHARTWIRE_BENCH_SECONDS (10 of a latency, 6 of a phase).
package bench_test
