package servers_test

import (
	"strings"
	"testing"

	"chartwire/integration/servers"
)

func TestDatabase(t *testing.T) {
	for _, f := range []servers.Flavor{servers.MariaDB1011, servers.MySQLNew} {
		t.Run(f.Name, func(t *testing.T) {
			db := servers.Database(t, f)
			if err := db.Exec("create database d; create table d.t (a int primary key); insert into d.t values (1)"); err != nil {
				t.Fatal(err)
			}
			db.Kill()
			if err := db.Start(); err != nil {
				t.Fatal(err)
			}
			pool, err := db.Open("d")
			if err != nil {
				t.Fatal(err)
			}
			defer pool.Close()
			var n int
			if err := pool.QueryRow("select a from t").Scan(&n); err != nil || n != 1 {
				t.Fatalf("after a crash: %d, %v", n, err)
			}
			out, err := db.Client("select a from d.t; show variables like 'binlog_row_metadata'")
			if err != nil || !strings.HasPrefix(out, "1\n") || !strings.Contains(out, "FULL") {
				t.Fatalf("client: %q, %v", out, err)
			}
		})
	}
}
