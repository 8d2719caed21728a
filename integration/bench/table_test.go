package bench_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"chartwire/integration/servers"
)

// table makes the database bench with the table reference: rows of 24 columns,
// about 270 bytes each in the binlog.
func table(b *testing.B, db *servers.DB) {
	b.Helper()
	ddl, err := os.ReadFile("testdata/maps/bench/reference.sql")
	if err != nil {
		b.Fatal(err)
	}
	if err := db.Exec("create database bench character set utf8mb4; use bench; " + string(ddl)); err != nil {
		b.Fatal(err)
	}
}

// values is what the columns behind the key hold, made of a number.
func values(number string) string {
	return fmt.Sprintf(`%[1]s %% 90000, concat('Potassium in serum ', %[1]s), concat('K', %[1]s %% 977), '4.2', 4.2000, 3.5000, 5.1000, 'mmol/L',
 '2026-01-02 03:04:05', '2026-01-02 03:04:05.678', '2026-01-02 03:04:05', 2, 0, 'Dr. Schäfer, Internal Medicine', 'Laboratory North', %[1]s %% 5000, 'final', 71.5, 180.25,
 '1980-02-29', 'no remark from the laboratory', %[1]s %% 4000000000, 3`, number)
}

// fill is a statement that inserts so many rows, numbered from first on.
func fill(first, rows int) string {
	return fmt.Sprintf("insert into reference select seq + %d, %s from seq_1_to_%d", first, values("seq"), rows)
}

// fillOne is a statement that inserts one row.
func fillOne(id int) string {
	return fmt.Sprintf("insert into reference values (%d, %s)", id, values(strconv.Itoa(id)))
}

// write adds n rows behind next in transactions of so many.
func write(db *servers.DB, next *int, n, each int) error {
	first := *next
	*next += n
	if each == 1 { // one statement a row, run by the server itself
		return db.Exec(fmt.Sprintf(`use bench; drop procedure if exists singles;
create procedure singles(a int, n int) begin declare i int default 1;
 while i <= n do insert into reference values (a + i, %s); set i = i + 1; end while; end; call singles(%d, %d)`,
			values("i"), first, n))
	}
	for i := 0; i < n; i += each {
		if err := db.Exec("use bench; " + fill(first+i, min(each, n-i))); err != nil {
			return err
		}
	}
	return nil
}

// writeOnce adds n rows behind next in one transaction.
func writeOnce(db *servers.DB, next *int, n int) error {
	const part = 50_000
	var b strings.Builder
	b.WriteString("use bench; begin;")
	for i := 0; i < n; i += part {
		b.WriteString(fill(*next+i, min(part, n-i)) + ";")
	}
	*next += n
	return db.Exec(b.String() + "commit")
}

// forget empties the table, which the binlog does not hear of: what was
// measured stays out of the way of what is.
func forget(b *testing.B, db *servers.DB) {
	b.Helper()
	if err := db.Exec("use bench; set sql_log_bin=0; truncate reference; set sql_log_bin=1"); err != nil {
		b.Fatal(err)
	}
}

// size reads a size of the benchmarks from the environment.
func size(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil && n > 0 {
		return n
	}
	return otherwise
}

// rows is how many rows a backlog or a table has.
func rows() int { return size("CHARTWIRE_BENCH_ROWS", 1_000_000) }
