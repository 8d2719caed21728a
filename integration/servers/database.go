package servers

import (
	"bytes"
	"database/sql"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-sql-driver/mysql"
)

// Flavor is a database product at a version.
type Flavor struct {
	Name    string // "mariadb", "mysql"
	install string // what install.sh calls it
	root    string // of an unpacked tree; "" = installed in the system
}

// The flavours that install.sh can bring.
var (
	MariaDB1011 = Flavor{Name: "mariadb", install: "mariadb"}
	MariaDBNew  = Flavor{Name: "mariadb", install: "mariadb-new", root: "mariadb-new/root"}
	MySQLNew    = Flavor{Name: "mysql", install: "mysql", root: "mysql/root"}
)

// DB is one database server with a private data directory. Its binlog is on,
// ROW, FULL, with full metadata and GTIDs; User has all rights.
type DB struct {
	*Process
	Flavor         Flavor
	Addr           string
	Port           int
	User, Password string
	Version        string

	dir       string
	args      []string
	root      *sql.DB
	container string // of one that StartDBContainer started
}

// serverIDs gives every server of this process another id.
var serverIDs atomic.Uint32

// StartDB starts a server of the flavour on an empty data directory below dir.
// args are added to its command line, last, so that they win.
func StartDB(f Flavor, dir string, args ...string) (*DB, error) {
	bin, err := f.binary()
	if err != nil {
		return nil, err
	}
	template, err := f.template(bin)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	if err := run(nil, "cp", "-a", template, filepath.Join(dir, "data")); err != nil {
		return nil, err
	}
	port, err := Port()
	if err != nil {
		return nil, err
	}
	db := &DB{Flavor: f, Port: port, Addr: "127.0.0.1:" + strconv.Itoa(port), User: "test", Password: "test-secret", dir: dir}
	db.args = append(f.args(dir, port), args...)
	return db, db.Start()
}

// Start starts a server again that was stopped or killed, on the same port and data.
func (db *DB) Start() error {
	bin, err := db.Flavor.binary()
	if err != nil {
		return err
	}
	if db.Process, err = start(bin[0], append(bin[1:], db.args...)...); err != nil {
		return err
	}
	if db.root == nil {
		if db.root, err = open(db.dsn("root", "", "unix", filepath.Join(db.dir, "s.sock"), "")); err != nil {
			return err
		}
	}
	err = db.wait(60*time.Second, func() error { return db.root.QueryRow("select version()").Scan(&db.Version) })
	if err != nil {
		return err
	}
	var have int
	if err := db.root.QueryRow("select count(*) from mysql.user where user = ?", db.User).Scan(&have); err != nil || have > 0 {
		return err
	}
	// The setup is nobody's history: it stays out of the binlog.
	return db.Exec("set sql_log_bin = 0; create user '" + db.User + "'@'%' identified by '" + db.Password +
		"'; grant all on *.* to '" + db.User + "'@'%' with grant option; set sql_log_bin = 1")
}

// Close stops the server and its connections.
func (db *DB) Close() {
	if db.root != nil {
		_ = db.root.Close()
	}
	if db.container != "" {
		_ = exec.Command("docker", "rm", "-f", db.container).Run()
		return
	}
	db.Stop(20 * time.Second)
}

// DSN is a data source name for go-sql-driver/mysql, as User. An empty database
// selects none.
func (db *DB) DSN(database string) string {
	return db.dsn(db.User, db.Password, "tcp", db.Addr, database)
}

func (db *DB) dsn(user, password, network, addr, database string) string {
	c := mysql.NewConfig()
	c.User, c.Passwd, c.Net, c.Addr, c.DBName = user, password, network, addr, database
	c.MultiStatements, c.AllowNativePasswords, c.Collation = true, true, "utf8mb4_general_ci"
	c.Logger = log.New(io.Discard, "", 0) // the driver prints "unexpected EOF" while a server comes up
	return c.FormatDSN()
}

func open(dsn string) (*sql.DB, error) {
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, err
	}
	cfg.Logger = log.New(io.Discard, "", 0)
	conn, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(conn), nil
}

// Open opens a pool of connections as User. An empty database selects none.
func (db *DB) Open(database string) (*sql.DB, error) { return open(db.DSN(database)) }

// Exec runs statements, separated by semicolons, as root on one connection.
func (db *DB) Exec(statements string) error {
	_, err := db.root.Exec(statements)
	if err != nil {
		return fmt.Errorf("executing %.80q: %w", statements, err)
	}
	return nil
}

// Client runs the statements through the server's own command-line client and
// returns what it prints: the independent witness of what a value looks like.
func (db *DB) Client(statements string) (string, error) {
	name, args := "mariadb", []string{}
	root := filepath.Join(Cache(), db.Flavor.root)
	if _, err := os.Stat(filepath.Join(root, "usr/bin", db.Flavor.Name)); err == nil && db.Flavor.root != "" { // the newest MariaDB comes without
		name = filepath.Join(root, "usr/lib64/ld-linux-x86-64.so.2")
		args = []string{"--library-path", filepath.Join(root, "usr/lib/x86_64-linux-gnu"), filepath.Join(root, "usr/bin", db.Flavor.Name)}
	}
	args = append(args, "--no-defaults", "-uroot", "-S", filepath.Join(db.dir, "s.sock"), "--default-character-set=utf8mb4", "-N", "-B")
	cmd := exec.Command(name, args...)
	cmd.Stdin = strings.NewReader(statements)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("running the client: %w: %s", err, stderr.String())
	}
	return string(out), nil
}

