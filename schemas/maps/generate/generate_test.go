package generate_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"chartwire/integration/servers"
	"chartwire/schemas/maps"
	"chartwire/schemas/maps/generate"
)

var now = time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)

func TestSeedRepeats(t *testing.T) {
	a, b := generate.New(7, now), generate.New(7, now)
	if a.Patients(50) != b.Patients(50) || a.Results(20, 30, true) != b.Results(20, 30, true) || a.Change() != b.Change() {
		t.Fatal("the same seed gave other statements")
	}
	if generate.New(8, now).Patients(50) == generate.New(7, now).Patients(50) {
		t.Fatal("another seed gave the same statements")
	}
}

// TestOnServers holds that both servers take the reference DDL and everything
// that is generated for it.
func TestOnServers(t *testing.T) {
	for _, f := range []servers.Flavor{servers.MariaDB1011, servers.MySQLNew} {
		t.Run(f.Name, func(t *testing.T) {
			db := servers.Database(t, f)
			exec := func(sql string) {
				t.Helper()
				if err := db.Exec("use om; " + sql); err != nil {
					t.Fatal(err)
				}
			}
			if err := db.Exec("create database om"); err != nil {
				t.Fatal(err)
			}
			for _, pack := range []string{"om-aggregation", "labs"} {
				ddl, err := maps.Files.ReadFile(pack + "/reference.sql")
				if err != nil {
					t.Fatal(err)
				}
				exec(string(ddl))
			}
			g := generate.New(1, now)
			exec(g.Patients(500))
			exec(g.Results(200, 400, true))
			for range 300 {
				exec(g.Change())
			}
			sql, _ := g.Critical(now)
			exec(sql)
			out, err := db.Client("select count(*) from om.omaggregation; select count(*) from om.lab_result where critical_flag = 1 and test_date = '2026-02-03 04:05:06'")
			if err != nil {
				t.Fatal(err)
			}
			lines := strings.Fields(out)
			if lines[1] != "1" {
				t.Fatalf("counts %v", lines)
			}
			if n := len(g.Live()); lines[0] != strconv.Itoa(n) {
				t.Fatalf("%s patients in the table, %d generated", lines[0], n)
			}
		})
	}
}
