package image

import (
	"os"
	"path/filepath"
	"testing"

	"chartwire/integration/servers"
)

// started are the servers of this run, one for each flavour: starting one
// takes longer than most tests, which have databases of their own.
var (
	started = map[servers.Flavor]*servers.DB{}
	folder  = func() string { d, _ := os.MkdirTemp("", "chartwire-image-"); return d }()
)

func TestMain(m *testing.M) {
	code := m.Run()
	for _, db := range started {
		db.Close()
	}
	_ = os.RemoveAll(folder)
	os.Exit(code)
}

// Server gives the flavour's server. Tests that use it do not run in parallel.
func Server(t *testing.T, f servers.Flavor) *servers.DB {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a real server: not under -short")
	}
	if started[f] == nil {
		db, err := servers.StartDB(f, filepath.Join(folder, Name(f)))
		if err != nil {
			t.Fatal(err)
		}
		started[f] = db
	}
	return started[f]
}

// Flavors are the servers that tests run on: the newest MariaDB only where it
// is installed (install.sh mariadb-new).
func Flavors() []servers.Flavor {
	f := []servers.Flavor{servers.MariaDB1011, servers.MySQLNew}
	if _, err := os.Stat(filepath.Join(servers.Cache(), "mariadb-new", ".done")); err == nil {
		f = append(f, servers.MariaDBNew)
	}
	return f
}

// Name tells the two MariaDBs apart.
func Name(f servers.Flavor) string {
	if f == servers.MariaDBNew {
		return "mariadb-new"
	}
	return f.Name
}