// binary gives the command that runs the server.
func (f Flavor) binary() ([]string, error) {
	if f.root == "" {
		for _, name := range []string{"/usr/sbin/mariadbd", "mariadbd"} {
			if path, err := exec.LookPath(name); err == nil {
				return []string{path}, nil
			}
		}
		return nil, missing(f.install)
	}
	root := filepath.Join(Cache(), f.root)
	server := filepath.Join(root, "usr/sbin", f.server())
	if _, err := os.Stat(server); err != nil {
		return nil, missing(f.install)
	}
	return []string{filepath.Join(root, "usr/lib64/ld-linux-x86-64.so.2"), "--library-path",
		filepath.Join(root, "usr/lib/x86_64-linux-gnu") + ":" + filepath.Join(root, "usr/lib/mysql/private"), server}, nil
}

func (f Flavor) server() string {
	if f.Name == "mysql" {
		return "mysqld"
	}
	return "mariadbd"
}

// base is the arguments that initialising and running have in common.
func (f Flavor) base(data string) []string {
	args := []string{"--no-defaults", "--user=root", "--datadir=" + data}
	if f.root == "" {
		return args
	}
	usr := filepath.Join(Cache(), f.root, "usr")
	args = append(args, "--basedir="+usr)
	if f.Name == "mysql" {
		return append(args, "--lc-messages-dir="+filepath.Join(usr, "share/mysql"),
			"--character-sets-dir="+filepath.Join(usr, "share/mysql/charsets"),
			"--plugin-dir="+filepath.Join(usr, "lib/mysql/plugin"), "--secure-file-priv=NULL")
	}
	return append(args, "--lc-messages-dir="+filepath.Join(usr, "share/mariadb"),
		"--character-sets-dir="+filepath.Join(usr, "share/mariadb/charsets"),
		"--plugin-dir="+filepath.Join(usr, "lib/mysql/plugin"))
}

func (f Flavor) args(dir string, port int) []string {
	id := serverIDs.Add(1)
	args := append(f.base(filepath.Join(dir, "data")),
		// Not in a shared folder: a server that starts removes what it takes for
		// leftovers of temporary tables there, of others that run.
		"--tmpdir="+dir,
		"--socket="+filepath.Join(dir, "s.sock"), "--pid-file="+filepath.Join(dir, "pid"),
		"--port="+strconv.Itoa(port), "--bind-address=127.0.0.1",
		"--server-id="+strconv.Itoa(int(id)+os.Getpid()*16%1_000_000), "--log-bin=binlog",
		"--binlog-format=ROW", "--binlog-row-image=FULL", "--binlog-row-metadata=FULL",
		"--innodb-buffer-pool-size=64M", "--innodb-flush-log-at-trx-commit=2", "--sync-binlog=0",
		"--performance-schema=OFF", "--skip-name-resolve", "--max-connections=200")
	if f.Name == "mysql" {
		return append(args, "--gtid-mode=ON", "--enforce-gtid-consistency=ON", "--mysqlx=OFF",
			"--innodb-redo-log-capacity=16M")
	}
	return append(args, "--gtid-strict-mode=ON", "--innodb-log-file-size=8M")
}

// template is an initialised data directory, made once for all tests.
func (f Flavor) template(bin []string) (string, error) {
	dir := filepath.Join(Cache(), "template-"+f.install)
	err := once(dir, func(tmp string) error {
		if f.Name == "mysql" {
			err := run(nil, bin[0], append(append(bin[1:], f.base(tmp)...), "--initialize-insecure",
				"--innodb-redo-log-capacity=16M", "--mysqlx=OFF")...)
			if err != nil {
				return err
			}
			return os.Remove(filepath.Join(tmp, "auto.cnf")) // or all copies share one server UUID
		}
		sqlDir := "/usr/share/mysql"
		if f.root != "" {
			sqlDir = filepath.Join(Cache(), f.root, "usr/share/mariadb")
		}
		input := []io.Reader{strings.NewReader("create database mysql;\nuse mysql;\nset @auth_root_socket=NULL;\n")}
		for _, name := range []string{"system_tables", "performance_tables", "system_tables_data"} {
			b, err := readFirst(filepath.Join(sqlDir, "mariadb_"+name+".sql"), filepath.Join(sqlDir, "mysql_"+name+".sql"))
			if err != nil {
				return err
			}
			input = append(input, bytes.NewReader(b))
		}
		gis, err := os.ReadFile(filepath.Join(sqlDir, "maria_add_gis_sp_bootstrap.sql"))
		if err != nil {
			return err
		}
		input = append(input, bytes.NewReader(gis))
		return run(io.MultiReader(input...), bin[0], append(append(bin[1:], f.base(tmp)...), "--bootstrap",
			"--innodb-log-file-size=8M", "--log-warnings=0", "--skip-log-bin")...)
	})
	return dir, err
}

func readFirst(paths ...string) (b []byte, err error) {
	for _, p := range paths {
		if b, err = os.ReadFile(p); err == nil {
			return b, nil
		}
	}
	return nil, err
}
